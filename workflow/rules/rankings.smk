# In:  <results>/probing_sets/{task}.jsonl; the activations: of the partition probe, and of the view sentence and the partition
#      head, which train the boundary heads.
# Out: <results>/span_heads/{checkpoint}.npz; <results>/similarities/{checkpoint}/{view}/{partition}-{part}of{parts}.h5, of pairs,
#      or logits of boundaries; <results>/rankings/{checkpoint}/{task}.tsv; <results>/percentages.tsv.


rule rankings:
    """All rankings and the percentages."""
    input:
        "<results>/percentages.tsv",


rule train_span_heads:
    """Train a linear start/end head for each layer on frozen activations of the partition head."""
    input:
        examples="<results>/examples/head.jsonl.gz",
        activations=shards("sentence", "head"),
    output:
        "<results>/span_heads/{checkpoint}.npz",
    log:
        "<logs>/train_span_heads/{checkpoint}.log",
    benchmark:
        "<benchmarks>/train_span_heads/{checkpoint}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("train_span_heads"),
        seed=lookup(dpath="seed", within=config),
        l2=lookup(dpath="boundary/l2", within=config),
        at_most=lookup(dpath="boundary/train_examples", within=config),
    script:
        "../../scripts/train_span_heads.py"


rule measure_similarities:
    """Measure one shard of activations: how similar the words of all tasks' pairs are, or the logits of boundaries."""
    input:
        unpack(measured_by),
        activations="<results>/activations/{checkpoint}/{view}/{partition}-{part}of{parts}.h5",
    output:
        # Pairs that have not changed, and whose vectors have not, are not measured again.
        update(
            "<results>/similarities/{checkpoint}/{view}/{partition}-{part}of{parts}.h5"
        ),
    log:
        "<logs>/measure_similarities/{checkpoint}.{view}.{partition}-{part}of{parts}.log",
    benchmark:
        "<benchmarks>/measure_similarities/{checkpoint}.{view}.{partition}-{part}of{parts}.tsv"
    wildcard_constraints:
        view="paragraph|sentence|text",
        partition=any_of(["probe", *RUN.pair_files]),
    # Before another shard is extracted: activations that are temporary are deleted when they are measured.
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("measure_similarities"),
        tasks=lambda wildcards: (
            ["boundary"]
            if wildcards.view == "sentence"
            else RUN.tasks_of(wildcards.partition)
        ),
        punctuation=lambda wildcards: (
            None if wildcards.view == "sentence" else config["words"]["punctuation"]
        ),
    script:
        "../../scripts/measure_similarities.py"


rule rank_pairs:
    """Count, layer by layer, the unmatching pairs that each matching pair outranks."""
    input:
        pairs="<results>/probing_sets/{task}.jsonl",
        examples=lambda wildcards: examples_of(wildcards.task),
        similarities=lambda wildcards: expand(
            similarities(wildcards.task), checkpoint=wildcards.checkpoint
        ),
    output:
        "<results>/rankings/{checkpoint}/{task}.tsv",
    log:
        "<logs>/rank_pairs/{checkpoint}.{task}.log",
    benchmark:
        "<benchmarks>/rank_pairs/{checkpoint}.{task}.tsv"
    wildcard_constraints:
        task=any_of(RUN.pair_tasks),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("rank_pairs"),
        punctuation=lookup(dpath="words/punctuation", within=config),
    script:
        "../../scripts/rank_pairs.py"


rule rank_boundaries:
    """Count, layer by layer, the words of each sentence whose logit is below the gold position's."""
    input:
        boundaries="<results>/probing_sets/boundary.jsonl",
        examples="<results>/examples/probe.jsonl.gz",
        logits=shards("sentence", "probe", "similarities"),
    output:
        "<results>/rankings/{checkpoint}/boundary.tsv",
    log:
        "<logs>/rank_boundaries/{checkpoint}.log",
    benchmark:
        "<benchmarks>/rank_boundaries/{checkpoint}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("rank_boundaries"),
        seed=lookup(dpath="seed", within=config),
        at_most=lookup(dpath="boundary/test_examples", within=config),
    script:
        "../../scripts/rank_boundaries.py"


rule summarise_percentages:
    """Sum the rankings up to the pairwise ranking percentages (equation 3 of the paper)."""
    input:
        expand(
            "<results>/rankings/{checkpoint}/{task}.tsv",
            checkpoint=RUN.checkpoints,
            task=RUN.tasks,
        ),
    output:
        "<results>/percentages.tsv",
    log:
        "<logs>/summarise_percentages.log",
    benchmark:
        "<benchmarks>/summarise_percentages.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_percentages"),
        rankings=RUN.rankings,
    script:
        "../../scripts/summarise_percentages.py"
