"""The verdicts on control trainings, laid out."""

import pytest

from pairprobe.evidence.fields import CONTROL_TRAINING_FIELDS, MORE, NO_MORE
from pairprobe.io.tsv import write_tsv
from pairprobe.tables.control_trainings import control_trainings_table

RECIPES = {"tuned": ["tuned-seed1", "tuned-seed2", "tuned-seed3"]}
EVIDENCE = {"confidence": 0.95, "margin": 5.0}


def row(layer="upper", verdict=MORE, **changes):
    names = {"value": "auc", "before": "base", "after": "tuned", "control": "shuffled", "task": "synonyms"}
    counts = {"measure": "cosine", "layer": layer, "pairs": 60, "seeds": 3, "pages": 30, "effective_pages": "24.5"}
    effects = {f"{name}{end}": 1.25 for name in ("effect", "control_effect") for end in ("", "_low", "_high")}
    tested = {"difference": 12.34, "difference_low": 3, "difference_high": 21.06, "p": 0.0001, "p_adjusted": 0.004}
    return names | counts | effects | tested | {"scope": "recipe", "verdict": verdict} | changes


@pytest.fixture
def said(tmp_path):
    def lay_out(*rows):
        path = str(tmp_path / "control_trainings.tsv")
        write_tsv(path, CONTROL_TRAINING_FIELDS, [[one[name] for name in CONTROL_TRAINING_FIELDS] for one in rows])
        labels = {"base": "Pre-trained", "tuned": "Tuned"}
        return control_trainings_table(path, labels, EVIDENCE, {"tuned": "1, 2, 3", "other": "4"}, RECIPES)

    return lay_out


def test_verdicts_stand_by_lower_and_upper_layers_on_auc_and_specific(said):
    text = said(
        row("lower", NO_MORE), row("upper", MORE), row("lower", "undecided", value="specific"), row("6", ""),
        row("upper", NO_MORE, value="specific"),
    )  # fmt: skip
    assert text.startswith("# Tuned (mean of 3 seeds) beside Shuffled\n")
    [line] = [line for line in text.splitlines() if line.startswith("| Synonyms | cosine  | no more")]
    assert [cell.strip() for cell in line.strip("| ").split("|")] == [
        "Synonyms",
        "cosine",
        NO_MORE,
        "undecided",
        MORE,
        NO_MORE,
    ]
    words = " ".join(text.split())
    assert "What Tuned (mean of 3 seeds) does to Pre-trained, beside what the control training Shuffled does." in words
    assert "the two effects differ by less than 5 points" in words
    assert "wrong with a probability of 5 % at most" in words
    assert "Seeds: Tuned 1, 2, 3." in words


def test_numbers_stand_behind_each_verdict(said):
    lines = [line for line in said(row(), row("5", "")).splitlines() if "3.0 to 21.1" in line]
    assert len(lines) == 1
    cells = [cell.strip() for cell in lines[0].strip("| ").split("|")]
    assert cells == ["Synonyms", "cosine", "auc", "upper", "1.2", "1.2", "12.3", "3.0 to 21.1", "0.004", "24", MORE]


def test_each_two_trainings_have_a_part_of_their_own(said):
    assert said(row(), row(control="masked")).count("# Tuned (mean of 3 seeds) beside") == 2


def test_without_pairs_that_is_said(said):
    assert "There is no pair" in said()
