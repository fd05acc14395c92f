"""A small run to explore: two checkpoints of different depth, awkward words, ties, a pair without activations."""

from pathlib import Path

import numpy as np
from samples import write_store

from pairprobe.data.examples import read_examples
from pairprobe.explorer.building import Checkpoint, Settings, build
from pairprobe.io import files
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings import boundary_heads, measuring, pair_ranking, percentages
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, RANKING_FIELDS
from pairprobe.rankings.similarity_store import Similarities

LAYERS = {"before": 3, "after": 4}
# A recipe, and how deep its checkpoints are.
RECIPE, SEEDS = "trained", {f"trained-seed{seed}": 4 for seed in (3, 1, 2)}
HIDDEN, SEED = 5, 13
TASKS = ("synonyms", "coreference", "answer_type", "boundary")
AWKWARD = ["</script>", "<!--", "<script>", '"', "&amp;", "<b>", "{{blocks}}", "\u2028", "it's", "\U0001f600"]
NUMBER = 40
# It has activations in one checkpoint only.
LONG = "7"
LABELS = {"before": "Before <i>&</i>", "after": "After"} | {name: f"Trained, seed {name[-1]}" for name in SEEDS}
CLAIM_FIELDS = (
    "before", "after", "claim", "task", "measure", "on", "scope", "seeds", "stated", "verdict", "found", "value", "low",
    "high", "layer", "layers", "pairs", "pages", "effective_pages", "pairs_needed",
)  # fmt: skip
INTERVAL_FIELDS = (
    "checkpoint", "task", "measure", "layer", "percentage_low", "percentage_high", "auc_low", "auc_high",
)  # fmt: skip
BETTER, NUMBERS = ("before", "after", "upper_layers_better", "coreference", "cosine"), "123456789"
CLAIMS = [
    (*BETTER, "auc", "checkpoints", "1", "yes", "contradicted", "", *NUMBERS),
    (*BETTER, "specific", "checkpoints", "1", "yes", "undecided", "", *NUMBERS),
    ("before", "after", "gap_grows", "boundary", "start", "auc", "checkpoints", "1", "no", "", "grows by 2.0", *NUMBERS),
    ("before", RECIPE, "gap_opens_late", "synonyms", "cosine", "auc", "recipe", "3", "yes", "no gap", "", *NUMBERS),
]  # fmt: skip


def questions() -> list[dict]:
    dice = np.random.default_rng(SEED)
    rows = []
    for i in range(NUMBER):
        words = [f"w{n}" for n in dice.integers(0, 40, 8)]
        paragraph = ["Mary", "lived", AWKWARD[i % len(AWKWARD)], *words, ".", "she", "died", "in", "Rome", "mary", "!"]
        rows.append(
            {
                "example_id": str(i),
                "title": f"Page {i // 2} <&>",
                "question": ["where", "did", AWKWARD[(i + 3) % len(AWKWARD)], f"q{i}", "die"],
                "paragraph": paragraph,
                "answer": [15, 17],
                "sentences": [[0, 12], [12, len(paragraph)]],
            }
        )
    return rows


def pairs(task: str) -> list[dict]:
    rows = []
    for i in range(NUMBER):
        name = str(i)
        if task == "synonyms" and i % 3:
            rows.append({"example_id": name, "anchor": {"side": "question", "words": [3]}, "match": {"words": [1]}})
        elif task == "coreference":
            rows.append({"example_id": name, "anchor": {"side": "paragraph", "words": [0, 1]}, "match": {"words": [12]}})
        elif task == "boundary":
            rows.append({"example_id": name, "sentence": [12, 18], "answer": [15, 17]})
    return rows


def _dice(checkpoint: str, *more: int) -> np.random.Generator:
    return np.random.default_rng([(LAYERS | SEEDS)[checkpoint], *more, *map(ord, checkpoint[12:])])


def _vectors(checkpoint: str, view: str) -> dict:
    layers, dice = (LAYERS | SEEDS)[checkpoint], _dice(checkpoint, len(view))
    found = {}
    for row in questions():
        words = len(row["paragraph"]) if view == "paragraph" else 6
        # Whole numbers tie.
        parts = [dice.integers(1, 4, (layers, n, HIDDEN)).astype(np.float32) for n in (5, words)]
        parts[1][:, 2 if view == "paragraph" else 5] = np.nan
        if (row["example_id"], checkpoint) != (LONG, "after"):
            found[row["example_id"]] = parts
    return found


def make(folder: Path, compared=tuple(LAYERS), tasks=TASKS) -> dict:
    """Make what the page is built from; returns the arguments of ``build`` but for the path."""
    recipes = {RECIPE: list(SEEDS)} if RECIPE in compared else {}
    checkpoints = [one for name in compared for one in recipes.get(name, [name])]
    examples = str(folder / "examples.jsonl.gz")
    files.write_json_lines(examples, questions())
    sets = {task: str(folder / f"{task}.jsonl") for task in tasks}
    for task, path in sets.items():
        files.write_json_lines(path, pairs(task))
    made = [_checkpoint(folder, name, examples, sets) for name in checkpoints]
    named = [(one.name, task, path) for one in made for task, path in one.rankings.items()]
    write_tsv(folder / "percentages.tsv", PERCENTAGE_FIELDS, percentages.percentages(named))
    write_tsv(folder / "claims.tsv", CLAIM_FIELDS, CLAIMS)
    rows = [
        (unit, *row[1:4], float(row[8]) - 3, float(row[8]) + 2.25, float(row[9]) - 1, float(row[9]) + 1)
        for row in percentages.percentages(named)
        for unit in ((row[0], RECIPE) if row[0] == next(iter(SEEDS)) else (row[0],))
    ]
    write_tsv(folder / "intervals.tsv", INTERVAL_FIELDS, rows)
    settings = Settings("tiny {{run}} </script>", labels=LABELS, compared=compared, recipes=recipes, seed=SEED)
    return {
        "percentages": str(folder / "percentages.tsv"),
        "examples": examples,
        "sets": sets,
        "checkpoints": made,
        "settings": settings,
    }


def _checkpoint(folder: Path, name: str, examples: str, sets: dict[str, str]) -> Checkpoint:
    dice = _dice(name)
    left_out = [LONG] if name == "after" else []
    stores = {}
    for view in ("paragraph", "sentence"):
        stores[view] = str(write_store(folder / f"{name}.{view}.h5", _vectors(name, view), left_out))
    heads = str(folder / f"{name}.npz")
    shape = ((LAYERS | SEEDS)[name], 2, HIDDEN)
    np.savez(heads, weights=dice.normal(size=shape), mean=np.full(shape[::2], 2.0), scale=np.ones(shape[::2]))
    rankings = {task: str(folder / f"{name}.{task}.tsv") for task in sets}
    shards = {view: str(folder / f"{name}.{view}.similarities.h5") for view in stores}
    rows = {task: list(read_probing_set(path)) for task, path in sets.items()}
    boundaries = {"boundary": rows.pop("boundary", [])}
    measuring.measure_similarities(stores["paragraph"], rows, read_examples(examples), shards["paragraph"])
    measuring.measure_logits(stores["sentence"], boundaries, heads, shards["sentence"])
    with Similarities([shards["paragraph"]]) as pairs, Similarities([shards["sentence"]]) as sentences:
        for task, path in rankings.items():
            if task == "boundary":
                logits = sentences.logits(task)
                of_probe = read_examples(examples)
                found = boundary_heads.gold_logits(of_probe, logits, boundaries[task], SEED, left_out=logits.left_out)
                write_tsv(path, RANKING_FIELDS, pair_ranking.rank_logits(found))
            else:
                pair_ranking.rank_pairs(rows[task], read_examples(examples), pairs.pairs(task), path)
    return Checkpoint(name, rankings, [shards["paragraph"]], [shards["sentence"]])


def page(folder: Path, claims: bool = False, intervals: bool = False, **some) -> Path:
    """Build the page of such a run."""
    path = folder / "explorer.html"
    more = {name: str(folder / f"{name}.tsv") for name, wanted in (("claims", claims), ("intervals", intervals)) if wanted}
    build(str(path), **make(folder, **some), **more)
    return path
