"""Exact match and F1 laid out for reading."""

from collections.abc import Mapping

import pandas as pd

from pairprobe.tables.layout import count_told, markdown, paragraph, seeds_told
from pairprobe.tables.recipes import SPREAD, Recipes, label_with_seeds, means_and_deviations

_CAPTION = """\
Exact match and F1 in percent, over the questions (examples) of the partition probe, which trained nothing. Head: what
answers, heads trained with the encoder, or while it is frozen, or a checkpoint's own; heads drawn at random where there
are no pages to train on."""


def answers_table(scores: pd.DataFrame, labels: dict[str, str], seeds: Mapping[str, int | str], recipes: Recipes) -> str:
    """Lay the scores out in Markdown, a row for each recipe and each checkpoint outside recipes.

    scores: all columns text, those of ``question_answering.tsv``. labels: what tables call a recipe or checkpoint, where it
    has another than its name. seeds: see ``layout.seeds_told``. recipes: ``{recipe: its checkpoints}``.
    """
    keys, numbers = ["head", "examples"], ["exact_match", "f1"]
    rows = means_and_deviations(scores, recipes, keys, numbers)[numbers].reset_index()
    rows["checkpoint"] = [label_with_seeds(name, labels, recipes) for name in rows["checkpoint"]]
    rows["examples"] = rows["examples"].astype(float).map(count_told)
    caption = paragraph(" ".join(filter(None, [_CAPTION, SPREAD if recipes else "", seeds_told(seeds, labels)])))
    return f"{caption}\n" + markdown(rows.columns, rows.to_numpy(), numbers=["examples", *numbers])
