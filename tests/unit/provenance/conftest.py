"""A copy of the small run for each test."""

import shutil

import pytest
from results import RUN


@pytest.fixture
def run(small_run, tmp_path, monkeypatch):
    """A copy of the run, in a project of its own, which is the current folder."""
    shutil.copytree(small_run, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / RUN
