"""Predictions and gold, in the formats that the official scripts of Natural Questions and SQuAD read."""

from collections.abc import Iterable

import msgspec
import orjson

from pairprobe.data.documents import Span
from pairprobe.data.pages import Page, read_pages
from pairprobe.data.sampling import in_shard, subsample
from pairprobe.errors import InputError
from pairprobe.finetuning.windows import NO, NULL, SHORT, YES
from pairprobe.io import files
from pairprobe.io.progress import log


class Prediction(msgspec.Struct, frozen=True):
    """A model's answer from a page: a line of ``evaluation/{checkpoint}/predictions``.

    span: the best span, in tokens; None where the page has no words. score: of the span, see ``answering``. passage: the
    long answer around the span. answer_type: an index into ``windows.ANSWER_TYPES``: the type that the model gives the
    span's window (SHORT where it has no head for types), or LONG where the span is too long for a short answer. text: of
    the span, as on the page.
    """

    example_id: str
    span: Span | None
    passage: Span | None
    score: float
    answer_type: int
    text: str


def read_predictions(paths: Iterable[str]) -> list[Prediction]:
    """Read the predictions of all shards."""
    return [msgspec.convert(row, Prediction) for path in paths for _, row in files.read_json_lines(path)]


class PredictionCache:
    """Predictions of an earlier run, by their ``cache_key``: a digest of their page and of all else that they depend on.

    They are those of the file that ``path`` replaces, and of other divisions into shards beside it. (The other shards of
    its own division may be being written.)
    """

    def __init__(self, path: str):
        self._rows: dict[str, list[dict]] = {}
        for previous in files.previous_shards(path):
            try:
                found: dict[str, list[dict]] = {}
                for _, row in files.read_json_lines(previous):
                    if "cache_key" in row:
                        found.setdefault(row["cache_key"], []).append(row)
                self._rows |= found
            except InputError as error:
                log.info("no prediction is reused: %s", error)

    def get(self, cache_key: str) -> list[dict]:
        """Return the rows of a page's predictions, one by each variant; none where there are none."""
        return self._rows.get(cache_key, [])


def write_predictions(predictions: Iterable[Prediction], official: str, texts: str, refuses: bool = False) -> None:
    """Write predictions for Natural Questions' ``nq_eval.py``, and as ``{id: text}`` for SQuAD's script.

    refuses: whether the text is "", no answer, where no span outscores [CLS], as in SQuAD 2.0.
    """
    predictions = list(predictions)
    rows = {"predictions": official_rows(predictions)}
    for path, content in ((official, rows), (texts, texts_of(predictions, refuses))):
        with files.atomic_write(path) as temporary:
            temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def official_rows(predictions: Iterable[Prediction]) -> list[dict]:
    """Return predictions in the form that ``nq_eval.py`` reads."""
    return [_official(found) for found in predictions]


def texts_of(predictions: Iterable[Prediction], refuses: bool = False) -> dict[str, str]:
    """Return the answers as texts, ``{example_id: answer}``. refuses: see ``write_predictions``."""
    return {found.example_id: "" if refuses and found.score <= 0 else found.text for found in predictions}


def _official(found: Prediction) -> dict:
    # Where the best window has the type NULL, its span counts as a short answer.
    short = found.answer_type in (SHORT, NULL) and found.span is not None
    return {
        "example_id": _official_id(found.example_id),
        "long_answer": _official_span(found.passage),
        "long_answer_score": found.score,
        "short_answers": [_official_span(found.span)] if short else [],
        "short_answers_score": found.score,
        "yes_no_answer": {YES: "YES", NO: "NO"}.get(found.answer_type, "NONE"),
    }


def gold_rows(documents: str, at_most: int | None, seed: int) -> list[dict]:
    """Return the gold of the questions that are asked, at most so many, in the format of ``nq_eval.py``.

    The key ``answers``, which that script ignores, has the short answers as texts, for exact match and F1. Raises
    InputError where there is no question.
    """
    rows = {page.example_id: _gold(page) for page in read_pages(documents)}
    if not rows:
        raise InputError(
            f"{documents}: there is no question to ask. Give the partition probe a larger share, or more pages: a page "
            "(what has one title) goes to one partition with all its questions."
        )
    drawn = subsample(rows, at_most, seed)
    return [row for example_id, row in rows.items() if example_id in drawn]


def _gold(page: Page) -> dict:
    annotations = [
        {
            "long_answer": _official_span(found.long_answer),
            "short_answers": [_official_span(span) for span in found.short_answers],
            "yes_no_answer": (found.yes_no or "none").upper(),
        }
        for found in page.annotations
    ]
    return {"example_id": _official_id(page.example_id), "annotations": annotations, "answers": page.gold_texts}


def asked(gold: str, shard: int = 0, shards: int = 1) -> set[str]:
    """Return the questions of a file of ``gold_rows`` that are in shard number ``shard`` (from 0) of ``shards``."""
    names = (str(row["example_id"]) for _, row in files.read_json_lines(gold))
    return {name for name in names if in_shard(name, shard, shards)}


def _official_span(span: Span | None) -> dict[str, int]:
    """Return a span of tokens in the official form, without bytes."""
    start, end = span or (-1, -1)
    return {"start_token": start, "end_token": end, "start_byte": -1, "end_byte": -1}


def _official_id(example_id: str) -> int | str:
    """Return an example's name as the data set has it: Natural Questions numbers its examples."""
    try:
        number = int(example_id)
    except ValueError:
        return example_id
    # Where the number fits 64 bits, as in JSON, and gives the same name again.
    return number if str(number) == example_id and abs(number) < 2**63 else example_id
