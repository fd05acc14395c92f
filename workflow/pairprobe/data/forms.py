"""Which data set's form a file has, to say so where ``data.source`` names another."""

import contextlib
import gzip
import re
import zlib
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.io import encodings

# What is looked at, at the head of a file.
_HEAD = 1 << 16
_KEY = re.compile(r'"([^"\\]{1,40})"\s*:')
_FLAT = 'Write each question as {"question": ..., "context": ..., "answers": [...]} on a line, for data.source: qa_pairs'
_NQ = ("natural_questions", "bundled")
_SQUAD = ("squad", "squad_v2")

# Keys that tell a form, the first that fits: its name, the sources that read it, and for another one what to do.
_FORMS: tuple[tuple[set[str], str, tuple[str, ...], str], ...] = (
    ({"columns", "index", "data"}, "a table of pandas (orient='split')", (), "Write it with orient='records', lines=True."),
    ({"pandas_version"}, "a table of pandas (orient='table')", _SQUAD, "Write it with orient='records', lines=True."),
    ({"detected_answers"}, "MRQA", ("mrqa",), "Set data.source: mrqa."),
    ({"header", "dataset"}, "MRQA", ("mrqa",), "Set data.source: mrqa."),
    ({"supporting_facts"}, "HotpotQA", (), f"{_FLAT}; the context is its paragraphs, joined."),
    ({"QuestionId"}, "TriviaQA", (), f"{_FLAT}; the context is the text of an evidence file."),
    ({"Tweet", "Question"}, "TweetQA", (), f"{_FLAT}; the context is Tweet."),
    ({"storyId"}, "NewsQA", (), f"{_FLAT}; the context is the story's text."),
    ({"story", "questions"}, "CoQA", (), f"{_FLAT}; the context is the story."),
    ({"snippets", "body"}, "BioASQ", (), f"{_FLAT}; the context is a snippet's text."),
    ({"from_name", "to_name"}, "Label Studio's export", (), f"{_FLAT}."),
    ({"context_text", "query_text"}, "CMRC 2018", (), f"{_FLAT}; or take the data set in SQuAD's form."),
    ({"passage", "qa_pairs"}, "DROP", (), f"{_FLAT}; the context is the passage."),
    ({"answers_starts"}, "FQuAD's rows", (), f"{_FLAT}; a row of it has several questions."),
    ({"passage", "answer"}, "BoolQ", (), "Its answers are yes and no, no spans: there is nothing to probe."),
    ({"paragraphs"}, "SQuAD's JSON", _SQUAD, "Set data.source: squad, or squad_v2."),
    ({"qas", "context"}, "paragraphs of SQuAD", (), f"{_FLAT}; or in SQuAD's JSON, for squad."),
    ({"example_id", "paragraph"}, "our own examples", ("examples",), "Set data.source: examples."),
    ({"document_text"}, "Natural Questions", _NQ, "Set data.source: natural_questions."),
    ({"document_tokens"}, "Natural Questions", _NQ, "Set data.source: natural_questions."),
    ({"document", "html"}, "the hub's rows of Natural Questions", (), "As parquet they are read: to_parquet."),
    ({"question", "context", "0"}, "a table, column by column", (), "In pandas: to_json(orient='records', lines=True)."),
    ({"question", "context", "answers", "data"}, "SQuAD's rows within data", _SQUAD, "Set data.source: squad."),
    ({"question", "context", "id", "answers"}, "SQuAD's rows", (*_SQUAD, "qa_pairs"), "Set data.source: squad."),
    ({"question", "context"}, "rows of questions with contexts", ("qa_pairs",), "Set data.source: qa_pairs."),
    ({"question", "answer"}, "questions without a text, such as NQ-open", (), f"Add the text that answers. {_FLAT}."),
)  # fmt: skip
# A file of several tables: each is a file of its own here.
_SPLITS = re.compile(r'\{\s*"(train|validation|dev|test)"\s*:\s*\[')
# What a file begins with that is none of these.
_OTHER = {
    b"\x1f\x8b": ("gzip", "Let its name end in .gz."),
    b"PAR1": ("parquet", "Let its name end in .parquet."),
    b"ARROW1": ("Arrow", "Write it with to_parquet."),
    b"\xff\xff\xff\xff": ("a stream of Arrow", "Write it with to_parquet."),
    b"PK\x03\x04": ("a zip archive, or a file of Excel", "Unpack it, or save it as CSV in UTF-8."),
    b"BZh": ("bzip2", "Unpack it."),
    b"\xfd7zXZ": ("xz", "Unpack it."),
    b"\x28\xb5\x2f\xfd": ("zstd", "Unpack it."),
    b"version https://git-lfs": ("a pointer of Git LFS", "Fetch the file itself: git lfs pull."),
    b"<": ("a page of HTML or XML", "Was it fetched from the right address, logged in?"),
}


def check(source: str, path: str | Path) -> None:
    """Raise InputError where a file that cannot be read as ``source`` has a known form, which is another one."""
    path = Path(path)
    raw, head = _head(path), _head(path, unpacked=path.suffix == ".gz")
    own = {".gz": b"\x1f\x8b", ".parquet": b"PAR1"}.get(path.suffix)
    for begin, (what, advice) in _OTHER.items():
        if begin != own and (raw.startswith(begin) or head.startswith(begin)):
            raise InputError(f"{path}: this is {what}. {advice}")
    if own and re.match(rb"[\[{]|[ -~\t]{9}", raw):
        raise InputError(
            f"{path}: this is text, no {path.suffix[1:]}. Let its name end in .json, .jsonl or .csv, as it is."
        )
    text = head.decode(encodings.encoding_of(head), errors="ignore").lstrip()
    first, _, rest = text.partition("\n")
    if text[:1] not in ("{", "["):
        named_so = re.search(r"\.[ct]sv(\.gz)?$", path.name, re.IGNORECASE)
        if "question" in re.split(r'[,;\t"]', first.strip()) and not (source == "qa_pairs" and named_so):
            raise InputError(f"{path}: this looks like CSV. Let its name end in .csv or .tsv, for data.source: qa_pairs.")
        return
    if split := _SPLITS.match(text):
        raise InputError(
            f"{path}: an object of data sets. Wanted: each a file, as by jq -c '.{split[1]}[]' FILE > NEW.jsonl."
        )
    keys = set(_KEY.findall(text))
    what, sources, advice = next((form[1:] for form in _FORMS if form[0] <= keys), ("", (source,), ""))
    if source not in sources:
        raise InputError(f"{path}: this looks like {what}, and data.source is {source}. {advice}")
    if what == "SQuAD's JSON" and "data" not in keys and text[:1] == "{":
        raise InputError(f"{path}: articles without {{\"data\": [...]}}; wanted: jq -s '{{data: .}}' FILE > NEW.")
    if (source not in _SQUAD or what == "SQuAD's rows") and first.strip() == "{" and rest.strip():
        raise InputError(f"{path}: an object over several lines; wanted one on each line: jq -c . FILE > NEW.")


def _head(path: Path, unpacked: bool = False) -> bytes:
    opened = gzip.open if unpacked else open
    with contextlib.suppress(OSError, EOFError, zlib.error), opened(path, "rb") as file:
        return bytes(file.read(_HEAD))
    return b""
