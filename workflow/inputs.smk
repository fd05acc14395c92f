# The input functions of the rules: which files a job reads.


def shards(view, partition, folder="activations", suffix="h5"):
    """List the shards of one checkpoint, view and partition."""
    # Other vectors of the same words (paragraph_first) are cut as these are.
    count = RUN.shards["activations", view.split("_")[0], partition]
    return [
        f"<results>/{folder}/{{checkpoint}}/{view}/{partition}-{i}of{count}.{suffix}"
        for i in range(1, count + 1)
    ]


def similarities(task):
    """List the shards of one checkpoint that have a task's similarities, or the logits of boundary."""
    return shards(RUN.by_task[task].view, RUN.by_task[task].partition, "similarities")


def examples_of(task):
    """Return where the examples of a task are."""
    return f"<results>/examples/{RUN.by_task[task].partition}.jsonl.gz"


def heads_before(wildcards):
    """Return what extraction waits for, where activations are temporary: for sentences, the heads that measure them."""
    waits = (wildcards.view, wildcards.partition) == ("sentence", "probe")
    heads = "<results>/span_heads/{checkpoint}.npz"
    return [] if RUN.keeps_activations or not waits else heads


def measured_by(wildcards):
    """Return what a view is measured by: the sets of pairs, or the set of boundaries and the trained heads."""
    if wildcards.view != "sentence":
        return {
            "sets": [
                f"<results>/probing_sets/{task}.jsonl"
                for task in RUN.tasks_of(wildcards.partition)
            ],
            "examples": f"<results>/examples/{wildcards.partition}.jsonl.gz",
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
    needed, task = needs.NEEDS[wildcards.variant], RUN.by_task[wildcards.task]
    space = f"<results>/spaces/{wildcards.checkpoint}/{task.partition}.npz"
    return {
        "activations": [
            path.format(checkpoint=wildcards.checkpoint)
            for path in shards(task.view + needed.vector, task.partition)
        ],
        "space": [space] if needed.statistics else [],
        "wordnet": ["<results>/wordnet"] if needed.wordnet else [],
    }


def predictions_of(wildcards):
    """List the shards of a checkpoint's predictions."""
    count = RUN.shards["predictions",]
    return [
        f"<results>/evaluation/{wildcards.checkpoint}/predictions/{i}of{count}.jsonl"
        for i in range(1, count + 1)
    ]


def heads_of(wildcards):
    """Return the heads to answer with of a checkpoint that was not trained here to answer."""
    trained_here = {*RUN.finetuned, *RUN.trajectories.kept} - {*RUN.trained_otherwise}
    heads = f"<results>/answer_heads/{wildcards.checkpoint}.safetensors"
    return {} if wildcards.checkpoint in trained_here else {"heads": heads}


def folders_of_steps():
    """Return the folders of kept steps whose lists say at which steps a trajectory's points are."""
    series = [one.training for one in RUN.trajectories.series.values() if one.training]
    return expand("<results>/trajectories/{training}", training=series)


def files_of_checkpoint(wildcards):
    """List the files of a checkpoint's own folder (source path, adapter), so that other files in it are seen as a change."""
    folder = config["checkpoints"][wildcards.checkpoint].get("path")
    folders = [Path(folder), Path(folder, UNMERGED)] if folder else []
    files = [file for folder in folders for file in folder.glob("*")]
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


def features_of(checkpoint):
    """List the shards of a checkpoint's features: the pages to train on, where there are any, cut into windows."""
    count = RUN.shards["features",]
    name = RUN.tokenizer_of(checkpoint)
    return [
        f"<results>/features/{name}/{i}of{count}.arrow"
        for i in range(1, count + 1)
        if RUN.trains
    ]


def trained_on(wildcards):
    """Return what a checkpoint is trained on: the shards of its start's features, or a table."""
    if table := RUN.table_of(wildcards.checkpoint):
        return {"table": local(table)}
    return {"features": features_of(RUN.start_of(wildcards.checkpoint))}


def trained_of(wildcards):
    """Return the checkpoint whose training has kept a step."""
    return RUN.trajectories.kept[wildcards.checkpoint].checkpoint
