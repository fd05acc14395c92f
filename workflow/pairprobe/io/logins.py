"""Logins, such as addresses carry them, kept out of what is written."""

import os
import re

_OF_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"<>]+@")
# The query of an address: tokens, and the signatures that storage takes for one.
_QUERY = re.compile(r"(://[^\s?'\"<>]+\?)[^\s'\"<>]+")
_SECRET = re.compile(r"://[^\s?]+\?[^\s]*(token|key|auth|sig|signature|credential|secret|password)=", re.IGNORECASE)


def without_logins(text: str) -> str:
    """Return a text without the logins and queries of the addresses in it, and without the user's token."""
    text = _QUERY.sub(r"\1...", _OF_ADDRESS.sub("...@", text))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := os.environ.get(name, "").strip():
            text = text.replace(token, "...")
    return text


def has_login(text: str) -> bool:
    """Whether a text has an address with a login in it, or with a query that is one."""
    return bool(_OF_ADDRESS.search(text) or _SECRET.search(text))
