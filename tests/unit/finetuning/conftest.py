import pytest
from trainings import built, made, page, run

from pairprobe.finetuning.features import Features


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A checkpoint of two narrow layers, with dropout."""
    return made(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def pages():
    return [page(i) for i in range(12)] + [page(12, answered=False)]


@pytest.fixture(scope="session")
def features(tiny, pages, tmp_path_factory):
    return built(tiny, pages, tmp_path_factory.mktemp("features"), shards=2)


@pytest.fixture(scope="session")
def tuned(tiny, features, tmp_path_factory):
    """An uninterrupted run."""
    return run(tiny, features, tmp_path_factory.mktemp("tuned") / "result")


@pytest.fixture(scope="session")
def heads(tiny, features, tmp_path_factory):
    """An uninterrupted training of heads alone."""
    return run(tiny, features, tmp_path_factory.mktemp("heads") / "result", how="train_answer_heads")


@pytest.fixture(scope="session")
def exits(tiny, features, tmp_path_factory):
    """An uninterrupted training of heads on each layer."""
    return run(tiny, features, tmp_path_factory.mktemp("exits") / "result", how="train_early_exits")


@pytest.fixture(scope="session")
def steady(tmp_path_factory):
    """A checkpoint without dropout, and features of 24 windows."""
    folder = tmp_path_factory.mktemp("steady")
    start = made(folder / "start", dropout=0.0)
    features = built(start, [page(3 * i) for i in range(24)], folder)
    assert len(Features(features)) == 24
    return start, features


@pytest.fixture(scope="session")
def at_once(steady, tmp_path_factory):
    """Trained with batches of eight windows at once."""
    out = tmp_path_factory.mktemp("at_once") / "result"
    return run(*steady, out, batch_size=8, device_batch_size=None)
