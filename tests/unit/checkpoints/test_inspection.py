"""What is looked at in a checkpoint, besides what test_broken_checkpoints breaks."""

import json
import logging
import shutil
import socket

import families
import huggingface_hub
import pytest
import sentencepiece
import transformers
from safetensors.torch import load_file, save_file

from pairprobe.checkpoints import fetching, inspection, loading
from pairprobe.errors import InputError


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return families.make("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    """The vocabulary of sentencepiece, as DeBERTa-v3 has it."""
    prefix = tmp_path_factory.mktemp("sentencepiece") / "spm"
    ids = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "bos_piece": "[CLS]", "eos_piece": "[SEP]"}
    ids |= {"pad_piece": "[PAD]", "unk_piece": "[UNK]", "user_defined_symbols": ["[MASK]"]}
    lines = iter(families.sentences())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_prefix=str(prefix), vocab_size=500, minloglevel=2, **ids
    )
    return prefix.with_suffix(".model")


def test_a_vocabulary_of_sentencepiece_alone_makes_a_fast_tokenizer(vocabulary, tmp_path):
    folder = families.make("deberta", tmp_path / "start")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    shutil.copy(vocabulary, folder / "spm.model")
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    words = "the King built the castle in 1912".split()
    found = loading.load_tokenizer(tmp_path / "target")(words, is_split_into_words=True, add_special_tokens=False)
    wanted = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary)).encode(" ".join(words))
    assert found["input_ids"] == wanted
    (folder / "spm.model").write_bytes(vocabulary.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"spm\.model is no whole sentencepiece model. Fetch it again\.$"):
        fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "cut"))
    (folder / "spm.model").write_text("<!doctype html>")
    with pytest.raises(InputError, match=r"spm\.model is no part of a tokenizer, but a web page"):
        fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "again"))


@pytest.fixture
def cased(tmp_path):
    """A BERT whose vocabulary has words with capitals, and whose files say nothing of case."""
    tokenizer = transformers.BertTokenizer(vocab=families.word_piece(families.BRACKETS))
    capitals = [word.capitalize() for word in tokenizer.get_vocab() if word.isalpha()]
    entries = [*sorted(vocabulary := tokenizer.get_vocab(), key=vocabulary.get), *capitals]
    config = transformers.BertConfig(vocab_size=len(entries), **families.SHAPE)
    transformers.BertModel(config).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(entries) + "\n")
    return tmp_path


def test_a_vocabulary_with_capitals_is_not_read_in_lower_case_by_default(cased):
    last = max(word for word in (cased / "vocab.txt").read_text().split() if word[0].isupper())
    with pytest.raises(
        InputError, match=rf"\d+% of the tokenizer's entries have capitals \({last}\).*copy .*do_lower_case"
    ):
        inspection.verify(cased)


def test_a_vocabulary_with_capitals_is_read_as_its_settings_say(cased, caplog):
    caplog.set_level(logging.WARNING, "pairprobe")
    (cased / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    inspection.verify(cased)
    assert loading.load_tokenizer(cased).tokenize("The King") == ["The", "King"]
    assert not caplog.records
    (cased / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    inspection.verify(cased)
    assert "have capitals" in caplog.text


def test_a_special_token_of_another_id_in_the_config_is_a_warning(bert, tmp_path, caplog):
    folder = shutil.copytree(bert, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sep_token_id": 77}))
    with caplog.at_level(logging.WARNING, "pairprobe"):
        inspection.verify(folder)
    assert "config.json has sep_token_id 77, and the tokenizer gives [SEP] the id 3" in caplog.text


def test_nothing_is_asked_of_the_hub_while_a_checkpoint_is_loaded(bert, monkeypatch):
    asked = []

    def connect(self, address):
        asked.append(address)
        raise OSError("no network")

    def reaching(*_, **__):
        return huggingface_hub.HfApi().model_info("some/backbone")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: connect(None, address))
    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", reaching)
    with pytest.raises(InputError, match=r"transformers cannot make a model of it: .*offline"):
        loading.load_encoder(bert)
    assert asked == []
    assert not huggingface_hub.is_offline_mode()


def saved(model, folder):
    """A checkpoint of another family, with BERT's tokenizer."""
    model.save_pretrained(folder)
    transformers.BertTokenizer(vocab=families.word_piece(families.BRACKETS)).save_pretrained(folder)
    return folder


def test_an_encoder_with_narrow_windows_is_no_decoder(tmp_path):
    config = transformers.LongformerConfig(vocab_size=600, attention_window=4, pad_token_id=0, **families.SHAPE)
    inspection.verify(saved(transformers.LongformerModel(config), tmp_path))


@pytest.mark.slow
def test_an_encoder_whose_layers_shorten_the_text_is_refused_when_it_is_fetched(tmp_path):
    config = transformers.FunnelConfig(vocab_size=600, block_sizes=[1, 1], d_model=32, n_head=2, d_head=16, d_inner=64)
    with pytest.raises(InputError, match=r"FunnelModel gives \d hidden states of the shapes .*, wanted 3 of"):
        inspection.verify(saved(transformers.FunnelModel(config), tmp_path))


def test_a_model_of_pictures_and_text_is_refused(tmp_path):
    text, vision = {"vocab_size": 600, **families.SHAPE}, {"image_size": 32, "patch_size": 16, **families.SHAPE}
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision))
    with pytest.raises(InputError, match=r"clip is no encoder of text alone"):
        inspection.verify(saved(model, tmp_path))


def test_a_model_whose_words_see_nothing_of_each_other_is_refused(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    blind = {key: 1e-30 * tensor if "attention" in key else tensor for key, tensor in weights.items()}
    save_file(blind, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"in BertModel no word sees another: its attention does not run here"):
        inspection.verify(folder)


def test_a_decoder_is_sound(tmp_path):
    tokenizer = families.modernbert_tokenizer()
    config = transformers.GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2)
    transformers.GPT2Model(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    inspection.verify(tmp_path)
