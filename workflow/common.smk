# What every rules file shares: the checked configuration, wildcard constraints, input functions. No rules.
#
# Including this file puts its folder on the path, so that rules and scripts can import pairprobe.
import re
from itertools import combinations
from pathlib import Path

from pairprobe.configuration.checks import expand_seeds
from pairprobe.configuration.schema import check, read_schema
from pairprobe.configuration.sharding import shards_of
from pairprobe.controls import variants
from pairprobe.data import sources
from pairprobe.data.partitions import PARTITIONS
from pairprobe.errors import InputError
from pairprobe.probing_sets import building
from pairprobe.probing_sets.pairs import BOUNDARY_MEASURES, PAIR_MEASURES
from pairprobe.provenance import jobs
from pairprobe.provenance.code import code_of
from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.current_basedir)

jobs.prepare_environment()


def dealt_partitions(data):
    """List the partitions that each file of data is dealt to."""
    if data["source"] == "bundled":
        return [PARTITIONS]
    return [
        *sources.local_files(data).values(),
        *sources.remote_files(data).values(),
    ]


def checked(config):
    """Check the configuration against the schema and fill in its defaults; stop with one clear error."""
    schema = read_schema(WORKFLOW / "schemas" / "config.schema.yaml")
    schema["properties"]["tasks"]["items"]["enum"] = building.names()
    try:
        check(
            config,
            schema,
            " and ".join(map(str, workflow.overwrite_configfiles))
            or "config/config.yaml",
        )
        sources.check(config["data"])
        expand_seeds(config)
        for files in (
            sources.local_files(config["data"]),
            sources.remote_files(config["data"]),
        ):
            for partitions in files.values():
                sources.shares_of(partitions, config["partitions"])
    except InputError as error:
        raise WorkflowError(str(error)) from None
    # What each source of a checkpoint is described by; label and colour are for all of them.
    described = {
        "package": ("package", "folder"),
        "path": ("path",),
        "hub": ("repository", "revision"),
        "finetune": ("start", "seed", "seeds"),
        "random": ("start", "seed", "seeds"),
    }
    # What they cannot start from; None is a name that is not there.
    unfit = {
        "finetune": (None, "finetune"),
        "random": (None, "finetune", "random"),
    }
    for name, checkpoint in config["checkpoints"].items():
        allowed = ("source", "label", "colour", *described[checkpoint["source"]])
        for key in checkpoint:
            if key not in allowed:
                raise WorkflowError(
                    f"checkpoints.{name}.{key}: source {checkpoint['source']} has no such key. Allowed: {', '.join(allowed)}."
                )
        start, refused = checkpoint.get("start"), unfit.get(checkpoint["source"], ())
        if config["checkpoints"].get(start, {}).get("source") in refused:
            others = [
                key
                for key, value in config["checkpoints"].items()
                if value["source"] not in refused
            ]
            raise WorkflowError(
                f"checkpoints.{name}.start: found {start!r}, wanted a checkpoint that is not of source "
                f"{' or '.join(refused[1:])} itself. Allowed: {', '.join(others)}."
            )
    if abs(sum(config["partitions"].values()) - 1) > 1e-6:
        raise WorkflowError(
            f"partitions: found {dict(config['partitions'])}; the shares must make 1 together."
        )
    wanted = {"probe": "everything that is reported is on it"}
    if "boundary" in config["tasks"]:
        wanted["head"] = "it trains the heads of the task boundary"
    if any(value["source"] == "finetune" for value in config["checkpoints"].values()):
        wanted["finetune"] = "it trains the checkpoints of source finetune"
    dealt = dealt_partitions(config["data"])
    for partition, why in wanted.items():
        if (
            not any(partition in names for names in dealt)
            or not config["partitions"][partition]
        ):
            raise WorkflowError(
                f"partitions.{partition}: no page can come into it, and {why}. Give it a share and files."
            )
    if config["controls"] and config["activations"]["keep"] != "all":
        raise WorkflowError(
            f"activations.keep: found {config['activations']['keep']!r}, and controls: found {list(config['controls'])}. "
            "Controls measure the activations in other ways, so these must be there: set activations.keep to all, or leave "
            "controls empty."
        )
    if "control_task" in config["controls"] and "boundary" not in config["tasks"]:
        raise WorkflowError(
            "controls: control_task: it is a control of the task boundary, which is not among the tasks."
        )
    if "representations" in config["controls"] and len(config["checkpoints"]) < 2:
        raise WorkflowError(
            "controls: representations: it compares checkpoints, and there is only one."
        )
    for section in ("finetuning", "evaluation"):
        length, stride = config[section]["max_length"], config[section]["stride"]
        if stride > length:
            raise WorkflowError(
                f"{section}.stride: found {stride}, wanted at most max_length, {length}: windows would leave gaps."
            )
    for task in config["tasks"]:
        if task != "boundary" and building.load(task).VIEW != "paragraph":
            raise WorkflowError(
                f'tasks: {task}: its VIEW is {building.load(task).VIEW!r}, wanted "paragraph".'
            )
    figures = config["figures"]
    for key, names in [
        ("checkpoints", figures.get("checkpoints", [])),
        *(
            (f"comparisons.{name}", names)
            for name, names in figures["comparisons"].items()
        ),
    ]:
        for name in names:
            if name not in config["checkpoints"]:
                raise WorkflowError(
                    f"figures.{key}: found {name!r}. Allowed: {', '.join(config['checkpoints'])}."
                )
    measures = (*PAIR_MEASURES, *BOUNDARY_MEASURES)
    panels = [f"{task}_{measure}" for task in config["tasks"] for measure in measures]
    for name in figures["comparisons"]:
        if name in (
            "grid",
            "differences",
            "training_loss",
            "precision_recall",
            "representations",
            "controls",
            *panels,
        ):
            raise WorkflowError(
                f"figures.comparisons.{name}: the workflow draws a figure of this name itself. Choose another name."
            )
    for file in sources.local_files(config["data"]):
        if not Path(file).is_file():
            raise WorkflowError(
                f"data.files: {file}: there is no such file. Check the path; it counts from {Path.cwd()}."
            )


checked(config)

RESULTS = f"results/{config['run']}"
TASKS = config["tasks"]
CONTROLS = config["controls"]
# Those that rank pairs.
VARIANTS = [name for name in CONTROLS if name in variants.VARIANTS]
CHECKPOINTS = list(config["checkpoints"])
FINETUNED = [
    name for name in CHECKPOINTS if config["checkpoints"][name]["source"] == "finetune"
]
INITIALISED = [
    name for name in CHECKPOINTS if config["checkpoints"][name]["source"] == "random"
]
FETCHED = [name for name in CHECKPOINTS if name not in FINETUNED + INITIALISED]
# Their encoders are not trained here.
FROZEN = FETCHED + INITIALISED
PAIR_TASKS = [task for task in TASKS if building.load(task).VIEW == "paragraph"]
REMOTE = sources.remote_files(config["data"])
# No folder of downloads is of use where there is nothing to download.
DOWNLOADS = sources.folder_of(config["data"]) if REMOTE else "downloads"
# Whether there are pages to train on: checkpoints, and heads for those that were not trained here.
TRAINS = bool(config["partitions"]["finetune"]) and any(
    "finetune" in names for names in dealt_partitions(config["data"])
)
# The partitions whose whole pages are read: to train, and to answer questions.
PAGES = ["finetune", "probe"] if TRAINS else ["probe"]
# What a training goes by; how its windows are cut, their features say.
TRAINING = {
    key: config["finetuning"][key]
    for key in (
        "precision",
        "epochs",
        "batch_size",
        "device_batch_size",
        "learning_rate",
        "warmup",
        "weight_decay",
        "save_steps",
        "threads",
    )
}
# A paragraph of SQuAD is its own long answer.
HAS_LONG_ANSWERS = config["data"]["source"] in ("bundled", "natural_questions")
COMPARED = config["figures"].get("checkpoints", CHECKPOINTS)
COMPARISONS = {"grid": COMPARED, **config["figures"]["comparisons"]}


# The tables that are laid out for reading.
TYPESET = ["probing_sets", "percentages", "claims", "question_answering"]
TYPESET += ["nq_evaluation"] if HAS_LONG_ANSWERS else []
TYPESET += ["controls"] if VARIANTS else []


def files_of_data():
    """Name the files of data, ``{name: (path, partitions)}``, in order; the name goes by the file's own."""
    if config["data"]["source"] == "bundled":
        return {"mini_nq": (f"{RESULTS}/data/mini_nq.jsonl.gz", PARTITIONS)}
    paths = sources.local_files(config["data"]) or {
        f"{DOWNLOADS}/{name}": partitions for name, partitions in REMOTE.items()
    }
    named = {}
    for path, partitions in paths.items():
        stem, number = Path(path).name.split(".")[0] or "file", 1
        while (name := stem if number == 1 else f"{stem}~{number}") in named:
            number += 1
        named[name] = (path, partitions)
    return named


FILES = files_of_data()


def measures_of(task):
    """Return a task's two measures: the upper and the lower panel of its column."""
    return PAIR_MEASURES if task in PAIR_TASKS else BOUNDARY_MEASURES


def any_of(names):
    """Match one of these names, or nothing where there are none."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    task=any_of(building.names()),
    measure="cosine|euclidean|start|end",
    checkpoint=any_of(CHECKPOINTS),
    file=any_of(map(re.escape, FILES)),
    comparison=any_of(COMPARISONS),
    table=any_of(TYPESET),
    partition="finetune|head|probe",
    view="paragraph|sentence|paragraph_first|paragraph_last",
    part=r"\d+",
    parts=r"\d+",


SHARDS = shards_of(config)
# Whether activations are measured as they come, and not kept.
STREAMS = config["activations"]["keep"] == "similarities"


def shards(view, partition):
    """List the shards of one checkpoint, view and partition: its activations, or what is kept of them."""
    # Other vectors of the same words (paragraph_first) are cut as these are.
    count = SHARDS["activations", view.split("_")[0], partition]
    # Heads are trained on activations in any case.
    kept = "similarities" if STREAMS and partition == "probe" else "activations"
    return [
        f"<results>/{kept}/{{checkpoint}}/{view}/{partition}-{i}of{count}.h5"
        for i in range(1, count + 1)
    ]


def kept_of(wildcards):
    """Return what says what is kept of a view: the sets of pairs, or the set of boundaries and the trained heads."""
    if wildcards.view == "paragraph":
        return {"sets": [f"<results>/probing_sets/{task}.jsonl" for task in PAIR_TASKS]}
    heads = f"<results>/span_heads/{wildcards.checkpoint}.npz"
    return {"sets": ["<results>/probing_sets/boundary.jsonl"], "heads": heads}


ALL_SHARDS = shards("paragraph", "probe")
if "boundary" in TASKS:
    ALL_SHARDS += shards("sentence", "probe")
    # Those that are deleted once heads are trained must not be wanted again for a table.
    ALL_SHARDS += [] if STREAMS else shards("sentence", "head")


# Which control, on which checkpoint and task; first the measurement itself.
CONTROLLED = [
    (variant, checkpoint, task)
    for variant in (variants.NONE, *VARIANTS)
    for checkpoint in CHECKPOINTS
    for task in PAIR_TASKS
]


# And the rankings that the claims are judged by once more: with boundary, which has a control of its own.
JUDGED = CONTROLLED + [
    (variant, checkpoint, "boundary")
    for variant in (variants.NONE, "control_task")
    for checkpoint in CHECKPOINTS
    if "boundary" in TASKS and variant in (variants.NONE, *CONTROLS)
]
# Two checkpoints are needed to claim anything of, and something to compare the measurement with.
IS_JUDGED = len(CHECKPOINTS) > 1 and (VARIANTS or "control_task" in CONTROLS)


def ranking_of(variant, checkpoint, task):
    """Return where the ranking of a control is, or of the measurement itself."""
    folder = "rankings" if variant == variants.NONE else f"controls/{variant}"
    return f"<results>/{folder}/{checkpoint}/{task}.tsv"


def inputs_of_control(wildcards):
    """Return what a variant reads besides the pairs and examples: a store of its view, and a space or WordNet or neither."""
    variant = variants.VARIANTS[wildcards.variant]
    space = f"<results>/spaces/{wildcards.checkpoint}.npz"
    return {
        "activations": [
            path.format(checkpoint=wildcards.checkpoint)
            for path in shards(variant.view, "probe")
        ],
        "space": [space] if variant.space else [],
        "wordnet": ["<results>/wordnet"] if variant.uses_wordnet else [],
    }


def features_of(checkpoint):
    """List the features that a checkpoint's tokenizer makes of the pages to train on, where there are any."""
    count = SHARDS["features",]
    # A twin has the tokenizer of the checkpoint that it is built like.
    name = (
        config["checkpoints"][checkpoint]["start"]
        if checkpoint in INITIALISED
        else checkpoint
    )
    return [
        f"<results>/features/{name}/{i}of{count}.arrow"
        for i in range(1, count + 1)
        if TRAINS
    ]


def predictions_of(wildcards):
    """List the shards of a checkpoint's predictions."""
    count = SHARDS["predictions",]
    return [
        f"{RESULTS}/evaluation/{wildcards.checkpoint}/predictions/{i}of{count}.jsonl"
        for i in range(1, count + 1)
    ]


def heads_of(wildcards):
    """Return the heads of a checkpoint that was not trained here."""
    name = wildcards.checkpoint
    return (
        {}
        if name in FINETUNED
        else {"heads": f"{RESULTS}/answer_heads/{name}.safetensors"}
    )


def source_of(checkpoint):
    """Return what a checkpoint is fetched from: its configuration without what only figures read."""
    return {
        key: value
        for key, value in config["checkpoints"][checkpoint].items()
        if key not in ("label", "colour")
    }


def files_of_checkpoint(wildcards):
    """List the files of a checkpoint's own folder (source path), so that other files in it are seen as a change."""
    folder = config["checkpoints"][wildcards.checkpoint].get("path")
    return (
        sorted(str(file) for file in Path(folder).glob("*") if file.is_file())
        if folder
        else []
    )


def wordnet_of(wildcards):
    """Return what a probing set reads WordNet from, where it does."""
    return (
        "<results>/wordnet"
        if getattr(building.load(wildcards.task), "USES_WORDNET", False)
        else []
    )


def appearance(names):
    """Return the labels and colours that the configuration gives to checkpoints."""
    chosen = {name: config["checkpoints"][name] for name in names}
    labels = {
        name: checkpoint["label"]
        for name, checkpoint in chosen.items()
        if checkpoint.get("label")
    }
    colours = {
        name: checkpoint["colour"]
        for name, checkpoint in chosen.items()
        if checkpoint.get("colour")
    }
    return {"labels": {**labels, **config["figures"]["labels"]}, "colours": colours}


def panel_of(task, measure, checkpoints=COMPARED):
    """Describe one panel for ``pairprobe.figures.Panel``."""
    if measure not in measures_of(task):
        raise WorkflowError(
            f"{task} is measured by {' and '.join(measures_of(task))}, not by {measure}."
        )
    return {
        "task": task,
        "measure": measure,
        "checkpoints": checkpoints,
        "among": CHECKPOINTS,
        "value": config["figures"]["value"],
        **appearance(checkpoints),
    }
