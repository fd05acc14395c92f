"""What a training needs of an objective: examples, a model that gives the loss of a batch, and how a batch is made."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from pairprobe.finetuning.headed_model import HeadedModel
from pairprobe.finetuning.settings import Training


class Examples(Protocol):
    """What is trained on, in an order that is always the same. lengths: (examples,), subtokens of each."""

    lengths: np.ndarray

    def __len__(self) -> int:
        """Count examples."""

    def __getitem__(self, i: int) -> Any:
        """Return one example."""

    def example_id(self, i: int) -> str:
        """Name an example in messages."""


class Objective:
    """An objective of one training; subclasses say the rest.

    examples: what is trained on. epoch: which is trained, from 0; what is drawn anew in each depends on it, the seed and
    the example, so that a training that is resumed draws the same.
    """

    examples: Examples
    epoch: int = 0

    def __init__(self, training: Training):
        self.training = training

    def check(self) -> None:
        """Raise InputError where there is nothing to learn."""

    def model(self) -> HeadedModel:
        """Return the model as it begins, its new weights drawn with the seed. Raises InputError for a bad start."""
        raise NotImplementedError

    def prepare(self, model: HeadedModel, device: str) -> None:
        """Compute what all epochs share; called once, in each process, where a training begins or goes on."""

    def collate(self, items: Sequence[tuple[int, Any]]) -> dict[str, Any]:
        """Make a batch of examples, each behind its number: the arguments of the model's ``forward``."""
        raise NotImplementedError
