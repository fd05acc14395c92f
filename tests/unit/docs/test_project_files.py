"""What others meet first: versions agree, and workflows and hooks run what the Makefile runs."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

import pairprobe

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def loaded(path: Path) -> dict:
    # YAML 1.1 reads the key "on" as true.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def releases() -> list[tuple[str, str]]:
    """List the versions of the changelog with their dates, as they stand there."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", text, re.MULTILINE)


def test_the_version_is_the_same_wherever_it_stands():
    citation = loaded(ROOT / "CITATION.cff")
    version, released = releases()[0]
    assert version == PROJECT["version"] == citation["version"]
    assert released == str(citation["date-released"])
    assert getattr(pairprobe, "__version__", version) == version


def test_the_changelog_has_the_newest_version_first_and_dates():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    numbers = [tuple(map(int, version.split("."))) for version, _ in releases()]
    others = [title for title in re.findall(r"^## (.*)$", text, re.MULTILINE) if not re.match(r"\[\d", title)]
    assert others in ([], ["Unreleased"]), "a title of CHANGELOG.md is `## Unreleased`, or `## [VERSION] - DATE`"
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(date.fromisoformat(released) for _, released in releases())
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds


def steps(workflow: dict) -> list[dict]:
    return [step for job in own_jobs(workflow) for step in job["steps"]]


def own_jobs(workflow: dict) -> list[dict]:
    """The jobs that are no workflow of their own: such a one says itself what it may do, and for how long."""
    called = [job for job in workflow["jobs"].values() if "uses" in job]
    assert {job["uses"] for job in called} <= {f"./.github/workflows/{path.name}" for path in WORKFLOWS}
    return [job for job in workflow["jobs"].values() if job not in called]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_needs_and_its_actions_are_pinned(path):
    workflow = loaded(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] for job in own_jobs(workflow))
    assert all(
        re.search(r"@(v\d+(\.\d+)*|release/v\d+|[0-9a-f]{40})$", step["uses"]) for step in steps(workflow) if "uses" in step
    )
    # A job that may write publishes, and does nothing else.
    for job in workflow["jobs"].values():
        writes = {name for name, kind in job.get("permissions", {}).items() if kind == "write"}
        assert not writes or (writes <= {"id-token", "pages"} and not any("run" in step for step in job["steps"]))


def test_the_workflows_make_what_the_makefile_has():
    wanted = {
        word
        for path in WORKFLOWS
        for step in steps(loaded(path))
        for word in re.findall(r"make (\S+)", step.get("run", ""))
    }
    assert {"lint", "test-slow", "docs"} < wanted
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE)) | {".venv/installed"}
    assert wanted <= targets


def test_the_fast_tests_run_on_each_python_that_the_project_takes():
    versions = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["fast"]["strategy"]["matrix"]["python"]
    lowest, above = (int(found) for found in re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    assert versions == [f"3.{minor}" for minor in range(lowest, above)]


def test_hooks_run_the_tools_of_the_environment_as_make_lint_does():
    (source,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert source["repo"] == "local"
    for hook in source["hooks"]:
        tool = " ".join(word for word in hook["entry"].split() if not word.startswith("-"))
        assert tool.startswith(".venv/bin/")
        assert hook["language"] == "system"
        assert tool.replace(".venv", "$(VENV)") in MAKEFILE


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_for_something_and_names_each_field_once(path):
    form = loaded(path)
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert form["name"]
    assert form["description"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_pages_that_a_host_looks_for_are_there():
    for name in ("CONTRIBUTING", "CODE_OF_CONDUCT", "SECURITY", "CHANGELOG", ".github/pull_request_template"):
        assert (ROOT / f"{name}.md").is_file(), name
