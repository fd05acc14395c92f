"""Rankings of pairs by one model: their percentages, their pairs one by one, and their figure."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pairprobe.api.settings import check_value
from pairprobe.data.examples import Example, read_examples
from pairprobe.errors import InputError
from pairprobe.io.tsv import read_frame, write_tsv
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, id_of, read_probing_set
from pairprobe.rankings.percentages import (
    COUNTS,
    PERCENTAGE_FIELDS,
    RANKING_FIELDS,
    SPECIFICITY_COUNTS,
    SPECIFICITY_FIELDS,
    percentages,
    ratios,
    read_ranking,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


# Settings that are the same in rankings to be compared.
ALIKE = ("punctuation", "max_length", "special_tokens", "final_norm", "last_layer")


class TaskFiles(NamedTuple):
    """The files of one task's pairs, as a run has them: their ranking, the probing set, and the examples it is of."""

    ranking: Path
    pairs: Path
    examples: Path

    def read_pairs(self) -> Iterator[tuple[PairRow | BoundaryRow, Example]]:
        """Yield each pair or boundary with its example, in the order of the probing set."""
        rows = list(read_probing_set(self.pairs))
        wanted = {row["example_id"] for row in rows}
        examples = {each.example_id: each for each in read_examples(self.examples) if each.example_id in wanted}
        for row in rows:
            yield row, examples[row["example_id"]]


@dataclass(frozen=True, eq=False, repr=False)
class Rankings:
    """How one model ranks the pairs of one task or several; ``rank`` makes them, and a run has them.

    model: what tables and figures call the model. tasks: the files of each task. settings: those of ``ALIKE``, as asked
    for, and the order in which the model reads question and text, as far as these are known.

    >>> rankings = rank(pairs, model)
    >>> rankings.percentages()["layer"].unique().tolist()
    [0, 1, 2]
    >>> rankings.to_pandas()[["anchor", "match", "measure", "layer", "para_len"]].head(2)
      anchor  match measure  layer  para_len
    0    hot   cold  cosine      0         9
    1    hot   cold  cosine      1         9
    >>> rankings.plot("auc").savefig(folder / "auc.svg")
    """

    model: str
    tasks: Mapping[str, TaskFiles]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def percentages(self) -> "pd.DataFrame":
        """Return a row for each task, measure and layer, with the columns of a run's ``percentages.tsv``; in percent."""
        with self._percentages_file() as path:
            return read_frame(path, PERCENTAGE_FIELDS, PERCENTAGE_FIELDS[3:], may_be_empty=SPECIFICITY_FIELDS)

    def to_pandas(self) -> "pd.DataFrame":
        """Return a row for each pair, measure and layer.

        Columns: task, anchor and match (their words; of a boundary the match is the answer), group (what is resampled),
        those of ``rankings/{checkpoint}/{task}.tsv``, and the percentages of this pair alone.
        """
        import pandas as pd

        return pd.concat([_of_pairs(task, files) for task, files in self.tasks.items()], ignore_index=True)

    def plot(self, value: str = "percentage", beside: "Rankings | Sequence[Rankings]" = ()) -> "Figure":
        """Draw the percentages by layer, a column for each task, a row for each measure, and chance as dots.

        value: "percentage", "auc" or "specific". beside: rankings of the same tasks by other models, drawn in the same
        panels. Raises InputError for another value, and where two models have one name.
        """
        from pairprobe.figures.grid import Panel, grid_figure

        check_value(value)
        others = [beside] if isinstance(beside, Rankings) else list(beside)
        names = [one.model for one in (self, *others)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"plot: two models are called {twice[0]!r}. Name them: load_encoder(..., name=...).")
        look: Any = {"compared": names, "among": names, "labels": {name: name for name in names}, "value": value}
        with self._percentages_file(others) as path:
            columns = [
                [Panel(task=task, measure=measure, **look) for measure in read_ranking(files.ranking).measures]
                for task, files in self.tasks.items()
            ]
            return grid_figure(path, columns)

    def __repr__(self) -> str:
        """Say which pairs these are, and in how many layers they are ranked."""
        found = {task: read_ranking(files.ranking) for task, files in self.tasks.items()}
        told = ", ".join(f"{len(each.example_ids)} {task} in {len(each.layers)} layers" for task, each in found.items())
        return f"<Rankings by {self.model}: {told}>"

    def _repr_markdown_(self) -> str:
        """Return the percentages, a column for each layer, for a notebook."""
        from pairprobe.tables.by_layer import percentages_by_layer

        with self._percentages_file() as path:
            return percentages_by_layer(path, "percentage", {self.model: self.model}, {})

    @contextlib.contextmanager
    def _percentages_file(self, others: "Sequence[Rankings]" = ()) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="pairprobe-") as folder:
            rankings = [
                (one.model, task, str(one.tasks[task].ranking))
                for one in (self, *others)
                for task in self.tasks
                if task in one.tasks
            ]
            write_tsv(path := f"{folder}/percentages.tsv", PERCENTAGE_FIELDS, percentages(rankings))
            yield path


def _of_pairs(task: str, files: TaskFiles) -> "pd.DataFrame":
    numbers = RANKING_FIELDS[2:]
    frame = read_frame(files.ranking, RANKING_FIELDS, numbers, may_be_empty=SPECIFICITY_COUNTS)
    described = {id_of(row): (*_words(row, example), example.title) for row, example in files.read_pairs()}
    words = [described[name] for name in frame["example_id"]]
    for place, name in enumerate(("anchor", "match", "group")):
        frame.insert(place, name, [each[place] for each in words])
    frame.insert(0, "task", task)
    counts, sums = frame[list(COUNTS)].to_numpy(), frame[list(SPECIFICITY_COUNTS)].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, (part, whole) in ratios(counts, None if np.isnan(sums).all() else sums).items():
            frame[name] = 100 * part / whole
    return frame


def _words(row: PairRow | BoundaryRow, example: Example) -> tuple[str, str]:
    """Return the words of a pair's anchor and match; of a boundary nothing and the answer's."""
    if "sentence" in row:
        return "", " ".join(example.paragraph[slice(*row["answer"])])
    of_side = example.question if row["anchor"]["side"] == "question" else example.paragraph
    return " ".join(of_side[i] for i in row["anchor"]["words"]), " ".join(
        example.paragraph[i] for i in row["match"]["words"]
    )
