# In:  <results>/percentages.tsv, the probing sets, the rankings, the similarities and logits of the partition probe,
#      <results>/tables/{claims,intervals}.tsv; with right_and_wrong <results>/evaluation/gold.jsonl.gz and answers.json.
# Out: <results>/report/explorer.html.


rule explorer:
    """The explorer."""
    input:
        "<results>/report/explorer.html",


rule build_explorer:
    """Put percentages, pairs, ranks and the scores of words into one page."""
    input:
        percentages="<results>/percentages.tsv",
        examples=list(dict.fromkeys(map(examples_of, RUN.tasks))),
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        # One file after the other, each of all checkpoints: the script expects this order.
        rankings=expand(
            expand("<results>/rankings/{{checkpoint}}/{task}.tsv", task=RUN.tasks),
            checkpoint=RUN.compared_checkpoints,
        ),
        similarities=expand(
            dict.fromkeys(path for task in RUN.tasks for path in similarities(task)),
            checkpoint=RUN.compared_checkpoints,
        ),
        claims="<results>/tables/claims.tsv",
        intervals="<results>/tables/intervals.tsv",
        asked="<results>/examples/probe.jsonl.gz" if RUN.shown_answers else [],
        gold="<results>/evaluation/gold.jsonl.gz" if RUN.shown_answers else [],
        answers=expand(
            "<results>/evaluation/{checkpoint}/answers.json",
            checkpoint=RUN.shown_answers,
        ),
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
        answering=RUN.shown_answers,
        refuses=RUN.refuses,
        # Which shards are a task's.
        tasks={task: f"{one.view}/{one.partition}" for task, one in RUN.by_task.items()},
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
