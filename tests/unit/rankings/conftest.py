import pytest
from brute_force import Encoder, rows_in


@pytest.fixture(scope="module")
def by_id(made):
    return {row["example_id"]: row for row in rows_in(made.examples("probe"))}


@pytest.fixture(scope="module")
def encoder():
    return Encoder()
