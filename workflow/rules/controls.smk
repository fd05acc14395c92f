# In:  <results>/probing_sets/{task}.jsonl, the activations of the view paragraph, or of paragraph_first and paragraph_last.
# Out: <results>/spaces/{checkpoint}.npz, <results>/controls/{variant}/{checkpoint}/{task}.tsv, tables/controls.{tsv,md},
#      tables/control_claims.tsv, figures/controls.{svg,pdf,png}.
#      Only what the configuration's key controls asks for.


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
    """Put the percentages of all controls beside those of the measurement itself."""
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


rule tabulate_controls:
    """Lay the controls out for reading, under each ranking its own."""
    input:
        "<results>/tables/controls.tsv",
    output:
        report(
            "<results>/tables/controls.md",
            caption="../report/controls.rst",
            category="Tables",
        ),
    log:
        "<logs>/tabulate_controls.log",
    benchmark:
        "<benchmarks>/tabulate_controls.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_controls"),
        labels=RUN.labels,
    script:
        "../../scripts/tabulate_controls.py"


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


rule draw_controls:
    """Draw how the difference of two checkpoints moves over all ways to measure."""
    input:
        "<results>/tables/control_claims.tsv",
    output:
        report(
            "<results>/figures/controls.svg",
            caption="../report/control_claims.rst",
            category="Figures",
            labels={"figure": "controls"},
        ),
        "<results>/figures/controls.pdf",
        "<results>/figures/controls.png",
    log:
        "<logs>/draw_controls.log",
    benchmark:
        "<benchmarks>/draw_controls.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_controls"),
        pair=RUN.compared[:2],
        tasks=RUN.tasks,
        labels=RUN.labels,
    script:
        "../../scripts/draw_controls.py"
