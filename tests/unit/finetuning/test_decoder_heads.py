"""Heads that answer questions on models of which transformers has none, or none that its own weights fit; on decoders."""

import families
import numpy as np
import peft
import pytest
import torch
import transformers
from decoders import DECODERS, make
from safetensors import safe_open
from trainings import built, page, run, weights, write_pages

from pairprobe.checkpoints import adaptation, adapters, inspection, loading
from pairprobe.evaluation import answering, predictions
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.features import Features
from pairprobe.finetuning.lora import Lora
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import windows


@pytest.fixture(scope="module")
def checkpoint_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decoders")
    return lambda family: folder / family if (folder / family).exists() else make(family, folder / family)


def batch(folder, lengths=(9, 30, 17)):
    ids = (torch.arange(len(lengths) * max(lengths)).view(len(lengths), -1) * 31) % 500 + 20
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return {
        "input_ids": ids.masked_fill(mask == 0, loading.padding_id(loading.load_config(folder))),
        "attention_mask": mask,
    }


@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_s_heads_are_linear_layers_on_its_last_hidden_states(checkpoint_of, family):
    folder = checkpoint_of(family)
    model, own = joint_model.initial(folder, 3)
    assert not own
    assert model.causal
    inputs, heads = batch(folder), model.head_state()
    with torch.inference_mode():
        found = model.eval()(**inputs)
        encoder = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        for i, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
            # By hand, each text alone: neither padding nor the other texts have any influence.
            states = encoder(input_ids=inputs["input_ids"][i : i + 1, :length], output_hidden_states=True)
            spans = states.last_hidden_state[0] @ heads["qa_outputs.weight"].T + heads["qa_outputs.bias"]
            kinds = states.hidden_states[-1][0, -1] @ heads["answer_type.weight"].T + heads["answer_type.bias"]
            for values, name in ((spans[:, 0], "start"), (spans[:, 1], "end")):
                assert torch.allclose(found[name][i, :length], values, atol=1e-4)
            assert torch.allclose(found["answer_type"][i], kinds, atol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "gemma3"])
def test_windows_put_the_question_first_behind_the_beginning(checkpoint_of, family):
    tokenizer = loading.load_tokenizer(checkpoint_of(family))
    [window] = windows(page(0), Subtokenizer(tokenizer), 64, 32)
    text = tokenizer.decode(window.input_ids)
    begin = tokenizer.bos_token
    assert text.startswith(begin)
    assert text.index("who built it") < text.index("the old castle")
    between = tokenizer.decode(window.input_ids[window.begin - 1 : window.begin])
    assert between in ("\n", begin)


@pytest.mark.slow
def test_a_decoder_is_trained_fully_and_by_lora_and_answers(checkpoint_of, tmp_path):
    folder = str(checkpoint_of("gemma"))
    pages = [page(i) for i in range(12)]
    features = built(folder, pages, tmp_path, max_length=48, stride=24)
    documents = write_pages(tmp_path / "asked.jsonl.gz", pages[:4])
    for how, changed in (("full", {}), ("lora", {"lora": Lora(4, 8), "learning_rate": 0.01})):
        out = run(folder, features, tmp_path / how, epochs=3, threads=2, **changed)
        inspection.verify(out)
        rows = (tmp_path / f"{how}.tsv").read_text().splitlines()[1:]
        losses = [float(row.split("\t")[2]) for row in rows]
        assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4]), how
        with safe_open(out / "model.safetensors", framework="pt") as tensors:
            assert {"qa_outputs.weight", "answer_type.weight"} < set(tensors.keys())
        settings = answering.Settings(48, 24, 10, 4, threads=1)
        asked = {one.example_id for one in pages[:4]}
        request = answering.Request(documents, asked, str(tmp_path / f"{how}.jsonl"), settings)
        answering.predict(str(out), None, request)
        assert len(list(predictions.read_predictions([str(tmp_path / f"{how}.jsonl")]))) == 4
    heads = run(folder, features, tmp_path / "heads", "train_answer_heads")
    assert torch.isfinite(weights(heads)["answer_type.weight"]).all()


def test_frozen_features_of_a_decoder_give_its_own_logits(checkpoint_of, tmp_path):
    from pairprobe.finetuning import frozen_features

    folder = str(checkpoint_of("gpt2"))
    found = Features(built(folder, [page(i) for i in range(6)], tmp_path, max_length=48, stride=24))
    model, _ = joint_model.initial(folder, 3, frozen=True)
    collate = joint_model.Collator(loading.load_tokenizer(folder))
    model.eval().requires_grad_(False)
    made = frozen_features.encode(model, found, collate, str(tmp_path), 1)
    rows = [0, len(found) - 1, 1]
    inputs = collate([(found[i]["input_ids"], found[i]["begin"]) for i in rows])
    with torch.inference_mode():
        wanted, logits = model(**inputs), model(**inputs, encoded=made.batch(rows))
    for name in wanted:
        assert torch.allclose(logits[name], wanted[name], atol=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "qwen2"])
def test_transformers_reads_what_was_trained_with_its_head(tmp_path, family, how):
    folder = (families.make if family == "bert" else make)(family, tmp_path / "start")
    features = built(str(folder), [page(i) for i in range(4)], tmp_path, max_length=48, stride=24)
    changed = {"lora": Lora(4, 8), "learning_rate": 0.01} if how == "lora" else {}
    out = run(str(folder), features, tmp_path / "out", epochs=1, **changed)
    named = loading.load_config(out).architectures[0]
    inputs, ours = batch(out), loading.load_encoder(out)
    with torch.inference_mode():
        wanted = ours(**inputs).last_hidden_state
        for auto in ("AutoModel", "AutoModelForQuestionAnswering"):
            model, told = getattr(transformers, auto).from_pretrained(out, output_loading_info=True)
            beside = {"answer_type.", *(() if "Question" in auto else ("qa_outputs.",))}
            assert all("pooler" in key for key in told["missing_keys"])
            assert all(key.startswith(tuple(beside)) for key in told["unexpected_keys"])
            assert torch.equal(model.eval().base_model(**inputs).last_hidden_state, wanted)
        assert type(model).__name__ == named
        logits, answers = joint_model.load(out).eval()(**inputs), model(**inputs)
    shown = inputs["attention_mask"] > 0
    assert torch.allclose(answers.start_logits[shown], logits["start"][shown], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "qwen2", "gemma"])
def test_what_lora_trained_is_an_adapter_of_peft_and_makes_the_checkpoint_again(tmp_path, family):
    folder = (families.make if family == "bert" else make)(family, tmp_path / "start")
    features = built(str(folder), [page(i) for i in range(4)], tmp_path, max_length=48, stride=24)
    out = run(str(folder), features, tmp_path / "out", epochs=1, lora=Lora(4, 8), learning_rate=0.01)
    kind = {"bert": "ForQuestionAnswering", "gpt2": "ForQuestionAnswering"}.get(family, "")
    auto = getattr(transformers, f"AutoModel{kind}")
    base = auto.from_pretrained(folder, dtype=torch.float32)
    by_peft = peft.PeftModel.from_pretrained(base, out / adapters.MERGED).eval()
    inputs, shown = batch(out), batch(out)["attention_mask"] > 0
    with torch.inference_mode():
        wanted, before = (loading.load_encoder(one)(**inputs).last_hidden_state for one in (out, folder))
        found = by_peft.base_model.model.base_model(**inputs).last_hidden_state
    assert (wanted - before)[shown].abs().max() > 1e-3
    assert torch.allclose(found[shown], wanted[shown], atol=1e-4)
    adaptation.adapt({"path": str(out / adapters.MERGED)}, str(folder), str(tmp_path / "again"))
    with torch.inference_mode():
        again, trained = (joint_model.load(one).eval()(**inputs) for one in (tmp_path / "again", out))
    assert all(torch.allclose(again[name], trained[name], atol=1e-4) for name in ("start", "end", "answer_type"))
