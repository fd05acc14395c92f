"""The benchmark of a GPU: all its code, on a processor; never a time."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gpu
import turns
from pairprobe.checkpoints.tokenization import Encoding
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.evaluation.predictions import Prediction

PROGRAM = Path(gpu.__file__)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_so_in_one_line():
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"No GPU is here: .*\n", done.stderr)


@pytest.mark.slow
def test_every_part_runs_on_whatever_there_is():
    done = subprocess.run([sys.executable, PROGRAM, "--smallest"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^## (.*)$", done.stdout, re.M) == list(gpu.PARTS)
    assert re.search(
        r"^extraction came to its end: out of memory with \d+ examples at once; trying 2\.$", done.stdout, re.M
    )
    assert re.search(r"^training came to its end: out of memory with 8 windows at once .*; trying 2\.$", done.stdout, re.M)


def part(*told, error=None):
    def run(_bench):
        yield from told
        if error:
            raise error

    return run


def test_a_part_that_fails_is_named_and_the_others_run(monkeypatch, capsys):
    parts = {"one": part("a table", error=InputError("it is not so")), "two": part("another table")}
    monkeypatch.setattr(gpu, "PARTS", parts)
    assert gpu.run(list(parts), None, lambda: 5.0) == ["one"]
    said = capsys.readouterr().out
    assert "a table" in said
    assert "**one failed**: it is not so" in said
    assert "another table" in said


def test_what_there_is_no_time_for_is_left_out_and_named(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "PARTS", {"one": part("a table"), "two": part("another table")})
    moments = iter([gpu.LIMIT - 1, gpu.LIMIT + 1, gpu.LIMIT + 1])
    assert gpu.run(["one", "two"], None, lambda: next(moments)) == []
    said = capsys.readouterr().out
    assert "a table" in said
    assert "## two: left out, since 420 s had passed" in said
    assert "another table" not in said


@pytest.mark.parametrize(("apart", "agree"), [(0.2, True), (0.25, True), (0.26, False), (float("nan"), False)])
def test_what_is_too_far_from_the_cpu_is_an_error(apart, agree):
    found = [("MiniLM, float32", "vectors", 1e-6, 1e-4), ("MiniLM, bfloat16", "percentages, points", apart, 0.25)]
    if agree:
        assert "| MiniLM, float32 " in gpu.judged(found)
    else:
        with pytest.raises(InputError, match="GPU and CPU do not agree"):
            gpu.judged(found)


def test_answers_are_equal_in_span_and_type():
    one = {name: Prediction(name, (i, i + 1), (0, 9), 0.5, 2, "x") for i, name in enumerate("abcd")}
    other = {**one, "a": replace_of(one["a"], span=(5, 6)), "b": replace_of(one["b"], answer_type=1)}
    other["c"] = replace_of(one["c"], score=0.6)
    assert gpu.share_of_equal(one, other) == 0.5


def replace_of(prediction, **changed):
    return Prediction(**{name: changed.get(name, getattr(prediction, name)) for name in prediction.__struct_fields__})


def test_batches_of_forward_passes_hold_each_encoding_once_and_about_as_much_as_the_library_s():
    rng = np.random.default_rng(0)
    encodings = [Encoding(np.zeros(n, np.int32), None, np.zeros(n), 1, 1) for n in rng.integers(10, 500, 300)]
    batches = gpu.batched(encodings)
    assert sorted(id(each) for batch in batches for each in batch) == sorted(map(id, encodings))
    sizes = [sum(map(len, batch)) for batch in batches]
    assert max(sizes) < gpu.MAX_GPU_TOKENS + 500
    assert min(sizes[:-1]) > gpu.MAX_GPU_TOKENS - 500


def test_more_examples_than_there_are_have_names_and_texts_of_their_own():
    given = [Example(str(i), "page", ["who"], [f"w{j}" for j in range(20)], (3, 5), [(0, 20)]) for i in range(3)]
    found = gpu.grown(given, 9)
    assert found[:3] == given
    assert len({each.example_id for each in found}) == 9
    assert len({tuple(each.paragraph) for each in found[3:]}) == 6
    assert all(sorted(each.paragraph) == sorted(given[0].paragraph) for each in found)


def test_a_share_of_the_rate_is_that_of_the_limit_in_the_same_round():
    """10 TFLOP at 5, then at 10 TFLOP/s: 2 s and 1 s are the limits of what took 4 s and 2 s."""
    measured = {"large": [5e12, 1e13], "shaped": [5e12, 5e12], "ours": [4.0, 2.0]}
    rows = gpu.table(1e13, 100, measured).splitlines()
    assert re.search(r"ours +\| +38 \(25 to 50\) \| +0\.50 \(0\.50 to 0\.50\)", rows[-1])


@pytest.mark.slow
def test_the_first_encoder_is_the_demo_s(tmp_path):
    encoders = gpu.smallest_encoders(tmp_path)
    bench = gpu.Bench("cpu", tmp_path, replace(gpu.SMALLEST, compared=2), encoders, turns.read_examples(None, tmp_path))
    assert bench.demo == encoders["32 wide"]
    assert bench.compared[1].keys() == {"synonyms", "abbreviation", "coreference", "answer_type"}
