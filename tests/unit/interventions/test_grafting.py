"""Grafts and resets beside transformers alone, with the weights swapped by hand."""

import copy
import random
import shutil

import decoders
import families
import orjson
import pytest
import torch
from transformers import AutoConfig, AutoModel

from pairprobe.checkpoints import loading, padding
from pairprobe.data.pages import Page, row_of
from pairprobe.errors import InputError
from pairprobe.evaluation.answering import Request, Settings, predict
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.answer_heads import FROZEN, OWN, RANDOM
from pairprobe.interventions.grafting import Grafts, Pair, answer
from pairprobe.interventions.layers import LayeredModel
from pairprobe.interventions.names import LOWER, RESET, UPPER
from pairprobe.io import files

DEPTH = 3
OPTIONS = Settings(max_length=40, stride=16, max_answer_words=3, batch_size=4, threads=2)
# The encoder's stack of layers, and the norm behind the last, in the encoder's own names.
STACKS = {
    "bert": ("encoder.layer", ()),
    "roberta": ("encoder.layer", ()),
    "distilbert": ("transformer.layer", ()),
    "electra": ("encoder.layer", ()),
    "modernbert": ("layers", ("final_norm",)),
    "gpt2": ("h", ("ln_f",)),
    "llama": ("layers", ("norm",)),
    "mpnet": ("encoder.layer", ()),
    "deberta": ("encoder.layer", ()),
}
# What these compute of a table and give to every layer.
SHARED = {"mpnet": "encoder.relative_attention_bias", "deberta": "encoder.rel_embeddings"}


def saved(family, folder):
    if family in decoders.DECODERS:
        return decoders.make(family, folder, num_hidden_layers=DEPTH)
    return families.make(family, folder, DEPTH)


def moved(folder, out, seed):
    """The same checkpoint with a head, and with each of its weights moved."""
    model, _ = joint_model.initial(folder, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    model.model.save_pretrained(out)
    loading.load_tokenizer(folder).save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def pair_of(tmp_path_factory):
    """Two checkpoints of a family: all weights of one are other than those of the other."""
    made = {}

    def make(family):
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            before = saved(family, folder / "before")
            made[family] = Pair(str(moved(before, folder / "after", 1)), None, str(before))
        return made[family]

    return make


def batch(model):
    """Two texts of different length."""
    ids, mask = padding.sample(model.encoder)
    return {"input_ids": ids, "attention_mask": mask}


def comes_from_before(key, family, intervention, layer, prefix):
    """Whether a weight is the other checkpoint's, by the definition."""
    stack, norms = STACKS[family]
    name = key.removeprefix(f"{prefix}.")
    if name == key:
        return False  # a head
    if name.startswith(f"{stack}."):
        place = int(name.removeprefix(f"{stack}.").split(".")[0]) + 1
    else:
        place = DEPTH if name.split(".")[0] in norms else 0
    if intervention == RESET:
        return place == layer
    if intervention == LOWER:
        return layer > 0 and place <= layer
    return layer == 0 or place > layer


def models_of(pair):
    """The two models, with the heads of after."""
    after = joint_model.load(pair.after).eval()
    return after, joint_model.load(pair.before, heads=after.head_state()).eval()


def swapped_by_hand(model, states, family, intervention, layer):
    """A model of transformers with weights of both, one by one; heads are those of after."""
    after, before = states
    prefix = model.model.base_model_prefix
    chosen = {
        key: before[key] if comes_from_before(key, family, intervention, layer, prefix) else value
        for key, value in after.items()
    }
    model.model.load_state_dict(chosen)
    return model


@pytest.mark.parametrize("family", sorted(set(STACKS) - set(SHARED)))
def test_each_intervention_equals_transformers_alone_with_the_weights_swapped_by_hand(pair_of, family):
    pair = pair_of(family)
    after, before = models_of(pair)
    inputs, by_hand = batch(after), copy.deepcopy(after)
    states = [copy.deepcopy(model.model.state_dict()) for model in (after, before)]
    grafts = Grafts(LayeredModel(after, "after"), LayeredModel(before, "before"), ("graft", "reset"))
    with torch.inference_mode():
        found = dict(zip(grafts.variants, grafts(inputs), strict=True))
        assert found.keys() == {(name, k) for name in (LOWER, UPPER, RESET) for k in range(DEPTH + 1)}
        for (name, k), logits in found.items():
            wanted = swapped_by_hand(by_hand, states, family, name, k)(**inputs)
            assert apart(logits, wanted) <= 1e-5, (name, k)
    intact = found[LOWER, 0]
    assert min(apart(logits, intact) for (name, k), logits in found.items() if name == RESET) > 0.01


def apart(found, wanted):
    """How far logits are apart, as a share of the largest; those of padding are not looked at."""
    seen = wanted["start"] > -1e8
    return max(
        float(
            (found[name] - values)[seen if name != "answer_type" else ...].abs().max() / values[values > -1e8].abs().max()
        )
        for name, values in wanted.items()
    )


def upper_layers(family, model, states, mask, first):
    """The layers of a model from one on, one after the other, each with the model's own table."""
    encoder = model.encoder.encoder
    if family == "mpnet":
        hidden = (mask == 0)[:, None, None] * torch.finfo(torch.float32).min
        more = {"attention_mask": hidden, "position_bias": encoder.compute_position_bias(states)}
    else:
        more = {
            "attention_mask": encoder.get_attention_mask(mask),
            "relative_pos": encoder.get_rel_pos(states),
            "rel_embeddings": encoder.get_rel_embedding(),
        }
    for layer in encoder.layer[first:]:
        found = layer(states, **more)
        states = found if isinstance(found, torch.Tensor) else found[0]
    return states


@pytest.mark.parametrize("family", ["mpnet", "deberta"])
def test_of_tables_that_layers_share_each_layer_reads_that_of_its_own_checkpoint(pair_of, family):
    pair = pair_of(family)
    after, before = models_of(pair)
    inputs = batch(after)
    with torch.inference_mode():
        states = {
            name: model.encoder(**inputs, output_hidden_states=True).hidden_states
            for name, model in (("after", after), ("before", before))
        }
        wanted = {}
        for k in range(DEPTH + 1):
            low, high = (("before", after), ("after", before))
            for intervention, (lower, upper) in ((LOWER, low), (UPPER, high)):
                if (intervention, k) not in ((LOWER, 0), (UPPER, 0)):
                    last = upper_layers(family, upper, states[lower][k], inputs["attention_mask"], k)
                    wanted[intervention, k] = after.model.qa_outputs(last)
        grafts = Grafts(LayeredModel(after, "after"), LayeredModel(before, "before"), ("graft",))
        found = dict(zip(grafts.variants, grafts(inputs), strict=True))
        seen = inputs["attention_mask"] > 0
        for variant, logits in wanted.items():
            for i, name in enumerate(("start", "end")):
                torch.testing.assert_close(found[variant][name][seen], logits[..., i][seen], rtol=1e-5, atol=1e-5)


def test_no_layer_is_computed_that_no_answer_needs(pair_of):
    """Grafts: two whole passes, and the layers above each border, both ways; resets: what stands above each layer."""
    models = models_of(pair_of("bert"))
    calls = []
    for model in models:
        for layer in model.encoder.encoder.layer:
            layer.attention.register_forward_pre_hook(lambda *_: calls.append(1))
    pair = [LayeredModel(model, "a model") for model in models]
    above = sum(range(1, DEPTH))
    wanted = {
        ("graft",): 2 * DEPTH + 2 * above,
        # All layers on embeddings of before; each layer of before once; all layers of after above each.
        ("reset",): 2 * DEPTH + DEPTH + DEPTH + above,
        # Those of before are computed by grafts, but for the first.
        ("graft", "reset"): 2 * DEPTH + 2 * above + DEPTH + 1 + above,
    }
    for functional, number in wanted.items():
        calls.clear()
        with torch.inference_mode():
            Grafts(*pair, functional)(batch(models[0]))
        assert len(calls) == number, functional


# Answers.


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    dice = random.Random(0)
    words = "the king built a castle on hill by river in 1912 , said who .".split()
    pages = []
    for i in range(12):
        text = " ".join(dice.choices(words, k=dice.randint(1, 90)))
        span = (0, text.count(" ") + 1, True)
        pages.append(Page(f"{i}", f"t{i // 3}", dice.choices(words, k=3), text, False, (span,), ()))
    path = tmp_path_factory.mktemp("documents") / "probe.jsonl.gz"
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


ASKED = {str(i) for i in range(12)}


def request(documents, path):
    return Request(documents, ASKED, str(path), OPTIONS)


def predicted(folder, documents, path):
    predict(str(folder), None, request(documents, path))
    return [row for _, row in files.read_json_lines(path)]


def rows_of(path):
    """The rows of each variant, without what is the variant's own."""
    found = {}
    for _, row in files.read_json_lines(path):
        found.setdefault((row.pop("intervention"), row.pop("layer")), []).append({**row, "cache_key": ""})
    return found


@pytest.fixture(scope="module")
def answers(pair_of, documents, tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "1of1.jsonl"
    answer(pair_of("bert"), ("graft", "reset"), request(documents, path))
    return path


@pytest.mark.parametrize("one", ["after", "before"])
def test_where_padding_shows_in_one_model_alone_both_read_texts_length_by_length(
    pair_of, documents, tmp_path, monkeypatch, one
):
    """Both traces have a pass for each length, or that of one would be read at another pass of the other."""
    pair, load = pair_of("bert"), joint_model.load

    def loaded(folder, *args):
        model = load(folder, *args)
        model.by_length = folder == getattr(pair, one)
        return model

    answer(pair, ("graft", "reset"), request(documents, tmp_path / "a.jsonl"))
    monkeypatch.setattr(joint_model, "load", loaded)
    answer(pair, ("graft", "reset"), request(documents, tmp_path / "b.jsonl"))
    wanted, found = rows_of(tmp_path / "a.jsonl"), rows_of(tmp_path / "b.jsonl")
    assert found.keys() == wanted.keys()
    for variant, rows in wanted.items():
        assert [row["span"] for row in found[variant]] == [row["span"] for row in rows]
        assert [row["score"] for row in found[variant]] == pytest.approx([row["score"] for row in rows], abs=2e-4)


def test_without_a_graft_the_answers_are_those_of_the_checkpoint_byte_for_byte(pair_of, answers, documents, tmp_path):
    wanted = [{**row, "cache_key": ""} for row in predicted(pair_of("bert").after, documents, tmp_path / "p.jsonl")]
    found = rows_of(answers)
    assert orjson.dumps(found[LOWER, 0]) == orjson.dumps(found[UPPER, DEPTH]) == orjson.dumps(wanted)


def test_with_all_layers_the_encoder_is_that_of_before_bit_for_bit(pair_of):
    after, before = models_of(pair_of("bert"))
    inputs = batch(after)
    with torch.inference_mode():
        wanted = after.model.qa_outputs(before.encoder(**inputs)[0])
        grafts = Grafts(LayeredModel(after, "after"), LayeredModel(before, "before"), ("graft",))
        found = dict(zip(grafts.variants, grafts(inputs), strict=True))
    seen = inputs["attention_mask"] > 0
    for variant in ((LOWER, DEPTH), (UPPER, 0)):
        assert torch.equal(found[variant]["start"][seen], wanted[..., 0][seen])


@pytest.mark.parametrize("variant", [(LOWER, 1), (LOWER, 2), (UPPER, 2), (RESET, 0), (RESET, 2)])
def test_answers_are_those_of_a_checkpoint_with_the_weights_swapped_by_hand(pair_of, answers, documents, tmp_path, variant):
    pair = pair_of("bert")
    after, before = models_of(pair)
    states = [copy.deepcopy(model.model.state_dict()) for model in (after, before)]
    swapped_by_hand(after, states, "bert", *variant).model.save_pretrained(tmp_path / "c")
    loading.load_tokenizer(pair.after).save_pretrained(tmp_path / "c")
    found, wanted = rows_of(answers)[variant], predicted(tmp_path / "c", documents, tmp_path / "p.jsonl")
    for one, other in zip(found, wanted, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=2e-4)
        assert [one[key] for key in ("example_id", "span", "text")] == [
            other[key] for key in ("example_id", "span", "text")
        ]


def test_what_is_answered_already_is_not_computed_again(pair_of, answers, documents, monkeypatch):
    before = answers.read_bytes()
    monkeypatch.setattr(Grafts, "__call__", lambda self, inputs: pytest.fail("computed again"))
    answer(pair_of("bert"), ("graft", "reset"), request(documents, answers))
    assert answers.read_bytes() == before


def test_resets_alone_give_what_they_give_beside_grafts(pair_of, answers, documents, tmp_path):
    answer(pair_of("bert"), ("reset",), request(documents, tmp_path / "r.jsonl"))
    found, wanted = rows_of(tmp_path / "r.jsonl"), rows_of(answers)
    assert found == {variant: rows for variant, rows in wanted.items() if variant[0] == RESET}


# What cannot be put together.


def test_with_heads_that_are_drawn_at_random_nothing_is_answered(pair_of, documents, tmp_path):
    pair = pair_of("bert")
    model, _ = joint_model.initial(pair.before, 7, frozen=True)
    del model.model.answer_type
    for head in (FROZEN, OWN, RANDOM.format(7)):
        heads, out = str(tmp_path / "heads.safetensors"), tmp_path / f"{head}.jsonl"
        joint_model.save_heads(model, heads, head)
        if head in (FROZEN, OWN):
            answer(pair._replace(heads=heads), ("graft",), request(documents, out))
            assert {key[0] for key in rows_of(out)} == {LOWER, UPPER}
            continue
        with pytest.raises(InputError, match=r"its heads are drawn at random, .* remove graft and reset from functional\."):
            answer(pair._replace(heads=heads), ("graft",), request(documents, out))
        assert not out.exists()


def test_albert_which_computes_one_layer_several_times_is_refused(tmp_path):
    folder = families.make("albert", tmp_path)
    with pytest.raises(InputError, match="AlbertModel says that it has 2 layers, and none that it calls one after"):
        LayeredModel(joint_model.initial(folder, 0)[0].eval(), "checkpoint a")


def test_checkpoints_of_another_depth_or_architecture_are_refused(pair_of, documents, tmp_path):
    after = pair_of("bert").after
    shallow = families.make("bert", tmp_path / "shallow")
    others = {"number of layers is 3, and that of": str(shallow), "architecture is bert": pair_of("electra").before}
    for said, before in others.items():
        with pytest.raises(InputError, match=said):
            answer(Pair(after, None, before), ("graft",), request(documents, tmp_path / "p.jsonl"))


def test_a_checkpoint_of_another_width_is_refused_before_heads_are_put_on_it(pair_of, documents, tmp_path):
    pair = pair_of("bert")
    narrow = shutil.copytree(pair.before, tmp_path / "narrow")
    config = AutoConfig.from_pretrained(narrow, hidden_size=16)
    AutoModel.from_config(config).save_pretrained(narrow)
    with pytest.raises(InputError, match=f"its width is .*, and that of {narrow} is 16, so their layers cannot"):
        answer(Pair(pair.after, None, str(narrow)), ("graft",), request(documents, tmp_path / "p.jsonl"))


def test_checkpoints_of_another_vocabulary_are_refused(pair_of, documents, tmp_path):
    pair = pair_of("bert")
    other = shutil.copytree(pair.before, tmp_path / "other")
    tokenizer = (other / "tokenizer.json").read_text(encoding="utf-8")
    (other / "tokenizer.json").write_text(tokenizer.replace('"sat"', '"zat"', 1), encoding="utf-8")
    with pytest.raises(InputError, match="its tokenizer has another vocabulary than that of"):
        answer(Pair(pair.after, None, str(other)), ("graft",), request(documents, tmp_path / "p.jsonl"))


def test_a_model_whose_layers_read_more_than_the_layer_below_is_refused(pair_of):
    """Gemma 3n gives each layer embeddings of its own; here the last layer of BERT reads the first one's states."""
    model, _ = models_of(pair_of("bert"))
    first, last = (model.encoder.encoder.layer[i] for i in (0, DEPTH - 1))
    seen, forward = [], last.forward
    first.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    last.forward = lambda states, *args, **kwargs: forward(states + seen[-1], *args, **kwargs)
    with pytest.raises(InputError, match="or one above it reads more than the layer below returns"):
        LayeredModel(model, "checkpoint a")
