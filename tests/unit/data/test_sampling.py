"""Draws by hash. The values were computed once; a change to any of them changes which data every result is about."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from pairprobe.controls import cka_rsa
from pairprobe.data.bundled_pages import render
from pairprobe.data.partitions import in_sample, partition_of
from pairprobe.data.sampling import hash_bytes, hash_integer, hash_unit, in_shard, subsample

NAMES = [*(f"id{i}" for i in range(12)), "Café"]


def test_a_key_is_its_parts_joined_by_nul_bytes_and_hashed_by_blake2b():
    assert hash_bytes(13, "Café", size=16) == hashlib.blake2b("13\0Café".encode(), digest_size=16).digest()
    assert hash_bytes(13, "random word", "synonyms", "42", np.int64(7)).hex() == "586b250db9e7547a"
    assert hash_bytes(13, "euclidean_start", "nile", size=16).hex() == "f15198e39821528fd175235379669e9d"
    assert hash_integer("Ada Lovelace", "who was she") >> 1 == 8627668389047446319
    assert (hash_unit(13, "Ada Lovelace"), hash_unit(13, "sample", "-42")) == (0.032278336416127644, 0.6228809055936485)


@pytest.mark.parametrize(
    ("at_most", "seed", "wanted"),
    [(4, 13, {"id0", "id10", "id11", "id5"}), (4, 0, {"Café", "id11", "id6", "id7"}), (0, 13, set())],
)
def test_which_examples_a_subsample_holds(at_most, seed, wanted):
    assert subsample(NAMES, at_most, seed) == wanted


def test_a_subsample_depends_on_seed_and_id_whatever_the_order_or_company():
    names = [f"id{i}" for i in range(50)]
    taken = subsample(names, 10, 13)
    assert len(taken) == 10
    assert subsample(reversed(names), 10, 13) == taken
    assert subsample(names, 10, 14) != taken
    assert subsample(names, 9, 13) < taken
    # More examples push some out, and bring none in but of their own.
    assert subsample([*names, "new1", "new2"], 10, 13) - {"new1", "new2"} <= taken
    assert subsample(names, None, 13) == subsample(names, 99, 13) == set(names)


def test_which_shard_an_example_is_in():
    shards = [[shard for shard in range(4) if in_shard(name, shard, 4)] for name in NAMES]
    assert shards == [[2], [2], [3], [0], [3], [0], [0], [1], [3], [3], [3], [3], [3]]


def test_which_questions_are_sampled_and_which_partition_a_page_is_in():
    assert [name for name in NAMES if in_sample(name, 13, 0.5)] == "id0 id2 id3 id4 id6 id7 id9 id11".split()
    shares = {"finetune": 0.4, "head": 0.2, "probe": 0.4}
    titles = ("Ada Lovelace", "Oslo", "Nile", "Café", "Moon landing")
    assert [partition_of(title, 13, shares) for title in titles] == ["finetune", "probe", "finetune", "probe", "finetune"]


def test_which_words_rsa_compares():
    taken = cka_rsa.subsample("42", 522, 13)
    assert (len(taken), taken[:8].tolist()) == (512, [0, 1, 2, 3, 4, 5, 6, 8])
    assert cka_rsa.subsample("42", 712, 13).sum() == 186770


def test_the_number_of_a_bundled_question(tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("title: Ada Lovelace\nparagraphs: [She wrote.]\nquestions: [{question: who was she}]\n")
    assert [row["example_id"] for row in render([page])] == [8627668389047446319]


def test_hashes_are_spread_evenly():
    numbers = [hash_unit(13, i) for i in range(10_000)]
    assert min(numbers) >= 0
    assert max(numbers) < 1
    tenths = Counter(int(10 * number) for number in numbers)
    # Binomial with n = 10,000 and p = 0.1: the standard deviation is 30.
    assert len(tenths) == 10
    assert all(abs(n - 1000) < 150 for n in tenths.values())
