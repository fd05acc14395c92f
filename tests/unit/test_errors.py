"""What errors of other libraries become."""

from pairprobe.errors import one_line


def test_an_error_is_one_line_of_limited_length_that_a_terminal_can_show():
    assert one_line(ValueError("\x1b[31mfirst\n  second\tthird.\n")) == "[31mfirst second third"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert one_line(ValueError("x" * 10**6), 5) == "xxxxx ..."
