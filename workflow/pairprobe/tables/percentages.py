"""The percentages laid out by layer."""

from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import label_of, markdown


def percentages_by_layer(percentages: str, value: str, labels: dict[str, str]) -> str:
    """Lay ``percentages.tsv`` out in Markdown: a line for each task, measure and checkpoint, a column for each layer.

    value: "percentage" or "auc". labels: what tables call a task or checkpoint, where it has another than its name.
    """
    lines: dict[tuple[str, str, str, str], dict[int, str]] = {}
    for row in read_tsv(percentages):
        names = (label_of(row["task"], labels), row["measure"], label_of(row["checkpoint"], labels))
        lines.setdefault((*names, row["pairs"]), {})[int(row["layer"])] = f"{float(row[value]):.1f}"
    layers = sorted({layer for cells in lines.values() for layer in cells})
    # The checkpoints of one task and measure stand together, as they are to be compared.
    order = {key: i for i, key in enumerate(dict.fromkeys(names[:2] for names in lines))}
    rows = [
        (*names[:3], names[3], *(cells.get(layer, "") for layer in layers))
        for names, cells in sorted(lines.items(), key=lambda item: order[item[0][:2]])
    ]
    fields = ("task", "measure", "checkpoint", "pairs", *map(str, layers))
    return f"{value} by layer\n\n" + markdown(fields, rows, numbers=fields[3:])
