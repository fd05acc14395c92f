"""Checks across the configuration's keys, and what a checked configuration asks for: ``resolve(config, schema) -> Run``."""

import copy
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pairprobe.configuration.schema import check
from pairprobe.configuration.sharding import shards_of
from pairprobe.data import sources
from pairprobe.data.sampling import PARTITIONS
from pairprobe.errors import InputError
from pairprobe.probing_sets import registry
from pairprobe.probing_sets.registry import BOUNDARY_MEASURES, PAIR_MEASURES

# The keys that describe a checkpoint of each source. These describe all: source, label, colour.
_KEYS_OF_SOURCE = {
    "package": ("package", "folder"),
    "path": ("path",),
    "hub": ("repository", "revision"),
    "finetune": ("start", "seed", "seeds"),
    "random": ("start", "seed", "seeds"),
}
# The sources that make a checkpoint from another one, and the sources that this one cannot have.
_NO_START_FOR = {"finetune": ("finetune",), "random": ("finetune", "random")}
# The controls that rank no pairs.
_WITHOUT_PAIRS = ("control_task", "representations")
# The figures that the workflow draws besides those of ``figures.comparisons`` and the panels.
_FIGURES = ("grid", "specific", "differences", "training_loss", "precision_recall", "representations", "controls")
# Resamples beyond each end of an interval that make the end sure.
_BEYOND_AN_END = 20
# What a rule replaces in a path: wildcards, {name}, and parts of paths, <name>.
_PLACEHOLDER = re.compile("[{}]|<[a-z][a-z0-9_]*>")
# The sources of data whose questions have a long answer in a larger page. A page of another source is one paragraph.
_WITH_LONG_ANSWERS = ("bundled", "natural_questions")


class DataFile(NamedTuple):
    """A file of questions, and the partitions that its pages may go to."""

    path: str
    partitions: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What a checked configuration asks for. Lists are in the configuration's order.

    config: the configuration, with its defaults and with a checkpoint for each seed. folder: of the results, counted from
    the working directory. recipes: the checkpoints of each checkpoint with ``seeds``, by its name: draws of one recipe.
    pair_tasks: the tasks that are ranked by similarity. fetched, finetuned, initialised: the
    checkpoints that are copied or downloaded, trained here, or have random weights. files: of data, by names of their own.
    remote_files: those that are downloaded, ``{name: partitions}``, to the folder ``downloads``. trains: whether there are
    pages to train on. shards: the jobs that share each kind of work, see ``sharding.shards_of``.
    """

    config: dict[str, Any]
    folder: str
    recipes: dict[str, list[str]]
    pair_tasks: list[str]
    fetched: list[str]
    finetuned: list[str]
    initialised: list[str]
    files: dict[str, DataFile]
    remote_files: dict[str, tuple[str, ...]]
    downloads: str
    trains: bool
    shards: dict[tuple[str, ...], int]

    @property
    def tasks(self) -> list[str]:
        """The probing tasks."""
        return self.config["tasks"]

    @property
    def checkpoints(self) -> list[str]:
        """All checkpoints."""
        return list(self.config["checkpoints"])

    @property
    def units(self) -> list[str]:
        """What is compared: the recipes, and the checkpoints that are draws of none."""
        recipe_of = {one: name for name, several in self.recipes.items() for one in several}
        return list(dict.fromkeys(recipe_of.get(name, name) for name in self.checkpoints))

    def checkpoints_of(self, names: Iterable[str]) -> list[str]:
        """Return the checkpoints that names stand for, each once: a recipe's for the recipe."""
        return list(dict.fromkeys(one for name in names for one in self.recipes.get(name, [name])))

    @property
    def frozen(self) -> list[str]:
        """The checkpoints whose encoders are not trained here."""
        return self.fetched + self.initialised

    @property
    def compared(self) -> list[str]:
        """What figures compare: recipes and checkpoints, among these also single ones of a recipe."""
        return self.config["figures"].get("checkpoints", self.units)

    @property
    def compared_checkpoints(self) -> list[str]:
        """The checkpoints of what figures compare, each once."""
        return self.checkpoints_of(self.compared)

    @property
    def comparisons(self) -> dict[str, list[str]]:
        """The grids and what each compares, ``grid`` first."""
        return {"grid": self.compared, **self.config["figures"]["comparisons"]}

    @property
    def grids(self) -> list[str]:
        """The figures with a column for each task: one a comparison, and ``specific``, of the tasks with pairs."""
        return [*self.comparisons, *(["specific"] if self.pair_tasks else [])]

    @property
    def controls(self) -> list[str]:
        """The controls."""
        return self.config["controls"]

    @property
    def variants(self) -> list[str]:
        """The controls that rank pairs."""
        return [name for name in self.controls if name not in _WITHOUT_PAIRS]

    @property
    def judges_controls(self) -> bool:
        """Whether the claims are judged by controls too: there are some, and two units to claim anything of."""
        return len(self.units) > 1 and bool(self.variants or "control_task" in self.controls)

    @property
    def rankings(self) -> list[tuple[str, str]]:
        """The checkpoint and task of each ranking."""
        return [(checkpoint, task) for checkpoint in self.checkpoints for task in self.tasks]

    @property
    def page_partitions(self) -> list[str]:
        """The partitions whose whole pages are read: to train on, and to answer questions from."""
        return ["finetune", "probe"] if self.trains else ["probe"]

    @property
    def has_long_answers(self) -> bool:
        """Whether the data has long answers, so that Natural Questions' metric applies."""
        return self.config["data"]["source"] in _WITH_LONG_ANSWERS

    @property
    def keeps_activations(self) -> bool:
        """Whether activations are kept, and not only what is measured of them."""
        return self.config["activations"]["keep"] == "all"

    @property
    def typeset_tables(self) -> list[str]:
        """The tables that are laid out for reading, and so in LaTeX too."""
        tables = ["probing_sets", "percentages", "claims", "question_answering"]
        return tables + ["nq_evaluation"] * self.has_long_answers + ["controls"] * bool(self.variants)

    def measures_of(self, task: str) -> tuple[str, str]:
        """Return a task's two measures: those of the upper and of the lower panel in its column."""
        return PAIR_MEASURES if task in self.pair_tasks else BOUNDARY_MEASURES

    def finder_of(self, task: str) -> str:
        """Return the name of the function that finds a task's pairs."""
        return "find_any_synset" if (task, self.config["synonyms"]) == ("synonyms", "any_synset") else "find"

    def start_of(self, checkpoint: str) -> str:
        """Return the checkpoint that a fine-tuned or initialised one starts from."""
        return self.config["checkpoints"][checkpoint]["start"]

    @property
    def seeds(self) -> dict[str, str]:
        """The seed of each checkpoint that is trained here or has random weights, the seeds of each recipe."""
        several = {name: self.checkpoints_of([name]) for name in self.units}
        return {
            name: ", ".join(str(self.seed_of(one)) for one in of_one)
            for name, of_one in several.items()
            if of_one[0] in self.finetuned + self.initialised
        }

    def seed_of(self, checkpoint: str) -> int:
        """Return the seed of a checkpoint's training or random weights: its own, or the run's."""
        return self.config["checkpoints"][checkpoint].get("seed", self.config["seed"])

    def fetched_from(self, checkpoint: str) -> dict[str, Any]:
        """Return what a checkpoint is fetched from: its configuration without what only figures and tables read."""
        described = self.config["checkpoints"][checkpoint]
        return {key: value for key, value in described.items() if key not in ("label", "colour")}

    def appearance(self, names: Iterable[str]) -> dict[str, Any]:
        """Return how figures show recipes and checkpoints: the arguments of ``figures.style.Appearance``.

        Labels and colours are those that the configuration gives to these, and the labels of ``figures``.
        """
        # A recipe's colour is that of its seeds; its label is among those of ``figures``.
        given = {name: self.config["checkpoints"][self.checkpoints_of([name])[0]] for name in names}
        labels = {name: one["label"] for name, one in given.items() if one.get("label") and name not in self.recipes}
        return {
            "among": self.units,
            "recipes": self.recipes,
            "labels": {**labels, **self.config["figures"]["labels"]},
            "colours": {name: one["colour"] for name, one in given.items() if one.get("colour")},
        }

    def panel(
        self, task: str, measure: str, compared: Sequence[str] | None = None, value: str | None = None
    ) -> dict[str, Any]:
        """Return the arguments of ``figures.grid.Panel``, by default for what figures compare and the value they show."""
        names = self.compared if compared is None else compared
        shown = {"value": value or self.config["figures"]["value"]}
        return {"task": task, "measure": measure, "compared": names, **shown, **self.appearance(names)}

    def columns_of(self, grid: str) -> list[list[dict[str, Any]]]:
        """Return the panels of a grid, in a column for each task: by its measures, then of ``specific`` where wanted."""
        if grid == "specific":
            return [[self.panel(task, one, value=grid) for one in self.measures_of(task)] for task in self.pair_tasks]
        compared = self.comparisons[grid]
        columns = {task: [self.panel(task, one, compared) for one in self.measures_of(task)] for task in self.tasks}
        for task in self.pair_tasks if self.config["figures"]["specific"] else []:
            columns[task].append(self.panel(task, self.measures_of(task)[0], compared, "specific"))
        return list(columns.values())

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all recipes, of the checkpoints that have one, and those that ``figures`` gives."""
        return self.appearance(self.checkpoints)["labels"]


def resolve(config: dict[str, Any], schema: dict[str, Any], name: str = "the configuration") -> Run:
    """Check a configuration and return what it asks for.

    schema: see ``schema.read_schema``; the tasks that are allowed are added to it. name: what messages call the
    configuration, such as its path. Defaults and seeds are filled in, in place. Relative paths count from the working
    directory. Raises InputError with one clear line that names the key, or a line for each key that the schema refuses.
    """
    schema = copy.deepcopy(schema)
    schema["properties"]["tasks"]["items"]["enum"] = registry.names()
    check(config, schema, name)
    _make_relative(config)
    try:
        sources.check(config["data"])
        recipes = expand_seeds(config)
        _check_checkpoints(config["checkpoints"])
        _check_partitions(config)
        _check_controls(config)
        for section in ("finetuning", "evaluation"):
            _check_windows(section, config[section])
        pair_tasks = _pair_tasks(config["tasks"])
        _check_figures(config, recipes)
        _check_paths(config)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None

    sources_of = {one: checkpoint["source"] for one, checkpoint in config["checkpoints"].items()}
    folder = f"results/{config['run']}"
    remote = sources.remote_files(config["data"])
    downloads = sources.folder_of(config["data"]) if remote else "downloads"
    return Run(
        config=config,
        folder=folder,
        recipes=recipes,
        pair_tasks=pair_tasks,
        fetched=[one for one, source in sources_of.items() if source not in _NO_START_FOR],
        finetuned=[one for one, source in sources_of.items() if source == "finetune"],
        initialised=[one for one, source in sources_of.items() if source == "random"],
        files=_data_files(config["data"], folder, downloads),
        remote_files=remote,
        downloads=downloads,
        trains=_has_pages("finetune", config),
        shards=shards_of(config),
    )


def _make_relative(config: dict[str, Any]) -> None:
    """Let the paths below the working directory count from it, in place: where that is moved, nothing runs again for it."""

    def relative(path: str) -> str:
        return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path

    here, data = Path.cwd(), config["data"]
    for section, key in [(config, "wordnet"), (data, "folder"), *((one, "path") for one in config["checkpoints"].values())]:
        if key in section:
            section[key] = relative(section[key])
    listed = data.get("files", [])
    if isinstance(listed, dict):
        data["files"] = {partition: [relative(path) for path in paths] for partition, paths in listed.items()}
    elif listed:
        data["files"] = [relative(path) for path in listed]


def expand_seeds(config: dict[str, Any]) -> dict[str, list[str]]:
    """Put a checkpoint for each seed in the place of one with ``seeds``, in place: ``NAME-seed1``, ``NAME-seed2``, ...

    Returns the names of these, by NAME: the recipes, whose labels are put among those of ``figures``. Raises InputError
    where one has ``seed`` as well.
    """
    expanded: dict[str, dict] = {}
    recipes: dict[str, list[str]] = {}
    labels = config["figures"]["labels"]
    for name, checkpoint in config["checkpoints"].items():
        seeds = checkpoint.get("seeds", [])
        if seeds and "seed" in checkpoint:
            raise InputError(f"checkpoints.{name}: found seed and seeds. Remove one of the two.")
        if seeds and checkpoint["source"] not in ("finetune", "random"):
            raise InputError(
                f"checkpoints.{name}.seeds: source {checkpoint['source']} has no such key; finetune and random have."
            )
        rest = {key: value for key, value in checkpoint.items() if key != "seeds"}
        label = labels.get(name) or checkpoint.get("label") or name.replace("_", " ").capitalize()
        several = {f"{name}-seed{seed}": {**rest, "label": f"{label}, seed {seed}", "seed": seed} for seed in seeds}
        if several:
            recipes[name], labels[name] = list(several), label
        for twice in several.keys() & config["checkpoints"].keys():
            raise InputError(f"checkpoints.{name}.seeds: there is a checkpoint {twice} besides. Give it another name.")
        expanded |= several or {name: checkpoint}
    config["checkpoints"] = expanded
    return recipes


def _check_checkpoints(checkpoints: dict[str, dict]) -> None:
    """Check that each has only the keys of its source, and starts from one that it can start from."""
    for name, checkpoint in checkpoints.items():
        source = checkpoint["source"]
        allowed = ("source", "label", "colour", *_KEYS_OF_SOURCE[source])
        for key in checkpoint:
            if key not in allowed:
                raise InputError(
                    f"checkpoints.{name}.{key}: source {source} has no such key. Allowed: {', '.join(allowed)}."
                )
        if source not in _NO_START_FOR:
            continue
        refused = _NO_START_FOR[source]
        starts = [other for other, value in checkpoints.items() if value["source"] not in refused]
        if checkpoint["start"] not in starts:
            raise InputError(
                f"checkpoints.{name}.start: found {checkpoint['start']!r}, wanted a checkpoint that is not of source "
                f"{' or '.join(refused)} itself. Allowed: {', '.join(starts)}."
            )


def _check_partitions(config: dict[str, Any]) -> None:
    """Check the shares, and that no partition is empty that the run needs."""
    data, shares = config["data"], config["partitions"]
    for partitions in (sources.local_files(data) | sources.remote_files(data)).values():
        sources.shares_of(partitions, shares)
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"partitions: found {dict(shares)}; the shares must make 1 together.")
    needed = {"probe": "everything that is reported is on it"}
    if "boundary" in config["tasks"]:
        needed["head"] = "it trains the heads of the task boundary"
    if any(checkpoint["source"] == "finetune" for checkpoint in config["checkpoints"].values()):
        needed["finetune"] = "it trains the checkpoints of source finetune"
    for partition, why in needed.items():
        if not _has_pages(partition, config):
            raise InputError(f"partitions.{partition}: no page can come into it, and {why}. Give it a share and files.")


def _has_pages(partition: str, config: dict[str, Any]) -> bool:
    """Say whether a partition has a share, and a file whose pages may go to it."""
    data = config["data"]
    of_files = (sources.local_files(data) | sources.remote_files(data)).values()
    return bool(config["partitions"][partition]) and (
        data["source"] == "bundled" or any(partition in partitions for partitions in of_files)
    )


def _check_controls(config: dict[str, Any]) -> None:
    """Check that what the controls measure is there."""
    controls, keep = config["controls"], config["activations"]["keep"]
    if controls and keep != "all":
        raise InputError(
            f"activations.keep: found {keep!r}, and controls: found {list(controls)}. Controls measure the activations in "
            "other ways, so these must be there: set activations.keep to all, or leave controls empty."
        )
    if "control_task" in controls and "boundary" not in config["tasks"]:
        raise InputError("controls: control_task: it is a control of the task boundary, which is not among the tasks.")
    variants = [name for name in controls if name not in _WITHOUT_PAIRS]
    if variants and set(config["tasks"]) <= {"boundary"}:
        raise InputError(
            f"controls: {', '.join(variants)}: found tasks: {list(config['tasks'])}, wanted a task with pairs, since these "
            "controls rank pairs. Add such a task, or remove them."
        )
    evidence = config["evidence"]
    least = round(2 * _BEYOND_AN_END / (1 - evidence["confidence"]))
    if "representations" in controls and evidence["resamples"] < least:
        raise InputError(
            f"evidence.resamples: found {evidence['resamples']}, wanted at least {least}, for {_BEYOND_AN_END} beyond each "
            f"end of an interval of {100 * evidence['confidence']:g} %."
        )
    if "representations" in controls and len(config["checkpoints"]) < 2:
        raise InputError("controls: representations: it compares checkpoints, and there is only one.")


def _check_windows(section: str, settings: dict[str, Any]) -> None:
    length, stride = settings["max_length"], settings["stride"]
    if stride > length:
        raise InputError(
            f"{section}.stride: found {stride}, wanted at most max_length, {length}: windows would leave gaps."
        )


def _pair_tasks(tasks: list[str]) -> list[str]:
    """Return the tasks but boundary. Raises InputError where the view of one is not the paragraph."""
    pair_tasks = [task for task in tasks if task != "boundary"]
    for task in pair_tasks:
        if (view := registry.view_of(task)) != "paragraph":
            raise InputError(f'tasks: {task}: its VIEW is {view!r}, wanted "paragraph".')
    return pair_tasks


def _check_figures(config: dict[str, Any], recipes: dict[str, list[str]]) -> None:
    """Check that figures compare what is there, and that no comparison has the name of another figure."""
    figures, allowed = config["figures"], [*recipes, *config["checkpoints"]]
    compared = {"checkpoints": figures.get("checkpoints", [])}
    compared |= {f"comparisons.{name}": names for name, names in figures["comparisons"].items()}
    for key, names in compared.items():
        for name in names:
            if name not in allowed:
                raise InputError(f"figures.{key}: found {name!r}. Allowed: {', '.join(allowed)}.")
    panels = {f"{task}_{measure}" for task in config["tasks"] for measure in (*PAIR_MEASURES, *BOUNDARY_MEASURES)}
    for name in figures["comparisons"]:
        if name in panels.union(_FIGURES):
            raise InputError(
                f"figures.comparisons.{name}: the workflow draws a figure of this name itself. Choose another name."
            )


def _check_paths(config: dict[str, Any]) -> None:
    """Check that what the configuration names on this machine is there, by a path that a rule can have."""
    paths = [("data.files", path, Path.is_file, "file") for path in sources.local_files(config["data"])]
    paths += [
        (f"checkpoints.{name}.path", checkpoint["path"], Path.is_dir, "folder")
        for name, checkpoint in config["checkpoints"].items()
        if checkpoint["source"] == "path"
    ]
    for key, path, is_there, kind in paths:
        if found := _PLACEHOLDER.search(path):
            raise InputError(
                f"{key}: {path}: found {found[0]!r}, which stands for other text in a workflow's paths. Rename the {kind}, "
                "or make a link to it."
            )
        if not is_there(Path(path)):
            if path.startswith("~"):
                advice = "~ is not replaced by your home folder: write that out."
            elif kind == "folder" and Path(path).is_file():
                advice = "It is a file: name its folder."
            else:
                advice = f"Check the path; it counts from {Path.cwd()}."
            raise InputError(f"{key}: {path}: there is no such {kind}. {advice}")


def _data_files(data: dict[str, Any], folder: str, downloads: str) -> dict[str, DataFile]:
    """Name the files of data, in order: by the stem of the file's own name, with a number where several share it."""
    if data["source"] == "bundled":
        return {"mini_nq": DataFile(f"{folder}/data/mini_nq.jsonl.gz", PARTITIONS)}
    remote = {f"{downloads}/{name}": partitions for name, partitions in sources.remote_files(data).items()}
    named: dict[str, DataFile] = {}
    for path, partitions in (sources.local_files(data) or remote).items():
        stem = Path(path).name.split(".")[0] or "file"
        names = itertools.chain([stem], (f"{stem}~{number}" for number in itertools.count(2)))
        named[next(name for name in names if name not in named)] = DataFile(path, partitions)
    return named
