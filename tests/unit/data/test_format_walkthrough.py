"""docs/how-to/add_a_data_format.md, taken at its word in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "add_a_data_format.md").read_text(encoding="utf-8")
TESTS = [
    "tests/unit/data/test_formats.py::test_every_source_of_the_schema_has_a_reader_and_another_name_has_none",
    "tests/unit/configuration/test_readme.py",
    "tests/unit/test_structure.py",
]


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the page's format in the five places; returns how to run a command in it."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("config", "docs", "scripts", "tests", "workflow"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pages"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    library = folder / "workflow" / "pairprobe"
    module, entry = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (mapped,) = re.findall(r"add (`\w+\.py`) to the line of readers", PAGE)
    (library / "data" / "passages.py").write_text(module)
    replaced(library / "data" / "readers.py", "natural_questions, qa_pairs", "natural_questions, passages, qa_pairs")
    replaced(library / "data" / "readers.py", '    "examples": ', f'{entry}    "examples": ')
    replaced(library / "README.md", "`mrqa.py`", f"`mrqa.py`, {mapped}")
    schema = folder / "workflow" / "schemas" / "config.schema.yaml"
    replaced(schema, "qa_pairs, examples, none]", "qa_pairs, passages, examples, none]")

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_the_tests_of_the_five_places_pass(project):
    code, said = project("-m", "pytest", "-n", "0", *TESTS)
    assert code != 0, "the table of keys is not written yet"
    assert "run python tests/unit/configuration/test_readme.py, which writes" in said
    assert project("tests/unit/configuration/test_readme.py") == (0, "")
    code, said = project("-m", "pytest", "-n", "0", *TESTS)
    assert code == 0, said


def test_the_page_s_line_is_read_and_a_bad_one_is_named(project, tmp_path):
    (line,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "a.jsonl").write_text(line + line.replace('"qid"', '"id"') + line.replace(": 0", ": 7"), encoding="utf-8")
    read = "from pairprobe.data import readers, examples\nfor where, found in readers.read('passages', 'FILE'):\n"
    read += "    print(found if isinstance(found, Exception) else examples.example_of(found).answer)"
    code, said = project("-c", read.replace("FILE", str(tmp_path / "a.jsonl")))
    assert (code, said.splitlines()) == (
        0,
        [
            "(0, 2)",
            f"{tmp_path}/a.jsonl, line 2, key qid: missing. Wanted: qid, question, title, passage, answer.",
            f"{tmp_path}/a.jsonl, line 3, key answer: found 'Ingvar Kamprad' at character 7, where the passage has "
            "'Kamprad founde'. The answer does not belong to this passage.",
        ],
    )
