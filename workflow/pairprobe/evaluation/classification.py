"""How often a classifier that was trained here is right on the texts of its table that were held out."""

from collections import Counter
from dataclasses import dataclass

import torch
from transformers import AutoModelForSequenceClassification

from pairprobe.checkpoints import devices, loading
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.objectives import labelled_texts
from pairprobe.finetuning.objectives.encoding import Encoder
from pairprobe.finetuning.objectives.sequence_classification import ClassifyingModel
from pairprobe.io.progress import log
from pairprobe.io.tsv import write_tsv

# majority: the share of the held-out texts that have the label which most of those that train have.
FIELDS = ("trained", "held_out", "labels", "correct", "accuracy", "majority")


@dataclass(frozen=True, slots=True)
class Settings:
    """How texts are classified. max_length: subtokens of a text, at most. threads: of the processor."""

    max_length: int
    batch_size: int = 16
    precision: str = "float32"
    threads: int = 1


def score(checkpoint: str, table: str, path: str, settings: Settings) -> None:
    """Write a table of ``FIELDS``, in percent; accuracy and majority are empty where no text was held out.

    Raises InputError where a text has more subtokens than the checkpoint has positions.
    """
    texts = labelled_texts.read(table)
    held_out = [one for one in texts if one.held_out]
    trained = Counter(one.label for one in texts if not one.held_out)
    found = _classify(checkpoint, [(one.text, one.text_pair) for one in held_out], settings)
    correct = sum(label == one.label for label, one in zip(found, held_out, strict=True))
    most = max(sorted(trained), key=trained.__getitem__, default="")
    shares = [
        f"{100 * count / len(held_out):.2f}" for count in (correct, sum(one.label == most for one in held_out)) if found
    ]
    log.info("%s: right on %d of %d texts that were held out", checkpoint, correct, len(held_out))
    counts = trained.total(), len(held_out), len(labelled_texts.labels_of(texts)), correct
    write_tsv(path, FIELDS, [(*counts, *(shares or ("", "")))])


def _classify(checkpoint: str, texts: list[tuple[str, str | None]], settings: Settings) -> list[str]:
    """Return the label that a classifier gives to each text."""
    device, tokenizer = devices.claim(), loading.load_tokenizer(checkpoint)
    precision = devices.resolve_precision(settings.precision, device)
    found, _ = loading.load_model(AutoModelForSequenceClassification, checkpoint, precision)
    model = ClassifyingModel(found.eval().to(device)).eval()
    names = dict(found.config.id2label or {})
    encode, collate = Encoder(tokenizer, settings.max_length), joint_model.Collator(tokenizer)
    encoded = [encode(*one) for one in texts]
    # Those that were trained on may all have been shorter.
    loading.check_windows(found, max((len(ids) for ids, _ in encoded), default=0), checkpoint, "finetuning")
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i][0]))
    labels = [""] * len(texts)
    with torch.inference_mode(), devices.operation_threads(settings.threads):
        for first in range(0, len(order), settings.batch_size):
            some = order[first : first + settings.batch_size]
            batch = {name: values.to(device) for name, values in collate([encoded[i] for i in some]).items()}
            for i, number in zip(some, model(**batch)["logits"].argmax(1).tolist(), strict=True):
                labels[i] = names[number]
    return labels
