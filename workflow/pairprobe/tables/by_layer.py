"""Percentages and controls laid out for reading: a column for each layer."""

from collections.abc import Sequence

from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of, markdown, paragraph, seeds_told

# The columns that name a line, and those whose lines stand together, since they are to be compared.
_PERCENTAGE = ("task", "measure", "checkpoint")
_CONTROL = (*_PERCENTAGE, "variant")


# Of the captions.
_SAYS = {
    "percentage": "Pairwise ranking percentage by layer (0: the embeddings): of the words that a match is ranked among, "
    "how many are less similar to the anchor than it is, in percent, over all pairs of a task. Chance is just below 50.",
    "auc": "Pairwise AUC by layer (0: the embeddings): how often, in percent, a match is more similar to the anchor than "
    "another word is, over all pairs of a task, a tie counted as one half. Chance is 50.",
}
_PAIRS = "For boundary a position's logit takes the place of the similarity. Pairs: how many were ranked."


def percentages_by_layer(path: str, value: str, labels: dict[str, str], seeds: dict[str, int]) -> str:
    """Lay ``percentages.tsv`` out in Markdown: a line for each task, measure and checkpoint.

    value: "percentage" or "auc". labels: what tables call a task or checkpoint, where it has another than its name. seeds:
    see ``layout.seeds_told``.
    """
    caption = paragraph(f"{_SAYS[value]} {_PAIRS} {seeds_told(seeds, labels)}")
    return f"{caption}\n" + _by_layer(path, value, _PERCENTAGE, _PERCENTAGE[:2], labels)


def controls_by_layer(path: str, labels: dict[str, str], seeds: dict[str, int]) -> str:
    """Lay the auc in ``controls.tsv`` out in Markdown: under each checkpoint's ranking its controls.

    labels: what tables call a task, checkpoint or control, where it has another than its name. seeds: see
    ``layout.seeds_told``.
    """
    told = "Control: what one thing was changed of how pairs are ranked; none: nothing."
    caption = paragraph(f"{_SAYS['auc']} {told} {_PAIRS} {seeds_told(seeds, labels)}")
    return f"{caption}\n" + _by_layer(path, "auc", _CONTROL, _PERCENTAGE, labels)


def _by_layer(path: str, value: str, names: Sequence[str], together: Sequence[str], labels: dict[str, str]) -> str:
    frame = read_frame(path, [*names, "pairs", "layer", value], ["layer", value], exactly=False)
    frame[value] = frame[value].map("{:z.1f}".format)
    wide = frame.set_index([*names, "pairs", "layer"])[value].unstack(fill_value="", sort=False).sort_index(axis=1)
    wide = wide.reset_index()
    wide = wide.iloc[wide.groupby(list(together), sort=False).ngroup().argsort(kind="stable")]
    for name in {*names} - {"measure"}:
        wide[name] = [label_of(cell, labels) for cell in wide[name]]
    fields = ["control" if name == "variant" else str(name) for name in wide.columns]
    return markdown(fields, wide.to_numpy(), numbers=fields[len(names) :])
