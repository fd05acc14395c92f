"""The examples in the documentation of what ``import pairprobe`` offers: each runs, and prints what it says."""

import doctest
import importlib

import pytest
from families import tiny_bert
from results import RUN

import pairprobe

MODULES = sorted({module for module, _ in pairprobe._OFFERED.values()})


@pytest.fixture(scope="module")
def names(tmp_path_factory, small_run):
    """What examples may name besides what pairprobe offers: a folder with a tiny BERT and the model in it, pairs, a run."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_bert(folder)
    pairs = [
        pairprobe.TextPair("The soup was hot and the bread was cold.", "hot", "cold"),
        pairprobe.TextPair("A tall man sat beside a short one.", "tall", "short"),
    ]
    offered = {name: getattr(pairprobe, name) for name in pairprobe.__all__}
    made = {"folder": folder, "model": pairprobe.load_encoder(folder), "pairs": pairs, "run_folder": small_run / RUN}
    return {**offered, **made}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module, names):
    found = importlib.import_module(f"pairprobe.{module}")
    failed, tried = doctest.testmod(found, extraglobs=names, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert not failed
    assert tried or not module.startswith("api.")


def test_all_that_is_offered_is_there_and_documented():
    assert set(pairprobe.__all__) == pairprobe._OFFERED.keys() <= set(dir(pairprobe))
    for name in pairprobe.__all__:
        assert getattr(pairprobe, name).__doc__
