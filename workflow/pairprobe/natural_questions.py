"""Natural Questions (Kwiatkowski et al., 2019) in the simplified format, read as documents.

One JSON object a line: ``document_text`` is the page, tokens apart by one blank, markup among them; positions count these
tokens (https://github.com/google-research-datasets/natural-questions, "simplified" format).
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs, unquote, urlparse

from pairprobe import files, text
from pairprobe.errors import InputError
from pairprobe.examples import Document, Span

_FIELDS = ("example_id", "question_text", "document_text", "annotations")


def read_simplified(paths: Iterable[str]) -> Iterator[Document]:
    """Yield the documents of files in the simplified format, plain or gzip, one line in memory at a time.

    HTML tokens are removed and positions mapped to the words that remain. Of several annotations the first with a long
    answer counts. Raises InputError for a line that is cut off, lacks a field, has an answer outside its page or its
    long answer, and for an example_id that occurs twice.
    """
    seen: dict[str, str] = {}
    for path in paths:
        for where, row in files.read_json_lines(path):
            for field in _FIELDS:
                if field not in row:
                    raise InputError(
                        f"{where}: the field {field} is missing; found {', '.join(sorted(row))}. Wanted the simplified "
                        "format of Natural Questions, one JSON object a line."
                    )
            example_id = str(row["example_id"])
            if example_id in seen:
                raise InputError(
                    f"{where}: example_id {example_id} stands already in {seen[example_id]}; each must occur once. "
                    "Remove one of the two."
                )
            seen[example_id] = where
            yield _document(where, example_id, row)


def _document(where: str, example_id: str, row: dict) -> Document:
    tokens = row["document_text"].split(" ")
    # before[i]: how many words stand before token i, so that a span of tokens maps to a span of words.
    words, before = [], [0]
    for token in tokens:
        if token and not text.is_html(token):
            words.append(token)
        before.append(len(words))

    annotation = next((a for a in row["annotations"] if a["long_answer"]["start_token"] >= 0), None)
    long_answer, tag, short_answers, yes_no = None, None, [], None
    if annotation is not None:
        start, end = _tokens(where, annotation["long_answer"], "long_answer", 0, len(tokens))
        opening = tokens[start]
        tag = opening[1:-1].strip("/") if text.is_html(opening) else "no markup"
        long_answer = (before[start], before[end])
        for answer in annotation["short_answers"]:
            a, b = _tokens(where, answer, "short_answers", start, end)
            if before[a] < before[b]:
                short_answers.append((before[a], before[b]))
        yes_no = {"YES": "yes", "NO": "no"}.get(annotation.get("yes_no_answer", "NONE"))
    return Document(
        example_id, _title(row, tokens), row["question_text"].split(), words, long_answer, tag, short_answers, yes_no
    )


def _tokens(where: str, span: dict, key: str, low: int, high: int) -> Span:
    start, end = span["start_token"], span["end_token"]
    if not low <= start < end <= high:
        raise InputError(
            f"{where}, key {key}: found tokens [{start}, {end}), wanted a span inside [{low}, {high}). "
            "The positions do not belong to this document_text."
        )
    return start, end


def _title(row: dict, tokens: list[str]) -> str:
    """Return the page's title: its own field, its first heading, or its address, in this order."""
    if row.get("document_title"):
        return row["document_title"]
    if "<H1>" in tokens and "</H1>" in tokens:
        heading = tokens[tokens.index("<H1>") + 1 : tokens.index("</H1>")]
        if heading:
            return " ".join(heading)
    address = urlparse(row.get("document_url", ""))
    name = parse_qs(address.query).get("title", [address.path.rsplit("/", 1)[-1]])[0]
    return re.sub("_", " ", unquote(name)) or str(row["example_id"])
