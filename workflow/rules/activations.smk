# In:  <results>/examples/{partition}.jsonl.gz, <results>/checkpoints/{checkpoint}/. Never a probing set, unless what is kept
#      of activations are similarities: then the probing sets and the span heads.
# Out: <results>/activations/{checkpoint}/{view}/{partition}-{part}of{parts}.h5, or the same below <results>/similarities/;
#      tables/activations.tsv.


rule activations:
    """All activations, and the table of what was left out."""
    input:
        "<results>/tables/activations.tsv",


rule extract_activations:
    """Run one shard of the examples through a checkpoint and keep each layer's word vectors."""
    input:
        checkpoint="<results>/checkpoints/{checkpoint}",
        examples="<results>/examples/{partition}.jsonl.gz",
    output:
        # What it holds of the same examples is taken over. Where activations are not to be kept, those that heads are
        # trained on go when they are.
        (update if RUN.keeps_activations else temp)(
            "<results>/activations/{checkpoint}/{view}/{partition}-{part}of{parts}.h5"
        ),
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
    script:
        "../../scripts/extract_activations.py"


rule measure_similarities:
    """Run one shard of the examples through a checkpoint and keep only how similar the words of pairs are, or the logits."""
    input:
        unpack(kept_of),
        checkpoint="<results>/checkpoints/{checkpoint}",
        examples="<results>/examples/probe.jsonl.gz",
    output:
        update("<results>/similarities/{checkpoint}/{view}/probe-{part}of{parts}.h5"),
    log:
        "<logs>/measure_similarities/{checkpoint}.{view}.{part}of{parts}.log",
    benchmark:
        "<benchmarks>/measure_similarities/{checkpoint}.{view}.{part}of{parts}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["activations"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("measure_similarities"),
        tasks=lambda wildcards: (
            RUN.pair_tasks if wildcards.view == "paragraph" else ["boundary"]
        ),
        precision=lookup(dpath="activations/precision", within=config),
        storage=lookup(dpath="activations/storage", within=config),
        batch_size=lookup(dpath="activations/batch_size", within=config),
        max_length=lookup(dpath="activations/max_length", within=config),
    script:
        "../../scripts/measure_similarities.py"


rule summarise_activations:
    """Count examples and words, and list the examples that were too long."""
    input:
        expand(ALL_SHARDS, checkpoint=RUN.checkpoints),
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
