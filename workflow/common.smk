# What the rules share: RUN (what the configuration asks for), wildcard constraints, input functions.
#
# Including this file puts its folder on the path, so that the rules can import pairprobe.
import os
import re
from itertools import combinations
from pathlib import Path

from pairprobe.configuration.checks import resolve
from pairprobe.configuration.schema import read_schema
from pairprobe.controls import needs
from pairprobe.data import sources
from pairprobe.data.sampling import PARTITIONS
from pairprobe.errors import InputError
from pairprobe.probing_sets import registry
from pairprobe.provenance import environment
from pairprobe.provenance.code import code_of
from pairprobe.tables.layout import label_of
from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.current_basedir)
if {"{", "}"} & set(str(WORKFLOW)):
    raise WorkflowError(
        f"{WORKFLOW}: Snakemake takes braces in a path for wildcards. Move the project to a folder without them."
    )

environment.prepare()


try:
    RUN = resolve(
        config,
        read_schema(WORKFLOW / "schemas" / "config.schema.yaml"),
        " and ".join(map(str, workflow.overwrite_configfiles or ["config/config.yaml"]))
        + " and --config" * bool(workflow.config_settings.config_args),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None


def report_label(name):
    """Return what figures call a task or checkpoint, as text that a list of the report takes for no wildcard or markup."""
    return re.sub("[<{]", "\\g<0>\u200b", label_of(name, RUN.labels))


onstart:
    for fault in environment.faults(
        WORKFLOW.parent,
        workflow.executor_plugin.name,
        bool(workflow.deployment_settings.deployment_method),
    ):
        raise WorkflowError(fault)


def placed(path):
    """Return where a path of the workflow's own is: a module may have a prefix. To be asked while the rules are read."""
    return workflow.modifier.path_modifier.replace_prefix(path)


def any_of(names):
    """Match one of these names, or nothing where there are none."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    task=any_of(registry.names()),
    measure="cosine|euclidean|start|end",
    checkpoint=any_of(RUN.checkpoints),
    file=any_of(map(re.escape, RUN.files)),
    grid=any_of(RUN.grids),
    table=any_of(RUN.typeset_tables),
    partition="finetune|head|probe",
    view="paragraph|sentence|paragraph_first|paragraph_last",
    part=r"\d+",
    parts=r"\d+",


def shards(view, partition, folder="activations", suffix="h5"):
    """List the shards of one checkpoint, view and partition."""
    # Other vectors of the same words (paragraph_first) are cut as these are.
    count = RUN.shards["activations", view.split("_")[0], partition]
    return [
        f"<results>/{folder}/{{checkpoint}}/{view}/{partition}-{i}of{count}.{suffix}"
        for i in range(1, count + 1)
    ]


def similarities(view):
    """List the shards of similarities of one checkpoint: of the view paragraph, or the logits of the view sentence."""
    return shards(view, "probe", "similarities")


def heads_before(wildcards):
    """Return what extraction waits for, where activations are temporary: for sentences, the heads that measure them."""
    waits = (wildcards.view, wildcards.partition) == ("sentence", "probe")
    heads = "<results>/span_heads/{checkpoint}.npz"
    return [] if RUN.keeps_activations or not waits else heads


def measured_by(wildcards):
    """Return what a view is measured by: the sets of pairs, or the set of boundaries and the trained heads."""
    if wildcards.view == "paragraph":
        return {
            "sets": [f"<results>/probing_sets/{task}.jsonl" for task in RUN.pair_tasks],
            "examples": "<results>/examples/probe.jsonl.gz",
        }
    heads = f"<results>/span_heads/{wildcards.checkpoint}.npz"
    return {"sets": ["<results>/probing_sets/boundary.jsonl"], "heads": heads}


def ranking_of(variant, checkpoint, task):
    """Return where the ranking of a control is, or of the measurement itself."""
    folder = "rankings" if variant == needs.NONE else f"controls/{variant}"
    return f"<results>/{folder}/{checkpoint}/{task}.tsv"


def file_of_data(wildcards):
    """Return a file of questions; one at hand is where the configuration says, whatever prefix a module has."""
    path = RUN.files[wildcards.file].path
    return local(path) if sources.local_files(config["data"]) else path


def inputs_of_control(wildcards):
    """Return what a control reads besides pairs and examples: the store of its view, statistics of the layers, WordNet."""
    needed = needs.NEEDS[wildcards.variant]
    space = f"<results>/spaces/{wildcards.checkpoint}.npz"
    return {
        "activations": [
            path.format(checkpoint=wildcards.checkpoint)
            for path in shards(needed.view, "probe")
        ],
        "space": [space] if needed.statistics else [],
        "wordnet": ["<results>/wordnet"] if needed.wordnet else [],
    }


def features_of(checkpoint):
    """List the shards of a checkpoint's features: the pages to train on, where there are any, cut into windows."""
    count = RUN.shards["features",]
    # An initialised checkpoint has the tokenizer of the one that it starts from.
    name = RUN.start_of(checkpoint) if checkpoint in RUN.initialised else checkpoint
    return [
        f"<results>/features/{name}/{i}of{count}.arrow"
        for i in range(1, count + 1)
        if RUN.trains
    ]


def predictions_of(wildcards):
    """List the shards of a checkpoint's predictions."""
    count = RUN.shards["predictions",]
    return [
        f"<results>/evaluation/{wildcards.checkpoint}/predictions/{i}of{count}.jsonl"
        for i in range(1, count + 1)
    ]


def heads_of(wildcards):
    """Return the heads to answer with of a checkpoint that was not trained here."""
    trained_here = wildcards.checkpoint in RUN.finetuned
    heads = f"<results>/answer_heads/{wildcards.checkpoint}.safetensors"
    return {} if trained_here else {"heads": heads}


def files_of_checkpoint(wildcards):
    """List the files of a checkpoint's own folder (source path), so that other files in it are seen as a change."""
    folder = config["checkpoints"][wildcards.checkpoint].get("path")
    files = Path(folder).glob("*") if folder else []
    return sorted(local(str(file)) for file in files if file.is_file())


def wordnet_of(wildcards):
    """Return WordNet's folder for a task that reads it."""
    return "<results>/wordnet" if registry.uses_wordnet(wildcards.task) else []


def panel_of(task, measure):
    """Describe one panel for ``pairprobe.figures.Panel``."""
    if measure not in RUN.measures_of(task):
        raise WorkflowError(
            f"{task} is measured by {' and '.join(RUN.measures_of(task))}, not by {measure}."
        )
    return RUN.panel(task, measure)
