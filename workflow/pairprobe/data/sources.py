"""Where data comes from: files at hand, or the files of a published data set on the Hugging Face hub."""

from dataclasses import dataclass

from pairprobe.data.sampling import PARTITIONS
from pairprobe.errors import InputError

# The keys that say which files of a published data set are wanted; files at hand have no use for them.
_HUB_KEYS = ("splits", "shards", "repository", "revision", "folder")


@dataclass(frozen=True)
class Published:
    """A data set on the Hugging Face hub.

    revision: a commit. files: ``{split: (pattern, number of files)}``; ``{i}`` in a pattern is the file's number, from 0.
    """

    repository: str
    revision: str
    files: dict[str, tuple[str, int]]


PUBLISHED = {
    # https://github.com/google-research-datasets/natural-questions; 307,373 and 7,830 questions.
    "natural_questions": Published(
        "google-research-datasets/natural_questions",
        "e8103d566bef4154c2c12b17c6095ec5275840cc",
        {
            "train": ("default/train-{i:05d}-of-00287.parquet", 287),
            "validation": ("default/validation-{i:05d}-of-00007.parquet", 7),
        },
    ),
    # https://rajpurkar.github.io/SQuAD-explorer; 87,599 and 10,570 questions.
    "squad": Published(
        "rajpurkar/squad",
        "7b6d24c440a36b6815f21b70d25016731768db1f",
        {split: (f"plain_text/{split}-00000-of-00001.parquet", 1) for split in ("train", "validation")},
    ),
    # 130,319 and 11,873 questions.
    "squad_v2": Published(
        "rajpurkar/squad_v2",
        "3ffb306f725f7d2ce8394bc1873b24868140c412",
        {split: (f"squad_v2/{split}-00000-of-00001.parquet", 1) for split in ("train", "validation")},
    ),
}


def check(data: dict) -> None:
    """Raise InputError where the configuration's section ``data`` contradicts itself."""
    source, of_hub = data["source"], [key for key in _HUB_KEYS if key in data]
    if source == "bundled" and (extra := [*of_hub, *(["files"] if "files" in data else [])]):
        raise InputError(
            f"data.{extra[0]}: the bundled pages are in this project. Remove it, or choose another data.source."
        )
    if "files" in data and of_hub:
        raise InputError(
            f"data.{of_hub[0]}: data.files names files at hand, so nothing is downloaded. Remove one of the two."
        )
    if source == "none" and (extra := [key for key in ("files", *_HUB_KEYS) if key in data]):
        raise InputError(f"data.{extra[0]}: source none has no such key. Choose another data.source, or remove it.")
    if "files" in data or source in ("bundled", "none"):
        return
    if source not in PUBLISHED:
        raise InputError(f"data.files: missing. Wanted: your files in the format {source}.")
    splits = PUBLISHED[source].files
    for split in _assigned(data.get("splits", ["validation"])):
        if split not in splits:
            raise InputError(f"data.splits: found {split!r}. Allowed for {source}: {', '.join(splits)}.")
    if ("repository" in data) != ("revision" in data):
        raise InputError("data: repository and revision go together: the name on the hub, and the commit of 40 digits.")


def remote_files(data: dict) -> dict[str, tuple[str, ...]]:
    """Name the published files that a configuration asks for, in order; none where files are at hand.

    Returns ``{name: partitions that its pages may go to}``.
    """
    if "files" in data or data["source"] not in PUBLISHED:
        return {}
    splits = PUBLISHED[data["source"]].files
    return {
        pattern.format(i=i): partitions
        for split, partitions in _assigned(data.get("splits", ["validation"])).items()
        for pattern, number in [splits[split]]
        for i in range(min(number, data.get("shards") or number))
    }


def local_files(data: dict) -> dict[str, tuple[str, ...]]:
    """Name the files at hand, in order: ``{path: partitions that its pages may go to}``."""
    return _assigned(data.get("files", []))


def _assigned(names: list[str] | dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Turn ``{partition: names}``, or a list of names that all partitions share, into ``{name: partitions}``."""
    if isinstance(names, list):
        return dict.fromkeys(names, PARTITIONS)
    every = dict.fromkeys(name for listed in names.values() for name in listed)
    return {name: tuple(partition for partition in PARTITIONS if name in names.get(partition, ())) for name in every}


def shares_of(partitions: tuple[str, ...], shares: dict[str, float]) -> dict[str, float]:
    """Return the shares of a file's pages, together 1: those of its partitions, in proportion, and 0 for the others.

    Raises InputError where its partitions have no share at all.
    """
    total = sum(shares[name] for name in partitions)
    if not total:
        raise InputError(f"partitions: no share for {' and '.join(partitions)}, but files are meant for nothing else.")
    return {name: shares[name] / total if name in partitions else 0.0 for name in PARTITIONS}


def origin_of(data: dict) -> dict[str, str]:
    """Return what the content of the published files depends on, ``{"repository": ..., "revision": ...}``."""
    published = PUBLISHED[data["source"]]
    return {key: data.get(key, getattr(published, key)) for key in ("repository", "revision")}


def folder_of(data: dict) -> str:
    """Return the folder that a configuration's downloads are kept in, shared by all runs: one for each origin."""
    origin = origin_of(data)
    return f"{data.get('folder', 'downloads').rstrip('/')}/{origin['repository']}/{origin['revision'][:12]}"
