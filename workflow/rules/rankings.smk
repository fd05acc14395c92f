# In:  <results>/probing_sets/{task}.jsonl, the activations of the view paragraph.
# Out: <results>/rankings/{checkpoint}/{task}.tsv, <results>/percentages.tsv.


rule rankings:
    """All rankings and the percentages."""
    input:
        "<results>/percentages.tsv",


rule rank_pairs:
    """Count, layer by layer, the unmatching pairs that each matching pair outranks."""
    input:
        pairs="<results>/probing_sets/{task}.jsonl",
        examples="<results>/examples/probe.jsonl.gz",
        activations=shards("paragraph", "probe"),
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
