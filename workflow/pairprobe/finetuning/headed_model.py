"""An encoder with heads, as it is trained: which of its weights are, and what of them is saved."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import PreTrainedModel

from pairprobe.checkpoints import adapters, peft_layers
from pairprobe.errors import InputError

Batch = dict[str, torch.Tensor]
# In the place of a target: nothing is to be predicted there.
IGNORED = -100


class HeadedModel(nn.Module):
    """An encoder with heads; a subclass gives the loss: ``forward(**batch)["loss"]``, the mean over the batch.

    model: one of transformers, with its heads. frozen: whether the encoder is not trained, and stays in evaluation mode.
    """

    # What ``lora.save`` is told that the heads are for.
    task: str | None = None

    def __init__(self, model: PreTrainedModel, frozen: bool = False):
        super().__init__()
        self.model: PreTrainedModel = model
        self.frozen = frozen
        if frozen:
            model.base_model.requires_grad_(False)

    @property
    def encoder(self) -> PreTrainedModel:
        """The model without its heads. (transformers declares it as any module.)"""
        return cast(PreTrainedModel, self.model.base_model)

    @property
    def adapted(self) -> bool:
        """Whether an adapter of the encoder is trained in the place of its weights."""
        return any(peft_layers.is_of_adapter(key) for key, one in self.encoder.named_parameters() if one.requires_grad)

    def train(self, mode: bool = True) -> "HeadedModel":
        """Set training mode; a frozen encoder stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def weight(self, batch: Batch) -> float:
        """Return how much a part of a batch counts in the loss of the whole: by its rows."""
        return len(batch["input_ids"])

    def independent_parts(self) -> list[nn.Module]:
        """Return what is trained together; what is in different parts must not influence one another."""
        return [self]

    def head_state(self) -> dict[str, torch.Tensor]:
        """Return the weights that are not the encoder's."""
        prefix = f"{self.model.base_model_prefix}."
        return {key: value for key, value in self._state(self.model).items() if not key.startswith(prefix)}

    def saved_state(self) -> dict[str, torch.Tensor]:
        """Return all weights by the names that a checkpoint has them under."""
        return self._state(self.model)

    def trained_state(self) -> dict[str, torch.Tensor]:
        """Return the weights that training changes, by their names in ``state_dict``: all, or heads and adapter."""
        state = self._state(self)
        if not self.frozen and not self.adapted:
            return state
        heads = {f"model.{key}": value for key, value in self.head_state().items()}
        tuned = {} if self.frozen else {key: value for key, value in state.items() if peft_layers.is_of_adapter(key)}
        return heads | tuned

    def load_trained(self, state: dict[str, torch.Tensor]) -> None:
        """Load what ``trained_state`` returned."""
        if state.keys() != self.trained_state().keys():
            raise RuntimeError(f"other weights than {type(self.model).__name__} was trained with")
        self.load_state_dict(state, strict=state.keys() == self.state_dict().keys())

    @staticmethod
    def _state(module: nn.Module) -> dict[str, torch.Tensor]:
        """Return a module's state; of weights that are one and the same under several names, the first name alone."""
        twice = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        twice -= {name for name, _ in module.named_parameters()}
        state: dict[str, Any] = module.state_dict()
        return {key: value for key, value in state.items() if key not in twice}


def by_length(inputs: Batch) -> tuple[list[Batch], torch.Tensor]:
    """Return the texts of each length by themselves, without padding, and the order that puts their rows back.

    inputs: (batch, subtokens) each, with an ``attention_mask``.
    """
    lengths = inputs["attention_mask"].sum(1)
    rows = [torch.nonzero(lengths == length)[:, 0] for length in lengths.unique()]
    parts = [{name: values[some, : int(lengths[some[0]])] for name, values in inputs.items()} for some in rows]
    return parts, torch.cat(rows).argsort()


def check_plain(folder: str | Path) -> None:
    """Raise InputError where a checkpoint's weights would be trained beside an adapter that is not merged."""
    if (Path(folder) / adapters.UNMERGED).is_dir():
        raise InputError(f"checkpoint {folder}: it has an adapter that is not merged. Set merge: true for it.")


@contextlib.contextmanager
def encoder_gives(encoder: PreTrainedModel, output: Any) -> Iterator[None]:
    """Have an encoder return this, whatever it reads: an architecture's own head calls it."""
    forward = encoder.forward
    encoder.forward = lambda *args, **kwargs: output
    try:
        yield
    finally:
        encoder.forward = forward


def seed_all(seed: int) -> None:
    """Seed what draws weights that a checkpoint lacks, dropout, and the matrices of LoRA."""
    # Imported here: the module that has it loads the trainer, and peft.
    from transformers import set_seed

    set_seed(seed)
