"""Tables as TSV files: what is written comes back, as text or as numbers, and what is damaged is named."""

import numpy as np
import pytest

from pairprobe.errors import InputError
from pairprobe.io.tsv import read_frame, read_tsv, rounded, write_tsv

FIELDS = ("name", "n", "x")


def failing():
    yield ("1", "2")
    raise ZeroDivisionError


def test_a_table_is_tab_separated_with_a_header(tmp_path):
    write_tsv(tmp_path / "a.tsv", ("task", "number"), [("synonyms", 3), ("é", 0.5)])
    assert (tmp_path / "a.tsv").read_bytes() == "task\tnumber\nsynonyms\t3\né\t0.5\n".encode()


def test_a_table_comes_back_as_text(tmp_path):
    write_tsv(tmp_path / "a.tsv", ("task", "number"), [("synonyms", 3), ("a\tb", 'c"d')])
    assert read_tsv(tmp_path / "a.tsv", ("task", "number")) == [
        {"task": "synonyms", "number": "3"},
        {"task": "a\tb", "number": 'c"d'},
    ]


def test_a_number_in_a_table_is_rounded_has_no_sign_where_it_is_0_and_is_empty_where_there_is_none():
    assert [*map(rounded, (12.34567, np.float64(-0.00001), 3, np.nan))] == ["12.3457", "0.0000", "3.0000", ""]
    assert rounded(0.0123456789, 6) == "0.012346"


def test_a_table_without_rows_has_its_header(tmp_path):
    write_tsv(tmp_path / "a.tsv", ("a", "b"), [])
    assert (tmp_path / "a.tsv").read_text() == "a\tb\n"
    assert read_tsv(tmp_path / "a.tsv", ("a", "b")) == []


def test_an_exception_among_the_rows_leaves_the_old_table_and_nothing_else(tmp_path):
    write_tsv(tmp_path / "a.tsv", ("a", "b"), [])
    with pytest.raises(ZeroDivisionError):
        write_tsv(tmp_path / "a.tsv", ("a", "b"), failing())
    assert (tmp_path / "a.tsv").read_text() == "a\tb\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]


@pytest.mark.parametrize("fields", [("a",), ("b", "a"), ("a", "b", "c")])
def test_a_header_that_is_not_the_one_wanted_is_named(tmp_path, fields):
    write_tsv(tmp_path / "a.tsv", ("a", "b"), [(1, 2)])
    with pytest.raises(InputError, match=r"a\.tsv, line 1: found \['a', 'b'\], wanted "):
        read_tsv(tmp_path / "a.tsv", fields)


def test_an_empty_file_is_no_table(tmp_path):
    (tmp_path / "a.tsv").touch()
    with pytest.raises(InputError, match=r"a\.tsv, line 1: found None"):
        read_tsv(tmp_path / "a.tsv", ("a",))


def test_a_frame_has_numbers_where_they_are_asked_for_and_text_elsewhere(tmp_path):
    values = [float(value) for value in np.random.default_rng(0).normal(size=200) * 10.0 ** np.arange(-100, 100)]
    rows = [("NA", 1, np.nan), ("", 2, np.inf), ('007 "b"', 3, 0.1), *(("a\tb", 4, value) for value in values)]
    write_tsv(tmp_path / "a.tsv", FIELDS, rows)
    frame = read_frame(tmp_path / "a.tsv", FIELDS, ("n", "x"))
    assert frame["name"].tolist()[:4] == ["NA", "", '007 "b"', "a\tb"]
    assert frame["n"].tolist()[:4] == [1, 2, 3, 4]
    np.testing.assert_array_equal(frame["x"], [row[2] for row in rows])
    assert read_frame(tmp_path / "a.tsv", FIELDS)["n"].tolist()[:3] == ["1", "2", "3"]
    assert list(read_frame(tmp_path / "a.tsv", ("x", "n"), exactly=False).columns) == list(FIELDS)


def test_empty_cells_are_nan_in_columns_that_may_be_empty_alone(tmp_path):
    (tmp_path / "a.tsv").write_text("name\tn\tx\na\t1\t\nb\t2\t.5\n")
    assert read_frame(tmp_path / "a.tsv", FIELDS, ("n", "x"), may_be_empty=["x"])["x"].tolist() == [
        pytest.approx(np.nan, nan_ok=True),
        0.5,
    ]
    with pytest.raises(InputError, match="line 2: found x '', wanted a number"):
        read_frame(tmp_path / "a.tsv", FIELDS, ("n", "x"), may_be_empty=["n"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: found nothing, wanted"),
        ("name\tx\tn\n", r"line 1: found \['name', 'x', 'n'\], wanted \['name', 'n', 'x'\]"),
        ("name\tn\tx\na\t1\t2\nb\t1\tmuch\n", "line 3: found x 'much', wanted a number"),
        ("name\tn\tx\na\t1\t2\nb\t\t2\n", "line 3: found n '', wanted a number"),
        ("name\tn\tx\na\t1\n", "line 2: found x '', wanted a number"),
        ("name\tn\tx\na\t1\t2\t3\nb\t1\t2\t3\n", "line 2: found more cells"),
        ("name\tn\tx\na\t1\t2\na\t1\t2\t3\n", "line 3: found more cells"),
    ],
    ids=["empty", "header", "word", "blank", "short", "all long", "long"],
)
def test_a_damaged_table_is_an_error_that_names_its_line(tmp_path, text, said):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(InputError, match=rf"a\.tsv, {said}"):
        read_frame(tmp_path / "a.tsv", FIELDS, ("n", "x"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "line 1: found None"),
        (bytes(50), "line 1: found"),
        (b"a\tb\n1\n", "line 2: found 1 cells, wanted 2"),
        (b"a\tb\n1\t2\t3\n", "line 2: found 3 cells, wanted 2"),
        (b"a\tb\n1\t2\n\xff\t2\n", r"no table in UTF-8"),
    ],
)
@pytest.mark.parametrize("fields", [None, ("a", "b")])
def test_a_table_that_was_emptied_cut_or_overwritten_is_named(tmp_path, text, said, fields):
    (tmp_path / "a.tsv").write_bytes(text)
    if fields is None and text.startswith(b"\0"):
        return  # one column, of a strange name
    with pytest.raises(InputError, match=rf"a\.tsv, .*{said}"):
        read_tsv(tmp_path / "a.tsv", fields)
