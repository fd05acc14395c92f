"""A small run to explore: two checkpoints of different depth, awkward words, ties, a pair without activations."""

from pathlib import Path

import numpy as np
from samples import write_store

from pairprobe.activations.store import Activations
from pairprobe.data.examples import read_examples
from pairprobe.evidence.fields import CLAIM_FIELDS
from pairprobe.explorer import building
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
INTERVAL_FIELDS = (
    "checkpoint", "task", "measure", "layer", "percentage_low", "percentage_high", "auc_low", "auc_high",
    "specific_low", "specific_high",
)  # fmt: skip
BETTER, NUMBERS = ("before", "after", "upper_layers_better", "coreference", "cosine"), ("8.1", "7.2", "9.3")
CLAIMS = [
    (*BETTER, "auc", "checkpoints", "1", "yes", "contradicted", "worse", *NUMBERS),
    (*BETTER, "specific", "checkpoints", "1", "yes", "undecided", "undecided", *NUMBERS),
    ("before", "after", "gap_grows", "boundary", "start", "auc", "checkpoints", "1", "no", "", "grows", *NUMBERS),
    ("before", RECIPE, "gap_opens_late", "synonyms", "cosine", "auc", "recipe", "3", "yes", "no gap", "no gap", *NUMBERS),
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
    claims = [dict(zip(building.CLAIM_FIELDS, claim, strict=True)) for claim in CLAIMS]
    write_tsv(folder / "claims.tsv", CLAIM_FIELDS, [[claim.get(name, "") for name in CLAIM_FIELDS] for claim in claims])
    rows = [
        (unit, *row[1:4], float(row[8]) - 3, float(row[8]) + 2.25, float(row[9]) - 1, float(row[9]) + 1, "", "")
        for row in percentages.percentages(named)
        for unit in ((row[0], RECIPE) if row[0] == next(iter(SEEDS)) else (row[0],))
    ]
    write_tsv(folder / "intervals.tsv", INTERVAL_FIELDS, rows)
    settings = Settings("tiny {{run}} </script>", labels=LABELS, compared=compared, recipes=recipes, seed=SEED)
    return {
        "percentages": str(folder / "percentages.tsv"),
        "examples": [examples],
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
    similarities = {task: [shards["sentence" if task == "boundary" else "paragraph"]] for task in sets}
    return Checkpoint(name, rankings, similarities)


# What the page should show, from the definitions alone. The vectors are whole numbers above 0, and so is all arithmetic.


def _lexical(word: str) -> bool:
    return any(letter.isalnum() for letter in word)


def unmatching(pair: dict) -> list[int]:
    """Return the paragraph's words that a pair's match is ranked among."""
    paragraph = questions()[int(pair["example_id"])]["paragraph"]
    paired = pair["match"]["words"] + (pair["anchor"]["words"] if pair["anchor"]["side"] == "paragraph" else [])
    forms = {paragraph[i].casefold() for i in paired}
    return [i for i, word in enumerate(paragraph) if i != 2 and _lexical(word) and word.casefold() not in forms]


def in_the_anchors_place(folder: Path, checkpoint: str, pair: dict) -> list:
    """Return, for each swapped anchor, (its first word among all, its words, what the match outranks [measure][layer], of).

    of: of how many unmatching words, those of a swapped anchor in the passage left out.
    """
    row, others = questions()[int(pair["example_id"])], unmatching(pair)
    with Activations([folder / f"{checkpoint}.paragraph.h5"]) as activations:
        question, paragraph = activations[pair["example_id"]]
    on_question = pair["anchor"]["side"] == "question"
    written, vectors = (row["question"], question) if on_question else (row["paragraph"], paragraph)
    places = [i for i in range(len(written)) if not np.isnan(vectors[0, i, 0])]
    forms = {written[i].casefold() for i in pair["anchor"]["words"]}
    forms |= {row["paragraph"][i].casefold() for i in pair["match"]["words"]}
    size, (match,) = len(pair["anchor"]["words"]), pair["match"]["words"]
    found = []
    for run in (places[k : k + size] for k in range(len(places) - size + 1)):
        words = [written[i] for i in run]
        if _lexical(words[0]) and _lexical(words[-1]) and not forms & {*map(str.casefold, words)}:
            compared = [i for i in others if on_question or i not in run]
            counts: list[list[float]] = [[], []]
            for layer in range(len(vectors)):
                anchor = [int(sum(vectors[layer, i, k] for i in run)) for k in range(HIDDEN)]
                of_words = [[int(x) for x in paragraph[layer, i]] for i in (match, *compared)]
                # The anchor is so many times too long. A squared cosine is compared crosswise.
                cosine = [
                    (sum(a * x for a, x in zip(anchor, of, strict=True)) ** 2, sum(x * x for x in of)) for of in of_words
                ]
                (dot, norm), *rest = cosine
                counts[0].append(sum(((dot * n > d * norm) + (dot * n >= d * norm)) / 2 for d, n in rest))
                far, *rest = [sum((a - size * x) ** 2 for a, x in zip(anchor, of, strict=True)) for of in of_words]
                counts[1].append(sum(((far < distance) + (far <= distance)) / 2 for distance in rest))
            found.append((run[0] + (0 if on_question else len(row["question"])), " ".join(words), counts, len(compared)))
    return found


def answers(*checkpoints: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Make exact match and F1 of each example but number 4, which has no short answer."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name in checkpoints:
        dice = _dice(name, 5)
        found[name] = {str(i): ((0, 0), (0, 0.4), (1, 1), (1, 1))[dice.integers(0, 4)] for i in range(NUMBER) if i != 4}
    return found


def page(folder: Path, claims: bool = False, intervals: bool = False, answering: tuple[str, ...] = (), **some) -> Path:
    """Build the page of such a run."""
    path = folder / "explorer.html"
    more = {name: str(folder / f"{name}.tsv") for name, wanted in (("claims", claims), ("intervals", intervals)) if wanted}
    build(str(path), **make(folder, **some), **more, answers=answers(*answering))
    return path
