# What the rules share: RUN (what the configuration asks for) and wildcard constraints.
import os
import re
from itertools import chain, combinations, product
from pathlib import Path

from pairprobe.checkpoints.adapters import UNMERGED
from pairprobe.configuration.checks import resolve
from pairprobe.configuration.run import TRAINING_KEYS
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

if {"{", "}"} & set(str(WORKFLOW)):
    raise WorkflowError(
        f"{WORKFLOW}: Snakemake takes braces in a path for wildcards. Move the project to a folder without them."
    )

environment.prepare()


report: "report/workflow.rst"


try:
    RUN = resolve(
        config,
        read_schema(WORKFLOW / "schemas" / "config.schema.yaml"),
        " and ".join(map(str, workflow.overwrite_configfiles or ["config/config.yaml"]))
        + " and --config" * bool(workflow.config_settings.config_args),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

# How what pages tell is weighed: all of ``evidence`` but what the bootstraps take.
WEIGHING = {
    key: value for key, value in config["evidence"].items() if key != "resamples"
}


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
    task=any_of([*registry.names(), *RUN.pair_files]),
    measure="cosine|euclidean|start|end",
    checkpoint=any_of([*RUN.checkpoints, *RUN.trajectories.kept]),
    file=any_of(map(re.escape, RUN.files)),
    grid=any_of(RUN.grids),
    table=any_of(RUN.typeset_tables),
    partition=any_of([*PARTITIONS, *RUN.pair_files]),
    view="paragraph|sentence|text|paragraph_first|paragraph_last|text_first|text_last",
    part=r"\d+",
    parts=r"\d+",
