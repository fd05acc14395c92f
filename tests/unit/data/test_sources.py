"""Which files a configuration asks for, where they are kept, and what contradicts itself."""

import pytest

from pairprobe.data.partitions import PARTITIONS
from pairprobe.data.sources import PUBLISHED, check, folder_of, local_files, origin_of, remote_files, shares_of
from pairprobe.errors import InputError

COMMIT = "0123456789" * 4
NQ, SQUAD = {"source": "natural_questions"}, {"source": "squad"}
SHARES = {"finetune": 0.5, "head": 0.2, "probe": 0.3}


@pytest.mark.parametrize(
    "data",
    [
        {"source": "bundled"},
        NQ,
        NQ | {"splits": ["train", "validation"], "shards": 3},
        NQ | {"repository": "me/copy", "revision": COMMIT},
        NQ | {"splits": {"finetune": ["train"], "probe": ["validation"]}},
        NQ | {"files": ["a.jsonl"]},
        {"source": "squad_v2", "folder": "/data"},
        {"source": "examples", "files": {"probe": ["a.jsonl"]}},
    ],
)
def test_what_does_not_contradict_itself_is_good(data):
    check(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"source": "bundled", "files": ["a"]}, "data.files: the bundled pages are in this project."),
        ({"source": "bundled", "splits": ["train"]}, "data.splits: the bundled pages are in this project."),
        ({"source": "bundled", "folder": "a"}, "data.folder: the bundled pages are in this project."),
        (NQ | {"files": ["a"], "folder": "b"}, "data.folder: data.files names files at hand, so nothing is downloaded."),
        (SQUAD | {"files": ["a"], "shards": 1}, "data.shards: data.files names files at hand"),
        ({"source": "examples"}, "data.files: missing. Wanted: your files in the format examples."),
        ({"source": "a_new_one"}, "data.files: missing. Wanted: your files in the format a_new_one."),
        ({"source": "examples", "splits": ["train"]}, "data.files: missing."),
        (SQUAD | {"splits": ["train", "dev"]}, "data.splits: found 'dev'. Allowed for squad: train, validation."),
        (NQ | {"splits": {"probe": ["test"]}}, "data.splits: found 'test'."),
        (NQ | {"repository": "me/copy"}, "data: repository and revision go together"),
        (NQ | {"revision": COMMIT}, "data: repository and revision go together"),
    ],
)
def test_what_contradicts_itself_is_named_with_its_key(data, told):
    with pytest.raises(InputError) as error:
        check(data)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("data", [{"source": "bundled"}, NQ | {"files": ["a"]}, {"source": "examples", "files": ["a"]}])
def test_where_the_files_are_at_hand_none_is_remote(data):
    assert remote_files(data) == {}


@pytest.mark.parametrize(
    ("data", "first", "last", "number"),
    [
        (NQ, "default/validation-00000-of-00007.parquet", "default/validation-00006-of-00007.parquet", 7),
        (
            NQ | {"splits": ["train"]},
            "default/train-00000-of-00287.parquet",
            "default/train-00286-of-00287.parquet",
            287,
        ),
        (SQUAD, *["plain_text/validation-00000-of-00001.parquet"] * 2, 1),
        (
            SQUAD | {"splits": ["train", "validation"]},
            "plain_text/train-00000-of-00001.parquet",
            "plain_text/validation-00000-of-00001.parquet",
            2,
        ),
        ({"source": "squad_v2", "splits": ["train"]}, *["squad_v2/train-00000-of-00001.parquet"] * 2, 1),
        # The first so many files of each split.
        (
            NQ | {"splits": ["validation", "train"], "shards": 2},
            "default/validation-00000-of-00007.parquet",
            "default/train-00001-of-00287.parquet",
            4,
        ),
        (
            NQ | {"splits": ["validation", "train"], "shards": 10},
            "default/validation-00000-of-00007.parquet",
            "default/train-00009-of-00287.parquet",
            17,
        ),
    ],
)
def test_the_files_of_a_data_set_are_those_that_are_published(data, first, last, number):
    found = remote_files(data)
    names = list(found)
    assert (names[0], names[-1], len(names)) == (first, last, number)
    assert set(found.values()) == {PARTITIONS}


def test_files_go_to_the_partitions_that_name_their_split():
    found = remote_files(
        SQUAD | {"splits": {"finetune": ["train"], "head": ["train", "validation"], "probe": ["validation"]}}
    )
    assert found == {
        "plain_text/train-00000-of-00001.parquet": ("finetune", "head"),
        "plain_text/validation-00000-of-00001.parquet": ("head", "probe"),
    }


def test_files_at_hand_are_taken_in_order_for_all_partitions_or_for_those_that_name_them():
    assert list(local_files({"files": ["b", "a"]}).items()) == [("b", PARTITIONS), ("a", PARTITIONS)]
    named = {"probe": ["dev"], "finetune": ["train", "both"], "head": ["both"]}
    assert list(local_files({"files": named}).items()) == [
        ("dev", ("probe",)),
        ("train", ("finetune",)),
        ("both", ("finetune", "head")),
    ]
    assert local_files({}) == {}


def test_the_shares_of_a_file_are_those_of_its_partitions_in_proportion():
    assert shares_of(PARTITIONS, SHARES) == pytest.approx(SHARES)
    assert shares_of(("probe",), SHARES) == {"finetune": 0, "head": 0, "probe": 1}
    assert shares_of(("head", "probe"), SHARES) == pytest.approx({"finetune": 0, "head": 0.4, "probe": 0.6})


def test_a_file_for_partitions_without_a_share_is_named():
    with pytest.raises(InputError, match="partitions: no share for finetune and head, but"):
        shares_of(("finetune", "head"), {"finetune": 0, "head": 0, "probe": 1})


@pytest.mark.parametrize("source", PUBLISHED)
def test_the_origin_is_a_repository_at_a_commit(source):
    origin = origin_of({"source": source})
    assert origin == {"repository": PUBLISHED[source].repository, "revision": PUBLISHED[source].revision}
    assert len(bytes.fromhex(origin["revision"])) == 20


def test_the_origin_may_be_another_repository():
    mine = {"repository": "me/copy", "revision": COMMIT}
    assert origin_of(NQ | mine) == mine


def test_what_is_taken_of_a_data_set_is_no_part_of_its_origin():
    taken = {"splits": ["train"], "shards": 2, "sample": 0.1, "on_bad_input": "skip", "folder": "/data"}
    assert origin_of(NQ | taken) == origin_of(NQ)


@pytest.mark.parametrize(
    ("data", "folder"),
    [
        (NQ, "downloads/google-research-datasets/natural_questions/e8103d566bef"),
        (SQUAD | {"folder": "/data/"}, "/data/rajpurkar/squad/7b6d24c440a3"),
        (NQ | {"repository": "me/copy", "revision": COMMIT}, "downloads/me/copy/012345678901"),
    ],
)
def test_downloads_are_kept_in_a_folder_for_each_origin_within_the_folder_of_downloads(data, folder):
    assert folder_of(data) == folder
