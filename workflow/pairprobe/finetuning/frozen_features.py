"""What a frozen encoder makes of all windows, computed once and read from the disk in each epoch that trains heads on it.

A batch holds windows of one length, so that nothing is padded, and batches do not depend on the number of threads or of
processes. Files are read, not mapped, so that they do not count as the memory of a job.
"""

import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pairprobe.checkpoints import devices, padding
from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.features import Features
from pairprobe.io import files
from pairprobe.io.progress import Progress, log

# So much is kept, and no more: 20 million subtokens of BERT-base in bfloat16. A constant, whatever room the disk has, so
# that the same configuration gives the same numbers to the last bit.
MAX_BYTES = 32 << 30
# A file has so much; a training that is killed meanwhile loses no more. Processes that share a training take turns by file.
FILE_BYTES = 256 << 20
# Subtokens of a batch, where windows are not longer: a core gains nothing from more, a GPU does.
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}


@dataclass(frozen=True, slots=True, eq=False)
class FrozenFeatures:
    """Where the rows of each window are: that of the subtoken that the answer type is read from, in ``hidden_states[-1]``
    (the first; the last of a causal encoder), then the last hidden states.

    lengths: (windows,), subtokens of each. file, offset: (windows,), the number of its file and the first byte there.
    sizes: (files,), bytes of each.
    """

    folder: Path
    dtype: torch.dtype
    hidden: int
    lengths: np.ndarray
    file: np.ndarray
    offset: np.ndarray
    sizes: np.ndarray

    @staticmethod
    def of(folder: Path, dtype: torch.dtype, hidden: int, lengths: np.ndarray) -> "FrozenFeatures":
        """Lay out windows of these lengths, the longest first, one after the other. Nothing is written."""
        order = np.argsort(-lengths, kind="stable")
        ends = np.cumsum((lengths[order] + 1) * (hidden * dtype.itemsize))
        begins = np.concatenate([[0], ends[:-1]])
        _, first, file = np.unique(begins // FILE_BYTES, return_index=True, return_inverse=True)
        place = order.argsort()
        sizes = np.append(begins[first[1:]], ends[-1]) - begins[first]
        return FrozenFeatures(folder, dtype, hidden, lengths, file[place], (begins - begins[first][file])[place], sizes)

    def path(self, number: int) -> Path:
        """Return where a file is."""
        return self.folder / f"{number}.{str(self.dtype).removeprefix('torch.')}"

    def is_whole(self, number: int) -> bool:
        """Whether a file is there, in its full size."""
        path = self.path(number)
        return path.is_file() and path.stat().st_size == self.sizes[number]

    def batch(self, windows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Read some windows, padded with zeros: the last hidden states, (batch, subtokens, hidden), and the first rows.

        The latter are (batch, hidden): those of the subtoken that the answer type is read from.
        """
        longest = int(self.lengths[windows].max())
        rows = torch.zeros((len(windows), longest + 1, self.hidden), dtype=self.dtype)
        for i, part in zip(windows, _bytes(rows), strict=True):
            room = part[: self.lengths[i] + 1]
            with open(self.path(self.file[i]), "rb", buffering=0) as file:
                file.seek(self.offset[i])
                if file.readinto(room) != room.nbytes:
                    raise InputError(f"{file.name}: it was cut off. Start the training again.")
        return rows[:, 1:], rows[:, 0]


def encode(
    model: joint_model.JointModel, windows: Features, collate: joint_model.Collator, work: str, threads: int
) -> FrozenFeatures | None:
    """Let the frozen encoder pass over all windows, but for those whose files lie in the work folder already.

    Returns None, and makes no pass, where the result is larger than ``MAX_BYTES`` or does not fit onto the disk. threads:
    batches that are computed side by side. Of processes that share a training each makes its part, and waits for the
    others. Raises InputError where one window alone does not fit into memory.
    """
    ids, mask = padding.sample(model.encoder)
    output = model.encoder(input_ids=ids, attention_mask=mask)
    features = FrozenFeatures.of(Path(work) / "frozen", output[0].dtype, output[0].shape[-1], windows.lengths)
    features.folder.mkdir(parents=True, exist_ok=True)
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    missing = [number for number in range(len(features.sizes)) if not features.is_whole(number)]
    size, room = int(features.sizes[missing].sum()), shutil.disk_usage(features.folder).free
    # Processes that share a training could see different rooms, and would wait for each other for ever.
    if features.sizes.sum() > MAX_BYTES or (processes == 1 and size > room):
        said = f"to keep its hidden states takes {size / 1e9:.1f} GB, and {room / 1e9:.1f} GB are free"
        log.info("the frozen encoder runs anew in each epoch: %s", said)
        return None
    model.encoded_as = type(output)
    if missing := [number for number in missing if number % processes == rank]:
        _Encoding(model, windows, collate, features)(missing, threads)
    if processes > 1:
        torch.distributed.barrier()
    return features


class _Encoding:
    """Makes files of frozen features."""

    def __init__(
        self, model: joint_model.JointModel, windows: Features, collate: joint_model.Collator, features: FrozenFeatures
    ):
        self.encoder, self.windows, self.collate, self.features = model.encoder, windows, collate, features
        self.read_at = -1 if model.causal else 0
        self.batch_tokens = BATCH_TOKENS[self.encoder.device.type]
        self.batches = devices.Batches(self.batch_tokens, "windows")

    def __call__(self, numbers: list[int], threads: int) -> None:
        total = int(np.isin(self.features.file, numbers).sum())
        with (
            Progress(total, "passes of the frozen encoder", "windows") as progress,
            devices.side_by_side(threads, self.encoder.device.type) as pool,
        ):
            for number in numbers:
                running = deque(pool.submit(self.batches, self._run, batch) for batch in self._batches(number))
                self._write(self.features.path(number), running, progress)

    def _write(self, path: Path, running: deque[Future[list[torch.Tensor]]], progress: Progress) -> None:
        with files.atomic_write(path) as temporary, open(temporary, "wb") as file:
            while running:
                for rows in running.popleft().result():
                    file.write(_bytes(rows))
                    progress.update()

    def _batches(self, number: int) -> Iterator[list[int]]:
        """Yield the windows of a file, as they follow one another there, in batches of one length."""
        inside = np.flatnonzero(self.features.file == number)
        inside = inside[np.argsort(self.features.offset[inside])]
        lengths = self.features.lengths[inside]
        for same in np.split(inside, np.flatnonzero(np.diff(lengths)) + 1):
            size = max(1, self.batch_tokens // int(self.features.lengths[same[0]]))
            yield from (same[i : i + size].tolist() for i in range(0, len(same), size))

    def _run(self, batch: list[int]) -> list[torch.Tensor]:
        """Return the rows of each window, (subtokens + 1, hidden)."""
        found = [self.windows[i] for i in batch]
        inputs = self.collate([(window["input_ids"], window["begin"]) for window in found])
        inputs = {name: values.to(self.encoder.device) for name, values in inputs.items()}
        output = self.encoder(**inputs, output_hidden_states=True)
        return list(torch.cat([output.hidden_states[-1][:, [self.read_at]], output[0]], 1).cpu())


def _bytes(rows: torch.Tensor) -> Any:
    """Return the memory of rows as numpy has it, which knows no bfloat16."""
    return rows.view(torch.uint8).numpy()
