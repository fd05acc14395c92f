"""Answers to questions from whole pages: the best span over all windows of a page, and the passage around it.

The score of a span in a window is that of Alberti et al. (2019): its start and end logits minus those of [CLS], which
stands for no answer. A span has at most ``max_answer_words`` words and lies in one passage; on a page with markup it may
also be a whole passage, which is a long answer without a short one.
"""

import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec
import numpy as np
import torch
import transformers
from transformers.utils import logging

from pairprobe.checkpoints import cpu_kernels, devices, loading, transfers
from pairprobe.checkpoints.tokenization import check_alignment
from pairprobe.data.pages import Page, read_pages
from pairprobe.errors import InputError
from pairprobe.evaluation.predictions import Prediction, PredictionCache
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import LONG, NULL, SHORT, Window, subtokens_of, windows
from pairprobe.io import files
from pairprobe.io.digests import file_digest, folder_digest
from pairprobe.io.progress import Progress, log, track

# Windows of so many batches are collected and sorted by length, so that those of a batch have a similar one.
_SORTED_BATCHES = 16
# Pairs of subtokens that are scored at once, by each thread: some 200 MB.
_CHUNK_SIZE = 1 << 23
# Windows whose scores differ by less have the same score: the last bits of a sum depend on the batch.
_TIE_TOLERANCE = 1e-4
# The score of a page that has no words to answer with.
EMPTY_SCORE = -10_000.0
# So much is checked for whether words and subtokens belong together: pages, and words of each.
_CHECKED_PAGES, _CHECKED_WORDS = 32, 512

logging.set_verbosity_error()


@dataclass(frozen=True, slots=True)
class Settings:
    """How questions are answered.

    max_length, stride: of the windows, see ``windows.windows``. max_answer_words: of a short answer. batch_size: windows
    that are computed at once. precision: of the forward pass. threads: batches that are computed side by side; None: as
    many as PyTorch has threads.
    """

    max_length: int = 384
    stride: int = 128
    max_answer_words: int = 30
    batch_size: int = 16
    precision: str = "float32"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The questions ``asked``, which are answered from the pages of ``documents``, and how.

    path: where a prediction for each is written, in the order of the pages. code: the digests of the code that computes.
    """

    documents: str
    asked: set[str]
    path: str
    settings: Settings
    code: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _BestSpan:
    """The best span of a window: its score, its subtokens on the page, first and last, and the window's answer type.

    at: which of the page's subtokens is the first of the window.
    """

    score: float
    at: int
    first: int
    last: int
    passage: int
    answer_type: int


# The spans that may be a page's best, by each variant.
_Best: TypeAlias = list[list[_BestSpan]]


def predict(checkpoint: str, heads: str | None, request: Request) -> None:
    """Let a checkpoint answer the questions of a request.

    heads: a file of ``training.train_answer_heads``, or None where the checkpoint was trained here. A few batches of
    windows are in memory at a time, however long a page; where memory runs out, batches are halved.

    A prediction that ``request.path``, or a shard of another division beside it, holds for the same page, checkpoint,
    settings and code is reused. Raises InputError where the checkpoint cannot answer, or a question fills a window.
    """
    device = devices.claim()
    settings = resolved(request.settings, device)
    model = load(checkpoint, heads, settings, device)
    answering = Answering(
        lambda inputs: [model(**inputs)],
        model.has_answer_types,
        loading.load_tokenizer(checkpoint),
        settings,
        device,
        f"checkpoint {checkpoint}",
    )
    answer_pages(answering, request, {"checkpoint": folder_digest(checkpoint), "heads": heads and file_digest(heads)})


def resolved(settings: Settings, device: str) -> Settings:
    """Return settings with the precision that ``auto`` stands for on a device."""
    return replace(settings, precision=devices.resolve_precision(settings.precision, device))


def load(
    checkpoint: str, heads: str | Mapping[str, torch.Tensor] | None, settings: Settings, device: str
) -> joint_model.JointModel:
    """Load a checkpoint to answer with, by the fast kernels; heads: see ``joint_model.load``."""
    model = joint_model.load(checkpoint, settings.precision, heads)
    prepare(model, checkpoint, settings, device)
    return model


def prepare(model: joint_model.JointModel, checkpoint: str, settings: Settings, device: str) -> None:
    """Let a model answer on a device, by the fast kernels; raise InputError where it cannot read so long windows."""
    model.eval().requires_grad_(False).to(device)
    cpu_kernels.speed_up(model.encoder, device)
    loading.check_windows(model.model, settings.max_length, checkpoint, "evaluation")


def answer_pages(
    answering: "Answering",
    request: Request,
    depends_on: dict[str, Any],
    variants: Sequence[dict[str, Any]] = ({},),
) -> None:
    """Write what is answered to the questions of a request.

    variants: what stands in the row of each variant beside its prediction. depends_on: all that predictions depend on but
    their page, settings, code, device and libraries. A page of which ``request.path``, or a shard of another division
    beside it, has all variants for the same of these is not computed again.
    """
    fingerprint = _fingerprint(answering.settings, answering.device, {**depends_on, "code": request.code})
    cache = PredictionCache(request.path)
    rows: dict[str, list[dict]] = {}  # in the order of the pages; none where a page is still to be answered
    keys: dict[str, str] = {}
    with Progress(len(request.asked), "answering", "questions") as progress:

        def new_pages() -> Iterator[Page]:
            for page in read_pages(request.documents, wanted=request.asked.__contains__):
                keys[page.example_id] = key = _cache_key(page, fingerprint)
                rows[page.example_id] = found = cache.get(key)
                if len(found) != len(variants):
                    yield page
                else:
                    progress.update()

        for predictions in answering(new_pages()):
            name = predictions[0].example_id
            rows[name] = [
                {"example_id": name, **variant, **msgspec.to_builtins(prediction), "cache_key": keys[name]}
                for variant, prediction in zip(variants, predictions, strict=True)
            ]
            progress.update()
    files.write_json_lines(request.path, itertools.chain.from_iterable(rows.values()))
    log.info("%s: %d questions, %d windows", request.path, len(rows), answering.windows)


def _fingerprint(settings: Settings, device: str, more: dict[str, Any]) -> bytes:
    """Return the digest of all that a prediction depends on but its page."""
    depends_on = {
        **more,
        "max_length": settings.max_length,
        "stride": settings.stride,
        "max_words": settings.max_answer_words,
        "precision": settings.precision,
        "device": device,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).digest()


def _cache_key(page: Page, fingerprint: bytes) -> str:
    """Return the digest of a page and of all else that its prediction depends on."""
    return hashlib.blake2b(fingerprint + msgspec.json.encode(page), digest_size=16).hexdigest()


class Answering:
    """Answers pages in turn by one or more variants of a model, their windows in batches of similar length.

    logits: returns for the inputs of a batch what ``JointModel.forward`` does, by each of so many variants. It is called by
    several threads at once. markup: whether markup is read, as by a model that was trained here. name: how errors call the
    checkpoint. Where memory runs out, batches are halved.
    """

    def __init__(
        self,
        logits: Callable[[dict[str, torch.Tensor]], Iterable[dict[str, torch.Tensor]]],
        markup: bool,
        tokenizer: transformers.PreTrainedTokenizerFast,
        settings: Settings,
        device: str,
        name: str,
        variants: int = 1,
    ):
        self.nothing: _Best = [[] for _ in range(variants)]
        self.logits, self.markup, self.settings, self.device = logits, markup, settings, device
        self.name, self.tokenizer, self.subtokenizer = name, tokenizer, Subtokenizer(tokenizer)
        self.collate = joint_model.Collator(tokenizer)
        self.windows, self.batches = 0, devices.Batches(settings.batch_size, "windows")

    def __call__(self, pages: Iterable[Page]) -> Iterator[list[Prediction]]:
        """Yield the predictions for each page, one by each variant, in the order of the pages."""
        with devices.side_by_side(self.settings.threads, self.device) as pool:
            yield from self._predictions(pages, pool)

    def _predictions(self, pages: Iterable[Page], pool: Executor) -> Iterator[list[Prediction]]:
        waiting: list[tuple[int, Window]] = []
        open_pages: dict[int, tuple[Page, np.ndarray]] = {}
        best: dict[int, _Best] = {}
        enough = _SORTED_BATCHES * self.settings.batch_size
        for number, page in enumerate(pages):
            if number < _CHECKED_PAGES:
                self._check(page)
            # Markup tokens are noise to a model that was not trained with them.
            subtokens = subtokens_of(page, self.subtokenizer, markup=self.markup)
            open_pages[number] = (page, subtokens.token)
            for window in windows(page, self.subtokenizer, self.settings.max_length, self.settings.stride, subtokens):
                waiting.append((number, window))
                if len(waiting) == enough:
                    self._answer(waiting, best, pool)
                    waiting = []
            yield from self._finished(open_pages, best, waiting[0][0] if waiting else number + 1)
        self._answer(waiting, best, pool)
        yield from self._finished(open_pages, best, sys.maxsize)

    def _check(self, page: Page) -> None:
        words = page.words(0, _CHECKED_WORDS)
        if words:
            check_alignment(self.tokenizer, [(page.example_id, page.question, words)], self.name)

    def _answer(self, waiting: list[tuple[int, Window]], best: dict[int, _Best], pool: Executor) -> None:
        """Find the best spans of each window, and note those that may be their page's best."""
        self.windows += len(waiting)
        waiting.sort(key=lambda item: len(item[1].input_ids))
        size = self.settings.batch_size
        batches = [waiting[i : i + size] for i in range(0, len(waiting), size)]
        running = [pool.submit(self.batches, self._best_spans, [window for _, window in batch]) for batch in batches]
        both: Iterable[tuple[list[tuple[int, Window]], Future[list[tuple[_BestSpan | None, ...]]]]]
        both = zip(batches, running, strict=True)
        if len(self.nothing) > 1:  # of many variants, the batches of one sort take minutes
            both = track(both, len(batches), "answering by each layer", "batches")
        for batch, done in both:
            for (number, _), found in zip(batch, done.result(), strict=True):
                before = best.get(number, self.nothing)
                best[number] = [
                    several if one is None else _highest([*several, one])
                    for several, one in zip(before, found, strict=True)
                ]

    def _best_spans(self, batch: list[Window]) -> list[tuple[_BestSpan | None, ...]]:
        """Return the best span of each window by each variant."""
        inputs = self.collate([(window.input_ids, window.begin) for window in batch])
        with torch.inference_mode(), transfers.launching(self.device):
            on_device = {name: transfers.to_device(values, self.device) for name, values in inputs.items()}
            arriving = [self._arriving(logits, batch) for logits in self.logits(on_device)]
        return list(zip(*(self._arrived(each, batch) for each in arriving), strict=True))

    def _arriving(self, logits: dict[str, torch.Tensor], batch: list[Window]) -> transfers.Arriving:
        best = best_spans(logits["start"], logits["end"], batch, self.settings.max_answer_words)
        types = logits["answer_type"].argmax(1) if "answer_type" in logits else torch.full_like(best[1], SHORT)
        return transfers.Arriving(*best, types)

    def _arrived(self, arriving: transfers.Arriving, batch: list[Window]) -> list[_BestSpan | None]:
        *columns, kinds = (each.tolist() for each in arriving.arrays())
        found = list(zip(*columns, strict=True))
        if any(np.isnan(score) for score, _, _ in found):
            raise InputError(
                f"example {batch[0].example_id}, or another of its batch: the logits are NaN. Train the heads again or set "
                "evaluation.precision to float32."
            )
        return [
            None
            if not np.isfinite(score)
            else _BestSpan(score, w.at, w.at + first, w.at + last, int(w.part.passage[first]), kind)
            for (score, first, last), w, kind in zip(found, batch, kinds, strict=True)
        ]

    def _finished(
        self, open_pages: dict[int, tuple[Page, np.ndarray]], best: dict[int, _Best], end: int
    ) -> Iterator[list[Prediction]]:
        """Yield the predictions of the pages before number ``end``, of which no window waits."""
        for number in [number for number in open_pages if number < end]:
            page, token = open_pages.pop(number)
            # Of several that are equally good the first on the page, whatever the order of the windows.
            firsts = [min(several, key=lambda one: one.at, default=None) for several in best.pop(number, self.nothing)]
            yield [_prediction(page, token, first, self.settings.max_answer_words) for first in firsts]


def _highest(found: list[_BestSpan]) -> list[_BestSpan]:
    """Return the spans of the highest score, and those that differ from it by the last bits of a sum alone.

    (Rounded scores would not do: two that are nearly equal may be rounded to different numbers.)
    """
    least = max(one.score for one in found) - _TIE_TOLERANCE
    return [one for one in found if one.score >= least]


def best_spans(start: torch.Tensor, end: torch.Tensor, batch: list[Window], max_words: int) -> list[torch.Tensor]:
    """Return the best span of each window: its score, and the indices of its first and last subtoken in ``Window.part``.

    start, end: (batch, subtokens) logits. Returns three tensors, (batch,) each, on their device, which is not waited for.
    A span lies in one passage, begins and ends in words, and has at most max_words words or is the passage from its first
    word to its last. The score is -inf where a window has no word.
    """
    size = max(len(window.part) for window in batch)
    if len(batch) > 1 and len(batch) * size**2 > _CHUNK_SIZE:
        half = len(batch) // 2
        parts = [
            best_spans(start[part], end[part], batch[part], max_words) for part in (slice(None, half), slice(half, None))
        ]
        return [torch.cat(columns) for columns in zip(*parts, strict=True)]
    columns = np.full((len(batch), 5, size), -1, np.int64)
    for i, window in enumerate(batch):
        part = window.part
        # Words are counted from the first of the window. Markup is between passages, and no span contains any.
        words = np.cumsum(np.diff(part.token, prepend=part.token[:1]) != 0)
        columns[i, :4, : len(part)] = np.where(part.is_word, part.passage, -1), words, part.first, part.last
        columns[i, 4] = np.minimum(np.arange(window.begin, window.begin + size), start.shape[1] - 1)
    on_device = transfers.to_device(torch.from_numpy(columns), start.device.type)
    places = on_device[:, 4]
    scores = start.gather(1, places)[:, :, None] + end.gather(1, places)[:, None, :]
    best, index = scores.masked_fill(~_allowed_spans(on_device, max_words), -torch.inf).flatten(1).max(1)
    return [best - start[:, 0] - end[:, 0], index // size, index % size]


def _allowed_spans(columns: torch.Tensor, max_words: int) -> torch.Tensor:
    """Return which pairs of a first and a last subtoken are spans, see ``best_spans``: (batch, size, size), bool.

    columns: (batch, 4 or more, size), of each subtoken its passage or -1, its word, and whether it is a passage's first or
    last.
    """
    passage, word, is_first, is_last = columns[:, :4].unbind(1)
    distance = word[:, None, :] - word[:, :, None]
    allowed = (distance < max_words) | ((is_first[:, :, None] == 1) & (is_last[:, None, :] == 1))
    allowed &= (passage[:, :, None] == passage[:, None, :]) & (passage[:, :, None] >= 0)
    # Above the diagonal: within one word, too, the last subtoken is not before the first.
    return allowed.triu()


def _prediction(page: Page, token: np.ndarray, best: _BestSpan | None, max_words: int) -> Prediction:
    if best is None:
        return Prediction(page.example_id, None, None, EMPTY_SCORE, NULL, "")
    span = int(token[best.first]), int(token[best.last]) + 1
    # Counted as in best_spans: words without a subtoken do not count.
    words = np.count_nonzero(np.diff(token[best.first : best.last + 1])) + 1
    too_long = best.answer_type in (NULL, SHORT) and words > max_words
    answer_type = LONG if too_long else best.answer_type
    # Rounded, since the last bits of a sum depend on the batch.
    score = round(best.score, 4)
    return Prediction(page.example_id, span, page.passages[best.passage], score, answer_type, page.answer_text(*span))
