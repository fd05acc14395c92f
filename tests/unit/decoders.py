"""Tiny checkpoints of families of decoders, as ``families`` makes those of encoders: each with a tokenizer of its kind."""

import json
from pathlib import Path

import torch
import transformers
from families import SHAPE, byte_level, trained
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
END = "<|endoftext|>"
# Llama 3's, which came with tiktoken.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def of_bytes(kind, specials, **names):
    """A tokenizer of bytes, of a class of transformers."""
    model = json.loads(byte_level(specials).to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return getattr(transformers, kind)(vocab=model["vocab"], merges=merges, **names)


def of_pieces(kind, specials):
    """A tokenizer of sentencepiece's BPE, which falls back to bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    model = trained(tokenizer, trainers.BpeTrainer, [*specials, *BYTES], vocab_size=900, initial_alphabet=["\n"])
    return getattr(transformers, kind)(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])


def llama3_tokenizer():
    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained(tokenizer, trainers.BpeTrainer, [begin, end], initial_alphabet=alphabet)
    begins = [(begin, tokenizer.token_to_id(begin))]
    template = processors.TemplateProcessing(f"{begin} $A", f"{begin} $A {begin}:1 $B:1", begins)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end)


def llama_tokenizer():
    return of_pieces("LlamaTokenizer", ["<unk>", "<s>", "</s>"])


def gemma_tokenizer():
    return of_pieces("GemmaTokenizer", ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])


def qwen_tokenizer():
    return of_bytes("Qwen2Tokenizer", [END, "<|im_start|>", "<|im_end|>"])


def neox_tokenizer():
    return of_bytes("GPTNeoXTokenizer", [END, "<|padding|>"])


GROUPED = {"num_key_value_heads": 1}
HEADS = {**GROUPED, "head_dim": 16}
GEMMA = {**HEADS, "query_pre_attn_scalar": 16, "sliding_window": 8}
# family: (its tokenizer, its config and what is the family's own in it, how models of it are called, its first token)
DECODERS = {
    "gpt2": (lambda: of_bytes("GPT2Tokenizer", [END]), "GPT2Config", {}, "GPT2LMHeadModel", END),
    "llama": (llama_tokenizer, "LlamaConfig", GROUPED, "LlamaForCausalLM", "<s>"),
    "llama3": (llama3_tokenizer, "LlamaConfig", GROUPED, "LlamaForCausalLM", "<|begin_of_text|>"),
    "qwen2": (qwen_tokenizer, "Qwen2Config", GROUPED, "Qwen2ForCausalLM", None),
    "qwen3": (qwen_tokenizer, "Qwen3Config", HEADS, "Qwen3ForCausalLM", None),
    "gemma": (gemma_tokenizer, "GemmaConfig", HEADS, "GemmaForCausalLM", "<bos>"),
    "gemma2": (gemma_tokenizer, "Gemma2Config", {**GEMMA, "attn_logit_softcapping": 1.0}, "Gemma2ForCausalLM", "<bos>"),
    "gemma3": (
        gemma_tokenizer,
        "Gemma3TextConfig",
        {**GEMMA, "layer_types": ["sliding_attention", "full_attention"]},
        "Gemma3ForCausalLM",
        "<bos>",
    ),
    "mistral": (llama_tokenizer, "MistralConfig", {**GROUPED, "sliding_window": 8}, "MistralForCausalLM", "<s>"),
    "neox": (neox_tokenizer, "GPTNeoXConfig", {"rotary_pct": 0.25}, "GPTNeoXForCausalLM", END),
}


def make(family: str, folder: Path, seed: int = 0, **changed) -> Path:
    """Save a checkpoint of a family into a folder, as the hub has it: with its head, and no padding token of its own."""
    tokenizer_of, config, own, model, _ = DECODERS[family]
    tokenizer = tokenizer_of()
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    options = {"vocab_size": len(tokenizer), "initializer_range": 0.2, **SHAPE, **own, **ids, **changed}
    torch.manual_seed(seed)
    getattr(transformers, model)(getattr(transformers, config)(**options)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
