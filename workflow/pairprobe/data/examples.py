"""Documents, and the examples made of them.

A document is a question with its page; an example is a question with the one paragraph that answers it. Both are
lists of words: the encoder sees every word, and every position below counts words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pairprobe.data import text
from pairprobe.data.documents import Annotation, Document, Span, check_unique
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.typed_json import decoded


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the paragraph that answers it: a line of ``examples/{partition}.jsonl.gz``.

    A text by itself has a question without words. ``answer`` is the short answer, ``[start, end)`` over ``paragraph``, or
    None (the whole paragraph answers, or yes or no does); ``sentences`` cover the paragraph.
    """

    example_id: str
    title: str
    question: list[str]
    paragraph: list[str]
    answer: Span | None
    sentences: list[Span]


def example_of(document: Document) -> Example | str:
    """Cut the example out of a document; where there is none, say why. Of several short answers it takes the first."""
    annotation = document.selected
    if annotation is None or annotation.long_answer is None:
        some = any(a.long_answer for a in document.annotations)
        return "one annotator alone found an answer" if some else "the page does not answer the question"
    if annotation.long_answer_tag != "P":
        return f"the long answer is no paragraph but <{annotation.long_answer_tag}>"
    start, end = annotation.long_answer
    # No further than the paragraph: most of a page lies behind it.
    paragraph = document.text.split(" ", end)[start:end]
    if not document.text or not paragraph:
        return "the paragraph has no words"
    if not document.question:
        return "the question has no words"
    answer = None
    if annotation.short_answers:
        first = min(annotation.short_answers)
        answer = (first[0] - start, first[1] - start)
    if document.sentences is None:
        sentences = text.sentence_spans(paragraph)
    else:
        sentences = [(a - start, b - start) for a, b in document.sentences if start <= a and b <= end]
    return Example(document.example_id, document.title, document.question, paragraph, answer, sentences)


def document_of(example: Example) -> Document:
    """Return an example as a document whose page is the paragraph."""
    annotation = Annotation((0, len(example.paragraph)), "P", (example.answer,) if example.answer else ())
    return Document(
        example.example_id,
        example.title,
        example.question,
        " ".join(example.paragraph),
        (annotation,),
        tuple(example.sentences),
    )


def answer_sentence(example: Example) -> Span | None:
    """Return the sentence that holds the short answer; from first to last where the answer crosses sentences.

    None where there is no short answer. This is what the view ``sentence`` encodes (section 2.2 of the paper,
    Boundary: "we simplify the entire paragraph to the sentence where the answer locate").
    """
    if example.answer is None:
        return None
    start, end = example.answer
    touched = [sentence for sentence in example.sentences if sentence[0] < end and start < sentence[1]]
    return touched[0][0], touched[-1][1]


def read_examples(path: str | Path) -> Iterator[Example]:
    """Read ``examples/{partition}.jsonl.gz``, checking each line.

    Raises InputError for a line that is cut off, lacks a field, has an answer outside its paragraph or sentences that
    do not cover it, and for an example_id that occurs twice.
    """
    seen: dict[str, str] = {}
    for where, example in read_each_example(path, needs_question=False):
        if isinstance(example, InputError):
            raise example
        check_unique(example.example_id, where, seen)
        yield example


def read_each_example(path: str | Path, needs_question: bool = True) -> Iterator[tuple[str, Example | InputError]]:
    """Yield ``(where, example)`` for each line, or the error in its place; an example_id may occur twice.

    needs_question: whether a question without words is an error.
    """
    for where, line in files.read_lines(path):
        found = line if isinstance(line, InputError) else decoded(where, line, Example)
        if isinstance(found, Example) and (fault := _fault(found, needs_question)):
            found = InputError(f"{where}, key {fault}")
        yield where, found


def _fault(example: Example, needs_question: bool) -> str | None:
    """Return the key that is wrong, with what was found and what is wanted; None where the example is sound."""
    if not example.example_id:
        return "example_id: it is empty."
    for key, words in (("question", example.question), ("paragraph", example.paragraph)):
        if not words and (key == "paragraph" or needs_question):
            return f"{key}: found no words, wanted at least one."
        if "" in words or " " in "".join(words):
            wrong = next(word for word in words if not word or " " in word)
            return f"{key}: found {wrong!r} among the words, wanted strings, none of them empty or with a blank."
    length, sentences = len(example.paragraph), example.sentences
    spans = [("sentences", span) for span in sentences]
    for key, (start, end) in [("answer", example.answer), *spans] if example.answer else spans:
        if not 0 <= start < end <= length:
            return (
                f"{key}: found {[start, end]}, wanted [start, end) with 0 <= start < end <= {length}, "
                f"since there are {length} words."
            )
    if [0, *(end for _, end in sentences)] != [*(start for start, _ in sentences), length]:
        return (
            f"sentences: {sentences} do not cover the {length} words one after the other. "
            "Write spans [start, end) in reading order, from 0 to the last word."
        )
    return None
