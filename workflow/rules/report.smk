# In:  <results>/percentages.tsv, the probing sets, the rankings, the activations of the partition probe, the span heads,
#      tables/claims.tsv.
# Out: <results>/report/explorer.html.


rule explorer:
    """The explorer."""
    input:
        "<results>/report/explorer.html",


rule build_explorer:
    """Put percentages, pairs, ranks and the shades of words into one page."""
    input:
        percentages="<results>/percentages.tsv",
        examples="<results>/examples/probe.jsonl.gz",
        sets=expand("<results>/probing_sets/{task}.jsonl", task=TASKS),
        # Each file for all checkpoints, before the next file: the script deals them out.
        rankings=expand(
            expand("<results>/rankings/{{checkpoint}}/{task}.tsv", task=TASKS),
            checkpoint=COMPARED,
        ),
        paragraph=(
            expand(shards("paragraph", "probe"), checkpoint=COMPARED)
            if PAIR_TASKS
            else []
        ),
        sentence=(
            expand(shards("sentence", "probe"), checkpoint=COMPARED)
            if "boundary" in TASKS
            else []
        ),
        heads=(
            expand("<results>/span_heads/{checkpoint}.npz", checkpoint=COMPARED)
            if "boundary" in TASKS
            else []
        ),
        claims="<results>/tables/claims.tsv",
        # No module, so no part of the code's digests.
        page=sorted((WORKFLOW / "pairprobe" / "explorer").glob("page.*")),
    output:
        "<results>/report/explorer.html",
    log:
        "<logs>/build_explorer.log",
    benchmark:
        "<benchmarks>/build_explorer.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("build_explorer"),
        checkpoints=COMPARED,
        tasks=TASKS,
        settings={
            "run": config["run"],
            "value": config["figures"]["value"],
            "among": CHECKPOINTS,
            "punctuation": config["words"]["punctuation"],
            "seed": config["seed"],
            "at_most": config["boundary"]["test_examples"],
            **appearance(COMPARED),
        },
    script:
        "../../scripts/build_explorer.py"
