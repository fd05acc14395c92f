import itertools
import random

import msgspec
import numpy as np
import pytest
import torch
from families import FAMILIES, PADDED, make, tiny_bert, tiny_padded
from transformers import AutoModelForQuestionAnswering, BertForQuestionAnswering, BertModel

from pairprobe.checkpoints import devices, loading, transfers
from pairprobe.data import text
from pairprobe.data.pages import Page, row_of
from pairprobe.data.sampling import in_shard
from pairprobe.errors import InputError
from pairprobe.evaluation import answering
from pairprobe.evaluation.answering import EMPTY_SCORE, Request, Settings, best_spans, predict
from pairprobe.evaluation.predictions import Prediction, read_predictions
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import LONG, MARKUP, NO, NULL, SHORT, YES, Subtokens, Window, subtokens_of, windows
from pairprobe.io import files

# "antidisestablishmentarianism" is eight subtokens; a soft hyphen is none.
WORDS = (
    "the king built antidisestablishmentarianism , Zürich naïveté 東京 in 3.14 🎉 \xad castle \xad hill \xad river".split(
        " "
    )
)
OPTIONS = {"max_length": 40, "stride": 16, "max_answer_words": 2, "threads": 1}


# --- The best span of a window --------------------------------------------------------------------------------------


def random_window(rng, marked):
    """A window on a part of a page of a few passages of a few words of one to three subtokens each."""
    columns, token = [], int(rng.integers(0, 5))
    for passage in range(rng.integers(1, 5)):
        if marked:
            columns.append((token, passage, False, False, False))
            token += 1
        words = rng.integers(1, 7)
        sizes = rng.integers(1, 4, words)
        for word, size in enumerate(sizes):
            for piece in range(size):
                first, last = word == piece == 0, word == words - 1 and piece == size - 1
                columns.append((token, passage, True, first and marked, last and marked))
            # Markup within a passage, and words without subtokens, have none.
            token += int(rng.integers(1, 3))
        token += int(rng.integers(0, 2))
    columns = [np.array(column) for column in zip(*columns, strict=True)]
    whole = Subtokens(rng.integers(5, 100, len(columns[0])).astype(np.int32), *columns)
    at = int(rng.integers(0, len(whole)))
    part = whole[at : at + int(rng.integers(1, 40))]
    begin = int(rng.integers(1, 9))
    return Window("d", np.zeros(begin + len(part) + 1, np.int32), begin, part, at)


def brute_force(start, end, window, max_words):
    """The best of all pairs of subtokens, by the definition: its score, and the pair, or None."""
    part, best = window.part, (-np.inf, None)
    for i, j in itertools.combinations_with_replacement(range(len(part)), 2):
        inside = part.is_word[i] and part.is_word[j] and part.passage[i] == part.passage[j]
        words = len(set(part.token[i : j + 1]))
        if inside and (words <= max_words or (part.first[i] and part.last[j])):
            score = start[window.begin + i] + end[window.begin + j] - start[0] - end[0]
            best = max(best, (score, (i, j)), key=lambda one: one[0])
    return best


def logits_of(rng, batch):
    """Random logits of a batch, those of padding as the joint model has them."""
    longest = max(len(window.input_ids) for window in batch)
    found = 5 * rng.normal(size=(2, len(batch), longest))
    for i, window in enumerate(batch):
        found[:, i, len(window.input_ids) :] = -1e9
    return torch.tensor(found[0]), torch.tensor(found[1])


def spans_of(start, end, batch, max_words):
    """The best spans, a tuple each."""
    return list(zip(*(column.tolist() for column in best_spans(start, end, batch, max_words)), strict=True))


@pytest.mark.parametrize("max_words", [1, 2, 5, 30])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_the_best_spans_equal_brute_force(seed, marked, max_words):
    rng = np.random.default_rng((seed, marked, max_words))
    batch = [random_window(rng, marked) for _ in range(6)]
    start, end = logits_of(rng, batch)
    found = spans_of(start, end, batch, max_words)
    for i, window in enumerate(batch):
        score, pair = brute_force(start[i].numpy(), end[i].numpy(), window, max_words)
        assert found[i][0] == pytest.approx(score)
        assert pair is None or found[i][1:] == pair


@pytest.mark.slow
def test_a_whole_passage_may_be_longer_than_an_answer_and_no_other_span():
    rng = np.random.default_rng(0)
    longer = {True: 0, False: 0}
    for _ in range(200):
        window = random_window(rng, marked=True)
        start, end = logits_of(rng, [window])
        # Where passages begin and end is likelier than elsewhere.
        start[0, window.begin : window.begin + len(window.part)] += 10 * torch.tensor(window.part.first)
        end[0, window.begin : window.begin + len(window.part)] += 10 * torch.tensor(window.part.last)
        [(score, i, j)] = spans_of(start, end, [window], 2)
        if not np.isfinite(score):
            continue
        part = window.part
        if len(set(part.token[i : j + 1])) > 2:
            longer[bool(part.first[i] and part.last[j])] += 1
    assert longer[True] > 10
    assert longer[False] == 0


def window_of(token, passage, is_word=None, first=(), last=(), begin=1):
    """A window of few subtokens, by hand."""
    size = len(token)
    flags = [np.isin(np.arange(size), places) for places in (first, last)]
    is_word = np.ones(size, bool) if is_word is None else np.array(is_word)
    part = Subtokens(np.zeros(size, np.int32), np.array(token), np.array(passage), is_word, *flags)
    return Window("d", np.zeros(begin + size + 1, np.int32), begin, part, 0)


def best_of(start, end, window, max_words):
    [found] = spans_of(torch.tensor([start], dtype=float), torch.tensor([end], dtype=float), [window], max_words)
    return found


def test_a_span_never_ends_before_it_starts_nor_within_a_word():
    # The last two subtokens are one word.
    window = window_of([0, 1, 1], [0, 0, 0])
    assert best_of([0, 0, 0, 9, 0], [0, 9, 8, 1, 0], window, 3) == (10, 2, 2)


def test_a_span_never_leaves_the_page():
    window = window_of([4, 5], [0, 0])
    assert best_of([9.0, 1, 0, 99], [9.0, 0, 1, 99], window, 5) == (2 - 18, 0, 1)


def test_a_span_lies_in_one_passage():
    window = window_of([0, 1, 2, 3], [0, 0, 1, 1])
    assert best_of([0, 0, 9, 0, 0, 0], [0, 0, 0, 9, 1, 0], window, 5)[0] == 9
    assert best_of([0, 0, 9, 0, 0, 0], [0, 0, 2, 9, 1, 0], window, 5) == (11, 1, 1)


def test_markup_is_no_answer():
    window = window_of([0, 1, 2], [0, 0, 0], [False, True, True])
    assert best_of([0, 99, 1, 0, 0], [0, 99, 0, 1, 0], window, 5) == (2, 1, 2)


def test_a_window_of_markup_alone_has_no_span():
    alone, other = window_of([0], [0], [False]), window_of([0, 1], [0, 0])
    found = spans_of(torch.zeros(2, 4), torch.zeros(2, 4), [alone, other], 5)
    assert found[0][0] == -np.inf
    assert found[1][0] == 0


def test_a_score_is_that_of_the_span_less_that_of_no_answer():
    window = window_of([0, 1], [0, 0])
    assert best_of([2.0, 5, 0, 0], [0.5, 0, 7, 0], window, 5) == (12 - 2.5, 0, 1)


# --- Whole pages ----------------------------------------------------------------------------------------------------


def marked_page(i, dice):
    """A page with markup: passages of several kinds, some empty, some nested, with tokens between them."""
    tokens, candidates = ["<H1>", "Title", "</H1>"], []
    for _ in range(dice.randint(1, 6)):
        kind, start = dice.choice(["P", "Table", "Ul"]), len(tokens)
        inner = {"P": ("",), "Table": ("Tr", "Td"), "Ul": ("Li",)}[kind]
        tokens.append(f"<{kind}>")
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            row = len(tokens)
            tokens += [f"<{tag}>" for tag in inner if tag]
            tokens += dice.choices(WORDS, k=dice.choice([0, 1, 3, 3, 4, 4, 12]))
            tokens += [f"</{tag}>" for tag in reversed(inner) if tag]
            if kind != "P":
                candidates.append((row, len(tokens), False))
        tokens.append(f"</{kind}>")
        candidates.append((start, len(tokens), True))
        tokens += dice.choices(WORDS, k=dice.randint(0, 2))
    dice.shuffle(candidates)
    return Page(f"m{i}", "t", dice.choices(WORDS, k=3), " ".join(tokens), True, tuple(candidates), ())


def plain_page(i, dice):
    """A page without markup, with its running text; tags in it are words."""
    words = [*dice.choices([*WORDS, "<P>"], k=dice.randint(1, 60)), "hill"]
    return Page(f"p{i}", "t", ["who", "?"], " ".join(words), False, ((0, len(words), True),), (), None)


def running_page(i, dice):
    """A page with the running text that its tokens were split from."""
    context = " ".join(dice.choices(["A castle's king.", "Who (in 1912) didn't?", "Hill,  river."], k=dice.randint(1, 9)))
    words = [context[start:end] for start, end in text.word_spans(context)]
    return Page(f"r{i}", "t", ["who", "?"], " ".join(words), False, ((0, len(words), True),), (), context, ("king",))


@pytest.fixture(scope="module")
def pages():
    dice = random.Random("pages")
    found = [kind(i, dice) for i in range(12) for kind in (marked_page, marked_page, plain_page, running_page)]
    found = list({page.example_id: page for page in found}.values())
    found.append(Page("empty", "t", ["who", "?"], "", False, (), ()))
    found.append(Page("tags", "t", ["who", "?"], "<P> </P>", True, ((0, 2, True),), ()))
    found.append(Page("silent", "t", ["who", "?"], "\xad \xad", False, ((0, 2, True),), ()))
    dice.shuffle(found)
    return found


@pytest.fixture(scope="module")
def documents(pages, tmp_path_factory):
    return write_pages(tmp_path_factory.mktemp("documents") / "probe.jsonl.gz", pages)


def write_pages(path, pages):
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


@pytest.fixture(scope="module")
def ours(pages, tmp_path_factory):
    """A checkpoint as if it had been trained here: it tells answer types."""
    folder = tmp_path_factory.mktemp("ours")
    model, _ = joint_model.initial(tiny_bert(folder, BertModel, initializer_range=0.2), 7)
    for tensor in model.head_state().values():
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(3)))
    # On these pages no type is likelier than another.
    tokenizer = loading.load_tokenizer(folder)
    cut = [w for page in pages for w in windows(page, Subtokenizer(tokenizer), OPTIONS["max_length"], OPTIONS["stride"])]
    with torch.inference_mode():
        types = model.eval()(**joint_model.Collator(tokenizer)([(w.input_ids, w.begin) for w in cut]))["answer_type"]
    model.head_state()["answer_type.weight"].div_(types.std(0)[:, None])
    model.head_state()["answer_type.bias"].sub_(types.mean(0)).div_(types.std(0))
    model.model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A checkpoint with a head of its own."""
    return tiny_bert(tmp_path_factory.mktemp("foreign"), BertForQuestionAnswering, initializer_range=0.2)


def predicted(checkpoint, documents, folder, asked=None, heads=None, **changed):
    """The predictions, as they stand in the file."""
    path = folder / "predictions.jsonl"
    path.unlink(missing_ok=True)  # nothing is to be reused
    if asked is None:
        asked = {row["example_id"] for _, row in files.read_json_lines(documents)}
    predict(checkpoint, heads, Request(documents, asked, str(path), Settings(**{**OPTIONS, **changed})))
    assert [file.name for file in folder.iterdir() if file.name.startswith(".")] == []
    return read_predictions([str(path)])


@pytest.fixture(scope="module")
def answers(ours, documents, tmp_path_factory):
    return predicted(ours, documents, tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def foreign_answers(foreign, documents, tmp_path_factory):
    return predicted(foreign, documents, tmp_path_factory.mktemp("foreign_answers"))


def words_of(page, span):
    """The words of a span, computed apart from the library."""
    tokens = page.text.split(" ")[span[0] : span[1]]
    return [t for t in tokens if not (page.markup and t.startswith("<") and t.endswith(">"))]


def top_level(page):
    return [(start, end) for start, end, top in page.candidates if top]


def same(found, wanted):
    """Whether predictions are the same; of the scores the last of the digits that are kept may go with the batch."""
    apart = [abs(a.score - b.score) for a, b in zip(found, wanted, strict=True)]
    bare = [[msgspec.structs.replace(row, score=0.0) for row in rows] for rows in (found, wanted)]
    return bare[0] == bare[1] and max(apart, default=0) < 1.5e-4


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["answers", "foreign_answers"])
def test_each_question_is_answered_once_in_the_order_of_the_pages(pages, request, whose):
    found = request.getfixturevalue(whose)
    assert [row.example_id for row in found] == [page.example_id for page in pages]


@pytest.mark.parametrize("whose", ["answers", "foreign_answers"])
def test_every_span_maps_back_to_the_page_and_lies_in_a_top_level_candidate(pages, request, whose):
    markup, types, long = set(), set(), 0
    for page, row in zip(pages, request.getfixturevalue(whose), strict=True):
        if row.span is None:
            continue
        start, end = row.span
        tokens = page.text.split(" ")
        assert row.passage in top_level(page)
        assert row.passage[0] <= start < end <= row.passage[1]
        # It begins and ends in words.
        assert words_of(page, (start, start + 1))
        assert words_of(page, (end - 1, end))
        words = words_of(page, row.span)
        if page.context is None:
            assert row.text == " ".join(words)
        else:
            assert row.text in page.context
            assert row.text.replace(" ", "") == "".join(tokens[start:end])
        # Words that the tokenizer turns into nothing are not seen.
        if sum(word != "\xad" for word in words) > OPTIONS["max_answer_words"]:
            # A whole passage.
            assert page.markup
            assert row.answer_type in (LONG, YES, NO)
            around = words_of(page, (row.passage[0], start)) + words_of(page, (end, row.passage[1]))
            assert set(around) <= {"\xad"}
            long += 1
        markup.add(page.markup)
        types.add(row.answer_type)
    assert markup == {True, False}
    assert long
    assert types == {SHORT, LONG} if whose == "foreign_answers" else types == {NULL, YES, NO, SHORT, LONG}


def test_words_without_subtokens_do_not_make_an_answer_too_long(foreign_answers, pages):
    within = 0
    for page, row in zip(pages, foreign_answers, strict=True):
        words = words_of(page, row.span) if row.span else []
        seen = sum(word != "\xad" for word in words)
        assert row.span is None or row.answer_type == (LONG if seen > OPTIONS["max_answer_words"] else SHORT)
        within += len(words) > OPTIONS["max_answer_words"] >= seen
    assert within


@pytest.mark.parametrize("whose", ["answers", "foreign_answers"])
def test_a_page_without_words_has_no_answer(pages, request, whose):
    found = {row.example_id: row for row in request.getfixturevalue(whose)}
    for name in ("empty", "tags", "silent"):
        assert found[name] == Prediction(name, None, None, EMPTY_SCORE, NULL, "")
    others = [row for row in found.values() if row.example_id not in ("empty", "tags", "silent")]
    wordless = {page.example_id for page in pages if not any(set(words_of(page, s)) - {"\xad"} for s in top_level(page))}
    assert {row.example_id for row in others if row.span is None} == wordless - {"empty", "tags", "silent"}
    assert min(row.score for row in others if row.span) > EMPTY_SCORE / 10


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["ours", "foreign"])
def test_answers_are_those_of_all_pairs_of_all_windows_one_at_a_time(pages, request, whose):
    checkpoint = request.getfixturevalue(whose)
    found = {row.example_id: row for row in request.getfixturevalue("answers" if whose == "ours" else "foreign_answers")}
    tokenizer, model = loading.load_tokenizer(checkpoint), joint_model.load(checkpoint).eval()
    subtokenizer, collate = Subtokenizer(tokenizer), joint_model.Collator(tokenizer)
    for page in pages[:24]:
        best = (-np.inf, None, SHORT)
        subtokens = subtokens_of(page, subtokenizer, markup=whose == "ours")
        for window in windows(page, subtokenizer, OPTIONS["max_length"], OPTIONS["stride"], subtokens):
            with torch.inference_mode():
                logits = model(**collate([(window.input_ids, window.begin)]))
            start, end = (logits[name][0].double().numpy() for name in ("start", "end"))
            score, pair = brute_force(start, end, window, OPTIONS["max_answer_words"])
            if score > best[0]:
                kind = int(logits["answer_type"][0].argmax()) if whose == "ours" else SHORT
                best = (score, tuple(int(window.part.token[i]) for i in pair), kind)
        row = found[page.example_id]
        if best[1] is None:
            assert row.span is None
            continue
        assert row.score == pytest.approx(best[0], abs=1e-3)
        assert row.span == (best[1][0], best[1][1] + 1)
        too_long = sum(word != "\xad" for word in words_of(page, row.span)) > OPTIONS["max_answer_words"]
        if too_long or "\xad" not in words_of(page, row.span):
            assert row.answer_type == (LONG if too_long and best[2] in (NULL, SHORT) else best[2])


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("whose", ["ours", "foreign"])
def test_answers_do_not_depend_on_the_batch_size(request, documents, tmp_path, whose, batch_size):
    found = predicted(request.getfixturevalue(whose), documents, tmp_path, batch_size=batch_size)
    assert same(found, request.getfixturevalue("answers" if whose == "ours" else "foreign_answers"))


@pytest.mark.parametrize("whose", ["ours", "foreign"])
def test_what_a_gpu_is_given_to_do_has_the_same_answers(request, documents, tmp_path, monkeypatch, whose):
    """There is none here: the processor does it."""
    wanted = request.getfixturevalue("answers" if whose == "ours" else "foreign_answers")
    monkeypatch.setattr(devices, "claim", lambda: "cuda")
    monkeypatch.setattr(joint_model.JointModel, "to", lambda self, device: self)
    monkeypatch.setattr(transfers, "to_device", lambda tensor, device: tensor)
    assert same(predicted(request.getfixturevalue(whose), documents, tmp_path), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("family", PADDED)
def test_where_padding_shows_answers_are_those_of_windows_without_any(pages, family, tmp_path):
    folder, some = tiny_padded(tmp_path / "c", family, "ForQuestionAnswering"), pages[:12]
    documents = write_pages(tmp_path / "some.jsonl", some)
    found = [predicted(folder, documents, tmp_path, batch_size=size) for size in (16, 1, 3)]
    assert same(found[1], found[0])
    assert same(found[2], found[0])
    tokenizer, model = loading.load_tokenizer(folder), AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    subtokenizer, collate = Subtokenizer(tokenizer), joint_model.Collator(tokenizer)
    for page, row in zip(some, found[0], strict=True):
        best = []
        subtokens = subtokens_of(page, subtokenizer, markup=False)
        for window in windows(page, subtokenizer, OPTIONS["max_length"], OPTIONS["stride"], subtokens):
            with torch.inference_mode():
                one = model(**collate([(window.input_ids, window.begin)]))
            start, end = (logits[0].double().numpy() for logits in (one.start_logits, one.end_logits))
            best.append(brute_force(start, end, window, OPTIONS["max_answer_words"])[0])
        assert row.score == pytest.approx(max(best, default=EMPTY_SCORE), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("shards", [2, 5])
def test_answers_do_not_depend_on_shards(ours, documents, answers, tmp_path, shards):
    found = []
    for i in range(shards):
        (tmp_path / str(i)).mkdir()
        asked = {row.example_id for row in answers if in_shard(row.example_id, i, shards)}
        found.append(predicted(ours, documents, tmp_path / str(i), asked))
    assert [[row.example_id for row in rows] for rows in found] == [
        [row.example_id for row in answers if in_shard(row.example_id, i, shards)] for i in range(shards)
    ]
    order = [row.example_id for row in answers]
    assert same(sorted(itertools.chain(*found), key=lambda row: order.index(row.example_id)), answers)


def test_answers_do_not_depend_on_the_order_of_pages(ours, pages, answers, tmp_path):
    turned = predicted(ours, write_pages(tmp_path / "turned.jsonl", reversed(pages)), tmp_path)
    assert same(turned[::-1], answers)


def test_only_what_is_asked_is_answered(ours, documents, answers, tmp_path):
    asked = {row.example_id for row in answers[1::3]}
    assert same(predicted(ours, documents, tmp_path, asked | {"unknown"}), answers[1::3])
    assert predicted(ours, documents, tmp_path, set()) == []


@pytest.fixture
def answered(monkeypatch):
    """The pages that went through the checkpoint."""
    names, prediction = [], answering._prediction

    def counting(page, *args):
        names.append(page.example_id)
        return prediction(page, *args)

    monkeypatch.setattr(answering, "_prediction", counting)
    return names


@pytest.mark.slow
def test_only_new_and_changed_pages_are_answered(ours, pages, tmp_path, answered):
    path = tmp_path / "1of1.jsonl"

    def answer(now, code=None, **changed):
        answered.clear()
        documents = write_pages(tmp_path / "d.jsonl", now)
        asked, settings = {page.example_id for page in now}, Settings(**{**OPTIONS, **changed})
        predict(ours, None, Request(documents, asked, str(path), settings, code or {}))
        return read_predictions([str(path)])

    answer(pages[:20])
    changed = msgspec.structs.replace(pages[3], question=["where", "?"])
    now = [*pages[::-1], changed]
    now.remove(pages[3])
    found = answer(now)
    assert set(answered) == {page.example_id for page in pages[20:]} | {changed.example_id}
    assert [row.example_id for row in found] == [page.example_id for page in now]
    path.unlink()
    assert same(answer(now), found)
    assert answer(now) == found
    assert answered == []
    # Another division finds them too; other settings, code or a damaged file do not.
    path.rename(tmp_path / "1of2.jsonl")
    assert answer(now) == found
    assert answered == []
    for other in ({"max_length": OPTIONS["max_length"] + 1}, {"max_answer_words": 3}, {"code": {"answering": "2"}}):
        answer(now, **other)
        assert len(answered) == len(now), other
    for file in tmp_path.glob("*of*"):
        file.write_bytes(file.read_bytes()[:-20])
    assert len(answer(now)) == len(answered) == len(now)


@pytest.mark.slow
def test_a_batch_of_windows_that_does_not_fit_into_memory_is_halved(ours, documents, answers, tmp_path, monkeypatch):
    forward = joint_model.JointModel.forward

    def small(self, **inputs):
        if len(inputs["input_ids"]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return forward(self, **inputs)

    monkeypatch.setattr(joint_model.JointModel, "forward", small)
    assert same(predicted(ours, documents, tmp_path), answers)


@pytest.mark.slow
def test_of_equal_windows_the_first_on_the_page_answers(ours, tmp_path, monkeypatch):
    # Sixteen subtokens over and over: all windows but the last are the same, and so are their best spans.
    words = "the king built a castle on the hill in the year of our lord 1000 .".split()
    page = Page("d", "t", ["who", "?"], " ".join(words * 12), False, ((0, 12 * len(words), True),), ())
    documents = write_pages(tmp_path / "d.jsonl", [page])
    [wanted] = predicted(ours, documents, tmp_path, batch_size=3)
    forward, noise = joint_model.JointModel.forward, torch.Generator().manual_seed(0)

    def noisy(self, **inputs):
        # The last bits of a sum go with the batch, on some processors.
        return {name: v + 1e-6 * torch.randn(v.shape, generator=noise) for name, v in forward(self, **inputs).items()}

    monkeypatch.setattr(joint_model.JointModel, "forward", noisy)
    assert wanted.span[1] <= len(words) * 3
    for size in (1, 2, 3, 16):
        assert same(predicted(ours, documents, tmp_path, batch_size=size), [wanted])


def test_the_last_bits_of_a_score_decide_nothing_wherever_it_lies():
    dice = np.random.default_rng(0)
    for score in np.arange(4.474, 4.4742, 3e-6):  # some are where rounding to four digits goes another way
        windows = [
            answering._BestSpan(score + each, at, at, at, 0, SHORT) for at, each in enumerate(dice.normal(0, 3e-6, 8))
        ]
        lower, higher = (answering._BestSpan(score + apart, 0, 0, 0, 0, SHORT) for apart in (-2e-4, 2e-4))
        for others, wanted in (([lower], windows[0]), ([lower, higher], higher)):
            found = []
            for i in dice.permutation(len(windows) + len(others)):
                found = answering._highest([*found, (windows + others)[i]])
            assert min(found, key=lambda one: one.at) is wanted


@pytest.fixture
def seen(monkeypatch):
    """The input ids that a model was given, batch by batch."""
    batches, forward = [], joint_model.JointModel.forward

    def spy(self, **inputs):
        batches.append(inputs["input_ids"].tolist())
        return forward(self, **inputs)

    monkeypatch.setattr(joint_model.JointModel, "forward", spy)
    return batches


@pytest.mark.slow
def test_a_model_of_ours_reads_markup_tokens_and_another_does_not(ours, foreign, documents, pages, seen, tmp_path):
    for checkpoint, reads in ((ours, True), (foreign, False)):
        seen.clear()
        predicted(checkpoint, documents, tmp_path)
        markup = Subtokenizer(loading.load_tokenizer(checkpoint)).markup
        ids = {number for name in MARKUP for number in markup[name]}
        assert len(ids) == len(MARKUP)
        assert any(ids & set(row) for batch in seen for row in batch) == reads


@pytest.mark.slow
def test_heads_of_a_file_decide_whether_markup_is_read(foreign, documents, seen, tmp_path):
    model, _ = joint_model.initial(foreign, 7)
    for typed in (True, False):
        seen.clear()
        if not typed:
            del model.model.answer_type
        joint_model.save_heads(model, str(tmp_path / "heads.safetensors"), "h")
        found = predicted(foreign, documents, tmp_path, heads=str(tmp_path / "heads.safetensors"))
        markup = Subtokenizer(loading.load_tokenizer(foreign)).markup
        ids = {number for name in MARKUP for number in markup[name]}
        assert any(ids & set(row) for batch in seen for row in batch) == typed
        assert typed or {row.answer_type for row in found if row.span} <= {SHORT, LONG}


def test_windows_are_as_long_and_batches_as_large_as_asked_for(ours, documents, seen, tmp_path):
    predicted(ours, documents, tmp_path, batch_size=5, max_length=24)
    assert max(map(len, seen)) == 5
    assert max(len(row) for batch in seen for row in batch) == 24


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "bert"])
def test_checkpoints_of_every_family_answer(family, documents, pages, tmp_path):
    folder = str(make(family, tmp_path / family))
    model, _ = joint_model.initial(folder, 7)
    heads = str(tmp_path / "heads.safetensors")
    joint_model.save_heads(model, heads, "random")
    # Tokenizers of 600 pieces cut words small.
    some = [row for row in pages if row.example_id in ("m0", "m1", "p0", "r0", "empty")]
    documents = write_pages(tmp_path / "some.jsonl", some)
    found = predicted(folder, documents, tmp_path, heads=heads, max_length=96, batch_size=4)
    for page, row in zip(some, found, strict=True):
        if row.span:
            assert row.passage in top_level(page)
            assert row.passage[0] <= row.span[0] < row.span[1] <= row.passage[1]
    assert sum(row.span is not None for row in found) >= 3


def test_bfloat16_answers_too(ours, documents, answers, tmp_path):
    found = predicted(ours, documents, tmp_path, precision="bfloat16")
    assert [row.example_id for row in found] == [row.example_id for row in answers]
    assert [row.span is None for row in found] == [row.span is None for row in answers]
    apart = [abs(a.score - b.score) / (1 + abs(a.score)) for a, b in zip(found, answers, strict=True)]
    assert np.median(apart) < 0.05


# --- Memory ---------------------------------------------------------------------------------------------------------


class Counted(Window):
    """A window that counts how many of its kind there are, and were at most."""

    alive = most = 0

    def __init__(self, *columns):
        super().__init__(*columns)
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1


@pytest.fixture
def counted(monkeypatch):
    Counted.alive = Counted.most = 0

    def counting(*args):
        for window in windows(*args):
            yield Counted(window.example_id, window.input_ids, window.begin, window.part, window.at)

    monkeypatch.setattr(answering, "windows", counting)
    return Counted


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_tokens_is_answered_a_few_windows_at_a_time(ours, seen, counted, tmp_path):
    dice = random.Random(0)
    tokens, candidates = [], []
    while len(tokens) < 100_000:
        start = len(tokens)
        tokens += ["<P>", *dice.choices(WORDS, k=98), "</P>"]
        candidates.append((start, len(tokens), True))
    page = Page("long", "t", ["who", "?"], " ".join(tokens), True, tuple(candidates), ())
    documents = write_pages(tmp_path / "long.jsonl", [page])
    [row] = predicted(ours, documents, tmp_path, batch_size=4, max_length=512, stride=480)
    assert row.text == " ".join(words_of(page, row.span))
    assert sum(map(len, seen)) > 300
    assert max(map(len, seen)) == 4
    assert counted.most <= answering._SORTED_BATCHES * 4 + 1


@pytest.mark.slow
def test_only_pages_whose_windows_wait_are_in_memory(ours, counted, monkeypatch, tmp_path):
    batch_size = 2
    # A page of one window, and then pages of as many as are answered together: a window of the last page always waits.
    waiting = answering._SORTED_BATCHES * batch_size
    words = ["castle"] * (16 * (waiting - 1) + 20)
    pages = [Page("first", "t", ["who", "?"], "castle", False, ((0, 1, True),), ())]
    pages += [Page(f"{i}", "t", ["who", "?"], " ".join(words), False, ((0, len(words), True),), ()) for i in range(8)]
    documents, begun = write_pages(tmp_path / "d.jsonl", pages), []
    read_pages = answering.read_pages
    monkeypatch.setattr(
        answering, "read_pages", lambda *args, **how: (begun.append(p) or p for p in read_pages(*args, **how))
    )
    done, most = [], 0
    prediction = answering._prediction

    def counting(page, *args):
        nonlocal most
        most = max(most, len(begun) - len(done))
        done.append(page)
        return prediction(page, *args)

    monkeypatch.setattr(answering, "_prediction", counting)
    predicted(ours, documents, tmp_path, batch_size=batch_size, max_length=24, stride=16)
    assert len(done) == len(pages)
    assert most <= 3


# --- What goes wrong ------------------------------------------------------------------------------------------------


def test_windows_that_are_too_long_are_an_input_error(foreign, documents, tmp_path):
    said = r"windows of 513 subtokens .* positions for 512. Set evaluation.max_length to 512"
    with pytest.raises(InputError, match=said):
        predicted(foreign, documents, tmp_path, max_length=513)
    assert list(tmp_path.iterdir()) == []


def test_a_question_that_fills_a_window_is_an_input_error(foreign, tmp_path):
    page = Page("d7", "t", ["castle"] * 30, "a castle", False, ((0, 2, True),), ())
    documents = write_pages(tmp_path / "d.jsonl", [page])
    with pytest.raises(InputError, match="example d7: its question of 30 subtokens leaves nothing of a window of 33"):
        predicted(foreign, documents, tmp_path, max_length=33)
    assert [path.name for path in tmp_path.iterdir()] == ["d.jsonl"]
    assert len(predicted(foreign, documents, tmp_path, max_length=34)) == 1


def test_a_checkpoint_without_heads_cannot_answer(documents, tmp_path):
    start = tiny_bert(tmp_path / "start", BertModel, initializer_range=0.2)
    with pytest.raises(InputError, match="it has no head that answers questions"):
        predicted(start, documents, tmp_path)


@pytest.mark.slow
def test_heads_whose_logits_are_no_numbers_are_an_input_error(foreign, documents, tmp_path):
    model, _ = joint_model.initial(foreign, 7)
    model.head_state()["qa_outputs.bias"].fill_(torch.nan)
    joint_model.save_heads(model, str(tmp_path / "heads.safetensors"), "h")
    with pytest.raises(InputError, match="NaN"):
        predicted(foreign, documents, tmp_path, heads=str(tmp_path / "heads.safetensors"))
