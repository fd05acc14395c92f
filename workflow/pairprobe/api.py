"""What ``import pairprobe`` offers in a notebook: the results of a run as DataFrames and arrays.

run = pairprobe.open_run("results/demo")
run.percentages().query("task == 'coreference' and layer == 4")
with run.activations("finetuned-seed13") as activations:
    question, paragraph = activations[run.pairs("coreference")[0]["example_id"]]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pairprobe.activations.store import Activations
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

    def pairs(self, task: str) -> list[PairRow | BoundaryRow]:
        """Return the probing set of a task: one dictionary for each pair or boundary."""
        return list(read_probing_set(str(self._existing(f"probing_sets/{task}.jsonl"))))

    def activations(self, checkpoint: str, view: str = "paragraph", partition: str = "probe") -> Activations:
        """Open the hidden states of a checkpoint, a context manager: ``[example_id]`` gives those of question and passage.

        view: "paragraph" or "sentence". They are kept with ``activations.keep: all`` only. Where a run has been cut into
        another number of shards since, those written last are opened.
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

    def _frame(self, name: str, fields: Sequence[str], numbers: Sequence[str] = ()) -> "pd.DataFrame":
        return read_frame(self._existing(name), fields, numbers, may_be_empty=numbers)

    def _existing(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            there = ", ".join(sorted(one.stem if one.is_file() else one.name for one in path.parent.glob("[!.]*")))
            raise InputError(f"{path}: there is no such file or folder. Found there: {there or 'nothing'}.")
        return path


def open_run(folder: str | Path) -> Run:
    """Open the results of a run, such as ``results/demo``. Raises InputError where the folder is none."""
    if not (Path(folder) / "percentages.tsv").is_file():
        raise InputError(f"{folder}: no results of a run, since percentages.tsv is not in it. Name a folder results/RUN.")
    return Run(Path(folder))
