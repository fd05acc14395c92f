# In:  everything that the run makes; <results>/provenance/, the record that each job leaves beside its log.
# Out: <results>/provenance.json.


rule record_provenance:
    """Put the records of all jobs together, with the configuration, the data and the checkpoints."""
    input:
        rules.figures.input,
        rules.tables.input,
        rules.evaluation.input,
        rules.evidence.input,
        rules.explorer.input,
    output:
        "<results>/provenance.json",
    log:
        "<logs>/record_provenance.log",
    benchmark:
        "<benchmarks>/record_provenance.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("record_provenance"),
        config=config,
        configfiles=[os.path.relpath(path) for path in workflow.overwrite_configfiles],
        data=(
            sources.local_files(config["data"])
            or {placed(file.path): file.partitions for file in RUN.files.values()}
        )
        | {path: (task,) for task, path in RUN.pair_files.items()},
        snakefile=os.path.relpath(workflow.main_snakefile),
        published=sources.origin_of(config["data"]) if RUN.remote_files else None,
    script:
        "../../scripts/record_provenance.py"
