"""Result tables: TSV for machines, Markdown for reading."""

import itertools
from collections.abc import Iterable, Sequence


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
