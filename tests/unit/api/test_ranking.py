"""Ranking pairs of one's own: numbers that a few lines of transformers give too, and what is refused."""

import gc
import json
from dataclasses import fields

import numpy as np
import pytest
import results
import torch
from families import tiny_bert
from transformers import AutoModel, AutoTokenizer

import pairprobe
from pairprobe import TextPair, load_encoder, rank
from pairprobe.activations.extraction import Settings
from pairprobe.api.task_pairs import task_of
from pairprobe.configuration.schema import SCHEMA, read_schema
from pairprobe.data.examples import read_examples
from pairprobe.errors import InputError

PAIRS = [
    TextPair("The bread was cold and nobody ate it.", "hot", "cold", question="Was the soup hot ?", group="food"),
    TextPair("A short man sat beside us all day.", "tall", "short", question="Who was tall ?", group="people"),
    TextPair("They opened early and closed late.", "early", "late", question="When do they open, early ?", group="shops"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny", initializer_range=0.2)


@pytest.fixture(scope="module")
def model(folder):
    return load_encoder(folder)


@pytest.fixture(scope="module")
def rankings(model):
    return rank(PAIRS, model, storage="float32")


TEXTS = [
    TextPair("The soup was hot but the bread was cold and nobody ate it.", "hot", "cold"),
    TextPair("A tall man sat beside a short one all day.", "tall", "short"),
    TextPair("A tall man sat beside a short one all day.", "man", "one"),
]


def outranked_by_hand(folder, texts, side, anchor, match):
    """Return how many of the other words are less similar to the anchor, by cosine: (layers,)."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(*([words] for words in texts), is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = torch.stack(encoder(**batch, output_hidden_states=True).hidden_states)[:, 0]
    owners = list(zip(batch.sequence_ids(0), batch.word_ids(0), strict=True))

    def vector(side, word):
        return states[:, [i for i, owner in enumerate(owners) if owner == (side, word)]].mean(1)

    last, words = len(texts) - 1, texts[-1]
    counting = [i for i, word in enumerate(words) if any(map(str.isalnum, word)) and (side, anchor) != (last, i)]
    similarity = {i: torch.cosine_similarity(vector(side, anchor), vector(last, i), dim=-1) for i in counting}
    return sum((similarity[i] < similarity[match]).int() for i in counting).numpy()


def counts(rankings, anchor, match):
    rows = rankings.to_pandas().query(f"measure == 'cosine' and anchor == '{anchor}' and match == '{match}'")
    return rows.sort_values("layer")["count"].tolist()


@pytest.mark.slow
def test_counts_are_those_of_a_few_lines_of_transformers(rankings, folder):
    for question, words, anchor, match in [
        (["Was", "the", "soup", "hot", "?"], "The bread was cold and nobody ate it .".split(), 3, 3),
        (["Who", "was", "tall", "?"], "A short man sat beside us all day .".split(), 2, 1),
        (["When", "do", "they", "open", ",", "early", "?"], "They opened early and closed late .".split(), 5, 5),
    ]:
        wanted = outranked_by_hand(folder, [question, words], 0, anchor, match).tolist()
        assert counts(rankings, question[anchor], words[match]) == wanted
    rows = rankings.to_pandas().query("measure == 'cosine'")
    assert set(rows["group"]) == {"food", "people", "shops"}
    sums = rows.groupby("layer")[["count", "para_len"]].sum()
    percentages = rankings.percentages().query("measure == 'cosine'")["percentage"]
    assert np.allclose(percentages, 100 * sums["count"] / sums["para_len"], atol=5e-5)


@pytest.mark.slow
def test_counts_in_one_text_are_those_of_a_few_lines_of_transformers(model, folder):
    found = rank(TEXTS, model, storage="float32")
    soup = "The soup was hot but the bread was cold and nobody ate it .".split()
    man = "A tall man sat beside a short one all day .".split()
    for words, anchor, match in [(soup, 3, 8), (man, 1, 6), (man, 2, 7)]:
        assert counts(found, words[anchor], words[match]) == outranked_by_hand(folder, [words], 0, anchor, match).tolist()
    # Pairs of one text are one group.
    assert len(set(found.to_pandas()["group"])) == 2


@pytest.mark.slow
def test_several_tasks_are_ranked_together(model, tmp_path):
    lines = ({"question": each.question, "text": each.text, "anchor": each.anchor, "match": each.match} for each in PAIRS)
    (tmp_path / "opposites.v1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    alone = rank(tmp_path / "opposites.v1.jsonl", model)
    assert list(alone.tasks) == ["opposites"]
    both = rank({"first": PAIRS, "second": tmp_path / "opposites.v1.jsonl"}, model)
    assert both.percentages().groupby("task")["pairs"].unique().to_dict() == {"first": [3], "second": [3]}
    numbers = both.percentages().query("task == 'second'").drop(columns="task").reset_index(drop=True)
    assert numbers.equals(alone.percentages().drop(columns="task"))


@pytest.mark.slow
def test_two_models_are_compared(rankings, folder, tmp_path):
    other = load_encoder(tiny_bert(tmp_path / "other", num_hidden_layers=2, initializer_range=0.3))
    found = pairprobe.compare(rankings, rank(PAIRS, other, storage="float32"))
    assert set(found.differences()["pages"]) == {3}
    assert set(found.claims()["found"]) == {"undecided"}
    with pytest.raises(InputError, match=r"tiny and other have not ranked the same pairs of pairs"):
        pairprobe.compare(rankings, rank(PAIRS[:2], other))


@pytest.mark.slow
def test_the_pairs_of_a_run_are_ranked_by_another_model(model, small_run):
    run = pairprobe.open_run(small_run / results.RUN)
    examples = read_examples(small_run / results.RUN / "examples" / "probe.jsonl.gz")
    found = rank({"coreference": run.pairs("coreference")}, model, examples=examples)
    assert [tuple(pair) for pair in found.to_pandas()[["anchor", "match"]].drop_duplicates().to_numpy()] == [
        ("Anna", "she"), ("Berta", "she"), ("Clara", "she"),
    ]  # fmt: skip


def test_every_setting_of_extraction_is_a_key_of_the_configuration():
    """By its name ``rank`` takes it, and its default from there."""
    known = read_schema(SCHEMA)["properties"]["activations"]["properties"]
    assert {field.name for field in fields(Settings)} <= known.keys()


def test_a_pair_that_is_left_out_is_named_by_its_id(model, caplog):
    texts = [TextPair("A long text, hot and cold.", "hot", "cold"), TextPair("hot, cold", "hot", "cold", id="short")]
    found = rank({"mine": [*texts, TextPair(texts[0].text, "long", "text", id="b")]}, model, max_length=8)
    assert found.percentages()["pairs"].unique().tolist() == [1]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["rank: task 'mine', pair '0', 'b': longer than 8 subtokens; left out"]


@pytest.mark.parametrize("name", ["my task!", "", "../a", 1, "a-b"])
def test_a_task_has_a_name_that_a_configuration_takes(model, name):
    with pytest.raises(InputError, match=rf"rank: found the task {name!r}. Wanted: the name of the task, of letters"):
        rank({name: PAIRS}, model)


def test_a_file_gives_its_task_a_name_that_a_configuration_takes():
    assert [task_of(name) for name in ("a/my-pairs.v1.tsv", "früh & spät.csv", "-.tsv")] == [
        "my_pairs",
        "fr_h_sp_t",
        "pairs",
    ]


@pytest.mark.slow
def test_the_files_go_with_the_rankings(model):
    found = rank(PAIRS, model)
    folder = found.tasks["pairs"].ranking.parent
    assert not (folder / "activations.h5").exists()
    del found
    gc.collect()
    assert not folder.exists()


def test_what_cannot_be_ranked_is_refused(model, tmp_path):
    with pytest.raises(InputError, match=r"rank: found no pairs of the task 'pairs'"):
        rank([], model)
    with pytest.raises(InputError, match=r"rank: found no task"):
        rank({}, model)
    with pytest.raises(InputError, match=r"rank was given cannot be used:\n  precison: .* Did you mean precision\?"):
        rank(PAIRS, model, precison="bfloat16")
    with pytest.raises(InputError, match=r"rank was given cannot be used:\n  storage: found 'float8'"):
        rank(PAIRS, model, storage="float8")
    with pytest.raises(InputError, match=r"pairs\[1\].*match"):
        rank([PAIRS[0], TextPair("A short man.", "tall", "long", question="Who was tall?")], model)
    with pytest.raises(InputError, match=r"missing.tsv"):
        rank(tmp_path / "missing.tsv", model)
    boundary = {"example_id": "1", "sentence": [0, 3], "answer": [1, 2]}
    with pytest.raises(InputError, match=r"The workflow alone ranks boundaries"):
        rank({"boundary": [boundary]}, model, examples=[])


def found_wrong(said, pairs, model, **more):
    """The error has one line, which says this."""
    with pytest.raises(InputError, match=said) as error:
        rank(pairs, model, **more)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_what_is_no_list_of_pairs_is_refused_in_one_line(model, folder, small_run):
    run = pairprobe.open_run(small_run / results.RUN)
    examples = list(read_examples(small_run / results.RUN / "examples" / "probe.jsonl.gz"))
    rows = run.pairs("coreference")
    found_wrong(r"rows of a probing set without their examples.*examples=.*read_examples", rows, model)
    found_wrong(r"pairs\[1\]: its example '1' is not among the examples", rows, model, examples=examples[:1])
    far = {**rows[0], "match": {"words": [99]}}
    found_wrong(
        r"pairs\[1\]: its match has the word 99, and the example '0' has 14 words", [rows[1], far], model, examples=examples
    )
    found_wrong(r"pairs\[0\]: found .*, wanted a row of a probing set", [{"example_id": "0"}], model, examples=examples)
    found_wrong(
        r"pairs\[1\]: found .*'example_id'.*, wanted TextPairs alone, or", [PAIRS[0], rows[0]], model, examples=examples
    )
    found_wrong(r"found TextPair.*, wanted a list of pairs", PAIRS[0], model)
    found_wrong(r"pairs\[0\]: found 'hot cold', wanted TextPairs alone", ["hot cold"], model)
    found_wrong(r"found 5, wanted a list of pairs", {"mine": 5}, model)
    found_wrong(r"rank: model: found '.*tiny', wanted a model, as load_encoder returns it", PAIRS, folder)


def test_examples_are_for_rows_and_harm_no_other_pairs(model, rankings):
    found = rank(PAIRS, model, examples=[], storage="float32")
    assert found.percentages().equals(rankings.percentages())


@pytest.mark.slow
def test_pairs_that_are_all_left_out_are_refused_in_one_line(model):
    found_wrong(
        r"tiny can rank none of the 3 pairs: 3 of 3 examples are longer than 8 subtokens", PAIRS, model, max_length=8
    )


@pytest.mark.slow
def test_rankings_of_other_settings_are_not_compared(model, folder, rankings):
    other = load_encoder(folder, name="other")
    for setting, value in {"punctuation": True, "max_length": 100, "special_tokens": False, "last_layer": False}.items():
        with pytest.raises(InputError, match=rf"tiny was ranked with {setting} .*, other with {value}, so that"):
            pairprobe.compare(rankings, rank(PAIRS, other, **{setting: value}))
    raw = rank(PAIRS, other, final_norm="raw")
    with pytest.raises(InputError, match=r"tiny was ranked with final_norm 'as_given', other with 'raw'"):
        pairprobe.compare(rankings, raw)
    # Those that change no more than the last digits are.
    assert pairprobe.compare(rankings, rank(PAIRS, other, batch_size=1)).note == ""


@pytest.mark.slow
def test_it_is_said_where_models_read_in_other_orders(rankings, folder):
    told = "the question first: tiny; the paragraph first: other"
    other = rank(PAIRS, load_encoder(folder, name="other"), order="paragraph_first")
    found = pairprobe.compare(rankings, other)
    assert told in repr(found)
    assert told in found._repr_markdown_()
    # Of texts alone there is no order.
    alone = [rank(TEXTS, load_encoder(folder, name=order), order=order) for order in ("paragraph_first", "question_first")]
    assert pairprobe.compare(*alone).note == ""


def test_another_model_is_drawn_in_the_same_panels_under_its_own_name(rankings, folder):
    other = rank(PAIRS, load_encoder(folder, name="other"))
    figure = rankings.plot("auc", beside=other)
    drawn = [line.get_label() for line in figure.axes[0].lines]
    assert {rankings.model, "other"} <= set(drawn)
    assert len(figure.axes) == len(rankings.plot("auc").axes)
    with pytest.raises(InputError, match=rf"plot: two models are called '{rankings.model}'"):
        rankings.plot("auc", beside=[other, rankings])


@pytest.mark.slow
def test_what_no_figure_shows_is_refused(rankings, folder):
    for one in (rankings, pairprobe.compare(rankings, rank(PAIRS, load_encoder(folder, name="other")))):
        with pytest.raises(InputError, match=r"plot: found 'foo'. Allowed: percentage, auc, specific\."):
            one.plot("foo")
