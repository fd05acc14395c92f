# In:  what the configuration's key checkpoints names. Those of source finetune are trained in finetuning.smk.
# Out: <results>/checkpoints/{checkpoint}/, a Hugging Face folder: config, safetensors, tokenizer.


rule checkpoints:
    """All checkpoints."""
    input:
        expand("<results>/checkpoints/{checkpoint}", checkpoint=RUN.checkpoints),


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
        checkpoint=any_of(RUN.fetched),
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_of("fetch_checkpoint"),
        source=lambda wildcards: RUN.fetched_from(wildcards.checkpoint),
    script:
        "../../scripts/fetch_checkpoint.py"


rule adapt_checkpoint:
    """Make a checkpoint of its base and an adapter of peft: merged into its weights, or beside them."""
    input:
        base=lambda wildcards: f"<results>/checkpoints/{RUN.start_of(wildcards.checkpoint)}",
        adapter=files_of_checkpoint,
    output:
        directory("<results>/checkpoints/{checkpoint}"),
    log:
        "<logs>/adapt_checkpoint/{checkpoint}.log",
    benchmark:
        "<benchmarks>/adapt_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.adapted),
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_of("adapt_checkpoint"),
        source=lambda wildcards: RUN.fetched_from(wildcards.checkpoint),
    script:
        "../../scripts/adapt_checkpoint.py"


rule initialise_checkpoint:
    """Draw random weights for the architecture of a checkpoint; its config and tokenizer are copied."""
    input:
        lambda wildcards: f"<results>/checkpoints/{RUN.start_of(wildcards.checkpoint)}",
    output:
        directory("<results>/checkpoints/{checkpoint}"),
    log:
        "<logs>/initialise_checkpoint/{checkpoint}.log",
    benchmark:
        "<benchmarks>/initialise_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint=any_of(RUN.initialised),
    conda:
        "../../envs/torch.yaml"
    params:
        code=code_of("initialise_checkpoint"),
        seed=lambda wildcards: RUN.seed_of(wildcards.checkpoint),
    script:
        "../../scripts/initialise_checkpoint.py"
