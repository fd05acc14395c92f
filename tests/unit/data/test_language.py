"""Whether a corpus can be English: texts in many languages, technical English, and English data sets page by page."""

import collections
from pathlib import Path

import pytest

from pairprobe.data import readers, text
from pairprobe.data.examples import example_of
from pairprobe.data.language import Language
from pairprobe.io.tsv import read_tsv

SHARED = Path(__file__).parents[3].parent / "shared"
TEXTS = {row["language"]: row["text"] for row in read_tsv(Path(__file__).parent / "languages.tsv")}
ENGLISH = [name for name in TEXTS if name.startswith("English")]


def language_of(words, times=1):
    found = Language()
    for _ in range(times):
        found.add(words)
    return found


def split(written):
    return [written[start:end] for start, end in text.word_spans(written)]


def test_counts_worked_by_hand():
    found = language_of(["The", "\u03b1-mill", "of", "1820", "磨坊", ",", "THE"])
    assert (found.words, found.function_words, found.letters, found.not_latin) == (5, 3, 15, 3)
    assert found.percentages == (60, 20)


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ENGLISH])
def test_another_language_is_foreign_once_there_are_enough_words(name):
    words = split(TEXTS[name])
    assert language_of(words, times=100).is_foreign
    assert not language_of(words).is_foreign
    script = name in ("Chinese", "Arabic", "Hindi")
    assert language_of(words).percentages[1] == 100 * script


@pytest.mark.parametrize("name", ENGLISH)
def test_technical_english_is_english(name):
    assert not language_of(split(TEXTS[name]), times=100).is_foreign


@pytest.mark.parametrize(
    ("source", "path", "least"),
    [
        ("natural_questions", "nq/nq-dev-sample.jsonl.gz", 300),
        pytest.param("squad", "squad/dev-part1-v1.1.json.gz", 20, marks=pytest.mark.slow),
    ],
)
def test_each_page_of_english_data_is_english(source, path, least):
    if not (SHARED / path).exists():
        pytest.skip("needs the data set")
    pages = collections.defaultdict(Language)
    for _, document in readers.read(source, SHARED / path):
        if not isinstance(example := example_of(document), str):
            pages[example.title].add([*example.question, *example.paragraph])
    assert sum(page.words >= 100 for page in pages.values()) >= least
    assert [title for title, page in pages.items() if page.is_foreign] == []
