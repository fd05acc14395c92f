# In:  <results>/rankings/{checkpoint}/{task}.tsv, <results>/examples/probe.jsonl.gz.
# Out: <results>/tables/{intervals,differences,claims}.tsv; <results>/references.bib.


rule evidence:
    """How sure the numbers are: intervals, tests, and verdicts on the paper's claims."""
    input:
        "<results>/tables/claims.md",
        "<results>/figures/differences.svg",
        "<results>/references.bib",
        "<results>/figures/controls.svg"
        if RUN.judges_controls and len(RUN.compared) > 1
        else [],


rule weigh_evidence:
    """Resample pages for intervals, swap checkpoints for tests, and judge the paper's claims."""
    input:
        rankings=expand(
            "<results>/rankings/{checkpoint}/{task}.tsv",
            checkpoint=RUN.checkpoints,
            task=RUN.tasks,
        ),
        examples="<results>/examples/probe.jsonl.gz",
    output:
        intervals="<results>/tables/intervals.tsv",
        differences="<results>/tables/differences.tsv",
        claims="<results>/tables/claims.tsv",
    log:
        "<logs>/weigh_evidence.log",
    benchmark:
        "<benchmarks>/weigh_evidence.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("weigh_evidence"),
        rankings=RUN.rankings,
        recipes=RUN.recipes,
        settings={
            key: value
            for key, value in config["evidence"].items()
            if key != "resamples"
        },
    script:
        "../../scripts/weigh_evidence.py"


rule collect_references:
    """Collect the BibTeX entries of what the run used: data, encoders, methods."""
    input:
        checkpoints=expand("<results>/checkpoints/{checkpoint}", checkpoint=RUN.fetched),
    output:
        "<results>/references.bib",
    log:
        "<logs>/collect_references.log",
    benchmark:
        "<benchmarks>/collect_references.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("collect_references", "resources/references.bib"),
        entries=lambda wildcards, input: str(WORKFLOW / "resources" / "references.bib"),
        used={
            "data": config["data"]["source"],
            "packages": [
                config["checkpoints"][name]["package"]
                for name in RUN.fetched
                if config["checkpoints"][name]["source"] == "package"
            ],
            "controls": config["controls"],
            "reads_wordnet": any(map(registry.uses_wordnet, RUN.tasks)),
            "trains": RUN.trains,
        },
    script:
        "../../scripts/collect_references.py"
