"""Where sentences end in running text: pysbd's English rules, in time that grows as the text does.

pysbd 0.3.4 substitutes in the whole text for each list item and each abbreviation that it finds, and looks for each
sentence from the beginning of the text; one of its patterns tries every way to part a row of digits. A paragraph of two
lines can take it hours. The classes here find the same sentences and do each thing once.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from pysbd import processor
from pysbd.lang.english import English
from pysbd.lists_item_replacer import ListItemReplacer

# In characters: a longer text is read in pieces, since an unclosed bracket or quotation mark is followed to the end.
PIECE = 10_000


def ends(text: str) -> Iterator[int]:
    """Yield where each sentence of a text ends, blanks after it included; the last may end before the text does."""
    start = 0
    while start + PIECE < len(text):
        # The last sentence of a piece may go on after it: it is read again, unless it is all of the piece.
        found = list(_ends(text, start, start + PIECE))[:-1] or [start + PIECE]
        yield from found
        start = found[-1]
    yield from _ends(text, start, len(text))


def _ends(text: str, start: int, stop: int) -> Iterator[int]:
    piece = text[start:stop]
    end = 0
    for sentence in processor.Processor(piece, _English).process():
        # pysbd loses or repeats text around the characters that it uses itself, such as "∯".
        found = piece.find(sentence, max(0, end - len(sentence) + 1))
        if found >= 0:
            end = found + len(sentence)
            end += len(piece[end:]) - len(piece[end:].lstrip())
            yield start + end


def _once(substitute: Callable[..., str]) -> Callable[..., str]:
    """Decorate a substitution in ``self.text`` that does nothing when it is repeated (or adds a blank line only)."""

    @functools.wraps(substitute)
    def substitute_once(self: Any, *key: object) -> str:
        done = self.__dict__.setdefault("done", set())
        if (substitute, key) not in done:
            done.add((substitute, key))
            return substitute(self, *key)
        return self.text

    return substitute_once


class _Lists(ListItemReplacer):  # type: ignore[misc]
    replace_alphabet_list = _once(ListItemReplacer.replace_alphabet_list)
    replace_alphabet_list_parens = _once(ListItemReplacer.replace_alphabet_list_parens)
    substitute_found_list_items = _once(ListItemReplacer.substitute_found_list_items)


class _Abbreviations(English.AbbreviationReplacer):  # type: ignore[misc]
    def search_for_abbreviations_in_string(self, text: str) -> str:
        self.done: set[tuple[str, str]] = set()  # in this line
        return super().search_for_abbreviations_in_string(text)

    def scan_for_replacements(self, txt: str, am: str, ind: int, char_array: list[str]) -> str:
        found = (am.strip(), char_array[ind] if ind < len(char_array) else "")
        if found in self.done:
            return txt
        self.done.add(found)
        return super().scan_for_replacements(txt, am, ind, char_array)


class _English(English):  # type: ignore[misc]
    AbbreviationReplacer = _Abbreviations
    # ".[12, 13] The": as in pysbd, with the same groups, but that a pair of brackets is read in one way only.
    NUMBERED_REFERENCE_REGEX = (
        r"(?<=[^\d\s])(\.|∯)((\[(\d++(?:,\s?-?\s?|\s-?\s?|-\s?))*+\d{1,3}\])+|((\d{1,3}\s?)?\d{1,3}))(\s)(?=[A-Z])"
    )


processor.ListItemReplacer = _Lists
