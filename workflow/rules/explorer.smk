# In:  <results>/percentages.tsv, the probing sets, the rankings, the similarities and logits of the partition probe,
#      <results>/tables/{claims,intervals}.tsv.
# Out: <results>/report/explorer.html.


rule explorer:
    """The explorer."""
    input:
        "<results>/report/explorer.html",


rule build_explorer:
    """Put percentages, pairs, ranks and the scores of words into one page."""
    input:
        percentages="<results>/percentages.tsv",
        examples="<results>/examples/probe.jsonl.gz",
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        # One file after the other, each of all checkpoints: the script expects this order.
        rankings=expand(
            expand("<results>/rankings/{{checkpoint}}/{task}.tsv", task=RUN.tasks),
            checkpoint=RUN.compared_checkpoints,
        ),
        paragraph=(
            expand(similarities("paragraph"), checkpoint=RUN.compared_checkpoints)
            if RUN.pair_tasks
            else []
        ),
        sentence=(
            expand(similarities("sentence"), checkpoint=RUN.compared_checkpoints)
            if "boundary" in RUN.tasks
            else []
        ),
        claims="<results>/tables/claims.tsv",
        intervals="<results>/tables/intervals.tsv",
    output:
        report(
            "<results>/report/explorer.html",
            caption="../report/explorer.rst",
            category="Explorer",
            labels={"page": "explorer"},
        ),
    log:
        "<logs>/build_explorer.log",
    benchmark:
        "<benchmarks>/build_explorer.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of(
            "build_explorer",
            *(
                f"pairprobe/explorer/{path.name}"
                for path in (WORKFLOW / "pairprobe" / "explorer").glob("page.*")
            ),
        ),
        checkpoints=RUN.compared_checkpoints,
        tasks=RUN.tasks,
        settings={
            "run": config["run"],
            "value": config["figures"]["value"],
            "punctuation": config["words"]["punctuation"],
            "seed": config["seed"],
            "at_most": config["boundary"]["test_examples"],
            "confidence": config["evidence"]["confidence"],
            "compared": RUN.compared,
            **RUN.appearance(RUN.compared + RUN.compared_checkpoints),
        },
    script:
        "../../scripts/build_explorer.py"
