"""Tables for reading: Markdown, the same in LaTeX, and what tables call things."""

import itertools
from collections.abc import Iterable, Sequence


def markdown(fields: Iterable[str], rows: Iterable[Iterable], numbers: Iterable[str] = ()) -> str:
    """Lay out a Markdown table, padded so that it reads well as it is; columns in ``numbers`` are set to the right.

    Not by ``DataFrame.to_markdown``: tabulate widens every column by two, which cannot be turned off for one table.
    """
    cells = [[str(cell) for cell in row] for row in (fields, *rows)]
    right = [field in {*numbers} for field in cells[0]]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * (width - 1) + ":" if to_right else "-" * width for width, to_right in zip(widths, right, strict=True)]
    lines = (
        " | ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        for row in (cells[0], rule, *cells[1:])
    )
    return "".join(f"| {line} |\n" for line in lines)


# What LaTeX takes for a command, and how to write it. More than pandas escapes.
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$",
})  # fmt: skip


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
            parts.append(_table(lines, caption, label if number == 1 else f"{label}-{number}"))
        elif lines:
            caption = lines[-1].lstrip("# ").rstrip(":")
            parts.append("\n".join(f"% {line}" for line in lines) + "\n")
    return "\n".join(parts)


def _table(lines: Sequence[str], caption: str, label: str) -> str:
    import pandas as pd

    head, rule, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines)
    frame = pd.DataFrame(rows, columns=head).map(_escaped).rename(columns=_escaped)
    columns = "".join("r" if each.endswith(":") else "l" for each in rule)
    tabular = frame.to_latex(index=False, escape=False, column_format=columns)
    told = rf"\caption{{{_escaped(caption)}}}" + "\n" if caption else ""
    return "\\begin{table}\n\\centering\n" + tabular + told + rf"\label{{tab:{label}}}" + "\n\\end{table}\n"


def _escaped(text: str) -> str:
    return text.translate(_LATEX)


def label_of(name: str, labels: dict[str, str]) -> str:
    """Return what figures and tables call a task or checkpoint: its label, or its name with a capital and blanks."""
    return labels.get(name) or name.replace("_", " ").capitalize()
