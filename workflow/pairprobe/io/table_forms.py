"""The forms of tables, by the names of their files. It needs nothing installed, since configurations are checked by it."""

from pathlib import Path

from pairprobe.errors import InputError

# What the names of files end in that have rows, JSON lines among them.
FORMS = (".tsv", ".csv", ".jsonl")


def form_of(path: str | Path, what: str = "a table") -> str:
    """Return a file's form, one of ``FORMS``, by its name, which may end in .gz. Raises InputError for another one.

    what: the file should be, for the message.
    """
    form = Path(Path(path).name.removesuffix(".gz")).suffix.lower()
    if form not in FORMS:
        raise InputError(
            f"{path}: wanted {what} in a file whose name ends in {', '.join(FORMS)}, or in one of these and .gz."
        )
    return form
