"""Percentages and controls laid out for reading: a column for each layer."""

from collections.abc import Mapping, Sequence

from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import count_told, markdown, number_told, paragraph, seeds_told
from pairprobe.tables.reading import norm_told, reading_told
from pairprobe.tables.recipes import NO_RECIPES, Recipes, label_with_seeds, units

# The columns that name a line, and those whose lines stand together, since they are to be compared.
_PERCENTAGE = ("task", "measure", "checkpoint")
_CONTROL = (*_PERCENTAGE, "variant")


# Of the captions.
_SAYS = {
    "percentage": "Pairwise ranking percentage by layer (0: the embeddings): of all words of a paragraph or text, how many "
    "are less similar to the anchor than the match is, in percent, over all pairs of a task. The pair's own words count, "
    "too, so that no match reaches 100, and chance is below 50 for a match of one word, most of all in short texts: auc, "
    "in percentages.tsv, is without them, and null_auc is chance.",
    "auc": "Pairwise AUC by layer (0: the embeddings): how often, in percent, a match is more similar to the anchor than "
    "another word is, over all pairs of a task, a tie counted as one half. Chance is 50 for a match of one word; for "
    "longer ones it is null_auc in percentages.tsv.",
}
_PAIRS = "For boundary a position's logit takes the place of the similarity. Pairs: how many were ranked."


def percentages_by_layer(
    path: str,
    value: str,
    labels: dict[str, str],
    seeds: Mapping[str, int | str],
    recipes: Recipes = NO_RECIPES,
    activations: str | None = None,
) -> str:
    """Lay ``percentages.tsv`` out in Markdown: a line for each task, measure and checkpoint, or mean of a recipe's.

    value: "percentage" or "auc". labels: what tables call a task or checkpoint, where it has another than its name. seeds:
    see ``layout.seeds_told``. recipes: ``{recipe: its checkpoints}``. activations: ``tables/activations.tsv``, by which the
    caption says what decoders read, and which layers are behind a final norm.
    """
    told = [say(activations, labels, recipes) for say in (reading_told, norm_told)] if activations else []
    caption = paragraph(" ".join(filter(None, [_SAYS[value], _PAIRS, *told, seeds_told(seeds, labels)])))
    return f"{caption}\n" + _by_layer(path, value, _PERCENTAGE, _PERCENTAGE[:2], labels, recipes)


def controls_by_layer(
    path: str, labels: dict[str, str], seeds: Mapping[str, int | str], recipes: Recipes = NO_RECIPES
) -> str:
    """Lay the auc in ``controls.tsv`` out in Markdown: under each checkpoint's ranking its controls.

    labels: what tables call a task, checkpoint or control, where it has another than its name. seeds: see
    ``layout.seeds_told``. recipes: ``{recipe: its checkpoints}``, of which the mean has a line.
    """
    told = "Control: what one thing was changed of how pairs are ranked; none: nothing."
    caption = paragraph(f"{_SAYS['auc']} {told} {_PAIRS} {seeds_told(seeds, labels)}")
    return f"{caption}\n" + _by_layer(path, "auc", _CONTROL, _PERCENTAGE, labels, recipes)


def _by_layer(
    path: str, value: str, names: Sequence[str], together: Sequence[str], labels: dict[str, str], recipes: Recipes
) -> str:
    frame = read_frame(path, [*names, "pairs", "layer", value], ["layer", value], exactly=False)
    frame["checkpoint"] = units(frame["checkpoint"], recipes)
    means = frame.groupby([*names, "pairs", "layer"], sort=False)[value].mean().map(number_told)
    wide = means.unstack(fill_value="", sort=False).sort_index(axis=1)
    wide = wide.reset_index()
    wide = wide.iloc[wide.groupby(list(together), sort=False).ngroup().argsort(kind="stable")]
    for name in {*names} - {"measure"}:
        wide[name] = [label_with_seeds(cell, labels, recipes if name == "checkpoint" else {}) for cell in wide[name]]
    wide["pairs"] = wide["pairs"].astype(float).map(count_told)
    fields = ["control" if name == "variant" else str(name) for name in wide.columns]
    return markdown(fields, wide.to_numpy(), numbers=fields[len(names) :])
