"""What is understood of a file of pairs, in words: its pairs, groups and texts, and what each pair is ranked among."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.evidence.claims import MIN_PAGES
from pairprobe.evidence.estimation import effective_number
from pairprobe.evidence.pair_doubts import doubts
from pairprobe.probing_sets import pair_files
from pairprobe.probing_sets.pairs import PairRow, id_of
from pairprobe.rankings.words import lexical_words, unmatching_words, words_of_pair

# Words around a pair that are shown.
AROUND = 8
# Before and behind an anchor, and a match.
Mark = tuple[str, str]
ANCHOR_MARKS: tuple[Mark, ...] = (("<", ">"), ("«", "»"), ("⟨", "⟩"), ("<<<", ">>>"))
MATCH_MARKS: tuple[Mark, ...] = (("[", "]"), ("{", "}"), ("⟦", "⟧"), ("[[[", "]]]"))


def describe(path: str | Path, shown: int = 5) -> list[str]:
    """Return lines about a file of pairs, the first so many pairs among them. Raises InputError as ``pair_files.read``."""
    given, resolver = pair_files.read_resolved(path)
    examples, pairs = resolver.examples, resolver.rows
    by_id = {example.example_id: example for example in examples}
    ranked = np.array([_unmatching(pair, by_id[pair["example_id"]]) for pair in pairs])
    groups: Counter[str] = Counter()
    for pair, count in zip(pairs, ranked.tolist(), strict=True):
        groups[by_id[pair["example_id"]].title] += count
    effective = effective_number(np.array([*groups.values()])[:, None]).item()
    enough = "" if effective >= MIN_PAGES else f", of which claims need {MIN_PAGES}"
    marks = _marks_for(pairs[:shown], by_id)
    alone = len(ranked) - np.count_nonzero(ranked)
    return [
        f"{path}: {_number(len(pairs), 'pair')}, {_number(len(examples), 'text')}, {_number(len(groups), 'group')} "
        f"({effective:.1f} effective ones{enough})",
        f"view: {'paragraph: a question and a passage' if examples[0].question else 'text: single texts'}",
        f"words of an anchor: {_lengths(pair['anchor']['words'] for pair in pairs)}",
        f"words of a match: {_lengths(pair['match']['words'] for pair in pairs)}",
        "other words that a match is ranked among (words.punctuation: true adds to them): "
        f"{ranked.mean():.1f} on average, {ranked.min()} to {ranked.max()}",
        *([f"pairs without any: {alone}, which lower percentage and count in no other value"] if alone else []),
        _without_letters(examples),
        *doubts(given, pairs, resolver.places, examples),
        "",
        f"The first pairs, the anchor in {''.join(marks[0])}, the match in {''.join(marks[1])}:",
        *(f"{id_of(pair):>6}  {_marked(pair, by_id[pair['example_id']], *marks)}" for pair in pairs[:shown]),
    ]


def _unmatching(pair: PairRow, example: Example) -> int:
    """Count the words that a match is ranked among, where every word has a vector."""
    sides = (np.ones(len(words), bool) for words in (example.question, example.paragraph))
    _, _, paired = words_of_pair(pair, *sides)
    return int(unmatching_words(example.paragraph, lexical_words(example.paragraph), paired).sum())


def _lengths(spans: Iterable[Sequence[int]]) -> str:
    return ", ".join(f"{size} in {_number(number, 'pair')}" for size, number in sorted(Counter(map(len, spans)).items()))


def _without_letters(examples: list[Example]) -> str:
    words = [word for example in examples for word in example.paragraph]
    without = [word for word, lexical in zip(words, lexical_words(words), strict=True) if not lexical]
    common = " ".join(word for word, _ in Counter(without).most_common(8))
    return f"words of texts without a letter or digit: {len(without)} of {len(words)}" + f" ({common})" * bool(without)


def _number(count: int, of: str) -> str:
    return f"{count} {of}{'s' * (count != 1)}"


def _marks_for(pairs: Iterable[PairRow], examples: Mapping[str, Example]) -> tuple[Mark, Mark]:
    """Return the marks of anchor and match, the first ones that no word has; the last ones where all are there."""
    shown = {each["example_id"] for each in pairs}
    there = {letter for name in shown for word in examples[name].question + examples[name].paragraph for letter in word}
    anchor, match = (
        next((mark for mark in marks if there.isdisjoint(mark)), marks[-1]) for marks in (ANCHOR_MARKS, MATCH_MARKS)
    )
    return anchor, match


def _marked(pair: PairRow, example: Example, of_anchor: Mark, of_match: Mark) -> str:
    """Return the words of a pair's example, those of the pair marked, and of a long text those around it."""
    on_question = pair["anchor"]["side"] == "question"
    anchor: Sequence[int] = pair["anchor"]["words"]
    text = _around(example.paragraph, {of_match: pair["match"]["words"], of_anchor: () if on_question else anchor})
    asked = _around(example.question, {of_anchor: anchor if on_question else ()})
    return f"{asked}  |  {text}" if asked else text


def _around(words: list[str], marks: Mapping[Mark, Sequence[int]]) -> str:
    places = sorted(i for marked in marks.values() for i in marked)
    first, last = (max(0, places[0] - AROUND), places[-1] + AROUND + 1) if places else (0, 2 * AROUND)
    written = list(words)
    for (opens, closes), marked in marks.items():
        if marked:
            written[marked[0]] = opens + written[marked[0]]
            written[marked[-1]] += closes
    shown = written[first:last]
    return " ".join(["..."] * (first > 0) + shown + ["..."] * (last < len(words)))
