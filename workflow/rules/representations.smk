# In:  the activations of the view paragraph, of the partition probe. Only where controls has representations.
# Out: <results>/controls/representations/{before}.{after}.tsv, tables/representations.tsv,
#      figures/representations.{svg,pdf,png}.


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


rule tabulate_representations:
    """Put the comparisons of all pairs of checkpoints into one table."""
    input:
        [
            f"<results>/controls/representations/{before}.{after}.tsv"
            for before, after in combinations(RUN.checkpoints, 2)
        ],
    output:
        "<results>/tables/representations.tsv",
    log:
        "<logs>/tabulate_representations.log",
    benchmark:
        "<benchmarks>/tabulate_representations.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_representations"),
    script:
        "../../scripts/tabulate_representations.py"


rule draw_representations:
    """Draw CKA and RSA by layer, a line for each pair of the checkpoints that figures compare."""
    input:
        "<results>/tables/representations.tsv",
    output:
        report(
            "<results>/figures/representations.svg",
            caption="../report/representations.rst",
            category="Figures",
            labels={"figure": "representations"},
        ),
        "<results>/figures/representations.pdf",
        "<results>/figures/representations.png",
    log:
        "<logs>/draw_representations.log",
    benchmark:
        "<benchmarks>/draw_representations.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_representations"),
        checkpoints=RUN.compared,
        appearance={**RUN.appearance(RUN.compared), "among": RUN.checkpoints},
    script:
        "../../scripts/draw_representations.py"
