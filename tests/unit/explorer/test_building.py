"""The explorer's page, read without a browser: what it holds is what was ranked, and nothing of it is markup."""

import base64
import dataclasses
import hashlib
import itertools
import json
import math
import re
import zlib
from html.parser import HTMLParser

import explored
import numpy as np
import pytest
from explored import LAYERS, LONG, TASKS

from pairprobe.activations.store import Activations
from pairprobe.data.sampling import subsample
from pairprobe.errors import InputError
from pairprobe.explorer import building
from pairprobe.explorer.building import CHUNK_SIZE, build
from pairprobe.explorer.packing import chunks, codes_of
from pairprobe.explorer.word_scores import WordScores
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings import similarity_store


class Page(HTMLParser):
    """What a browser makes of the page: its scripts, in order, and the text of everything else."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.scripts, self.blocks, self.policy, self.addresses = [], {}, "", []
        self._open = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[name] for name in ("src", "href", "action") if attrs.get(name)]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag == "script":
            self._open = attrs
            if "id" in attrs:
                self.blocks[attrs["id"]] = ""
            else:
                self.scripts.append("")

    def handle_data(self, data):
        if self._open is not None and "id" in self._open:
            self.blocks[self._open["id"]] += data
        elif self._open is not None:
            self.scripts[-1] += data

    def handle_endtag(self, tag):
        if tag == "script":
            self._open = None

    @property
    def run(self) -> dict:
        return json.loads(self.blocks["run"])

    def block(self, name: str) -> bytes:
        return zlib.decompress(base64.b64decode(self.blocks[name]))

    def rows(self, name: str) -> list:
        return json.loads(self.block(name))

    def widths(self, task: int) -> list[int]:
        texts = self.rows("texts")
        return [
            1 + (row[2][1] - row[2][0] if len(row) == 4 else len(texts[row[0]][2]) + len(texts[row[0]][3]))
            for row in self.rows(f"pairs-{task}")
        ]

    def scores(self, task: int):
        """Yield (pair, checkpoint, flags (2, words), codes (2, layers, 1 + words), scales (2, layers, 2))."""
        for pair, checkpoint, flags, codes, scales, _ in self._blocks(task):
            yield pair, checkpoint, flags & 1 == 1, codes, scales

    def swapped(self, task: int):
        """Yield (pair, checkpoint, words at which a swapped anchor begins (n,), their shares in 1/255 (2, layers, n))."""
        for pair, checkpoint, flags, _, _, shares in self._blocks(task):
            yield pair, checkpoint, np.flatnonzero(flags[0] & 2), shares

    def _blocks(self, task: int):
        rows, widths = self.rows(f"pairs-{task}"), self.widths(task)
        layers = [one["layers"] for one in self.run["checkpoints"]]
        for first in range(0, len(rows), CHUNK_SIZE):
            data = self.block(f"scores-{task}-{first // CHUNK_SIZE}")
            scales, at = [], 0
            for count in layers:
                scales.append(np.frombuffer(data, "<f4", 4 * count, at).reshape(2, count, 2))
                at += 16 * count
            for pair in range(first, min(first + CHUNK_SIZE, len(rows))):
                for checkpoint, known in enumerate(rows[pair][1]):
                    if known == "1":
                        shape = (2 + 2 * layers[checkpoint], widths[pair])
                        block = np.frombuffer(data, np.uint8, math.prod(shape), at).reshape(shape)
                        at += block.size
                        shape = (2, layers[checkpoint], int((block[0] & 2).sum()) // 2)
                        shares = np.frombuffer(data, np.uint8, math.prod(shape), at).reshape(shape)
                        at += shares.size
                        steps = block[2:].reshape(2, layers[checkpoint], -1)
                        codes, shares = (np.cumsum(each, axis=1, dtype=np.uint8) for each in (steps, shares))
                        yield pair, checkpoint, block[:2, 1:], codes, scales[checkpoint], shares
            assert at == len(data)


def values_of(codes, scales):
    low, high = scales[..., :1].astype(float), scales[..., 1:].astype(float)
    return np.where(codes == 0, np.nan, low + (codes.astype(float) - 2) / 252 * (high - low))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explorer")


@pytest.fixture(scope="module")
def page(folder):
    return Page(explored.page(folder, claims=True).read_text(encoding="utf-8"))


def similarities(folder, checkpoint, pair, example):
    """Compute {(measure, layer, word): similarity to the anchor} with plain loops."""
    with Activations([folder / f"{checkpoint}.paragraph.h5"]) as activations:
        question, paragraph = (part.astype(float) for part in activations[pair["example_id"]])
    side = question if pair["anchor"]["side"] == "question" else paragraph
    found = {}
    for layer in range(len(question)):
        anchor = [sum(side[layer, i, k] for i in pair["anchor"]["words"]) for k in range(explored.HIDDEN)]
        anchor = [x / len(pair["anchor"]["words"]) for x in anchor]
        for word, vector in enumerate([*question[layer], *paragraph[layer]]):
            dot = sum(a * b for a, b in zip(anchor, vector, strict=True))
            norms = math.sqrt(sum(a * a for a in anchor)) * math.sqrt(sum(b * b for b in vector))
            found[0, layer, word] = dot / norms
            found[1, layer, word] = -math.sqrt(sum((a - b) ** 2 for a, b in zip(anchor, vector, strict=True)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("task", ["synonyms", "coreference"])
def test_the_page_holds_every_words_similarity_to_quantisation(folder, page, task):
    number, names = TASKS.index(task), list(LAYERS)
    questions, pairs = explored.questions(), explored.pairs(task)
    seen = set()
    for pair, checkpoint, _, codes, scales in page.scores(number):
        seen.add((pair, checkpoint))
        row = pairs[pair]
        wanted = similarities(folder, names[checkpoint], row, questions[int(row["example_id"])])
        found = values_of(codes[..., 1:], scales)
        # One step of rounding, and one by which a word is kept on its side of the match.
        step = 1.5 / 252 * (scales[..., 1] - scales[..., 0]).astype(float) + 1e-6
        for (measure, layer, word), value in wanted.items():
            if math.isnan(value):
                assert codes[measure, layer, word + 1] == 0
            else:
                assert abs(found[measure, layer, word] - value) <= step[measure, layer]
    wanted = {(i, c) for i, row in enumerate(pairs) for c in (0, 1) if (row["example_id"], c) != (LONG, 1)}
    assert seen == wanted
    assert len(pairs) > CHUNK_SIZE or task == "synonyms"


@pytest.mark.parametrize("task", ["synonyms", "coreference"])
def test_the_page_holds_what_other_words_get_in_the_anchors_place(folder, page, task):
    pairs, names, ties = explored.pairs(task), list(LAYERS), 0
    for pair, checkpoint, begins, shares in itertools.islice(page.swapped(TASKS.index(task)), 0, None, 5):
        wanted = explored.in_the_anchors_place(folder, names[checkpoint], pairs[pair])
        assert [int(start) for start in begins] == [start for start, *_ in wanted]
        counts = np.array([count for _, _, count, _ in wanted], float).reshape(len(begins), 2, -1).transpose(1, 2, 0)
        # To the half word, as the page has them.
        assert (np.rint(2.0 * np.array([of for *_, of in wanted]) / 255 * shares) == 2 * counts).all()
        ties += (counts % 1 == 0.5).sum()
    assert ties


def test_of_a_boundary_no_word_takes_an_anchors_place(page):
    assert all(not len(begins) for _, _, begins, _ in page.swapped(TASKS.index("boundary")))


@pytest.mark.slow
def test_the_page_holds_the_logits_of_the_span_heads(folder, page):
    number, pairs = TASKS.index("boundary"), explored.pairs("boundary")
    heads = {name: np.load(folder / f"{name}.npz") for name in LAYERS}
    for pair, checkpoint, _, codes, scales in page.scores(number):
        name = list(LAYERS)[checkpoint]
        with Activations([folder / f"{name}.sentence.h5"]) as activations:
            vectors = activations[pairs[pair]["example_id"]][1].astype(float)
        found = values_of(codes[..., 1:], scales)
        for measure in (0, 1):
            for layer in range(LAYERS[name]):
                step = 1.5 / 252 * float(scales[measure, layer, 1] - scales[measure, layer, 0]) + 1e-6
                for word, vector in enumerate(vectors[layer]):
                    logit = sum(heads[name]["weights"][layer, measure, k] * (vector[k] - 2) for k in range(explored.HIDDEN))
                    same = math.isnan(logit) and math.isnan(found[measure, layer, word])
                    assert same or abs(found[measure, layer, word] - logit) <= step


@pytest.mark.parametrize("task", ["synonyms", "coreference", "boundary"])
def test_the_words_that_are_shaded_below_the_match_are_as_many_as_the_rank_says(folder, page, task):
    number = TASKS.index(task)
    measures = page.run["tasks"][number]["measures"]
    names = [pair["example_id"] for pair in explored.pairs(task)]
    found = {}
    for pair, checkpoint, flags, codes, _ in page.scores(number):
        for measure, layer in np.ndindex(codes.shape[:2]):
            own, words = codes[measure, layer, 0], codes[measure, layer, 1:]
            # A word without a vector has code 0 and no flag.
            others = words[flags[measure]]
            key = (list(LAYERS)[checkpoint], names[pair], measures[measure], str(layer))
            found[key] = (int((others < own).sum()), int((others == own).sum()), len(others))
    wanted = {
        (name, row["example_id"], row["measure"], row["layer"]): tuple(int(row[k]) for k in ("count", "ties", "unmatching"))
        for name in LAYERS
        for row in read_tsv(folder / f"{name}.{task}.tsv")
    }
    assert found == wanted
    assert any(ties for _, ties, _ in wanted.values()) or task == "boundary"


@pytest.mark.parametrize("task", ["synonyms", "coreference", "boundary"])
def test_the_ranks_are_the_rankings(folder, page, task):
    number = TASKS.index(task)
    names = [pair["example_id"] for pair in explored.pairs(task)]
    measures = page.run["tasks"][number]["measures"]
    numbers, at = np.frombuffer(page.block(f"ranks-{number}"), "<u4"), 0
    for name, layers in LAYERS.items():
        size = (2 + 4 * layers) * len(names)
        block = numbers[at : at + size].reshape(-1, len(names))
        at += size
        found = {
            (names[i], measures[m], str(layer)): (
                block[2 + m * layers + layer, i],
                block[2 + (2 + m) * layers + layer, i],
                block[0, i],
                block[1, i],
            )
            for i in range(len(names))
            for m in (0, 1)
            for layer in range(layers)
            if block[0, i]
        }
        wanted = {
            (row["example_id"], row["measure"], row["layer"]): tuple(
                int(row[key]) for key in ("count", "ties", "para_len", "unmatching")
            )
            for row in read_tsv(folder / f"{name}.{task}.tsv")
        }
        assert found == wanted
    assert at == len(numbers)


def test_a_pair_without_activations_is_listed_without_scores(page):
    rows = page.rows(f"pairs-{TASKS.index('coreference')}")
    texts = page.rows("texts")
    assert {texts[row[0]][0]: row[1] for row in rows if row[1] != "11"} == {LONG: "10"}
    assert len(rows) == explored.NUMBER


def test_of_boundaries_those_are_shaded_that_were_ranked(tmp_path, page):
    arguments = explored.make(tmp_path, tasks=("boundary",))
    settings = dataclasses.replace(arguments["settings"], at_most=9)
    build(str(tmp_path / "other.html"), **arguments | {"settings": settings})
    some = Page((tmp_path / "other.html").read_text(encoding="utf-8"))
    texts = some.rows("texts")
    for checkpoint in (0, 1):
        names = [name for name in map(str, range(explored.NUMBER)) if (name, checkpoint) != (LONG, 1)]
        shaded = {texts[row[0]][0] for row in some.rows("pairs-0") if row[1][checkpoint] == "1"}
        assert shaded == subsample(names, 9, explored.SEED)
    every = {(pair, c): values_of(codes, scales) for pair, c, _, codes, scales in page.scores(TASKS.index("boundary"))}
    for pair, c, _, codes, scales in some.scores(0):
        np.testing.assert_allclose(values_of(codes, scales), every[pair, c], atol=0.1)


def test_words_of_data_come_through_as_they_are_and_open_no_element(page):
    texts = page.rows("texts")
    assert [row[2:] for row in texts] == [[one["question"], one["paragraph"]] for one in explored.questions()]
    assert page.run["run"] == "tiny {{run}} </script>"
    assert page.run["checkpoints"][0]["label"] == "Before <i>&</i>"
    wanted = ["run"]
    for task, pairs in enumerate((26, 40, 0, 40)):
        wanted += [f"scores-{task}-{chunk}" for chunk in range(math.ceil(pairs / CHUNK_SIZE))]
        wanted += [f"ranks-{task}", f"pairs-{task}"]
    assert list(page.blocks) == [*wanted, "texts"]


def test_the_two_scripts_are_those_that_the_policy_allows_and_nothing_may_be_fetched(page):
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts]
    assert len(digests) == 2
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert not {"connect-src", "font-src", "frame-src", "worker-src", "media-src"} & rules.keys()
    assert [address for address in page.addresses if not address.startswith(("#", "data:"))] == []


def test_the_percentages_and_looks_are_those_of_the_figures(folder, page):
    rows = {(row["checkpoint"], row["task"], row["measure"], str(row["layer"])): row for row in page.run["percentages"]}
    wanted = read_tsv(folder / "percentages.tsv")
    assert len(rows) == len(wanted) == 2 * 3 * 3 + 2 * 3 * 4
    for row in wanted:
        found = rows[row["checkpoint"], row["task"], row["measure"], row["layer"]]
        assert (found["percentage"], found["pairs"]) == (float(row["percentage"]), int(row["pairs"]))
    looks = [(one["colour"], one["symbol"], one["dash"]) for one in page.run["curves"]]
    assert looks == [("#0072b2", "circle", "solid"), ("#d55e00", "square", "dash")]


@pytest.mark.slow
def test_claims_are_there_where_a_table_is_given_and_of_checkpoints_that_are_shown(folder, page):
    found = page.run["claims"]
    wanted = [row for row in read_tsv(folder / "claims.tsv") if row["after"] != explored.RECIPE]
    assert found == [{name: row[name] for name in building.CLAIM_FIELDS} for row in wanted]
    assert len(found) == len(explored.CLAIMS) - 1
    arguments = explored.make(folder)
    build(str(folder / "other.html"), **arguments)
    assert Page((folder / "other.html").read_text(encoding="utf-8")).run["claims"] is None
    settings = dataclasses.replace(arguments["settings"], compared=["before"])
    alone = arguments | {"checkpoints": arguments["checkpoints"][:1], "settings": settings}
    build(str(folder / "other.html"), **alone, claims=str(folder / "claims.tsv"))
    assert Page((folder / "other.html").read_text(encoding="utf-8")).run["claims"] == []


def test_a_table_of_claims_without_a_column_is_refused(folder):
    write_tsv(folder / "bad.tsv", ("before", "after", "claim"), [("before", "after", "x")])
    with pytest.raises(InputError, match=r"bad\.tsv, line 2: found no task, measure, .*verdict"):
        build(str(folder / "other.html"), **explored.make(folder), claims=str(folder / "bad.tsv"))


def test_the_same_run_gives_the_same_bytes(folder, page):
    before = (folder / "explorer.html").read_bytes()
    assert explored.page(folder, claims=True).read_bytes() == before


@pytest.mark.parametrize("some", [{"compared": ("after",)}, {"tasks": ("synonyms",)}, {"tasks": ("answer_type",)}])
def test_one_checkpoint_no_boundary_and_empty_sets_make_a_page(tmp_path, some):
    page = Page(explored.page(tmp_path, **some).read_text(encoding="utf-8"))
    assert [one["name"] for one in page.run["checkpoints"]] == list(some.get("compared", LAYERS))
    assert [one["name"] for one in page.run["tasks"]] == list(some.get("tasks", TASKS))
    assert sum(1 for _ in page.scores(0)) == {"synonyms": 26 + 25, "answer_type": 0}.get(some.get("tasks", [""])[0], 25)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("\t0\t", "\t9\t", 1), "cosine, layer 0"),
        (lambda text: re.sub(r"(e|n)\t2\t", r"\1\t9\t", text), "layers 0 to 2"),
        (lambda text: text.replace("cosine", "cosin"), "cosin,"),
        (lambda text: text.replace("cosine", "cosin", 1), "line 2"),
        (lambda text: text.replace("\n1\t", "\n999\t", 1), "'999'"),
        (lambda text: text.replace("count", "counts", 1), "line 1"),
        (lambda text: text[: text.rindex("\t") + 1], "line"),
    ],
    ids=["layer", "layers", "measures", "measure", "example", "header", "cut off"],
)
def test_a_ranking_of_something_else_is_refused_with_its_line(tmp_path, change, said):
    arguments = explored.make(tmp_path, tasks=("synonyms",))
    path = tmp_path / "before.synonyms.tsv"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=said) as refused:
        build(str(tmp_path / "page.html"), **arguments)
    assert "before.synonyms.tsv" in str(refused.value)
    assert not (tmp_path / "page.html").exists()


def test_a_set_of_other_examples_is_refused(tmp_path):
    arguments = explored.make(tmp_path)
    explored.files.write_json_lines(arguments["sets"]["synonyms"], [{**explored.pairs("synonyms")[0], "example_id": "x"}])
    with pytest.raises(InputError, match=r"synonyms\.jsonl: example_id x"):
        build(str(tmp_path / "page.html"), **arguments)


def test_codes_keep_the_order_to_the_matching_value_where_they_would_round_to_it():
    words = np.array([[[0.5 - 1e-9, 0.5 + 1e-9, 0.5, np.nan, 0.0, 1.0]]])
    scores = WordScores(np.array([[0.5]]), words, np.ones((1, 6), bool), words)
    own, *codes = codes_of(scores, np.array([[[0.0, 1.0]]]))[0, 0].tolist()
    assert (own, codes) == (128, [127, 129, 128, 0, 2, 254])


def test_codes_of_a_layer_without_any_difference_keep_order_too():
    scores = WordScores(np.array([[1.0]]), np.array([[[1.0, 1.0]]]), np.ones((1, 2), bool), np.zeros((1, 1, 2)))
    assert codes_of(scores, np.array([[[1.0, 1.0]]]))[0, 0].tolist() == [2, 2, 2]


def test_chunks_hold_everything_once():
    assert list(chunks(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks(iter([]), 3)) == []


def test_one_example_is_in_memory_at_a_time(tmp_path, monkeypatch):
    """Each example of a set is read when its pair is packed: between two reads of a store lies no other pair's."""
    read = []
    original = similarity_store.Shard.read

    def spy(self, entry):
        read.append(self.texts["example_id"][entry])
        return original(self, entry)

    monkeypatch.setattr(similarity_store.Shard, "read", spy)
    arguments = explored.make(tmp_path, tasks=("coreference",))
    read.clear()
    build(str(tmp_path / "other.html"), **arguments)
    names = [pair["example_id"] for pair in explored.pairs("coreference")]
    assert read == [name for name in names for _ in range(1 if name == LONG else 2)]


def test_colours_and_labels_of_the_configuration_are_taken(tmp_path):
    arguments = explored.make(tmp_path, tasks=("synonyms",))
    settings = dataclasses.replace(
        arguments["settings"], colours={"after": "#ABCDEF"}, labels={"synonyms": "Words"}, among=("x", "before", "after")
    )
    build(str(tmp_path / "page.html"), **arguments | {"settings": settings})
    run = Page((tmp_path / "page.html").read_text(encoding="utf-8")).run
    assert [(one["label"], one["colour"], one["symbol"]) for one in run["curves"]] == [
        ("Before", "#d55e00", "square"),
        ("After", "#abcdef", "triangle-up"),
    ]
    assert run["tasks"][0]["label"] == "Words"


def test_code_that_stands_in_a_script_cannot_end_it():
    assert building._inside_a_script("'</script><!--'") == "'<\\/script><\\!--'"


def test_a_page_without_answers_has_nothing_of_them(tmp_path):
    explored.page(tmp_path, tasks=("synonyms",))
    without = (tmp_path / "explorer.html").read_bytes()
    assert "answers" not in Page(without.decode()).blocks
    assert "answering" not in Page(without.decode()).run
    arguments = explored.make(tmp_path, tasks=("synonyms",))
    build(str(tmp_path / "other.html"), **arguments, answers={})
    assert (tmp_path / "other.html").read_bytes() == without


def test_a_page_with_answers_holds_the_scores_of_each_example(tmp_path):
    explored.page(tmp_path, tasks=("synonyms",), answering=("after",))
    page = Page((tmp_path / "explorer.html").read_text(encoding="utf-8"))
    assert page.run["answering"] == [False, True]
    before, after = page.rows("answers")
    assert before is None
    scores = explored.answers("after")["after"]
    assert after == [list(scores[name]) if name in scores else None for name, *_ in page.rows("texts")]
    assert None in after
