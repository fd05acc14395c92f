# In:  the bundled pages (workflow/resources/pages), or files of Natural Questions.
# Out: <results>/examples/{partition}.jsonl.gz, <results>/documents/{partition}.jsonl.gz, tables/examples.tsv.


rule render_mini_nq:
    """Render the bundled pages to the simplified format of Natural Questions."""
    input:
        sorted((WORKFLOW / "resources" / "pages").glob("*.yaml")),
    output:
        "<results>/data/mini_nq.jsonl.gz",
    log:
        "<logs>/render_mini_nq.log",
    benchmark:
        "<benchmarks>/render_mini_nq.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        code=code_of("render_mini_nq"),
    script:
        "../../scripts/render_mini_nq.py"


rule partition_examples:
    """Read questions and pages, and deal them to the three partitions by page title."""
    input:
        "<results>/data/mini_nq.jsonl.gz" if BUNDLED else config["data"]["files"],
    output:
        examples=expand("<results>/examples/{partition}.jsonl.gz", partition=PARTITIONS),
        documents=expand(
            "<results>/documents/{partition}.jsonl.gz", partition=PARTITIONS
        ),
        table="<results>/tables/examples.tsv",
    log:
        "<logs>/partition_examples.log",
    benchmark:
        "<benchmarks>/partition_examples.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        code=code_of("partition_examples"),
        seed=lookup(dpath="seed", within=config),
        shares=lookup(dpath="partitions", within=config),
    script:
        "../../scripts/partition_examples.py"
