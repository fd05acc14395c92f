"""Documents, the examples made of them, and their partitions.

A document is a question with its whole page; an example is a question with the one paragraph that answers it. Both are
lists of words: the encoder sees every word, and every position below counts words.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from pairprobe import files, text
from pairprobe.errors import InputError
from pairprobe.progress import log

Span = tuple[int, int]

PARTITIONS = ("finetune", "head", "probe")


@dataclass(frozen=True, slots=True)
class Document:
    """A question and its page, after Natural Questions; spans are ``[start, end)`` over ``words``.

    ``long_answer`` is the annotated passage (None where the page does not answer), ``long_answer_tag`` the markup that
    holds it ("P", "Table", "Ul", ...); ``short_answers`` lie in it; ``yes_no`` is "yes", "no" or None.
    """

    example_id: str
    title: str
    question: list[str]
    words: list[str]
    long_answer: Span | None
    long_answer_tag: str | None
    short_answers: list[Span]
    yes_no: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the paragraph that answers it: a line of ``examples/{partition}.jsonl.gz``.

    ``answer`` is the short answer, ``[start, end)`` over ``paragraph``, or None (the whole paragraph answers, or yes or
    no does); ``sentences`` cover the paragraph.
    """

    example_id: str
    title: str
    question: list[str]
    paragraph: list[str]
    answer: Span | None
    sentences: list[Span]


def example_of(document: Document) -> Example | str:
    """Cut the example out of a document; where there is none, say why. Of several short answers it takes the first."""
    if document.long_answer is None:
        return "the page does not answer the question"
    if document.long_answer_tag != "P":
        return f"the long answer is no paragraph but <{document.long_answer_tag}>"
    start, end = document.long_answer
    paragraph = document.words[start:end]
    if not paragraph:
        return "the paragraph has no words"
    if not document.question:
        return "the question has no words"
    answer = None
    if document.short_answers:
        first = min(document.short_answers)
        answer = (first[0] - start, first[1] - start)
    return Example(
        document.example_id, document.title, document.question, paragraph, answer, text.sentence_spans(paragraph)
    )


def answer_sentence(example: Example) -> Span | None:
    """Return the sentence that holds the short answer; from first to last where the answer crosses sentences.

    None where there is no short answer. This is what the view ``sentence`` encodes (section 2.2 of the paper,
    Boundary: "we simplify the entire paragraph to the sentence where the answer locate").
    """
    if example.answer is None:
        return None
    start, end = example.answer
    held = [sentence for sentence in example.sentences if sentence[0] < end and start < sentence[1]]
    return held[0][0], held[-1][1]


def partition_of(title: str, seed: int, shares: dict[str, float]) -> str:
    """Return the partition of a page: a hash of its title and the seed, so that more data moves no page to another.

    shares: the share of pages for each of ``PARTITIONS``, together 1.
    """
    digest = hashlib.blake2b(f"{seed}\0{title}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    for name in PARTITIONS:
        place -= shares[name]
        if place < 0:
            return name
    return PARTITIONS[-1]


def write_partitions(
    documents: Iterable[Document], seed: int, shares: dict[str, float], example_files: dict, document_files: dict
) -> list[tuple[str, str, int]]:
    """Write the examples and documents of each partition, one document in memory at a time.

    example_files and document_files: ``{partition: path}``. A document without a long answer goes nowhere. Returns rows
    ``(partition or "left out", what, number)`` in a fixed order. Raises InputError where the shares are not 1 together.
    """
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(
            f"partitions: the shares are {shares}, together {sum(shares.values()):g}; they must make 1 together."
        )
    counts: Counter = Counter()
    pages: dict[str, set] = {name: set() for name in PARTITIONS}
    paths = {("example", name): path for name, path in example_files.items()}
    paths |= {("document", name): path for name, path in document_files.items()}
    with files.json_lines_writers(paths) as write:
        for document in documents:
            example = example_of(document)
            if isinstance(example, str):
                counts["left out", example] += 1
                continue
            name = partition_of(document.title, seed, shares)
            write["example", name](asdict(example))
            write["document", name](asdict(document))
            pages[name].add(document.title)
            counts[name, "examples"] += 1
            counts[name, "with a short answer"] += example.answer is not None
    rows = [
        (name, what, len(pages[name]) if what == "pages" else counts[name, what])
        for name in PARTITIONS
        for what in ("pages", "examples", "with a short answer")
    ]
    rows += [(*key, counts[key]) for key in sorted(counts) if key[0] == "left out"]
    for row in rows:
        log.info("%s: %s: %d", *row)
    return rows


def read_examples(path: str) -> Iterator[Example]:
    """Read ``examples/{partition}.jsonl.gz``, checking each line.

    Raises InputError for a line that is cut off, lacks a field, has an answer outside its paragraph or sentences that
    do not cover it, and for an example_id that occurs twice.
    """
    seen: dict[str, str] = {}
    for where, row in files.read_json_lines(path):
        example = Example(
            _field(where, row, "example_id", str),
            _field(where, row, "title", str),
            _words(where, row, "question"),
            _words(where, row, "paragraph"),
            _span(where, row, "answer", len(row["paragraph"]), optional=True),
            [tuple(sentence) for sentence in _field(where, row, "sentences", list)],
        )
        edges = [0, *(end for _, end in example.sentences)]
        if [start for start, _ in example.sentences] != edges[:-1] or edges[-1] != len(example.paragraph):
            raise InputError(
                f"{where}, key sentences: {example.sentences} do not cover the paragraph's {len(example.paragraph)} "
                "words one after the other. Write spans [start, end) in reading order, from 0 to the last word."
            )
        _once(where, example.example_id, seen)
        yield example


def read_documents(path: str) -> Iterator[Document]:
    """Read ``documents/{partition}.jsonl.gz``, checking each line as ``read_examples`` does."""
    seen: dict[str, str] = {}
    for where, row in files.read_json_lines(path):
        words = _words(where, row, "words")
        document = Document(
            _field(where, row, "example_id", str),
            _field(where, row, "title", str),
            _words(where, row, "question"),
            words,
            _span(where, row, "long_answer", len(words), optional=True),
            row.get("long_answer_tag"),
            [
                _span(where, {"short_answers": span}, "short_answers", len(words))
                for span in _field(where, row, "short_answers", list)
            ],
            row.get("yes_no"),
        )
        _once(where, document.example_id, seen)
        yield document


def _field(where: str, row: dict, key: str, kind: type):
    if key not in row:
        raise InputError(f"{where}: the field {key} is missing; found {', '.join(sorted(row)) or 'none'}.")
    if not isinstance(row[key], kind):
        raise InputError(f"{where}, key {key}: found {row[key]!r}, wanted a {kind.__name__}.")
    return row[key]


def _words(where: str, row: dict, key: str) -> list[str]:
    words = _field(where, row, key, list)
    wrong = [word for word in words if not isinstance(word, str) or not word]
    if wrong or not words:
        raise InputError(
            f"{where}, key {key}: found {wrong[0]!r} among the words, wanted strings only, none of them empty."
            if wrong
            else f"{where}, key {key}: found no words, wanted at least one."
        )
    return words


def _span(where: str, row: dict, key: str, length: int, optional: bool = False) -> Span | None:
    if key not in row:
        _field(where, row, key, object)
    span = row[key]
    if span is None and optional:
        return None
    if (
        not isinstance(span, list)
        or len(span) != 2
        or not all(isinstance(end, int) for end in span)
        or not 0 <= span[0] < span[1] <= length
    ):
        raise InputError(
            f"{where}, key {key}: found {span!r}, wanted [start, end) with 0 <= start < end <= {length}, "
            f"since there are {length} words."
        )
    return span[0], span[1]


def _once(where: str, example_id: str, seen: dict[str, str]) -> None:
    line = where.rsplit(" ", 1)[1]
    if example_id in seen:
        raise InputError(
            f"{where}: example_id {example_id!r} stands already on line {seen[example_id]}; each must occur once. "
            "Remove one of the two."
        )
    seen[example_id] = line
