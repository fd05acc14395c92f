# In:  the activations of the view sentence, of the partitions head and probe; the logits of the partition probe.
# Out: <results>/span_heads/{checkpoint}.npz, <results>/rankings/{checkpoint}/boundary.tsv; for the control control_task
#      <results>/controls/control_task/{checkpoint}/, tables/selectivity.tsv.


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


rule rank_boundaries:
    """Count, layer by layer, the words of each sentence whose logit is below the gold position's."""
    input:
        boundaries="<results>/probing_sets/boundary.jsonl",
        examples="<results>/examples/probe.jsonl.gz",
        logits=similarities("sentence"),
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


rule train_control_heads:
    """Train the same heads on the labels of the control task, which can only be memorised (controls: control_task)."""
    input:
        examples="<results>/examples/head.jsonl.gz",
        activations=shards("sentence", "head"),
    output:
        "<results>/controls/control_task/{checkpoint}/span_heads.npz",
    log:
        "<logs>/train_control_heads/{checkpoint}.log",
    benchmark:
        "<benchmarks>/train_control_heads/{checkpoint}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("train_control_heads"),
        seed=lookup(dpath="seed", within=config),
        l2=lookup(dpath="boundary/l2", within=config),
        at_most=lookup(dpath="boundary/train_examples", within=config),
    script:
        "../../scripts/train_control_heads.py"


rule rank_control_boundaries:
    """Count, layer by layer, the words of each sentence whose logit is below that of the control task's gold position."""
    input:
        boundaries="<results>/probing_sets/boundary.jsonl",
        examples="<results>/examples/probe.jsonl.gz",
        activations=shards("sentence", "probe"),
        heads="<results>/controls/control_task/{checkpoint}/span_heads.npz",
    output:
        "<results>/controls/control_task/{checkpoint}/boundary.tsv",
    log:
        "<logs>/rank_control_boundaries/{checkpoint}.log",
    benchmark:
        "<benchmarks>/rank_control_boundaries/{checkpoint}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("rank_control_boundaries"),
        seed=lookup(dpath="seed", within=config),
        at_most=lookup(dpath="boundary/test_examples", within=config),
    script:
        "../../scripts/rank_control_boundaries.py"


rule summarise_selectivity:
    """Put the percentages of the real task and of the control task side by side, with their difference, the selectivity."""
    input:
        rankings=expand(
            "<results>/rankings/{checkpoint}/boundary.tsv", checkpoint=RUN.checkpoints
        ),
        controls=expand(
            "<results>/controls/control_task/{checkpoint}/boundary.tsv",
            checkpoint=RUN.checkpoints,
        ),
    output:
        "<results>/tables/selectivity.tsv",
    log:
        "<logs>/summarise_selectivity.log",
    benchmark:
        "<benchmarks>/summarise_selectivity.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_selectivity"),
        checkpoints=RUN.checkpoints,
    script:
        "../../scripts/summarise_selectivity.py"
