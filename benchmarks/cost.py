"""How far ``pairprobe cost`` is off, by stage: its prediction beside the jobs of a run.

    .venv/bin/python benchmarks/cost.py config/config.yaml results/demo           for this machine, which is measured
    .venv/bin/python benchmarks/cost.py config/config.yaml results/demo --reference    for the reference machine

Snakemake keeps each job's seconds and memory in the run's folder ``benchmarks``. The run must have been made from nothing,
on all cores.
"""

import argparse
import sys
from pathlib import Path

from pairprobe.cost import rates, report
from pairprobe.cost.work import ANSWERING, EVIDENCE, EXTRACTION, HEADS, RANKING, READING, SETS, STAGES, TUNING, Work
from pairprobe.errors import InputError
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import markdown

# The stage of each rule; every other rule draws, counts or lays out.
STAGE_OF_RULE = {
    "render_mini_nq": READING,
    "download_questions": READING,
    "read_questions": READING,
    "partition_examples": READING,
    "fetch_checkpoint": READING,
    "initialise_checkpoint": READING,
    "adapt_checkpoint": READING,
    "prepare_wordnet": READING,
    "build_probing_set": SETS,
    "build_features": TUNING,
    "finetune_checkpoint": TUNING,
    "take_step": TUNING,
    "train_answer_heads": HEADS,
    "train_heads_on_trained": HEADS,
    "train_early_exits": HEADS,
    "train_span_heads": HEADS,
    "extract_activations": EXTRACTION,
    "measure_similarities": RANKING,
    "rank_pairs": RANKING,
    "rank_boundaries": RANKING,
    "predict_answers": ANSWERING,
    "answer_early_exits": ANSWERING,
    "answer_interventions": ANSWERING,
    "score_classifier": ANSWERING,
}


def measured(results: Path) -> tuple[dict[str, float], dict[str, float], float]:
    """Return the seconds of all jobs and the memory of the largest, by stage, and the seconds of the whole run."""
    seconds, memory, ends = dict.fromkeys(STAGES, 0.0), dict.fromkeys(STAGES, 0.0), []
    for file in (results / "benchmarks").rglob("*.tsv"):
        rule = file.parent.name if file.parent != results / "benchmarks" else file.stem
        stage = STAGE_OF_RULE.get(rule, EVIDENCE)
        (row,) = read_tsv(file)
        seconds[stage] += float(row["s"])
        memory[stage] = max(memory[stage], float(row["max_rss"]) * 2**20)
        ends.append((file.stat().st_mtime, float(row["s"])))
    if not ends:
        raise InputError(f"{results}: there are no benchmarks of jobs in it. Make the run first.")
    first, last = min(ends), max(ends)
    return seconds, memory, last[0] - first[0] + first[1]


def compare(work: Work, results: Path) -> str:
    """Return the table of seconds and memory, predicted and measured, in Markdown."""
    (seconds, memory, whole), rows, expected = measured(results), [], work.memory()
    for stage in STAGES:
        found = sum(job.seconds for job in work.jobs if job.stage == stage)
        rows.append((stage, f"{found:.0f}", f"{seconds[stage]:.0f}", _difference(found, seconds[stage])))
        rows[-1] += (f"{expected.get(stage, 0) / 1e9:.1f}", f"{memory[stage] / 1e9:.1f}")
    found, jobs = report.seconds_of(work), (sum(job.seconds for job in work.jobs), sum(seconds.values()))
    rows.append(("all jobs", f"{jobs[0]:.0f}", f"{jobs[1]:.0f}", _difference(*jobs), "", ""))
    rows.append(("whole run", f"{found:.0f}", f"{whole:.0f}", _difference(found, whole), "", ""))
    fields = ("stage", "seconds predicted", "measured", "off by", "GB predicted", "GB measured")
    return markdown(fields, rows, fields[1:])


def _difference(predicted: float, found: float) -> str:
    return f"{100 * (predicted / found - 1):+.0f} %" if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument(
        "--reference", action="store_true", help="predict for the two cores that the rates were measured on"
    )
    given = parser.parse_args()
    try:
        machine = rates.REFERENCE if given.reference else rates.this_machine()
        print(compare(Work(report.read_config(given.config), machine), given.results), end="")
        print(f"\n{machine.name}: {machine.origin}")
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
