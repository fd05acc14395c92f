"""The three partitions of the examples, disjoint by page title: written file by file, then put together.

Which partition a page belongs to is a hash of its title and the seed, so neither the order of the files, nor their number,
nor data that is added moves a page. Only where files are meant for one partition each can a page come into two: then it
stays in the later one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pairprobe.data.documents import Document, check_unique
from pairprobe.data.examples import example_of
from pairprobe.data.pages import page_of, row_of
from pairprobe.data.sampling import PARTITIONS, hash_unit
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log
from pairprobe.io.tsv import read_tsv

COUNT_FIELDS = ("partition", "what", "number")
LEFT_OUT = "left out"
# What is counted of pages that two partitions have, as those of two splits of a data set may be.
SHARED_PAGES = "pages in two partitions, which stay in the later one"
SHARED_QUESTIONS = "the page is in a later partition too"

_COUNTED = (
    "questions",
    "examples",
    "with a short answer",
    "with several short answers",
    "with yes or no",
    "with a nested paragraph",
    "with several annotations",
)


@dataclass(frozen=True, slots=True)
class Part:
    """The files that one file of data becomes.

    examples and documents: ``{partition: path}``, JSON lines with gzip; of a partition that ``documents`` lacks no
    documents are written. index: JSON lines, for each question its example_id, where it is, its partition, its page's title
    and the rows of ``counts`` that it is ``counted`` in. counts: the table that ``write_partitions`` returns.
    """

    examples: dict[str, Path]
    documents: dict[str, Path]
    index: Path
    counts: Path

    @classmethod
    def of(cls, folder: str | Path, pages: Iterable[str] = PARTITIONS) -> "Part":
        """Name the files in a folder; pages: the partitions whose documents are written."""
        folder = Path(folder)
        return cls(
            {name: folder / "examples" / f"{name}.jsonl.gz" for name in PARTITIONS},
            {name: folder / "documents" / f"{name}.jsonl.gz" for name in pages},
            folder / "index.jsonl.gz",
            folder / "counts.tsv",
        )


def partition_of(title: str, seed: int, shares: dict[str, float]) -> str:
    """Return the partition of a page: a hash of its title and the seed, so that more data moves no page to another.

    shares: the share of pages for each of ``PARTITIONS``, together 1.
    """
    place = hash_unit(seed, title)
    for name in PARTITIONS:
        place -= shares[name]
        if place < 0:
            return name
    return PARTITIONS[-1]


def in_sample(example_id: str, seed: int, share: float) -> bool:
    """Whether a question is in the share of all questions that is taken, 0 to 1: a hash of it and the seed decides."""
    return share >= 1 or hash_unit(seed, "sample", example_id) < share


def write_partitions(
    documents: Iterable[tuple[str, Document | InputError]],
    part: Part,
    seed: int,
    shares: dict[str, float],
    sample: float = 1.0,
    on_bad_input: str = "stop",
) -> list[tuple[str, str, int]]:
    """Write the examples and documents of one file of data, one document in memory at a time.

    documents: ``(where, document)``, or an error in the document's place, which is raised; if on_bad_input is "skip", it
    is logged and counted. shares: of the pages, for each partition. sample: the share of the questions that is taken at
    all. A question without a paragraph that answers has its page in the documents, and goes to no examples.

    Returns rows ``(partition or "left out", what, number)`` in a fixed order. Raises InputError where the shares are not 1
    together, and for an example_id that occurs twice.
    """
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(
            f"partitions: the shares are {shares}, together {sum(shares.values()):g}; they must make 1 together."
        )
    counts: Counter = Counter()
    seen: dict[str, str] = {}
    paths: dict[str | tuple[str, str], Path] = {("example", name): path for name, path in part.examples.items()}
    paths |= {("document", name): path for name, path in part.documents.items()}
    with files.json_lines_writers({**paths, "index": part.index}) as write:
        for where, found in documents:
            try:
                if isinstance(found, InputError):
                    raise found
                document = found
                check_unique(document.example_id, where, seen)
                taken = in_sample(document.example_id, seed, sample)
                name = partition_of(document.title, seed, shares)
                wanted = taken and name in part.documents and document.question
                page = row_of(page_of(document)) if wanted else None
            except InputError as error:
                if on_bad_input == "stop":
                    hint = "(data.on_bad_input: skip leaves such questions out and counts them.)"
                    raise InputError(f"{error} {hint}") from None
                log.warning("skipped: %s", error)
                counts[LEFT_OUT, "bad input, skipped"] += 1
                continue
            if not taken:
                counts[LEFT_OUT, "not in the sample"] += 1
                continue
            if not document.question:
                counts[LEFT_OUT, "the question has no words"] += 1
                continue
            if page is not None:
                write["document", name](page)
            counted = _write_example(write, document, name)
            counts.update(counted)
            told = {"example_id": document.example_id, "where": where, "partition": name, "title": document.title}
            write["index"]({**told, "counted": counted})
    return _rows(counts)


def _write_example(write: Mapping[Any, Callable[[Any], object]], document: Document, name: str) -> list[tuple[str, str]]:
    """Write a question's example to its partition, where a paragraph answers it; return what is counted of it."""
    example = example_of(document)
    if isinstance(example, str):
        return [(name, "questions"), (LEFT_OUT, example)]
    write["example", name](asdict(example))
    return [(name, "questions"), *_facts(name, document)]


def _facts(name: str, document: Document) -> list[tuple[str, str]]:
    """Return the rows that the example of a document is counted in."""
    annotation = document.selected
    if annotation is None:  # then there is no example to count
        return []
    facts = (
        True,
        bool(annotation.short_answers),
        len(annotation.short_answers) > 1,
        annotation.yes_no is not None,
        annotation.nested,
        len(document.annotations) > 1,
    )
    return [(name, what) for what, holds in zip(_COUNTED[1:], facts, strict=True) if holds]


def _rows(counts: Counter) -> list[tuple[str, str, int]]:
    rows = [(name, what, counts[name, what]) for name in PARTITIONS for what in _COUNTED]
    return rows + [(*key, counts[key]) for key in sorted(+counts) if key[0] == LEFT_OUT]


def collect_partitions(parts: list[Part], collected: Part) -> list[tuple[str, str, int]]:
    """Put together what ``write_partitions`` made of several files of data, in the order given.

    A page that is in two partitions, as can be where files are meant for one partition each, stays in the later one of
    ``PARTITIONS``: in ``probe``, else in ``head``. So nothing that is reported was trained on. The questions that this
    leaves out are counted.

    collected: its examples and documents are written; its index and counts are not. Returns the counts of all the parts,
    with the number of pages. Raises InputError for an example_id that two parts have.
    """
    counts: Counter = Counter()
    seen: dict[str, str] = {}
    partitions_of: dict[str, set[str]] = {}
    for part in parts:
        for _, row in files.read_json_lines(part.index):
            check_unique(row["example_id"], row["where"], seen)
            partitions_of.setdefault(row["title"], set()).add(row["partition"])
        for row in read_tsv(part.counts, COUNT_FIELDS):
            counts[row["partition"], row["what"]] += int(row["number"])
    if not seen:
        why = ", ".join(f"{number} {what}" for (_, what), number in sorted(counts.items()) if number)
        raise InputError(
            f"data: no question is left of all files ({why or 'there are none'}). The log of each file says more."
        )
    partition_with = {title: max(names, key=PARTITIONS.index) for title, names in partitions_of.items()}
    shared = {title for title, names in partitions_of.items() if len(names) > 1}
    if shared:
        _count_shared(counts, parts, shared, partition_with)
    for targets, of_parts in (
        (collected.examples, [part.examples for part in parts]),
        (collected.documents, [part.documents for part in parts]),
    ):
        for name, target in targets.items():
            elsewhere = {title for title in shared if name in partitions_of[title] and partition_with[title] != name}
            _collect(target, [of_part[name] for of_part in of_parts], elsewhere)
    pages = Counter(partition_with.values())
    rows = [(name, "pages", pages[name]) for name in PARTITIONS] + _rows(counts)
    rows.sort(key=lambda counted: (*PARTITIONS, LEFT_OUT).index(counted[0]))
    for counted in rows:
        log.info("%s: %s: %d", *counted)
    if len(partition_with) == 1 < len(seen):
        log.warning(
            "all %d questions are on one page, %r, and a page goes to one partition as a whole: the others are empty. If "
            "it is no title but a name for many texts, write each text's own, or none; then each context is a page.",
            len(seen),
            *partition_with,
        )
    return rows


def _count_shared(counts: Counter, parts: list[Part], shared: set[str], partition_with: dict[str, str]) -> None:
    """Count the questions of pages in two partitions as left out of the earlier one, in place of what they counted as."""
    for part in parts:
        for _, row in files.read_json_lines(part.index):
            if row["title"] in shared and row["partition"] != partition_with[row["title"]]:
                counts.subtract(map(tuple, row["counted"]))
                counts[LEFT_OUT, SHARED_QUESTIONS] += 1
    counts[LEFT_OUT, SHARED_PAGES] = len(shared)
    log.warning(
        "%d pages are in two partitions, such as %r: %d questions are left out, so that nothing that is reported was "
        "trained on. If that is no title but a name for many texts, write each text's own, or none.",
        len(shared),
        min(shared),
        counts[LEFT_OUT, SHARED_QUESTIONS],
    )


def _collect(target: Path, sources: list[Path], elsewhere: set[str]) -> None:
    """Write the lines of several files one after the other, without those of pages that are elsewhere."""
    if not elsewhere:
        files.concatenate({target: sources})
        return
    lines = (row for source in sources for _, row in files.read_json_lines(source))
    files.write_json_lines(target, (row for row in lines if row["title"] not in elsewhere))
