# In:  <results>/documents/finetune.jsonl.gz; <results>/checkpoints/{checkpoint}/, fetched or initialised.
# Out: <results>/features/{checkpoint}/, windows of the pages; <results>/checkpoints/{checkpoint}/, fine-tuned;
#      <results>/answer_heads/{checkpoint}.safetensors, for the checkpoints that are not trained here;
#      <results>/training/{checkpoint}.tsv, the loss at each step.


# The saved states of trainings, by which one that was killed goes on.
STATES = placed(f"{RUN.folder}/finetuning")
# What the weights depend on. How windows are cut, their features say.
TRAINING_KEYS = (
    "precision",
    "epochs",
    "batch_size",
    "device_batch_size",
    "warmup",
    "weight_decay",
    "save_steps",
    "threads",
)


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
    """Train a checkpoint and its heads to answer questions; a run that was killed goes on where it stopped."""
    input:
        start=lambda wildcards: f"<results>/checkpoints/{RUN.start_of(wildcards.checkpoint)}",
        features=lambda wildcards: features_of(RUN.start_of(wildcards.checkpoint)),
    output:
        checkpoint=directory("<results>/checkpoints/{checkpoint}"),
        history="<results>/training/{checkpoint}.tsv",
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
        settings={
            key: config["finetuning"][key] for key in (*TRAINING_KEYS, "learning_rate")
        },
        seed=lambda wildcards: RUN.seed_of(wildcards.checkpoint),
        work=lambda wildcards: f"{STATES}/{wildcards.checkpoint}",
    script:
        "../../scripts/finetune_checkpoint.py"


rule train_answer_heads:
    """Give a checkpoint that was not trained here heads to answer with: its own, or new ones on the frozen encoder."""
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
        settings={
            **{key: config["finetuning"][key] for key in TRAINING_KEYS},
            "learning_rate": config["finetuning"]["head_learning_rate"],
        },
        seed=lookup(dpath="seed", within=config),
        work=lambda wildcards: f"{STATES}/{wildcards.checkpoint}",
    script:
        "../../scripts/train_answer_heads.py"
