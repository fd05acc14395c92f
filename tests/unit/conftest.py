import pytest
import results

from pairprobe.probing_sets import wordnet


@pytest.fixture(scope="module")
def one_thread():
    """Leave the other cores to the other tests, which run side by side; models this small take longer on several."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A project with a small run and its records; tests that change it take a copy.

    One for each module: records name the packages that are loaded, and other tests load more.
    """
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        results.make()
    return folder
