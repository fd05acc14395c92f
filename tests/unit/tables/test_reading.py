import pytest

from pairprobe.io.tsv import write_tsv
from pairprobe.tables.reading import causal_told, norm_told, reading_told

BERT, BERT_BACK = ("no", "question_first"), ("no", "paragraph_first")
GPT, GPT_ASKED = ("yes", "paragraph_first"), ("yes", "question_first")


def told(tmp_path, *rows, recipes=None, reads=(), norms=(), say=reading_told):
    """rows: (checkpoint, view, causal, order). reads, norms: {checkpoint: what it reads}, {checkpoint: its final norm}."""
    fields = ("checkpoint", "view", "shard", "causal", "order", "reads", "final_norm")
    lines = [
        (name, view, "probe-1of1", causal, order, dict(reads).get(name, ""), dict(norms).get(name, "none"))
        for name, view, causal, order in rows
    ]
    write_tsv(tmp_path / "a.tsv", fields, lines)
    return say(str(tmp_path / "a.tsv"), {"gpt": "GPT-2"}, recipes or {})


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ({"bert": BERT, "roberta": BERT}, ""),
        ({"gpt": GPT}, "GPT-2 reads the paragraph first, and each word sees only what stands before it."),
        ({"gpt": GPT_ASKED}, "GPT-2 reads the question first, and each word sees only what stands before it."),
        (
            {"gpt": GPT, "bert": BERT, "llama": GPT, "qwen": GPT},
            "GPT-2, Llama and Qwen read the paragraph first, and each word sees only what stands before it. "
            "Bert reads the question first, and each word sees all others.",
        ),
        ({"bert": BERT_BACK}, "Bert reads the paragraph first, and each word sees all others."),
    ],
)
def test_what_is_not_as_in_bert_is_said(tmp_path, read, said):
    rows = [(name, view, *how) for view in ("paragraph", "sentence") for name, how in read.items()]
    assert told(tmp_path, *rows) == said


def test_a_text_that_is_read_alone_has_no_order(tmp_path):
    alone = ("gpt", "text", *GPT)
    assert told(tmp_path, alone) == "In GPT-2 each word sees only what stands before it."
    both = told(tmp_path, alone, ("gpt", "paragraph", *GPT))
    assert both == "GPT-2 reads the paragraph first, and each word sees only what stands before it."
    assert told(tmp_path, ("bert", "text", *BERT)) == ""


def test_the_seeds_of_a_recipe_are_named_once(tmp_path):
    rows = [(f"tuned-seed{seed}", "paragraph", *GPT) for seed in (1, 2)]
    said = told(tmp_path, *rows, recipes={"tuned": ["tuned-seed1", "tuned-seed2"]})
    assert said == "Tuned reads the paragraph first, and each word sees only what stands before it."


def test_separators_are_told_of_each_checkpoint(tmp_path):
    reads = {
        "gpt": "<s> paragraph \\n question",
        "bert": "[CLS] question [SEP] paragraph [SEP]",
        "tiny": "<s> paragraph question",
    }
    rows = [("gpt", "paragraph", *GPT), ("bert", "paragraph", *BERT), ("tiny", "paragraph", *GPT)]
    sees = "and each word sees only what stands before it."
    wanted = [
        f"GPT-2 reads the paragraph first (<s> paragraph \\n question), {sees}",
        "Bert reads the question first ([CLS] question [SEP] paragraph [SEP]), and each word sees all others.",
        f"Tiny reads the paragraph first (<s> paragraph question), {sees}",
    ]
    assert told(tmp_path, *rows, reads=reads) == " ".join(wanted)
    assert told(tmp_path, *rows, reads=reads, say=causal_told) == [wanted[0], wanted[2]]


@pytest.mark.parametrize(
    ("norm", "said"),
    [
        ("none", ""),
        ("as_given", "In GPT-2 the last layer is taken behind the model's final norm, all others are before it."),
        ("raw", "In GPT-2 the last layer is taken before the model's final norm, as all others are (final_norm: raw)."),
        ("normed", "In GPT-2 every layer is taken through the model's final norm (final_norm: normed)."),
    ],
)
def test_the_final_norm_is_told_of_models_that_have_one(tmp_path, norm, said):
    rows = [("bert", "paragraph", *BERT), ("gpt", "paragraph", *GPT)]
    assert told(tmp_path, *rows, norms={"gpt": norm}, say=norm_told) == said
