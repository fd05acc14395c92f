"""Scores on Natural Questions laid out as in the paper's Table 2."""

from collections.abc import Mapping

import pandas as pd

from pairprobe.tables.layout import count_told, markdown, paragraph, seeds_told
from pairprobe.tables.recipes import NO_RECIPES, SPREAD, Recipes, label_with_seeds, means_and_deviations

# Table 2 of the paper, in percent: P, R and F1 of the long answer, then of the short one.
PAPER = {
    "BERT (pre-train), in the paper": ("16.81", "28.10", "21.03", "4.16", "3.81", "4.57"),
    "BERT (fine-tune), in the paper": ("56.91", "62.30", "59.48", "46.74", "40.25", "43.25"),
}
_BEST = {"P": "precision", "R": "recall", "F1": "f1"}
_MORE = {
    "R at P 50": "recall_at_precision_50",
    "R at P 75": "recall_at_precision_75",
    "R at P 90": "recall_at_precision_90",
    "P, all": "precision_unthresholded",
    "R, all": "recall_unthresholded",
    "F1, all": "f1_unthresholded",
}
_CAPTION = """\
Long and short answers, after Table 2 of Cai et al. (2020): precision (P), recall (R) and F1 in percent, by the
official metric of Natural Questions, at the threshold with the best F1; in brackets 95 % intervals by bootstrap over
questions. The heads of a frozen encoder are trained while the encoder stays as it is. Without a model: word overlap takes
the candidate with most of the question's words, by their inverse document frequency; the others always take the same
candidate of a page, the first, and the one that is best on the partition finetune. The paper's rows are on the dev
set; the F1 of 4.57 is as printed there, though a precision of 4.16 and a recall of 3.81 give 3.98. {seeds}
"""
_MORE_CAPTION = """\
Answers by the official metric of Natural Questions: the best recall at a precision of at least 50, 75 and 90 %, and
precision, recall and F1 of all predictions, no threshold set; in percent, over as many questions as in the table
before. {seeds}
"""


def paper_table(
    scores: pd.DataFrame,
    baselines: pd.DataFrame,
    labels: dict[str, str],
    seeds: Mapping[str, int | str],
    recipes: Recipes = NO_RECIPES,
) -> str:
    """Lay the scores out in Markdown after Table 2 of the paper, above the paper's own rows; and what is not in it, below.

    scores: all columns text, those of ``scores.tsv``: a row for each checkpoint, head (how its head came about) and answer.
    baselines: likewise, those of ``tables/baselines.tsv``, whose long answers have a row each. labels: what tables call a
    checkpoint, where it has another than its name. seeds: see ``layout.seeds_told``. recipes: ``{recipe: its
    checkpoints}``, which have a row together.
    """
    percents = [*_BEST.values(), "f1_low", "f1_high", *_MORE.values()]
    scores = pd.concat([scores, _without_model(baselines)])
    rows = means_and_deviations(scores, recipes, ["head", "answer", "examples"], percents).reset_index("examples")
    rows["f1"] += (" [" + rows["f1_low"] + ", " + rows["f1_high"] + "]").mask(rows["several"], "")
    best = {answer: rows.xs(answer, level="answer")[list(_BEST.values())] for answer in ("long", "short")}
    best["short"] = best["short"].reindex(best["long"].index, fill_value="")
    questions = rows["examples"].astype(float).map(count_told).xs("long", level="answer")
    ours = [
        (
            label_with_seeds(name, labels, recipes),
            head,
            questions[name, head],
            *best["long"].loc[name, head],
            *best["short"].loc[name, head],
        )
        for name, head in best["long"].index
    ]
    theirs = [(model, "", "7,830", *numbers) for model, numbers in PAPER.items()]
    columns = [f"{answer} {name}" for answer in ("Long", "Short") for name in _BEST]
    table = markdown(("Model", "Head", "Questions", *columns), [*ours, *theirs], numbers=("Questions", *columns))
    rest = [
        (label_with_seeds(name, labels, recipes), head, answer, *cells)
        for (name, head, answer), *cells in rows[list(_MORE.values())].itertuples(name=None)
    ]
    told = f"{SPREAD} {seeds_told(seeds, labels)}" if recipes else seeds_told(seeds, labels)
    captions = [paragraph(caption.format(seeds=told)) for caption in (_CAPTION, _MORE_CAPTION)]
    return f"{captions[0]}\n{table}\n{captions[1]}\n" + markdown(
        ("Model", "Head", "Answer", *_MORE), rest, numbers=tuple(_MORE)
    )


def _without_model(baselines: pd.DataFrame) -> pd.DataFrame:
    """Return the long answers among the baselines in the columns of the scores."""
    rows = baselines[baselines["task"] == "long_answers"].set_index("baseline")
    f1 = rows.loc[rows["value"] == "f1", ["examples", "low", "high"]].rename(columns={"low": "f1_low", "high": "f1_high"})
    wide = rows.pivot(columns="value", values="estimate").join(f1)
    wide = wide.reindex(rows.index.unique()).rename_axis("checkpoint").reset_index()
    return wide.assign(head="no model", answer="long")
