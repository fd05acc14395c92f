"""Which steps of a training are kept, and the file that lists them."""

import json
from collections.abc import Sequence
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log

# The steps that were kept, and the last step of the training.
FILE = "steps.json"


def steps_of(keep: Sequence[int] | int, total: int) -> tuple[int, ...]:
    """Return the steps that are kept of ``total``, in order, the first 0; none where nothing is to be kept.

    keep: steps; or a number n of points: 0, total / 2^(n - 2), ..., total / 2, total, the last of which is the trained
    checkpoint itself and so not kept. Raises InputError where a step is beyond the last, and where points are too many to
    be different steps. Messages say ``keep_steps`` alone, since the key may stand at two places of a configuration.
    """
    if not keep:
        return ()
    if not isinstance(keep, int):
        if max(keep) > total:
            raise InputError(
                f"keep_steps: found {max(keep)}, and the training has {total} steps. Wanted: steps from 0 to {total}."
            )
        if total in keep:
            log.warning("keep_steps: %d is the last step, which is probed anyway, and so twice. Leave it out.", total)
        return tuple(sorted({0, *keep}))
    steps = _points(keep, total)
    if len(set(steps)) < len(steps):
        most = max(n for n in range(2, keep) if len(set(_points(n, total))) == n)
        raise InputError(
            f"keep_steps: found {keep} points, and the training has {total} steps, too few for as many that "
            f"differ. Wanted: at most {most}."
        )
    return tuple(steps[:-1])


def _points(number: int, total: int) -> list[int]:
    return [0, *(round(total / 2**i) for i in range(number - 2, 0, -1)), total]


def write(folder: Path, steps: Sequence[int], total: int) -> None:
    """Write down which steps are kept in a folder, of how many."""
    files.write_json(folder / FILE, {"steps": steps, "last": total})


def read(folder: str | Path) -> tuple[list[int], int]:
    """Return the steps that were kept, and the last of the training. Raises InputError where they are not written down."""
    file = Path(folder, FILE)
    try:
        found = json.loads(file.read_bytes())
        return list(map(int, found["steps"])), int(found["last"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: found no steps of a training ({error}). Delete the folder, and the training is done again."
        ) from None
