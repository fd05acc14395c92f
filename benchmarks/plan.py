"""What a configuration will cost: questions, downloads, disk, time and memory, from the data set's counts.

    .venv/bin/python benchmarks/plan.py CONFIG ...
    .venv/bin/python benchmarks/plan.py --measure       the rates below, on this machine

The counts are the data sets' own; the mean lengths were measured on 1,304 questions of Natural Questions' dev set and 3,000
of SQuAD 1.1's with BERT's vocabulary; the rates on two cores of an AMD EPYC with avx512_bf16, BERT-base, with --measure.
"""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from pairprobe import sources
from pairprobe.settings import check, read_schema

ROOT = Path(__file__).parents[1]
LAYERS, HIDDEN = 13, 768
CHECKPOINT = 0.44e9  # bytes: BERT-base in float32
# Subtokens a second, BERT-base in bfloat16 on two cores, and peak memory in GB, rounded up: extraction, training.
EXTRACTED, TRAINED = 1700, 200
EXTRACTION_MEMORY, TRAINING_MEMORY = 2, 8


@dataclass(frozen=True)
class Counts:
    """The questions of a split and the size of its files; the shares of them with a paragraph that answers, and with a
    short answer in it.

    Mean lengths in words (question, paragraph, sentence) and subtokens (question with paragraph, with sentence, page).
    """

    questions: int
    gigabytes: float
    paragraph: float
    short: float
    words: tuple[float, float, float]
    subtokens: tuple[float, float, float]


# Kwiatkowski et al. (2019): 49.5 % of the questions have a long answer, 72.9 % of these are paragraphs; 34.8 % have short
# answers, here thought spread over paragraphs and others alike; a page has about 9,000 tokens, 11,000 subtokens.
_NQ = {"paragraph": 0.495 * 0.729, "short": 0.348 * 0.729, "words": (9.2, 108.4, 31.0), "subtokens": (134, 48, 11000)}
_SQUAD = {"paragraph": 1.0, "short": 1.0, "words": (11.7, 145.7, 33.0), "subtokens": (178, 52, 178)}
COUNTS = {
    ("natural_questions", "train"): Counts(307373, 55.5, **_NQ),
    ("natural_questions", "validation"): Counts(7830, 1.34, **_NQ),
    ("squad", "validation"): Counts(10570, 0.002, **_SQUAD),
}


def plan(path: str) -> list[str]:
    """Compute the lines that stand at the head of a configuration."""
    config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    check(config, read_schema(str(ROOT / "workflow/schemas/config.schema.yaml")))
    data, shares = config["data"], config["partitions"]
    splits = data.get("splits", ["validation"])
    if "files" in data or (data["source"], *splits) not in COUNTS:
        known = ", ".join(" ".join(key) for key in COUNTS)
        sys.exit(f"error: {path}: it downloads no one split whose counts are known here. Known: {known}.")
    (split,) = splits
    counts = COUNTS[data["source"], split]
    files = sources.PUBLISHED[data["source"]].files["hub"][split][1]
    part = min(1, data.get("shards", files) / files)
    asked = counts.questions * part * data["sample"]
    paragraphs, short = asked * counts.paragraph, asked * counts.short
    # How often each view is read: the probe's paragraphs, and the sentences of probe and head.
    views = [
        (shares["probe"] * paragraphs, counts.words[0] + counts.words[1], counts.subtokens[0]),
        ((shares["probe"] + shares["head"]) * short, counts.words[0] + counts.words[2], counts.subtokens[1]),
    ]
    number = len(config["checkpoints"])
    bytes_each = 2 if config["activations"]["storage"] == "float16" else 4
    store = number * sum(n * words for n, words, _ in views) * LAYERS * HIDDEN * bytes_each / 1e9
    forward = number * sum(n * subtokens for n, _, subtokens in views) / EXTRACTED
    answering = number * min(config["evaluation"]["examples"] or 1e9, shares["probe"] * short)
    forward += answering * counts.subtokens[2] * overlap(config["evaluation"], counts) / EXTRACTED
    trained = [name for name, value in config["checkpoints"].items() if value["source"] == "finetune"]
    settings = config["finetuning"]
    windows = 1.3 + settings["unanswered"] * counts.subtokens[2] / (settings["max_length"] - settings["stride"])
    training = shares["finetune"] * short * windows * settings["max_length"] * settings["epochs"] / TRAINED
    lines = [
        f"{asked:,.0f} questions: {paragraphs:,.0f} with a paragraph that answers, {short:,.0f} with a short answer in it",
        f"downloads: {counts.gigabytes * part + (number - len(trained)) * CHECKPOINT / 1e9:,.1f} GB; "
        f"activations: {store:,.0f} GB; memory: {EXTRACTION_MEMORY} GB a job"
        + (f", {TRAINING_MEMORY} GB in training" if trained else ""),
        f"time on two cores: activations and answers {hours(forward)}"
        + (f"; training {hours(len(trained) * training)}, so take a GPU" if trained else ""),
    ]
    return [f"# {line}" for line in lines]


def overlap(settings: dict, counts: Counts) -> float:
    """Return how often a subtoken of a page is read, since windows overlap."""
    fits = counts.subtokens[2] <= settings["max_length"]
    return 1.0 if fits else settings["max_length"] / (settings["max_length"] - settings["stride"])


def hours(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.0f} h"


def measure() -> None:
    """Print the rates of a BERT-base with random weights on one core, times two, and the memory that each takes."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    from pairprobe import activations
    from pairprobe.encoding import NO_WORD, Encoding

    torch.set_num_threads(1)
    model = BertForQuestionAnswering(BertConfig())
    ids = torch.randint(1000, 30000, (8, 512), generator=torch.Generator().manual_seed(13))
    batch = [Encoding(row[:150].numpy(), row[:150].numpy() * 0, row[:150].numpy() * 0 + NO_WORD, 0, 0) for row in ids]
    encoder = model.bert.to(torch.bfloat16).eval()
    started = time.process_time()
    for _ in range(4):
        list(activations.hidden_states(encoder, batch, "cpu"))
    report("extraction", 4 * 8 * 150, started)
    model = model.float().train()
    optimizer = torch.optim.AdamW(model.parameters())
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        first, last = torch.arange(8), torch.arange(8) + 2
        model(input_ids=ids, start_positions=first, end_positions=last).loss.backward()
    optimizer.step()
    report("training", ids.numel(), started)


def report(what: str, subtokens: int, started: float) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what}: {2 * subtokens / (time.process_time() - started):.0f} subtokens/s, {memory:.1f} GB")


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        measure()
    for path in sys.argv[1:] if sys.argv[1:] != ["--measure"] else []:
        print(path, *plan(path), sep="\n")
