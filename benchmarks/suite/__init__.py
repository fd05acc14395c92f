"""The benchmark suite: one module a part, and what the parts share; ``bench.py`` runs them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from suite import extraction
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
}
