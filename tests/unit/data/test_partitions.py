"""Examples assigned to partitions, file by file, and put together."""

import logging
import re
from collections import Counter
from dataclasses import fields, replace

import pytest

from pairprobe.data.documents import Annotation, Document
from pairprobe.data.examples import read_examples
from pairprobe.data.pages import Marked, Page, page_of, read_pages
from pairprobe.data.partitions import (
    COUNT_FIELDS,
    PARTITIONS,
    Part,
    collect_partitions,
    in_sample,
    partition_of,
    write_partitions,
)
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.tsv import write_tsv

SHARES = {"finetune": 0.5, "head": 0.2, "probe": 0.3}
ALL_PROBE = {"finetune": 0, "head": 0, "probe": 1}
FOUND = Annotation((1, 6), "P", ((4, 5),))
# What an example of it is counted as.
KINDS = ("examples", "with a short answer")
DOCUMENT = Document("1", "Ada", "where did she move".split(), "Title She moved to Oslo .", (FOUND,))
TITLES = [f"Page {i}" for i in range(3000)]


def documents_of(titles):
    return [replace(DOCUMENT, example_id=f"{title}, {i}", title=title) for title in titles for i in (1, 2)]


def unanswered(document):
    """Ask another question of the same page, which does not answer it."""
    return replace(document, example_id=f"{document.example_id}, unanswered", annotations=(Annotation(None),))


def placed(documents, file="a"):
    return [(f"{file}, line {i}", document) for i, document in enumerate(documents, 1)]


def partitioned(folder, documents, seed=13, shares=SHARES, **options):
    part = Part.of(folder)
    rows = write_partitions(placed(documents), part, seed, shares, **options)
    return rows, examples_in(part)


def examples_in(part):
    return {name: list(read_examples(path)) for name, path in part.examples.items()}


def pages_in(part):
    return {name: list(read_pages(path)) for name, path in part.documents.items()}


def index_of(part):
    return [row for _, row in files.read_json_lines(part.index)]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_partitions_get_nearly_their_shares_of_the_pages():
    counts = Counter(partition_of(title, 13, SHARES) for title in TITLES)
    assert {name: counts[name] / len(TITLES) for name in PARTITIONS} == pytest.approx(SHARES, abs=0.03)


def test_a_share_of_nothing_gets_nothing():
    assert {partition_of(title, 13, ALL_PROBE) for title in TITLES} == {"probe"}


def test_another_seed_deals_the_pages_anew():
    moved = sum(partition_of(title, 1, SHARES) != partition_of(title, 2, SHARES) for title in TITLES)
    assert moved / len(TITLES) == pytest.approx(1 - sum(share**2 for share in SHARES.values()), abs=0.04)


def test_a_page_has_the_same_partition_in_every_process():
    # As written down once: Python's own hash of a string changes with each process.
    by_partition = [partition_of(title, 13, SHARES) for title in ("Ada Lovelace", "Oslo", "Nile", "Café", "Moon landing")]
    assert by_partition == ["finetune", "head", "finetune", "probe", "finetune"]


def test_a_sample_has_nearly_its_share_and_a_larger_one_holds_it():
    taken = {share: {title for title in TITLES if in_sample(title, 13, share)} for share in (0.1, 0.5, 1)}
    assert [len(taken[share]) / len(TITLES) for share in taken] == pytest.approx([0.1, 0.5, 1], abs=0.03)
    assert taken[0.1] < taken[0.5] < taken[1]


def test_a_sample_goes_by_the_seed_and_not_by_the_partition():
    one, two = ([title for title in TITLES if in_sample(title, seed, 0.5)] for seed in (1, 2))
    assert len(set(one) & set(two)) / len(TITLES) == pytest.approx(0.25, abs=0.03)
    counts = Counter(partition_of(title, 1, SHARES) for title in one)
    assert {name: counts[name] / len(one) for name in PARTITIONS} == pytest.approx(SHARES, abs=0.04)


def test_partitions_are_disjoint_by_title(tmp_path):
    _, by_partition = partitioned(tmp_path, documents_of(TITLES[:100]))
    titles = {name: {example.title for example in examples} for name, examples in by_partition.items()}
    assert sum(map(len, titles.values())) == len(set().union(*titles.values())) == 100
    assert sum(map(len, by_partition.values())) == 200


def test_more_data_moves_no_page_to_another_partition(tmp_path):
    _, few = partitioned(tmp_path / "few", documents_of(TITLES[50:100]))
    _, many = partitioned(tmp_path / "many", documents_of(TITLES[:150]))
    for name in PARTITIONS:
        assert [example for example in many[name] if example.title in TITLES[50:100]] == few[name]


def test_every_question_has_its_page_in_its_partition_and_those_that_are_answered_their_example(tmp_path):
    documents = [asked for document in documents_of(TITLES[:20]) for asked in (document, unanswered(document))]
    _, by_partition = partitioned(tmp_path, documents)
    for name, found in pages_in(Part.of(tmp_path)).items():
        assert found == [page_of(document) for document in documents if partition_of(document.title, 13, SHARES) == name]
        assert [page.example_id for page in found if page.selected] == [
            example.example_id for example in by_partition[name]
        ]
        assert 2 * len(by_partition[name]) == len(found) > 4


PAGE = Page("1", "Ada", ["who"], "<P> Ada </P>", True, ((0, 3, True),), (Marked((0, 3)),))


class Paged(Document):
    """A document that has its page with markup, as that of a reader that knows it."""

    page = PAGE


class Damaged(Document):
    """A document whose page cannot be made."""

    @property
    def page(self):
        raise InputError("a, line 1, key candidates: outside the page.")


def as_a(kind, document=DOCUMENT):
    return kind(**{field.name: getattr(document, field.name) for field in fields(document)})


def test_a_page_is_written_with_its_markup_where_the_document_has_it(tmp_path):
    partitioned(tmp_path, [as_a(Paged)], shares=ALL_PROBE)
    assert pages_in(Part.of(tmp_path))["probe"] == [PAGE]


def test_a_page_that_cannot_be_made_is_bad_input(tmp_path):
    documents = [as_a(Damaged), replace(DOCUMENT, example_id="2")]
    with pytest.raises(InputError, match=r"^a, line 1, key candidates: outside the page\. \(data\.on_bad_input: skip "):
        partitioned(tmp_path, documents, shares=ALL_PROBE)
    assert files_in(tmp_path) == []
    rows, by_partition = partitioned(tmp_path, documents, shares=ALL_PROBE, on_bad_input="skip")
    part = Part.of(tmp_path)
    assert ("left out", "bad input, skipped", 1) in rows
    assert [e.example_id for e in by_partition["probe"]] == [p.example_id for p in pages_in(part)["probe"]] == ["2"]
    assert [row["example_id"] for row in index_of(part)] == ["2"]


def test_no_page_is_made_that_is_not_written(tmp_path):
    outside = as_a(Damaged)
    rows = write_partitions(placed([outside]), Part.of(tmp_path / "a", ["finetune", "head"]), 13, ALL_PROBE)
    assert ("probe", "examples", 1) in rows
    rows, _ = partitioned(tmp_path / "b", [outside], shares=ALL_PROBE, sample=0)
    assert ("left out", "not in the sample", 1) in rows


def test_documents_are_kept_of_the_partitions_that_want_them(tmp_path):
    part = Part.of(tmp_path, ["probe"])
    write_partitions(placed(documents_of(TITLES[:20])), part, 13, SHARES)
    assert files_in(tmp_path) == [
        "documents/probe.jsonl.gz",
        *(f"examples/{name}.jsonl.gz" for name in PARTITIONS),
        "index.jsonl.gz",
    ]
    assert [page.example_id for page in read_pages(part.documents["probe"])] == [
        e.example_id for e in read_examples(part.examples["probe"])
    ]


def test_the_index_has_every_question_with_its_place_and_partition_answered_or_not(tmp_path):
    documents = [DOCUMENT, replace(DOCUMENT, example_id="2", title="B", annotations=(Annotation(None),))]
    partitioned(tmp_path, documents, shares=ALL_PROBE)
    answered = [["probe", what] for what in KINDS]
    unanswered = ["left out", "the page does not answer the question"]
    assert index_of(Part.of(tmp_path)) == [
        {
            "example_id": "1",
            "where": "a, line 1",
            "partition": "probe",
            "title": "Ada",
            "counted": [["probe", "questions"], *answered],
        },
        {
            "example_id": "2",
            "where": "a, line 2",
            "partition": "probe",
            "title": "B",
            "counted": [["probe", "questions"], unanswered],
        },
    ]


def test_the_table_counts_examples_their_kinds_and_what_is_left_out(tmp_path):
    def variant(i, **change):
        return replace(DOCUMENT, example_id=str(i), annotations=(replace(FOUND, **change),))

    documents = [
        *documents_of(["a"]),
        variant(3, short_answers=()),
        variant(4, short_answers=(), yes_no="yes"),
        variant(5, short_answers=((2, 3), (4, 5)), nested=True),
        replace(DOCUMENT, example_id="6", annotations=(FOUND, FOUND, Annotation(None))),
        replace(DOCUMENT, example_id="7", annotations=(Annotation(None),)),
        replace(DOCUMENT, example_id="8", annotations=(FOUND, Annotation(None))),
        variant(9, long_answer_tag="Table"),
        variant(10, long_answer_tag="Table"),
    ]
    rows, _ = partitioned(tmp_path, documents, shares=ALL_PROBE)
    assert rows[-10:] == [
        ("probe", "questions", 10),
        ("probe", "examples", 6),
        ("probe", "with a short answer", 4),
        ("probe", "with several short answers", 1),
        ("probe", "with yes or no", 1),
        ("probe", "with a nested paragraph", 1),
        ("probe", "with several annotations", 1),
        ("left out", "one annotator alone found an answer", 1),
        ("left out", "the long answer is no paragraph but <Table>", 2),
        ("left out", "the page does not answer the question", 1),
    ]
    assert {number for _, _, number in rows[:-10]} == {0}


def test_questions_outside_the_sample_are_counted_and_nowhere_else(tmp_path):
    documents = documents_of(TITLES[:50])
    rows, by_partition = partitioned(tmp_path, documents, sample=0.4)
    taken = [document.example_id for document in documents if in_sample(document.example_id, 13, 0.4)]
    assert 20 < len(taken) < 60
    assert ("left out", "not in the sample", 100 - len(taken)) in rows
    assert sorted(e.example_id for examples in by_partition.values() for e in examples) == sorted(taken)
    assert sorted(p.example_id for pages in pages_in(Part.of(tmp_path)).values() for p in pages) == sorted(taken)
    assert sum(number for _, what, number in rows if what == "questions") == len(taken)
    assert [row["example_id"] for row in index_of(Part.of(tmp_path))] == taken


def test_the_same_documents_give_the_same_bytes(tmp_path):
    partitioned(tmp_path / "one", documents_of(TITLES[:20]))
    partitioned(tmp_path / "two", documents_of(TITLES[:20]))
    for file in (tmp_path / "one").rglob("*.gz"):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("probe", [0.2, 0.4])
def test_shares_that_do_not_make_1_are_refused_and_nothing_is_written(tmp_path, probe):
    with pytest.raises(InputError, match=rf"partitions: .*together {0.7 + probe:g}; they must make 1"):
        partitioned(tmp_path, documents_of(["a"]), shares={**SHARES, "probe": probe})
    assert list(tmp_path.iterdir()) == []


def test_shares_that_make_1_but_for_rounding_are_good(tmp_path):
    shares = {"finetune": 0.2, "head": 0.7, "probe": 0.1}
    assert sum(shares.values()) != 1
    partitioned(tmp_path, documents_of(["a"]), shares=shares)


def test_an_error_among_the_documents_stops_and_leaves_no_partition_behind(tmp_path):
    wanted = r"a, line 3: bad \(data\.on_bad_input: skip leaves such questions out and counts them\.\)"
    with pytest.raises(InputError, match=wanted):
        partitioned(tmp_path, [*documents_of(["a"]), InputError("a, line 3: bad")])
    assert files_in(tmp_path) == []


def test_an_error_of_the_whole_file_stops_whatever_is_asked_and_leaves_nothing(tmp_path):
    def documents():
        yield from placed(documents_of(TITLES[:20]))
        raise InputError("cut off")

    with pytest.raises(InputError, match=r"^cut off$"):
        write_partitions(documents(), Part.of(tmp_path), 13, SHARES, on_bad_input="skip")
    assert files_in(tmp_path) == []


def test_errors_are_skipped_logged_and_counted_where_that_is_asked(tmp_path, caplog):
    documents = documents_of(TITLES[:20])
    errors = [InputError("line 7: bad"), InputError("line 9: worse")]
    rows, by_partition = partitioned(tmp_path, [errors[0], *documents, errors[1]], on_bad_input="skip")
    assert ("left out", "bad input, skipped", 2) in rows
    assert [record.getMessage() for record in caplog.records] == ["skipped: line 7: bad", "skipped: line 9: worse"]
    assert (rows[:-1], by_partition) == partitioned(tmp_path / "good", documents)


def test_an_example_id_that_occurs_twice_is_bad_input(tmp_path):
    documents = [*documents_of(["a"]), replace(DOCUMENT, example_id="a, 1", title="b")]
    with pytest.raises(InputError, match="a, line 3: the question 'a, 1' is also in a, line 1; each must occur once"):
        partitioned(tmp_path, documents, shares=ALL_PROBE)
    assert files_in(tmp_path) == []
    rows, by_partition = partitioned(tmp_path, documents, shares=ALL_PROBE, on_bad_input="skip")
    assert ("left out", "bad input, skipped", 1) in rows
    assert [example.title for example in by_partition["probe"]] == ["a", "a"]


def deal_parts(folder, groups, pages=PARTITIONS):
    """Write each group of documents as a part of its own; returns the parts."""
    parts = [Part.of(folder / str(i), pages) for i in range(len(groups))]
    for i, (part, documents) in enumerate(zip(parts, groups, strict=True)):
        rows = write_partitions(placed(documents, f"file {i}"), part, 13, SHARES, on_bad_input="skip")
        write_tsv(part.counts, COUNT_FIELDS, rows)
    return parts


def test_parts_put_together_are_what_one_file_gives(tmp_path):
    nothing = replace(DOCUMENT, example_id="x", annotations=())
    documents = [*documents_of(TITLES[:40]), nothing, InputError("bad"), *documents_of(TITLES[40:60])]
    # A page's questions stand in two files, and one file has none.
    parts = deal_parts(tmp_path, [documents[:31], [], documents[31:]])
    collected = Part.of(tmp_path / "all", ["probe"])
    rows = collect_partitions(parts, collected)
    whole, by_partition = partitioned(tmp_path / "whole", documents, on_bad_input="skip")
    assert examples_in(collected) == by_partition
    whole_pages = pages_in(Part.of(tmp_path / "whole"))
    pages = [(name, "pages", len({page.title for page in whole_pages[name]})) for name in PARTITIONS]
    assert sorted(rows) == sorted([*whole, *pages])
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), key=[*PARTITIONS, "left out"].index)
    assert files_in(tmp_path / "all") == ["documents/probe.jsonl.gz", *(f"examples/{name}.jsonl.gz" for name in PARTITIONS)]
    assert pages_in(collected) == {"probe": whole_pages["probe"]}


def test_a_page_in_two_files_is_one_page_of_one_partition(tmp_path):
    one, two = documents_of(["Nile"])
    rows = collect_partitions(deal_parts(tmp_path, [[one], [two, unanswered(two)]]), Part.of(tmp_path / "all"))
    name = partition_of("Nile", 13, SHARES)
    assert [row for row in rows if row[1] in ("pages", "questions", "examples") and row[2]] == [
        (name, "pages", 1),
        (name, "questions", 3),
        (name, "examples", 2),
    ]


def test_a_page_that_answers_nothing_is_a_page_too(tmp_path):
    rows = collect_partitions(deal_parts(tmp_path, [[unanswered(DOCUMENT)]]), Part.of(tmp_path / "all"))
    name = partition_of("Ada", 13, SHARES)
    assert [row for row in rows if row[2]] == [
        (name, "pages", 1),
        (name, "questions", 1),
        ("left out", "the page does not answer the question", 1),
    ]


def splits(folder, **titles):
    """Write a part for each partition, which all of its pages go to; returns the parts. titles: of each one's pages."""
    parts = [Part.of(folder / name) for name in titles]
    for part, (name, pages) in zip(parts, titles.items(), strict=True):
        documents = [replace(one, example_id=f"{name} {one.example_id}") for one in documents_of(pages)]
        shares = {**dict.fromkeys(PARTITIONS, 0), name: 1}
        questions = [*documents[:-1], unanswered(documents[-1])]
        write_tsv(part.counts, COUNT_FIELDS, write_partitions(placed(questions, f"file {name}"), part, 13, shares))
    return parts


def test_a_page_of_two_splits_stays_in_the_later_partition_and_the_questions_that_go_are_counted(tmp_path, caplog):
    """Of the pages of finetune "Nile" is in probe too, and "Oslo" in head; of those of head "Po" is in probe too."""
    parts = splits(tmp_path, probe=["Nile", "Po", "Rome"], head=["Oslo", "Po", "Lima"], finetune=["Ada", "Oslo", "Nile"])
    collected = Part.of(tmp_path / "all")
    with caplog.at_level(logging.WARNING):
        counts = {(name, what): number for name, what, number in collect_partitions(parts, collected) if number}
    wanted = {"finetune": ["Ada"], "head": ["Lima", "Oslo"], "probe": ["Nile", "Po", "Rome"]}
    for of_name in (examples_in(collected), pages_in(collected)):
        assert {name: sorted({one.title for one in found}) for name, found in of_name.items()} == wanted
    # The last question of each file is without an answer: "Nile" of finetune, "Lima" of head and "Rome" of probe.
    assert counts == {
        **{(name, "pages"): len(pages) for name, pages in wanted.items()},
        **{(name, "questions"): 2 * len(pages) for name, pages in wanted.items()},
        **{(name, what): n for name, n in (("finetune", 2), ("head", 3), ("probe", 5)) for what in KINDS},
        ("left out", "the page does not answer the question"): 2,
        ("left out", "pages in two partitions, which stay in the later one"): 3,
        ("left out", "the page is in a later partition too"): 6,
    }
    (message,) = caplog.messages
    assert message.startswith("3 pages are in two partitions, such as 'Nile': 6 questions are left out, ")


def test_what_stays_of_shared_pages_is_what_is_written_without_the_others(tmp_path):
    together, alone = Part.of(tmp_path / "all"), Part.of(tmp_path / "some")
    collect_partitions(splits(tmp_path / "a", finetune=["Ada", "Nile", "Po"], probe=["Nile"]), together)
    collect_partitions(splits(tmp_path / "b", finetune=["Ada", "Po"], probe=["Nile"]), alone)
    for kind in ("examples", "documents"):
        for name in PARTITIONS:
            one, other = (list(files.read_json_lines(getattr(part, kind)[name])) for part in (together, alone))
            assert [row for _, row in one] == [row for _, row in other]


@pytest.mark.parametrize("annotations", [(FOUND,), ()])
def test_an_example_id_in_two_files_is_named_with_both_its_places(tmp_path, annotations):
    again = replace(DOCUMENT, annotations=annotations)
    parts = deal_parts(tmp_path, [[DOCUMENT], [replace(DOCUMENT, example_id="2"), again]])
    with pytest.raises(InputError, match=re.escape("file 1, line 2: the question '1' is also in file 0, line 1;")):
        collect_partitions(parts, Part.of(tmp_path / "all"))
    assert not (tmp_path / "all").exists()


def test_a_part_that_is_cut_off_is_named_and_nothing_is_written(tmp_path):
    parts = deal_parts(tmp_path, [documents_of(["a"]), documents_of(["b"])])
    parts[1].index.write_bytes(parts[1].index.read_bytes()[:-9])
    with pytest.raises(InputError, match=re.escape(f"{parts[1].index}, after line ")):
        collect_partitions(parts, Part.of(tmp_path / "all"))
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(("titles", "warned"), [(["Untitled"], True), (["a", "b"], False)])
def test_that_all_questions_are_on_one_page_is_said(tmp_path, caplog, titles, warned):
    documents = [replace(DOCUMENT, example_id=str(i), title=titles[i % len(titles)]) for i in range(4)]
    with caplog.at_level(logging.WARNING):
        collect_partitions(deal_parts(tmp_path, [documents]), Part.of(tmp_path / "all"))
    told = (
        "all 4 questions are on one page, 'Untitled', and a page goes to one partition as a whole: the others are empty. "
    )
    assert [message.startswith(told) for message in caplog.messages] == [True] * warned


def test_that_no_question_is_left_is_said_with_the_reasons(tmp_path):
    part = Part.of(tmp_path / "one")
    errors = [(f"a, line {i}", InputError(f"a, line {i}: bad")) for i in range(3)]
    write_tsv(part.counts, COUNT_FIELDS, write_partitions(errors, part, 13, SHARES, on_bad_input="skip"))
    with pytest.raises(InputError, match=r"^data: no question is left of all files \(3 bad input, skipped\)\. The log"):
        collect_partitions([part], Part.of(tmp_path / "all"))
    assert not (tmp_path / "all").exists()
