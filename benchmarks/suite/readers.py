"""Reading Natural Questions beside ``gzip -dc FILE > /dev/null``, on one core.

The file is made for it, in the simplified format and of the real one's proportions: pages of 9,000 tokens, a fifth of them
markup, 120 candidates, every second page with an answer (the words are drawn from the bundled pages). Each round runs both,
one after the other, and the decompressor that reading uses; ratios are of the times of a round. Peak memory is that of the
reading process.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pairprobe.data import bundled_pages
from pairprobe.io import files
from pairprobe.tables.layout import markdown
from suite.children import environment
from suite.settings import Settings
from suite.timing import Spread, ratio

PAGES, QUICK = 1000, 200
LABELS = {
    "reading": "**pairprobe**, documents with their answers",
    "gzip": "`gzip -dc FILE > /dev/null`",
    "isal": "isal, which pairprobe decompresses with, alone",
}
ROOT = Path(__file__).parents[2]
TOKENS, CANDIDATES = 9000, 120
READ = """
import sys, time
from pairprobe.data import natural_questions
from suite.children import peak
started = time.perf_counter()
found = sum(document.selected is not None for _, document in natural_questions.read(sys.argv[1]))
print(time.perf_counter() - started, found, peak())
"""
INFLATE = """
import sys, time
from isal import igzip
started = time.perf_counter()
with igzip.open(sys.argv[1]) as file:
    while file.read(1 << 20):
        pass
print(time.perf_counter() - started)
"""


def rows(pages: int):
    """Yield rows of the simplified format, of the real ones' size."""
    dice = random.Random(13)
    corpus = list(bundled_pages.render((ROOT / "workflow/resources/pages").glob("*.yaml")))
    words = [token for row in corpus for token in row["document_text"].split(" ") if not token.startswith("<")]
    for number in range(pages):
        tokens = []
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
        size = len(tokens) // CANDIDATES
        candidates = [
            {"start_token": i * size, "end_token": (i + 1) * size, "top_level": i % 3 == 0} for i in range(CANDIDATES)
        ]
        answer = {"start_token": -1, "end_token": -1, "candidate_index": -1}
        short = []
        if number % 2:
            index = dice.randrange(CANDIDATES)
            answer = {**candidates[index], "candidate_index": index}
            del answer["top_level"]
            short = [{"start_token": answer["start_token"] + 5, "end_token": answer["start_token"] + 8}]
        yield {
            "example_id": number,
            "question_text": " ".join(dice.choices(words, k=9)),
            "document_url": f"https://en.wikipedia.org//w/index.php?title=Page_{number}&amp;oldid=1",
            "document_text": " ".join(tokens),
            "long_answer_candidates": candidates,
            "annotations": [
                {"yes_no_answer": "NONE", "long_answer": answer, "short_answers": short, "annotation_id": number}
            ],
        }


def run(code: str, path: str) -> list[str]:
    """Run some code on a file in a process of its own; returns what it prints."""
    command = [sys.executable, "-c", code, path]
    return subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def measure(settings: Settings) -> dict:
    """Measure reading, ``gzip`` and ``isal``; returns the sizes in bytes, and the seconds of each round."""
    pages = settings.size(PAGES, QUICK)
    measured: dict[str, list[float]] = {"reading": [], "gzip": [], "isal": []}
    with tempfile.TemporaryDirectory() as folder:
        path, memory = f"{folder}/pages.jsonl.gz", 0
        files.write_json_lines(f"{folder}/pages.jsonl", rows(pages))
        subprocess.run(["gzip", f"{folder}/pages.jsonl"], check=True)
        text = sum(len(line) for _, line in files.read_lines(path))
        for _ in range(settings.rounds):
            started = time.perf_counter()
            subprocess.run(["gzip", "-dc", path], stdout=subprocess.DEVNULL, check=True)
            measured["gzip"].append(time.perf_counter() - started)
            measured["isal"].append(float(run(INFLATE, path)[0]))
            taken, found, most = run(READ, path)
            measured["reading"].append(float(taken))
            memory = max(memory, int(most))
            assert int(found) == pages // 2
        packed = Path(path).stat().st_size
    return {"pages": pages, "text": text, "packed": packed, "memory": memory, "measured": measured}


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    text, gzip = found["text"] / 1e6, found["measured"]["gzip"]
    rows = [
        (LABELS[way], Spread.of([text / each for each in seconds]).written(0), ratio(seconds, gzip).written())
        for way, seconds in found["measured"].items()
    ]
    fields = ("way", "MB of text a second", "of gzip's time")
    return [
        f"{found['pages']:,} pages, {text:,.0f} MB of text, {found['packed'] / 1e6:,.0f} MB on disk; one core, "
        f"{found['memory'] / 2**20:,.0f} MiB of memory at most.",
        "",
        *markdown(fields, rows, fields[1:]).splitlines(),
    ]
