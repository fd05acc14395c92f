"""Control trainings: other answers, masked words, labelled texts."""

import functools
import random
import shutil
from dataclasses import replace
from pathlib import Path

import decoders
import numpy as np
import pytest
import torch
import transformers
from families import FAMILIES, PADDED, make, tiny_padded
from trainings import SEED, SETTINGS, begins_at, built, made, page, same, stopped, training_of
from transformers import AutoModel, BertForMaskedLM, BertForSequenceClassification

from pairprobe.checkpoints import adapters, inspection, loading
from pairprobe.errors import InputError
from pairprobe.evaluation import classification
from pairprobe.finetuning import answer_heads, cpu_passes, joint_model, trainer, training
from pairprobe.finetuning.features import BEGINS, Features
from pairprobe.finetuning.lora import Lora
from pairprobe.finetuning.objectives import labelled_texts, masked_language_model
from pairprobe.finetuning.objectives.encoding import Encoder
from pairprobe.finetuning.objectives.registry import OBJECTIVES, create_objective
from pairprobe.finetuning.settings import QUESTION_ANSWERING
from pairprobe.io import tsv

CONTROLS = [name for name in OBJECTIVES if name != QUESTION_ANSWERING]


def table_of(folder, rows=60, labels=("yes", "no")):
    """Texts that one word tells apart; where there are more labels, the last by nothing."""
    dice, lines = random.Random(3), ["text\tlabel"]
    for i in range(rows):
        words = dice.choices("castle hill river tower garden bridge".split(), k=6)
        words.insert(dice.randrange(6), ("good", "bad")[i % 2])
        lines.append(f"{' '.join(words)} {i}\t{labels[i % len(labels)]}")
    path = Path(folder) / "table.tsv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def checkpoint_of(tmp_path_factory):
    """Makes a checkpoint of a family, encoder or decoder, once."""

    @functools.cache
    def checkpoint(family):
        folder = tmp_path_factory.mktemp(family)
        return str((make if family in FAMILIES else decoders.make)(family, folder))

    return checkpoint


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("table"))


def given(objective, start, features, table, out, **changed):
    """A training of an objective; one that reads a table has no windows."""
    classifies = objective == "sequence_classification"
    changed = {"max_length": 32 if classifies else None, **changed}
    made_of = training_of(start, [] if classifies else features, out, objective=objective, **changed)
    return replace(made_of, table=table if classifies else None)


def trained(*args, **changed):
    found = given(*args, **changed)
    training.finetune(found, str(args[-1]), f"{args[-1]}.tsv")
    return args[-1]


# --- Shuffled answers ------------------------------------------------------------------------------------------------


def targets_of(features, seed=SEED):
    objective = create_objective(training_of("", features, "out", objective="shuffled_answers", seed=seed))
    return [objective.target(window) for window in objective.examples]


def test_a_shuffled_answer_is_as_long_begins_at_a_word_and_lies_in_the_page(tiny, features):
    tokenizer = loading.load_tokenizer(tiny)
    moved = 0
    for window, found in zip(windows := Features(features), targets_of(features), strict=True):
        if not window["answer_type"]:
            assert (found["start"], found["end"], found["answer_type"]) == (0, 0, 0)
            continue
        assert found["end"] - found["start"] == window["end"] - window["start"]
        assert found["answer_type"] == window["answer_type"]
        assert window["begin"] <= found["start"] <= found["end"] < len(window["input_ids"]) - 1
        assert not tokenizer.convert_ids_to_tokens([window["input_ids"][found["start"]]])[0].startswith("##")
        moved += found["start"] != window["start"]
    assert moved > len(windows) / 2


def test_shuffled_answers_are_the_same_in_other_shards_and_among_other_pages_and_others_for_another_seed(
    tiny, pages, features, tmp_path
):
    def by_window(files, seed=SEED):
        found = targets_of(files, seed)
        return {(one["example_id"], one["input_ids"].tobytes()): (one["start"], one["end"]) for one in found}

    found = by_window(features)
    fewer = by_window(built(tiny, pages[3:8], tmp_path))
    assert fewer.items() <= found.items()
    assert len(fewer) < len(found)
    assert by_window(features, SEED + 1) != found


def test_words_begin_where_the_tokenizer_begins_one(tiny, features):
    tokenizer = loading.load_tokenizer(tiny)
    for window in Features(features):
        pieces = tokenizer.convert_ids_to_tokens(window["input_ids"])
        inside = range(window["begin"] + 1, len(pieces) - 1)
        assert [window["words"][i] == BEGINS for i in inside] == [not pieces[i].startswith("##") for i in inside]
        assert not window["words"][: window["begin"]].any()
        assert not window["words"][-1]


# --- Masked subtokens ------------------------------------------------------------------------------------------------


def test_of_15_percent_four_fifths_are_masked_a_tenth_replaced_and_special_tokens_never(tiny):
    tokenizer = loading.load_tokenizer(tiny)
    words = np.random.default_rng(1).integers(1000, 2000, 100_000)
    ids = np.concatenate(
        [[tokenizer.cls_token_id], words, [tokenizer.sep_token_id] * 1000, [tokenizer.pad_token_id] * 1000]
    )
    read, said = masked_language_model.masked(ids, tokenizer, np.random.default_rng(2))
    asked = said != -100
    assert not asked[np.isin(ids, tokenizer.all_special_ids)].any()
    assert (said[asked] == ids[asked]).all()
    assert (read[~asked] == ids[~asked]).all()
    assert asked[1:100_001].mean() == pytest.approx(0.15, abs=0.005)
    assert (read[asked] == tokenizer.mask_token_id).mean() == pytest.approx(0.8, abs=0.02)
    assert (read[asked] == ids[asked]).mean() == pytest.approx(0.1, abs=0.02)


def test_other_subtokens_are_masked_in_each_epoch_and_the_same_in_the_same(tiny, features):
    objective = create_objective(training_of(tiny, features, "out", objective="masked_language_model"))
    items = list(enumerate(objective.examples))[:4]
    first = objective.collate(items)
    objective.epoch = 1
    second = objective.collate(items)
    # In any batch and order.
    alone = objective.collate(items[2:3])["labels"][0]
    assert not torch.equal(first["labels"], second["labels"])
    assert torch.equal(alone, second["labels"][2][: len(alone)])
    assert (second["labels"][2][len(alone) :] == -100).all()


@pytest.mark.slow
def test_a_training_masks_others_in_each_epoch(tiny, features, table, tmp_path, monkeypatch):
    mask, read = masked_language_model.MaskedLanguageModel.mask, {}

    def spy(self, window):
        ids, labels = mask(self, window)
        read.setdefault(window["input_ids"].tobytes(), []).append((self.epoch, ids.tolist()))
        return ids, labels

    monkeypatch.setattr(masked_language_model.MaskedLanguageModel, "mask", spy)
    trained("masked_language_model", tiny, features, table, tmp_path / "a", epochs=3, batch_size=16)
    assert all([epoch for epoch, _ in several] == [0, 1, 2] for several in read.values())
    assert sum(len({str(ids) for _, ids in several}) == 3 for several in read.values()) > len(read) / 2


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet", "albert", "deberta", "modernbert"])
def test_the_loss_is_that_of_transformers_on_all_subtokens(family, checkpoint_of, tmp_path):
    start = checkpoint_of(family)
    features = built(start, [page(i) for i in range(4)], tmp_path)
    objective = create_objective(training_of(start, features, "out", objective="masked_language_model"))
    batch = objective.collate(list(enumerate(objective.examples)))
    model = objective.model().eval()
    inputs = {name: values for name, values in batch.items() if name != "labels"}
    with torch.inference_mode():
        found = model(**batch)["loss"]
        logits = model.model(**inputs).logits
        by_hand = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100)
        assert found == pytest.approx(by_hand.item(), abs=1e-4)
        assert found == pytest.approx(model.model(**batch).loss.item(), abs=1e-4)


def test_a_checkpoint_goes_on_with_its_own_head_and_one_without_gets_one_tied_to_its_embeddings(tmp_path):
    own = made(tmp_path / "own", BertForMaskedLM)
    before = BertForMaskedLM.from_pretrained(own).state_dict()
    found = masked_language_model.initial(own, SEED).model.state_dict()
    assert all(torch.equal(found[key], before[key]) for key in before)
    bare = masked_language_model.initial(made(tmp_path / "bare"), SEED).model
    assert bare.cls.predictions.decoder.weight is bare.bert.embeddings.word_embeddings.weight


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_decoder_has_no_masks(family, checkpoint_of, tmp_path):
    start = checkpoint_of(family)
    features = built(start, [page(i) for i in range(3)], tmp_path)
    with pytest.raises(InputError, match=r"The objective masked_language_model is for encoders .* take shuffled_answers"):
        trained("masked_language_model", start, features, None, tmp_path / "a")


def test_the_parts_of_a_batch_give_its_gradient(tiny, features):
    start = made(Path(tiny).parent / "steady", dropout=0.0)
    objective = create_objective(training_of(start, features, "out", objective="masked_language_model"))
    batch = objective.collate(list(enumerate(objective.examples))[:7])
    model = objective.model().train()
    loss = model(**batch)["loss"]
    loss.backward()
    wanted = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    for precision, tolerance in (("float32", 1e-5), ("bfloat16", 0.05)):
        model.zero_grad()
        with cpu_passes.Passes(model, precision, 3) as passes:
            assert passes(batch).item() == pytest.approx(loss.item(), rel=tolerance)
        found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
        assert found.keys() == wanted.keys()
        one, other = (torch.cat([part[name].flatten() for name in sorted(part)]) for part in (found, wanted))
        assert torch.linalg.norm(one - other) < tolerance * torch.linalg.norm(other)


# --- Labelled texts --------------------------------------------------------------------------------------------------


def written(folder, name, content):
    path = Path(folder) / name
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", "text\ttext_pair\tlabel\na b\tc\t1\nd\te f\t0\n"),
        ("t.TSV", "text\ttext_pair\tlabel\na b\tc\t1\nd\te f\t0\n"),
        ("t.csv", '"label","text_pair","text","idx"\n1,c,a b,7\n0,"e f",d,8\n'),
        ("t.jsonl", '{"text": "a b", "text_pair": "c", "label": 1}\n\n{"text": "d", "text_pair": "e f", "label": "0"}\n'),
    ],
)
def test_a_table_is_read_in_each_form(tmp_path, name, content):
    found = labelled_texts.read(written(tmp_path, name, content))
    assert [(one.text, one.text_pair, one.label) for one in found] == [("a b", "c", "1"), ("d", "e f", "0")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", "text\tlabel\n", "t.txt: wanted a table in a file whose name ends in .tsv, .csv, .jsonl"),
        ("t.tsv", "txt\tlabel\na\tb\n", "t.tsv, line 1: found the columns txt, label, wanted one text. Is txt meant?"),
        ("t.tsv", "text\tlabel\na\t1\nb\t\n", "t.tsv, line 3: label: missing or empty"),
        ("t.tsv", "text\tlabel\na\t1\nb\t2\t3\n", "t.tsv, line 3: found 3 cells, wanted 2"),
        ("t.csv", "text,text_pair,label\na,b,1\nc,,2\n", "t.csv, line 3: text_pair: it is empty, and"),
        (
            "t.tsv",
            "text\tlabel\na\t1\nb\t1\n",
            "t.tsv: found 2 texts with the labels ['1'] to train on, wanted two labels or more",
        ),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": 3, "label": 1}\n', "t.jsonl, line 2: text: found 3, wanted text"),
        ("t.jsonl", '{"text": "a", "label": 0.5}\n', "t.jsonl, line 1, key label: found 0.5, wanted a whole number"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text"\n', "t.jsonl, line 2: not a whole JSON object"),
    ],
)
def test_what_is_no_labelled_text_is_told_with_file_and_line(tmp_path, name, content, said):
    with pytest.raises(InputError) as caught:
        labelled_texts.read(written(tmp_path, name, content))
    assert said in str(caught.value).replace(f"{tmp_path}/", "")


def test_a_tenth_of_the_texts_is_held_out_the_same_ones_in_any_order():
    texts = [labelled_texts.LabelledText("", f"text {i}", None, "a") for i in range(3000)]
    out = {one.text for one in texts if one.held_out}
    assert len(out) == pytest.approx(300, abs=60)
    assert out == {one.text for one in reversed(texts) if replace(one, label="b", where="elsewhere").held_out}


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "gpt2", "llama"])
def test_texts_are_encoded_as_the_tokenizer_encodes_them(family, checkpoint_of):
    tokenizer = loading.load_tokenizer(checkpoint_of(family))
    encode = Encoder(tokenizer, 24)
    if tokenizer.sep_token is not None or tokenizer.cls_token is not None:
        ids, begin = encode("the castle stands", "on a hill")
        assert ids.tolist() == tokenizer("the castle stands", "on a hill")["input_ids"]
        assert 0 < begin < len(ids)
        ids, begin = encode("the castle stands", None)
        assert ids.tolist() == tokenizer("the castle stands")["input_ids"]
        assert begin == len(ids)
    for pair in ("tower " * 40, "hill"):
        ids, begin = encode("castle " * 40, pair)
        assert len(ids) == 24
        assert begin < 24
    assert encode.cut == 2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_table_that_one_word_decides_is_learnt(family, checkpoint_of, tmp_path):
    start = made(tmp_path / "start") if family == "bert" else checkpoint_of(family)
    path = table_of(tmp_path, 200)
    rate = 0.003 if family == "bert" else 0.01
    settings = {"epochs": 6, "batch_size": 16, "device_batch_size": None, "save_steps": 1000, "learning_rate": rate}
    out = trained("sequence_classification", start, None, path, tmp_path / "a", **settings)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(out).eval()
    tokenizer = loading.load_tokenizer(out)
    held_out = [one for one in labelled_texts.read(path) if one.held_out]
    assert len(held_out) > 8
    right = 0
    for one in held_out:
        with torch.inference_mode():
            logits = model(**tokenizer(one.text, return_tensors="pt")).logits[0]
        right += model.config.id2label[int(logits.argmax())] == one.label
    assert right / len(held_out) > 0.9
    classification.score(str(out), path, str(tmp_path / "scores.tsv"), classification.Settings(32, 4))
    (scores,) = tsv.read_tsv(tmp_path / "scores.tsv")
    most = "yes" if sum(one.label == "yes" for one in labelled_texts.read(path) if not one.held_out) > 90 else "no"
    assert scores == {
        "trained": str(200 - len(held_out)),
        "held_out": str(len(held_out)),
        "labels": "2",
        "correct": str(right),
        "accuracy": f"{100 * right / len(held_out):.2f}",
        "majority": f"{100 * sum(one.label == most for one in held_out) / len(held_out):.2f}",
    }


def test_a_label_that_no_text_to_train_on_has_does_not_count(tmp_path):
    texts = (f"castle {i}" for i in range(1000))
    held_out = next(one for one in texts if labelled_texts.LabelledText("", one, None, "b").held_out)
    path = written(tmp_path, "t.tsv", f"text\tlabel\nhill\ta\ntower\ta\n{held_out}\tb\n")
    with pytest.raises(InputError, match=r"found 2 texts with the labels \['a'\] to train on.*1 of 3 are held out"):
        labelled_texts.read(path)


def test_a_text_that_is_held_out_and_longer_than_the_model_is_an_input_error(tmp_path):
    start = made(tmp_path / "start", BertForSequenceClassification, max_position_embeddings=16)
    texts = (f"{'castle ' * 20}{i}" for i in range(1000))
    long = next(one for one in texts if labelled_texts.LabelledText("", one, None, "a").held_out)
    path = written(tmp_path, "t.tsv", f"text\tlabel\n{long}\ta\nhill\tb\ntower\ta\n")
    with pytest.raises(InputError, match=r"windows of 23 subtokens .* positions for 16\. Set finetuning\.max_length to 16"):
        classification.score(start, str(path), str(tmp_path / "scores.tsv"), classification.Settings(32, 4))


# --- All of them -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("family", PADDED)
def test_padding_shows_in_no_loss_where_it_would_in_the_model_s_numbers(family, tmp_path):
    start = tiny_padded(tmp_path / "start", family, "ForMaskedLM")
    features = built(start, [page(i) for i in range(4)], tmp_path)
    rows = "".join(f"{'castle ' * i}hill\t{i % 2}\n" for i in range(1, 20))
    table = str(written(tmp_path, "t.tsv", f"text\tlabel\n{rows}"))
    for name in CONTROLS[1:]:
        objective = create_objective(given(name, start, features, table, tmp_path / "a"))
        model, items = objective.model().eval(), list(enumerate(objective.examples))[:6]
        batch, alone = objective.collate(items), [objective.collate([item]) for item in items]
        assert not batch["attention_mask"].all()
        with torch.inference_mode():
            losses = [model.weight(one) * model(**one)["loss"].item() for one in alone]
            wanted = sum(losses) / sum(model.weight(one) for one in alone)
            assert model(**batch)["loss"].item() == pytest.approx(wanted, abs=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("objective", CONTROLS)
def test_what_is_trained_is_a_plain_checkpoint_that_is_given_heads_to_answer_with(
    objective, method, tiny, features, table, tmp_path
):
    lora = Lora(4, 8) if method == "lora" else None
    out = trained(objective, tiny, features, table, tmp_path / "a", lora=lora, epochs=1)
    inspection.verify(out)
    assert (out / adapters.MERGED).is_dir() == bool(lora)
    before = AutoModel.from_pretrained(tiny).state_dict()
    after = loading.load_encoder(out).state_dict()
    moved = [key for key in before if "pooler" not in key and not torch.equal(before[key], after[key])]
    assert len(moved) > 5
    if objective == "shuffled_answers":
        assert joint_model.load(out).has_answer_types
        return
    heads = tmp_path / "heads"
    training.train_answer_heads(
        training_of(str(out), features, heads, how="train_answer_heads"), str(heads), f"{heads}.tsv"
    )
    assert joint_model.load(out, heads=str(heads)).has_answer_types
    frozen = joint_model.load(out, heads=str(heads)).encoder.state_dict()
    assert all(torch.equal(after[key], frozen[key]) for key in frozen)


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "labels"), [(CONTROLS[1], 0), (CONTROLS[2], 2), (CONTROLS[2], 3)])
def test_another_objective_s_head_is_none_to_answer_with_nor_to_begin_with(
    objective, labels, checkpoint_of, pages, tmp_path
):
    """ModernBERT's classifier has the names of its head for answers, and with two labels its shapes too."""
    start = checkpoint_of("modernbert")
    features = built(start, pages[:4], tmp_path)
    path = table_of(tmp_path, labels=("yes", "no", "maybe")[:labels]) if labels else None
    out = trained(objective, start, features, path, tmp_path / "a", epochs=1)
    heads = str(tmp_path / "heads")
    given = replace(training_of(str(out), features, heads, how="train_answer_heads"), new_heads=True)
    training.train_answer_heads(given, heads, f"{heads}.tsv")
    assert answer_heads.head_of(heads) == answer_heads.FROZEN
    answering = joint_model.load(out, heads=heads)
    assert all(torch.equal(answering.head_state()[key], value) for key, value in joint_model.read_heads(heads).items())
    drawn, of_start = (joint_model.initial(one, SEED, new_heads=True)[0].head_state() for one in (out, start))
    assert drawn.keys() == answering.head_state().keys()
    assert all(torch.equal(drawn[key], of_start[key]) for key in drawn)
    assert not torch.equal(drawn["classifier.weight"], answering.head_state()["classifier.weight"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="full"),
        pytest.param({"precision": "bfloat16"}, marks=pytest.mark.slow, id="bfloat16"),
        pytest.param({"lora": Lora(4, 8, 0.1)}, marks=pytest.mark.slow, id="lora"),
    ],
)
@pytest.mark.parametrize("objective", CONTROLS)
def test_a_training_that_is_killed_goes_on_to_the_same_weights_bit_for_bit(
    objective, settings, tiny, features, table, tmp_path, monkeypatch
):
    whole = trained(objective, tiny, features, table, tmp_path / "whole", **settings)
    steps = len(Path(f"{whole}.tsv").read_text().splitlines()) - 1
    on_step_end = trainer._ProgressCallback.on_step_end

    def killed(self, args, state, control, **kwargs):
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == steps // 2 + 2:  # within the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer._ProgressCallback, "on_step_end", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(objective, tiny, features, table, tmp_path / "a", **settings)
    assert list((tmp_path / "a.work").glob("checkpoint-*"))
    out = trained(objective, tiny, features, table, tmp_path / "a", **settings)
    assert same(out, whole)
    assert (out / "config.json").read_text() == (whole / "config.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("objective", CONTROLS)
def test_another_seed_or_table_or_objective_is_another_training(objective, tiny, features, table, tmp_path):
    """It goes on from no step of the first."""
    out = tmp_path / "a"
    first = given(objective, tiny, features, table, out)
    others = [
        given(objective, tiny, features, table, out, seed=SEED + 1),
        given(QUESTION_ANSWERING, tiny, features, table, out),
    ]
    if first.table:
        others.append(replace(first, table=table_of(tmp_path, 61)))
    assert stopped(first, out, SETTINGS["save_steps"] + 1) == SETTINGS["save_steps"] + 1
    saved = shutil.copytree(first.work, tmp_path / "saved")
    assert [begins_at(one, saved, out) for one in (first, *others)] == [SETTINGS["save_steps"] + 1, *[1] * len(others)]
