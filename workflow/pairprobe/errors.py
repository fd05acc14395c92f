"""The one error that bad input raises, and how text of unknown origin is printed."""

import re

# What a terminal acts on (but tabs and line ends), what reverses the direction of text, and what no encoding has.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class InputError(ValueError):
    """Input that cannot be used: names the file, the line or key, what was found, what was wanted, what to do."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Return a text with its control characters as JSON writes them, ``\\u001b``; tabs and line ends stay."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(error: BaseException, at_most: int = 400) -> str:
    """Return what an error of another library says, on one line of so many characters that a terminal can show."""
    said = "".join(letter if letter.isprintable() else " " for letter in f"{error}"[:10_000])
    said = " ".join(said.split()).rstrip(".") or type(error).__name__
    return said if len(said) <= at_most else f"{said[:at_most]} ..."
