"""The bundled corpus: readable pages, one YAML file each, rendered to Natural Questions' simplified format.

A page has a ``title``, ``paragraphs`` and ``questions``; a question has its ``long_answer`` (the number of the paragraph
that answers it, the first is 1; absent where the page does not answer it) and either a ``short_answer`` (a string of
that paragraph, its ``occurrence`` where it is there more than once) or ``yes_no``, or neither.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from pairprobe.data import text
from pairprobe.data.sampling import hash_integer
from pairprobe.errors import InputError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PAGE_KEYS = {"title", "paragraphs", "questions"}
_QUESTION_KEYS = {"question", "long_answer", "short_answer", "occurrence", "yes_no"}


def render(paths: Iterable[str | Path]) -> Iterator[dict]:
    """Yield one row in the simplified format for each question of each page, in the order of the file names.

    Raises InputError, naming file and question, for a page that is not as the module describes.
    """
    for path in sorted(map(Path, paths)):
        try:
            page = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not YAML: {error}") from None
        yield from _page_rows(path, page)


def _page_rows(path: Path, page: dict) -> Iterator[dict]:
    if not isinstance(page, dict) or set(page) != _PAGE_KEYS:
        found = sorted(page) if isinstance(page, dict) else type(page).__name__
        raise InputError(f"{path}: found {found}, wanted the keys {sorted(_PAGE_KEYS)}.")
    paragraphs = page["paragraphs"]
    spans = [text.word_spans(paragraph) for paragraph in paragraphs]
    tokens = ["<H1>", *(page["title"][a:b] for a, b in text.word_spans(page["title"])), "</H1>"]
    starts = []
    for paragraph, words in zip(paragraphs, spans, strict=True):
        starts.append(len(tokens))
        tokens += ["<P>", *(paragraph[a:b] for a, b in words), "</P>"]
    candidates = [
        {"start_token": start, "end_token": end, "top_level": True}
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)
    ]
    for question in page["questions"]:
        yield {
            "example_id": _identifier(page["title"], question.get("question")),
            "document_title": page["title"],
            "document_text": " ".join(tokens),
            "question_text": question.get("question"),
            "long_answer_candidates": candidates,
            "annotations": [_annotation(path, question, paragraphs, spans, candidates)],
        }


def _identifier(title: str, question: str) -> int:
    """Number a question: positive, 63 bits, and the same for as long as the title and question are."""
    return hash_integer(title, question) >> 1


def _annotation(path: Path, question: dict, paragraphs: list[str], spans: list, candidates: list[dict]) -> dict:
    where = f"{path}, question {question.get('question')!r}"
    unknown = set(question) - _QUESTION_KEYS
    if unknown or not isinstance(question.get("question"), str):
        raise InputError(f"{where}: found the keys {sorted(question)}, wanted question and {sorted(_QUESTION_KEYS)}.")
    number = question.get("long_answer")
    long_answer = {"start_token": -1, "end_token": -1, "candidate_index": -1}
    short_answers = []
    if number is not None:
        if number not in range(1, len(paragraphs) + 1):
            raise InputError(f"{where}: long_answer is {number!r}, wanted a paragraph, 1 to {len(paragraphs)}.")
        candidate = candidates[number - 1]
        long_answer = {k: candidate[k] for k in ("start_token", "end_token")} | {"candidate_index": number - 1}
        if "short_answer" in question:
            start, end = _locate(where, question, paragraphs[number - 1], spans[number - 1])
            first = candidate["start_token"] + 1  # after <P>
            short_answers.append({"start_token": first + start, "end_token": first + end})
    yes_no = question.get("yes_no")
    if yes_no not in (None, "yes", "no"):
        raise InputError(f'{where}: yes_no is {yes_no!r}, wanted "yes" or "no", in quotation marks.')
    return {
        "annotation_id": 0,
        "long_answer": long_answer,
        "short_answers": short_answers,
        "yes_no_answer": (yes_no or "none").upper(),
    }


def _locate(where: str, question: dict, paragraph: str, spans: list[tuple[int, int]]) -> tuple[int, int]:
    """Find a short answer in its paragraph; returns its words as ``[start, end)``."""
    answer = question["short_answer"]
    if not isinstance(answer, str):
        raise InputError(f"{where}: short_answer is {answer!r}, wanted a string: put it in quotation marks.")
    found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", paragraph)]
    occurrence = question.get("occurrence", 1)
    if not found or (len(found) > 1 and "occurrence" not in question) or occurrence not in range(1, len(found) + 1):
        raise InputError(
            f"{where}: the short answer {answer!r} is {len(found)} times in the paragraph, and occurrence is "
            f"{question.get('occurrence')!r}. Copy it from there, and say which occurrence where there are several."
        )
    start = found[occurrence - 1]
    end = start + len(answer)
    first = [i for i, (a, _) in enumerate(spans) if a == start]
    last = [i for i, (_, b) in enumerate(spans) if b == end]
    if not first or not last:
        raise InputError(f"{where}: the short answer {answer!r} begins or ends within a word of the paragraph.")
    return first[0], last[0] + 1
