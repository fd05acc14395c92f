"""What was trained, written as a checkpoint's folder."""

from pairprobe.checkpoints import adapters, checksums, inspection, loading
from pairprobe.finetuning import lora
from pairprobe.finetuning.headed_model import HeadedModel
from pairprobe.finetuning.lora import Lora
from pairprobe.io import files


def save_checkpoint(trained: HeadedModel, start: str, adapter: Lora | None, path: str) -> None:
    """Write a trained model; ``path`` becomes a folder like ``start``, the one that it was trained from.

    adapter: what was trained by LoRA, which is merged into the weights, in place, and lies besides in a folder of its own
    (``adapters.MERGED``). Raises InputError where weights are not finite.
    """
    with files.atomic_write(path) as temporary:
        if adapter:
            lora.save(trained.model, adapter, temporary / adapters.MERGED, trained.task)
            lora.merge(trained.model)
        trained.model.save_pretrained(temporary, state_dict=trained.saved_state())
        loading.load_tokenizer(start).save_pretrained(temporary)
        with inspection.named(temporary, path):
            inspection.verify(temporary)
        checksums.write_checksums(temporary)
