"""Reading a file of Natural Questions, beside ``gzip -dc FILE > /dev/null`` and beside decompressing alone.

    .venv/bin/python benchmarks/reading.py              a file of the real one's proportions, made here
    .venv/bin/python benchmarks/reading.py --nq FILE    a real one

Nothing else should run.
"""

import random
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from isal import igzip

import turns
from pairprobe.data import bundled_pages, natural_questions
from pairprobe.io import files
from pairprobe.tables.layout import markdown

TOKENS, CANDIDATES = 9000, 120  # of a page
GZIP = "`gzip -dc FILE > /dev/null`"


def rows(pages: int) -> Iterator[dict]:
    """Yield rows of the simplified format, of the real ones' size; every second page has an answer."""
    dice = random.Random(13)
    texts = [row["document_text"].split(" ") for row in bundled_pages.render(turns.PAGES.glob("*.yaml"))]
    words = [token for tokens in texts for token in tokens if not token.startswith("<")]
    size = TOKENS // CANDIDATES
    for number in range(pages):
        tokens: list[str] = []
        while len(tokens) < TOKENS:
            tokens += [
                "<P>",
                *dice.choices(words, k=60),
                "</P>",
                "<Tr>",
                "<Td>",
                *dice.choices(words, k=3),
                "</Td>",
                "</Tr>",
            ]
        spans = [{"start_token": i * size, "end_token": (i + 1) * size} for i in range(CANDIDATES)]
        long, short = {"start_token": -1, "end_token": -1, "candidate_index": -1}, []
        if number % 2:
            index = dice.randrange(CANDIDATES)
            long = {**spans[index], "candidate_index": index}
            short = [{"start_token": long["start_token"] + 5, "end_token": long["start_token"] + 8}]
        yield {
            "example_id": number,
            "question_text": " ".join(dice.choices(words, k=9)),
            "document_url": f"https://en.wikipedia.org//w/index.php?title=Page_{number}&amp;oldid=1",
            "document_text": " ".join(tokens),
            "long_answer_candidates": [{**span, "top_level": i % 3 == 0} for i, span in enumerate(spans)],
            "annotations": [
                {"yes_no_answer": "NONE", "long_answer": long, "short_answers": short, "annotation_id": number}
            ],
        }


def read(path: Path) -> int:
    """Read documents with their answers; returns how many have one."""
    return sum(document.selected is not None for _, document in natural_questions.read(path))


def inflate(path: Path) -> None:
    """Decompress a file, as reading it does, and nothing more."""
    with igzip.open(path) as file:
        while file.read(1 << 20):
            pass


def main() -> None:
    """Measure reading, gzip and isal."""
    given = turns.options(__doc__, rounds=5, pages=1000)
    with tempfile.TemporaryDirectory() as folder:
        path = given.nq or Path(folder) / "pages.jsonl.gz"
        if given.nq is None:
            files.write_json_lines(path, rows(given.pages))
        ways = {
            "**pairprobe**, documents with their answers": partial(read, path),
            GZIP: partial(subprocess.run, ["gzip", "-dc", path], stdout=subprocess.DEVNULL, check=True),
            "isal, which pairprobe decompresses with, alone": partial(inflate, path),
        }
        measured = turns.in_turn({name: partial(turns.seconds, way) for name, way in ways.items()}, given.rounds)
        megabytes = sum(len(line) for _, line in files.read_lines(path)) / 1e6
    table = [
        (way, turns.spread([megabytes / each for each in seconds], 0), turns.spread(turns.ratios(seconds, measured[GZIP])))
        for way, seconds in measured.items()
    ]
    fields = ("way", "MB of text a second", "of gzip's time")
    print(f"## Reading Natural Questions\n\n{megabytes:,.0f} MB of text.\n\n{markdown(fields, table, fields[1:])}")


if __name__ == "__main__":
    main()
