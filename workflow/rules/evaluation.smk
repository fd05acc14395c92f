# In:  <results>/checkpoints/{checkpoint}/, <results>/answer_heads/{checkpoint}.safetensors, <results>/documents/probe.jsonl.gz.
# Out: <results>/evaluation/gold.jsonl.gz, <results>/evaluation/{checkpoint}/, tables/nq_evaluation.{tsv,md},
#      tables/question_answering.{tsv,md}.


rule tables:
    """All result tables."""
    input:
        "<results>/tables/examples.tsv",
        "<results>/tables/probing_sets.md",
        "<results>/tables/activations.tsv",
        "<results>/tables/percentages.md",
        "<results>/tables/controls.md" if RUN.variants else [],
        "<results>/tables/question_answering.md",
        "<results>/tables/nq_evaluation.md" if RUN.has_long_answers else [],
        expand("<results>/tables/{table}.tex", table=RUN.typeset_tables),
        "<results>/tables/selectivity.tsv" if "control_task" in RUN.controls else [],
        "<results>/tables/representations.tsv"
        if "representations" in RUN.controls
        else [],


rule typeset_table:
    """Typeset a table for reading in LaTeX, for a paper."""
    input:
        "<results>/tables/{table}.md",
    output:
        "<results>/tables/{table}.tex",
    log:
        "<logs>/typeset_table/{table}.log",
    benchmark:
        "<benchmarks>/typeset_table/{table}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("typeset_table"),
    script:
        "../../scripts/typeset_table.py"


rule evaluation:
    """How the checkpoints answer questions: scores, and the figures of training and answering."""
    input:
        "<results>/tables/question_answering.md",
        "<results>/tables/nq_evaluation.md" if RUN.has_long_answers else [],
        "<results>/figures/precision_recall.svg" if RUN.has_long_answers else [],
        "<results>/figures/training_loss.svg" if RUN.trains else [],


rule collect_gold:
    """Collect the gold answers of the questions that are asked, in the official form."""
    input:
        "<results>/documents/probe.jsonl.gz",
    output:
        "<results>/evaluation/gold.jsonl.gz",
    log:
        "<logs>/collect_gold.log",
    benchmark:
        "<benchmarks>/collect_gold.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        code=code_of("collect_gold"),
        at_most=lookup(dpath="evaluation/examples", within=config),
        seed=lookup(dpath="seed", within=config),
    script:
        "../../scripts/collect_gold.py"


rule predict_answers:
    """Let a checkpoint answer one shard of the questions of the partition probe, from their whole pages."""
    input:
        unpack(heads_of),
        checkpoint="<results>/checkpoints/{checkpoint}",
        documents="<results>/documents/probe.jsonl.gz",
        gold="<results>/evaluation/gold.jsonl.gz",
    output:
        # What it holds of the same examples is taken over.
        update("<results>/evaluation/{checkpoint}/predictions/{part}of{parts}.jsonl"),
    log:
        "<logs>/predict_answers/{checkpoint}.{part}of{parts}.log",
    benchmark:
        "<benchmarks>/predict_answers/{checkpoint}.{part}of{parts}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["evaluation"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("predict_answers"),
        settings={
            key: config["evaluation"][key]
            for key in (
                "max_length",
                "stride",
                "max_answer_words",
                "batch_size",
                "precision",
            )
        },
    script:
        "../../scripts/predict_answers.py"


rule score_predictions:
    """Score a checkpoint's answers: by Natural Questions' official metric, and by exact match and F1."""
    input:
        unpack(heads_of),
        predictions=predictions_of,
        gold="<results>/evaluation/gold.jsonl.gz",
    output:
        predictions="<results>/evaluation/{checkpoint}/predictions.json",
        answers="<results>/evaluation/{checkpoint}/answers.json",
        scores="<results>/evaluation/{checkpoint}/scores.tsv",
        curve="<results>/evaluation/{checkpoint}/curve.tsv",
        question_answering="<results>/evaluation/{checkpoint}/question_answering.tsv",
    log:
        "<logs>/score_predictions/{checkpoint}.log",
    benchmark:
        "<benchmarks>/score_predictions/{checkpoint}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("score_predictions"),
        seed=lookup(dpath="seed", within=config),
        source=lookup(dpath="data/source", within=config),
    script:
        "../../scripts/score_predictions.py"


rule tabulate_nq_evaluation:
    """Put the scores on Natural Questions of all checkpoints into one table, after the paper's Table 2."""
    input:
        expand(
            "<results>/evaluation/{checkpoint}/scores.tsv", checkpoint=RUN.checkpoints
        ),
    output:
        tsv="<results>/tables/nq_evaluation.tsv",
        md=report(
            "<results>/tables/nq_evaluation.md",
            caption="../report/nq_evaluation.rst",
            category="Tables",
        ),
    log:
        "<logs>/tabulate_nq_evaluation.log",
    benchmark:
        "<benchmarks>/tabulate_nq_evaluation.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_nq_evaluation"),
        labels=RUN.labels,
    script:
        "../../scripts/tabulate_nq_evaluation.py"


rule tabulate_question_answering:
    """Put exact match and F1 of all checkpoints into one table."""
    input:
        expand(
            "<results>/evaluation/{checkpoint}/question_answering.tsv",
            checkpoint=RUN.checkpoints,
        ),
    output:
        tsv="<results>/tables/question_answering.tsv",
        md=report(
            "<results>/tables/question_answering.md",
            caption="../report/question_answering.rst",
            category="Tables",
        ),
    log:
        "<logs>/tabulate_question_answering.log",
    benchmark:
        "<benchmarks>/tabulate_question_answering.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_question_answering"),
        labels=RUN.labels,
    script:
        "../../scripts/tabulate_question_answering.py"
