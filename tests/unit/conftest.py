import pytest

from pairprobe.probing_sets import wordnet


@pytest.fixture(scope="session")
def wordnet_folder(tmp_path_factory):
    """WordNet as nltk wants it."""
    folder = tmp_path_factory.mktemp("wordnet") / "wordnet"
    wordnet.install("package", str(folder))
    return folder


@pytest.fixture(scope="session")
def reader(wordnet_folder):
    """WordNet, opened once a process: nltk takes seconds to read it."""
    return wordnet.load(str(wordnet_folder))
