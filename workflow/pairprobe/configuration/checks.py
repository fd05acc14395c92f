"""Checks across the configuration's keys: ``resolve(config, schema) -> Run``."""

import itertools
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pairprobe.checkpoints import formats
from pairprobe.configuration.run import (
    BEFORE_AND_AFTER,
    CLASSIFICATION,
    OF_BEFORE,
    RESAMPLED,
    TO_ANSWER,
    WITHOUT_ACTIVATIONS,
    WITHOUT_PAIRS,
    DataFile,
    Run,
    before_of,
    objective_of,
    reads_windows,
)
from pairprobe.configuration.schema import check
from pairprobe.configuration.sharding import shards_of
from pairprobe.configuration.tasks import names_of, pair_files_of, tasks_of
from pairprobe.data import sources
from pairprobe.data.sampling import PARTITIONS
from pairprobe.errors import InputError
from pairprobe.io import table_forms
from pairprobe.probing_sets.registry import BOUNDARY_MEASURES, PAIR_MEASURES

# The keys that describe a checkpoint of each source. These describe all: source, label, colour.
_KEYS_OF_SOURCE = {
    "package": ("package", "folder"),
    "path": ("path", "seed", "seeds"),
    "hub": ("repository", "revision"),
    "adapter": ("base", "path", "repository", "revision", "merge"),
    "finetune": ("start", "method", "objective", "table", "keep_steps", "seed", "seeds"),
    "random": ("start", "seed", "seeds"),
}
# The sources that make a checkpoint from another one, and the sources that this one cannot have.
_NO_START_FOR = {"finetune": ("finetune",), "random": ("finetune", "random")}
# The figures that the workflow draws besides those of ``figures.comparisons`` and the panels.
_FIGURES = (
    "grid", "specific", "differences", "training_loss", "precision_recall", "representations", "controls",
    "weight_distance", "layer_cka", "overview", "trajectories", "functional",
)  # fmt: skip
# Resamples beyond each end of an interval that make the end sure.
_BEYOND_AN_END = 20
# What a rule replaces in a path: wildcards, {name}, and parts of paths, <name>.
_PLACEHOLDER = re.compile("[{}]|<[a-z][a-z0-9_]*>")


def resolve(config: dict[str, Any], schema: dict[str, Any], name: str = "the configuration") -> Run:
    """Check a configuration and return what it asks for.

    schema: see ``schema.read_schema``. name: what messages call the configuration, such as its path. Defaults and seeds are
    filled in, in place. Relative paths count from the working directory. Raises InputError with one clear line that names
    the key, or a line for each key that the schema refuses, each checkpoint that is wrong, and each file that is not there.
    """
    _write_out_steps(config, name)
    check(config, schema, name)
    _make_relative(config)
    try:
        sources.check(config["data"])
        by_task = tasks_of(config)
        recipes = expand_seeds(config)
        checks = [partial(_check_checkpoints, config["checkpoints"], recipes), partial(_check_paths, config)]
        checks.append(partial(_check_objectives, config, recipes))
        _each(partial.__call__, checks)
        _check_partitions(config, recipes)
        _check_controls(config)
        _check_functional(config, recipes)
        for section in ("finetuning", "evaluation"):
            _check_windows(section, config[section])
        _check_figures(config, recipes)
    except InputError as error:
        lines = str(error).splitlines()
        told = f": {error}" if len(lines) == 1 else " cannot be used:\n" + "\n".join(f"  {line}" for line in lines)
        raise InputError(f"{name}{told}") from None

    sources_of = {one: checkpoint["source"] for one, checkpoint in config["checkpoints"].items()}
    folder = f"results/{config['run']}"
    remote = sources.remote_files(config["data"])
    downloads = sources.folder_of(config["data"]) if remote else "downloads"
    run = Run(
        config=config,
        folder=folder,
        recipes=recipes,
        by_task=by_task,
        fetched=[one for one, source in sources_of.items() if source not in (*_NO_START_FOR, "adapter")],
        adapted=[one for one, source in sources_of.items() if source == "adapter"],
        finetuned=[one for one, source in sources_of.items() if source == "finetune"],
        initialised=[one for one, source in sources_of.items() if source == "random"],
        files=_data_files(config["data"], folder, downloads),
        remote_files=remote,
        downloads=downloads,
        trains=_has_pages("finetune", config),
        shards=shards_of(config),
    )
    steps = run.trajectories.kept.keys() | run.trajectories.recipes_of_points.keys()
    for twice in sorted(steps & config["checkpoints"].keys()):
        raise InputError(f"{name}: checkpoints.{twice}: a kept step has this name (finetuning.keep_steps). Choose another.")
    return run


def _write_out_steps(config: dict[str, Any], name: str) -> None:
    """Let the steps of ``figures.trajectories``, which YAML reads as numbers, be keys as JSON has them, in place.

    Raises InputError where they stand in the place of names.
    """
    figures: Any = config.get("figures")
    series: Any = figures.get("trajectories") if isinstance(figures, dict) else None
    for one, points in series.items() if isinstance(series, dict) else ():
        if not isinstance(one, str):
            raise InputError(
                f"{name}: figures.trajectories: found {one}: {points}, wanted a name above the steps: "
                "{NAME: {0: CHECKPOINT, 1000: CHECKPOINT}}."
            )
        if isinstance(points, dict):
            series[one] = {str(step): checkpoint for step, checkpoint in points.items()}


def _make_relative(config: dict[str, Any]) -> None:
    """Let the paths below the working directory count from it, in place: where that is moved, nothing runs again for it."""

    def relative(path: str) -> str:
        return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path

    here, data = Path.cwd(), config["data"]
    for section, key in [(config, "wordnet"), (data, "folder"), *_paths_of(config["checkpoints"])]:
        if key in section:
            section[key] = relative(section[key])
    for task in config["tasks"]:
        if isinstance(task, dict):
            task["pairs"] = relative(task["pairs"])
    listed = data.get("files", [])
    if isinstance(listed, dict):
        data["files"] = {partition: [relative(path) for path in paths] for partition, paths in listed.items()}
    elif listed:
        data["files"] = [relative(path) for path in listed]


def _paths_of(checkpoints: dict[str, dict]) -> list[tuple[dict, str]]:
    return [(one, key) for one in checkpoints.values() for key in ("path", "table")]


def expand_seeds(config: dict[str, Any]) -> dict[str, list[str]]:
    """Put a checkpoint for each seed in the place of one with ``seeds``, in place: ``NAME-seed1``, ``NAME-seed2``, ...

    Returns the names of these, by NAME: the recipes, whose labels are put among those of ``figures``. In a path ``{seed}``
    stands for the seed. Raises InputError where one has ``seed`` as well, or a path is the same for all.
    """
    expanded: dict[str, dict] = {}
    recipes: dict[str, list[str]] = {}
    labels = config["figures"]["labels"]
    for name, checkpoint in config["checkpoints"].items():
        seeds = checkpoint.get("seeds", [])
        if seeds and "seed" in checkpoint:
            raise InputError(f"checkpoints.{name}: found seed and seeds. Remove one of the two.")
        if seeds and "seeds" not in _KEYS_OF_SOURCE[checkpoint["source"]]:
            having = ", ".join(source for source, keys in _KEYS_OF_SOURCE.items() if "seeds" in keys)
            raise InputError(
                f"checkpoints.{name}.seeds: source {checkpoint['source']} has no such key; these have: {having}."
            )
        path = checkpoint.get("path", "")
        if seeds and checkpoint["source"] == "path" and "{seed}" not in path:
            raise InputError(
                f"checkpoints.{name}.path: found {path}, the same folder for each seed. Write {{seed}} where it differs."
            )
        if not seeds and "{seed}" in path:
            raise InputError(f"checkpoints.{name}: found {{seed}} in its path, and no seeds. Add seeds, such as [1, 2, 3].")
        rest = {key: value for key, value in checkpoint.items() if key != "seeds"}
        label = labels.get(name) or checkpoint.get("label") or name.replace("_", " ").capitalize()
        several = {}
        for seed in seeds:
            folder = {"path": path.replace("{seed}", str(seed))} if path else {}
            several[f"{name}-seed{seed}"] = {**rest, **folder, "label": f"{label}, seed {seed}", "seed": seed}
        if several:
            recipes[name], labels[name] = list(several), label
        for twice in several.keys() & config["checkpoints"].keys():
            raise InputError(f"checkpoints.{name}.seeds: there is a checkpoint {twice} besides. Give it another name.")
        expanded |= several or {name: checkpoint}
    config["checkpoints"] = expanded
    return recipes


def _written(name: str, recipes: dict[str, list[str]]) -> str:
    """Return what the configuration calls a checkpoint: of one of those of a recipe, the recipe's name."""
    return next((recipe for recipe, several in recipes.items() if name in several), name)


def _each(check: Callable[..., None], *columns: Iterable[Any]) -> None:
    """Call a check with each row of columns. Raises InputError with a line for each that fails, the same but once."""
    faults = []
    for row in zip(*columns, strict=True):
        try:
            check(*row)
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(dict.fromkeys(faults)))


def _check_checkpoints(checkpoints: dict[str, dict], recipes: dict[str, list[str]]) -> None:
    """Check each as ``_check_checkpoint`` does; of a recipe the first, whose keys the others have too, but for a path."""
    others = {one for several in recipes.values() for one in several[1:]}
    names = [name for name in checkpoints if name not in others or "path" in checkpoints[name]]
    _each(_check_checkpoint, names, itertools.repeat(checkpoints, len(names)), itertools.repeat(recipes, len(names)))


def _check_checkpoint(name: str, checkpoints: dict[str, dict], recipes: dict[str, list[str]]) -> None:
    """Check that it has only the keys of its source, and that what these name is there and can be used for it."""
    checkpoint = checkpoints[name]
    source, where = checkpoint["source"], f"checkpoints.{_written(name, recipes)}"
    allowed = ("source", "label", "colour", *_KEYS_OF_SOURCE[source])
    for key in checkpoint:
        if key not in allowed:
            raise InputError(f"{where}.{key}: source {source} has no such key. Allowed: {', '.join(allowed)}.")
    if source == "adapter":
        _check_adapter(name, checkpoints, recipes)
    if "path" in checkpoint:
        _check_path(f"{where}.path", checkpoint["path"], "folder")
    if source not in _NO_START_FOR:
        return
    refused = _NO_START_FOR[source]
    starts = [other for other, value in checkpoints.items() if value["source"] not in refused]
    _check_not_several(f"{where}.start", checkpoint["start"], starts, recipes)
    if checkpoint["start"] not in starts:
        raise InputError(
            f"{where}.start: found {checkpoint['start']!r}, wanted a checkpoint that is not of source "
            f"{' or '.join(refused)} itself. Allowed: {', '.join(starts)}."
        )
    if not _is_plain(checkpoints[checkpoint["start"]]):
        raise InputError(f"{where}.start: {checkpoint['start']} has an adapter that is not merged. Set merge: true there.")


def _check_not_several(where: str, name: str, allowed: Iterable[str], recipes: dict[str, list[str]]) -> None:
    """Raise InputError where a recipe is named in the place of one of its checkpoints, which could stand there."""
    if {*allowed}.intersection(recipes.get(name, ())):
        raise InputError(f"{where}: {name} has several seeds. Name one of them: {', '.join(recipes[name])}.")


def _check_objectives(config: dict[str, Any], recipes: dict[str, list[str]]) -> None:
    """Check that those and only those checkpoints have a table whose training reads one, and that it is there.

    And that those alone keep steps of their own that answer questions.
    """
    later = {name for several in recipes.values() for name in several[1:]}
    for name, checkpoint in config["checkpoints"].items():
        if checkpoint["source"] != "finetune" or name in later:
            continue
        written, objective = f"checkpoints.{_written(name, recipes)}", objective_of(config, name)
        where = f"{written}.table"
        if objective not in TO_ANSWER and checkpoint.get("keep_steps"):
            raise InputError(
                f"{written}.keep_steps: the objective {objective} keeps no steps, since a trajectory has scores "
                "of answers. Remove it."
            )
        if objective != CLASSIFICATION and "table" in checkpoint:
            raise InputError(
                f"{where}: the objective {objective} reads no table. Remove it, or set objective: {CLASSIFICATION}."
            )
        if objective == CLASSIFICATION:
            if "table" not in checkpoint:
                raise InputError(f"{where}: missing. Wanted: a file of the texts that the objective {objective} reads.")
            _check_path(where, checkpoint["table"])
            try:
                table_forms.form_of(checkpoint["table"])
            except InputError as error:
                raise InputError(f"{where}: {error}") from None


def _is_plain(checkpoint: dict[str, Any]) -> bool:
    """Whether a checkpoint's weights are in its own files: no adapter stands beside them."""
    return bool(checkpoint.get("merge", True))


def _check_adapter(name: str, checkpoints: dict[str, dict], recipes: dict[str, list[str]]) -> None:
    """Check where an adapter comes from, and that its base is a checkpoint that it can change."""
    adapter, where = checkpoints[name], f"checkpoints.{name}"
    given = [key for key in ("path", "repository", "revision") if key in adapter]
    if given not in (["path"], ["repository", "revision"]):
        raise InputError(f"{where}: found {', '.join(given) or 'neither'}, wanted path, or repository and revision.")
    bases = [other for other, value in checkpoints.items() if other != name and _is_plain(value)]
    if "base" not in adapter:
        raise InputError(
            f"{where}: source adapter needs the key base, of the checkpoint that the adapter was trained on. Allowed: "
            f"{', '.join(bases)}."
        )
    _check_not_several(f"{where}.base", base := adapter["base"], bases, recipes)
    if base not in bases:
        hint = " Set merge: true for it." if base in checkpoints and not _is_plain(checkpoints[base]) else ""
        raise InputError(
            f"{where}.base: found {base!r}, wanted a checkpoint whose weights are its own.{hint} Allowed: "
            f"{', '.join(bases)}."
        )
    seen = [name]
    while "base" in (found := checkpoints.get(seen[-1], {})) or "start" in found:
        if (following := found.get("base") or found["start"]) in seen:
            raise InputError(f"{where}.base: {' -> '.join([*seen, following])}: a checkpoint cannot be made from itself.")
        seen.append(following)


def _check_partitions(config: dict[str, Any], recipes: dict[str, list[str]]) -> None:
    """Check the shares, and that no partition is empty that the run needs."""
    data, shares = config["data"], config["partitions"]
    if data["source"] == "none":
        _check_without_data(config, recipes)
        return
    for partitions in (sources.local_files(data) | sources.remote_files(data)).values():
        sources.shares_of(partitions, shares)
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"partitions: found {dict(shares)}; the shares must make 1 together.")
    needed = {"probe": "everything that is reported is on it"}
    if "boundary" in config["tasks"]:
        needed["head"] = "it trains the heads of the task boundary"
    if any(reads_windows(config, name) for name in config["checkpoints"]):
        needed["finetune"] = "it trains the checkpoints of source finetune"
    if "early_exit" in config["functional"]:
        needed.setdefault("finetune", "functional: early_exit trains heads on it")
    grafts = [name for name in ("graft", "reset") if name in config["functional"]]
    for name in config["checkpoints"] if grafts else ():
        if objective_of(config, name) == CLASSIFICATION:
            written = _written(name, recipes)
            why = f"functional: {grafts[0]} needs heads that answer questions, which the checkpoint {written} gets on it"
            needed.setdefault("finetune", why)
    for partition, why in needed.items():
        if not _has_pages(partition, config):
            raise InputError(f"partitions.{partition}: no page can come into it, and {why}. Give it a share and files.")


def _check_without_data(config: dict[str, Any], recipes: dict[str, list[str]]) -> None:
    """Check that nothing is asked for that is made of data."""
    if found := [name for name in names_of(config) if name not in pair_files_of(config)]:
        raise InputError(
            f"data: missing. Wanted: where questions and pages come from, since the task {found[0]} is found in them; or "
            "tasks with files of pairs alone."
        )
    for name in config["checkpoints"]:
        if reads_windows(config, name):
            raise InputError(
                f"checkpoints.{_written(name, recipes)}.source: finetune trains on data, and there is none. Add data, or "
                "take a checkpoint of another source, or the objective sequence_classification."
            )


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
    reading = [name for name in controls if name not in WITHOUT_ACTIVATIONS]
    if reading and keep != "all":
        raise InputError(
            f"activations.keep: found {keep!r}, and controls: found {reading}. Controls measure the activations in "
            "other ways, so these must be there: set activations.keep to all, or remove these."
        )
    tasks = names_of(config)
    resampled = [name for name in RESAMPLED if name in controls]
    if resampled and config["data"]["source"] == "none":
        raise InputError(
            f"controls: {resampled[0]}: it compares the words of the partition probe, and there is no data. Remove it, or "
            "add data."
        )
    if "control_task" in controls and "boundary" not in tasks:
        raise InputError("controls: control_task: it is a control of the task boundary, which is not among the tasks.")
    variants = [name for name in controls if name not in WITHOUT_PAIRS]
    if variants and set(tasks) <= {"boundary"}:
        raise InputError(
            f"controls: {', '.join(variants)}: found tasks: {tasks}, wanted a task with pairs, since these "
            "controls rank pairs. Add such a task, or remove them."
        )
    evidence = config["evidence"]
    least = round(2 * _BEYOND_AN_END / (1 - evidence["confidence"]))
    if resampled and evidence["resamples"] < least:
        raise InputError(
            f"evidence.resamples: found {evidence['resamples']}, wanted at least {least}, for {_BEYOND_AN_END} beyond each "
            f"end of an interval of {100 * evidence['confidence']:g} %."
        )
    if "representations" in controls and len(config["checkpoints"]) < 2:
        raise InputError("controls: representations: it compares checkpoints, and there is only one.")
    of_before = [name for name in OF_BEFORE if name in controls]
    if of_before and not any(before_of(config["checkpoints"], name) for name in config["checkpoints"]):
        raise InputError(
            f"controls: {of_before[0]}: it compares a checkpoint with the one that it was made of, and none was made of "
            "another one. Add one, or remove it."
        )


def _check_functional(config: dict[str, Any], recipes: dict[str, list[str]]) -> None:
    """Check that there are questions to answer, and a checkpoint that was made of another one."""
    functional, checkpoints = config["functional"], config["checkpoints"]
    if functional and config["data"]["source"] == "none":
        raise InputError(
            f"functional: found {', '.join(functional)}, which ask how questions are answered, and there is no data. "
            "Remove them, or add data."
        )
    pairs = [name for name in functional if name in BEFORE_AND_AFTER]
    if pairs and not any(before_of(checkpoints, name) for name in checkpoints):
        given = dict.fromkeys(_written(name, recipes) for name in checkpoints)
        raise InputError(
            f"functional: {', '.join(pairs)}: found {', '.join(given)} alone, wanted a checkpoint before and one "
            "after fine-tuning: one of source finetune or adapter, or another checkpoint. Add one, or remove them."
        )


def _check_windows(section: str, settings: dict[str, Any]) -> None:
    length, stride = settings["max_length"], settings["stride"]
    if stride > length:
        raise InputError(
            f"{section}.stride: found {stride}, wanted at most max_length, {length}: windows would leave gaps."
        )


def _check_figures(config: dict[str, Any], recipes: dict[str, list[str]]) -> None:
    """Check that figures compare what is there, and that no comparison has the name of another figure."""
    figures, allowed = config["figures"], [*recipes, *config["checkpoints"]]
    compared = {"checkpoints": figures.get("checkpoints", [])}
    compared |= {f"comparisons.{name}": names for name, names in figures["comparisons"].items()}
    for key, names in compared.items():
        for name in names:
            if name not in allowed:
                raise InputError(f"figures.{key}: found {name!r}. Allowed: {', '.join(allowed)}.")
    for name, points in figures["trajectories"].items():
        if name in allowed:
            raise InputError(f"figures.trajectories.{name}: there is a checkpoint of this name. Choose another name.")
        for step, one in points.items():
            where = f"figures.trajectories.{name}.{step}"
            _check_not_several(where, one, config["checkpoints"], recipes)
            if one not in config["checkpoints"]:
                known = ", ".join(config["checkpoints"])
                raise InputError(f"{where}: found {one!r}, wanted the name of a checkpoint. Allowed: {known}.")
    if figures["overview"] and not any(before_of(config["checkpoints"], name) for name in config["checkpoints"]):
        raise InputError(
            "figures.overview: it shows a checkpoint beside the one that it was made of, and none was made of another one. "
            "Add one, or set it to false."
        )
    panels = {f"{task}_{measure}" for task in names_of(config) for measure in (*PAIR_MEASURES, *BOUNDARY_MEASURES)}
    for name in figures["comparisons"]:
        if name in panels.union(_FIGURES):
            raise InputError(
                f"figures.comparisons.{name}: the workflow draws a figure of this name itself. Choose another name."
            )


def _check_paths(config: dict[str, Any]) -> None:
    """Check that the files that the configuration names are there, by paths that a rule can have."""
    paths = [("data.files", path) for path in sources.local_files(config["data"])]
    paths += [(f"tasks: {name}: pairs", path) for name, path in pair_files_of(config).items()]
    if paths:
        _each(_check_path, *zip(*paths, strict=True))


def _check_path(key: str, path: str, kind: str = "file") -> None:
    """Check that a file or a folder on this machine is there, by a path that a rule can have."""
    if found := _PLACEHOLDER.search(path):
        raise InputError(
            f"{key}: {path}: found {found[0]!r}, which stands for other text in a workflow's paths. Rename the {kind}, "
            "or make a link to it."
        )
    there = Path(path)
    if there.is_file() if kind == "file" else there.is_dir():
        return
    if path.startswith("~"):
        advice = "~ is not replaced by your home folder: write that out."
    else:
        of_file = formats.advice_on(there) if kind == "folder" else None
        advice = of_file or f"Check the path; it counts from {Path.cwd()}."
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
