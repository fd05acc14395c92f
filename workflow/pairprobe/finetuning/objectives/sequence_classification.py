"""Classifying texts, or pairs of them, of one's own table: inference, paraphrase, sentiment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from pairprobe.checkpoints import loading, padding
from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model, lora
from pairprobe.finetuning.headed_model import Batch, HeadedModel, by_length, check_plain, seed_all
from pairprobe.finetuning.objectives import labelled_texts
from pairprobe.finetuning.objectives.encoding import Encoder
from pairprobe.finetuning.objectives.labelled_texts import LabelledText
from pairprobe.finetuning.objectives.objective import Objective
from pairprobe.finetuning.settings import Training
from pairprobe.io.progress import log


class EncodedTexts:
    """Texts as a model reads them. ``texts[i]``: input_ids, begin (of the second text) and label (its number)."""

    def __init__(self, texts: Sequence[LabelledText], labels: Sequence[str], encode: Encoder):
        self.texts = texts
        number = {label: i for i, label in enumerate(labels)}
        self.rows = [(*encode(one.text, one.text_pair), number[one.label]) for one in texts]
        self.lengths = np.array([len(ids) for ids, _, _ in self.rows])

    def __len__(self) -> int:
        """Count texts."""
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[np.ndarray, int, int]:
        """Return one text."""
        return self.rows[i]

    def example_id(self, i: int) -> str:
        """Return file and line."""
        return self.texts[i].where


class SequenceClassification(Objective):
    """A label for each text, by transformers' own model for that."""

    def __init__(self, training: Training):
        super().__init__(training)
        if training.table is None or training.settings.max_length is None:
            raise ValueError("a training that classifies needs a table, and how long its texts may be")
        texts = labelled_texts.read(training.table)
        self.labels = labelled_texts.labels_of(texts)
        self.tokenizer = loading.load_tokenizer(training.start)
        encode = Encoder(self.tokenizer, training.settings.max_length)
        trained = [one for one in texts if not one.held_out]
        self.examples: EncodedTexts = EncodedTexts(trained, self.labels, encode)
        self.collate_inputs = joint_model.Collator(self.tokenizer)
        counts = len(trained), len(self.labels), len(texts) - len(trained), encode.cut
        log.info("%s: %d texts of %d labels train, %d are held out; %d were too long and cut", training.table, *counts)

    def check(self) -> None:
        """Raise InputError where all texts are held out."""
        if not len(self.examples):
            raise InputError(f"{self.training.table}: all of its few texts are held out. Wanted: more, to train on.")

    def model(self) -> HeadedModel:
        """Return the encoder with a classifier of as many labels as the table has."""
        start, settings = self.training.start, self.training.settings
        check_plain(start)
        seed_all(settings.seed)
        names = dict(enumerate(self.labels))
        options: dict[str, Any] = {"id2label": names, "label2id": {label: i for i, label in names.items()}}
        model = ClassifyingModel(loading.load_model(AutoModelForSequenceClassification, start, "float32", **options)[0])
        # A decoder's classifier reads the last subtoken that is no padding.
        model.model.config.pad_token_id = self.tokenizer.pad_token_id
        if settings.lora:
            lora.add(model.encoder, settings.lora, f"checkpoint {start}")
        return model

    def collate(self, items: Sequence[tuple[int, tuple[np.ndarray, int, int]]]) -> Batch:
        """Make a batch of texts, and ``labels``, (batch,)."""
        batch = self.collate_inputs([(ids, begin) for _, (ids, begin, _) in items])
        return {**batch, "labels": torch.tensor([label for _, (_, _, label) in items])}


class ClassifyingModel(HeadedModel):
    """An encoder with a classifier; the model must come in evaluation mode."""

    task = lora.CLASSIFYING

    def __init__(self, model: PreTrainedModel):
        super().__init__(model)
        self.by_length = padding.padding_shows(self.encoder)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> Batch:
        """Return the logits, (batch, labels); with labels, (batch,), the loss, the mean cross entropy.

        The other inputs are (batch, subtokens).
        """
        optional = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        inputs = {"input_ids": input_ids, **{name: values for name, values in optional.items() if values is not None}}
        if self.by_length and attention_mask is not None:
            parts, order = by_length(inputs)
            logits = torch.cat([self.model(**part).logits for part in parts])[order].float()
        else:
            logits = self.model(**inputs).logits.float()
        return {"logits": logits, **({} if labels is None else {"loss": nn.functional.cross_entropy(logits, labels)})}
