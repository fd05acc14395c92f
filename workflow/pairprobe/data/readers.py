"""Every kind of data, read as documents: one for each question of a file."""

from collections.abc import Iterator
from pathlib import Path

from pairprobe.data import natural_questions, squad
from pairprobe.data.documents import Document
from pairprobe.data.examples import document_of, read_each_example
from pairprobe.errors import InputError

SOURCES = ("bundled", "natural_questions", "squad", "squad_v2", "examples")


def read(source: str, path: str | Path) -> Iterator[tuple[str, Document | InputError]]:
    """Yield ``(where, document)`` for each question of a file, or an InputError in the document's place.

    source: one of ``SOURCES``; the bundled pages are rendered to Natural Questions' format first. Raises InputError for a
    file that is missing, cut off, or of another kind altogether.
    """
    if source in ("bundled", "natural_questions"):
        return natural_questions.read(path)
    if source in ("squad", "squad_v2"):
        return squad.read(path)
    return (
        (where, found if isinstance(found, InputError) else document_of(found)) for where, found in read_each_example(path)
    )
