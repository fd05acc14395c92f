"""The table of the controls for reading: under each ranking its controls, a column for each layer."""

from pairprobe.controls.variants import FIELDS
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import label_of, markdown


def by_layer(path: str, labels: dict[str, str]) -> str:
    """Lay the auc in ``controls.tsv`` out in Markdown: a line for each task, measure, checkpoint and control.

    labels: what tables call a task, checkpoint or control, where it has another than its name.
    """
    lines: dict[tuple[str, ...], dict[int, str]] = {}
    for row in read_tsv(path, FIELDS):
        key = (row["task"], row["measure"], row["checkpoint"], row["variant"], row["pairs"])
        lines.setdefault(key, {})[int(row["layer"])] = f"{float(row['auc']):.1f}"
    layers = sorted({layer for cells in lines.values() for layer in cells})
    # A checkpoint's ranking and its controls stand together, as they are to be compared.
    order = {key: i for i, key in enumerate(dict.fromkeys(names[:3] for names in lines))}
    rows = [
        (
            *(label_of(task, labels), measure, label_of(checkpoint, labels), label_of(variant, labels), pairs),
            *(cells.get(layer, "") for layer in layers),
        )
        for (task, measure, checkpoint, variant, pairs), cells in sorted(lines.items(), key=lambda item: order[item[0][:3]])
    ]
    fields = ("task", "measure", "checkpoint", "control", "pairs", *map(str, layers))
    return "auc by layer (chance is 50)\n\n" + markdown(fields, rows, numbers=fields[4:])
