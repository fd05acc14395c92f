"""Random questions as the data sets publish them, in each of their formats, and what is to be made of them.

``converted``, ``paged`` and their like for SQuAD say in plain Python what the readers should give; they share no code with
the readers.
"""

import dataclasses
import functools
import gzip
import hashlib
import json
import re

import pyarrow
import pyarrow.parquet

from pairprobe.data import text

WORDS = [
    *"the of who is Nile Egypt É Zürich 東京 naïve 3.5 1901 <3 < > << Dr. U.S. . . , ? ! `` '' ( ) — 🎉 it They".split(),
    *r"""mill's a<b>c &amp; "quoted" \n C:\\ rose river""".split(),
    *("\u00a0", "a\u00a0b", "1 1/2", "New York", "\u2028", "\u200b"),
]
NOWHERE = {"start_token": -1, "end_token": -1, "start_byte": -1, "end_byte": -1, "candidate_index": -1}


# --- Natural Questions ----------------------------------------------------------------------------------------------


def question(dice, number):
    """Draw a question in the original format: a page of a heading, paragraphs, and tables and lists with their parts."""
    tokens, candidates = [], []

    def add(token, markup=False):
        start = tokens[-1]["end_byte"] + 1 if tokens else 40
        size = len(token.encode())
        tokens.append({"token": token, "start_byte": start, "end_byte": start + size, "html_token": markup})

    def words(most):
        for _ in range(dice.randrange(most + 1)):
            add(dice.choice(WORDS))
            if dice.random() < 0.05:
                add(dice.choice(["<Br/>", "<I>", "</I>", '<A href="x y">', "<B>"]), markup=True)

    def passage(tag, fill, top_level):
        start, place = len(tokens), len(candidates)
        candidates.append({"start_token": start, "top_level": top_level})
        add(f'<{tag} colspan="2">' if tag == "Th" else f"<{tag}>", markup=True)
        fill()
        add(f"</{tag}>", markup=True)
        span = {"end_token": len(tokens), "start_byte": tokens[start]["start_byte"], "end_byte": tokens[-1]["end_byte"]}
        candidates[place].update(span)

    def cell():
        add('<Th colspan="2">', markup=True)
        words(4)
        add("</Th>", markup=True)
        if dice.random() < 0.3:
            passage("P", lambda: words(8), top_level=False)

    def row():
        passage("Tr", lambda: [cell() for _ in range(dice.randrange(3))], top_level=False)

    def item():
        passage("Li", lambda: words(6), top_level=False)

    add("<H1>", markup=True)
    words(3)
    add("</H1>", markup=True)
    for _ in range(dice.randrange(1, 6)):
        kind = dice.choice(["P", "P", "P", "P", "Table", "Ul", "stray"])
        if kind == "P":
            passage("P", lambda: words(25), top_level=True)
        elif kind == "stray":
            words(3)
        else:
            part = row if kind == "Table" else item
            passage(kind, lambda part=part: [part() for _ in range(dice.randrange(1, 4))], top_level=True)
    share = dice.choice([0, 0.3, 0.8, 1])
    asked = dice.choice(["", " ", *["who built  the\u00a0mill ", " ".join(dice.choices(WORDS, k=5))] * 5])
    address = dice.choice(["Caf%C3%A9_Noir", "River_Nile", "AT%26T", "%22Heroes%22_(song)", f"Page_{number % 7}"])
    return {
        "annotations": [_annotation(dice, tokens, candidates, share) for _ in range(dice.choice([0, 1, 1, 1, 2, 5, 5]))],
        "document_html": "<html>" + " ".join(token["token"] for token in tokens) + "</html>",
        "document_title": dice.choice(["Café", "The river", ""]),
        "document_tokens": tokens,
        "document_url": f"https://en.wikipedia.org//w/index.php?title={address}&amp;oldid={dice.randrange(10**9)}",
        "example_id": dice.choice([number, 2**63 - 1 - number, -number - 1]),
        "long_answer_candidates": candidates,
        "question_text": (
            asked := dice.choice(["", " ", *["who built  the\u00a0mill ", " ".join(dice.choices(WORDS, k=5))] * 5])
        ),
        "question_tokens": asked.split(),
    }


def _annotation(dice, tokens, candidates, share):
    long_answer, short_answers, yes_no = dict(NOWHERE), [], "NONE"
    if candidates and dice.random() < share:
        index = dice.randrange(len(candidates))
        held = {key: value for key, value in candidates[index].items() if key != "top_level"}
        long_answer = {**held, "candidate_index": index}
        for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
            start = dice.randrange(held["start_token"], held["end_token"])
            end = min(start + dice.randrange(1, 5), held["end_token"])
            first, last = tokens[start], tokens[end - 1]
            place = {"start_byte": first["start_byte"], "end_byte": last["end_byte"]}
            short_answers.append({"start_token": start, "end_token": end, **place})
        yes_no = dice.choice(["YES", "NO"]) if not short_answers and dice.random() < 0.4 else "NONE"
    return {
        "annotation_id": dice.randrange(2**64),
        "long_answer": long_answer,
        "short_answers": short_answers,
        "yes_no_answer": yes_no,
    }


def simplified(original):
    """Simplify a question as the data set's own ``simplify_nq_example`` does."""

    def without_bytes(span):
        return {key: value for key, value in span.items() if key not in ("start_byte", "end_byte")}

    found = {key: original[key] for key in ("question_text", "example_id", "document_url")}
    found["document_text"] = " ".join(re.sub(" ", "_", token["token"]) for token in original["document_tokens"])
    found["long_answer_candidates"] = [without_bytes(span) for span in original["long_answer_candidates"]]
    found["annotations"] = [
        {
            **annotation,
            "long_answer": without_bytes(annotation["long_answer"]),
            "short_answers": [without_bytes(span) for span in annotation["short_answers"]],
        }
        for annotation in original["annotations"]
    ]
    assert len(found["document_text"].split(" ")) == len(original["document_tokens"])
    return found


def _columns(rows, *keys):
    return {key: [row[key] for row in rows] for key in keys}


_PLACE = ("end_byte", "end_token", "start_byte", "start_token")


def hub_row(original):
    """Lay a question out as the hub's parquet does."""
    tokens, annotations = original["document_tokens"], original["annotations"]
    texts = [token["token"] for token in tokens]
    return {
        "id": str(original["example_id"]),
        "document": {
            "html": original["document_html"],
            "title": original["document_title"],
            "tokens": {
                **_columns(tokens, "end_byte", "start_byte", "token"),
                "is_html": [token["html_token"] for token in tokens],
            },
            "url": original["document_url"],
        },
        "question": {"text": original["question_text"], "tokens": original["question_tokens"]},
        "long_answer_candidates": _columns(original["long_answer_candidates"], *_PLACE, "top_level"),
        "annotations": {
            "id": [str(annotation["annotation_id"]) for annotation in annotations],
            "long_answer": [annotation["long_answer"] for annotation in annotations],
            "short_answers": [
                {
                    **_columns(annotation["short_answers"], *_PLACE),
                    "text": [" ".join(texts[s["start_token"] : s["end_token"]]) for s in annotation["short_answers"]],
                }
                for annotation in annotations
            ],
            "yes_no_answer": [{"NO": 0, "YES": 1, "NONE": -1}[annotation["yes_no_answer"]] for annotation in annotations],
        },
    }


_INT, _STR, _BOOL, _list = pyarrow.int64(), pyarrow.string(), pyarrow.bool_(), pyarrow.list_


def _struct(**fields):
    return pyarrow.struct(list(fields.items()))


HUB_SCHEMA = pyarrow.schema(
    {
        "id": _STR,
        "document": _struct(
            html=_STR,
            title=_STR,
            tokens=_struct(end_byte=_list(_INT), is_html=_list(_BOOL), start_byte=_list(_INT), token=_list(_STR)),
            url=_STR,
        ),
        "question": _struct(text=_STR, tokens=_list(_STR)),
        "long_answer_candidates": _struct(**dict.fromkeys(_PLACE, _list(_INT)), top_level=_list(_BOOL)),
        "annotations": _struct(
            id=_list(_STR),
            long_answer=_list(_struct(candidate_index=_INT, **dict.fromkeys(_PLACE, _INT))),
            short_answers=_list(_struct(**dict.fromkeys(_PLACE, _list(_INT)), text=_list(_STR))),
            yes_no_answer=_list(_INT),
        ),
    }
)
HUB_SQUAD_SCHEMA = pyarrow.schema(
    {
        "id": _STR,
        "title": _STR,
        "context": _STR,
        "question": _STR,
        "answers": _struct(text=_list(_STR), answer_start=_list(pyarrow.int32())),
    }
)


def write_lines(path, rows):
    """Write JSON lines with Python's own modules."""
    content = "".join(json.dumps(row, ensure_ascii=len(str(row)) % 2 == 0) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def write_parquet(path, rows, schema=HUB_SCHEMA, **options):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path, **options)
    return path


_MARKUP = re.compile(r"</?[A-Za-z][^ ]*>")


def converted(row):
    """Convert a question of the original or simplified format to the fields of its document, all but its title."""
    if isinstance(row.get("document_text"), str):
        tokens = row["document_text"].split(" ")
    else:
        tokens = " ".join(token["token"].replace(" ", "_") for token in row["document_tokens"]).split(" ")
    is_word = [token != "" and not _MARKUP.fullmatch(token) for token in tokens]

    def to_words(span):
        return tuple(sum(is_word[: span[key]]) for key in ("start_token", "end_token"))

    annotations = []
    for found in row["annotations"]:
        answer, yes_no = found["long_answer"], (found.get("yes_no_answer") or "NONE").lower()
        made = dict.fromkeys(("long_answer", "long_answer_tag"), None) | {"short_answers": (), "nested": False}
        if answer["start_token"] != -1:
            opening = tokens[answer["start_token"]]
            made["long_answer"] = to_words(answer)
            made["long_answer_tag"] = re.findall("[A-Za-z0-9]+", opening)[0] if _MARKUP.fullmatch(opening) else "no markup"
            short = {to_words(span) for span in found["short_answers"]}
            made["short_answers"] = tuple(sorted(span for span in short if span[0] < span[1]))
            candidates, index = row.get("long_answer_candidates", []), answer.get("candidate_index", -1)
            made["nested"] = index >= 0 and bool(candidates) and not candidates[index].get("top_level", True)
        annotations.append(made | {"yes_no": None if yes_no == "none" else yes_no})
    return {
        "example_id": str(row["example_id"]),
        "question": row["question_text"].split(),
        "text": " ".join(token for token, word in zip(tokens, is_word, strict=True) if word),
        "annotations": annotations,
        "sentences": None,
    }


def paged(row):
    """Convert a question of the original or simplified format to a row of ``documents/``, all but its title."""

    def span(found):
        return (found["start_token"], found["end_token"])

    def marked(found):
        long_answer, said = span(found["long_answer"]), found.get("yes_no_answer") or "NONE"
        return {
            "long_answer": None if long_answer == (-1, -1) else long_answer,
            "short_answers": tuple(map(span, found["short_answers"])),
            "yes_no": None if said.lower() == "none" else said.lower(),
        }

    if isinstance(row.get("document_text"), str):
        page = row["document_text"]
    else:
        page = " ".join(token["token"].replace(" ", "_") for token in row["document_tokens"])
    return {
        "example_id": str(row["example_id"]),
        "question": row["question_text"].split(),
        "text": page,
        "markup": True,
        "candidates": tuple((*span(c), c.get("top_level", True)) for c in row.get("long_answer_candidates", [])),
        "annotations": tuple(map(marked, row["annotations"])),
        "context": None,
        "answers": None,
    }


def contradicts_itself(page):
    """Whether a row of ``documents/`` has a span that is none or lies outside its page, or no question."""
    size = len(page["text"].split(" ")) if page["text"] else 0

    def outside(span, low, high):
        start, end, *_ = span
        return type(start) is not int or type(end) is not int or not low <= start < end <= high

    wrong = [outside(candidate, 0, size) or type(candidate[2]) is not bool for candidate in page["candidates"]]
    for found in page["annotations"]:
        long_answer = found["long_answer"]
        wrong += [outside(long_answer, 0, size)] if long_answer else []
        wrong += [not long_answer or outside(short, *long_answer) for short in found["short_answers"]]
    return any(wrong) or not page["question"] or not page["example_id"]


def laid_out(document):
    """Return a document's fields as ``converted`` and ``squad_converted`` have them, its title too."""
    return {
        "example_id": document.example_id,
        "title": document.title,
        "question": document.question,
        "text": document.text,
        "annotations": [dataclasses.asdict(annotation) for annotation in document.annotations],
        "sentences": document.sentences,
    }


def example_in(document):
    """Find the example in what ``converted`` gives: (paragraph, answer), or None where there is none."""
    answered = [a for a in document["annotations"] if a["long_answer"]]
    if not answered or (len(answered) == 1 and len(document["annotations"]) > 1):
        return None
    first = min(answered, key=lambda a: (not a["short_answers"], a["long_answer"]))
    start, end = first["long_answer"]
    if first["long_answer_tag"] != "P" or start == end or not document["question"]:
        return None
    answer = tuple(place - start for place in first["short_answers"][0]) if first["short_answers"] else None
    return document["text"].split(" ")[start:end], answer


# --- SQuAD ----------------------------------------------------------------------------------------------------------

SENTENCES = [
    "The mill burnt in 1901.",
    "Dr. Ada Noir (b. 1870) built 150,782 houses; they're gone!",
    "Über Zürich liegt 東京, wasn't it?",
    'He said, "Go."',
    "  Two   blanks.\n",
    "A rose\u00a0is a rose 🎉 is a rose.",
    "\u2018Heroes\u2019 — and “more”…",
    "The U.S. Senate met at 5 p.m. sharp.",
]


def article(dice, number, version_2=False):
    """Draw an article as SQuAD publishes it; in version 2.0 with questions that have no answer."""
    paragraphs = []
    for i in range(dice.randrange(1, 4)):
        context = " ".join(dice.choices(SENTENCES, k=dice.randrange(1, 5)))
        questions = []
        for j in range(dice.randrange(1, 4)):
            question = {"id": f"{number}-{i}-{j}", "question": dice.choice(["Who built it?", "when?", "  Où est  Ada? "])}
            gold = [_gold(dice, context) for _ in range(dice.choice([1, 1, 3]))]
            question["answers"] = gold
            if version_2:
                question["is_impossible"] = dice.random() < 0.4
                if question["is_impossible"]:
                    question |= {"answers": [], "plausible_answers": gold}
            questions.append(question)
        paragraphs.append({"context": context, "qas": questions})
    return {"title": dice.choice(["Café_Noir", "Mill", f"Page {number}"]), "paragraphs": paragraphs}


def _gold(dice, context):
    while True:
        start = dice.randrange(len(context))
        answer = context[start : start + dice.randrange(1, 20)]
        if answer.strip():
            return {"text": answer, "answer_start": start}


def hub_squad_rows(articles):
    """Lay articles out as the hub's parquet does."""
    return [
        {
            "id": question["id"],
            "title": article["title"],
            "context": paragraph["context"],
            "question": question["question"],
            "answers": _columns(question["answers"], "text", "answer_start"),
        }
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


split = functools.cache(text.split)


def squad_paged(title, context, question):
    """Convert a question to a row of ``documents/``."""
    found = squad_converted(title, context, question)
    size = len(found["text"].split(" "))
    return {
        **{key: found[key] for key in ("example_id", "title", "question", "text")},
        "markup": False,
        "candidates": ((0, size, True),),
        "annotations": tuple(
            {key: annotation[key] for key in ("long_answer", "short_answers", "yes_no")}
            for annotation in found["annotations"]
        ),
        "context": context,
        "answers": tuple(gold["text"] for gold in _answers(question)),
    }


def _answers(question):
    """Return the answers of a question; an empty text is none."""
    return [gold for gold in question["answers"] if gold["text"].strip() and not question.get("is_impossible")]


def page_title(title, context):
    """Return the title of a context's page; without one the context is a page of its own."""
    if title and title.strip():
        return title
    words = " ".join(context.split())
    return f"{words[:40]} [{hashlib.blake2b(words.encode(), digest_size=6).hexdigest()}]"


def squad_converted(title, context, question):
    """Convert a question to the fields of its document: an answer takes the words that have a character of it."""
    words, sentences = split(context)
    whole = {"long_answer": (0, len(words)), "long_answer_tag": "P", "yes_no": None, "nested": False}
    annotations = []
    for gold in _answers(question):
        held = set(range(gold["answer_start"], gold["answer_start"] + len(gold["text"])))
        touched = [i for i, (start, end) in enumerate(words) if held & set(range(start, end))]
        annotations.append(whole | {"short_answers": ((min(touched), max(touched) + 1),)})
    none = whole | {"long_answer": None, "long_answer_tag": None, "short_answers": ()}
    return {
        "example_id": str(question["id"]),
        "title": page_title(title, context),
        "question": [question["question"][start:end] for start, end in split(question["question"])[0]],
        "text": " ".join(context[start:end] for start, end in words),
        "annotations": annotations or [none],
        "sentences": tuple(sentences),
    }
