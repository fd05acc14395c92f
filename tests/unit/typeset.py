"""Tables as runs have them, of any number of checkpoints and layers, and a document that holds them."""

import itertools
import re
import subprocess
from pathlib import Path

import pandas as pd

from pairprobe.controls.variants import VARIANTS
from pairprobe.evaluation.baselines import FIELDS as BASELINE_FIELDS
from pairprobe.evaluation.nq_scores import SCORE_FIELDS
from pairprobe.evidence.claims import CLAIMS
from pairprobe.evidence.fields import CLAIM_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.tables import by_layer, claims, nq_scores
from pairprobe.tables.layout import markdown, paragraph

EVIDENCE = {"confidence": 0.95, "margin": 5, "power": 0.8}
MEASURES = {
    "synonyms": ("cosine", "euclidean"),
    "abbreviation": ("cosine", "euclidean"),
    "coreference": ("cosine", "euclidean"),
    "answer_type": ("cosine", "euclidean"),
    "boundary": ("start", "end"),
}
PANELS = [(task, measure) for task, measures in MEASURES.items() for measure in measures]


def tables(folder: Path, labels: dict[str, str], layers: int) -> dict[str, str]:
    """Return every table of a run with checkpoints of these labels, of so many layers, in Markdown."""
    names, seeds = list(labels), dict(zip(labels, itertools.count(13)))
    numbers = [(*key, layer, 1234, "100.0", "54.3") for key in itertools.product(names, PANELS) for layer in range(layers)]
    fields = ("layer", "pairs", "percentage", "auc")
    rows = [(name, *panel, *rest) for name, panel, *rest in numbers]
    write_tsv(folder / "percentages.tsv", ("checkpoint", "task", "measure", *fields), rows)
    rows = [(variant, *row) for row in rows if row[1] != "boundary" for variant in ("none", *VARIANTS)]
    write_tsv(folder / "controls.tsv", ("variant", "checkpoint", "task", "measure", *fields), rows)
    verdicts = itertools.cycle(["contradicted", "undecided", "supported"])
    rows = [
        (
            *pair,
            claim,
            *panel,
            "yes",
            next(verdicts),
            "-12.3456",
            "-100.0000",
            "7.0000",
            12,
            layers,
            1234,
            567,
            "98,765",
            *end,
        )
        for pair in itertools.combinations(names, 2)
        for claim in CLAIMS
        for panel in PANELS
        for end in [(on, "recipe", 3, "345.6", "differ in layer 12") for on in ("auc", "specific")]
    ]
    write_tsv(folder / "claims.tsv", CLAIM_FIELDS, rows)
    scores = [
        {**dict.fromkeys(SCORE_FIELDS, "100"), "checkpoint": name, "head": "trained on a frozen encoder", "answer": answer}
        for name in names
        for answer in ("long", "short")
    ]
    values = [value for value in SCORE_FIELDS[2:] if not value.endswith(("_low", "_high"))]
    rows = [("always_candidate_1", "long_answers", "long", value, *["100"] * 3, "7830") for value in values]
    baselines = pd.DataFrame(rows, columns=BASELINE_FIELDS)
    answers = [(name, "trained with the encoder", 12345, "45.76", "48.64") for name in labels.values()]
    return {
        "percentages": by_layer.percentages_by_layer(str(folder / "percentages.tsv"), "percentage", labels, seeds),
        "controls": by_layer.controls_by_layer(str(folder / "controls.tsv"), labels, seeds),
        "claims": claims.claims_markdown(str(folder / "claims.tsv"), labels, EVIDENCE, seeds),
        "nq_evaluation": nq_scores.paper_table(pd.DataFrame(scores), baselines, labels, seeds),
        "question_answering": f"{paragraph('Exact match and F1.')}\n"
        + markdown(("checkpoint", "head", "examples", "exact_match", "f1"), answers, ("examples", "exact_match", "f1")),
    }


DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{array,booktabs,longtable,pdflscape,rotating}
\begin{document}
%s
\end{document}
"""


def compiled(folder: Path, program: str, texts: dict[str, str]) -> tuple[str, int]:
    """Compile tables in LaTeX, each on pages of its own; returns the log and the number of pages."""
    for name, text in texts.items():
        (folder / f"{name}.tex").write_text(text, encoding="utf-8")
    inputs = "\n\\clearpage\n".join(rf"\input{{{name}}}" for name in texts)
    (folder / "all.tex").write_text(DOCUMENT % inputs, encoding="utf-8")
    for _ in range(2):
        done = subprocess.run(
            [program, "-halt-on-error", "-interaction=nonstopmode", "all"], cwd=folder, capture_output=True
        )
        log = (folder / "all.log").read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0, log[-3000:]
    return log, int(re.search(r"\((\d+) pages?", log)[1])
