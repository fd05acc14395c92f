"""What ``import pairprobe`` offers: the same numbers as the files of a run."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import results
from results import RUN

import pairprobe
from pairprobe.errors import InputError


@pytest.fixture(scope="module")
def run(small_run):
    return pairprobe.open_run(small_run / RUN)


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("taken", "heavy"),
    [
        ("", "numpy pandas h5py torch transformers matplotlib scipy"),
        (
            "TextPair Characters Words read_pairs load_encoder Model InputError",
            "pandas torch transformers matplotlib scipy",
        ),
        ("open_run Run Rankings compare Comparison", "pandas torch transformers matplotlib"),
    ],
)
def test_what_is_taken_from_pairprobe_loads_no_more_than_it_needs(taken, heavy):
    code = f"import sys, pairprobe; [getattr(pairprobe, name) for name in {taken.split()}]; "
    code += f"print(*sorted({set(heavy.split())} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_what_is_not_offered_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pairprobe.nothing  # noqa: B018


def test_rankings_of_a_run_have_its_percentages_and_its_pairs_one_by_one(run):
    rankings, rows = run.rankings("after"), run.percentages()
    assert rankings.percentages().equals(rows[rows["checkpoint"] == "after"].reset_index(drop=True))
    pairs = rankings.to_pandas()
    assert len(pairs) == len(results.PAIRS) * len(rows[rows["checkpoint"] == "after"])
    assert set(zip(pairs["anchor"], pairs["match"], pairs["group"], strict=True)) == {
        (name, "she", f"Page {i}") for i, name in enumerate(("Anna", "Berta", "Clara"))
    }
    for row in pairs.itertuples():
        assert row.percentage == pytest.approx(100 * row.count / row.para_len)
    with pytest.raises(InputError, match=r"no checkpoint 'nobody'. Found there: before, after"):
        run.rankings("nobody")


def test_rankings_are_drawn_and_shown(run):
    rankings = run.rankings("after")
    assert repr(rankings) == "<Rankings by after: 3 coreference in 2 layers>"
    assert "| task        | measure   | checkpoint | pairs |" in rankings._repr_markdown_()
    figure = rankings.plot()
    assert len(figure.axes) == 2
    (curve,) = (line for line in figure.axes[0].lines if line.get_label() == "after")
    rows = rankings.percentages().query("measure == 'cosine'")
    assert list(curve.get_ydata()) == list(rows["percentage"])
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_rankings_of_a_run_know_its_settings_and_the_order_of_its_models(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    settings = {"special_tokens": False, "max_length": 100, "order": None, "precision": "bfloat16"}
    record = json.loads((tmp_path / "run" / "provenance.json").read_bytes())
    record["configuration"] |= {"words": {"punctuation": True}, "activations": settings}
    (tmp_path / "run" / "provenance.json").write_text(json.dumps(record))
    (tmp_path / "run" / "tables").mkdir(exist_ok=True)
    lines = "checkpoint\tview\torder\nbefore\tparagraph\tquestion_first\nafter\tparagraph\tparagraph_first\n"
    (tmp_path / "run" / "tables" / "activations.tsv").write_text(lines)
    found = pairprobe.open_run(tmp_path / "run").rankings("after").settings
    assert found == {"punctuation": True, "special_tokens": False, "max_length": 100, "order": "paragraph_first"}
