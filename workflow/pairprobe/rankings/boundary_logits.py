"""What streaming keeps of boundaries in place of activations: the logits of each word (see ``similarities``)."""

from collections.abc import Iterable

import numpy as np

from pairprobe.data.sampling import in_shard
from pairprobe.io.digests import file_digest
from pairprobe.rankings import boundary_heads
from pairprobe.rankings.stored_similarities import Pairs


class Boundaries(Pairs):
    """Keeps the logits of boundaries. rows: of the probing set; heads: the file of trained heads; storage: as ``Pairs``."""

    dtype = "float64"

    def __init__(self, rows: Iterable[dict], heads: str, storage: str):
        super().__init__({"boundary": rows}, storage)
        self.heads = boundary_heads.read(heads)
        self.settings = [storage, file_digest(heads)]

    def rows(self, question_words: int, words: int) -> tuple[int, int]:
        """Return how many rows an entry has, one for each word of the sentence; none is the question's."""
        return words - question_words, 0

    def values(self, layer: int, pair: dict, question: np.ndarray, paragraph: np.ndarray) -> np.ndarray:
        """Return the logits of a sentence's words in one layer, (words, 2)."""
        return self.heads.logits(layer, paragraph).T


def keep(sets: dict[str, Iterable[dict]], storage: str, heads: str | None = None, shard: tuple[int, int] = (0, 1)) -> Pairs:
    """Return what ``activations.extract`` is to keep of a shard: of the sets of pair tasks, or of boundary, whose heads are
    given."""
    number, shards = shard
    sets = {task: (row for row in rows if in_shard(row["example_id"], number, shards)) for task, rows in sets.items()}
    return Boundaries(sets["boundary"], heads, storage) if heads else Pairs(sets, storage)
