"""Answering questions from windows of pages: with the encoder, or with heads alone on a frozen one."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from pairprobe.checkpoints import devices, loading
from pairprobe.errors import InputError
from pairprobe.finetuning import early_exits, frozen_features, joint_model
from pairprobe.finetuning.features import Features
from pairprobe.finetuning.headed_model import HeadedModel
from pairprobe.finetuning.objectives.objective import Objective
from pairprobe.finetuning.settings import Training


class OfWindows(Objective):
    """An objective on windows of pages."""

    examples: Features

    def __init__(self, training: Training):
        super().__init__(training)
        self.examples = Features(training.features)

    @cached_property
    def collate_inputs(self) -> joint_model.Collator:
        """Makes the inputs of a batch, of ``(input_ids, begin)`` of each window."""
        return joint_model.Collator(loading.load_tokenizer(self.training.start))


class QuestionAnswering(OfWindows):
    """Where the answer starts and ends, and of which type it is: see ``joint_model``."""

    def check(self) -> None:
        """Raise InputError where no window holds an answer."""
        if not self.examples.has_answer():
            found = ", ".join(self.training.features[:3])
            raise InputError(f"{found}: no window holds an answer, so there is nothing to train on.")

    def model(self) -> joint_model.JointModel:
        """Return the encoder with its heads, or with new ones."""
        given, settings = self.training, self.training.settings
        return joint_model.initial(given.start, settings.seed, given.frozen, settings.lora, given.new_heads)[0]

    def collate(self, items: Sequence[tuple[int, dict]]) -> dict[str, Any]:
        """Make a batch of windows and their targets, each (batch,)."""
        batch = self.collate_inputs([(window["input_ids"], window["begin"]) for _, window in items])
        targets = [self.target(window) for _, window in items]
        for name in ("start", "end", "answer_type"):
            batch[name] = torch.tensor([each[name] for each in targets])
        return batch

    def target(self, window: dict) -> dict[str, int]:
        """Return start, end and answer_type of a window."""
        return window


class FrozenAnswerHeads(QuestionAnswering):
    """The same by heads alone.

    encodes: whether all that the frozen encoder makes of the windows is kept for all epochs; encoded: where it is.
    """

    encodes = True
    encoded: frozen_features.FrozenFeatures | None = None

    def prepare(self, model: HeadedModel, device: str) -> None:
        """Let the encoder compute as when questions are answered, and pass over all windows once."""
        assert isinstance(model, joint_model.JointModel)
        settings = self.training.settings
        model.compute_frozen(devices.resolve_precision(settings.precision, device), device)
        if settings.epochs > 1 and self.encodes:
            parts = self.collate_inputs, self.training.work, settings.threads
            self.encoded = frozen_features.encode(model, self.examples, *parts)

    def collate(self, items: Sequence[tuple[int, dict]]) -> dict[str, Any]:
        """Make a batch with its ``encoded``."""
        batch = super().collate(items)
        return {**batch, "encoded": self.encoded.batch([i for i, _ in items])} if self.encoded else batch


class EarlyExitHeads(FrozenAnswerHeads):
    """The same by heads on each layer, which read more of the encoder than is worth keeping."""

    encodes = False

    def model(self) -> joint_model.JointModel:
        """Return the encoder with new heads on each layer."""
        return early_exits.initial(self.training.start, self.training.settings.seed)
