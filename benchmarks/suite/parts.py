"""The parts of the suite, by their names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from suite import disk, extraction, growth, ranking, readers
from suite.settings import Settings


@dataclass(frozen=True)
class Part:
    """A part of the suite: what it measures, as JSON can hold it, and how that is told in Markdown."""

    title: str
    measure: Callable[[Settings], dict]
    tell: Callable[[dict], list[str]]


PARTS = {
    "extraction-minilm": Part("Extraction, MiniLM", partial(extraction.measure, "minilm"), extraction.tell),
    "extraction-bert": Part("Extraction, BERT-base's shape", partial(extraction.measure, "bert"), extraction.tell),
    "ranking": Part("Ranking", ranking.measure, ranking.tell),
    "readers": Part("Reading Natural Questions", readers.measure, readers.tell),
    "disk": Part("Disk", disk.measure, disk.tell),
    "growth": Part("How the cost grows", growth.measure, growth.tell),
}
