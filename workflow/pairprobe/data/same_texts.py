"""Examples that have the same question and text: those of a file of pairs, and those of the data."""

from collections.abc import Iterable

from pairprobe.data.examples import read_examples


def questions_of(examples: Iterable[str], asked: str) -> dict[str, str]:
    """Return the question of each example: itself, or the one of ``asked`` that has the same question and text."""
    texts = {(*one.question, "\n", *one.paragraph): one.example_id for one in read_examples(asked)}
    found = {name: name for name in texts.values()}
    for path in {*examples} - {asked}:
        for one in read_examples(path):
            if name := texts.get((*one.question, "\n", *one.paragraph)):
                found[one.example_id] = name
    return found
