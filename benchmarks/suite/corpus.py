"""The text that is measured on: examples of the bundled pages or of a file of Natural Questions, and copies of them."""

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

from pairprobe.data import bundled_pages, examples, natural_questions
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files
from suite.settings import Settings, project


def read(settings: Settings, folder: Path) -> list[Example]:
    """Return the examples of the data, in an order that is the same each time and has nothing to do with their pages."""
    path = settings.nq
    if path is None:
        path = folder / "pages.jsonl.gz"
        files.write_json_lines(path, bundled_pages.render((project() / "workflow" / "resources" / "pages").glob("*.yaml")))
    found = []
    for _, document in natural_questions.read(path):
        example = document if isinstance(document, InputError) else examples.example_of(document)
        if isinstance(example, Example):
            found.append(example)
    if not found:
        raise InputError(f"{path}: no question of it has a paragraph that answers. Give a file of Natural Questions.")
    random.Random(13).shuffle(found)
    return found


def repeated(found: list[Example], number: int) -> Iterator[Example]:
    """Yield so many examples: those found and, where these are too few, copies that no example is equal to.

    A copy has an id and a title of its own, and its question's words in another order; the paragraph, the answer and the
    sentences stay what they are.
    """
    for i in range(number):
        copy, place = divmod(i, len(found))
        example = found[place]
        if copy:
            question = list(example.question)
            random.Random(i).shuffle(question)
            names = {"example_id": f"{example.example_id}-{copy}", "title": f"{example.title} ({copy})"}
            example = dataclasses.replace(example, question=question, **names)
        yield example


def write(path: Path, found: list[Example]) -> Path:
    """Write a file of examples, as a run has them; returns its path."""
    files.write_json_lines(path, (dataclasses.asdict(example) for example in found))
    return path
