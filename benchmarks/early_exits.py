"""Heads on each layer of a frozen encoder, beside heads on its last layer alone: what training them costs.

    .venv/bin/python benchmarks/early_exits.py                              MiniLM, 240 windows, 2 epochs
    .venv/bin/python benchmarks/early_exits.py --rounds 1 --windows 40      a quick look

Times are the processor's, of whole trainings, loading included. Nothing else should run.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch

import extraction
import training as windows
import turns
from pairprobe.finetuning import training
from pairprobe.finetuning.settings import Settings, Training
from pairprobe.tables.layout import markdown

WAYS = {
    "heads on each layer": training.train_early_exits,
    "heads on the last layer": training.train_answer_heads,
}
BATCH, LENGTH = 8, 128


def main() -> None:
    """Measure, and print a table."""
    given = turns.options(__doc__, rounds=3, windows=240, epochs=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = extraction.minilm(folder)
        features = windows.write_windows(given.nq, encoder, folder, LENGTH, given.windows)
        settings = Settings(given.epochs, BATCH, 1e-3, 0.1, 0.01, 10**6, torch.get_num_threads(), windows.SEED)
        given_to_all = Training(str(encoder), [str(features)], settings, str(folder / "work"))
        out = str(folder / "heads"), str(folder / "history.tsv")
        ways = {title: partial(turns.processor_seconds, way, given_to_all, *out) for title, way in WAYS.items()}
        found = turns.in_turn(ways, given.rounds)
    alone = found["heads on the last layer"]
    rows = [(title, turns.spread(times, 1), turns.spread(turns.ratios(times, alone))) for title, times in found.items()]
    print(f"MiniLM, {given.windows} windows of at most {LENGTH} subtokens, {given.epochs} epochs, float32.\n")
    print(markdown(["what is trained", "processor seconds", "beside the last alone"], rows, numbers=["processor seconds"]))


if __name__ == "__main__":
    main()
