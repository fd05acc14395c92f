"""Pages cut into windows of subtokens, and what each window is to be answered with."""

import random
import subprocess
import sys
import tracemalloc
from itertools import chain, pairwise
from pathlib import Path

import corpora
import msgspec
import numpy as np
import pytest
from families import BRACKETS, FAMILIES, MODEL, SEGMENTS, make, word_piece
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer

from pairprobe.checkpoints import loading
from pairprobe.checkpoints.tokenization import encode
from pairprobe.data.pages import Marked, Page, check
from pairprobe.errors import InputError
from pairprobe.finetuning import subtokenizer as subtokenizer_module
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import (
    ANSWER_TYPES,
    LONG,
    MARKUP,
    NO,
    NULL,
    SHORT,
    YES,
    gold_of,
    places_of,
    subtokens_of,
    target,
    windows,
)

NOTHING = Marked(None)
# Of one subtoken and of up to eight; the last is turned into nothing.
WORDS = "the king antidisestablishmentarianism , Zürich naïveté 東京 built 3.14 🎉 U.S. electroencephalographic".split()
WORDS.append("\u200b")


@pytest.fixture(scope="module")
def tokenizer():
    return loading.load_tokenizer(MODEL)


@pytest.fixture(scope="module")
def subtokenizer(tokenizer):
    return Subtokenizer(tokenizer)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """One of each family."""
    return {family: loading.load_tokenizer(make(family, tmp_path_factory.mktemp(family))) for family in sorted(FAMILIES)}


def page_with(text, candidates=(), annotations=(), markup=True, question="who ?", example_id="e"):
    return Page(example_id, "title", question.split(), text, markup, tuple(candidates), tuple(annotations))


def plain_page(words, *annotations, **fields):
    return page_with(" ".join(words), [(0, len(words), True)] if words else [], annotations, markup=False, **fields)


# --- Random pages, and what is to be made of them, one subtoken at a time ---------------------------------------------

# Which kind a passage is, by its tag.
KINDS = {
    "P": "Paragraph",
    "H2": "Paragraph",
    "Table": "Table",
    "Tr": "Table",
    **dict.fromkeys(["Ul", "Ol", "Dl", "Li", "Dd", "Dt"], "List"),
}
INLINE = ["<B>", "</B>", '<A_href="x">', "<Br/>", "</A>"]


def drawn_page(dice, number):
    """Draw a page of passages with parts of their own, with what belongs to none of them between, and annotations."""
    tokens, candidates = [], []

    def words(most, inline=0.1):
        for _ in range(dice.randrange(most + 1)):
            tokens.append(dice.choice(INLINE) if dice.random() < inline else dice.choice(WORDS))

    def passage(tag, top_level, fill):
        place, start = len(candidates), len(tokens)
        candidates.append(None)
        tokens.append(dice.choice([f"<{tag}>", f'<{tag}_class="x">']))
        fill()
        tokens.append(f"</{tag}>")
        candidates[place] = (start, len(tokens), top_level)

    def parts(tag):
        for _ in range(dice.randrange(4)):
            passage({"Table": "Tr", "Dl": "Dd"}.get(tag, "Li"), False, lambda: words(6))

    for _ in range(dice.randrange(7)):
        tag = dice.choice(["P", "P", "P", "Table", "Ul", "Ol", "Dl", "H2", "Li", None])
        if tag is None:
            words(5)
        else:
            nested = tag in ("Table", "Ul", "Ol", "Dl") and dice.random() < 0.8
            passage(tag, True, (lambda tag=tag: parts(tag)) if nested else (lambda: words(25)))
    dice.shuffle(candidates)
    annotators = dice.choice([1, 1, 2, 5])
    annotations = [drawn_annotation(dice, tokens, candidates) for _ in range(annotators)]
    question = " ".join(dice.choices(["who", "built", "Zürich", "?"], k=dice.randrange(1, 5)))
    return page_with(" ".join(tokens), candidates, annotations, question=question, example_id=f"drawn {number}")


def drawn_annotation(dice, tokens, candidates):
    if not candidates or dice.random() < 0.2:
        return NOTHING
    start, end, _ = dice.choice(candidates)
    inside = [i for i in range(start, end) if tokens[i][0] != "<"]
    shorts = []
    for _ in range(dice.choice([0, 1, 1, 2]) if inside else 0):
        first = dice.choice(inside)
        shorts.append((first, min(end, first + dice.randrange(1, 7))))
    return Marked((start, end), tuple(shorts), None if shorts else dice.choice(["yes", "no", None, None]))


def drawn_plain_page(dice, number):
    """Draw a page without markup, on which what looks like a tag is a word."""
    words = dice.choices([*WORDS, "<P>", "</Td>"], k=dice.randrange(1, 60))
    first = dice.randrange(len(words))
    shorts = ((first, min(len(words), first + dice.randrange(1, 5))),) if dice.random() < 0.7 else ()
    return plain_page(
        words, Marked((0, len(words)), shorts) if dice.random() < 0.8 else NOTHING, example_id=f"plain {number}"
    )


def drawn_pages(seed, number=150):
    dice = random.Random(seed)
    pages = [(drawn_page if dice.random() < 0.75 else drawn_plain_page)(dice, i) for i in range(number)]
    for page in pages:
        check(page.example_id, page)
    return pages


def pages_with_words(seed):
    """Draw pages that have a word to read, if only one; see test_a_page_of_markup_alone_has_no_window for the others."""
    return [
        page for page in drawn_pages(seed) if any(word != "\u200b" for span in page.passages for word in page.words(*span))
    ]


def drawn_sizes(seed):
    """Draw how long a window is and how far apart windows are, for each page anew."""
    dice = random.Random(seed)
    while True:
        yield dice.choice([14, 20, 33, 64, 384]), dice.choice([1, 2, 3, 7, 16, 30, 128])


def ids_of(tokenizer, word):
    """Return the ids of a word's subtokens (of MiniLM, whose words do not depend on what stands before)."""
    return tokenizer(word, add_special_tokens=False)["input_ids"]


def naive_subtokens(tokenizer, page, markup=True):
    """Return a row for each subtoken: id, token, passage, whether it is a word's, its passage's first, its last."""
    outer = sorted((start, end) for start, end, top_level in page.candidates if top_level)
    if not outer and page.tokens:
        outer = [(0, len(page.tokens))]
    rows, seen = [], {"Paragraph": 0, "Table": 0, "List": 0}
    for number, (start, end) in enumerate(outer):
        if page.markup:
            kind = KINDS.get(page.tokens[start].strip("</>").partition("_")[0], "Paragraph")
            seen[kind] += 1
            entry = {"Paragraph": 0, "Table": 50, "List": 100}[kind] + min(seen[kind], 50) - 1
            if markup:
                rows.append([tokenizer.convert_tokens_to_ids(f"[unused{entry}]"), start, number, False, False, False])
        words = [i for i in range(start, end) if not page.markup or page.tokens[i][0] != "<" or page.tokens[i][-1] != ">"]
        own = [[piece, i, number, True, False, False] for i in words for piece in ids_of(tokenizer, page.tokens[i])]
        if own and page.markup:
            own[0][4] = own[-1][5] = True
        rows += own
    return rows


def naive_windows(tokenizer, page, max_length, stride, rows):
    """Return (ids, begin, at, rows of the part) of each window."""
    question = [
        tokenizer.cls_token_id,
        *chain(*(ids_of(tokenizer, word) for word in page.question)),
        tokenizer.sep_token_id,
    ]
    room = max_length - len(question) - 1
    found, at = [], 0
    while at < len(rows):
        part = rows[at : at + room]
        found.append(([*question, *(row[0] for row in part), tokenizer.sep_token_id], len(question), at, part))
        if at + room >= len(rows):
            break
        at += min(stride, room)
    return found


def naive_gold(page):
    """Return type and span, each rule in its own words."""
    answered = [found for found in page.annotations if found.long_answer is not None]
    if not answered or (len(answered) == 1 and len(page.annotations) > 1):
        return "null", None
    best = min(answered, key=lambda found: (found.short_answers == (), found.long_answer))
    if best.short_answers:
        places = [place for short in best.short_answers for place in short]
        return "short", (min(places), max(places))
    return best.yes_no or "long", best.long_answer


def room_of(page, tokenizer, max_length):
    return max_length - 3 - sum(len(ids_of(tokenizer, word)) for word in page.question)


def test_the_pages_drawn_have_every_kind_of_passage_and_answer():
    pages = [page for seed in range(6) for page in drawn_pages(seed)]
    assert {naive_gold(page)[0] for page in pages} == set(ANSWER_TYPES)
    assert {len(page.annotations) for page in pages} == {1, 2, 5}
    tags = {page.tokens[start].strip("<>").partition("_")[0] for page in pages if page.markup for start, _ in page.passages}
    assert tags >= set(KINDS) - {"Tr", "Dd", "Dt"}
    assert any("\u200b" in page.tokens for page in pages)
    assert any(len(page.passages) != len(page.candidates) for page in pages)
    assert any(not page.tokens for page in pages)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("markup", [True, False])
def test_subtokens_are_those_of_each_word_by_itself_behind_the_markup_of_its_passage(tokenizer, subtokenizer, seed, markup):
    for page in drawn_pages(seed):
        found = subtokens_of(page, subtokenizer, markup)
        wanted = naive_subtokens(tokenizer, page, markup)
        columns = (found.ids, found.token, found.passage, found.is_word, found.first, found.last)
        assert [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)] == wanted, page
        assert len(found) == len(wanted)


@pytest.mark.parametrize("seed", range(6))
def test_windows_are_those_cut_one_subtoken_at_a_time(tokenizer, subtokenizer, seed):
    cut = 0
    for page, (max_length, stride) in zip(pages_with_words(seed), drawn_sizes(seed), strict=False):
        rows = naive_subtokens(tokenizer, page)
        found = list(windows(page, subtokenizer, max_length, stride))
        wanted = naive_windows(tokenizer, page, max_length, stride, rows)
        assert [(w.input_ids.tolist(), w.begin, w.at) for w in found] == [window[:3] for window in wanted]
        for window, (*_, part) in zip(found, wanted, strict=True):
            own = window.part
            columns = (own.ids, own.token, own.passage, own.is_word, own.first, own.last)
            assert [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)] == part
            assert window.example_id == page.example_id
            assert window.input_ids.dtype == np.int32
        cut += len(found)
    assert cut > 500


@pytest.mark.parametrize("seed", range(6))
def test_windows_cover_every_subtoken_are_a_stride_apart_and_within_the_length(tokenizer, subtokenizer, seed):
    for page, (max_length, stride) in zip(pages_with_words(seed), drawn_sizes(seed), strict=False):
        whole = subtokens_of(page, subtokenizer)
        found = list(windows(page, subtokenizer, max_length, stride, whole))
        covered = {window.at + i for window in found for i in range(len(window.part))}
        assert covered == set(range(len(whole)))
        assert all(len(window.input_ids) <= max_length for window in found)
        assert all(len(window.input_ids) == max_length for window in found[:-1])
        step = min(stride, room_of(page, tokenizer, max_length))
        assert [window.at for window in found] == [step * i for i in range(len(found))]
        # None but the last reaches the end.
        assert [window.at + len(window.part) for window in found].count(len(whole)) == bool(found)


@pytest.mark.parametrize("seed", range(8))
def test_every_answer_that_can_fit_is_found_again_and_no_other(tokenizer, subtokenizer, seed):
    fitting = crossing = 0
    for page, (max_length, stride) in zip(pages_with_words(seed), drawn_sizes(seed), strict=False):
        kind, span = naive_gold(page)
        answer_type, found_span = gold_of(page)
        assert (ANSWER_TYPES[answer_type], found_span) == (kind, span)
        rows = naive_subtokens(tokenizer, page)
        inside = [i for i, row in enumerate(rows) if row[3] and span and span[0] <= row[1] < span[1]]
        places = places_of(subtokens_of(page, subtokenizer), span)
        assert places == ((inside[0], inside[-1]) if inside else None)
        held = 0
        for window in windows(page, subtokenizer, max_length, stride):
            stretch = range(window.at, window.at + len(window.part))
            holds = bool(inside) and inside[0] in stretch and inside[-1] in stretch
            type_found, start, end = target(window, answer_type, places)
            if not holds:
                assert (type_found, start, end) == (NULL, 0, 0)
                continue
            held += 1
            assert type_found == answer_type != NULL
            assert window.begin <= start <= end < len(window.input_ids) - 1
            assert window.input_ids[start : end + 1].tolist() == [row[0] for row in rows[inside[0] : inside[-1] + 1]]
            assert_words(page, window, start, end, span, tokenizer)
        room = room_of(page, tokenizer, max_length)
        if inside and inside[-1] - inside[0] + 1 <= room - (min(stride, room) - 1):
            assert held
            fitting += 1
        crossing += bool(inside) and not held
    assert fitting > 25
    assert crossing


def assert_words(page, window, start, end, span, tokenizer):
    """Assert that a window's positions are those of the words of a span that have subtokens."""
    first, last = start - window.begin, end - window.begin + 1
    is_word = window.part.is_word[first:last]
    assert is_word[0]
    assert is_word[-1]
    pointed = list(dict.fromkeys(window.part.token[first:last][is_word].tolist()))
    with_subtokens = [word for word in page.words(*span) if ids_of(tokenizer, word)]
    assert [page.tokens[i] for i in pointed] == with_subtokens
    # Not a piece more or less.
    assert first == 0 or window.part.token[first - 1] != pointed[0] or not window.part.is_word[first - 1]
    assert last == len(window.part) or window.part.token[last] != pointed[-1]


# --- Worked by hand -------------------------------------------------------------------------------------------------

NILE = (
    "<H1> Nile </H1> <P> The Nile is <B> long </B> . </P> <Ul> <Li> Cairo </Li> <Li> Zürich </Li> </Ul> <P> It ends . </P>"
)
NILE_PAGE = page_with(
    NILE, [(3, 12, True), (12, 20, True), (13, 16, False), (16, 19, False), (20, 25, True)], [Marked((12, 20), ((14, 15),))]
)


def tokens_of(tokenizer, window):
    return tokenizer.convert_ids_to_tokens(window.input_ids.tolist())


def test_a_page_worked_by_hand(tokenizer, subtokenizer):
    (window,) = windows(NILE_PAGE, subtokenizer, 64, 16)
    part = "[unused0] the nile is long . [unused100] cairo zurich [unused1] it ends ."
    assert tokens_of(tokenizer, window) == ["[CLS]", "who", "?", "[SEP]", *part.split(), "[SEP]"]
    assert (window.begin, window.at) == (4, 0)
    assert window.part.token.tolist() == [3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 21, 22, 23]
    assert window.part.passage.tolist() == [0] * 6 + [1] * 3 + [2] * 4
    assert np.flatnonzero(~window.part.is_word).tolist() == [0, 6, 9]
    assert np.flatnonzero(window.part.first).tolist() == [1, 7, 10]
    assert np.flatnonzero(window.part.last).tolist() == [5, 8, 12]
    answer_type, span = gold_of(NILE_PAGE)
    assert target(window, answer_type, places_of(window.part, span)) == (SHORT, 11, 11)
    # The list is the passage from its first word to its last.
    assert target(window, LONG, places_of(window.part, (12, 20))) == (LONG, 11, 12)


def test_windows_worked_by_hand(tokenizer, subtokenizer):
    found = list(windows(NILE_PAGE, subtokenizer, 10, 4))
    assert [tokens_of(tokenizer, window)[4:-1] for window in found] == [
        "[unused0] the nile is long".split(),
        "long . [unused100] cairo zurich".split(),
        "zurich [unused1] it ends .".split(),
    ]
    assert [target(window, SHORT, (7, 7)) for window in found] == [(NULL, 0, 0), (SHORT, 7, 7), (NULL, 0, 0)]


def test_markup_tokens_may_be_left_out(tokenizer, subtokenizer):
    subtokens = subtokens_of(NILE_PAGE, subtokenizer, markup=False)
    (window,) = windows(NILE_PAGE, subtokenizer, 64, 16, subtokens)
    assert tokens_of(tokenizer, window)[4:-1] == "the nile is long . cairo zurich it ends .".split()
    assert np.flatnonzero(window.part.first).tolist() == [0, 5, 7]
    assert window.part.is_word.all()


def test_the_passage_of_a_page_without_markup_is_no_answer_and_has_no_markup_token(tokenizer, subtokenizer):
    (window,) = windows(plain_page("The <P> Nile".split()), subtokenizer, 64, 16)
    assert tokens_of(tokenizer, window)[4:-1] == "the < p > nile".split()
    assert not window.part.first.any()
    assert not window.part.last.any()


def test_first_and_last_are_pieces_of_words_that_have_some(subtokenizer):
    text = "<P> <B> \u200b antidisestablishmentarianism Zürich 東京 \u200b </B> </P> <P> \u200b </P> <P> king </P>"
    subtokens = subtokens_of(page_with(text, [(0, 9, True), (9, 12, True), (12, 15, True)]), subtokenizer)
    assert (subtokens.token[subtokens.first].tolist(), subtokens.token[subtokens.last].tolist()) == ([3, 13], [5, 13])
    assert subtokens.passage[subtokens.first].tolist() == subtokens.passage[subtokens.last].tolist() == [0, 2]


def test_what_lies_in_no_passage_is_not_read(tokenizer, subtokenizer):
    page = page_with("a b <P> c </P> d", [(2, 5, True)])
    (window,) = windows(page, subtokenizer, 64, 16)
    assert tokens_of(tokenizer, window)[4:-1] == ["[unused0]", "c"]
    assert places_of(window.part, (0, 2)) is None
    assert places_of(window.part, (0, 4)) == (1, 1)


def test_a_part_of_subtokens_is_that_part_of_every_column(subtokenizer):
    subtokens = subtokens_of(NILE_PAGE, subtokenizer)
    part = subtokens[6:9]
    assert len(part) == 3
    for name in ("ids", "token", "passage", "is_word", "first", "last"):
        assert getattr(part, name).tolist() == getattr(subtokens, name).tolist()[6:9]


# --- Kinds and numbers of passages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        *(("P", "Paragraph"), ("H2", "Paragraph"), ("Table", "Table"), ("Tr", "Table"), ("Ul", "List"), ("Ol", "List")),
        *(("Dl", "List"), ("Li", "List"), ("Dd", "List"), ("Dt", "List"), ("Tables", "Paragraph"), ("table", "Paragraph")),
    ],
)
def test_a_passage_is_called_by_its_tag(subtokenizer, tag, kind):
    page = page_with(f'<{tag}_class="x"> king </{tag}>', [(0, 3, True)])
    assert subtokens_of(page, subtokenizer).ids[0] == subtokenizer.markup[f"[{kind}=1]"][0]
    assert (
        subtokens_of(page_with(f"<{tag}> king </{tag}>", [(0, 3, True)]), subtokenizer).ids[0]
        == subtokenizer.markup[f"[{kind}=1]"][0]
    )


def test_passages_are_numbered_by_kind_and_those_past_50_share_the_last_number(subtokenizer):
    tags = [tag for _ in range(60) for tag in ("P", "Table", "P", "Ul")]
    text = " ".join(f"<{tag}> king </{tag}>" for tag in tags)
    page = page_with(text, [(3 * i, 3 * i + 3, True) for i in range(len(tags))])
    subtokens = subtokens_of(page, subtokenizer)
    names = {number: name for name, (number,) in subtokenizer.markup.items()}
    found = [names[number] for number in subtokens.ids[~subtokens.is_word].tolist()]
    assert found[:8] == [
        f"[{kind}]" for kind in "Paragraph=1 Table=1 Paragraph=2 List=1 Paragraph=3 Table=2 Paragraph=4 List=2".split()
    ]
    assert [found.count(f"[Paragraph={n}]") for n in (1, 49, 50)] == [1, 1, 71]
    assert [found.count(f"[{kind}={n}]") for kind in ("Table", "List") for n in (1, 49, 50)] == [1, 1, 11] * 2
    assert len(found) == 240
    assert subtokens.passage[~subtokens.is_word].tolist() == list(range(240))


def test_markup_tokens_are_150_entries_that_pretraining_left_unused(tokenizer, subtokenizer):
    assert list(subtokenizer.markup) == [f"[{kind}={n}]" for kind in ("Paragraph", "Table", "List") for n in range(1, 51)]
    ids = [number for (number,) in subtokenizer.markup.values()]
    assert len(set(ids)) == 150
    assert all(name.startswith("[unused") for name in tokenizer.convert_ids_to_tokens(ids))
    # No text is read as one of them.
    assert not set(ids) & set(tokenizer(" ".join([*MARKUP, "[unused5]", "unused5"]))["input_ids"])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_where_the_vocabulary_leaves_nothing_unused_markup_is_the_tokenizers_own_pieces(tokenizers, family):
    tokenizer = tokenizers[family]
    markup = Subtokenizer(tokenizer).markup
    assert list(markup) == list(MARKUP)
    for name, pieces in markup.items():
        (own,) = encode(tokenizer, [["a"]], [["a", name]])
        assert pieces == own.input_ids[own.word_of == 2].tolist()
        assert len(pieces) > 1
    assert len(set(map(tuple, markup.values()))) == len(MARKUP)


@pytest.mark.parametrize(("unused", "single"), [(149, False), (150, True), (200, True)])
def test_unused_entries_are_taken_where_there_are_enough(unused, single):
    names = [f"[unused{i}]" for i in range(1, unused + 1)]
    tokenizer = BertTokenizer(vocab=word_piece([*BRACKETS, *names]))
    markup = Subtokenizer(tokenizer).markup
    assert {len(pieces) == 1 for pieces in markup.values()} == {single}
    if single:
        assert tokenizer.convert_ids_to_tokens([pieces[0] for pieces in markup.values()]) == names[:150]


def test_markup_of_several_pieces_stands_before_its_passage(tokenizers):
    subtokenizer = Subtokenizer(tokenizers["roberta"])
    subtokens = subtokens_of(NILE_PAGE, subtokenizer)
    for number, name in enumerate(["[Paragraph=1]", "[List=1]", "[Paragraph=2]"]):
        own = subtokens.passage == number
        pieces = subtokenizer.markup[name]
        assert subtokens.ids[own][: len(pieces)].tolist() == pieces
        assert (~subtokens.is_word[own]).sum() == len(pieces)
        assert subtokens.token[own & ~subtokens.is_word].tolist() == [NILE_PAGE.passages[number][0]] * len(pieces)


# --- Words to subtokens, as the tokenizer does it -------------------------------------------------------------------


def whole_encoding(tokenizer, words):
    """Return each word's ids where the tokenizer reads the whole list."""
    batch = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
    found = [[] for _ in words]
    for word, number in zip(batch.word_ids(), batch["input_ids"], strict=True):
        found[word].append(number)
    return found


ODD = [
    "\u200b",
    "",
    "\u00a0",
    "\ufffd",
    "\u2581",
    "\u0120",
    "</s>",
    "[SEP]",
    "<pad>",
    "\n",
    "\u3000",
    "``",
    "e\u0301",
    "ﬁ",
    "İ",
    "##ing",
]


def drawn_words(dice, most):
    def word():
        kind = dice.random()
        if kind < 0.5:
            return dice.choice([*corpora.WORDS, *WORDS]).replace(" ", "_")
        if kind < 0.6:
            return dice.choice(ODD)
        ranges = [(33, 127), (0xA0, 0x3000), (0x1F300, 0x1F700), (0x4E00, 0xA000)]
        return "".join(chr(dice.randrange(*dice.choice(ranges))) for _ in range(dice.randrange(1, 6)))

    return [word() for _ in range(dice.randrange(1, most))]


@pytest.mark.parametrize("family", ["minilm", *sorted(FAMILIES)])
def test_each_word_has_the_subtokens_of_the_tokenizers_reading_of_the_whole_list(tokenizer, tokenizers, family):
    tokenizer, dice = {"minilm": tokenizer, **tokenizers}[family], random.Random(family)
    subtokenizer, empty = Subtokenizer(tokenizer), 0
    for _ in range(150):
        words = drawn_words(dice, 20)
        found = subtokenizer(words)
        assert found == whole_encoding(tokenizer, words), words
        empty += [] in found
    assert empty or family in ("roberta", "modernbert")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_subtokens_do_not_depend_on_what_was_asked_before(tokenizers, family, monkeypatch):
    dice = random.Random(7)
    texts = [drawn_words(dice, 30) for _ in range(40)]
    wanted = [Subtokenizer(tokenizers[family])(words) for words in texts]
    one = Subtokenizer(tokenizers[family])
    order = dice.choices(range(len(texts)), k=120)
    assert [one(texts[i]) for i in order] == [wanted[i] for i in order]
    # A few words looked up at a time, and hardly any remembered.
    monkeypatch.setattr(subtokenizer_module, "CHUNK_SIZE", 3)
    monkeypatch.setattr(subtokenizer_module, "_CACHE_SIZE", 20)
    forgetful = Subtokenizer(tokenizers[family])
    for i in order:
        assert forgetful(texts[i]) == wanted[i]
        assert len(forgetful.cache) <= 20 + len(set(texts[i]))


def test_a_word_is_looked_up_once(tokenizer):
    asked = []

    class Counting:
        def __call__(self, words, **options):
            asked.extend(words[1:])
            return tokenizer(words, **options)

    subtokenizer = Subtokenizer(Counting())
    subtokenizer(["the", "king", "the"])
    subtokenizer(["king", "Zürich", "\u200b"])
    subtokenizer(["\u200b", "the"])
    assert asked == ["the", "king", "Zürich", "\u200b"]


def test_no_words_have_no_subtokens(subtokenizer):
    assert subtokenizer([]) == []


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=8), st.data())
def test_any_words_have_the_subtokens_of_the_whole_list_in_any_family(tokenizers, words, data):
    tokenizer = tokenizers[data.draw(st.sampled_from(sorted(FAMILIES)))]
    assert Subtokenizer(tokenizer)(words) == whole_encoding(tokenizer, words)


@pytest.mark.parametrize("family", ["minilm", *sorted(FAMILIES)])
def test_a_short_page_is_the_tokenizers_own_encoding_of_question_and_words(tokenizer, tokenizers, family):
    tokenizer, dice = {"minilm": tokenizer, **tokenizers}[family], random.Random(11)
    subtokenizer, seen = Subtokenizer(tokenizer), 0
    has_segments = "token_type_ids" in subtokenizer.tokenizer.model_input_names
    assert has_segments == (family in SEGMENTS | {"minilm"})
    for _ in range(60):
        words = dice.choices([*WORDS, "Dr.", "1912", "½", "<3"], k=dice.randrange(1, 15))
        question = dice.choices(["Who", "saw", "日本", "\u200b", "naïveté", "?"], k=dice.randrange(1, 6))
        (own,) = encode(tokenizer, [question], [words])
        (window,) = list(windows(plain_page(words, question=" ".join(question)), subtokenizer, 512, 128)) or [None]
        if window is None:
            assert (own.word_of < len(question)).all()
            continue
        assert window.input_ids.tolist() == own.input_ids.tolist()
        assert (window.part.token + len(question)).tolist() == own.word_of[own.word_of >= len(question)].tolist()
        assert window.begin == np.flatnonzero(own.word_of >= len(question))[0]
        assert (own.token_type_ids is not None) == has_segments
        if has_segments:
            assert own.token_type_ids.tolist() == [int(i >= window.begin) for i in range(len(own))]
        seen += 1
    assert seen > 50


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_windows_of_a_long_page_are_the_tokenizers_own_windows(tokenizers, family):
    tokenizer, dice = tokenizers[family], random.Random(3)
    words, question = dice.choices([*WORDS, "built", "1912"], k=120), "who built it ?"
    found = list(windows(plain_page(words, question=question), Subtokenizer(tokenizer), 64, 20))
    room = len(found[0].part)
    # The tokenizer's stride is how much windows share.
    batch = tokenizer(
        question.split(),
        words,
        is_split_into_words=True,
        truncation="only_second",
        max_length=64,
        stride=room - 20,
        return_overflowing_tokens=True,
    )
    assert len(found) > 5
    assert [window.input_ids.tolist() for window in found] == batch["input_ids"]
    for i, window in enumerate(found):
        owners = zip(batch.sequence_ids(i), batch.word_ids(i), strict=True)
        assert window.part.token.tolist() == [word for side, word in owners if side == 1]


# --- What a page is to be answered with -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ([], (NULL, None)),
        ([NOTHING], (NULL, None)),
        ([NOTHING] * 5, (NULL, None)),
        ([Marked((3, 12))], (LONG, (3, 12))),
        ([Marked((3, 12), yes_no="yes")], (YES, (3, 12))),
        ([Marked((3, 12), yes_no="no")], (NO, (3, 12))),
        ([Marked((3, 12), ((5, 6),))], (SHORT, (5, 6))),
        ([Marked((3, 12), ((8, 9), (4, 6), (5, 7)))], (SHORT, (4, 9))),  # from the first to the last
        ([Marked((3, 12), ((4, 9), (5, 6)))], (SHORT, (4, 9))),  # to the end of the longest
        ([Marked((3, 12), ((5, 6),), "yes")], (SHORT, (5, 6))),
        ([Marked((13, 16))], (LONG, (13, 16))),  # a part of a passage is as good
        ([Marked((20, 25)), Marked((3, 12))], (LONG, (3, 12))),  # the first on the page
        ([Marked((3, 12)), Marked((20, 25), ((21, 22),))], (SHORT, (21, 22))),  # one with a short answer before one without
        ([Marked((3, 12), yes_no="no"), Marked((20, 25), ((21, 22),))], (SHORT, (21, 22))),
        # Of five annotators two must have found an answer.
        ([Marked((3, 12), ((5, 6),)), *[NOTHING] * 4], (NULL, None)),
        ([Marked((3, 12)), NOTHING, NOTHING, Marked((20, 25), yes_no="yes"), NOTHING], (LONG, (3, 12))),
        ([NOTHING, Marked((20, 25), yes_no="yes"), NOTHING, NOTHING, Marked((20, 25))], (YES, (20, 25))),
        ([Marked((3, 12)), NOTHING], (NULL, None)),
        # Markup alone is no short answer.
        ([Marked((3, 12), ((7, 8),))], (LONG, (3, 12))),
    ],
)
def test_what_a_page_is_answered_with(annotations, wanted):
    assert gold_of(msgspec.structs.replace(NILE_PAGE, annotations=tuple(annotations))) == wanted


def test_answer_types_are_numbered_in_their_order():
    assert ANSWER_TYPES == ("null", "yes", "no", "short", "long")
    assert [ANSWER_TYPES[i] for i in (NULL, YES, NO, SHORT, LONG)] == list(ANSWER_TYPES)


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (None, (NULL, 0, 0)),
        ((3, 8), (NULL, 0, 0)),  # begins before the window
        ((4, 4), (SHORT, 4, 4)),
        ((4, 8), (SHORT, 4, 8)),
        ((8, 8), (SHORT, 8, 8)),
        ((8, 9), (NULL, 0, 0)),  # ends behind it
        ((3, 9), (NULL, 0, 0)),
        ((0, 1), (NULL, 0, 0)),
        ((11, 12), (NULL, 0, 0)),
    ],
)
def test_a_window_that_does_not_hold_the_answer_whole_is_null(subtokenizer, places, found):
    # The second of the windows worked by hand: subtokens 4 to 8 of the page.
    window = list(windows(NILE_PAGE, subtokenizer, 10, 4))[1]
    assert (window.at, len(window.part)) == (4, 5)
    assert target(window, SHORT, places) == found


# --- Bad input, and much of it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page_with(""), plain_page([]), page_with("", annotations=[NOTHING])])
def test_an_empty_page_has_no_window(subtokenizer, page):
    assert list(windows(page, subtokenizer, 64, 16)) == []
    assert len(subtokens_of(page, subtokenizer)) == 0
    assert gold_of(page) == (NULL, None)


@pytest.mark.parametrize("words", [["\u200b"], ["\u200b", "\u200b", "\u200d"]])
def test_a_page_of_words_that_the_tokenizer_turns_into_nothing_has_no_window(subtokenizer, words):
    page = plain_page(words, Marked((0, len(words))))
    assert list(windows(page, subtokenizer, 64, 16)) == []
    assert places_of(subtokens_of(page, subtokenizer), (0, 1)) is None


@pytest.mark.parametrize("text", ["<P> </P>", "<P> \u200b </P> <P> <B> </B> </P>"])
def test_a_page_of_markup_alone_has_no_window(subtokenizer, text):
    starts = [i for i, token in enumerate(text.split()) if token == "<P>"]
    ends = [*starts[1:], len(text.split())]
    page = page_with(text, [(start, end, True) for start, end in zip(starts, ends, strict=True)])
    assert list(windows(page, subtokenizer, 64, 16)) == []


@pytest.mark.parametrize("length", [60, 61, 62])
def test_a_question_that_fills_a_window_is_named_with_what_to_do(subtokenizer, length):
    page = plain_page(["the", "king"], question=" ".join(["who"] * length), example_id="q17")
    if length < 61:
        (first, second) = windows(page, subtokenizer, 64, 16)
        assert (len(first.part), len(second.part)) == (1, 1)
        return
    with pytest.raises(InputError) as error:
        list(windows(page, subtokenizer, 64, 16))
    assert str(error.value) == (
        f"example q17: its question of {length} subtokens leaves nothing of a window of 64 for the page. Set max_length "
        "higher, or take the question out."
    )


@pytest.mark.parametrize("room", [1, 2, 5, 15, 16, 17])
def test_behind_a_question_that_leaves_less_than_the_stride_nothing_is_missed(subtokenizer, room):
    words = "one two three four five six seven eight nine ten".split() * 4
    page = plain_page(words, question=" ".join(["who"] * (61 - room)))
    found = list(windows(page, subtokenizer, 64, 16))
    assert {len(window.part) for window in found[:-1]} == {room}
    assert all(later.at - earlier.at == min(room, 16) for earlier, later in pairwise(found))
    assert {i for window in found for i in window.part.token.tolist()} == set(range(len(words)))


def test_an_answer_longer_than_a_window_leaves_all_of_them_null(subtokenizer):
    words = ["king"] * 100
    page = plain_page(words, Marked((0, 100), ((10, 90),)))
    answer_type, span = gold_of(page)
    places = places_of(subtokens_of(page, subtokenizer), span)
    assert (answer_type, places) == (SHORT, (10, 89))
    found = [target(window, answer_type, places) for window in windows(page, subtokenizer, 64, 8)]
    assert set(found) == {(NULL, 0, 0)}
    assert len(found) > 5


@pytest.mark.slow
def test_windows_are_cut_one_at_a_time(tokenizer, subtokenizer):
    subtokens = subtokens_of(plain_page(["king"] * 1_000_000), subtokenizer)
    page = plain_page(["king"])
    assert len(subtokens) == 1_000_000

    def peak(take):
        tracemalloc.start()
        taken = take(windows(page, subtokenizer, 384, 64, subtokens))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found, taken

    one_by_one, number = peak(lambda found: sum(1 for _ in found))
    all_at_once, kept = peak(list)
    assert number == len(kept) == -(-(1_000_000 - len(kept[0].part)) // 64) + 1
    assert one_by_one < 1_000_000 < 10_000_000 < all_at_once


# Reads a page of a million tokens in windows; prints how many subtokens they came to, and by how many kilobytes the most
# memory in use grew meanwhile.
MILLION = """
import sys
from pathlib import Path
from pairprobe.checkpoints import loading
from pairprobe.data.pages import Page
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import windows

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

subtokenizer = Subtokenizer(loading.load_tokenizer(sys.argv[1]))
words = ["<P>"] + [str(i % 100_000) for i in range(999_998)] + ["</P>"]
page = Page("e", "t", ["who"], " ".join(words), True, ((0, 1_000_000, True),), ())
del words
before = most()
last = None
for last in windows(page, subtokenizer, 384, 128):
    pass
print(last.at + len(last.part), most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="wants Linux's /proc")
@pytest.mark.slow
def test_a_page_of_a_million_tokens_takes_bounded_memory():
    command = [sys.executable, "-c", MILLION, MODEL]
    subtokens, grown = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert subtokens > 2_000_000
    assert grown / 1024 < 250
