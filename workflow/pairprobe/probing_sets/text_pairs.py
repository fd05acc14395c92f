"""Pairs of one's own: a text, or a question and a text, with an anchor and a match; as examples and rows of a probing set.

Pairs of one text, and of one group, share an example, so that the text is encoded once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral

from pairprobe.data import text
from pairprobe.data.documents import MAX_ID
from pairprobe.data.examples import Example
from pairprobe.data.sampling import hash_bytes
from pairprobe.errors import InputError
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.probing_sets.text_spans import SHOWN, Characters, PairError, Text, Words

# Faults that an error lists; behind them nothing is read.
MAX_FAULTS = 10


@dataclass(frozen=True, slots=True)
class TextPair:
    """An anchor and its match in a text, or in a question and a text.

    text, question: running text, or a list of words. anchor, match: a string that occurs once there, as whole words, or
    ``Characters`` or ``Words``. The match is in the text; the anchor is in the question where there is one, unless
    ``anchor_side`` is "passage". group: what is resampled as a whole, by default all pairs of one text. id: by default the
    number of the pair. A whole number is a group or an id, too: its digits.
    """

    text: str | Sequence[str]
    anchor: str | Characters | Words
    match: str | Characters | Words
    question: str | Sequence[str] | None = None
    group: str | int | None = None
    id: str | int | None = None
    anchor_side: str | None = None


def side_of(has_question: bool, anchor_side: object) -> str:
    """Return the side of an anchor, "question" or "paragraph". Raises PairError where ``anchor_side`` is none of these."""
    if anchor_side is None:
        return "question" if has_question else "paragraph"
    if anchor_side == "passage" or (anchor_side == "question" and has_question):
        return "question" if anchor_side == "question" else "paragraph"
    wanted = "question or passage" if has_question else "passage, or nothing, since there is no question"
    raise PairError("anchor_side", f"found {anchor_side!r:.{SHOWN}}. Wanted: {wanted}.")


@dataclass
class Faults:
    """The faults of many pairs. source: what holds them; key: what it calls a field, such as "column "."""

    source: str
    key: str = ""
    lines: list[str] = field(default_factory=list)

    def add(self, where: str, fault: PairError) -> None:
        """Add the fault of a pair that stands at a place. Raises InputError, as ``check``, where it is one too many."""
        self.lines.append(f"{where}{f', {self.key}{fault.key}' if fault.key else ''}: {fault.said}")
        if len(self.lines) > MAX_FAULTS:
            self.check()

    def check(self) -> None:
        """Raise InputError where there are any."""
        listed = [*self.lines[:MAX_FAULTS], *(["and more."] if len(self.lines) > MAX_FAULTS else [])]
        if listed:
            raise InputError(f"{self.source} cannot be used:\n" + "\n".join(f"  {line}" for line in listed)) from None


def resolve(pairs: Iterable[TextPair]) -> tuple[list[Example], list[PairRow]]:
    """Return pairs as examples, without question words where there is no question, and as the rows of a probing set.

    Pairs of the same question, text and group are of one example. Raises InputError with a line for each of the first
    ``MAX_FAULTS`` faults.
    """
    faults, resolver = Faults("The pairs"), Resolver()
    for i, pair in enumerate(pairs):
        resolver.add(f"pairs[{i}]", str(i), pair, faults)
    faults.check()
    return resolver.examples, resolver.rows


class Resolver:
    """Resolves one pair after the other. rows: the pairs; places: where each of them stands."""

    def __init__(self) -> None:
        self.rows: list[PairRow] = []
        self.places: list[str] = []
        self._examples: dict[str, Example] = {}
        self._named: dict[str, tuple[str, bool]] = {}
        self._has_question: bool | None = None

    @property
    def examples(self) -> list[Example]:
        """The examples of the pairs so far."""
        return list(self._examples.values())

    def add(self, where: str, number: str, pair: TextPair, faults: Faults) -> None:
        """Add a pair, or what is wrong with it to the faults. number: its id by default."""
        try:
            name = self._new_name(where, number, pair.id)
            example = self._example(pair)
            side = side_of(pair.question is not None, pair.anchor_side)
        except PairError as fault:
            faults.add(where, fault)
            return
        anchored = Text.of("question", pair.question) if side == "question" else Text.of("text", pair.text)
        anchor, match = (
            _found(where, faults, *each)
            for each in (("anchor", anchored, pair.anchor), ("match", Text.of("text", pair.text), pair.match))
        )
        if side == "paragraph" and (shared := set(anchor) & set(match)):
            word = example.paragraph[min(shared)]
            faults.add(where, PairError("match", f"it has the anchor's word {word!r}. Wanted: other words of the text."))
        if anchor and match:
            self.places.append(where)
            self._examples.setdefault(example.example_id, example)
            self.rows.append(
                {
                    "example_id": example.example_id,
                    "id": name,
                    "anchor": {"side": side, "words": anchor},
                    "match": {"words": match},
                }
            )

    def _new_name(self, where: str, number: str, given: object) -> str:
        name = number if given is None else _label("id", given)
        if name in self._named:
            other, given_there = self._named[name]
            if given is None:
                said = f"there is none, so that its number {name} is taken, which is the id of {other} already"
            elif not given_there:
                said = f"{name!r} is that of {other} already, which has none of its own, so that its number is taken"
            else:
                said = f"{name!r} is that of {other} too"
            raise PairError("id", f"{said}. Wanted: an id of its own for each pair, or for none.")
        self._named[name] = where, given is not None
        return name

    def _example(self, pair: TextPair) -> Example:
        has_question = pair.question is not None
        self._has_question = has_question if self._has_question is None else self._has_question
        if self._has_question != has_question:
            found = "a question, and there was none before" if has_question else "none, and there was one before"
            raise PairError("question", f"found {found}. Wanted: one in all pairs, or in none.")
        question = Text.of("question", pair.question).words if has_question else []
        written = Text.of("text", pair.text)
        words = written.words
        begins = " ".join(written.written[0][0].split())[:40].rstrip()
        title = f"{begins} [{hash_bytes(*words, size=6).hex()}]" if pair.group is None else _label("group", pair.group)
        # The same words and group have the same id in every file.
        name = hash_bytes(len(question), *question, *words, title).hex()
        return Example(name, title, question, words, None, text.sentence_spans(words))


def _found(where: str, faults: Faults, key: str, among: Text, span: object) -> tuple[int, ...]:
    """Return the positions of a span's words; none, and a fault more, where there are none."""
    try:
        return among.find(key, span)
    except PairError as fault:
        faults.add(where, fault)
        return ()


def _label(key: str, given: object) -> str:
    """Return a group or an id as text. Raises PairError for what would break a line or a cell of the tables."""
    label = str(given) if isinstance(given, Integral) and not isinstance(given, bool) else given
    if isinstance(label, str) and label == label.strip() and label.isprintable() and 0 < len(label) <= MAX_ID:
        return label
    raise PairError(
        key, f"found {label!a:.{SHOWN}}. Wanted: 1 to {MAX_ID} characters that can be printed, no blank at the ends."
    )
