# In:  what the configuration names under checkpoints; for those fine-tuned here, <results>/documents/finetune.jsonl.gz.
# Out: <results>/checkpoints/{checkpoint}/, a Hugging Face folder: config, safetensors, tokenizer.


rule checkpoints:
    """All checkpoints."""
    input:
        expand("<results>/checkpoints/{checkpoint}", checkpoint=CHECKPOINTS),


rule fetch_checkpoint:
    """Copy or download a checkpoint and verify it."""
    input:
        files_of_checkpoint,
    output:
        directory("<results>/checkpoints/{checkpoint}"),
    log:
        "<logs>/fetch_checkpoint/{checkpoint}.log",
    benchmark:
        "<benchmarks>/fetch_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(FETCHED),
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_of("fetch_checkpoint"),
        source=lambda wildcards: source_of(wildcards.checkpoint),
    script:
        "../../scripts/fetch_checkpoint.py"


rule finetune_checkpoint:
    """Fine-tune a checkpoint on question answering; a run that was killed goes on where it stopped."""
    input:
        start=lambda wildcards: f"<results>/checkpoints/{config['checkpoints'][wildcards.checkpoint]['start']}",
        documents="<results>/documents/finetune.jsonl.gz",
    output:
        directory("<results>/checkpoints/{checkpoint}"),
    log:
        "<logs>/finetune_checkpoint/{checkpoint}.log",
    benchmark:
        "<benchmarks>/finetune_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(FINETUNED),
    conda:
        "../../envs/torch.yaml"
    threads: config["finetuning"]["threads"]
    params:
        code=code_of("finetune_checkpoint"),
        settings=lookup(dpath="finetuning", within=config),
        seed=lambda wildcards: config["checkpoints"][wildcards.checkpoint].get(
            "seed", config["seed"]
        ),
        work=lambda wildcards: f"{RESULTS}/finetuning/{wildcards.checkpoint}",
    script:
        "../../scripts/finetune_checkpoint.py"
