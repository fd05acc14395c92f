"""Answers to questions from whole pages: every window, the best span of each page, and the passage around it.

A span's score in a window is that of Alberti et al. (2019): its start and end logits, less those of [CLS], which stands
for no answer. A span is at most so many words of one passage, or, on a page with markup, a whole passage: the answer that
is long alone.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
import transformers
from transformers.utils import logging

from pairprobe.checkpoints import cpu_kernels, devices, loading
from pairprobe.checkpoints.tokenization import check_alignment
from pairprobe.data.pages import Page, read_pages
from pairprobe.data.sampling import in_shard
from pairprobe.errors import InputError
from pairprobe.evaluation.predictions import Kept, Prediction
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.windows import LONG, NULL, SHORT, Subtokenizer, Window, subtokens_of, windows
from pairprobe.io import files
from pairprobe.io.digests import file_digest, folder_digest
from pairprobe.io.progress import Progress, log

# Windows wait until so many batches of them are there, and are then sorted by length.
_WAITING = 16
# Pairs of subtokens that are looked at together, by each thread: some 200 MB.
_CELLS = 1 << 23
# Windows whose scores are nearer than this score the same.
_NEAR = 1e-4
# The score of a page that has no words to answer with.
EMPTY_SCORE = -10_000.0
# How much of a page is looked at for whether words and subtokens belong together.
_CHECKED_WORDS = 512

logging.set_verbosity_error()


@dataclass(frozen=True, slots=True)
class _Best:
    """The best span of a window: its score, subtokens of the page (both inclusive), and the window's answer type."""

    score: float
    at: int
    first: int
    last: int
    passage: int
    answer_type: int


def predict(
    checkpoint: str,
    heads: str | None,
    documents: str,
    path: str,
    asked: set[str],
    shard: tuple[int, int] = (0, 1),
    max_length: int = 384,
    stride: int = 128,
    max_words: int = 30,
    batch_size: int = 16,
    precision: str = "float32",
    threads: int | None = None,
    code: dict | None = None,
) -> None:
    """Answer the questions ``asked`` of one shard from the pages of ``documents``, and write a prediction for each.

    heads: a file of ``finetuning.train_answer_heads``, or None where the checkpoint was trained here. max_length, stride: see
    ``windows.windows``. max_words: the longest short answer. threads: how many batches are computed side by side (None: as
    many as PyTorch has threads). code: the digests of the code that computes. A few batches of windows are in memory at a
    time, however long a page; where memory runs out, batches are halved.

    What ``path``, and predictions of another division beside it, hold for the same pages, checkpoint, settings and code is
    taken over. Raises InputError where the checkpoint cannot answer, or a question fills a window.
    """
    device = devices.claim()
    precision = devices.resolve_precision(precision, device)
    tokenizer = loading.load_tokenizer(checkpoint)
    model = joint_model.load(checkpoint, precision, heads).eval().requires_grad_(False).to(device)
    cpu_kernels.speed_up(model.model.base_model, device)
    loading.check_windows(model.model, max_length, checkpoint, "evaluation")
    settings = {"max_length": max_length, "stride": stride, "max_words": max_words, "precision": precision}
    stands_on = _stands_on(checkpoint, heads, settings, device, code)
    kept, mine = Kept(path), {name for name in asked if in_shard(name, *shard)}
    # In the order of the pages; None where a page is still to be answered.
    rows: dict[str, dict | None] = {}
    contents: dict[str, str] = {}

    name = f"checkpoint {checkpoint}"
    with Progress(len(mine), "answering", "questions") as progress, devices.side_by_side(threads, device) as pool:
        answering = _Answering(model, tokenizer, device, max_length, stride, max_words, batch_size, name, pool)

        def new() -> Iterator[Page]:
            for page in read_pages(documents, wanted=mine.__contains__):
                contents[page.example_id] = content = _content(page, stands_on)
                rows[page.example_id] = row = kept.get(content)
                if row is None:
                    yield page
                else:
                    progress.update()

        for prediction in answering(new()):
            name = prediction.example_id
            rows[name] = {**msgspec.to_builtins(prediction), "content": contents[name]}
            progress.update()
    files.write_json_lines(path, rows.values())
    log.info("%s: %d questions, %d windows", path, len(rows), answering.windows)


def _stands_on(checkpoint: str, heads: str | None, settings: dict, device: str, code: dict | None) -> bytes:
    """Return the digest of all that a prediction stands on but its page."""
    everything = {**settings, "checkpoint": folder_digest(checkpoint), "heads": heads and file_digest(heads)}
    everything |= {"device": device, "code": code, "torch": torch.__version__, "transformers": transformers.__version__}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).digest()


def _content(page: Page, stands_on: bytes) -> str:
    """Return the digest of a page and of all that its prediction stands on."""
    return hashlib.blake2b(stands_on + msgspec.json.encode(page), digest_size=16).hexdigest()


class _Answering:
    """Answers pages in turn, their windows in batches of like length."""

    def __init__(
        self,
        model,
        tokenizer,
        device: str,
        max_length: int,
        stride: int,
        max_words: int,
        batch_size: int,
        name: str,
        pool: Executor,
    ):
        self.model, self.device, self.max_words, self.batch_size = model, device, max_words, batch_size
        self.name, self.tokenizer, self.subtokenizer = name, tokenizer, Subtokenizer(tokenizer)
        self.collate = joint_model.Collator(tokenizer)
        self.max_length, self.stride, self.windows = max_length, stride, 0
        self.batches, self.pool = devices.Batches(batch_size, "windows"), pool

    def __call__(self, pages: Iterable[Page]) -> Iterator[Prediction]:
        """Yield a prediction for each page, in their order."""
        waiting: list[tuple[int, Window]] = []
        open_pages: dict[int, tuple[Page, np.ndarray]] = {}
        best: dict[int, list[_Best]] = {}
        for number, page in enumerate(pages):
            if number < 32:
                self._check(page)
            # Markup tokens mean something to a model that was trained with them, and noise to another.
            subtokens = subtokens_of(page, self.subtokenizer, markup=self.model.has_answer_types)
            open_pages[number] = (page, subtokens.token)
            for window in windows(page, self.subtokenizer, self.max_length, self.stride, subtokens):
                waiting.append((number, window))
                if len(waiting) == _WAITING * self.batch_size:
                    self._answer(waiting, best)
                    waiting = []
            yield from self._finished(open_pages, best, waiting[0][0] if waiting else number + 1)
        self._answer(waiting, best)
        yield from self._finished(open_pages, best, sys.maxsize)

    def _check(self, page: Page) -> None:
        words = page.words(0, _CHECKED_WORDS)
        if words:
            check_alignment(self.tokenizer, [(page.example_id, page.question, words)], self.name)

    def _answer(self, waiting: list[tuple[int, Window]], best: dict[int, list[_Best]]) -> None:
        """Find the best span of each window, and keep it where it may be its page's best."""
        self.windows += len(waiting)
        waiting.sort(key=lambda item: len(item[1].input_ids))
        batches = [waiting[i : i + self.batch_size] for i in range(0, len(waiting), self.batch_size)]
        running = [self.pool.submit(self.batches, self._best, [window for _, window in batch]) for batch in batches]
        for batch, done in zip(batches, running, strict=True):
            for (number, _), found in zip(batch, done.result(), strict=True):
                if found is not None:
                    best[number] = _highest([*best.get(number, []), found])

    def _best(self, batch: list[Window]) -> list[_Best | None]:
        inputs = self.collate([(window.input_ids, window.begin) for window in batch])
        with torch.inference_mode():
            logits = self.model(**{name: values.to(self.device) for name, values in inputs.items()})
            types = logits["answer_type"].argmax(1).tolist() if "answer_type" in logits else [SHORT] * len(batch)
            found = best_spans(logits["start"], logits["end"], batch, self.max_words)
        if any(np.isnan(score) for score, _, _ in found):
            raise InputError(
                f"example {batch[0].example_id}, or one beside it: the logits are NaN. Train the heads again, or set "
                "evaluation.precision to float32."
            )
        return [
            None
            if not np.isfinite(score)
            else _Best(score, w.at, w.at + first, w.at + last, int(w.part.passage[first]), kind)
            for (score, first, last), w, kind in zip(found, batch, types, strict=True)
        ]

    def _finished(
        self, open_pages: dict[int, tuple[Page, np.ndarray]], best: dict[int, list[_Best]], end: int
    ) -> Iterator[Prediction]:
        """Yield the predictions of the pages before number ``end``, of which no window waits."""
        for number in [number for number in open_pages if number < end]:
            page, token = open_pages.pop(number)
            # Of equal ones the first on the page, in whatever order windows came.
            first = min(best.pop(number, []), key=lambda one: one.at, default=None)
            yield _prediction(page, token, first, self.max_words)


def _highest(found: list[_Best]) -> list[_Best]:
    """Return those of the highest score and those as near to it as the last bits of a sum, which go with the batch.

    (To round the scores would not do: equal ones can lie on both sides of where rounding goes another way.)
    """
    least = max(one.score for one in found) - _NEAR
    return [one for one in found if one.score >= least]


def best_spans(start: torch.Tensor, end: torch.Tensor, batch: list[Window], max_words: int) -> list[tuple[float, int, int]]:
    """Return the best span of each window: its score, and its first and last subtoken, counted in the window's part of
    the page.

    start, end: (batch, subtokens) logits. A span lies in one passage, begins and ends in words, and has at most max_words
    words or is the passage from its first word to its last. The score is -inf where a window has no word.
    """
    size = max(len(window.part) for window in batch)
    if len(batch) > 1 and len(batch) * size**2 > _CELLS:
        half = len(batch) // 2
        parts = (slice(None, half), slice(half, None))
        return [found for part in parts for found in best_spans(start[part], end[part], batch[part], max_words)]
    columns = np.full((len(batch), 4, size), -1, np.int64)
    first_logits, last_logits = start.new_zeros(2, len(batch), size)
    for i, window in enumerate(batch):
        part, n = window.part, len(window.part)
        # Words count up from the window's first; markup stands between passages, where no span goes.
        words = np.cumsum(np.diff(part.token, prepend=part.token[:1]) != 0)
        columns[i, :, :n] = np.where(part.is_word, part.passage, -1), words, part.first, part.last
        first_logits[i, :n] = start[i, window.begin : window.begin + n]
        last_logits[i, :n] = end[i, window.begin : window.begin + n]
    passage, word, opens, closes = torch.from_numpy(columns).to(start.device).unbind(1)
    apart = word[:, None, :] - word[:, :, None]
    allowed = (apart < max_words) | ((opens[:, :, None] == 1) & (closes[:, None, :] == 1))
    allowed &= (passage[:, :, None] == passage[:, None, :]) & (passage[:, :, None] >= 0)
    # By subtoken too: the end must not stand before the start within one word.
    scores = (first_logits[:, :, None] + last_logits[:, None, :]).masked_fill(~allowed.triu(), -torch.inf).flatten(1)
    best, place = scores.max(1)
    best = best - start[:, 0] - end[:, 0]
    places = zip(best.tolist(), (place // size).tolist(), (place % size).tolist(), strict=True)
    return list(places)


def _prediction(page: Page, token: np.ndarray, best: _Best | None, max_words: int) -> Prediction:
    if best is None:
        return Prediction(page.example_id, None, None, EMPTY_SCORE, NULL, "")
    span = int(token[best.first]), int(token[best.last]) + 1
    # Counted as best_spans does: words that the tokenizer turns into nothing do not count.
    words = np.count_nonzero(np.diff(token[best.first : best.last + 1])) + 1
    too_long = best.answer_type in (NULL, SHORT) and words > max_words
    answer_type = LONG if too_long else best.answer_type
    # To what the last bits of a sum rarely reach.
    score = round(best.score, 4)
    return Prediction(page.example_id, span, page.passages[best.passage], score, answer_type, page.answer_text(*span))
