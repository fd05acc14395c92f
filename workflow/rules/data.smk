# In:  the bundled pages (workflow/resources/pages), files at hand, or the files of a published data set.
# Out: <results>/examples/{partition}.jsonl.gz; <results>/documents/{partition}.jsonl.gz, whole pages; tables/examples.tsv.


rule render_mini_nq:
    """Render the bundled pages to the simplified format of Natural Questions."""
    output:
        "<results>/data/mini_nq.jsonl.gz",
    log:
        "<logs>/render_mini_nq.log",
    benchmark:
        "<benchmarks>/render_mini_nq.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        # The pages count by what they say. Where they lie is no reason to run again, since it is a function of the input.
        code=code_of("render_mini_nq", "resources/pages"),
        pages=lambda wildcards, input: str(WORKFLOW / "resources" / "pages"),
    script:
        "../../scripts/render_mini_nq.py"


rule examples:
    """The questions of the run, by partition."""
    input:
        expand("<results>/examples/{partition}.jsonl.gz", partition=PARTITIONS),


rule downloads:
    """All files of the published data set."""
    input:
        [f"{RUN.downloads}/{name}" for name in RUN.remote_files],


rule download_questions:
    """Download one file of a published data set and verify it; a download that breaks off is resumed."""
    output:
        f"{RUN.downloads}/{{remote}}",
    log:
        "<logs>/download_questions/{remote}.log",
    benchmark:
        "<benchmarks>/download_questions/{remote}.tsv"
    wildcard_constraints:
        remote=any_of(map(re.escape, RUN.remote_files)),
    conda:
        "../../envs/data.yaml"
    params:
        # No code: the digest says what the file is, whichever code has fetched it.
        origin=sources.origin_of(config["data"]) if RUN.remote_files else None,
    script:
        "../../scripts/download_questions.py"


rule read_questions:
    """Read one file's questions and pages, and assign them to the three partitions by page title."""
    input:
        file_of_data,
    output:
        examples=expand(
            "<results>/parts/{{file}}/examples/{partition}.jsonl.gz",
            partition=PARTITIONS,
        ),
        documents=expand(
            "<results>/parts/{{file}}/documents/{partition}.jsonl.gz",
            partition=RUN.page_partitions,
        ),
        index="<results>/parts/{file}/index.jsonl.gz",
        counts="<results>/parts/{file}/counts.tsv",
    log:
        "<logs>/read_questions/{file}.log",
    benchmark:
        "<benchmarks>/read_questions/{file}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        code=code_of("read_questions"),
        source=lookup(dpath="data/source", within=config),
        seed=lookup(dpath="seed", within=config),
        shares=lambda wildcards: sources.shares_of(
            RUN.files[wildcards.file].partitions, config["partitions"]
        ),
        pages=RUN.page_partitions,
        sample=lookup(dpath="data/sample", within=config),
        on_bad_input=lookup(dpath="data/on_bad_input", within=config),
    script:
        "../../scripts/read_questions.py"


rule partition_examples:
    """Put the partitions of all files together, and count what is in them and what was left out."""
    input:
        examples=expand(
            "<results>/parts/{file}/examples/{partition}.jsonl.gz",
            file=RUN.files,
            partition=PARTITIONS,
        ),
        documents=expand(
            "<results>/parts/{file}/documents/{partition}.jsonl.gz",
            file=RUN.files,
            partition=RUN.page_partitions,
        ),
        index=expand("<results>/parts/{file}/index.jsonl.gz", file=RUN.files),
        counts=expand("<results>/parts/{file}/counts.tsv", file=RUN.files),
    output:
        examples=expand("<results>/examples/{partition}.jsonl.gz", partition=PARTITIONS),
        documents=expand(
            "<results>/documents/{partition}.jsonl.gz", partition=RUN.page_partitions
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
        pages=RUN.page_partitions,
    script:
        "../../scripts/partition_examples.py"
