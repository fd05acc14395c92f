"""Tables as programs write them: cells, lines and header, of which the beginning of a file is enough."""

import gzip

import pytest

from pairprobe.errors import InputError
from pairprobe.io import tables

ROWS = [["Text", "anchor", "match"], ["é, 東京; \U0001f389", "é", "a\nb"], ['say "so"', "", "x"]]
FORMS = {
    "comma": 'Text, anchor,match\r\n"é, 東京; \U0001f389",é,"a\nb"\r\n"say ""so""",,x\r\n',
    "semicolon": 'Text; anchor;match\n"é, 東京; \U0001f389";é;"a\nb"\n"say ""so""";;x\n',
    "tab": 'Text\t anchor\tmatch\n"é, 東京; \U0001f389"\té\t"a\nb"\n"say ""so"""\t\tx\n',
    "excel": 'sep=;\r\nText; anchor;match\r\n"é, 東京; \U0001f389";é;"a\nb"\r\n"say ""so""";;x\r\n',
    "empty rows": '\n,,\nText,anchor,match\n\n"é, 東京; \U0001f389",é,"a\nb"\n,,\n"say ""so""",,x\n\n',
}
LINES = {"comma": (1, 2, 4), "semicolon": (1, 2, 4), "tab": (1, 2, 4), "excel": (2, 3, 5), "empty rows": (3, 5, 8)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("form", FORMS)
def test_cells_and_lines_are_the_same_in_every_form(tmp_path, form, encoding):
    (tmp_path / "a.csv").write_bytes(FORMS[form].encode(encoding))
    table = tables.read_table(tmp_path / "a.csv")
    found = [(table.line, table.header), *table.rows]
    assert found == [*zip(LINES[form], ROWS, strict=True)]
    assert table.names == ["text", "anchor", "match"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_header_is_read_from_the_beginning_wherever_that_is_cut(tmp_path, name, form, encoding, monkeypatch):
    content = FORMS[form].encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    whole = tables.read_table(tmp_path / name)
    for size in range(len(FORMS[form].partition("é")[0].encode(encoding)), len(content) + 1):
        monkeypatch.setattr(tables, "HEAD_BYTES", size)
        head = tables.read_header(tmp_path / name)
        assert (head.delimiter, head.header, head.line) == (whole.delimiter, whole.header, whole.line)
    assert list(head.rows) == []


def test_a_header_that_is_no_text_is_refused_as_the_table_is(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"t\xe9xt,anchor\n")
    said = []
    for read in (tables.read_table, tables.read_header):
        with pytest.raises(InputError, match=r"a\.csv: not UTF-8 \(.* at byte 1\)") as error:
            read(tmp_path / "a.csv")
        said.append(str(error.value))
    assert said[0] == said[1]
