"""Every kind of data, read as documents: one for each question of a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pairprobe.data import forms, mrqa, natural_questions, qa_pairs, squad
from pairprobe.data.documents import Document, check_id
from pairprobe.data.examples import document_of, read_each_example
from pairprobe.errors import InputError

Documents = Iterator[tuple[str, Document | InputError]]


def _read_examples(path: str | Path) -> Documents:
    for where, found in read_each_example(path):
        yield where, found if isinstance(found, InputError) else document_of(found)


# Every ``data.source`` of the configuration's schema. The bundled pages are rendered to Natural Questions' format first.
READERS: dict[str, Callable[[str | Path], Documents]] = {
    "bundled": natural_questions.read,
    "natural_questions": natural_questions.read,
    "squad": squad.read,
    "squad_v2": squad.read,
    "mrqa": mrqa.read,
    "qa_pairs": qa_pairs.read,
    "examples": _read_examples,
}


def read(source: str, path: str | Path) -> Documents:
    """Yield ``(where, document)`` for each question of a file, or an InputError in the document's place.

    source: one of ``READERS``. Raises InputError for a source without a reader, and for a file that is missing, cut off, of
    another kind altogether, or without any question.
    """
    if source not in READERS:
        raise InputError(f"data.source: no reader for {source!r}. Allowed: {', '.join(READERS)}.")
    return _read(source, path)


def _read(source: str, path: str | Path) -> Documents:
    number = 0
    try:
        for number, (where, found) in enumerate(READERS[source](path), 1):
            if isinstance(found, InputError) and number == 1:
                forms.check(source, path)
            yield where, found if isinstance(found, InputError) else check_id(where, found)
    except InputError:
        if number == 0:
            forms.check(source, path)
        raise
    if number == 0:
        forms.check(source, path)
        raise InputError(f"{path}: there is no question in it. Check that it is the file that is meant.")
