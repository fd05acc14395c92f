"""Result tables: TSV for machines, Markdown for reading."""

import csv
import itertools
from collections.abc import Iterable, Sequence

from pairprobe import files
from pairprobe.errors import InputError


def write_tsv(path: str, fields: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table with a header, tab-separated, whole or not at all."""
    with files.whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(fields)
        table.writerows(rows)


def read_tsv(path: str, fields: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Read a table; raise InputError where its header is not ``fields``."""
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t")
        if fields is not None and tuple(table.fieldnames or ()) != tuple(fields):
            raise InputError(f"{path}, line 1: found {table.fieldnames}, wanted {list(fields)}.")
        return list(table)


def markdown(fields: Sequence[str], rows: Iterable[Sequence], numbers: Sequence[str] = ()) -> str:
    """Lay out a Markdown table, padded so that it reads well as it is; columns in ``numbers`` are set to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(3, len(field), *(len(row[i]) for row in cells)) for i, field in enumerate(fields)]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if field in numbers else cell.ljust(width)
            for cell, width, field in zip(row, widths, fields, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (w - 1) + ":" if f in numbers else "-" * w for f, w in zip(fields, widths, strict=True)]
    return "\n".join([line(fields), line(rule), *(line(row) for row in cells)]) + "\n"


# What LaTeX takes for a command, and how to write it.
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$",
}  # fmt: skip


def latex(text: str, label: str) -> str:
    """Turn the tables of a Markdown text into LaTeX (with the package booktabs); what stands between them becomes comments.

    label: what the tables are referred to by, with a number where there are several. The last line before a table is its
    caption.
    """
    parts, caption, number = [], "", 0
    for is_table, block in itertools.groupby(text.splitlines(), lambda line: line.startswith("|")):
        lines = [line for line in block if line.strip()]
        if is_table:
            number += 1
            parts.append(_tabular(lines, caption, label if number == 1 else f"{label}-{number}"))
        elif lines:
            caption = lines[-1].lstrip("# ").rstrip(":")
            parts.append("\n".join(f"% {line}" for line in lines) + "\n")
    return "\n".join(parts)


def _tabular(lines: Sequence[str], caption: str, label: str) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    columns = "".join("r" if rule.endswith(":") else "l" for rule in rows[1])
    head, *body = (" & ".join(_escaped(cell) for cell in row) + r" \\" for row in (rows[0], *rows[2:]))
    told = [rf"\caption{{{_escaped(caption)}}}"] if caption else []
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}", *told, rf"\label{{tab:{label}}}", r"\end{table}", "",
    ])  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def label_of(name: str, labels: dict[str, str]) -> str:
    """Return what figures and tables call a task or checkpoint: its label, or its name with a capital and blanks."""
    return labels.get(name) or name.replace("_", " ").capitalize()


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
