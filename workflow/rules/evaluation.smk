# In:  <results>/checkpoints/{checkpoint}/, <results>/documents/probe.jsonl.gz.
# Out: <results>/evaluation/{checkpoint}.tsv, tables/question_answering.{tsv,md}.


rule tables:
    """All result tables."""
    input:
        "<results>/tables/examples.tsv",
        "<results>/tables/probing_sets.md",
        "<results>/tables/activations.tsv",
        "<results>/tables/percentages.md",
        "<results>/tables/question_answering.md",


rule evaluate_checkpoint:
    """Let a checkpoint answer the questions of the partition probe; exact match and F1."""
    input:
        checkpoint="<results>/checkpoints/{checkpoint}",
        documents="<results>/documents/probe.jsonl.gz",
    output:
        "<results>/evaluation/{checkpoint}.tsv",
    log:
        "<logs>/evaluate_checkpoint/{checkpoint}.log",
    benchmark:
        "<benchmarks>/evaluate_checkpoint/{checkpoint}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["evaluation"]["threads"]
    params:
        code=code_of("evaluate_checkpoint"),
        settings=lookup(dpath="evaluation", within=config),
        seed=lookup(dpath="seed", within=config),
    script:
        "../../scripts/evaluate_checkpoint.py"


rule tabulate_evaluation:
    """Put exact match and F1 of all checkpoints into one table."""
    input:
        expand("<results>/evaluation/{checkpoint}.tsv", checkpoint=CHECKPOINTS),
    output:
        tsv="<results>/tables/question_answering.tsv",
        md=report(
            "<results>/tables/question_answering.md",
            caption="../report/question_answering.rst",
            category="Tables",
        ),
    log:
        "<logs>/tabulate_evaluation.log",
    benchmark:
        "<benchmarks>/tabulate_evaluation.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_evaluation"),
        labels=appearance(CHECKPOINTS)["labels"],
    script:
        "../../scripts/tabulate_evaluation.py"
