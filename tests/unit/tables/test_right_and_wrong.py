"""What was found of right and wrong answers, laid out: in words, and each number of the table."""

import pytest

from pairprobe.evidence.fields import RIGHT_AND_WRONG_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.tables.right_and_wrong import right_and_wrong_table

RECIPES = {"tuned": ["tuned-seed1", "tuned-seed2", "tuned-seed3"]}
LABELS = {"before": "Pre-trained", "tuned": "Tuned"}
NUMBERS = {"right": 60, "right_low": 50, "right_high": 70, "wrong": 48, "wrong_low": 40, "wrong_high": 55}
EMPTY = dict.fromkeys([*NUMBERS, "difference", "low", "high", "p", "p_adjusted"], "")


def row(layer=0, p=1.0, **changes):
    names = {"ranked_by": "tuned", "answered_by": "tuned", "task": "synonyms", "measure": "cosine", "layer": layer}
    counts = {"value": "auc", "pairs_right": 20.3, "pairs_wrong": 9.7, "pages": 30, "effective_pages": 24.5, "seeds": 3}
    tested = {"difference": 12.25, "low": 3, "high": 21, "p": p / 10, "p_adjusted": p}
    return names | counts | NUMBERS | tested | changes


@pytest.fixture
def said(tmp_path):
    def lay_out(*rows, recipes=RECIPES):
        path = str(tmp_path / "right_and_wrong.tsv")
        write_tsv(path, RIGHT_AND_WRONG_FIELDS, [[one[name] for name in RIGHT_AND_WRONG_FIELDS] for one in rows])
        return right_and_wrong_table(path, LABELS, 0.95, {"tuned": "1, 2, 3", "other": 4}, recipes)

    return lay_out


def glance(text):
    return [line for line in text.splitlines() if line.startswith("| Tuned ")]


def test_layers_in_which_a_test_finds_something_are_named_by_measure(said):
    rows = [row(layer, p) for layer, p in enumerate((0.04, 0.2, 0.05))]
    rows += [row(2, 0.01, measure="euclidean", difference=-4)]
    text = said(*rows)
    assert "higher in layers 0 and 2 (cosine); lower in layer 2 (euclidean)" in glance(text)[0]
    words = " ".join(text.split())
    assert "Found: Synonyms: of pairs of right answers auc is higher in layers 0 and 2 (cosine); lower in layer 2" in words
    assert "wrong answers, the mean over seeds" in words
    assert "with its 95 % interval by itself; p: corrected. Seeds: Tuned 1, 2, 3." in words


def test_what_two_measures_find_alike_is_said_once(said):
    rows = [row(3, 0.01, measure=measure, value="f1_correlation") for measure in ("cosine", "euclidean")]
    text = said(*rows, row(task="coreference"))
    assert "(cosine)" not in text
    assert (
        "where F1 is higher, a pair ranks higher in layer 3 (rankings of Tuned). Undecided in all layers: Coref"
        in " ".join(text.split())
    )


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({}, "undecided"),
        ({"p_adjusted": 0.01, "effective_pages": 19.9}, "undecided: 19 pages"),
        ({"p_adjusted": 0.01, "seeds": 2}, "undecided"),
        (EMPTY | {"pairs_right": 0}, "none right"),
        (EMPTY | {"pairs_wrong": 0}, "none wrong"),
    ],
)
def test_nothing_is_decided_by_chance_on_few_pages_of_few_seeds_or_of_an_empty_group(said, changes, cell):
    text = said({**row(), **changes})
    assert glance(text)[0].split("|")[3].strip() == cell
    assert "Nothing is found." in text
    assert "nan" not in text


def test_one_checkpoint_needs_no_seeds(said):
    assert "higher in layer 1" in glance(said(row(1, 0.01, seeds=1), recipes={}))[0]


def test_the_numbers_of_the_layer_with_the_smallest_p_stand_in_a_line(said):
    text = said(row(0, 0.3), row(1, 0.0004), row(2, 0.2), row(0, 0.4, ranked_by="before"))
    *_, ours, before = (line for line in text.splitlines() if "| cosine" in line)
    cells = ["Synonyms", "cosine", "auc", "Tuned", "20.3", "9.7", "24", "1", "60.0", "48.0", "12.2", "3.0 to 21.0"]
    assert [cell.strip() for cell in ours.split("|")[1:-1]] == [*cells, "under 0.001", "higher"]
    assert [before.split("|")[column].strip() for column in (4, -2)] == ["Pre-trained", "undecided"]
    assert "What the rankings of Pre-trained show by the same answers was there before training." in " ".join(text.split())


def test_the_seeds_of_a_recipe_have_no_lines_of_their_own(said):
    text = said(row(), row(1, 0.001, answered_by="tuned-seed1", ranked_by="tuned-seed1", seeds=1))
    assert "seed1" not in text


def test_without_pairs_it_says_so(said):
    assert said() == "There is no pair of a question that has a short answer.\n"
