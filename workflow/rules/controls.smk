# In:  <results>/probing_sets/{task}.jsonl; the activations of the view paragraph, or of paragraph_first and paragraph_last.
# Out: <results>/spaces/{checkpoint}.npz; <results>/controls/{variant}/{checkpoint}/{task}.tsv, rankings once more;
#      <results>/controls/representations/{before}.{after}.tsv; tables/{controls,control_claims,representations}.tsv.
#      Only what the configuration's key controls names.


rule describe_space:
    """Find the mean and the dominant directions of each layer's word vectors."""
    input:
        shards("paragraph", "probe"),
    output:
        "<results>/spaces/{checkpoint}.npz",
    log:
        "<logs>/describe_space/{checkpoint}.log",
    benchmark:
        "<benchmarks>/describe_space/{checkpoint}.tsv"
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
        examples="<results>/examples/probe.jsonl.gz",
    output:
        "<results>/controls/{variant}/{checkpoint}/{task}.tsv",
    log:
        "<logs>/rank_control/{variant}.{checkpoint}.{task}.log",
    benchmark:
        "<benchmarks>/rank_control/{variant}.{checkpoint}.{task}.tsv"
    wildcard_constraints:
        task=any_of(RUN.pair_tasks),
        variant=any_of(variants.VARIANTS),
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
        examples="<results>/examples/probe.jsonl.gz",
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
        settings={**config["evidence"], "seed": config["seed"]},
    script:
        "../../scripts/weigh_controls.py"


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
