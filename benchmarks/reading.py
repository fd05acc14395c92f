"""How fast Natural Questions is read, as a ratio to ``gzip -dc FILE > /dev/null``, on one core.

    .venv/bin/python benchmarks/reading.py [PAGES] [ROUNDS]

The file is made for it, in the simplified format and of the real one's proportions: pages of 9,000 tokens, a fifth of them
markup, 120 candidates, every second page with an answer (the words are drawn from the bundled pages). Each round runs both,
one after the other; the ratio is that of their median times. Peak memory is that of the reading process.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pairprobe import files, mini_nq

ROOT = Path(__file__).parents[1]
TOKENS, CANDIDATES = 9000, 120
READ = """
import resource, sys, time
from pairprobe import natural_questions
started = time.perf_counter()
found = sum(document.chosen is not None for _, document in natural_questions.read(sys.argv[1]))
print(time.perf_counter() - started, found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def rows(pages: int):
    """Yield rows of the simplified format, of the real ones' size."""
    dice = random.Random(13)
    corpus = list(mini_nq.render((ROOT / "workflow/resources/pages").glob("*.yaml")))
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


def main(pages: int = 2000, rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/pages.jsonl.gz"
        files.write_json_lines(f"{folder}/pages.jsonl", rows(pages))
        subprocess.run(["gzip", f"{folder}/pages.jsonl"], check=True)
        text = sum(len(line) for _, line in files.read_lines(path)) / 1e6
        gzip, ours = [], []
        for _ in range(rounds):
            started = time.perf_counter()
            subprocess.run(["gzip", "-dc", path], stdout=subprocess.DEVNULL, check=True)
            gzip.append(time.perf_counter() - started)
            said = subprocess.run(
                [sys.executable, "-c", READ, path], capture_output=True, text=True, check=True
            ).stdout.split()
            ours.append(float(said[0]))
            memory = float(said[2])
            assert int(said[1]) == pages // 2
        ratios = sorted(a / b for a, b in zip(ours, gzip, strict=True))
        print(f"{pages} pages, {text:.0f} MB of text, {Path(path).stat().st_size / 1e6:.0f} MB on disk")
        bound, reading = statistics.median(gzip), statistics.median(ours)
        print(f"gzip -dc  {bound:.2f} s, {text / bound:.0f} MB/s")
        print(f"reading   {reading:.2f} s, {text / reading:.0f} MB/s, {memory:.0f} MB of memory")
        print(f"ratio     {reading / bound:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
