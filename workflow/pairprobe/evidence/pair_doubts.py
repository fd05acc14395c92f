"""What may be meant otherwise in a file of pairs that can be used: a line for each kind of doubt that is found."""

import re
from collections.abc import Iterator, Sequence

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.probing_sets.text_pairs import TextPair

# A text of more words is thought to be longer than activations.max_length by default, 512 subtokens: that is 1.28 a word.
LONG = 400
# Places that a line names.
SHOWN = 5
# Control characters but for blanks; tags and entities.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|&(?:[A-Za-z]+|#\d+|#x[0-9A-Fa-f]+);|<!--")


def doubts(pairs: Sequence[TextPair], rows: Sequence[PairRow], places: Sequence[str], examples: list[Example]) -> list[str]:
    """Return a line for each kind of doubt. pairs, rows, places: of each pair what was given, what it became, and where."""
    by_id = {example.example_id: example for example in examples}
    of_rows = [by_id[row["example_id"]] for row in rows]
    given = [" ".join(map(_as_text, (pair.question, pair.text))) for pair in pairs]
    found = {
        f"longer than {LONG} words, which by an estimate (1.28 subtokens a word) will not fit into activations.max_length, "
        "512 by default, and be left out": [len(each.question) + len(each.paragraph) > LONG for each in of_rows],
        "the same text, anchor and match as a pair before": list(_again(rows, of_rows)),
        "the anchor and match of another group, so that groups are not independent (name one group for both)": list(
            _in_another_group(rows, of_rows)
        ),
        "an anchor or a match without a letter or digit": list(map(_is_without_letters, rows, of_rows)),
        "control characters in the text": [bool(_CONTROL.search(each)) for each in given],
        "what looks like HTML in the text": [bool(_MARKUP.search(each)) for each in given],
    }
    return [
        f"{what}: {_listed([place for place, is_so in zip(places, told, strict=True) if is_so])}"
        for what, told in found.items()
        if any(told)
    ]


def _as_text(given: str | Sequence[str] | None) -> str:
    return given if isinstance(given, str) else " ".join(given or ())


def _is_without_letters(row: PairRow, example: Example) -> bool:
    """Whether the anchor or the match of a pair is of signs alone."""
    anchored = example.question if row["anchor"]["side"] == "question" else example.paragraph
    spans = (anchored, row["anchor"]["words"]), (example.paragraph, row["match"]["words"])
    return not all(any(text.is_lexical(words[i]) for i in span) for words, span in spans)


def _again(rows: Sequence[PairRow], of_rows: Sequence[Example]) -> Iterator[bool]:
    """Yield of each pair whether there was the same before, in whichever group."""
    seen = set()
    for row, example in zip(rows, of_rows, strict=True):
        spans = row["anchor"]["side"], tuple(row["anchor"]["words"]), tuple(row["match"]["words"])
        key = (tuple(example.question), tuple(example.paragraph), *spans)
        yield key in seen
        seen.add(key)


def _in_another_group(rows: Sequence[PairRow], of_rows: Sequence[Example]) -> Iterator[bool]:
    """Yield of each pair whether its two words stood in another group before."""
    groups: dict[tuple[tuple[str, ...], ...], str] = {}
    for row, example in zip(rows, of_rows, strict=True):
        anchored = example.question if row["anchor"]["side"] == "question" else example.paragraph
        spans = (anchored, row["anchor"]["words"]), (example.paragraph, row["match"]["words"])
        words = tuple(tuple(side[i].lower() for i in span) for side, span in spans)
        yield groups.setdefault(words, example.title) != example.title


def _listed(places: Sequence[str]) -> str:
    number = f"{len(places)} {'pair' if len(places) == 1 else 'pairs'}"
    return f"{number} ({', '.join(places[:SHOWN])}{', ...' * (len(places) > SHOWN)})"
