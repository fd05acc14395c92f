# In:  <results>/probing_sets/{task}.jsonl; the activations of the partition probe, of the views paragraph, paragraph_first,
#      paragraph_last and sentence; for the control task those of the partition head as well.
# Out: <results>/spaces/{checkpoint}/{partition}.npz; <results>/controls/{variant}/{checkpoint}/{task}.tsv, rankings once more;
#      <results>/controls/control_task/{checkpoint}/; <results>/controls/representations/{before}.{after}.tsv;
#      <results>/controls/weight_distance/{before}.{after}.tsv; <results>/controls/layer_cka/{before}.{after}.npz;
#      tables/{controls,control_claims,selectivity,representations,weight_distance,layer_cka}.tsv.
#      Only what the configuration's key controls names.


# The control, checkpoint and task of each ranking; first the measurement itself.
CONTROLLED = [
    (variant, checkpoint, task)
    for variant in (needs.NONE, *RUN.variants)
    for checkpoint in RUN.checkpoints
    for task in RUN.pair_tasks
]


# The rankings by which the claims are judged once more: those, and boundary, which has a control of its own.
JUDGED = CONTROLLED + [
    (variant, checkpoint, "boundary")
    for variant in (needs.NONE, "control_task")
    for checkpoint in RUN.checkpoints
    if "boundary" in RUN.tasks and variant in (needs.NONE, *RUN.controls)
]


rule describe_space:
    """Find the mean and the dominant directions of each layer's word vectors."""
    input:
        lambda wildcards: expand(
            next(
                shards(*where)
                for where in RUN.extracted
                if where[1] == wildcards.partition
            ),
            checkpoint=wildcards.checkpoint,
        ),
    output:
        "<results>/spaces/{checkpoint}/{partition}.npz",
    log:
        "<logs>/describe_space/{checkpoint}.{partition}.log",
    benchmark:
        "<benchmarks>/describe_space/{checkpoint}.{partition}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("describe_space"),
        directions=lookup(dpath="dominant_directions", within=config),
    script:
        "../../scripts/describe_space.py"


rule rank_control:
    """Rank a task's pairs once more with one thing changed."""
    input:
        unpack(inputs_of_control),
        pairs="<results>/probing_sets/{task}.jsonl",
        examples=lambda wildcards: examples_of(wildcards.task),
    output:
        "<results>/controls/{variant}/{checkpoint}/{task}.tsv",
    log:
        "<logs>/rank_control/{variant}.{checkpoint}.{task}.log",
    benchmark:
        "<benchmarks>/rank_control/{variant}.{checkpoint}.{task}.tsv"
    wildcard_constraints:
        task=any_of(RUN.pair_tasks),
        variant=any_of(needs.NEEDS),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("rank_control"),
        seed=lookup(dpath="seed", within=config),
        punctuation=lookup(dpath="words/punctuation", within=config),
    script:
        "../../scripts/rank_control.py"


rule summarise_controls:
    """Sum the rankings of all controls up to percentages, beside those of the measurement itself."""
    input:
        [ranking_of(*control) for control in CONTROLLED],
    output:
        "<results>/tables/controls.tsv",
    log:
        "<logs>/summarise_controls.log",
    benchmark:
        "<benchmarks>/summarise_controls.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_controls"),
        rankings=CONTROLLED,
    script:
        "../../scripts/summarise_controls.py"


rule weigh_controls:
    """Judge the paper's claims by each control as by the measurement itself."""
    input:
        rankings=[ranking_of(*control) for control in JUDGED],
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        examples=[examples_of(task) for task in RUN.tasks],
    output:
        "<results>/tables/control_claims.tsv",
    log:
        "<logs>/weigh_controls.log",
    benchmark:
        "<benchmarks>/weigh_controls.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("weigh_controls"),
        rankings=JUDGED,
        tasks=RUN.tasks,
        recipes=RUN.recipes,
        settings=WEIGHING,
    script:
        "../../scripts/weigh_controls.py"


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


rule compare_representations:
    """Compare how two checkpoints represent the same words, layer by layer: linear CKA, and RSA within each text."""
    input:
        examples="<results>/examples/probe.jsonl.gz",
        before=lambda wildcards: expand(
            shards("paragraph", "probe"), checkpoint=wildcards.before
        ),
        after=lambda wildcards: expand(
            shards("paragraph", "probe"), checkpoint=wildcards.after
        ),
    output:
        "<results>/controls/representations/{before}.{after}.tsv",
    log:
        "<logs>/compare_representations/{before}.{after}.log",
    benchmark:
        "<benchmarks>/compare_representations/{before}.{after}.tsv"
    wildcard_constraints:
        before=any_of(RUN.checkpoints),
        after=any_of(RUN.checkpoints),
    conda:
        "../../envs/analysis.yaml"
    threads: 2
    params:
        code=code_of("compare_representations"),
        seed=lookup(dpath="seed", within=config),
        resamples=lookup(dpath="evidence/resamples", within=config),
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/compare_representations.py"


rule summarise_representations:
    """Put the comparisons of all pairs of checkpoints into one table."""
    input:
        [
            f"<results>/controls/representations/{before}.{after}.tsv"
            for before, after in combinations(RUN.checkpoints, 2)
        ],
    output:
        "<results>/tables/representations.tsv",
    log:
        "<logs>/summarise_representations.log",
    benchmark:
        "<benchmarks>/summarise_representations.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_representations"),
    script:
        "../../scripts/summarise_representations.py"


rule compare_weights:
    """Compute how far the weights of each layer moved from the checkpoint before (controls: weight_distance)."""
    input:
        before="<results>/checkpoints/{before}",
        after="<results>/checkpoints/{after}",
    output:
        "<results>/controls/weight_distance/{before}.{after}.tsv",
    log:
        "<logs>/compare_weights/{before}.{after}.log",
    benchmark:
        "<benchmarks>/compare_weights/{before}.{after}.tsv"
    wildcard_constraints:
        before=any_of(RUN.checkpoints),
        after=any_of(RUN.checkpoints),
    conda:
        "../../envs/torch.yaml"
    threads: 2
    params:
        code=code_of("compare_weights"),
    script:
        "../../scripts/compare_weights.py"


rule summarise_weights:
    """Put how far the weights of all checkpoints moved into one table, with the recipes' intervals over seeds."""
    input:
        [
            f"<results>/controls/weight_distance/{RUN.before_of(after)}.{after}.tsv"
            for after in RUN.afters
        ],
    output:
        "<results>/tables/weight_distance.tsv",
    log:
        "<logs>/summarise_weights.log",
    benchmark:
        "<benchmarks>/summarise_weights.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_weights"),
        recipes=RUN.recipes,
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/summarise_weights.py"


rule compare_layers:
    """Compare each layer of a checkpoint with each of the one before it: linear CKA (controls: layer_cka)."""
    input:
        examples="<results>/examples/probe.jsonl.gz",
        before=lambda wildcards: expand(
            shards("paragraph", "probe"), checkpoint=wildcards.before
        ),
        after=lambda wildcards: expand(
            shards("paragraph", "probe"), checkpoint=wildcards.after
        ),
    output:
        "<results>/controls/layer_cka/{before}.{after}.npz",
    log:
        "<logs>/compare_layers/{before}.{after}.log",
    benchmark:
        "<benchmarks>/compare_layers/{before}.{after}.tsv"
    wildcard_constraints:
        before=any_of(RUN.checkpoints),
        after=any_of(RUN.checkpoints),
    conda:
        "../../envs/analysis.yaml"
    threads: 2
    params:
        code=code_of("compare_layers"),
        seed=lookup(dpath="seed", within=config),
        resamples=lookup(dpath="evidence/resamples", within=config),
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/compare_layers.py"


rule summarise_layer_cka:
    """Put CKA between all pairs of layers of all checkpoints into one table, with the recipes' means and intervals."""
    input:
        [
            f"<results>/controls/layer_cka/{RUN.before_of(after)}.{after}.npz"
            for after in RUN.afters
        ],
    output:
        "<results>/tables/layer_cka.tsv",
    log:
        "<logs>/summarise_layer_cka.log",
    benchmark:
        "<benchmarks>/summarise_layer_cka.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("summarise_layer_cka"),
        pairs=[(RUN.before_of(after), after) for after in RUN.afters],
        recipes=RUN.recipes,
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/summarise_layer_cka.py"
