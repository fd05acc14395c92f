"""Answers from each layer of a checkpoint."""

import random

import pytest
import torch
from families import tiny_bert
from trainings import built, made, run, write_pages
from transformers import BertModel

from pairprobe.checkpoints import loading
from pairprobe.data.documents import Annotation, Document
from pairprobe.data.pages import page_of
from pairprobe.evaluation import answering, squad_metric
from pairprobe.finetuning import early_exits
from pairprobe.interventions import early_exit
from pairprobe.io import files

WORDS = "red green blue black white brown small large old new hot cold wet dry long short high low".split()
LAYERS, POSITIONS, HIDDEN = 3, 32, 64
MARK, OTHER, FOUND = 32, 33, 48  # what the dimensions behind the positions' say


def marked(i):
    """A page of words in any order, whose answer is the one behind "mark"."""
    dice = random.Random(i)
    words = dice.sample(WORDS, 12)
    place = dice.randrange(1, 12)
    words.insert(place, "mark")
    annotation = Annotation((0, len(words)), "P", ((place + 1, place + 2),))
    return page_of(Document(f"m{i}", f"page {i}", "which one ?".split(), " ".join(words), (annotation,)))


def looking_back_in(layer, folder):
    """A BERT whose layers do nothing, but for one: there each subtoken sees whether the one before it is "mark"."""
    shape = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 1, "intermediate_size": HIDDEN}
    path = tiny_bert(folder, max_position_embeddings=POSITIONS, **shape)
    model, mark = BertModel.from_pretrained(path), loading.load_tokenizer(path).convert_tokens_to_ids("mark")
    with torch.no_grad():
        for name, values in model.named_parameters():
            values.fill_(name.endswith("LayerNorm.weight"))
        model.embeddings.position_embeddings.weight[:, :POSITIONS] = torch.eye(POSITIONS)
        model.embeddings.word_embeddings.weight[:, OTHER] = 1
        model.embeddings.word_embeddings.weight[mark, [MARK, OTHER]] = torch.tensor([1.0, 0.0])
        attention = model.encoder.layer[layer - 1].attention
        places = torch.arange(POSITIONS)
        attention.self.query.weight[places[:-1], places[1:]] = 8
        attention.self.key.weight[places, places] = 1
        attention.self.value.weight[FOUND, MARK] = 1
        attention.output.dense.weight[FOUND, FOUND] = 1
    model.save_pretrained(folder)
    return path


def answered(folder, heads, pages, out, **changed):
    """{layer: its predictions}."""
    documents = write_pages(out.parent / "asked.jsonl.gz", pages)
    settings = answering.Settings(**{"max_length": 32, "stride": 16, "batch_size": 4, "threads": 1, **changed})
    asked = {one.example_id for one in pages}
    early_exit.answer(folder, str(heads), answering.Request(documents, asked, str(out), settings))
    found: dict[int, list] = {}
    for _, row in files.read_json_lines(out):
        assert row["intervention"] == "early_exit"
        found.setdefault(row["layer"], []).append(row)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("layer", [1, 2])
def test_what_a_layer_adds_is_answered_with_from_that_layer_on(layer, tmp_path):
    folder = looking_back_in(layer, tmp_path / "start")
    pages = [marked(i) for i in range(70)]
    features = built(folder, pages[:40], tmp_path)
    heads = run(folder, features, tmp_path / "heads", "train_early_exits", learning_rate=0.05, epochs=8)
    for each, rows in answered(folder, heads, pages[40:], tmp_path / "answers.jsonl").items():
        golds = {page.example_id: page.gold_texts for page in pages}
        score = sum(squad_metric.f1(row["text"], golds[row["example_id"]]) for row in rows) / len(rows)
        assert score > 0.9 if each >= layer else score < 0.5, (each, score)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of random weights, heads on its layers, and pages to ask about."""
    folder = tmp_path_factory.mktemp("trained")
    start, pages = made(folder / "start", initializer_range=0.2), [marked(i) for i in range(16)]
    heads = run(start, built(start, pages, folder), folder / "heads", "train_early_exits", learning_rate=0.05)
    return start, heads, pages


@pytest.mark.slow
def test_each_layer_answers_as_if_it_were_asked_alone(trained, tmp_path):
    start, heads, pages = trained
    together = answered(start, heads, pages, tmp_path / "together.jsonl")
    assert sorted(together) == [0, 1, 2]
    assert len({tuple(row["text"] for row in rows) for rows in together.values()}) == 3
    model = early_exits.load(start, "float32", str(heads)).eval().requires_grad_(False)
    for layer, rows in together.items():
        alone = answering.Answering(
            lambda inputs, layer=layer: [{name: values[:, layer] for name, values in model(**inputs).items()}],
            True,
            loading.load_tokenizer(start),
            answering.Settings(32, 16, batch_size=1, threads=1),
            "cpu",
            "it",
        )
        for row, (prediction,) in zip(rows, alone(pages), strict=True):
            assert (row["example_id"], row["text"]) == (prediction.example_id, prediction.text)
            assert row["score"] == pytest.approx(prediction.score, abs=1e-3)


@pytest.mark.slow
def test_answers_are_reused_unless_a_head_has_changed(trained, tmp_path, monkeypatch):
    start, heads, pages = trained
    out, passes = tmp_path / "1of1.jsonl", []
    first = answered(start, heads, pages, out)
    forward = early_exits.EarlyExits.forward
    monkeypatch.setattr(
        early_exits.EarlyExits, "forward", lambda self, **inputs: passes.append(len(inputs)) or forward(self, **inputs)
    )
    assert answered(start, heads, pages, out) == first
    assert not passes
    other = run(start, built(start, pages, tmp_path), tmp_path / "other", "train_early_exits", learning_rate=0.01)
    assert answered(start, other, pages, out) != first
    assert passes
