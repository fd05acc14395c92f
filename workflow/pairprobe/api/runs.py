"""The results of a run as DataFrames and arrays."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.activations.store import Activations
from pairprobe.api.rankings import ALIKE, Rankings, TaskFiles
from pairprobe.errors import InputError
from pairprobe.evidence.fields import CLAIM_FIELDS, DIFFERENCE_FIELDS, INTERVAL_FIELDS
from pairprobe.io.tsv import read_frame
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, read_probing_set
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, SPECIFICITY_FIELDS, Ranking, read_ranking

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """The results of one run. Every method raises InputError where its file is missing or damaged."""

    folder: Path

    def percentages(self) -> "pd.DataFrame":
        """Return ``percentages.tsv``: a row for each checkpoint, task, measure and layer; values in percent."""
        path = self._existing("percentages.tsv")
        return read_frame(path, PERCENTAGE_FIELDS, PERCENTAGE_FIELDS[3:], may_be_empty=SPECIFICITY_FIELDS)

    def intervals(self) -> "pd.DataFrame":
        """Return ``tables/intervals.tsv``: the intervals of percentages, aucs and specific, of recipes too."""
        return self._frame("tables/intervals.tsv", INTERVAL_FIELDS, INTERVAL_FIELDS[3:])

    def differences(self) -> "pd.DataFrame":
        """Return ``tables/differences.tsv``: differences of recipes or checkpoints, intervals, p values."""
        return self._frame("tables/differences.tsv", DIFFERENCE_FIELDS, DIFFERENCE_FIELDS[5:])

    def claims(self) -> "pd.DataFrame":
        """Return ``tables/claims.tsv``: the verdict on each claim, task and measure. All columns are text."""
        return self._frame("tables/claims.tsv", CLAIM_FIELDS)

    def ranking(self, checkpoint: str, task: str) -> Ranking:
        """Return the ranking of a task's pairs by a checkpoint, as arrays."""
        return read_ranking(self._existing(f"rankings/{checkpoint}/{task}.tsv"))

    def rankings(self, checkpoint: str) -> Rankings:
        """Return the rankings of all tasks by a checkpoint, to be looked at and compared as ``rank``'s are."""
        rows = self.percentages()
        tasks = rows.loc[rows["checkpoint"] == checkpoint, "task"].unique()
        if not len(tasks):
            there = ", ".join(rows["checkpoint"].unique())
            raise InputError(f"{self.folder}/percentages.tsv: found no checkpoint {checkpoint!r}. Found there: {there}.")
        return Rankings(checkpoint, {task: self._files(checkpoint, task) for task in tasks}, self._settings(checkpoint))

    def pairs(self, task: str) -> list[PairRow | BoundaryRow]:
        """Return the probing set of a task: one dictionary for each pair or boundary."""
        return list(read_probing_set(str(self._existing(f"probing_sets/{task}.jsonl"))))

    def activations(self, checkpoint: str, view: str = "paragraph", partition: str = "probe") -> Activations:
        """Open the hidden states of a checkpoint, a context manager: ``[example_id]`` gives those of question and passage.

        view: "paragraph" or "sentence"; "text" for a partition that is a task with a file of single texts. They are kept
        with ``activations.keep: all`` only. Where a run has been cut into another number of shards since, those written
        last are opened.
        """
        folder = self._existing(f"activations/{checkpoint}/{view}")
        divisions: dict[str, list[Path]] = {}
        for path in sorted(folder.glob(f"{partition}-*of*.h5")):
            divisions.setdefault(path.stem.rpartition("of")[2], []).append(path)
        complete = [paths for count, paths in divisions.items() if len(paths) == int(count)]
        if not complete:
            raise InputError(
                f"{folder}: found no activations of the partition {partition}, or not all shards of them. "
                "They are kept with activations.keep: all."
            )
        _, newest = max((paths[0].stat().st_mtime_ns, paths) for paths in complete)
        return Activations(map(str, newest))

    def _settings(self, checkpoint: str) -> dict[str, Any]:
        """Return what rankings are compared by, as far as the files say it."""
        found: dict[str, Any] = {}
        if (record := self.folder / "provenance.json").is_file():
            configuration = json.loads(record.read_bytes())["configuration"]
            asked = {**configuration.get("words", {}), **configuration.get("activations", {})}
            found |= {key: asked[key] for key in ALIKE if key in asked}
        if (table := self.folder / "tables/activations.tsv").is_file():
            rows = read_frame(table, ["checkpoint", "view", "order"], exactly=False)
            orders = rows.loc[(rows["checkpoint"] == checkpoint) & (rows["view"] == "paragraph"), "order"]
            found |= {"order": orders.iloc[0]} if len(orders) else {}
        return found

    def _files(self, checkpoint: str, task: str) -> TaskFiles:
        # A task with a file of pairs has examples of its own.
        own = self.folder / f"examples/{task}.jsonl.gz"
        partition = task if own.exists() else "probe"
        files = f"rankings/{checkpoint}/{task}.tsv", f"probing_sets/{task}.jsonl", f"examples/{partition}.jsonl.gz"
        return TaskFiles(*map(self._existing, files))

    def _frame(self, name: str, fields: Sequence[str], numbers: Sequence[str] = ()) -> "pd.DataFrame":
        return read_frame(self._existing(name), fields, numbers, may_be_empty=numbers)

    def _existing(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            there = ", ".join(sorted(one.stem if one.is_file() else one.name for one in path.parent.glob("[!.]*")))
            raise InputError(f"{path}: there is no such file or folder. Found there: {there or 'nothing'}.")
        return path


def open_run(folder: str | Path) -> Run:
    """Open the results of a run, such as ``results/demo``. Raises InputError where the folder is none.

    >>> run = open_run(run_folder)
    >>> run.percentages()["checkpoint"].unique().tolist()
    ['before', 'after']
    >>> pair = run.pairs("coreference")[0]
    >>> pair["anchor"], pair["match"]
    ({'side': 'paragraph', 'words': [0]}, {'words': [7]})
    >>> with run.activations("after") as activations:
    ...     question, paragraph = activations[pair["example_id"]]
    >>> paragraph.shape  # layers, words, size of a vector
    (2, 14, 4)
    """
    if not (Path(folder) / "percentages.tsv").is_file():
        raise InputError(f"{folder}: no results of a run, since percentages.tsv is not in it. Name a folder results/RUN.")
    return Run(Path(folder))
