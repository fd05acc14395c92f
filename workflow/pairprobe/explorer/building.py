"""The explorer: one HTML file in which a run's percentages are opened down to the words behind them.

It needs no network, and nothing but a browser: style, script, plotly.js and all data are in it. The page's own parts are
``page.html``, ``page.css`` and ``page.js`` beside this module. In the page, data stand as

    #run       JSON: checkpoints, curves, tasks, percentages, claims
    #pairs-T   for the task number T: the pairs, JSON
    #ranks-T   uint32: for each checkpoint para_len and unmatching (pairs), then count and ties (measures, layers, pairs)
    #scores-T-C  the word scores of a chunk of pairs, see ``packing``
    #texts     the examples, JSON: each [example_id, title, question, paragraph]; a text by itself has no question
    #answers   where there are any, JSON: for each checkpoint null, or for each example [exact match, F1] or null

all but the first as blocks of ``packing.block_of``, which the page unpacks when they are asked for.
"""

import base64
import contextlib
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import orjson
from matplotlib.colors import to_hex

from pairprobe.data.examples import Example, read_examples
from pairprobe.errors import InputError
from pairprobe.explorer import word_scores
from pairprobe.explorer.packing import block_of, chunk_of, chunks
from pairprobe.figures import style
from pairprobe.figures.grid import BOUNDS, MEASURE_LABELS, VALUE_LABELS, read_percentages
from pairprobe.io import files
from pairprobe.io.progress import log, track
from pairprobe.io.tsv import read_tsv
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, id_of, read_probing_set
from pairprobe.probing_sets.registry import BOUNDARY_MEASURES, PAIR_MEASURES
from pairprobe.rankings.percentages import read_ranking
from pairprobe.rankings.similarity_store import Similarities
from pairprobe.tables.layout import label_of

if TYPE_CHECKING:
    import pandas as pd

# Pairs that are unpacked together: a click waits for one chunk.
CHUNK_SIZE = 32
CLAIM_FIELDS = (
    "before", "after", "claim", "task", "measure", "on", "scope", "seeds", "stated", "verdict", "found", "value", "low",
    "high",
)  # fmt: skip
# What the figures' markers are called in plotly.js, and their dashes by place.
SYMBOLS = dict(zip(style.MARKERS, "circle square triangle-up diamond triangle-down cross x".split(), strict=True))
# Of percentages, what is shown or needed to show it, where it is there.
SHOWN = (
    "checkpoint", "task", "measure", "layer", "pairs", "para_len", "unmatching", "percentage", "auc", "null_auc",
    "specific",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "solid", "solid", "solid")

# {checkpoint: {example: (exact match, F1)}}
Answers = Mapping[str, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class Checkpoint:
    """What the page reads of a checkpoint.

    rankings: ``{task: rankings/{checkpoint}/{task}.tsv}``; similarities: ``{task: the shards that it is in}``.
    """

    name: str
    rankings: dict[str, str]
    similarities: dict[str, Sequence[str]]


@dataclass(frozen=True)
class Settings:
    """What the configuration says of ranking and looks.

    value: "percentage" or "auc", shown first; labels: ``{recipe, checkpoint or task: what the page calls it}``; colours:
    ``{recipe or checkpoint: colour}``; compared: the recipes and checkpoints that have a line of their own, or nothing for
    all checkpoints; among, recipes: see ``figures.style.Appearance``, so that one looks as in the figures. punctuation,
    seed and at_most (boundaries): those that the pairs were ranked by. confidence: of the intervals.
    """

    run: str
    value: str = "percentage"
    labels: dict[str, str] = field(default_factory=dict)
    colours: dict[str, str] = field(default_factory=dict)
    compared: Sequence[str] = ()
    among: Sequence[str] = ()
    recipes: dict[str, list[str]] = field(default_factory=dict)
    punctuation: bool = False
    seed: int = 0
    at_most: int | None = None
    confidence: float = 0.95


@dataclass(frozen=True)
class _Source:
    """A checkpoint with its shards open, by task."""

    checkpoint: Checkpoint
    similarities: dict[str, Similarities]

    @classmethod
    def open(cls, checkpoint: Checkpoint, stack: contextlib.ExitStack) -> "_Source":
        opened = {paths: stack.enter_context(Similarities(paths)) for paths in map(tuple, checkpoint.similarities.values())}
        return cls(checkpoint, {task: opened[tuple(paths)] for task, paths in checkpoint.similarities.items()})

    @property
    def layers(self) -> int:
        return max(of_task.layers for of_task in self.similarities.values())


def build(
    path: str,
    percentages: str,
    examples: Iterable[str],
    sets: dict[str, str],
    checkpoints: Sequence[Checkpoint],
    settings: Settings,
    claims: str | None = None,
    intervals: str | None = None,
    answers: Answers | None = None,
) -> None:
    """Write the page, whole or not at all.

    percentages: ``percentages.tsv``; examples: the files of examples; sets: ``{task: probing_sets/{task}.jsonl}``, in
    the order of the page; claims, intervals: ``tables/claims.tsv`` and ``intervals.tsv``, or None where there is none;
    answers: the scores of the checkpoints whose answers are shown. One chunk of pairs is in memory at a time. Raises
    InputError where files do not fit together.
    """
    pairs = {task: list(read_probing_set(file)) for task, file in sets.items()}
    wanted = {pair["example_id"] for of_task in pairs.values() for pair in of_task}
    found = {one.example_id: one for file in examples for one in read_examples(file) if one.example_id in wanted}
    for task, of_task in pairs.items():
        for pair in of_task:
            if pair["example_id"] not in found:
                raise InputError(
                    f"{sets[task]}: example_id {pair['example_id']} is not in {' or '.join(examples)}. Build the set again."
                )
    with contextlib.ExitStack() as stack:
        sources = [_Source.open(one, stack) for one in checkpoints]
        rows = read_percentages(percentages, intervals, settings.recipes)
        run = _run(rows, pairs, sources, settings, claims)
        if answers:
            run["answering"] = [one.name in answers for one in checkpoints]
        page = stack.enter_context(open(stack.enter_context(files.atomic_write(path)), "w", encoding="utf-8", newline="\n"))
        head, tail = _page(run)
        page.write(head)
        for number, (task, of_task) in enumerate(pairs.items()):
            _write_task(page, number, task, of_task, found, sources, run, settings)
        texts = [[one.example_id, one.title, one.question, one.paragraph] for one in found.values()]
        _write_block(page, "texts", orjson.dumps(texts))
        if answers:
            scored = [
                [of_one.get(name) for name in found] if (of_one := answers.get(one.name)) else None for one in checkpoints
            ]
            _write_block(page, "answers", orjson.dumps(scored))
        page.write(tail)
    log.info("%s: %d pairs, %.1f MB", path, sum(map(len, pairs.values())), Path(path).stat().st_size / 1e6)


# What is shown at once.


def _run(
    rows: "pd.DataFrame", pairs: dict[str, list], sources: Sequence[_Source], settings: Settings, claims: str | None
) -> dict:
    """Return what ``#run`` holds."""
    names = [source.checkpoint.name for source in sources]
    compared = settings.compared or names
    rows = rows[rows["checkpoint"].isin([*names, *compared]) & rows["task"].isin(list(pairs))]
    shown = [column for column in (*SHOWN, *BOUNDS) if column in rows]
    return {
        "run": settings.run,
        "value": settings.value,
        "confidence": 100 * settings.confidence,
        "values": VALUE_LABELS,
        "measures": MEASURE_LABELS,
        "chunk": CHUNK_SIZE,
        "checkpoints": [
            {
                "name": source.checkpoint.name,
                "label": label_of(source.checkpoint.name, settings.labels),
                "layers": source.layers,
            }
            for source in sources
        ],
        "curves": list(_curves(compared, names, settings)),
        "tasks": [
            {
                "name": task,
                "label": label_of(task, settings.labels),
                "measures": BOUNDARY_MEASURES if task == "boundary" else PAIR_MEASURES,
                "pairs": len(of_task),
            }
            for task, of_task in pairs.items()
        ],
        "percentages": rows[shown].round(4).to_dict("records"),
        "claims": None if claims is None else list(_claims(claims, compared)),
    }


def _curves(compared: Sequence[str], names: Sequence[str], settings: Settings) -> Iterator[dict]:
    """Yield the lines of the charts: of what is compared, which look as in the figures, and then of the recipes' seeds.

    of: the places of a line's checkpoints; recipe: the place of the line that a seed belongs to. Looks are in the words of
    plotly.js.
    """
    looks = style.Appearance(among=settings.among or compared, recipes=settings.recipes, colours=settings.colours)
    seeds = [(one, i) for i, name in enumerate(compared) for one in settings.recipes.get(name, [])]
    for name, recipe in [*((name, None) for name in compared), *seeds]:
        look = looks.line(name if recipe is None else compared[recipe], compared)
        yield {
            "name": name,
            "label": label_of(name, settings.labels),
            "of": [names.index(one) for one in settings.recipes.get(name, [name])],
            "recipe": recipe,
            "colour": to_hex(look["color"]),
            "symbol": SYMBOLS[look["marker"]],
            "dash": DASHES[style.DASHES.index(look["linestyle"])],
        }


def _claims(path: str, compared: Iterable[str]) -> Iterator[dict]:
    """Yield the claims on what is compared. Raises InputError where a column is missing."""
    for number, row in enumerate(read_tsv(path), 2):
        missing = [name for name in CLAIM_FIELDS if row.get(name) is None]
        if missing:
            raise InputError(f"{path}, line {number}: found no {', '.join(missing)}, wanted {list(CLAIM_FIELDS)}.")
        if {row["before"], row["after"]} <= {*compared}:
            yield {name: row[name] for name in CLAIM_FIELDS}


# What is unpacked when it is asked for.


def _write_task(
    page: IO[str],
    number: int,
    task: str,
    pairs: list[PairRow | BoundaryRow],
    examples: dict[str, Example],
    sources: Sequence[_Source],
    run: dict,
    settings: Settings,
) -> None:
    layers = [checkpoint["layers"] for checkpoint in run["checkpoints"]]
    scored = zip(*(_scores(task, pairs, examples, source, settings) for source in sources), strict=True)
    known: list[str] = []
    for i, chunk in enumerate(chunks(track(scored, len(pairs), f"word scores of {task}", "pairs"), CHUNK_SIZE)):
        known += ["".join("01"[scores is not None] for scores in pair) for pair in chunk]
        _write_block(page, f"scores-{number}-{i}", chunk_of(chunk, layers))
    ranks = [
        _ranks(source.checkpoint.rankings[task], pairs, run["tasks"][number]["measures"], count)
        for source, count in zip(sources, layers, strict=True)
    ]
    _write_block(page, f"ranks-{number}", b"".join(one.astype("<u4").tobytes() for one in ranks))
    places = {name: i for i, name in enumerate(examples)}
    rows = [_row(pair, places[pair["example_id"]], has) for pair, has in zip(pairs, known, strict=True)]
    _write_block(page, f"pairs-{number}", orjson.dumps(rows))


def _scores(
    task: str, pairs: list[PairRow | BoundaryRow], examples: dict[str, Example], source: _Source, settings: Settings
) -> Iterator[word_scores.WordScores | None]:
    if task == "boundary":
        logits = source.similarities[task].logits(task)
        boundaries = [row for row in pairs if "sentence" in row]
        return word_scores.of_boundaries(boundaries, examples, logits, settings.seed, settings.at_most)
    of_task = [row for row in pairs if "anchor" in row]
    return word_scores.of_pairs(of_task, examples, source.similarities[task].pairs(task), settings.punctuation)


def _row(pair: PairRow | BoundaryRow, place: int, known: str) -> list:
    """Return a pair: its example's place, which checkpoints have scores of it, its words, and the id that it has itself."""
    if "sentence" in pair:
        return [place, known, pair["sentence"], pair["answer"]]
    found = [place, known, pair["anchor"]["side"], pair["anchor"]["words"], pair["match"]["words"]]
    return [*found, pair["id"]] if "id" in pair else found


def _ranks(path: str, pairs: list[PairRow | BoundaryRow], measures: Sequence[str], layers: int) -> np.ndarray:
    """Read a ranking: (2 + 2 * measures * layers, pairs): para_len, unmatching, count by measure and layer, ties likewise.

    A pair that has no line has a para_len of 0.
    """
    ranking, places = read_ranking(path), {id_of(pair): i for i, pair in enumerate(pairs)}
    ranks = np.zeros((2 + 2 * len(measures) * layers, len(pairs)), np.int64)
    if not len(ranking.example_ids):
        return ranks
    others = [name for name in ranking.example_ids.tolist() if name not in places]
    if others or ranking.layers != tuple(range(layers)) or sorted(ranking.measures) != sorted(measures):
        raise InputError(
            f"{path}: found the measures {', '.join(ranking.measures)}, the layers {', '.join(map(str, ranking.layers))}"
            f"{f' and the example {others[0]!r}' if others else ''}, wanted the measures {', '.join(measures)}, layers 0 "
            f"to {layers - 1} and pairs of the set alone. Rank the set again."
        )
    count, ties, para_len, unmatching = np.moveaxis(
        ranking.counts[[ranking.measures.index(measure) for measure in measures]], 3, 0
    ).reshape(4, -1, len(ranking.example_ids))
    ranks[:, [places[name] for name in ranking.example_ids.tolist()]] = np.concatenate([
        para_len[:1], unmatching[:1], count, ties
    ])  # fmt: skip
    return ranks


# The page.


def _write_block(page: IO[str], name: str, content: bytes) -> None:
    page.write(f'<script type="application/octet-stream" id="{name}">{block_of(content)}</script>\n')


def _page(run: dict) -> tuple[str, str]:
    """Return the page up to its blocks, and what follows them."""
    from plotly.offline import get_plotlyjs

    plotly, script = _inside_a_script(get_plotlyjs()), _inside_a_script(_part("page.js"))
    parts = {
        "policy": _policy([plotly, script]),
        "name": html.escape(run["run"]),
        "style": _part("page.css"),
        "run": orjson.dumps(run).decode().replace("<", "\\u003c"),
        "plotly": plotly,
        "script": script,
    }
    head, tail = _part("page.html").split("{{blocks}}")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], head), tail


def _part(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _inside_a_script(code: str) -> str:
    """Return JavaScript that cannot end the element that it stands in; in its strings nothing changes."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Iterable[str]) -> str:
    """Return a content security policy: these scripts run, nothing is fetched, nothing is sent."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    # plotly.js sets style attributes, which no hash can allow.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
