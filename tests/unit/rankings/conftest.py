import pytest
import torch
from brute_force import Encoder, rows_in


@pytest.fixture(scope="module")
def one_thread():
    """Leave the other cores to the other tests, which run side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def by_id(made):
    return {row["example_id"]: row for row in rows_in(made.examples("probe"))}


@pytest.fixture(scope="module")
def encoder():
    return Encoder()
