"""What a checked configuration asks for: the tasks, checkpoints, files, panels and shares of work of a run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pairprobe.configuration.tasks import Task
from pairprobe.configuration.trajectories import TrainedUnit, Trajectories

# The controls that rank no pairs.
WITHOUT_PAIRS = ("control_task", "representations", "layer_cka", "weight_distance")
# The controls that read no activations, that resample pages, and that are of a checkpoint and the one before it.
WITHOUT_ACTIVATIONS, RESAMPLED = ("weight_distance",), ("representations", "layer_cka")
OF_BEFORE = ("layer_cka", "weight_distance")
# What any training depends on. How windows are cut, their features say.
TRAINING_KEYS = (
    "precision", "epochs", "batch_size", "device_batch_size", "warmup", "weight_decay", "save_steps", "threads",
)  # fmt: skip
# What ``functional`` asks of a checkpoint beside the one that it was made of.
BEFORE_AND_AFTER = ("graft", "reset", "early_exit")
# The objectives of trainings that give heads which answer questions, and the one that reads a table, and no windows.
TO_ANSWER, CLASSIFICATION = ("question_answering", "shuffled_answers"), "sequence_classification"
# The sources of data whose questions have a long answer in a larger page. A page of another source is one paragraph.
_WITH_LONG_ANSWERS = ("bundled", "natural_questions")


class DataFile(NamedTuple):
    """A file of questions, and the partitions that its pages may go to."""

    path: str
    partitions: tuple[str, ...]


def before_of(checkpoints: dict[str, dict[str, Any]], name: str) -> str | None:
    """Return the checkpoint that one was made of: its start or base, else the first that is copied or downloaded.

    None for that first one, and for random weights. One with a seed was trained, so that no other was made of it.
    """
    found = checkpoints[name]
    if found["source"] == "random":
        return None
    made_of = found.get("start") or found.get("base")
    made_here = ("random", "finetune", "adapter")
    given = (one for one, checkpoint in checkpoints.items() if checkpoint["source"] not in made_here)
    first = next((one for one in given if "seed" not in checkpoints[one]), None)
    return made_of or (first if first != name else None)


def objective_of(config: dict[str, Any], name: str) -> str | None:
    """Return what the training of a checkpoint minimises; None where it is not trained here."""
    described = config["checkpoints"][name]
    own: str = described.get("objective", config["finetuning"]["objective"])
    return own if described["source"] == "finetune" else None


def reads_windows(config: dict[str, Any], name: str) -> bool:
    """Whether a checkpoint is trained here on pages."""
    return objective_of(config, name) not in (None, CLASSIFICATION)


@dataclass(frozen=True)
class Run:
    """What a checked configuration asks for. Lists are in the configuration's order.

    config: the configuration, with its defaults and with a checkpoint for each seed. folder: of the results, counted from
    the working directory. recipes: the checkpoints of each checkpoint with ``seeds``, by its name: draws of one recipe.
    by_task: the tasks, by name. fetched, adapted, finetuned, initialised: the checkpoints that are copied or downloaded,
    made of a base and an adapter, trained here, or have random weights. files: of data, by names of their own.
    remote_files: those that are downloaded, ``{name: partitions}``, to the folder ``downloads``. trains: whether there are
    pages to train on. shards: the jobs that share each kind of work, see ``sharding.shards_of``.
    """

    config: dict[str, Any]
    folder: str
    recipes: dict[str, list[str]]
    by_task: dict[str, Task]
    fetched: list[str]
    adapted: list[str]
    finetuned: list[str]
    initialised: list[str]
    files: dict[str, DataFile]
    remote_files: dict[str, tuple[str, ...]]
    downloads: str
    trains: bool
    shards: dict[tuple[str, ...], int]

    @property
    def tasks(self) -> list[str]:
        """The names of the probing tasks."""
        return list(self.by_task)

    @property
    def pair_tasks(self) -> list[str]:
        """The tasks that are ranked by similarity."""
        return [name for name, task in self.by_task.items() if task.is_ranked_by_similarity]

    @property
    def pair_files(self) -> dict[str, str]:
        """The files of pairs, by the tasks that have one."""
        return {name: task.pairs for name, task in self.by_task.items() if task.pairs is not None}

    @property
    def has_data(self) -> bool:
        """Whether there is data besides files of pairs: questions to answer, and to find pairs in."""
        return self.config["data"]["source"] != "none"

    @property
    def extracted(self) -> list[tuple[str, str]]:
        """The views and partitions of which a run has activations."""
        found = [("paragraph", "probe")] if self.has_data else []
        if "boundary" in self.tasks:
            found += [("sentence", "probe"), ("sentence", "head")]
        return found + [(self.by_task[name].view, name) for name in self.pair_files]

    def tasks_of(self, partition: str) -> list[str]:
        """Return the tasks with pairs that have the examples of a partition."""
        return [name for name in self.pair_tasks if self.by_task[name].partition == partition]

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
    def trained_units(self) -> dict[str, list[str]]:
        """The units that are trained here, with their checkpoints."""
        units = {name: self.checkpoints_of([name]) for name in self.units}
        return {name: several for name, several in units.items() if several[0] in self.finetuned}

    def keep_steps_of(self, checkpoint: str) -> list[int] | int | None:
        """Return what the training of a checkpoint keeps on the way: its own setting, or the run's.

        None where it is trained to do other than answer questions.
        """
        if checkpoint in self.trained_otherwise:
            return None
        own: list[int] | int | None = self.config["finetuning"]["keep_steps"]
        return self.config["checkpoints"][checkpoint].get("keep_steps", own)

    @property
    def trajectories(self) -> Trajectories:
        """The steps of trainings that are kept, and the series of checkpoints over the steps of a training."""
        trained = [
            TrainedUnit(name, {one: self.seed_of(one) for one in some}, self.start_of(some[0]), self.keep_steps_of(some[0]))
            for name, some in self.trained_units.items()
        ]
        return Trajectories(trained, self.recipes, self.config["figures"]["trajectories"])

    @property
    def frozen(self) -> list[str]:
        """The checkpoints whose encoders are not trained here."""
        return self.fetched + self.adapted + self.initialised

    @property
    def trained_otherwise(self) -> list[str]:
        """The checkpoints that are trained here to something else than answering, and so lack heads for that."""
        return [name for name in self.finetuned if objective_of(self.config, name) not in TO_ANSWER]

    def table_of(self, checkpoint: str) -> str | None:
        """Return the table that a checkpoint is trained on, where there is one."""
        table: str | None = self.config["checkpoints"][checkpoint].get("table")
        return table

    @property
    def control_trainings(self) -> list[tuple[str, str, str]]:
        """The start, a unit that is trained from it to answer questions, and one that is trained from it otherwise."""
        trained = {name: several[0] for name, several in self.trained_units.items()}
        answering = [name for name, one in trained.items() if objective_of(self.config, one) == TO_ANSWER[0]]
        return [
            (self.start_of(trained[after]), after, control)
            for after in answering
            for control in trained
            if control not in answering and self.start_of(trained[control]) == self.start_of(trained[after])
        ]

    @property
    def columns_of_trainings(self) -> list[list[dict[str, Any]]]:
        """The panels of the figure of control trainings, in a column for each task: auc by its measures, then specific."""
        _, afters, controls = zip(*self.control_trainings, strict=True) if self.control_trainings else ((), (), ())
        compared = list(dict.fromkeys([*afters, *controls]))
        columns = {task: [self.panel(task, one, compared, "auc") for one in self.measures_of(task)] for task in self.tasks}
        for task in self.pair_tasks:
            columns[task].append(self.panel(task, self.measures_of(task)[0], compared, "specific"))
        # What they start from is named, too.
        return [[{**panel, "labels": self.labels} for panel in column] for column in columns.values()]

    @property
    def classifiers(self) -> list[str]:
        """The checkpoints that are trained on a table."""
        return [name for name in self.finetuned if self.table_of(name)]

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
        return [name for name in self.controls if name not in WITHOUT_PAIRS]

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
    def refuses(self) -> bool:
        """Whether to answer nothing is an answer, as to questions that their page does not answer."""
        return self.config["data"]["source"] == "squad_v2"

    @property
    def functional(self) -> list[str]:
        """What is asked of how checkpoints answer."""
        return self.config["functional"]

    @property
    def interventions(self) -> list[str]:
        """What is computed with layers of the checkpoint before."""
        return [name for name in ("graft", "reset") if name in self.functional]

    @property
    def intervenes(self) -> bool:
        """Whether there are interventions, heads on each layer among them."""
        return any(name in self.functional for name in BEFORE_AND_AFTER)

    @property
    def intact(self) -> dict[str, list[str]]:
        """The recipes and checkpoints that interventions are weighed for, with their checkpoints: before, then after."""
        before = dict.fromkeys(filter(None, map(self.before_of, self.afters)))
        return {**{name: [name] for name in before}, **self.answering} if self.afters else {}

    @property
    def folders_of_answers(self) -> list[tuple[str, str]]:
        """The checkpoints of ``intact``, and the folders of their answers: as they are, and in all interventions."""
        found = []
        for checkpoint in self.checkpoints_of(self.intact):
            found.append((checkpoint, f"evaluation/{checkpoint}/predictions"))
            if self.interventions and checkpoint in self.afters:
                found.append((checkpoint, f"functional/{checkpoint}"))
            if checkpoint in self.early_exits:
                found.append((checkpoint, f"early_exits/{checkpoint}"))
        return found

    @property
    def keeps_activations(self) -> bool:
        """Whether activations are kept, and not only what is measured of them."""
        return self.config["activations"]["keep"] == "all"

    @property
    def typeset_tables(self) -> list[str]:
        """The tables that are laid out for reading, and so in LaTeX too."""
        tables = ["probing_sets", "percentages", "claims", *["question_answering"] * self.has_data]
        tables += ["nq_evaluation"] * self.has_long_answers + ["controls"] * bool(self.variants)
        return tables + [name for name in self.weighed if name != "trajectories"]

    @property
    def weighed(self) -> list[str]:
        """The tables, each with a figure of its name, that ask whether a model uses what the probe sees."""
        asked = {
            "control_trainings": self.control_trainings,
            "right_and_wrong": "right_and_wrong" in self.functional,
            "functional": self.intervenes,
            "trajectories": self.trajectories.series,
        }
        return [name for name, wanted in asked.items() if wanted]

    def measures_of(self, task: str) -> tuple[str, str]:
        """Return a task's two measures: those of the upper and of the lower panel in its column."""
        return self.by_task[task].measures

    def finder_of(self, task: str) -> str:
        """Return the name of the function that finds a task's pairs."""
        return "find_any_synset" if (task, self.config["synonyms"]) == ("synonyms", "any_synset") else "find"

    def start_of(self, checkpoint: str) -> str:
        """Return the checkpoint that a fine-tuned or initialised one starts from, or that an adapter changes."""
        described = self.config["checkpoints"][checkpoint]
        return described.get("start") or described["base"]

    def before_of(self, checkpoint: str) -> str | None:
        """Return the checkpoint that one was made of, see ``before_of``."""
        return before_of(self.config["checkpoints"], checkpoint)

    @property
    def afters(self) -> list[str]:
        """The checkpoints that were made of another one."""
        return [name for name in self.checkpoints if self.before_of(name)]

    @property
    def early_exits(self) -> list[str]:
        """The checkpoints that get heads on each layer: those that were made of another one, and these others."""
        if "early_exit" not in self.functional:
            return []
        pairs = ((self.before_of(after), after) for after in self.afters)
        return list(dict.fromkeys(one for pair in pairs for one in pair if one))

    @property
    def answering(self) -> dict[str, list[str]]:
        """The recipes and checkpoints whose answers pairs are grouped by, with their checkpoints.

        They are those that were made of another one, or all where none was, and the seeds of these recipes.
        """
        names = self.afters or self.checkpoints
        units = {unit: several for unit in self.units if (several := self.checkpoints_of([unit]))[0] in names}
        seeds = {one: [one] for unit in units if unit in self.recipes for one in self.recipes[unit]}
        return units | seeds

    def tokenizer_of(self, checkpoint: str) -> str:
        """Return the fetched checkpoint whose tokenizer a checkpoint has: itself, or the one that it is made from."""
        while checkpoint not in self.fetched:
            checkpoint = self.start_of(checkpoint)
        return checkpoint

    @property
    def seeds(self) -> dict[str, str]:
        """The seed of each checkpoint that has one: trained here, of random weights, or so configured; those of recipes."""
        several = {name: self.checkpoints_of([name]) for name in self.units}
        return {
            name: ", ".join(str(self.seed_of(one)) for one in of_one)
            for name, of_one in several.items()
            if of_one[0] in self.finetuned + self.initialised or "seed" in self.config["checkpoints"][of_one[0]]
        }

    def seed_of(self, checkpoint: str) -> int:
        """Return the seed of a checkpoint's training or random weights: its own, or the run's."""
        return self.config["checkpoints"][checkpoint].get("seed", self.config["seed"])

    def training_of(self, checkpoint: str) -> dict[str, Any]:
        """Return what the weights of a fine-tuned checkpoint depend on: ``TRAINING_KEYS``, its objective and its method.

        The default objective is left out, so that no training is done again for the key.
        """
        finetuning, objective = self.config["finetuning"], objective_of(self.config, checkpoint)
        shared = {key: finetuning[key] for key in TRAINING_KEYS}
        shared |= {"objective": objective} if objective != TO_ANSWER[0] else {}
        shared |= {"max_length": finetuning["max_length"]} if objective == CLASSIFICATION else {}
        if self.config["checkpoints"][checkpoint].get("method", finetuning["method"]) == "full":
            return {**shared, "learning_rate": finetuning["learning_rate"]}
        lora = dict(finetuning["lora"])
        return {**shared, "learning_rate": lora.pop("learning_rate"), "lora": lora}

    def fetched_from(self, checkpoint: str) -> dict[str, Any]:
        """Return what a checkpoint is fetched from: its configuration without what only figures and tables read."""
        described = self.config["checkpoints"][checkpoint]
        found = {key: value for key, value in described.items() if key not in ("label", "colour", "seed")}
        base = self.config["checkpoints"].get(described.get("base"), {})
        origin = base.get("repository") or base.get("path") or base.get("package")
        return {**found, "base_from": origin} if origin else found

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
    def shown_answers(self) -> list[str]:
        """The checkpoints whose answers the explorer shows."""
        answering = self.checkpoints_of(self.answering) if "right_and_wrong" in self.functional else []
        return [name for name in self.compared_checkpoints if name in answering]

    @property
    def overview(self) -> list[list[dict[str, Any]]]:
        """Return the panels of the overview, a row for each task: its percentages, and where it has pairs what is specific.

        They are of the first of what figures compare that was trained here to answer questions, or else was made of another
        one, and of what it was made of.
        """
        made = {name: one for name in self.compared if (one := self.checkpoints_of([name])[0]) in self.afters}
        trained = [name for name, one in made.items() if objective_of(self.config, one) == TO_ANSWER[0]]
        name = [*trained, *made, *self.afters][0]
        shown = [str(self.before_of(self.checkpoints_of([name])[0])), name]
        rows = []
        for task in self.tasks:
            values = (None, "specific") if task in self.pair_tasks else (None,)
            rows.append([self.panel(task, self.measures_of(task)[0], shown, value) for value in values])
        return rows

    @property
    def columns_of_answers(self) -> list[list[dict[str, Any]]]:
        """Return the panels of right and wrong answers, in a column for each task: its measures, and the correlation.

        They are of the first of what figures compare that was made of another one, and of this other one.
        """
        name = next((one for one in self.compared if one in self.answering), next(iter(self.answering)))
        made_of = self.before_of(self.checkpoints_of([name])[0])
        shown = [name, *([made_of] if made_of else [])]
        return [
            [*(self.panel(task, one, shown) for one in measures), self.panel(task, measures[0], shown, "f1_correlation")]
            for task in self.tasks
            for measures in [self.measures_of(task)]
        ]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all recipes, of the checkpoints that have one, and those that ``figures`` gives."""
        return self.appearance(self.checkpoints)["labels"]
