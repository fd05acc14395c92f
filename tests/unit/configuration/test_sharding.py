"""How much work is expected, and how many jobs share it."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pairprobe.configuration import sharding
from pairprobe.configuration.schema import check, read_schema

ROOT = Path(__file__).parents[3]
SCHEMA = read_schema(str(ROOT / "workflow" / "schemas" / "config.schema.yaml"))


def configured(data, **sections):
    config = {"run": "r", "data": data, "checkpoints": {"a": {"source": "path", "path": "x"}}, **sections}
    check(config, SCHEMA)
    return config


NQ = {"source": "natural_questions", "splits": ["train"]}


def test_published_questions_are_dealt_as_the_shares_say():
    config = configured(NQ, partitions={"finetune": 0.5, "head": 0.2, "probe": 0.3})
    assert sharding.questions_of(config) == pytest.approx({"finetune": 153686.5, "head": 61474.6, "probe": 92211.9})
    config = configured({**NQ, "shards": 10, "sample": 0.5})
    assert sum(sharding.questions_of(config).values()) == pytest.approx(307373 * 10 / 287 / 2)
    splits = {"finetune": ["train"], "probe": ["validation"], "head": ["train"]}
    found = sharding.questions_of(configured({"source": "squad", "splits": splits}))
    assert found["probe"] == 10570
    assert found["finetune"] + found["head"] == pytest.approx(87599)


def test_questions_of_files_go_by_their_size(tmp_path):
    for name, size in (("a.jsonl.gz", 1430), ("b.parquet", 1_800_000), ("c.jsonl", 500_000)):
        (tmp_path / name).write_bytes(bytes(size))
    files = [str(tmp_path / name) for name in ("a.jsonl.gz", "b.parquet", "c.jsonl")]
    found = sharding.questions_of(configured({"source": "natural_questions", "files": files}))
    assert sum(found.values()) == pytest.approx(0.1 + 10 + 10)


def test_the_bundled_pages_are_as_long_as_is_said():
    from pairprobe.data import bundled_pages

    pages = sorted((ROOT / "workflow" / "resources" / "pages").glob("*.yaml"))
    rows, source = list(bundled_pages.render(pages[::8])), sharding.ESTIMATES["bundled"]
    assert sum(len(row["document_text"].split()) for row in rows) / len(rows) == pytest.approx(source.tokens, rel=0.1)


def test_the_bundled_questions_and_the_shares_with_answers_are_those_of_the_pages():
    pages = (ROOT / "workflow" / "resources" / "pages").glob("*.yaml")
    questions = [question for page in pages for question in yaml.safe_load(page.read_text())["questions"]]
    answered, short, first = (
        sum(map(holds, questions))
        for holds in (lambda q: "long_answer" in q, lambda q: "short_answer" in q, lambda q: q.get("long_answer") == 1)
    )
    source = sharding.ESTIMATES["bundled"]
    assert len(questions) == sharding.BUNDLED
    assert (source.paragraph, source.answered) == pytest.approx([answered / len(questions)] * 2, abs=5e-4)
    assert source.short == pytest.approx(short / len(questions), abs=5e-4)
    assert (source.long_only, source.first) == pytest.approx((1 - short / answered, first / answered), abs=5e-4)


def test_the_demo_is_one_job_of_each():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    check(config, SCHEMA)
    assert set(sharding.shards_of(config).values()) == {1}


@pytest.mark.slow
@given(st.floats(0.1, 1000), st.floats(1, 1e6), st.floats(0.01, 1000), st.sampled_from(["float32", "float16"]))
def test_no_job_takes_more_than_the_budget_and_no_fewer_would_do(minutes, rate, gigabytes, storage):
    config = configured(
        NQ,
        budget={"minutes": minutes, "subtokens_per_second": rate, "gigabytes": gigabytes},
        activations={"storage": storage},
    )
    loads = sharding.loads(config)
    for kind, shards in sharding.shards_of(config).items():
        assert shards & (shards - 1) == 0, "a power of two"
        assert loads[kind] <= shards * (1 + 1e-9) or shards == sharding.MAX_SHARDS
        assert shards == 1 or loads[kind] > shards / 2


def test_activations_are_cut_alike_whether_they_stay_on_disk_or_not():
    kept, temporary = (sharding.loads(configured(NQ, activations={"keep": keep})) for keep in ("all", "similarities"))
    assert kept == temporary


def test_time_and_size_are_those_of_the_arithmetic():
    config = configured(
        NQ, partitions={"finetune": 0, "head": 0, "probe": 1}, evaluation={"examples": 1000, "max_length": 512}
    )
    source = sharding.ESTIMATES["natural_questions"]
    loads = sharding.loads(config)
    windows = sharding.count_windows(source.read[1], 512 - 15, 128)
    assert loads["predictions",] == pytest.approx(1000 * windows * 512 / 1700 / 600)
    size = 307373 * source.paragraph * (source.words[0] + source.words[1]) * 13 * 768 * 2 / 4e9
    assert loads["activations", "paragraph", "probe"] == pytest.approx(size)
    assert loads["features",] == loads["activations", "sentence", "head"] == 0


def test_shards_that_are_given_come_first():
    config = configured(NQ, activations={"shards": 3}, evaluation={"shards": 5}, finetuning={"shards": 7})
    assert sharding.shards_of(config) == {
        ("features",): 7,
        ("predictions",): 5,
        ("activations", "paragraph", "probe"): 3,
        ("activations", "sentence", "probe"): 3,
        ("activations", "sentence", "head"): 3,
    }
