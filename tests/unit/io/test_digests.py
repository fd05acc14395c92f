"""Digests of files and folders, and of lists."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pairprobe.io import digests

LISTS = st.lists(st.one_of(st.binary(max_size=3), st.sampled_from([b"", b"\n", b"\0", b"a\nb", bytes(8)])), max_size=6)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(LISTS, LISTS)
def test_two_lists_have_the_same_joined_bytes_only_where_they_are_the_same(one, other):
    assert (digests.joined(one) == digests.joined(other)) == (one == other)
    # The same bytes, parted otherwise.
    whole = b"".join(one)
    for cut in range(len(whole) + 1):
        parted = [whole[:cut], whole[cut:]]
        assert (digests.joined(one) == digests.joined(parted)) == (one == parted)
