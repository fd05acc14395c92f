"""The controls: each changes one thing, as plain loops over the words have it, and nothing else."""

import collections
import itertools
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from measured import rank_pairs
from samples import pair, write_store

from pairprobe.activations import store
from pairprobe.configuration.schema import check, read_schema
from pairprobe.controls import anisotropy, matched_words, needs, variants
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import tsv
from pairprobe.rankings import percentages
from pairprobe.tables.by_layer import controls_by_layer

ROOT = Path(__file__).parents[3]
# What kind of word each is, by hand; "." and "," are none of the paragraph's words.
PARTS = {
    "the": "function", "a": "function", "and": "function", "in": "function", "but": "function", "cat": "noun",
    "cats": "noun", "dog": "noun", "dogs": "noun", "meals": "noun", "rooms": "noun", "bone": "noun", "ate": "verb",
    "eat": "verb", "slept": "verb", "clean": "adjective", "large": "adjective", "small": "adjective", "rome": "name",
    "paris": "name", "1905": "number",
}  # fmt: skip
QUESTION = "what did the animal eat".split()
EXAMPLES = [
    Example(str(i), "Page", QUESTION, words.split(), None, [(0, len(words.split()))])
    for i, words in enumerate(
        (
            "The cat ate a bone and the dog slept in Rome .",
            "Paris cats eat small meals in large rooms , but Rome dogs slept .",
            "The dog ate a bone in Paris in 1905 and the dog slept .",
            "The cat ate a bone and the dog slept in Rome .",
        )
    )
]
PAIRS = [
    pair([3], [4], example_id="0"),  # animal, bone
    pair([3, 4], [3, 4], example_id="1"),  # animal eat, small meals
    pair([1], [5, 6], "paragraph", example_id="2"),  # dog, in Paris
    pair([4], [10], example_id="3"),  # eat, Rome
]


def drawn(examples=EXAMPLES, layers=3, hidden=8, lean=2.0, seed=0):
    """Draw the vectors of examples, which lean to one side."""
    rng = np.random.default_rng(seed)
    aside = lean * rng.normal(size=(layers, 1, hidden))
    sides = ((e.example_id, len(e.question), len(e.paragraph)) for e in examples)
    return {
        name: tuple((aside + rng.normal(size=(layers, n, hidden))).astype(np.float32) for n in (asked, read))
        for name, asked, read in sides
    }


@pytest.fixture(scope="module")
def vectors():
    return drawn()


@pytest.fixture(scope="module")
def path(tmp_path_factory, vectors):
    return write_store(tmp_path_factory.mktemp("store") / "a.h5", vectors)


def ranked(name, path, folder, pairs=PAIRS, examples=EXAMPLES, task="synonyms", seed=13, **given):
    """Rank by a control; returns {(example_id, measure, layer): (count, ties, para_len, unmatching)} as it is written."""
    with store.Activations([path]) as activations:
        if variants.VARIANTS[name].transform:
            given["statistics"] = anisotropy.layer_statistics(activations)
        control = variants.Control(name, task, seed, **given)
        variants.rank_control(control, pairs, iter(examples), activations, folder / "r.tsv")
    lines = (folder / "r.tsv").read_text().splitlines()
    assert tuple(lines[0].split("\t")) == percentages.RANKING_FIELDS
    rows = (line.split("\t") for line in lines[1:])
    found = [(name, measure, int(layer), numbers[:4], numbers[4:]) for name, measure, layer, *numbers in rows]
    assert all(tuple(others) == percentages.NOT_COUNTED for *_, others in found)
    return {(name, measure, layer): tuple(map(int, numbers)) for name, measure, layer, numbers, _ in found}


# By brute force: from the definitions, word by word, without the library.


def cosine(one, other):
    return float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def closeness(one, other):
    return -math.sqrt(float((one - other) @ (one - other)))


def in_pair(of_pair, words):
    """Return the case-folded forms of a pair's words in the paragraph."""
    places = of_pair["match"]["words"] + (of_pair["anchor"]["words"] if of_pair["anchor"]["side"] == "paragraph" else [])
    return [words[i].casefold() for i in places]


def by_brute_force(vectors, chosen=None):
    """Rank every pair; chosen: which unmatching words count, of a pair and the paragraph's words; all by default."""
    found = {}
    for of_pair in PAIRS:
        name = of_pair["example_id"]
        words, (question, paragraph) = EXAMPLES[int(name)].paragraph, vectors[name]
        lexical = [i for i, word in enumerate(words) if word not in (".", ",")]
        mine = [i for i in lexical if words[i].casefold() in in_pair(of_pair, words)]
        others = [i for i in lexical if i not in mine]
        if chosen:
            others = [i for i in others if i in chosen(of_pair, words, others)]
        side = question if of_pair["anchor"]["side"] == "question" else paragraph
        for layer, (measure, similarity) in itertools.product(
            range(len(question)), (("cosine", cosine), ("euclidean", closeness))
        ):
            anchor = sum(side[layer, i].astype(float) for i in of_pair["anchor"]["words"]) / len(of_pair["anchor"]["words"])
            match = sum(paragraph[layer, i].astype(float) for i in of_pair["match"]["words"]) / len(
                of_pair["match"]["words"]
            )
            below = [similarity(anchor, paragraph[layer, i].astype(float)) < similarity(anchor, match) for i in others]
            found[name, measure, layer] = (sum(below), 0, len(mine) + len(others), len(others))
    return found


def all_but_the_top(vectors, directions):
    """Take each layer's mean and first singular directions away, by numpy's SVD of all words; directions: how many."""
    whole = np.concatenate([side for sides in vectors.values() for side in sides], axis=1).astype(float)
    left = {name: tuple(side.astype(float) for side in sides) for name, sides in vectors.items()}
    for layer, words in enumerate(whole):
        axes = np.linalg.svd(words - words.mean(0))[2][:directions]
        for side in (side for sides in left.values() for side in sides):
            side[layer] -= words.mean(0)
            for axis in axes:
                side[layer] -= np.outer(side[layer] @ axis, axis)
    return left


def counted():
    paragraphs = {" ".join(example.paragraph) for example in EXAMPLES}
    return collections.Counter(word.casefold() for paragraph in paragraphs for word in paragraph.split())


def alike(of_pair, words, others):
    """Return the others that have the part of speech of one of the match's words and are as frequent."""
    counts, found = counted(), set()
    power = [math.floor(math.log2(counts[word.casefold()])) for word in words]
    for m in of_pair["match"]["words"]:
        same = [i for i in others if PARTS[words[i].casefold()] == PARTS[words[m].casefold()]]
        nearest = min((abs(power[i] - power[m]) for i in same), default=0)
        found |= {i for i in same if abs(power[i] - power[m]) <= nearest}
    return found


@pytest.mark.parametrize(("name", "directions"), [("without_mean", 0), ("without_dominant", 1)])
def test_without_mean_and_dominant_directions_the_counts_are_those_of_brute_force(
    path, vectors, tmp_path, name, directions
):
    found = ranked(name, path, tmp_path)
    assert found == by_brute_force(all_but_the_top(vectors, directions))
    assert found != by_brute_force(vectors)


@pytest.mark.slow
def test_with_matched_unmatching_words_the_counts_are_those_of_brute_force(path, vectors, tmp_path, reader):
    wanted = by_brute_force(vectors, alike)
    found = ranked("matched_unmatching", path, tmp_path, wordnet=reader)
    assert found == {key: row for key, row in wanted.items() if row[3]}
    # bone: dog (the cat is rarer). small meals: large; cats, rooms and dogs. in Paris: The and the. Rome: no other name.
    assert [found[name, "cosine", 0][2:] for name in "012"] == [(2, 1), (6, 4), (7, 2)]
    assert "3" not in {key[0] for key in found}


@pytest.mark.parametrize("name", ["first_subtoken", "last_subtoken"])
def test_another_vector_of_a_word_is_another_store_and_nothing_else(path, tmp_path, name):
    found = ranked(name, path, tmp_path)
    rank_pairs(PAIRS, iter(EXAMPLES), [path], tmp_path / "main.tsv")
    control, main = (percentages.read_ranking(tmp_path / f"{name}.tsv") for name in ("r", "main"))
    np.testing.assert_array_equal(control.counts, main.counts)
    assert control.example_ids.tolist() == main.example_ids.tolist()
    assert len(found) == 4 * 2 * 3


def test_without_the_mean_no_distance_ranks_otherwise(path, vectors, tmp_path):
    found, raw = ranked("without_mean", path, tmp_path), by_brute_force(vectors)
    for measure, same in (("euclidean", True), ("cosine", False)):
        assert all(found[key] == raw[key] for key in raw if key[1] == measure) is same


# Random matches.

RANDOM = ("random_pairs_by_position", "random_pairs_by_frequency")


def many(pairs=400, words=30, question=6):
    """Make examples of words that are all different, with a pair each."""
    rng = np.random.default_rng(1)
    examples = [
        Example(str(i), "Page", ["q"] * question, [f"w{i}x{k}" for k in range(words)], None, [(0, words)])
        for i in range(pairs)
    ]
    of_pairs = [pair([int(rng.integers(question))], [int(rng.integers(words))], example_id=str(i)) for i in range(pairs)]
    return examples, of_pairs


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM)
def test_random_pairs_of_random_vectors_come_out_at_chance(tmp_path, name):
    examples, of_pairs = many()
    vectors = drawn(examples, layers=1, lean=0)
    # A model that knows every pair: the match has the anchor's own vector.
    for of_pair in of_pairs:
        question, paragraph = vectors[of_pair["example_id"]]
        paragraph[:, of_pair["match"]["words"]] = question[:, of_pair["anchor"]["words"]]
    path = write_store(tmp_path / "a.h5", vectors)
    for measure in ("cosine", "euclidean"):
        rows = ranked(name, path, tmp_path, of_pairs, examples)
        found = np.array([row for key, row in rows.items() if key[1] == measure])
        assert len(found) == 400
        # One standard deviation of the mean is 1.5 points; one word of 29, the true match, is always closer.
        assert percentages.percentage(found)[1] == pytest.approx(50 - 50 / 29, abs=4.5)
    rank_pairs(of_pairs, examples, [path], tmp_path / "main.tsv")
    assert percentages.percentage(percentages.read_ranking(tmp_path / "main.tsv")["cosine", 0])[1] == 100


def drawn_words(name, of_pair=PAIRS[1], key=(13, "synonyms"), examples=EXAMPLES):
    example = examples[int(of_pair["example_id"])]
    counts = matched_words.word_frequencies(examples)
    forms = in_pair(of_pair, example.paragraph)
    pool = np.array([word.isalnum() and word.casefold() not in forms for word in example.paragraph])
    like = variants.VARIANTS[name].match
    properties = matched_words.WordProperties(example, counts)
    return variants.draw(like, properties, of_pair, of_pair["match"]["words"], pool, (*key, name)), pool


@pytest.mark.parametrize("name", RANDOM)
def test_a_random_match_has_as_many_words_as_the_true_one_and_none_of_the_pairs(name):
    for of_pair in PAIRS:
        found, pool = drawn_words(name, of_pair)
        assert len(set(found)) == len(of_pair["match"]["words"])
        assert pool[found].all()


@pytest.mark.parametrize("name", RANDOM)
def test_every_like_word_is_drawn_about_as_often_as_another(name):
    examples, _ = many(pairs=1)
    of_pair = pair([0], [10], example_id="0")
    times = collections.Counter(
        drawn_words(name, of_pair, key=(seed, "synonyms"), examples=examples)[0][0] for seed in range(600)
    )
    # In place: three words before and three behind; in frequency: all 29 others.
    wanted = [7, 8, 9, 11, 12, 13] if name == RANDOM[0] else [i for i in range(30) if i != 10]
    assert sorted(times) == wanted
    expected = 600 / len(wanted)
    assert all(abs(n - expected) < 4.5 * math.sqrt(expected) for n in times.values())


@pytest.mark.parametrize("name", RANDOM)
def test_the_choice_depends_on_nothing_but_seed_example_task_and_variant(tmp_path, name):
    examples, of_pairs = many(pairs=12)
    path = write_store(tmp_path / "a.h5", drawn(examples))
    whole = ranked(name, path, tmp_path, of_pairs, examples)
    turned = ranked(name, path, tmp_path, of_pairs[::-1], examples[::-1])
    assert turned == whole
    half = ranked(name, path, tmp_path, of_pairs[::2], examples)
    assert half == {key: row for key, row in whole.items() if int(key[0]) % 2 == 0}
    assert ranked(name, path, tmp_path, of_pairs, examples, seed=14) != whole
    assert ranked(name, path, tmp_path, of_pairs, examples, task="abbreviation") != whole


def test_each_example_and_each_control_draws_for_itself(tmp_path, monkeypatch):
    # The same words, vectors and pair twelve times over, under twelve names; and the same control under another.
    examples = [Example(str(i), "Page", ["q"], [f"w{k}" for k in range(30)], None, [(0, 30)]) for i in range(12)]
    of_pairs = [pair([0], [10], example_id=str(i)) for i in range(12)]
    vectors = drawn(examples[:1], layers=1)["0"]
    path = write_store(tmp_path / "a.h5", {example.example_id: vectors for example in examples})
    monkeypatch.setitem(variants.VARIANTS, "another", variants.VARIANTS[RANDOM[1]])
    one, other = (ranked(name, path, tmp_path, of_pairs, examples) for name in (RANDOM[1], "another"))
    assert len({row for key, row in one.items() if key[1] == "cosine"}) > 4
    assert one != other


# What drops out, and the table.


@pytest.mark.parametrize("name", [*RANDOM, "matched_unmatching"])
def test_a_pair_without_a_candidate_drops_out_and_is_counted(tmp_path, reader, caplog, name):
    examples = [
        Example("0", "Page", ["q"], ["Gold", "gold", "."], None, [(0, 3)]),
        Example("1", "Page", ["q"], ["gold", "bone"], None, [(0, 2)]),
    ]
    path = write_store(tmp_path / "a.h5", drawn(examples))
    caplog.set_level(logging.INFO, "pairprobe")
    found = ranked(name, path, tmp_path, [pair([0], [0], example_id=n) for n in "01"], examples, wordnet=reader)
    assert {key[0] for key in found} == {"1"}
    assert f"1 of these for want of a word that {name} could take" in caplog.messages


def test_a_pair_with_fewer_other_words_than_the_match_has_gets_no_random_one(tmp_path):
    examples = [Example("0", "Page", ["q"], ["red", "cell", "other"], None, [(0, 3)])]
    path = write_store(tmp_path / "a.h5", drawn(examples))
    for name in RANDOM:
        assert ranked(name, path, tmp_path, [pair([0], [0, 1], example_id="0")], examples) == {}


@pytest.mark.parametrize("name", [name for name in variants.VARIANTS if name != "matched_unmatching"])
def test_a_pair_without_a_vector_has_no_ranking_and_lacks_no_candidate(tmp_path, caplog, name):
    vectors = drawn()
    vectors["0"][1][:, 4] = np.nan
    path = write_store(tmp_path / "a.h5", vectors)
    caplog.set_level(logging.INFO, "pairprobe")
    assert {key[0] for key in ranked(name, path, tmp_path)} == {"1", "2", "3"}
    assert f"0 of these for want of a word that {name} could take" in caplog.messages


def test_the_table_has_the_percentages_with_the_variant_in_front(tmp_path):
    rows = [("1", "cosine", 0, 2, 1, 6, 4), ("2", "cosine", 0, 3, 0, 10, 8)]
    lines = [percentages.RANKING_FIELDS, *((*row, *percentages.NOT_COUNTED) for row in rows)]
    (tmp_path / "r.tsv").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    named = ("bert", "synonyms", tmp_path / "r.tsv")
    rows = list(variants.summarise([("none", *named), ("without_mean", *named)]))
    assert variants.FIELDS[:3] == ("variant", "checkpoint", "task")
    assert [row[0] for row in rows] == ["none", "without_mean"]
    assert [row[1:] for row in rows] == 2 * list(percentages.percentages([named]))


def test_the_table_for_reading_has_the_controls_of_a_ranking_under_it(tmp_path):
    rows = [
        (variant, checkpoint, "answer_type", "cosine", layer, 2, 16, 12, 5, "31.2500", auc, "", "", "", "")
        for variant, auc in (("none", "45.8333"), ("without_mean", "51.0000"))
        for checkpoint in ("before", "after")
        for layer in (0, 1)
    ]
    tsv.write_tsv(tmp_path / "controls.tsv", variants.FIELDS, rows)
    lines = controls_by_layer(tmp_path / "controls.tsv", {"before": "BERT"}, {}).splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["Answer type", "cosine", checkpoint, variant, "2", auc, auc]
        for checkpoint in ("BERT", "After")
        for variant, auc in (("None", "45.8"), ("Without mean", "51.0"))
    ]


def test_what_a_control_needs_is_said_of_each_that_ranks_pairs():
    assert needs.NEEDS.keys() == variants.VARIANTS.keys()
    assert all(needs.NEEDS[name].statistics == bool(variant.transform) for name, variant in variants.VARIANTS.items())


# The configuration.


ALL = [*variants.VARIANTS, "control_task", "representations", "layer_cka", "weight_distance"]


def test_an_unknown_control_is_refused_with_the_names_of_those_that_there_are():
    schema = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
    config = {"run": "a", "data": {"source": "bundled"}, "checkpoints": {"a": {"source": "path", "path": "b"}}}
    with pytest.raises(InputError) as error:
        check({**config, "controls": ["without_mean", "without_meen"]}, schema)
    said = f"controls.1: found 'without_meen'. Did you mean without_mean? Allowed: {', '.join(ALL)}."
    assert said in str(error.value)
    with pytest.raises(InputError, match=r"controls: found '.*' 2 times, wanted once"):
        check({**config, "controls": ["without_mean", "without_mean"]}, schema)
    check(config, schema)
    assert (config["controls"], config["dominant_directions"]) == ([], None)


def test_the_schema_allows_the_variants_that_there_are():
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    assert schema["properties"]["controls"]["items"]["enum"] == ALL


def test_the_configuration_with_all_controls_is_the_demos_with_all_controls():
    demo, found = (yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()) for name in ("config", "controls"))
    demo["checkpoints"]["finetuned"].pop("seeds")  # one training is enough for what controls tell
    twin = {"label": "Random weights", "source": "random", "start": "pretrained"}
    assert found == {**demo, "run": "controls", "controls": ALL, "checkpoints": {**demo["checkpoints"], "random": twin}}
