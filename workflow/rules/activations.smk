# In:  <results>/examples/{partition}.jsonl.gz (a task with a file of pairs is a partition of its own), <results>/checkpoints/{checkpoint}/. Never a probing set.
# Out: <results>/activations/{checkpoint}/{view}/{partition}-{part}of{parts}.h5, which are temporary unless
#      activations.keep is all, and a summary of each, {partition}-{part}of{parts}.json; tables/activations.tsv.


rule activations:
    """All activations, and the table of what was left out."""
    input:
        "<results>/tables/activations.tsv",


rule extract_activations:
    """Run one shard of the examples through a checkpoint and store each layer's word vectors."""
    input:
        heads_before,
        checkpoint="<results>/checkpoints/{checkpoint}",
        examples="<results>/examples/{partition}.jsonl.gz",
    output:
        # Activations that stay on disk: vectors of examples that have not changed are reused.
        activations=(update if RUN.keeps_activations else temp)(
            "<results>/activations/{checkpoint}/{view}/{partition}-{part}of{parts}.h5"
        ),
        summary="<results>/activations/{checkpoint}/{view}/{partition}-{part}of{parts}.json",
    log:
        "<logs>/extract_activations/{checkpoint}.{view}.{partition}-{part}of{parts}.log",
    benchmark:
        "<benchmarks>/extract_activations/{checkpoint}.{view}.{partition}-{part}of{parts}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["activations"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("extract_activations"),
        precision=lookup(dpath="activations/precision", within=config),
        storage=lookup(dpath="activations/storage", within=config),
        batch_size=lookup(dpath="activations/batch_size", within=config),
        max_length=lookup(dpath="activations/max_length", within=config),
        special_tokens=lookup(dpath="activations/special_tokens", within=config),
        last_layer=lookup(dpath="activations/last_layer", within=config),
        order=lookup(dpath="activations/order", within=config),
        final_norm=lookup(dpath="activations/final_norm", within=config),
    script:
        "../../scripts/extract_activations.py"


rule summarise_activations:
    """Count examples and words, and list the examples that were too long."""
    input:
        [
            expand(shards(view, partition, suffix="json"), checkpoint=RUN.checkpoints)
            for view, partition in RUN.extracted
        ],
    output:
        table="<results>/tables/activations.tsv",
        left_out="<results>/tables/left_out.tsv",
    log:
        "<logs>/summarise_activations.log",
    benchmark:
        "<benchmarks>/summarise_activations.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_activations"),
    script:
        "../../scripts/summarise_activations.py"
