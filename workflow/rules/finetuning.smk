# In:  <results>/documents/finetune.jsonl.gz; <results>/checkpoints/{checkpoint}/, fetched or initialised.
# Out: <results>/features/{checkpoint}/, windows of the pages; <results>/checkpoints/{checkpoint}/, fine-tuned;
#      <results>/answer_heads/{checkpoint}.safetensors, for the checkpoints that are not trained here;
#      <results>/early_exits/{checkpoint}.safetensors, heads on each layer (functional: early_exit);
#      <results>/training/{checkpoint}.tsv, the loss at each step; <results>/trajectories/{checkpoint}/, the steps that are kept,
#      of which temporary <results>/checkpoints/{checkpoint}/ are made.


# The saved states of trainings, by which one that was killed goes on.
STATES = placed(f"{RUN.folder}/finetuning")
# What heads on a frozen encoder depend on.
HEAD_TRAINING = {
    **{key: config["finetuning"][key] for key in TRAINING_KEYS},
    "learning_rate": config["finetuning"]["head_learning_rate"],
}


rule build_features:
    """Cut the pages into windows for a checkpoint's tokenizer, one shard of the pages a job."""
    input:
        checkpoint="<results>/checkpoints/{checkpoint}",
        documents="<results>/documents/finetune.jsonl.gz",
    output:
        "<results>/features/{checkpoint}/{part}of{parts}.arrow",
    log:
        "<logs>/build_features/{checkpoint}.{part}of{parts}.log",
    benchmark:
        "<benchmarks>/build_features/{checkpoint}.{part}of{parts}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.fetched),
    # Before all that no training waits for: trainings take longest.
    priority: 2
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_of("build_features"),
        seed=lookup(dpath="seed", within=config),
        max_length=lookup(dpath="finetuning/max_length", within=config),
        stride=lookup(dpath="finetuning/stride", within=config),
        unanswered=lookup(dpath="finetuning/unanswered", within=config),
    script:
        "../../scripts/build_features.py"


rule finetune_checkpoint:
    """Train a checkpoint with its heads, to answer questions or otherwise; one that was killed goes on where it stopped."""
    input:
        unpack(trained_on),
        start=lambda wildcards: f"<results>/checkpoints/{RUN.start_of(wildcards.checkpoint)}",
    output:
        checkpoint=directory("<results>/checkpoints/{checkpoint}"),
        history="<results>/training/{checkpoint}.tsv",
        kept=(
            [directory("<results>/trajectories/{checkpoint}")]
            if RUN.trajectories.kept
            else []
        ),
    log:
        "<logs>/finetune_checkpoint/{checkpoint}.log",
    benchmark:
        "<benchmarks>/finetune_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.finetuned),
    # Before all else, since most waits for trainings, and nothing takes as long.
    priority: 2
    conda:
        "../../envs/torch.yaml"
    threads: config["finetuning"]["threads"]
    resources:
        gpu=0,  # of these torchrun takes all, if there are several: --set-resources finetune_checkpoint:gpu=8
    params:
        code=code_of("finetune_checkpoint", "finetuning.worker"),
        settings=lambda wildcards: RUN.training_of(wildcards.checkpoint),
        seed=lambda wildcards: RUN.seed_of(wildcards.checkpoint),
        keep_steps=lambda wildcards: RUN.keep_steps_of(wildcards.checkpoint) or [],
        work=lambda wildcards: f"{STATES}/{wildcards.checkpoint}",
    script:
        "../../scripts/finetune_checkpoint.py"


rule take_step:
    """Make a checkpoint of a step that a training has kept; it is there until it has been probed."""
    input:
        start=lambda wildcards: f"<results>/checkpoints/{RUN.start_of(trained_of(wildcards))}",
        kept=lambda wildcards: f"<results>/trajectories/{trained_of(wildcards)}",
    output:
        temp(directory("<results>/checkpoints/{checkpoint}")),
    log:
        "<logs>/take_step/{checkpoint}.log",
    benchmark:
        "<benchmarks>/take_step/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.trajectories.kept),
    # After all that a step before it waits for, so that few of them are on disk at once.
    priority: -1
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_of("take_step"),
        number=lambda wildcards: RUN.trajectories.kept[wildcards.checkpoint].number,
        seed=lambda wildcards: RUN.seed_of(trained_of(wildcards)),
        lora=lambda wildcards: RUN.training_of(trained_of(wildcards)).get("lora"),
    script:
        "../../scripts/take_step.py"


rule train_answer_heads:
    """Give a checkpoint heads to answer with that was not trained here to answer: its own, or new ones, encoder frozen."""
    input:
        checkpoint="<results>/checkpoints/{checkpoint}",
        features=lambda wildcards: features_of(wildcards.checkpoint),
    output:
        heads="<results>/answer_heads/{checkpoint}.safetensors",
        history="<results>/training/{checkpoint}.tsv",
    log:
        "<logs>/train_answer_heads/{checkpoint}.log",
    benchmark:
        "<benchmarks>/train_answer_heads/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.frozen),
    conda:
        "../../envs/torch.yaml"
    threads: config["finetuning"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("train_answer_heads", "finetuning.worker"),
        settings=HEAD_TRAINING,
        seed=lambda wildcards: RUN.seed_of(wildcards.checkpoint),
        new_heads=lambda wildcards: wildcards.checkpoint in RUN.trained_otherwise,
        work=lambda wildcards: f"{STATES}/{wildcards.checkpoint}",
    script:
        "../../scripts/train_answer_heads.py"


use rule train_answer_heads as train_heads_on_trained with:
    # A checkpoint that was trained here to do something else: its own loss stands beside that of the heads.
    output:
        heads="<results>/answer_heads/{checkpoint}.safetensors",
        history="<results>/training/{checkpoint}.heads.tsv",
    log:
        "<logs>/train_heads_on_trained/{checkpoint}.log",
    benchmark:
        "<benchmarks>/train_heads_on_trained/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.trained_otherwise),


rule train_early_exits:
    """Train heads on each layer of a checkpoint's frozen encoder, all of them in one pass a step."""
    input:
        checkpoint="<results>/checkpoints/{checkpoint}",
        features=lambda wildcards: features_of(wildcards.checkpoint),
    output:
        heads="<results>/early_exits/{checkpoint}.safetensors",
        history="<results>/early_exits/{checkpoint}.tsv",
    log:
        "<logs>/train_early_exits/{checkpoint}.log",
    benchmark:
        "<benchmarks>/train_early_exits/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.early_exits),
    conda:
        "../../envs/torch.yaml"
    threads: config["finetuning"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("train_early_exits", "finetuning.worker"),
        settings=HEAD_TRAINING,
        seed=lambda wildcards: RUN.seed_of(wildcards.checkpoint),
        work=lambda wildcards: f"{STATES}/{wildcards.checkpoint}.early_exits",
    script:
        "../../scripts/train_early_exits.py"


rule score_classifier:
    """Count how often a checkpoint that was trained on a table is right on the texts of it that were held out."""
    input:
        checkpoint="<results>/checkpoints/{checkpoint}",
        table=lambda wildcards: local(RUN.table_of(wildcards.checkpoint)),
    output:
        "<results>/evaluation/{checkpoint}/classification.tsv",
    log:
        "<logs>/score_classifier/{checkpoint}.log",
    benchmark:
        "<benchmarks>/score_classifier/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.classifiers),
    conda:
        "../../envs/torch.yaml"
    threads: config["evaluation"]["threads"]
    resources:
        gpu=0,
    params:
        code=code_of("score_classifier"),
        max_length=lookup(dpath="finetuning/max_length", within=config),
        precision=lookup(dpath="evaluation/precision", within=config),
        batch_size=lookup(dpath="evaluation/batch_size", within=config),
    script:
        "../../scripts/score_classifier.py"
