"""Models to rank pairs by: folders and repositories of the hub, verified as the workflow verifies its checkpoints."""

import difflib
import os
import re
import shutil
import tempfile
import warnings
import weakref
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

from pairprobe.api.settings import check_name
from pairprobe.configuration.schema import SCHEMA, read_schema
from pairprobe.errors import InputError

# What tqdm says in a notebook without widgets, of progress bars that nobody asked for.
warnings.filterwarnings("ignore", message="IProgress not found")


@dataclass(frozen=True, eq=False)
class Model:
    """An encoder on disk, verified; its weights are loaded by ``rank``, and only there.

    folder: the verified files. name: what tables and figures call it.
    """

    folder: Path
    name: str

    def random_twin(self, seed: int) -> "Model":
        """Return a model of the same shape and tokenizer whose weights are random: what training is measured against.

        It is ``source: random`` of a configuration; the same seed gives the same weights. Its files go with it. Raises
        InputError for a seed that a configuration would not take.
        """
        most = read_schema(SCHEMA)["$defs"]["checkpoint"]["properties"]["seed"]["maximum"]
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= most:
            raise InputError(f"random_twin: seed: found {seed!r:.80}, wanted a whole number from 0 to {most}.")
        from pairprobe.checkpoints.fetching import initialise

        twin = _temporary(f"{self.name}-random-seed{seed}")
        initialise(str(self.folder), str(twin.folder), int(seed))
        return twin


def load_encoder(
    name_or_path: str | Path, revision: str | None = None, name: str | None = None, base: Model | None = None
) -> Model:
    """Return a model whose files are verified: weights from safetensors only, none of its own code run.

    name_or_path: a folder saved by ``save_pretrained``, or one of a run, ``results/RUN/checkpoints/NAME``; with a revision,
    a repository of the Hugging Face hub. revision: a commit, 40 hexadecimal digits. name: what tables and figures call the
    model; by default the name of the folder or repository. base: where these hold an adapter of peft (LoRA, ...), the model
    that it was trained on; the model that is returned has it merged into the weights.

    A folder of one's own is copied to the temporary folder, and the copy goes with the model; one with pairprobe's
    checksums, as a run's, is used where it is. A repository is downloaded once, to ``~/.cache/pairprobe`` (or below
    XDG_CACHE_HOME). Raises InputError where there is no such folder or repository, where a repository has no revision,
    where the files are not those of an encoder that can be probed, and where an adapter has no base or does not fit it.

    >>> load_encoder(folder, name="tiny").name
    'tiny'
    >>> load_encoder("google-bert/bert-base-uncased")
    Traceback (most recent call last):
    ...
    pairprobe.errors.InputError: load_encoder: google-bert/bert-base-uncased: there is no such folder. ...
    """
    if not isinstance(name_or_path, str | Path):
        found = " ".join(f"{name_or_path!r:.80}".split())
        raise InputError(
            f"load_encoder: found {found}, wanted the path of a folder, or with a revision the name of a "
            "repository. Save a model of transformers and its tokenizer by save_pretrained, and name that folder."
        )
    if name is not None:
        check_name(name, "load_encoder: name")
    folder = Path(name_or_path).expanduser()
    if revision is not None:
        _check_repository(str(name_or_path), revision)
        source = {"source": "hub", "repository": str(name_or_path), "revision": revision}
    elif folder.is_dir():
        source = {"source": "path", "path": str(folder)}
    else:
        from pairprobe.checkpoints.formats import advice_on

        advice = advice_on(folder) or _what_may_be_meant(folder)
        raise InputError(f"load_encoder: {name_or_path}: there is no such folder. {advice}")
    name = name or (folder.name if revision else folder.resolve().name)
    if base is not None:
        return _adapted(source, check_model(base, "load_encoder: base"), name)
    from pairprobe.checkpoints.folder import AdapterError

    try:
        return _whole(source, name)
    except AdapterError as error:
        raise InputError(
            f"load_encoder: {name_or_path} holds an adapter, which is no encoder by itself. Load the model that it was "
            f"trained on, and give it as the base: load_encoder({str(name_or_path)!r}, ..., base=load_encoder(...)); or, "
            "if it is merged already, delete adapter_*."
        ) from error


def check_model(model: object, what: str) -> Model:
    """Return what is a model. Raises InputError for anything else; ``what``: how the error calls it."""
    if isinstance(model, Model):
        return model
    raise InputError(f"{what}: found {model!r:.80}, wanted a model, as load_encoder returns it.")


def _whole(source: dict[str, str], name: str) -> Model:
    """Return a model that is no adapter; source: as ``fetching.fetch`` takes it."""
    from pairprobe.checkpoints.checksums import has_checksums
    from pairprobe.checkpoints.fetching import fetch, verify_in_place

    if source["source"] == "hub":
        return Model(_downloaded(source), name)
    folder = Path(source["path"])
    if has_checksums(folder):  # which anybody can write
        verify_in_place(folder)
        return Model(folder.resolve(), name)
    model = _temporary(name)
    fetch(source, str(model.folder))
    return model


def _adapted(source: dict[str, str], base: Model, name: str) -> Model:
    """Return a base with an adapter merged into it; source: as ``adaptation.adapt`` takes it."""
    from pairprobe.checkpoints.adaptation import adapt
    from pairprobe.checkpoints.inspection import named

    model = _temporary(name)
    with named(base.folder, base.name), named(model.folder, name):
        adapt({**source, "base_from": base.name}, str(base.folder), str(model.folder))
    return model


def _temporary(name: str) -> Model:
    """Return a model whose folder, yet to be made, is removed when nobody holds the model any more."""
    parent = Path(tempfile.mkdtemp(prefix="pairprobe-"))
    model = Model(parent / "model", name)
    weakref.finalize(model, shutil.rmtree, parent, ignore_errors=True)
    return model


def _what_may_be_meant(folder: Path) -> str:
    """Say which folder beside one that is missing may be meant, or how to name a repository of the hub."""
    beside = [each.name for each in folder.parent.iterdir() if each.is_dir()] if folder.parent.is_dir() else []
    close = difflib.get_close_matches(folder.name, sorted(beside), 1, 0.7)
    told = [f"Did you mean {folder.parent / close[0]}?"] if close else []
    repository = read_schema(SCHEMA)["$defs"]["checkpoint"]["properties"]["repository"]["pattern"]
    if re.search(repository, str(folder)):
        told.append(_how_to_pin(str(folder)))
    return " ".join(told) or "Name a folder that save_pretrained wrote."


def _how_to_pin(repository: str) -> str:
    return (
        "For a repository of the Hugging Face hub name the commit too, so that the weights never change behind your back: "
        f"load_encoder({repository!r}, revision='...'), 40 digits that https://huggingface.co/{repository}/commits shows."
    )


def _check_repository(repository: str, revision: str) -> None:
    """Raise InputError for a repository or a revision that a configuration would not take either."""
    known = read_schema(SCHEMA)["$defs"]["checkpoint"]["properties"]
    if not re.search(known["revision"]["pattern"], revision):
        raise InputError(f"load_encoder: found the revision {revision!r}. {_how_to_pin(repository)}")
    if not re.search(known["repository"]["pattern"], repository):
        raise InputError(f"load_encoder: found {repository!r}, wanted OWNER/NAME, a repository of the Hugging Face hub.")


def _downloaded(source: dict[str, str]) -> Path:
    """Return the folder of a repository in the cache, downloaded where it is not there."""
    from pairprobe.checkpoints.checksums import verify_checksums
    from pairprobe.checkpoints.fetching import fetch

    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "pairprobe" / "checkpoints"
    folder = cache / f"{source['repository'].replace('/', '--')}@{source['revision']}"
    if folder.is_dir():
        verify_checksums(folder)
    else:
        fetch(source, str(folder))
    return folder
