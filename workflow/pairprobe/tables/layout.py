"""Tables for reading: Markdown, the same as a page of HTML, what tables call things, and how they write numbers."""

import html
import itertools
import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# Control characters, those that turn the direction of text, and surrogates.
_CONTROL = {"Cc", "Cf", "Cs"}
# What would end a cell or begin markup, in a label that is nobody's mark-up: | \ < $ and the middle of [words](address).
_MARKUP = re.compile(r"[\\|<$]|\](?=\()")


@dataclass(frozen=True)
class Table:
    """A table. caption: the paragraph before it; head and rows: cells; right: whether a column is set to the right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]


def markdown(fields: Iterable[str], rows: Iterable[Iterable], numbers: Iterable[str] = ()) -> str:
    """Lay out a Markdown table, padded so that it reads well as it is; columns in ``numbers`` are set to the right.

    Not by ``DataFrame.to_markdown``: tabulate widens every column by two, which cannot be turned off for one table.
    """
    cells = [[_cell(str(cell)) for cell in row] for row in (fields, *rows)]
    right = [field in {*map(_cell, numbers)} for field in cells[0]]
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


def one_line(text: str) -> str:
    """Return text in one line, without control characters."""
    return "".join(letter for letter in " ".join(text.split()) if unicodedata.category(letter) not in _CONTROL)


def _cell(text: str) -> str:
    """Return text as a cell of one line that is no markup; control characters are left out."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))


def heading(text: str) -> str:
    """Return a heading, in one line however long it is."""
    return f"# {_cell(text)}\n"


def paragraph(text: str) -> str:
    """Return a paragraph, of which a table's is its caption, in lines of at most 120 characters."""
    return textwrap.fill(_cell(text), 120, break_long_words=False, break_on_hyphens=False) + "\n"


def blocks(text: str) -> Iterator[str | Table]:
    """Yield the parts of a text that ``markdown`` and ``paragraph`` made: tables, and headings and other paragraphs.

    Of a heading the # stays.
    """
    waiting: list[str] = []
    for is_table, group in itertools.groupby(text.splitlines(), lambda line: line.startswith("|")):
        if not is_table:
            yield from waiting
            parts = "\n".join(group).split("\n\n")
            waiting = [_plain(" ".join(part.split())) for part in parts if part.strip()]
            continue
        head, rule, *rows = ([_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in group)
        caption = waiting.pop() if waiting and not waiting[-1].startswith("#") else ""
        yield from waiting
        waiting = []
        yield Table(caption, head, rows, [cell.endswith(":") for cell in rule])
    yield from waiting


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.strip())


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }}
body {{ margin: 1rem; }}
h1 {{ font-size: 1.2rem; }}
p, caption {{ max-width: 50rem; text-align: left; }}
.scroll {{ overflow-x: auto; margin-bottom: 2rem; }}
caption {{ padding-bottom: 0.5rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.15rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #8886; }}
th {{ vertical-align: bottom; border-bottom: 2px solid; }}
.right {{ text-align: right; white-space: nowrap; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(text: str, title: str) -> str:
    """Return a Markdown text, as ``blocks`` reads it, as a page of HTML that stands alone and in which nothing runs."""
    body = "\n".join(_element(block) for block in blocks(text))
    return _PAGE.format(title=html.escape(title), body=body)


def _element(block: str | Table) -> str:
    if isinstance(block, str):
        return f"<h1>{html.escape(block.lstrip('# '))}</h1>" if block.startswith("#") else f"<p>{html.escape(block)}</p>"

    looks = [' class="right"' if to_right else "" for to_right in block.right]

    def line(cells: Iterable[str], tag: str) -> str:
        return "".join(f"<{tag}{look}>{html.escape(cell)}</{tag}>" for cell, look in zip(cells, looks, strict=True))

    rows = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in block.rows)
    return (
        f'<div class="scroll"><table>\n<caption>{html.escape(block.caption)}</caption>\n'
        f"<thead><tr>{line(block.head, 'th')}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def label_of(name: str, labels: dict[str, str]) -> str:
    """Return what figures and tables call a task or checkpoint: its label, or its name with a capital and blanks.

    A label of several lines is put into one, and control characters in it are left out.
    """
    return one_line(labels.get(name, "")) or name.replace("_", " ").capitalize()


def number_told(number: float, decimals: int = 1) -> str:
    """Return a percentage, a difference in points or, with two decimals, a correlation; "" for NaN."""
    return "" if math.isnan(number) else f"{number:z.{decimals}f}"


def count_told(number: float) -> str:
    """Return how many there are, of the mean of several counts with one decimal."""
    return f"{number:,.1f}".removesuffix(".0")


def percent_told(share: float) -> str:
    """Return a share or probability in percent, in as many digits as it has."""
    return f"{100 * share:g} %"


def p_told(p: float) -> str:
    """Return a p-value in three digits; "" for NaN."""
    return "" if math.isnan(p) else "under 0.001" if p < 0.001 else f"{p:.3f}"


def interval_told(low: float, high: float, decimals: int = 1) -> str:
    """Return the ends of an interval; "" where there is none."""
    return "" if math.isnan(low) else f"{number_told(low, decimals)} to {number_told(high, decimals)}"


def seeds_told(seeds: Mapping[str, int | str], labels: dict[str, str]) -> str:
    """Say for a caption from which seeds its numbers are.

    seeds: of each checkpoint that was trained or initialised; of a recipe all of them in words, "1, 2, 3".
    """
    told = "; ".join(f"{label_of(name, labels)} {seed}" for name, seed in seeds.items())
    return f"Seeds: {told}." if told else ""
