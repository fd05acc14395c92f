"""How much work a configuration asks for, before any of its data is there, and how many jobs share it.

Facts about data sets, and a machine's rates, are estimates: they decide how work is cut, and no number that comes out.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from pairprobe.configuration.tasks import pair_tasks_of
from pairprobe.data import sources
from pairprobe.data.sampling import PARTITIONS

# BERT-base: layers of the encoder, and their width; bytes of a number, by how it is stored.
LAYERS, HIDDEN = 12, 768
NUMBER_BYTES = {"float16": 2, "float32": 4}
# Subtokens of a question, and the special ones around question and page.
QUESTION, SPECIAL = 12, 3
# Tokens a second that are cut into windows (200 pages of 9,000, a sixth of them markup, words from SQuAD).
TOKENS_PER_SECOND = 0.7e6
# No run needs more files of one kind than this, and a process may not have many more open.
MAX_SHARDS = 256


@dataclass(frozen=True)
class Estimates:
    """What is known of a data set's questions, as means."""

    paragraph: float  # the share of the questions with a paragraph that answers
    answered: float  # with any answer
    short: float  # with a short answer in a paragraph
    long_only: float  # of those with an answer, the share without a short one
    first: float  # of those with an answer, the share with it in the page's first paragraph
    words: tuple[float, float, float]  # of question, paragraph and sentence
    subtokens: tuple[int, int]  # of question with paragraph, and with sentence
    tokens: float  # of a page, markup included
    read: tuple[int, int]  # the least and the most of a page's subtokens that windows may hold
    packed: float  # bytes of a page in gzip
    pairs: float  # pairs an example, over the four pair tasks


# Words and subtokens (BERT's) were counted on 1,304 questions of Natural Questions' dev set and 3,000 of SQuAD 1.1's; pairs
# on 1,241 examples of the dev set (327 pairs).
ESTIMATES = {
    # Kwiatkowski et al. (2019): 49.5 % of the questions have a long answer, 72.9 % of these are paragraphs; 34.8 % have a
    # short one, here thought spread over paragraphs and others alike; of those with a long answer 37.8 % have it in the
    # first paragraph (the recall of their baseline that always takes that). A page has about 9,000 tokens; if each were a
    # word and read, that made 11,000 subtokens: the most. Alberti et al. (2019) count 30 windows a page, which at their
    # length and stride are 4,150 subtokens: the least, since their program reads 48 candidates of a page and ours all. The
    # simplified train set has 4.4 GB.
    "natural_questions": Estimates(
        0.495 * 0.729, 0.495, 0.348 * 0.729, 1 - 0.348 / 0.495, 0.378, (9.2, 108.4, 31.0), (134, 48), 9000, (4150, 11000),
        4.4e9 / 307373, 0.26,
    ),
    # A page is a paragraph, and each question has an answer in it. (Gzip makes little of a paragraph that comes again.)
    "squad": Estimates(1, 1, 1, 0, 1, (11.7, 145.7, 33.0), (178, 52), 146, (163, 163), 200, 0.26),
    # Counted.
    "bundled": Estimates(0.936, 0.936, 0.846, 0.096, 0.237, (7.8, 117, 30), (155, 48), 472, (480, 520), 1000, 1.79),
}  # fmt: skip
# The questions of each split, and gigabytes to download.
SPLITS = {
    ("natural_questions", "train"): (307373, 55.5),
    ("natural_questions", "validation"): (7830, 1.34),
    ("squad", "train"): (87599, 0.014),
    ("squad", "validation"): (10570, 0.002),
    ("squad_v2", "train"): (130319, 0.017),
    ("squad_v2", "validation"): (11873, 0.001),
}
# Counted: workflow/resources/README.md.
BUNDLED = 767
# Bytes of a question in files at hand, by how their names end: with its page for Natural Questions, where the simplified
# format is thought of; a question of a paragraph's several otherwise.
WEIGHTS = {
    "natural_questions": {".parquet": 180_000, ".gz": 14_300, "": 50_000},
    "squad": {".parquet": 165, ".gz": 90, "": 345},
    "examples": {".parquet": 400, ".gz": 400, "": 1200},
}


# Bytes of a word in a file of pairs, words of a text, and how many times as large gzip's content is.
WORD_BYTES, TEXT_WORDS, PACKED = 6, 40, 4


def count_windows(page: int, room: int, stride: int) -> int:
    """Count the windows of a page of so many subtokens, ``room`` in each, ``stride`` from one's beginning to the next's."""
    return 1 if page <= room else math.ceil((page - room) / stride) + 1


def files_of(config: dict) -> dict[str, tuple[float, float, tuple[str, ...]]]:
    """Return each file of data: the questions in it, the bytes to download, and the partitions that it is for."""
    data = config["data"]
    if data["source"] == "bundled":
        return {"bundled": (BUNDLED, 0.0, PARTITIONS)}
    if "files" in data:
        weights = WEIGHTS.get(data["source"].removesuffix("_v2"), WEIGHTS["examples"])
        return {
            path: (Path(path).stat().st_size / weights.get(Path(path).suffix, weights[""]), 0.0, partitions)
            for path, partitions in sources.local_files(data).items()
        }
    if data["source"] == "none":
        return {}
    wanted, found = sources.remote_files(data), {}
    for split, (pattern, number) in sources.PUBLISHED[data["source"]].files.items():
        questions, size = SPLITS[data["source"], split]
        for name in wanted.keys() & {pattern.format(i=i) for i in range(number)}:
            found[name] = questions / number, size * 1e9 / number, wanted[name]
    return {name: found[name] for name in wanted}


def questions_of(config: dict) -> dict[str, float]:
    """Estimate the questions of each partition."""
    found = dict.fromkeys(PARTITIONS, 0.0)
    for number, _, partitions in files_of(config).values():
        for name, share in sources.shares_of(partitions, config["partitions"]).items():
            found[name] += number * config["data"]["sample"] * share
    return found


def estimates_of(config: dict) -> Estimates:
    """Return the estimates of the configuration's data set; those of SQuAD for one that has none of its own."""
    return ESTIMATES.get(config["data"]["source"], ESTIMATES["squad"])


def views_of(config: dict) -> dict[tuple[str, str], tuple[float, int, float]]:
    """Return the examples, the subtokens of each, and the words of all, by view and partition."""
    means, questions = estimates_of(config), questions_of(config)
    found, asked = {}, means.words[0]
    for place, view, partition in ((0, "paragraph", "probe"), (1, "sentence", "probe"), (1, "sentence", "head")):
        examples = questions[partition] * (means.paragraph, means.short)[place]
        found[view, partition] = examples, means.subtokens[place], examples * (asked + means.words[1 + place])
    for task in pair_tasks_of(config):
        found[task.view, task.partition] = texts_of(task.pairs or "")
    return found


def texts_of(path: str) -> tuple[float, int, float]:
    """Return the texts of a table, the subtokens of each, and the words of all, by the size of its file."""
    words = Path(path).stat().st_size * (PACKED if Path(path).suffix == ".gz" else 1) / WORD_BYTES
    return words / TEXT_WORDS, round(1.3 * TEXT_WORDS) + SPECIAL, words


def answering_of(config: dict, page: int) -> tuple[float, float, int]:
    """Return the questions that a checkpoint answers, their windows, and the subtokens of a window."""
    settings = config["evaluation"]
    asked = min(settings["examples"] or math.inf, questions_of(config)["probe"])
    windows = asked * count_windows(page, settings["max_length"] - QUESTION - SPECIAL, settings["stride"])
    return asked, windows, min(settings["max_length"], page + QUESTION)


def loads(config: dict) -> dict[tuple[str, ...], float]:
    """Return how many times the configuration's budget each kind of work takes, for one checkpoint.

    The kinds: ``("features",)``, ``("predictions",)``, and ``("activations", view, partition)``.
    """
    budget, means, activations = config["budget"], estimates_of(config), config["activations"]
    seconds = 60 * budget["minutes"]
    _, windows, length = answering_of(config, means.read[1])
    found: dict[tuple[str, ...], float] = {
        ("features",): questions_of(config)["finetune"] * means.tokens / TOKENS_PER_SECOND / seconds,
        ("predictions",): windows * length / budget["subtokens_per_second"] / seconds,
    }
    word_bytes = NUMBER_BYTES[activations["storage"]] * (LAYERS + 1) * HIDDEN
    for (view, partition), (examples, subtokens, words) in views_of(config).items():
        time = examples * subtokens / budget["subtokens_per_second"] / seconds
        # Also where activations are temporary: a shard is on disk until it has been measured.
        found["activations", view, partition] = max(time, words * word_bytes / budget["gigabytes"] / 1e9)
    return found


def shards_of(config: dict) -> dict[tuple[str, ...], int]:
    """Return how many jobs share each kind of work (see ``loads``), so that none takes more than the budget.

    Powers of two, so that data which grows a little is cut as before. The configuration's own ``shards`` come first.
    """
    sections = {"features": "finetuning", "predictions": "evaluation", "activations": "activations"}
    return {
        kind: config[sections[kind[0]]]["shards"] or min(MAX_SHARDS, 1 << max(0, math.ceil(math.log2(max(load, 1)))))
        for kind, load in loads(config).items()
    }
