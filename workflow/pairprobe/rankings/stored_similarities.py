"""What streaming keeps of a forward pass in place of activations: what ranking and explorer read, 0.5 % of the size.

Of a pair that is how similar its anchor is to the match and to every word of question and paragraph; of a boundary, the
start and end logits of every word of the sentence (``kept_logits``).
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pairprobe.activations import store
from pairprobe.activations.store import Activations
from pairprobe.errors import InputError
from pairprobe.rankings import pair_ranking, similarity, similarity_store
from pairprobe.rankings.similarity import Measured
from pairprobe.rankings.similarity_store import Shard, is_kept


class Pairs:
    """Keeps similarities of pairs.

    sets: ``{task: rows of its probing set}``; storage: the type that vectors are rounded to, as in a store of them, so that
    the numbers are the same.
    """

    dtype = "float32"

    def __init__(self, sets: dict[str, Iterable[dict]], storage: str):
        # settings: what else the numbers stand on.
        self.storage, self.settings = storage, [storage]
        self.entries: dict[str, list[tuple[str, dict]]] = {}
        # In an order of their own, so that another one in the configuration computes nothing again.
        for task, pairs in sorted(sets.items()):
            for pair in pairs:
                self.entries.setdefault(pair["example_id"], []).append((task, pair))

    def rows(self, question_words: int, words: int) -> tuple[int, int]:
        """Return how many rows an entry has, and how many of its words are the question's."""
        return 1 + words, question_words

    def values(self, layer: int, pair: dict, question: np.ndarray, paragraph: np.ndarray) -> np.ndarray:
        """Return an entry's rows of one layer, (1 + words, 2). question, paragraph: their vectors, (words, hidden)."""
        measured = similarity.measure_pair(pair, question[None], paragraph[None])
        if measured is None:
            return np.full((1 + len(question) + len(paragraph), 2), np.nan)
        both = [measured.matching[..., None], measured.question, measured.paragraph]
        return np.concatenate(both, axis=-1)[:, 0].T

    def content(self, example_id: str, words: tuple[list[str], list[str]]) -> str | None:
        """Return the digest of an example's words and entries; None where nothing of it is kept."""
        if example_id not in self.entries:
            return None
        entries = [json.dumps(entry, sort_keys=True) for entry in self.entries[example_id]]
        return store.content_of([*words, entries, self.settings])

    def former(self, paths: Iterable[str], stands_on: str) -> store.Kept:
        """Open what former files hold of the same."""
        return store.Kept(paths, stands_on, self.dtype, Shard)

    def create(self, path, layers: int, hidden: int, index: store.Index, attributes: dict):
        """Return what makes the file, as ``store.create`` does; the vectors themselves (hidden) take no room in it."""
        return similarity_store.create(path, layers, self, index, attributes)


class Similarities:
    """The shards of one checkpoint and view; a context manager. ``of`` gives what stands in place of Activations."""

    def __init__(self, paths: Iterable[str]):
        self._stack = contextlib.ExitStack()
        self.places: dict[tuple[str, str], tuple[Shard, int]] = {}
        self.left_out: set[str] = set()
        self.layers = 0
        self._common: dict = {}
        try:
            for path in paths:
                shard = Shard(path)
                self._stack.callback(shard.close)
                self._check(shard)
                self.left_out.update(shard.left_out)
                for i, key in enumerate(zip(shard.task, shard.example_id, strict=True)):
                    if key in self.places:
                        raise InputError(f"{path}: example_id {key[1]} stands in another shard already.")
                    self.places[key] = (shard, i)
        except BaseException:
            self._stack.close()
            raise

    def _check(self, shard: Shard) -> None:
        """Raise InputError where a shard does not belong to those before it."""
        common = {name: shard.attributes.get(name) for name in store.COMMON} | {"layers": shard.values.shape[1]}
        if self._common and common != self._common:
            raise InputError(
                f"{shard.path}: found {common}, but the shards before it have {self._common}. Delete the shards that are "
                "out of date."
            )
        self._common, self.layers = common, shard.values.shape[1]

    def of(self, task: str) -> "OfTask":
        """Return what is kept of a task's pairs."""
        return OfTask(self, task)

    def __enter__(self) -> "Similarities":
        """Begin."""
        return self

    def __exit__(self, *exception) -> None:
        """Close the files."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class OfTask:
    """What is kept of one task's pairs, by example."""

    kept: Similarities
    task: str

    @property
    def left_out(self) -> set[str]:
        """The examples that were too long."""
        return self.kept.left_out

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has an entry."""
        return (self.task, example_id) in self.kept.places

    def __getitem__(self, example_id: str) -> tuple[Measured]:
        """Return what ``ranking.rank_measured`` takes of an example's pair, as the one argument that it is."""
        shard, entry = self.kept.places[self.task, example_id]
        block = shard.read(entry).transpose(2, 1, 0)
        asked = 1 + shard.question_words[entry]
        return (Measured(block[..., 0], block[..., 1:asked], block[..., asked:]),)

    def logits(self, example_id: str) -> np.ndarray:
        """Return a boundary's logits: (2, layers, words), NaN where a word has no vector."""
        shard, entry = self.kept.places[self.task, example_id]
        return shard.read(entry).transpose(2, 1, 0)


@contextlib.contextmanager
def opened(paths: Iterable[str], task: str) -> Iterator[tuple]:
    """Open what a run has of a checkpoint and view, activations or not; yields that, and what ranks a pair of the task."""
    with either(paths) as found:
        yield (
            (found, pair_ranking.rank_pair)
            if isinstance(found, Activations)
            else (found.of(task), pair_ranking.rank_measured)
        )


def either(paths: Iterable[str]) -> "Activations | Similarities":
    """Return a context manager of what files hold, whichever it is."""
    paths = list(paths)
    return Similarities(paths) if paths and is_kept(paths[0]) else Activations(paths)
