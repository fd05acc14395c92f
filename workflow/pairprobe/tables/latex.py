"""Tables in LaTeX that fit the page of a paper.

What lines have in common in their first columns of text stands above them, once.
A table is set upright where that is wide enough, else across the page, in the larger of two sizes that fits; cells of text
are broken into lines. One that is longer than a page goes on on the next; one with too many numbers beside one another
is set in parts.
"""

import itertools
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pairprobe.tables.layout import Table, blocks

_NEEDS = r"""
% \usepackage[T1]{fontenc} (with pdfLaTeX)
% \usepackage{array,booktabs,longtable,pdflscape,rotating}
% A class of one column with at least 345 by 550 pt of text, such as article.
""".lstrip()
# In pt, the text of article on letter paper: width and height upright, and across the page.
_UPRIGHT, _ACROSS = (345.0, 550.0), (550.0, 345.0)
# Font sizes, and the distance of lines.
_SIZES = {"footnotesize": (8, 9.5), "scriptsize": (7, 8.0)}
_BETWEEN = 6  # twice \tabcolsep
_LONG_WORD, _PIECE = 14, 8  # a longer word may be broken after so many characters

# What LaTeX takes for a command, and how to write it. [ and * would be an argument of the \\ before them.
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\char34{}", "[": "{[}", "*": "{*}", "−": "$-$",
})  # fmt: skip
# Beyond Latin letters and these, pdfLaTeX has no glyphs.
_KNOWN = {*"ŒœŁłĐđıŊŋ–—‘’“”„…€−→†"}  # noqa: RUF001


@dataclass(frozen=True)
class _Grouped(Table):
    """A table without the columns that lines are grouped by. groups: what stands above a group's first line, else ""."""

    groups: Sequence[str]


@dataclass(frozen=True)
class _Setting:
    """How a table is set. columns: the preamble of tabular; width: in pt; lines: how many all rows take together."""

    page: tuple[float, float]
    size: str
    columns: str
    width: float
    lines: int


def latex(text: str, label: str) -> str:
    """Turn the tables of a Markdown text into LaTeX; what stands between them becomes comments.

    label: what the tables are referred to by, with a number where there are several.
    """
    parts, number = [_NEEDS + _unknown(text)], 0
    for block in blocks(text):
        if isinstance(block, str):
            parts.append(f"% {block}\n")
            continue
        grouped = _grouped(block)
        for table, setting in _settings(grouped):
            number += 1
            parts.append(_typeset(table, setting, label if number == 1 else f"{label}-{number}"))
    return "\n".join(parts)


def _grouped(table: Table) -> _Grouped:
    """Group the lines by the first columns of text, as many as leave at least two lines to a group."""
    least, keys = 0, [""] * len(table.rows)
    for number in range(1, table.right.index(True) if True in table.right else 0):
        names = [", ".join(row[:number]) for row in table.rows]
        if 2 * sum(1 for _ in itertools.groupby(names)) <= len(names):
            least, keys = number, names
    groups = ["" if i and key == keys[i - 1] else key for i, key in enumerate(keys)]
    return _Grouped(table.caption, table.head[least:], [row[least:] for row in table.rows], table.right[least:], groups)


def _unknown(text: str) -> str:
    """Return what lets pdfLaTeX print the code of a character that it has no glyph for."""
    letters = sorted({letter for letter in unicodedata.normalize("NFC", text) if not _is_known(letter)})
    if not letters:
        return ""
    codes = (rf"\expandafter\gdef\csname u8:{one}\endcsname{{[U+{ord(one):04X}]}}" for one in letters)
    fonts = f"% {' '.join(letters)}: set with LuaLaTeX or XeLaTeX and a font that has them; pdfLaTeX prints their codes."
    return "\n".join([fonts, *codes]) + "\n"


def _is_known(letter: str) -> bool:
    base, accents = (parts := unicodedata.normalize("NFD", letter))[0], parts[1:]
    return ord(letter) < 0x100 or letter in _KNOWN or (ord(letter) < 0x180 and base.isascii() and len(accents) == 1)


def _escaped(text: str) -> str:
    return unicodedata.normalize("NFC", text).translate(_LATEX)


# Widths are estimates, on the safe side: what Computer Modern's characters take at 7 pt, its widest size, in em.


def _width(text: str) -> float:
    return sum(
        1.1
        if letter in "mwMW@%—" or unicodedata.east_asian_width(letter) in "WF"
        else 0.46
        if letter in "ijl.,:;!'()[]- fstr"
        else 0.8
        if letter.isupper()
        else 0.59
        for letter in text
    )


def _pieces(text: str) -> list[str]:
    """Return the parts between which a line may be broken."""
    return [
        piece
        for word in text.split()
        for piece in ([word] if len(word) <= _LONG_WORD else re.findall(f".{{1,{_PIECE}}}", word))
    ]


def _settings(table: _Grouped) -> Iterator[tuple[_Grouped, _Setting]]:
    """Yield a table with how it is set, or the parts of one that is too wide."""
    fitting = [
        found
        for page in (_UPRIGHT, _ACROSS)
        for size in _SIZES
        if (found := _fit(table, page, size)) and found.lines <= 2 * max(1, len(table.rows))
    ] or [found for size in _SIZES if (found := _fit(table, _ACROSS, size))]
    if fitting or sum(table.right) < 2:
        yield table, (fitting or [_Setting(_ACROSS, "scriptsize", "l" * len(table.head), _ACROSS[0], len(table.rows))])[0]
        return
    names = [i for i, to_right in enumerate(table.right) if not to_right]
    numbers = [i for i, to_right in enumerate(table.right) if to_right]
    for some in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
        places = [*names, *some]
        yield from _settings(
            replace(
                table,
                caption=f"{table.caption} Columns {table.head[some[0]]} to {table.head[some[-1]]}.",
                head=[table.head[i] for i in places],
                rows=[[row[i] for i in places] for row in table.rows],
                right=[table.right[i] for i in places],
            )
        )


def _fit(table: _Grouped, page: tuple[float, float], size: str) -> _Setting | None:
    """Return how a table is set on a page in a size, or None where it is too wide."""
    points = _SIZES[size][0]
    columns = list(zip(table.head, *table.rows, strict=True))
    wanted = [points * max(map(_width, column)) for column in columns]
    least = [
        width if to_right else points * max((_width(piece) for cell in column for piece in _pieces(cell)), default=0.0)
        for width, column, to_right in zip(wanted, columns, table.right, strict=True)
    ]
    room = page[0] - _BETWEEN * (len(columns) - 1) - sum(least)
    if room < 0:
        return None
    share = min(1.0, room / (sum(wanted) - sum(least))) if sum(wanted) > sum(least) else 1.0
    widths = [low + share * (high - low) for low, high in zip(least, wanted, strict=True)]
    broken = [not to_right and share < 1 for to_right in table.right]
    preamble = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{width:.1f}pt}}" if in_lines else "r" if to_right else "l"
        for width, in_lines, to_right in zip(widths, broken, table.right, strict=True)
    )
    lines = sum(
        max(
            math.ceil(1.15 * points * _width(cell) / width) if in_lines else 1
            for cell, width, in_lines in zip(row, widths, broken, strict=True)
        )
        for row in table.rows
    )
    return _Setting(page, size, f"@{{}}{preamble}@{{}}", sum(widths) + _BETWEEN * (len(widths) - 1), lines)


def _typeset(table: _Grouped, setting: _Setting, label: str) -> str:
    (width, height), (points, line) = setting.page, _SIZES[setting.size]
    told = math.ceil(0.55 * points * len(table.caption) / width)
    across = setting.page == _ACROSS
    caption = rf"\caption{{{_escaped(table.caption)}}}\label{{tab:{label}}}"
    head, rule = _row(table.head), "\\toprule\n"
    rows = "".join(
        _heading(group, len(row), setting.width, i) + _row(row)
        for i, (row, group) in enumerate(zip(table.rows, table.groups, strict=True))
    )
    look = f"\\{setting.size}\\setlength{{\\tabcolsep}}{{{_BETWEEN / 2:.0f}pt}}\n"
    if (setting.lines + told + 6 + 1.5 * sum(map(bool, table.groups))) * line < 0.8 * height:
        kind = "sidewaystable" if across else "table"
        return (
            f"\\begin{{{kind}}}\n\\centering{look}{caption}\n\\medskip\n\\begin{{tabular}}{{{setting.columns}}}\n"
            f"{rule}{head}\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n\\end{{{kind}}}\n"
        )
    first = f"{caption}\\\\\n{rule}{head}\\midrule\n\\endfirsthead\n"
    others = f"{rule}{head}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n"
    turn = ("\\begin{landscape}\n", "\\end{landscape}\n") if across else ("", "")
    return (
        f"{turn[0]}{{{look}\\setlength{{\\LTcapwidth}}{{\\linewidth}}\n\\begin{{longtable}}{{{setting.columns}}}\n"
        f"{first}{others}{rows}\\end{{longtable}}\n}}\n{turn[1]}"
    )


def _heading(group: str, columns: int, width: float, number: int) -> str:
    """Return the line above a group; pages are broken before it rather than after it."""
    space = "\\addlinespace\n" if number else ""
    box = rf"\rlap{{\parbox[t]{{{width:.1f}pt}}{{\raggedright {_breakable(group)}}}}}"
    return rf"{space}\multicolumn{{{columns}}}{{@{{}}l}}{{{box}}}\\*" + "\n" if group else ""


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(_breakable, cells)) + " \\\\\n"


def _breakable(cell: str) -> str:
    """Return a cell in LaTeX in which a long word may be broken."""
    return " ".join(r"\allowbreak{}".join(map(_escaped, _pieces(word))) for word in cell.split())
