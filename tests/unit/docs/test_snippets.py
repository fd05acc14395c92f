"""What the pages show runs: their Python, and a plan (-n) of each of their snakemake commands.

A block is left out where a comment stands on the line before it: ``<!-- not run: why -->``, or ``<!-- run by: a test -->``.
Python runs, each block by itself, where ``results/demo`` is a small run of the checkpoints ``pretrained`` and
``finetuned-seed13``. Commands are those of blocks without a language or of ``bash``; their configurations are
those that a page says to save.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import results
from project import PAGES, ROOT, copy_project, tiny_encoder

PAGES_OF_DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A configuration that a page says to save.
SAVED = re.compile(r"^Save this as `(config/\w+\.yaml)`[^`]*^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"(?:^<!-- ((?:not run|run by): .+?) -->\n)?^( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
# They ask something of finished results, or stand for something.
NOT_PLANNED = ("--allowed-rules", "--report", "--unlock", "[TARGET]")
NAMES = {"before": "pretrained", "after": "finetuned-seed13", "small": "demo"}


class Block(NamedTuple):
    """A block of code, whose text has the page's lines before it as empty ones."""

    page: str
    line: int
    language: str
    text: str
    marked: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(
            name,
            text.count("\n", 0, found.start(4)) + 1,
            found[3],
            re.sub(rf"^{found[2]}", "", found[4], flags=re.M),
            found[1],
        )
        for found in BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """Return the snakemake commands of a block that can be planned, without comments, and without what changes no plan."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if re.match(r"(\w+=\S+ )*(\S*/)?snakemake ", line) and not any(each in line for each in NOT_PLANNED):
            plain = shlex.join(shlex.split(line.replace(".venv/bin/", ""), comments=True))
            found.append(re.sub(r" (--cores \w+|-n)\b", "", plain))
    return found


BLOCKS = [block for page in PAGES_OF_DOCS for block in blocks(page) if not block.marked]
PYTHON = [block for block in BLOCKS if block.language == "python"]
PLANNED = {line: block.page for block in reversed(BLOCKS) if block.language in ("", "bash") for line in commands(block)}


def test_there_are_blocks_to_run_and_to_plan():
    assert len(PYTHON) >= 5
    assert len(PLANNED) >= 15


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with a small run made by hand, under the demo's names."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        results.make()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.suffix in (".json", ".tsv", ".jsonl"):
            path.write_text(re.sub(r"\b(before|after|small)\b", lambda found: NAMES[found[0]], path.read_text()))
        path.rename(path.with_name(NAMES.get(path.stem, path.stem) + path.suffix))
    run = folder / "results" / "demo"
    shutil.rmtree(run / "checkpoints" / "finetuned-seed13")
    tiny_encoder(run / "checkpoints" / "finetuned-seed13")
    (run / "tables").mkdir()
    (run / "tables" / "probing_sets.tsv").write_text("set\twhat\tnumber\ncoreference\tpairs found\t3\n")
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{block.page}:{block.line}")
def test_python_of_a_page_runs(block, demo, monkeypatch):
    monkeypatch.chdir(demo)
    exec(compile("\n" * (block.line - 1) + block.text, ROOT / block.page, "exec"), {})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the configurations and data that the pages make."""
    folder = copy_project(tmp_path_factory.mktemp("project"), PAGES[:4])
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    shutil.copytree(ROOT / "docs" / "examples", folder / "data")
    saved = [found for page in PAGES_OF_DOCS for found in SAVED.findall(page.read_text(encoding="utf-8"))]
    assert len(saved) == len(dict(saved)), "two pages save one configuration"
    for name, text in saved:
        (folder / name).write_text(text)
    return folder


def planned(command: str, project: Path) -> tuple[int, str]:
    """Plan what a command would run."""
    words = shlex.split(command)
    start = next(i for i, word in enumerate(words) if Path(word).name == "snakemake")
    settings = dict(word.split("=", 1) for word in words[:start])
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow"), **settings}
    arguments = [sys.executable, "-m", "snakemake", "-n", "-q", "all", "--cores", "2", *words[start + 1 :]]
    done = subprocess.run(arguments, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [pytest.param(line, id=line, marks=() if "tutorial" in page else pytest.mark.slow) for line, page in PLANNED.items()],
)
def test_a_command_of_a_page_can_be_planned(command, project):
    code, said = planned(command, project)
    assert code == 0, f"{PLANNED[command]}: {command}\n{said}"


@pytest.mark.slow
def test_a_command_that_does_not_work_is_seen(project):
    assert planned("snakemake nothing_such", project)[0] == 1


def test_blocks_and_commands_are_found_and_marks_are_read(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "a.md"
    page.write_text(
        "- x\n\n    ```python\n    a = 1\n    ```\n<!-- not run: why -->\n```python\nb\n```\n"
        "```\nA=1 .venv/bin/snakemake --cores 2 \\\n  --force   # c\nsnakemake --report x\nmake demo\n```\n"
    )
    one, two, three = blocks(page)
    assert (one.line, one.text, one.marked) == (4, "a = 1\n", None)
    assert two.marked == "not run: why"
    assert commands(three) == ["A=1 snakemake --force"]
