# In:  <results>/checkpoints/{checkpoint}/, <results>/answer_heads/{checkpoint}.safetensors, <results>/documents/probe.jsonl.gz.
# Out: <results>/evaluation/gold.jsonl.gz; <results>/evaluation/{checkpoint}/, predictions and scores; tables/baselines.tsv;
#      <results>/functional/{checkpoint}/ and early_exits/{checkpoint}/, predictions with layers of the checkpoint before and from
#      each layer (functional); {checkpoint}/classification.tsv; tables/trajectory_scores.tsv.


# How questions are answered.
ANSWER_SETTINGS = {
    key: config["evaluation"][key]
    for key in ("max_length", "stride", "max_answer_words", "batch_size", "precision")
}


rule evaluation:
    """How the checkpoints answer questions: scores, and the figures of training and answering."""
    input:
        "<results>/tables/question_answering.md" if RUN.has_data else [],
        "<results>/tables/nq_evaluation.md" if RUN.has_long_answers else [],
        "<results>/tables/baselines.tsv" if RUN.has_data else [],
        "<results>/figures/precision_recall.svg" if RUN.has_long_answers else [],
        "<results>/figures/training_loss.svg" if RUN.trains else [],
        expand(
            "<results>/evaluation/{checkpoint}/classification.tsv",
            checkpoint=RUN.classifiers,
        ),


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
        # Predictions of the same examples are reused.
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
        settings=ANSWER_SETTINGS,
    script:
        "../../scripts/predict_answers.py"


rule answer_interventions:
    """Let a checkpoint answer one shard of the questions with layers of the checkpoint that it was made of."""
    input:
        unpack(heads_of),
        checkpoint="<results>/checkpoints/{checkpoint}",
        before=lambda wildcards: f"<results>/checkpoints/{RUN.before_of(wildcards.checkpoint)}",
        documents="<results>/documents/probe.jsonl.gz",
        gold="<results>/evaluation/gold.jsonl.gz",
    output:
        update("<results>/functional/{checkpoint}/{part}of{parts}.jsonl"),
    log:
        "<logs>/answer_interventions/{checkpoint}.{part}of{parts}.log",
    benchmark:
        "<benchmarks>/answer_interventions/{checkpoint}.{part}of{parts}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.afters),
    conda:
        "../../envs/torch.yaml"
    threads: config["evaluation"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("answer_interventions"),
        functional=RUN.interventions,
        settings=ANSWER_SETTINGS,
    script:
        "../../scripts/answer_interventions.py"


rule answer_early_exits:
    """Let each layer of a checkpoint answer one shard of the questions, by the heads that were trained on it."""
    input:
        heads="<results>/early_exits/{checkpoint}.safetensors",
        checkpoint="<results>/checkpoints/{checkpoint}",
        documents="<results>/documents/probe.jsonl.gz",
        gold="<results>/evaluation/gold.jsonl.gz",
    output:
        update("<results>/early_exits/{checkpoint}/{part}of{parts}.jsonl"),
    log:
        "<logs>/answer_early_exits/{checkpoint}.{part}of{parts}.log",
    benchmark:
        "<benchmarks>/answer_early_exits/{checkpoint}.{part}of{parts}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.early_exits),
    conda:
        "../../envs/torch.yaml"
    threads: config["evaluation"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("answer_early_exits"),
        settings=ANSWER_SETTINGS,
    script:
        "../../scripts/answer_early_exits.py"


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
        refuses=RUN.refuses,
    script:
        "../../scripts/score_predictions.py"


rule score_baselines:
    """Score what needs no model: long answers by word overlap or always the same candidate, boundaries by surface features."""
    input:
        gold="<results>/evaluation/gold.jsonl.gz" if RUN.has_long_answers else [],
        documents="<results>/documents/probe.jsonl.gz" if RUN.has_long_answers else [],
        # On which the best candidate is chosen.
        training=(
            "<results>/documents/finetune.jsonl.gz"
            if RUN.has_long_answers and RUN.trains
            else []
        ),
        boundaries=(
            "<results>/probing_sets/boundary.jsonl" if "boundary" in RUN.tasks else []
        ),
        examples=(
            expand(
                "<results>/examples/{partition}.jsonl.gz", partition=["head", "probe"]
            )
            if "boundary" in RUN.tasks
            else []
        ),
    output:
        "<results>/tables/baselines.tsv",
    log:
        "<logs>/score_baselines.log",
    benchmark:
        "<benchmarks>/score_baselines.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("score_baselines"),
        seed=lookup(dpath="seed", within=config),
        boundary=lookup(dpath="boundary", within=config),
    script:
        "../../scripts/score_baselines.py"


rule score_trajectories:
    """Put the scores of each step of a training into one table."""
    input:
        gold="<results>/evaluation/gold.jsonl.gz",
        documents="<results>/documents/probe.jsonl.gz",
        predictions=expand(
            "<results>/evaluation/{checkpoint}/predictions/{part}of{parts}.jsonl",
            checkpoint=RUN.trajectories.scored,
            part=range(1, RUN.shards["predictions",] + 1),
            parts=RUN.shards["predictions",],
        ),
        kept=folders_of_steps(),
    output:
        "<results>/tables/trajectory_scores.tsv",
    log:
        "<logs>/score_trajectories.log",
    benchmark:
        "<benchmarks>/score_trajectories.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("score_trajectories"),
        # Of each shard of predictions.
        answering=[
            checkpoint
            for checkpoint in RUN.trajectories.scored
            for _ in range(RUN.shards["predictions",])
        ],
        refuses=RUN.refuses,
        has_long_answers=RUN.has_long_answers,
        confidence=lookup(dpath="evidence/confidence", within=config),
        trajectories={
            name: (one.scored, one.steps)
            for name, one in RUN.trajectories.series.items()
        },
        recipes=RUN.trajectories.recipes_of_points,
        seeds=RUN.trajectories.seeds,
    script:
        "../../scripts/score_trajectories.py"
