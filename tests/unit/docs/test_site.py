"""The documentation: its site builds without a network and asks for none, and no link or path in the project is dead."""

import html.parser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
READMES = [*ROOT.glob("*.md"), *(ROOT / name for name in ("config/README.md", "benchmarks/README.md"))]
READMES += (ROOT / "workflow").glob("*/README.md")
FILES = [
    ROOT / "Makefile",
    ROOT / "Dockerfile",
    ROOT / "pyproject.toml",
    ROOT / "mkdocs.yml",
    *READMES,
    *DOCS.rglob("*.md"),
]
FILES += [
    path
    for folder in ("workflow", "scripts", "config", "tests", "benchmarks", "profiles", ".github")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".smk", ".yaml", ".yml", ".md", ".rst")
]
# What a browser fetches by itself; other links wait for a click.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


def build(config: Path, folder: Path) -> tuple[int, str]:
    """Build a site as make docs does; return the exit status, and what was said."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Fetched(html.parser.HTMLParser):
    """Collects what a page makes a browser fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name == FETCHED.get(tag)]


def elsewhere(page: Path) -> list[str]:
    """List what a built page or style fetches from another host."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"url\(\s*[\"']?([^\"')]*)|@import\s+[\"']([^\"']*)", text)
    found = [one or other for one, other in found]
    if page.suffix == ".html":
        parser = Fetched()
        parser.feed(text)
        found += parser.found
    return [address for address in found if urlsplit(address).netloc]


@pytest.mark.slow
def test_the_site_builds_and_fetches_nothing_from_another_host(tmp_path):
    code, said = build(ROOT / "mkdocs.yml", tmp_path)
    assert code == 0, said
    assert len(list(tmp_path.rglob("*.html"))) > len(list(DOCS.rglob("*.md")))
    pages = [path for path in tmp_path.rglob("*") if path.suffix in (".html", ".css")]
    assert {str(path): elsewhere(path) for path in pages if elsewhere(path)} == {}


def test_what_a_browser_would_fetch_is_seen(tmp_path):
    page = tmp_path / "a.html"
    page.write_text(
        '<link href="https://a.b/c.css"><img src="//d.e/f"><a href="https://g.h">x</a><style>p{background:url(http://i.j)}'
    )
    assert elsewhere(page) == ["http://i.j", "https://a.b/c.css", "//d.e/f"]


@pytest.mark.slow
def test_a_dead_link_ends_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n[a](no.md) [b](b.md#no) [c](#no) [d](/b.md) [e](../README.md)\n")
    (tmp_path / "docs" / "b.md").write_text("# B\n[index](index.md#a)\n")
    (tmp_path / "mkdocs.yml").write_text(f"INHERIT: {ROOT}/mkdocs.yml\nnav: [index.md]\nplugins: []\n")
    code, said = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert code == 1
    for wanted in ("'no.md'", "'b.md#no'", "'#no'", "'/b.md'", "'../README.md'", "b.md\n"):
        assert wanted in said
    assert "Aborted with 6 warnings" in said


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.*)", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    """List the links of a page that lead to no file or heading."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    dead = []
    for link in re.findall(r"\]\(([^()\s]+)\)", text):
        address = urlsplit(link)
        target = page.parent / address.path if address.path else page
        if not address.scheme and (not target.exists() or (address.fragment and address.fragment not in anchors(target))):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_of_a_readme_is_dead(page):
    assert dead_links(page) == []


def test_a_dead_link_of_a_readme_is_found(tmp_path):
    (tmp_path / "a.md").write_text(
        "# The paper's `run`: 5 %\n[a](#the-papers-run-5-) [b](#b) [c](c.md) [d](a.md#d) [e](https://f.g)\n"
    )
    assert dead_links(tmp_path / "a.md") == ["#b", "c.md", "a.md#d"]


def test_every_path_below_docs_that_the_project_names_is_there():
    named = {
        (path.relative_to(ROOT).as_posix(), found)
        for path in FILES
        for found in re.findall(
            r"(?<![\w/])docs/[\w/-]+\.(?:md|ipynb|svg|png|tsv|jsonl)\b", path.read_text(encoding="utf-8")
        )
    }
    assert len(named) > 20
    assert {each for each in named if not (ROOT / each[1]).exists()} == set()


def test_git_ignores_the_site():
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("no git")
    assert subprocess.run(["git", "check-ignore", "-q", "site/index.html"], cwd=ROOT, check=False).returncode == 0
