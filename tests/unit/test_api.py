"""What ``import pairprobe`` offers: the same numbers as the files of a run."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from results import RUN

import pairprobe
from pairprobe.errors import InputError


@pytest.fixture(scope="module")
def run(small_run):
    return pairprobe.open_run(small_run / RUN)


def test_percentages_are_those_of_the_rankings(run):
    rows = run.percentages()
    assert len(rows)
    for row in rows.itertuples():
        count, _, para_len, _ = run.ranking(row.checkpoint, row.task)[row.measure, row.layer].sum(0)
        assert row.percentage == pytest.approx(100 * count / para_len, abs=1e-4)


def test_activations_are_those_of_the_words_of_an_example(run):
    pair = run.pairs("coreference")[0]
    with run.activations("after") as activations:
        question, paragraph = activations[pair["example_id"]]
    assert question.dtype == np.float32
    assert max(pair["match"]["words"]) < paragraph.shape[1]
    assert question.shape[::2] == paragraph.shape[::2]


def test_of_two_divisions_into_shards_the_one_written_last_is_opened(run, tmp_path):
    folder = tmp_path / "activations" / "after" / "paragraph"
    shutil.copytree(run.folder / "activations" / "after" / "paragraph", folder)
    (shard,) = folder.glob("probe-1of1.h5")
    for name in ("probe-1of2.h5", "probe-2of2.h5"):
        shutil.copy(shard, folder / name)
        os.utime(folder / name, (1, 1))
    with pairprobe.Run(tmp_path).activations("after") as activations:
        assert len(activations.names()) > 0
    shard.unlink()
    (folder / "probe-2of2.h5").unlink()
    with pytest.raises(InputError, match=r"found no activations of the partition probe.*activations.keep: all"):
        pairprobe.Run(tmp_path).activations("after")


def test_what_is_not_there_is_named_beside_what_is(run, tmp_path):
    with pytest.raises(InputError, match=r"rankings/nobody/coreference.tsv: there is no such file"):
        run.ranking("nobody", "coreference")
    with pytest.raises(InputError, match=r"after/synonyms.tsv: there is no .* Found there: coreference\."):
        run.ranking("after", "synonyms")
    with pytest.raises(InputError, match="no results of a run"):
        pairprobe.open_run(tmp_path)


def test_importing_pairprobe_loads_nothing_else():
    code = "import sys, pairprobe; print(*sorted({'numpy', 'pandas', 'h5py', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pairprobe.nothing  # noqa: B018
