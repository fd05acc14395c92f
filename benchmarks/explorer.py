"""How quick the explorer is with many pairs: the page's size, and the time to build it, to its first paint and for a click.

    .venv/bin/python benchmarks/explorer.py [--pairs 10000] [--layers 12]

Two checkpoints, four tasks, made-up paragraphs of 70 to 150 words; vectors are random, 32 wide, and drift from layer
to layer. Times are in a Chromium on this machine, which must be on the path; nothing else should run.
"""

import argparse
import resource
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pairprobe.activations import store
from pairprobe.data.examples import read_examples
from pairprobe.explorer.building import Checkpoint, Settings, build
from pairprobe.io import files
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings import measuring, pair_ranking
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, percentages
from pairprobe.rankings.similarity_store import Similarities

CHECKPOINTS, TASKS, HIDDEN = ("before", "after"), ("synonyms", "abbreviation", "coreference", "answer_type"), 32


def make(folder: Path, pairs: int, layers: int) -> dict:
    """Make a run of so many pairs; returns the arguments of ``pairprobe.explorer.build``."""
    dice = np.random.default_rng(0)
    lexicon = np.array(["".join(dice.choice(list("etaoinshrdlu"), dice.integers(2, 10))) for _ in range(8000)])
    examples, sets = str(folder / "examples.jsonl.gz"), {task: str(folder / f"{task}.jsonl") for task in TASKS}
    rows = []
    for i in range(pairs // len(TASKS)):
        question, paragraph = (dice.choice(lexicon, dice.integers(*size)).tolist() for size in ((7, 12), (70, 150)))
        spans = {"answer": None, "sentences": [[0, len(paragraph)]]}
        rows.append(
            {"example_id": str(10**18 + i), "title": f"Page {i}", "question": question, "paragraph": paragraph, **spans}
        )
    files.write_json_lines(examples, rows)
    for number, path in enumerate(sets.values()):
        side = {"anchor": {"side": "paragraph" if TASKS[number] == "coreference" else "question", "words": [number]}}
        files.write_json_lines(
            path, ({"example_id": r["example_id"], **side, "match": {"words": [9 * number, 9 * number + 1]}} for r in rows)
        )
    made = [_checkpoint(folder, name, rows, layers, examples, sets) for name in CHECKPOINTS]
    named = [(one.name, task, path) for one in made for task, path in one.rankings.items()]
    table = str(folder / "percentages.tsv")
    write_tsv(table, PERCENTAGE_FIELDS, percentages(named))
    return {
        "percentages": table,
        "examples": [examples],
        "sets": sets,
        "checkpoints": made,
        "settings": Settings("synthetic"),
    }


def _checkpoint(folder: Path, name: str, rows: list[dict], layers: int, examples: str, sets: dict) -> Checkpoint:
    dice = np.random.default_rng(CHECKPOINTS.index(name))
    index = store.Index()
    for row in rows:
        index.add(row["example_id"], row["example_id"], len(row["question"]), len(row["paragraph"]))
    path = str(folder / f"{name}.h5")
    with store.create(path, layers + 1, HIDDEN, "float16", index, {"view": "paragraph"}) as writer:
        for i, words in enumerate(index.words):
            vectors = dice.normal(size=(words, HIDDEN)) + 1
            for layer in range(layers + 1):
                writer.write(layer, i, vectors.astype(np.float16))
                vectors = 0.8 * vectors + 0.6 * dice.normal(size=vectors.shape) + 0.2
    rankings = {task: str(folder / f"{name}.{task}.tsv") for task in sets}
    measured = str(folder / f"{name}.similarities.h5")
    rows = {task: read_probing_set(pairs) for task, pairs in sets.items()}
    measuring.measure_similarities(path, rows, read_examples(examples), measured)
    with Similarities([measured]) as similarities:
        for task, ranked in rankings.items():
            pairs = similarities.pairs(task)
            pair_ranking.rank_pairs(read_probing_set(sets[task]), read_examples(examples), pairs, ranked)
    return Checkpoint(name, rankings, {task: [measured] for task in sets})


def built(path: str, arguments: dict) -> tuple[float, float]:
    """Build the page; returns seconds and the process's peak of memory in MiB."""
    started = time.perf_counter()
    build(path, **arguments)
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# In the page: from a click to the frame in which what it asked for is there.
UNTIL = """async ([act, seen]) => {
    const started = performance.now();
    new Function(act)();
    while (!new Function(`return ${seen}`)()) await new Promise(requestAnimationFrame);
    return (performance.now() - started) / 1000;
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd / 1000"
CLICKS = {
    "a point, the first time": ("document.querySelector('td button').click()", "document.querySelector('.item')"),
    "a pair": ("document.querySelector('.item').click()", "document.querySelector('.view .w.anchor')"),
    "another pair": (
        "document.querySelector('.item[data-i=\"5\"]').click()",
        "document.querySelector('.item[data-i=\"5\"]')?.ariaSelected === 'true'",
    ),
    "another layer": (
        "const s = document.getElementById('slider'); s.value = s.max; s.dispatchEvent(new Event('input'))",
        "document.getElementById('at').textContent === document.getElementById('slider').max",
    ),
    "a word of the search, of all pairs": (
        "const s = document.getElementById('search'); s.value = 'z'; s.dispatchEvent(new Event('input', {bubbles: 1}))",
        "document.getElementById('count').textContent.startsWith('0 of')",
    ),
}


def measure(page_file: Path) -> None:
    """Print the page's times in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        # The policy forbids what Playwright does to look into a page.
        page = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"file://{page_file}")
        page.wait_for_selector(".chart .main-svg")
        print(f"first paint {page.evaluate(PAINT):.2f} s, everything loaded {page.evaluate(LOADED):.2f} s")
        page.locator("#grid summary").first.click()
        for what, clicked in CLICKS.items():
            print(f"{what}: {page.evaluate(UNTIL, list(clicked)):.3f} s")
        print(f"elements in the page: {page.evaluate('document.querySelectorAll(String.fromCharCode(42)).length')}")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="keep what is made here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        arguments = make(folder, options.pairs, options.layers)
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            seconds, peak = alone.submit(built, str(folder / "explorer.html"), arguments).result()
        size = (folder / "explorer.html").stat().st_size / 1e6
        print(f"{options.pairs:,} pairs: {size:.1f} MB, built in {seconds:.0f} s with {peak:.0f} MiB of memory")
        measure(folder / "explorer.html")
