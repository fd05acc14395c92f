"""Text in any encoding of Unicode as UTF-8; of another encoding, what and where the first byte is that does not fit."""

import codecs
import io
import json
from typing import IO

from pairprobe.errors import InputError

BOM = b"\xef\xbb\xbf"


def encoding_of(head: bytes) -> str:
    """Return the encoding that a text begins in: by its byte order mark, or the zeros among its first four bytes."""
    return json.detect_encoding(head[:4]) if head[:4].strip(b"\0") else "utf-8"


class AsUtf8(io.RawIOBase):
    """A file in another encoding of Unicode, read as UTF-8; raises UnicodeDecodeError where it is not in that encoding."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding, newline="\n")

    def readable(self) -> bool:
        """Return True, as ``io.BufferedReader`` asks."""
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # the buffer protocol has no type yet
        """Fill a buffer with UTF-8, at most four bytes a character."""
        content = self._text.read(len(buffer) // 4).encode()
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file, too."""
        self._text.close()
        super().close()


def as_utf8(where: str, content: bytes) -> bytes:
    """Return a text as UTF-8 without a byte order mark; raise InputError where it is in no encoding of Unicode."""
    encoding = encoding_of(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: {misfit(error)}") from None
    return content.removeprefix(BOM) if encoding.startswith("utf-8") else text.encode()


def head_as_text(where: str, head: bytes) -> str:
    """Return the beginning of a text, less a last character that is cut; raise InputError as ``as_utf8``."""
    try:
        return codecs.getincrementaldecoder(encoding_of(head))().decode(head)
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: {misfit(error)}") from None


def misfit(error: UnicodeDecodeError) -> str:
    """Say what is wrong with a text, at which byte, and what to do."""
    encoding, byte = error.encoding.upper().removesuffix("-SIG"), error.object[error.start]
    if encoding != "UTF-8":
        return f"not {encoding} ({error.reason}), as its first bytes say. Write the file again as UTF-8."
    return (
        f"not UTF-8 ({error.reason} at byte {error.start}); 0x{byte:02x} is {chr(byte)!r} in Latin-1. Write the file again "
        "as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW, where it is Latin-1 or Windows' own."
    )
