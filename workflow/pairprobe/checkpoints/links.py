"""What may stand behind the names of a checkpoint's folder: regular files of that folder, or of the hub's cache."""

import re
from collections.abc import Sequence
from pathlib import Path

from pairprobe.errors import InputError


def check_links(folder: str | Path, patterns: Sequence[str]) -> None:
    """Raise InputError where a file of a folder is no regular one, or a link to one outside the folder.

    A folder from elsewhere could otherwise have any file of this machine copied (``merges.txt -> /etc/passwd``), or a job
    wait for a pipe for ever. Links to the hub's cache are as ``huggingface_hub`` makes them: ``snapshots/COMMIT/FILE ->
    ../../blobs/DIGEST``, and ``hub/blobs/XX/DIGEST`` where repositories share a file.
    """
    root = Path(folder).resolve()
    for file in sorted(file for file in root.iterdir() if any(file.match(pattern) for pattern in patterns)):
        where, linked = f"checkpoint {folder}: {file.name}", f" (a link to {file.readlink()})" if file.is_symlink() else ""
        try:
            content = file.resolve(strict=True)
        except (OSError, RuntimeError):  # what it links to is not there, or links back
            raise InputError(f"{where}: found no file{linked}. Put the file itself there.") from None
        if not content.is_file():
            raise InputError(f"{where}: found no regular file{linked}. Put a file there.")
        in_cache = "blobs" in content.parts[-3:-1] and re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", content.name)
        if not (content.is_relative_to(root) or in_cache):
            raise InputError(
                f"checkpoint {folder}: {file.name} leads out of the folder, to {content}. Copy the folder with its "
                "links followed: cp -rL OLD NEW."
            )
