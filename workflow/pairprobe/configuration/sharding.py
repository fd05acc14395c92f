"""How much work a configuration asks for, before any of its data is there, and how many jobs share it.

Facts about data sets, and a machine's rates, are estimates: they decide how work is cut, and no number that comes out.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from pairprobe.data import sources
from pairprobe.data.partitions import PARTITIONS

# BERT-base: layers of the encoder, and their width.
LAYERS, HIDDEN = 12, 768
# Subtokens of a question, and the special ones around question and page.
QUESTION, SPECIAL = 12, 3
# Tokens a second that features.build cuts into windows (200 pages of 9,000, a sixth of them markup, words from SQuAD).
CUT = 0.7e6
# No run needs more files of one kind than this, and a process may not have many more open.
MOST = 256


@dataclass(frozen=True)
class Source:
    """A data set, by its mean question.

    paragraph, answered, short: the shares of the questions with a paragraph that answers, with any answer, and with a short
    answer in a paragraph. long_only: of those with an answer, the share without a short one; first: of them, the share with
    the answer in the page's first paragraph. words: of question, paragraph and sentence; subtokens: of question with
    paragraph, and with sentence; tokens: of a page, markup included. read: the least and the most of a page's subtokens
    that windows may hold. packed: bytes of a page in gzip.
    """

    paragraph: float
    answered: float
    short: float
    long_only: float
    first: float
    words: tuple[float, float, float]
    subtokens: tuple[float, float]
    tokens: float
    read: tuple[int, int]
    packed: float


# Words and subtokens (BERT's) were counted on 1,304 questions of Natural Questions' dev set and 3,000 of SQuAD 1.1's.
SOURCES = {
    # Kwiatkowski et al. (2019): 49.5 % of the questions have a long answer, 72.9 % of these are paragraphs; 34.8 % have a
    # short one, here thought spread over paragraphs and others alike; of those with a long answer 37.8 % have it in the
    # first paragraph (the recall of their baseline that always takes that).
    #
    # A page has about 9,000 tokens. If each were a word and read, that made 11,000 subtokens: the most. What is read are
    # the words of its top-level candidates. Alberti et al. (2019) count 30 windows a page, which at their length and
    # stride are 4,150 subtokens; their program reads 48 candidates and ours all: the least. The simplified train set has
    # 4.4 GB.
    "natural_questions": Source(
        paragraph=0.495 * 0.729,
        answered=0.495,
        short=0.348 * 0.729,
        long_only=1 - 0.348 / 0.495,
        first=0.378,
        words=(9.2, 108.4, 31.0),
        subtokens=(134, 48),
        tokens=9000,
        read=(4150, 11000),
        packed=4.4e9 / 307373,
    ),
    # A page is a paragraph, and each question has an answer in it. (Gzip makes little of a paragraph that comes again.)
    "squad": Source(1, 1, 1, 0, 1, (11.7, 145.7, 33.0), (178, 52), 146, (163, 163), 200),
    # Counted.
    "bundled": Source(0.83, 0.9, 0.76, 0.16, 0.2, (7.8, 117, 30), (155, 48), 472, (480, 520), 1000),
}
# The questions of each split, and gigabytes to download.
SPLITS = {
    ("natural_questions", "train"): (307373, 55.5),
    ("natural_questions", "validation"): (7830, 1.34),
    ("squad", "train"): (87599, 0.014),
    ("squad", "validation"): (10570, 0.002),
    ("squad_v2", "train"): (130319, 0.017),
    ("squad_v2", "validation"): (11873, 0.001),
}
BUNDLED = 730
# Bytes of a question in files at hand, by how their names end: with its page for Natural Questions, where the simplified
# format is thought of; a question of a paragraph's several otherwise.
WEIGHTS = {
    "natural_questions": {".parquet": 180_000, ".gz": 14_300, "": 50_000},
    "squad": {".parquet": 165, ".gz": 90, "": 345},
    "examples": {".parquet": 400, ".gz": 400, "": 1200},
}


def count_windows(page: int, room: int, stride: int) -> int:
    """Count the windows of a page of so many subtokens, ``room`` in each, ``stride`` from one's beginning to the next's."""
    return 1 if page <= room else math.ceil((page - room) / stride) + 1


def questions_of(config: dict) -> dict[str, float]:
    """Estimate the questions of each partition."""
    data, shares, found = config["data"], config["partitions"], dict.fromkeys(PARTITIONS, 0.0)
    if data["source"] == "bundled":
        files = [(BUNDLED, PARTITIONS)]
    elif "files" in data:
        weights = WEIGHTS.get(data["source"].removesuffix("_v2"), WEIGHTS["examples"])
        files = [
            (Path(path).stat().st_size / weights.get(Path(path).suffix, weights[""]), partitions)
            for path, partitions in sources.local_files(data).items()
        ]
    else:
        published = sources.PUBLISHED[data["source"]].files
        wanted = sources.remote_files(data)
        files = [
            (SPLITS[data["source"], split][0] / number, wanted[name])
            for split, (pattern, number) in published.items()
            for name in (pattern.format(i=i) for i in range(number))
            if name in wanted
        ]
    for number, partitions in files:
        for name, share in sources.shares_of(partitions, shares).items():
            found[name] += number * data["sample"] * share
    return found


def source_of(config: dict) -> Source:
    """Return the data set that a configuration's data is like."""
    return SOURCES.get(config["data"]["source"], SOURCES["squad"])


def loads(config: dict) -> dict[tuple[str, ...], float]:
    """Return how many times the configuration's budget each kind of work takes, for one checkpoint.

    The kinds: ``("features",)``, ``("predictions",)``, and ``("activations", view, partition)``.
    """
    budget, source, questions = config["budget"], source_of(config), questions_of(config)
    seconds = 60 * budget["minutes"]
    evaluation, page = config["evaluation"], source.read[1]
    room = evaluation["max_length"] - QUESTION - SPECIAL
    asked = min(evaluation["examples"] or math.inf, questions["probe"])
    predicted = asked * count_windows(page, room, evaluation["stride"]) * min(evaluation["max_length"], page + QUESTION)
    found = {
        ("features",): questions["finetune"] * source.tokens / CUT / seconds,
        ("predictions",): predicted / budget["subtokens_per_second"] / seconds,
    }
    word_bytes = {"float16": 2, "float32": 4}[config["activations"]["storage"]] * (LAYERS + 1) * HIDDEN
    # Where similarities are kept, two numbers of four bytes for each layer, of a pair or so an example (a logit has eight).
    measured_bytes = word_bytes if config["activations"]["keep"] == "all" else 8 * (LAYERS + 1)
    asked_words, paragraph_words, sentence_words = source.words
    for view, partition, share, subtokens, words, number_bytes in (
        ("paragraph", "probe", source.paragraph, source.subtokens[0], asked_words + paragraph_words, measured_bytes),
        ("sentence", "probe", source.short, source.subtokens[1], asked_words + sentence_words, measured_bytes),
        ("sentence", "head", source.short, source.subtokens[1], asked_words + sentence_words, word_bytes),
    ):
        examples = questions[partition] * share
        time = examples * subtokens / budget["subtokens_per_second"] / seconds
        found["activations", view, partition] = max(time, examples * words * number_bytes / budget["gigabytes"] / 1e9)
    return found


def shards_of(config: dict) -> dict[tuple[str, ...], int]:
    """Return how many jobs share each kind of work (see ``loads``), so that none takes more than the budget.

    Powers of two, so that data which grows a little is cut as before. The configuration's own ``shards`` come first.
    """
    sections = {"features": "finetuning", "predictions": "evaluation", "activations": "activations"}
    return {
        kind: config[sections[kind[0]]]["shards"] or min(MOST, 1 << max(0, math.ceil(math.log2(max(load, 1)))))
        for kind, load in loads(config).items()
    }
