"""How many pairs of the probing sets are right, on real text, by the labels in tests/labels.

    python benchmarks/precision.py --nq NQ_FILE ... --squad SQUAD_FILE ...

The files are the dev set of Natural Questions and SQuAD 1.1, in any format that the workflow reads. The sets are built anew
on the labelled examples, so the figures are those of the rules as they stand: a pair that is found but was never read is
counted apart. Intervals are Wilson's, 95 %.
"""

import argparse
import tempfile
from pathlib import Path

from scipy.stats import binomtest

from pairprobe.data import readers
from pairprobe.data.examples import Example, example_of
from pairprobe.io import tsv
from pairprobe.probing_sets import building, wordnet
from pairprobe.tables import layout

LABELS = Path(__file__).parents[1] / "tests" / "labels"
TASKS = ("synonyms", "abbreviation", "coreference", "answer_type")
SOURCES = {"nq": "natural_questions", "squad": "squad"}
FIELDS = ("data", "example_id", "side", "anchor", "match", "verdict")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nq", nargs="+", default=[], help="files of Natural Questions' dev set")
    options.add_argument("--squad", nargs="+", default=[], help="files of SQuAD 1.1")
    options = options.parse_args()
    examples = {
        (data, example.example_id): example
        for data, paths in (("nq", options.nq), ("squad", options.squad))
        for path in paths
        for example in labelled_examples(data, path)
    }
    with tempfile.TemporaryDirectory() as folder:
        wordnet.install("package", f"{folder}/wordnet")
        reader = wordnet.load(f"{folder}/wordnet")
        rows = [row for task in TASKS for data in SOURCES for row in judge(task, data, examples, reader)]
    fields = ("task", "data", "labelled", "right", "precision", "interval", "never_read", "missed")
    print(layout.markdown(fields, rows, numbers=fields[2:]), end="")


def labels_of(name: str) -> list[dict]:
    path = LABELS / f"{name}.tsv"
    return tsv.read_tsv(str(path), FIELDS) if path.exists() else []


def labelled_examples(data: str, path: str) -> list[Example]:
    """Read those examples of a file that are labelled for some task."""
    wanted = {
        row["example_id"] for task in TASKS for row in labels_of(task) + labels_of(f"{task}.missed") if row["data"] == data
    }
    found = []
    for _, document in readers.read(SOURCES[data], path):
        if getattr(document, "example_id", None) in wanted:
            example = example_of(document)
            if isinstance(example, Example):
                found.append(example)
    return found


def judge(task: str, data: str, examples: dict, reader) -> list[tuple]:
    """Give the task's row of the table, where any of the data's examples is labelled."""
    verdicts = {
        (row["example_id"], row["side"], row["anchor"], row["match"]): row["verdict"]
        for row in labels_of(task)
        if row["data"] == data
    }
    find = building.load(task).find
    ids = {key[0] for key in verdicts if (data, key[0]) in examples}
    found = [key for key in (pair_of(find, examples[data, name], reader) for name in sorted(ids)) if key]
    judged = [verdicts[key] for key in found if key in verdicts]
    if not judged:
        return []
    right = judged.count("right")
    low, high = binomtest(right, len(judged)).proportion_ci(method="wilson")
    missed = [row for row in labels_of(f"{task}.missed") if row["data"] == data and (data, row["example_id"]) in examples]
    still = [row for row in missed if row["verdict"] == "missed" and not agrees(row, find, examples, reader)]
    share = f"{100 * right / len(judged):.1f} %"
    interval = f"{100 * low:.0f} to {100 * high:.0f} %"
    reading = f"{len(still)} of {len(missed)}" if missed else ""
    return [(task, data, len(judged), right, share, interval, len(found) - len(judged), reading)]


def agrees(row: dict, find, examples: dict, reader) -> bool:
    found = pair_of(find, examples[row["data"], row["example_id"]], reader)
    return found is not None and found[1:] == (row["side"], row["anchor"], row["match"])


def pair_of(find, example: Example, reader) -> tuple | None:
    pair = find(example, reader)
    if isinstance(pair, str):
        return None
    return example.example_id, pair.side, ",".join(map(str, pair.anchor)), ",".join(map(str, pair.match))


if __name__ == "__main__":
    main()
