"""Percentages and controls laid out for reading: a column for each layer."""

from collections.abc import Sequence

from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of, markdown

# The columns that name a line, and those whose lines stand together, since they are to be compared.
_PERCENTAGE = ("task", "measure", "checkpoint")
_CONTROL = (*_PERCENTAGE, "variant")


def percentages_by_layer(path: str, value: str, labels: dict[str, str]) -> str:
    """Lay ``percentages.tsv`` out in Markdown: a line for each task, measure and checkpoint.

    value: "percentage" or "auc". labels: what tables call a task or checkpoint, where it has another than its name.
    """
    return f"{value} by layer\n\n" + _by_layer(path, value, _PERCENTAGE, _PERCENTAGE[:2], labels)


def controls_by_layer(path: str, labels: dict[str, str]) -> str:
    """Lay the auc in ``controls.tsv`` out in Markdown: under each checkpoint's ranking its controls.

    labels: what tables call a task, checkpoint or control, where it has another than its name.
    """
    return "auc by layer (chance is 50)\n\n" + _by_layer(path, "auc", _CONTROL, _PERCENTAGE, labels)


def _by_layer(path: str, value: str, names: Sequence[str], together: Sequence[str], labels: dict[str, str]) -> str:
    frame = read_frame(path, [*names, "pairs", "layer", value], ["layer", value], exactly=False)
    frame[value] = frame[value].map("{:.1f}".format)
    wide = frame.set_index([*names, "pairs", "layer"])[value].unstack(fill_value="", sort=False).sort_index(axis=1)
    wide = wide.reset_index()
    wide = wide.iloc[wide.groupby(list(together), sort=False).ngroup().argsort(kind="stable")]
    for name in {*names} - {"measure"}:
        wide[name] = [label_of(cell, labels) for cell in wide[name]]
    fields = ["control" if name == "variant" else str(name) for name in wide.columns]
    return markdown(fields, wide.to_numpy(), numbers=fields[len(names) :])
