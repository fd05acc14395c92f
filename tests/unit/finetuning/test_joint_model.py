import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from families import FAMILIES, LONGEST, PADDED, SEGMENTS, SHAPE, make, tiny_bert, tiny_padded
from safetensors.torch import load_file, save_file
from trainings import apart, built, run
from transformers import AutoModelForQuestionAnswering, BertConfig, BertForQuestionAnswering, BertModel

from pairprobe.checkpoints import cpu_kernels, fetching, inspection, loading
from pairprobe.data.pages import Page
from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.answer_heads import head_of
from pairprobe.finetuning.joint_model import Collator, JointModel
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import ANSWER_TYPES, windows

SEED = 7
HEADS = {f"{name}.{part}" for name in ("qa_outputs", "answer_type") for part in ("weight", "bias")}
WORDS = "the castle stands on a hill since 1000 , built by king henry the third of his name".split()


def made(folder, kind=BertModel, **changed):
    """A checkpoint of random weights, wide enough that attention and positions matter."""
    return tiny_bert(folder, kind, initializer_range=0.2, **changed)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return made(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def checkpoint_of(tmp_path_factory):
    """The checkpoint of a family, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("families")
    return lambda family: str(folder / family if (folder / family).exists() else make(family, folder / family))


def some_windows(folder, lengths=(4, 17, 9)):
    """Windows of different length: ``(input_ids, begin)``."""
    subtokenizer = Subtokenizer(loading.load_tokenizer(folder))
    found = []
    for length in lengths:
        page = Page("d", "t", "who built it ?".split(), " ".join(WORDS[:length]), False, (), ())
        [window] = windows(page, subtokenizer, 128, 64)
        found.append((window.input_ids, window.begin))
    return found


def batch_of(folder, found):
    return Collator(loading.load_tokenizer(folder))(found)


def targets_of(found):
    """Targets of windows: an answer of each type in turn, its place somewhere in the window."""
    start = [begin % len(ids) for ids, begin in found]
    end = [len(ids) - 2 for ids, _ in found]
    kinds = [i % len(ANSWER_TYPES) for i in range(len(found))]
    return {name: torch.tensor(values) for name, values in {"start": start, "end": end, "answer_type": kinds}.items()}


def logits(model, batch):
    with torch.inference_mode():
        return model.eval()(**batch)


def same(found, wanted, names=("start", "end", "answer_type")):
    assert set(found) == set(wanted) == set(names)
    return all(torch.equal(found[name], wanted[name]) for name in names)


def cross_entropy(scores, target):
    """By hand, in numpy: minus the logarithm of the target's share."""
    scores = np.asarray(scores, np.float64)
    return -np.log(np.exp(scores[target]) / np.exp(scores).sum())


# --- Batches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_what_the_tokenizer_makes_of_the_texts(checkpoint_of, family):
    tokenizer = loading.load_tokenizer(checkpoint_of(family))
    lengths = (4, 17, 9)
    batch = Collator(tokenizer)(some_windows(checkpoint_of(family), lengths))
    questions = ["who built it ?".split()] * len(lengths)
    wanted = tokenizer(
        *(questions, [WORDS[:length] for length in lengths]), is_split_into_words=True, padding=True, return_tensors="pt"
    )
    assert set(batch) == set(wanted) == set(tokenizer.model_input_names)
    assert ("token_type_ids" in batch) == (family in SEGMENTS)
    assert torch.equal(batch["input_ids"], wanted["input_ids"])
    assert torch.equal(batch["attention_mask"], wanted["attention_mask"])
    if "token_type_ids" in batch:
        # Nobody looks at the segments of padding.
        inside = batch["attention_mask"] == 1
        assert torch.equal(batch["token_type_ids"][inside], wanted["token_type_ids"][inside])


# --- Labels -------------------------------------------------------------------------------------------------------


LABELS = {
    "1": {"id2label": {"0": "score"}, "label2id": {"score": 0}, "problem_type": "regression"},
    "3": {"id2label": {"0": "no", "1": "maybe", "2": "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}},
    "28": {"id2label": {str(i): f"feeling {i}" for i in range(28)}, "problem_type": "multi_label_classification"},
    "num_labels": {"num_labels": 3},
}


def relabelled(folder, **labels):
    """The checkpoint, with a config as that of a classifier."""
    config = Path(folder) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **labels}))
    return folder


def bare(folder, family):
    """A checkpoint without a head and tokenizer, of a family that has a head for answers of another kind, too."""
    own = {"d_head": 16} if family == "XLNet" else {}
    config = getattr(transformers, f"{family}Config")(vocab_size=600, **SHAPE, **own)
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("family", ["Bert", "DistilBert", "XLNet", "XLM", "Flaubert", "FNet"])
def test_heads_have_a_start_and_an_end_whatever_labels_the_config_has(tmp_path, family, labels):
    folder = relabelled(bare(tmp_path / "c", family), **LABELS[labels])
    ids = torch.arange(2, 20)[None]
    model, own = joint_model.initial(folder, SEED)
    assert not own
    assert model.head_state()["qa_outputs.weight"].shape == (2, 32)
    wanted = logits(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    assert {name: values.shape[1] for name, values in wanted.items()} == {"start": 18, "end": 18, "answer_type": 5}
    model.model.save_pretrained(tmp_path / "trained")
    again = joint_model.load(tmp_path / "trained")
    assert same(logits(again, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}), wanted)


@pytest.mark.parametrize("labels", LABELS)
def test_a_head_for_answers_stays_as_it_is_whatever_labels_the_config_has(tmp_path, labels):
    folder = made(tmp_path / "own", BertForQuestionAnswering)
    wanted = load_file(Path(folder) / "model.safetensors")["qa_outputs.weight"]
    model, own = joint_model.initial(relabelled(folder, **LABELS[labels]), SEED)
    assert own
    assert torch.equal(model.head_state()["qa_outputs.weight"], wanted)


@pytest.mark.parametrize(("name", "shape"), [("qa_outputs.weight", (3, 32)), ("qa_outputs.bias", (3,))])
def test_a_head_for_answers_of_another_shape_is_an_input_error(tmp_path, name, shape):
    folder = made(tmp_path / "own", BertForQuestionAnswering)
    tensors = load_file(Path(folder) / "model.safetensors")
    save_file({**tensors, name: torch.zeros(shape)}, Path(folder) / "model.safetensors", metadata={"format": "pt"})
    said = rf"checkpoint {folder}: the weights {name} have the shape {re.escape(str(shape))}, wanted \(2"
    for read in (lambda: joint_model.load(folder), lambda: joint_model.initial(folder, SEED)):
        with pytest.raises(InputError, match=said):
            read()


# --- Logits and loss ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_a_window_do_not_depend_on_the_others_of_its_batch(checkpoint_of, family):
    folder = checkpoint_of(family)
    model, found = joint_model.initial(folder, SEED)[0], some_windows(folder)
    together = logits(model, batch_of(folder, found))
    for i, window in enumerate(found):
        alone, n = logits(model, batch_of(folder, [window])), len(window[0])
        assert torch.allclose(together["start"][i, :n], alone["start"][0], atol=1e-5)
        assert torch.allclose(together["end"][i, :n], alone["end"][0], atol=1e-5)
        assert torch.allclose(together["answer_type"][i], alone["answer_type"][0], atol=1e-5)
        assert (together["start"][i, n:] < -1e8).all()
        assert (together["end"][i, n:] < -1e8).all()


@pytest.mark.slow
@pytest.mark.parametrize("family", PADDED)
def test_where_padding_shows_a_batch_is_computed_without_any(tmp_path, family):
    folder = tiny_padded(tmp_path / "c", family)
    model, found = joint_model.initial(folder, SEED)[0].eval(), some_windows(folder, (4, 17, 9, 4))
    targets = targets_of(found)
    given = model(**batch_of(folder, found), **targets)
    losses = []
    for i, window in enumerate(found):
        batch, n = batch_of(folder, [window]), len(window[0])
        own = model.model(**batch, output_hidden_states=True)
        types = model.model.answer_type(own.hidden_states[-1][:, 0])
        alone = {"start": own.start_logits, "end": own.end_logits, "answer_type": types}
        for name, wanted in alone.items():
            assert torch.allclose(given[name][i, : wanted.shape[1]], wanted[0], atol=1e-5)
        assert (given["start"][i, n:] < -1e8).all()
        losses += [torch.nn.functional.cross_entropy(values, targets[name][i : i + 1]) for name, values in alone.items()]
    given["loss"].backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    torch.stack(losses).mean().backward()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, model.get_parameter(name).grad, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_where_padding_shows_training_does_not_depend_on_how_many_windows_are_computed_at_once(tmp_path, pages):
    start = tiny_padded(tmp_path / "start", "FNet", hidden_dropout_prob=0.0)
    features = built(start, pages, tmp_path)
    one, four = (run(start, features, tmp_path / f"{n}", epochs=1, device_batch_size=n) for n in (1, 4))
    assert apart(one, four) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_start_and_end_are_the_architecture_s_and_types_come_from_the_first_subtoken(checkpoint_of, family):
    folder = checkpoint_of(family)
    model = joint_model.initial(folder, SEED)[0]
    batch = batch_of(folder, some_windows(folder))
    found = logits(model, batch)
    with torch.inference_mode():
        own = model.model(**batch)
        first = model.model.base_model(**batch).last_hidden_state[:, 0]
    inside = batch["attention_mask"] == 1
    assert torch.equal(found["start"][inside], own.start_logits[inside])
    assert torch.equal(found["end"][inside], own.end_logits[inside])
    head = model.model.answer_type
    wanted = first.numpy() @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    assert found["answer_type"].numpy() == pytest.approx(wanted, abs=1e-5)
    assert found["answer_type"].shape == (3, len(ANSWER_TYPES))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_the_mean_of_three_cross_entropies_over_windows(checkpoint_of, family):
    folder = checkpoint_of(family)
    model, found = joint_model.initial(folder, SEED)[0].eval(), some_windows(folder)
    # Wide enough heads, so that the three differ.
    for tensor in model.head_state().values():
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)))
    batch, targets = batch_of(folder, found), targets_of(found)
    with torch.inference_mode():
        given = model(**batch, **targets)
    by_hand = [
        np.mean(
            [
                # Alone, without padding.
                cross_entropy(logits(model, batch_of(folder, [window]))[name][0], targets[name][i])
                for i, window in enumerate(found)
            ]
        )
        for name in targets
    ]
    assert len({round(loss, 2) for loss in by_hand}) == 3
    assert given["loss"].item() == pytest.approx(np.mean(by_hand), rel=1e-4)
    assert set(given) == {"loss", "start", "end", "answer_type"}


def test_the_loss_of_a_batch_is_the_mean_of_its_parts(tiny):
    model, found = joint_model.initial(tiny, SEED)[0].eval(), some_windows(tiny, (3, 5, 8, 17))
    targets = targets_of(found)

    def loss(places):
        chosen = {name: values[places] for name, values in targets.items()}
        with torch.inference_mode():
            return model(**batch_of(tiny, [found[i] for i in places]), **chosen)["loss"].item()

    assert loss([0, 1, 2, 3]) == pytest.approx((loss([0, 3]) + loss([2, 1])) / 2, rel=1e-5)
    assert loss([3, 1, 0, 2]) == pytest.approx(loss([0, 1, 2, 3]), rel=1e-5)


def test_the_loss_reaches_every_head_and_the_whole_encoder(tiny):
    model, found = joint_model.initial(tiny, SEED)[0].train(), some_windows(tiny)
    model(**batch_of(tiny, found), **targets_of(found))["loss"].backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == set()
    assert not any(p.grad.isnan().any() for p in model.parameters())


# --- Frozen ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_only_heads_of_a_frozen_model_get_gradients(checkpoint_of, family):
    folder = checkpoint_of(family)
    model, found = joint_model.initial(folder, SEED, frozen=True)[0].train(), some_windows(folder)
    model(**batch_of(folder, found), **targets_of(found))["loss"].backward()
    reached = {name.removeprefix("model.") for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == set(model.head_state())
    assert HEADS - {"qa_outputs.weight", "qa_outputs.bias"} <= reached


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_encoder_runs_without_dropout(tiny, frozen):
    model = joint_model.initial(tiny, SEED, frozen)[0]
    batch = batch_of(tiny, some_windows(tiny))
    calm = logits(model, batch)
    model.train()
    assert model.training
    assert model.model.base_model.training == (not frozen)
    with torch.no_grad():
        first, second = model(**batch), model(**batch)
    assert torch.equal(first["start"], second["start"]) == frozen
    assert torch.equal(first["answer_type"], second["answer_type"]) == frozen
    assert torch.equal(first["answer_type"], calm["answer_type"]) == frozen


@pytest.mark.parametrize("family", FAMILIES)
def test_a_frozen_encoder_of_any_family_gives_what_it_gives_in_evaluation(checkpoint_of, family):
    folder = checkpoint_of(family)
    model = joint_model.initial(folder, SEED, frozen=True)[0]
    batch = batch_of(folder, some_windows(folder))
    calm = logits(model, batch)
    with torch.no_grad():
        trained = model.train()(**batch)
    assert torch.equal(trained["answer_type"], calm["answer_type"])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_heads_are_trained_on_what_the_encoder_gives_where_questions_are_answered(checkpoint_of, family, precision):
    folder = checkpoint_of(family)
    found = some_windows(folder)
    batch, given = batch_of(folder, found), []
    answering = loading.load_model(AutoModelForQuestionAnswering, folder, precision)[0].base_model.eval()
    cpu_kernels.speed_up(answering)
    with torch.inference_mode():
        wanted = answering(**batch)[0]
    model = joint_model.initial(folder, SEED, frozen=True)[0]
    heads = model.head_state().keys()
    model.compute_frozen(precision, "cpu")
    encoder = model.model.base_model
    encoder.register_forward_hook(lambda _module, _inputs, output: given.append(output[0]))
    within = []
    for part in encoder.modules():
        if part is not encoder:
            part.register_forward_pre_hook(
                lambda *_: within.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
            )
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        model.train()(**batch, **targets_of(found))["loss"].backward()
    [output] = given
    assert output.dtype == getattr(torch, precision)
    assert torch.equal(output, wanted)
    assert set(within) == {(False, False)}
    reached = {name.removeprefix("model."): each for name, each in model.named_parameters() if each.grad is not None}
    assert reached.keys() == heads
    assert all(each.dtype == torch.float32 for each in reached.values())
    assert model.trained_state().keys() == {f"model.{name}" for name in heads}


def test_other_heads_than_those_that_were_trained_are_not_taken_over(tiny):
    model = joint_model.initial(tiny, SEED, frozen=True)[0]
    state = {name: tensor + 1 for name, tensor in model.trained_state().items()}
    model.load_trained(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.trained_state().items())
    for wrong in ({**state, "model.other": torch.zeros(1)}, dict(list(state.items())[1:])):
        with pytest.raises(RuntimeError, match="other weights"):
            model.load_trained(wrong)


# --- Where heads come from ------------------------------------------------------------------------------------------


def test_new_heads_are_drawn_with_the_seed(tiny):
    (first, own), (same_seed, _), (other, _) = (joint_model.initial(tiny, seed) for seed in (1, 1, 2))
    assert not own
    heads, again, others = (model.head_state() for model in (first, same_seed, other))
    assert set(heads) == HEADS
    assert all(torch.equal(heads[name], again[name]) for name in HEADS)
    assert not torch.equal(heads["qa_outputs.weight"], others["qa_outputs.weight"])
    assert not torch.equal(heads["answer_type.weight"], others["answer_type.weight"])
    assert all(heads[name].abs().max() > 0 for name in HEADS if "weight" in name)


def test_a_checkpoint_s_own_head_is_kept_and_its_types_are_drawn(tmp_path):
    folder = made(tmp_path / "own", BertForQuestionAnswering)
    model, own = joint_model.initial(folder, SEED)
    assert own
    assert model.has_answer_types
    saved = load_file(Path(folder) / "model.safetensors")
    assert torch.equal(model.head_state()["qa_outputs.weight"], saved["qa_outputs.weight"])
    loaded = joint_model.load(folder)
    assert not loaded.has_answer_types
    assert same(logits(loaded, batch_of(folder, some_windows(folder))), logits_of_own(folder), ("start", "end"))


def written_as(folder, family, kind, **config):
    """A checkpoint of another class than it was pretrained as, its head moved: the folder and the class's weights."""
    start = make(family, folder)
    model = getattr(transformers, kind).from_pretrained(start, **config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    model.save_pretrained(start)
    return start, load_file(start / "model.safetensors")


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_heads_of_a_class_for_questions_are_taken(tmp_path, family):
    kind = {"bert": "BertForQuestionAnswering", "modernbert": "ModernBertForQuestionAnswering"}[family]
    folder, weights = written_as(tmp_path, family, kind)
    model, own = joint_model.initial(folder, SEED)
    assert own
    heads = {key: value for key, value in model.head_state().items() if not key.startswith("answer_type.")}
    assert len(heads) == {"bert": 2, "modernbert": 4}[family]
    assert all(torch.equal(value, weights[key]) for key, value in heads.items())
    assert joint_model.load(folder).head_state().keys() == heads.keys()


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("kind", ["SequenceClassification", "TokenClassification"])
@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_a_head_for_labels_is_none_to_answer_with_nor_to_begin_with(tmp_path, family, kind, labels):
    """ModernBERT's have the names of its head for answers, and of two labels the shapes, too."""
    name = {"bert": "Bert", "distilbert": "DistilBert", "modernbert": "ModernBert"}[family]
    folder, weights = written_as(tmp_path, family, f"{name}For{kind}", num_labels=labels)
    inspection.verify(folder)
    model, own = joint_model.initial(folder, SEED)
    assert not own
    heads = model.head_state()
    assert [key for key in heads if key in weights and torch.equal(heads[key], weights[key])] == []
    assert not any(value.eq(0.1).all() for value in heads.values())
    with pytest.raises(InputError, match="it has no head that answers questions"):
        joint_model.load(folder)
    joint_model.save_heads(model, tmp_path / "heads", "new ones")
    answering = joint_model.load(folder, heads=str(tmp_path / "heads")).head_state()
    assert all(torch.equal(answering[key], value) for key, value in heads.items())


def test_where_no_class_is_named_heads_that_fit_are_taken(tmp_path):
    folder, weights = written_as(tmp_path, "modernbert", "ModernBertForSequenceClassification", num_labels=2)
    relabelled(folder, architectures=None)
    model, own = joint_model.initial(folder, SEED)
    assert own
    assert torch.equal(model.head_state()["classifier.weight"], weights["classifier.weight"])


def test_what_modernbert_was_pretrained_with_is_what_its_head_begins_with(tmp_path):
    """As in transformers: the head for words and that for answers have a part in common."""
    folder, weights = written_as(tmp_path, "modernbert", "ModernBertForMaskedLM")
    model, own = joint_model.initial(folder, SEED)
    assert not own
    assert torch.equal(model.head_state()["head.dense.weight"], weights["head.dense.weight"])


def logits_of_own(folder):
    """What transformers itself makes of a checkpoint with a head."""
    batch = batch_of(folder, some_windows(folder))
    with torch.inference_mode():
        found = AutoModelForQuestionAnswering.from_pretrained(folder).eval()(**batch)
    padding = batch["attention_mask"] == 0
    return {
        "start": found.start_logits.masked_fill(padding, -1e9),
        "end": found.end_logits.masked_fill(padding, -1e9),
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_and_saved_heads_are_read_again_as_they_were(checkpoint_of, family, tmp_path):
    folder = checkpoint_of(family)
    model, own = joint_model.initial(folder, SEED)
    assert not own
    batch = batch_of(folder, some_windows(folder))
    wanted = logits(model, batch)
    joint_model.save_heads(model, str(tmp_path / "heads.safetensors"), "drawn")
    assert head_of(str(tmp_path / "heads.safetensors")) == "drawn"
    assert [path.name for path in tmp_path.iterdir()] == ["heads.safetensors"]
    assert same(logits(joint_model.load(folder, heads=str(tmp_path / "heads.safetensors")), batch), wanted)
    model.model.save_pretrained(tmp_path / "saved")
    loading.load_tokenizer(folder).save_pretrained(tmp_path / "saved")
    again, own = joint_model.initial(tmp_path / "saved", SEED + 1)
    assert own
    assert same(logits(again, batch), wanted)
    assert same(logits(joint_model.load(tmp_path / "saved"), batch), wanted)
    assert joint_model.own_types(tmp_path / "saved").keys() == {"answer_type.weight", "answer_type.bias"}
    assert joint_model.own_types(folder) == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_heads_hold_no_weight_of_the_encoder(checkpoint_of, family):
    model = joint_model.initial(checkpoint_of(family), SEED)[0]
    heads = model.head_state()
    encoder = sum(p.numel() for p in model.model.base_model.parameters())
    assert sum(t.numel() for t in heads.values()) + encoder == sum(p.numel() for p in model.parameters())
    assert {"answer_type.weight", "answer_type.bias"} < set(heads)


def test_a_checkpoint_in_several_files_keeps_its_answer_types(tiny, tmp_path):
    model, _ = joint_model.initial(tiny, SEED)
    model.model.save_pretrained(tmp_path / "saved", max_shard_size="100KB")
    loading.load_tokenizer(tiny).save_pretrained(tmp_path / "saved")
    assert len(list((tmp_path / "saved").glob("*.safetensors"))) > 1
    fetching.fetch({"source": "path", "path": str(tmp_path / "saved")}, str(tmp_path / "fetched"))
    batch = batch_of(tiny, some_windows(tiny))
    assert same(logits(joint_model.load(tmp_path / "fetched"), batch), logits(model, batch))


def test_heads_of_a_file_count_more_than_the_checkpoint_s_own(tmp_path):
    folder = made(tmp_path / "own", BertForQuestionAnswering)
    other, _ = joint_model.initial(made(tmp_path / "other"), SEED)
    joint_model.save_heads(other, str(tmp_path / "heads.safetensors"), "other")
    loaded = joint_model.load(folder, heads=str(tmp_path / "heads.safetensors"))
    assert loaded.has_answer_types
    assert all(torch.equal(loaded.head_state()[name], tensor) for name, tensor in other.head_state().items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_logits_are_float32_whatever_the_precision(tiny, tmp_path, precision):
    model, _ = joint_model.initial(tiny, SEED)
    joint_model.save_heads(model, str(tmp_path / "heads.safetensors"), "drawn")
    loaded = joint_model.load(tiny, precision, str(tmp_path / "heads.safetensors"))
    assert {p.dtype for p in loaded.parameters()} == {getattr(torch, precision)}
    batch = batch_of(tiny, some_windows(tiny))
    found, wanted = logits(loaded, batch), logits(model, batch)
    assert {values.dtype for values in found.values()} == {torch.float32}
    inside = batch["attention_mask"] == 1
    for name, values in found.items():
        chosen = inside if name != "answer_type" else slice(None)
        assert torch.allclose(values[chosen], wanted[name][chosen], atol=1e-6 if precision == "float32" else 0.2)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_window_is_the_encoder_s(checkpoint_of, family):
    model, _ = joint_model.initial(checkpoint_of(family), SEED)
    assert loading.longest(model.model) == LONGEST[family]


# --- What goes wrong ------------------------------------------------------------------------------------------------


def test_a_checkpoint_without_a_head_and_without_a_file_cannot_answer(tiny):
    with pytest.raises(InputError, match=r"it has no head that answers questions \(qa_outputs\.bias, \.\.\.\), and none"):
        joint_model.load(tiny)


def saved(path, tensors):
    save_file(tensors, path, metadata={"head": "drawn"})
    return str(path)


@pytest.mark.parametrize("place", ["weight", "end"])
def test_heads_that_were_damaged_on_disk_are_not_used(tiny, tmp_path, place):
    path = tmp_path / "heads.safetensors"
    joint_model.save_heads(joint_model.initial(tiny, SEED)[0], str(path), "drawn")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content if place == "weight" else content[:-8])
    with pytest.raises(InputError, match=rf"{path}: (damaged on disk: found the SHA-256|no whole file of heads)"):
        joint_model.load(tiny, heads=str(path))


def test_the_same_heads_have_the_same_bytes(tiny, tmp_path):
    model, path = joint_model.initial(tiny, SEED)[0], tmp_path / "heads.safetensors"

    def written():
        joint_model.save_heads(model, str(path), "drawn")
        return path.read_bytes()

    assert len({written() for _ in range(16)}) == 1  # safetensors writes entries of metadata in any order


def test_heads_of_another_width_do_not_fit(tiny, tmp_path):
    heads = {name: t.repeat(1, 2) if t.dim() > 1 else t for name, t in joint_model.initial(tiny, 1)[0].head_state().items()}
    path = saved(tmp_path / "heads.safetensors", heads)
    with pytest.raises(InputError, match=rf"{path}: its weights answer_type.weight, qa_outputs.weight do not fit"):
        joint_model.load(tiny, heads=path)


def test_heads_of_another_architecture_do_not_fit(tiny, tmp_path):
    path = saved(tmp_path / "heads.safetensors", {"classifier.weight": torch.zeros(2, 32)})
    with pytest.raises(InputError, match=rf"{path}: its weights classifier.weight do not fit"):
        joint_model.load(tiny, heads=path)


@pytest.mark.parametrize("kept", [(), ("qa_outputs.weight",), ("answer_type.weight", "answer_type.bias")])
def test_heads_that_lack_some_do_not_fit(tiny, tmp_path, kept):
    heads = {name: tensor for name, tensor in joint_model.initial(tiny, 1)[0].head_state().items() if name in kept}
    path = saved(tmp_path / "heads.safetensors", heads)
    with pytest.raises(InputError, match=str(path)):
        joint_model.load(tiny, heads=path)


def test_an_architecture_that_answers_no_questions_is_an_input_error(tmp_path):
    folder = made(tmp_path / "start")
    config = Path(folder) / "config.json"
    config.write_text(config.read_text().replace('"model_type": "bert"', '"model_type": "clip_vision_model"'))
    for read in (lambda: joint_model.load(folder), lambda: joint_model.initial(folder, SEED)):
        with pytest.raises(InputError, match=r"the weights lack clip\."):
            read()


def test_a_checkpoint_whose_encoder_lacks_weights_is_an_input_error(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "start")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"the weights lack bert\.encoder\.layer\.1\.output\.dense\.weight"):
        joint_model.initial(folder, SEED)


def test_a_model_of_its_own_kind_is_wrapped_as_it_is(tiny):
    inner = BertForQuestionAnswering(
        BertConfig(vocab_size=30522, hidden_size=32, num_attention_heads=2, num_hidden_layers=1)
    )
    model = JointModel(inner)
    assert not model.has_answer_types
    found = some_windows(tiny)
    targets = {name: values for name, values in targets_of(found).items() if name != "answer_type"}
    with torch.inference_mode():
        given = model.eval()(**batch_of(tiny, found), **targets)
    by_hand = [np.mean([cross_entropy(given[name][i], targets[name][i]) for i in range(3)]) for name in targets]
    assert given["loss"].item() == pytest.approx(np.mean(by_hand), rel=1e-5)
