"""Exact match and F1 of SQuAD equal those of torchmetrics, which follows the official script, on random answers.

One case is decided differently by the official scripts: where nothing is left of the prediction nor of the gold answer
("the" and "a"), exact match is 1 and F1 is 0 in that of SQuAD 1.1, and 1 in that of SQuAD 2.0 and in torchmetrics.
"""

import random

import pytest
from torchmetrics.functional.text import squad

from pairprobe.evaluation.squad_metric import exact_match, f1

PIECES = [
    *"a an the A The THE theatre another anthem Nile Nile river RIVER U.S. US 1,000 1000 3.5 it's its well-known".split(),
    *"café cafe CAFÉ Zürich ZÜRICH naïve 東京 東 京 ß SS İstanbul i̇stanbul ﬁn fin ½ ² 🎉 e Σ ς".split(),
    *". , ! ? ' \" - – — ... ( ) [ ] $ € % & _ ` ~ “ ” 。 、 / \\".split(),
    # By number what looks like something else, or like nothing.
    *("\u0435", "\u03c3", "\u2019", "\uff0c", "\uff01", "e\u0301", "\u0301", "\x00", "\u200b", "\u200d", "\ufeff"),
    *("", " ", "  ", "\t", "\n", "\u00a0", "\u2003", "\u2028", "\u3000"),
]
JOINTS = (" ", " ", " ", " ", "", "  ", "-", "\u00a0", "\n")


def answer(dice):
    pieces = [dice.choice(PIECES) for _ in range(dice.choice([0, 1, 1, 2, 3, 5, 8]))]
    return "".join(piece + dice.choice(JOINTS) for piece in pieces)


def alike(dice, gold):
    """Return a gold answer with something changed that may or may not count."""
    words = gold.split(" ")
    dice.shuffle(words)
    return dice.choice(
        [
            gold,
            gold.upper(),
            gold.title(),
            f"The {gold}!",
            f"{gold} {answer(dice)}",
            gold.replace(" ", dice.choice(JOINTS)),
            " ".join(words),
            " ".join(words[:2]),
            gold[1:],
        ]
    )


def drawn(seed):
    """Draw a prediction and one to four gold answers."""
    dice = random.Random(seed)
    golds = [answer(dice) for _ in range(dice.choice([1, 1, 2, 3, 4]))]
    return alike(dice, dice.choice(golds)) if dice.random() < 0.7 else answer(dice), golds


def theirs(prediction, golds):
    target = {"answers": {"answer_start": [0] * len(golds), "text": golds}, "id": "1"}
    found = squad({"prediction_text": prediction, "id": "1"}, target)
    return found["exact_match"].item() / 100, found["f1"].item() / 100


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_exact_match_and_f1_are_those_of_torchmetrics(block):
    seen = []
    for seed in range(block * 1000, block * 1000 + 1000):
        prediction, golds = drawn(seed)
        matched, overlap = theirs(prediction, golds)
        assert exact_match(prediction, golds) == matched, (prediction, golds)
        # torchmetrics computes F1 in float32.
        assert f1(prediction, golds, nothing=True) == pytest.approx(overlap, abs=1e-6), (prediction, golds)
        seen.append((matched, overlap))
    # The answers are neither all right nor all wrong.
    assert 100 < sum(matched for matched, _ in seen) < 900
    assert sum(0 < overlap < 1 for _, overlap in seen) > 100


@pytest.mark.parametrize(
    ("prediction", "golds"), [("", [""]), ("the", ["a"]), ("!", ["", "x"]), ("", ["x"]), ("x", ["an"])]
)
def test_answers_of_which_nothing_is_left_are_as_in_torchmetrics(prediction, golds):
    assert (exact_match(prediction, golds), f1(prediction, golds, nothing=True)) == theirs(prediction, golds)


def test_answers_of_which_nothing_is_left_have_no_f1_by_the_script_of_squad_1():
    assert (exact_match("the", ["a"]), f1("the", ["a"])) == (1, 0)
    assert (exact_match("", [""]), f1("", [""], nothing=True)) == (1, 1)
