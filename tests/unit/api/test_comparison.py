"""Comparing rankings: the same numbers as the workflow's tables, and what cannot be compared."""

import itertools

import numpy as np
import pytest

from pairprobe import Rankings, compare
from pairprobe.api.rankings import TaskFiles
from pairprobe.errors import InputError
from pairprobe.evidence import weighing
from pairprobe.io import files
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings.percentages import RANKING_FIELDS

LAYERS = 4
NAMES = [f"example {i}" for i in range(120)]
TITLES = {name: f"page {i // 2}" for i, name in enumerate(NAMES)}


def write_ranking(path, seed, shift, layers=LAYERS):
    """Write a made-up ranking whose share outranked rises to the last layer by ``shift``."""
    dice = np.random.default_rng(seed)
    rows = []
    for name, measure, layer in itertools.product(NAMES, ("cosine", "euclidean"), range(layers)):
        share = 0.5 + shift * layer / layers
        counts = (
            dice.binomial(40, share),
            0,
            42,
            40,
            5,
            dice.binomial(100, share) / 20,
            100,
            200,
            3,
            dice.binomial(120, 0.5),
        )
        rows.append((name, measure, layer, *counts))
    write_tsv(path, RANKING_FIELDS, rows)


class Folder:
    """A folder with one probing set for all tasks, and made-up rankings."""

    def __init__(self, path):
        self.path, self.seeds = path, itertools.count()
        self.examples, self.pairs = path / "examples.jsonl", path / "pairs.jsonl"
        words = [{"question": ["who"], "paragraph": ["Anna", "sang", "."], "answer": None, "sentences": [[0, 3]]}] * len(
            NAMES
        )
        files.write_json_lines(
            self.examples, ({"example_id": n, "title": TITLES[n], **w} for n, w in zip(NAMES, words, strict=True))
        )
        self.write_pairs(self.pairs, 0)

    @staticmethod
    def write_pairs(path, match):
        anchor = {"side": "question", "words": [0]}
        files.write_json_lines(path, ({"example_id": n, "anchor": anchor, "match": {"words": [match]}} for n in NAMES))

    def rankings(self, model, shift=0.0, tasks=("synonyms", "mine"), layers=LAYERS):
        made = {}
        for task in tasks:
            path = self.path / f"{model}.{task}.tsv"
            write_ranking(path, next(self.seeds), shift, layers)
            made[task] = TaskFiles(path, self.pairs, self.examples)
        return Rankings(model, made)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [False, True])
def test_the_tables_are_those_that_the_workflow_writes(folder, tmp_path, recipe):
    before = folder.rankings("base")
    after = [folder.rankings(f"tuned-{i}", 0.3) for i in range(3)] if recipe else folder.rankings("tuned-0", 0.3)
    found = compare(before, after, margin=3)
    several = after if recipe else [after]
    named = [(one.model, task, str(read.ranking)) for one in (before, *several) for task, read in one.tasks.items()]
    recipes = {"after": [one.model for one in several]} if recipe else {}
    paths = {name: str(tmp_path / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    weighing.weigh(
        named, weighing.Pages(dict.fromkeys(("synonyms", "mine"), TITLES), recipes), weighing.Settings(margin=3), paths
    )
    for name, path in paths.items():
        wanted, frame = read_tsv(path), getattr(found, name)()
        assert len(frame) == len(wanted) > 0
        for row, cells in zip(frame.to_dict("records"), wanted, strict=True):
            for key, cell in cells.items():
                value = row[key]
                assert (float(cell) == value or cell == "") if isinstance(value, float | int) else cell == value
    assert set(found.claims()["scope"]) == {"recipe" if recipe else "checkpoints"}


@pytest.mark.slow
def test_a_difference_that_is_there_is_found_and_printed(folder):
    found = compare(folder.rankings("base"), folder.rankings("tuned", 0.4))
    claims = found.claims().query("claim == 'upper_layers_better' and on == 'auc'")
    assert set(claims.query("task == 'mine'")["found"]) == {"better"}
    assert repr(found).startswith("tuned against base\n\n| claim")
    assert "| Better in the upper layers" in repr(found)
    assert "probability of 5 % at most" in " ".join(found._repr_markdown_().split())


def test_names_are_those_that_are_given(folder):
    found = compare(folder.rankings("base"), [folder.rankings("a"), folder.rankings("b")], names=("plain", "tuned"))
    assert (found.before, found.after) == ("plain", "tuned")
    assert list(found.intervals()["checkpoint"].unique()) == ["plain", "a", "b", "tuned"]


@pytest.mark.slow
def test_the_figure_has_a_panel_for_each_task_and_measure_and_a_picture_for_a_notebook(folder):
    figure = compare(folder.rankings("base"), folder.rankings("tuned", 0.2)).plot()
    assert len(figure.axes) == 4
    assert figure._repr_png_().startswith(b"\x89PNG")
    (curve,) = (line for line in figure.axes[0].lines if line.get_label() == "tuned − base")
    assert list(curve.get_xdata()) == list(range(LAYERS))


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused(folder, tmp_path):
    base = folder.rankings("base")
    with pytest.raises(InputError, match=r"base has 3 layers above the embeddings, deep 4"):
        compare(base, folder.rankings("deep", layers=5))
    with pytest.raises(InputError, match=r"base has ranked the tasks synonyms, mine, other mine"):
        compare(base, folder.rankings("other", tasks=("mine",)))
    with pytest.raises(InputError, match=r"two of these are called 'base'.*name="):
        compare(base, base)
    with pytest.raises(InputError, match=r"found no rankings after"):
        compare(base, [])
    other = folder.rankings("other")
    for names in ("xy", (), ("one",), ("one", "two", "three"), {"one", "two"}, 7):
        with pytest.raises(InputError, match=r"compare: names: found .*, wanted two, such as \('one', 'other'\)\.$"):
            compare(base, other, names=names)
    for names in (("one", ""), ("a/b", "two"), ["one", 2]):
        with pytest.raises(InputError, match=r"compare: names: found .*, wanted letters that can be printed"):
            compare(base, other, names=names)
    with pytest.raises(InputError, match=r"compare: before: found 'a', wanted rankings, as rank returns them"):
        compare("a", "b")
    with pytest.raises(InputError, match=r"compare: after: found 5, wanted rankings"):
        compare(base, [base, 5])
    with pytest.raises(InputError, match=r"compare was given cannot be used:\n  margn: .* Did you mean margin\?"):
        compare(base, folder.rankings("tuned"), margn=3)
    others = tmp_path / "others.jsonl"
    folder.write_pairs(others, 1)
    moved = {task: read._replace(pairs=others) for task, read in folder.rankings("moved").tasks.items()}
    with pytest.raises(InputError, match=r"base and moved have not ranked the same pairs of synonyms"):
        compare(base, Rankings("moved", moved))
    # The same pairs in another file are the same pairs.
    folder.write_pairs(others, 0)
    assert len(compare(base, Rankings("moved", moved)).differences())
