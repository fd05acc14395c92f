"""A run with its records, made once a file, and a copy of it for each test."""

import shutil

import pytest
import results
from results import RUN


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        results.make()
    return folder


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """A copy of the run, in a project of its own, which is the current folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / RUN
