"""What the tasks of a configuration are: each has a module that finds pairs in the data, or a file of pairs."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pairprobe.data.sampling import PARTITIONS
from pairprobe.errors import InputError
from pairprobe.probing_sets import registry
from pairprobe.probing_sets.registry import BOUNDARY_MEASURES, PAIR_MEASURES


@dataclass(frozen=True, slots=True)
class Task:
    """A probing task. view: what encoders read of its examples. pairs: the file of its pairs, or None."""

    name: str
    view: str
    pairs: str | None = None

    @property
    def partition(self) -> str:
        """Whose examples it has: those of the partition probe, or its own."""
        return "probe" if self.pairs is None else self.name

    @property
    def is_ranked_by_similarity(self) -> bool:
        """Whether it has pairs; boundary has trained heads."""
        return self.name != "boundary"

    @property
    def measures(self) -> tuple[str, str]:
        """Its measures: those of the upper and of the lower panel in its column."""
        return PAIR_MEASURES if self.is_ranked_by_similarity else BOUNDARY_MEASURES

    @property
    def uses_wordnet(self) -> bool:
        """Whether its module reads WordNet."""
        return self.pairs is None and registry.uses_wordnet(self.name)


def names_of(config: dict[str, Any]) -> list[str]:
    """Return the names of a configuration's tasks."""
    return [given if isinstance(given, str) else given["name"] for given in config["tasks"]]


def pair_files_of(config: dict[str, Any]) -> dict[str, str]:
    """Return the file of each task that has one: ``{name: path}``."""
    return {given["name"]: given["pairs"] for given in config["tasks"] if not isinstance(given, str)}


def pair_tasks_of(config: dict[str, Any]) -> list[Task]:
    """Return the tasks that have a file of pairs. Raises InputError for a file that is missing or has no pairs."""
    return [Task(name, _view_of_file(name, path), path) for name, path in pair_files_of(config).items()]


def tasks_of(config: dict[str, Any]) -> dict[str, Task]:
    """Return the tasks of a configuration by name, in its order.

    Raises InputError for a name that occurs twice or means something else, for a module whose VIEW is none, and for a file
    that is missing or has no pairs.
    """
    names, files, known = names_of(config), pair_files_of(config), registry.names()
    for i, name in enumerate(names):
        if name not in known and name not in files:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise InputError(f"tasks.{i}: found {name!r}.{hint} Allowed: {', '.join(known)}; or name and pairs.")
    for name in files:
        if name in (*known, *PARTITIONS):
            what = "a task" if name in known else "a partition"
            raise InputError(f"tasks: {name}: there is {what} of this name. Give the task with pairs another one.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"tasks: {twice[0]}: found {names.count(twice[0])} of this name. Wanted: one.")
    with_files = {task.name: task for task in pair_tasks_of(config)}
    return {name: with_files.get(name) or Task(name, _view_of_module(name)) for name in names}


def _view_of_file(name: str, path: str) -> str:
    # It needs packages that only jobs have, and most configurations have no such file.
    from pairprobe.probing_sets import pair_files

    if not Path(path).is_file():
        raise InputError(f"tasks: {name}: pairs: {path}: there is no such file. It counts from {Path.cwd()}.")
    return "paragraph" if pair_files.has_question(path) else "text"


def _view_of_module(name: str) -> str:
    view, wanted = registry.view_of(name), "sentence" if name == "boundary" else "paragraph"
    if view != wanted:
        raise InputError(f'tasks: {name}: its VIEW is {view!r}, wanted "{wanted}".')
    return view
