# In:  counts, percentages, claims, controls and scores, as TSV.
# Out: <results>/tables/{table}.md for reading, {table}.tex for a paper, {table}.html for the report;
#      tables/{probing_sets,question_answering,nq_evaluation}.tsv.


rule tables:
    """All result tables."""
    input:
        "<results>/tables/examples.tsv" if RUN.has_data else [],
        "<results>/tables/activations.tsv",
        "<results>/tables/baselines.tsv" if RUN.has_data else [],
        expand(
            "<results>/tables/{table}.{suffix}",
            table=RUN.typeset_tables,
            suffix=["md", "tex"],
        ),
        "<results>/tables/selectivity.tsv" if "control_task" in RUN.controls else [],
        [
            f"<results>/tables/{control}.tsv"
            for control in ("representations", "weight_distance", "layer_cka")
            if control in RUN.controls
        ],


rule tabulate_probing_sets:
    """Put the counts of all probing sets and of the partitions into one table."""
    input:
        examples="<results>/tables/examples.tsv" if RUN.has_data else [],
        counts=expand("<results>/probing_sets/{task}.counts.tsv", task=RUN.tasks),
    output:
        tsv="<results>/tables/probing_sets.tsv",
        md="<results>/tables/probing_sets.md",
    log:
        "<logs>/tabulate_probing_sets.log",
    benchmark:
        "<benchmarks>/tabulate_probing_sets.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_probing_sets"),
        labels={task: label_of(task, config["figures"]["labels"]) for task in RUN.tasks},
    script:
        "../../scripts/tabulate_probing_sets.py"


rule tabulate_percentages:
    """Lay the percentages out for reading, a line for each checkpoint, task and measure."""
    input:
        percentages="<results>/percentages.tsv",
        activations="<results>/tables/activations.tsv",
    output:
        "<results>/tables/percentages.md",
    log:
        "<logs>/tabulate_percentages.log",
    benchmark:
        "<benchmarks>/tabulate_percentages.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_percentages"),
        value=lookup(dpath="figures/value", within=config),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
    script:
        "../../scripts/tabulate_percentages.py"


rule tabulate_claims:
    """Lay the verdicts on the claims out for reading."""
    input:
        "<results>/tables/claims.tsv",
        "<results>/tables/intervals.tsv",
        "<results>/tables/activations.tsv",
    output:
        "<results>/tables/claims.md",
    log:
        "<logs>/tabulate_claims.log",
    benchmark:
        "<benchmarks>/tabulate_claims.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_claims"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
        evidence=config["evidence"],
    script:
        "../../scripts/tabulate_claims.py"


rule tabulate_controls:
    """Lay the percentages of the controls out for reading, each below the one that it is a control of."""
    input:
        "<results>/tables/controls.tsv",
    output:
        "<results>/tables/controls.md",
    log:
        "<logs>/tabulate_controls.log",
    benchmark:
        "<benchmarks>/tabulate_controls.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_controls"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
    script:
        "../../scripts/tabulate_controls.py"


rule tabulate_question_answering:
    """Put exact match and F1 of all checkpoints into one table."""
    input:
        expand(
            "<results>/evaluation/{checkpoint}/question_answering.tsv",
            checkpoint=RUN.checkpoints,
        ),
    output:
        tsv="<results>/tables/question_answering.tsv",
        md="<results>/tables/question_answering.md",
    log:
        "<logs>/tabulate_question_answering.log",
    benchmark:
        "<benchmarks>/tabulate_question_answering.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_question_answering"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
    script:
        "../../scripts/tabulate_question_answering.py"


rule tabulate_nq_evaluation:
    """Put the scores on Natural Questions of all checkpoints into one table, after the paper's Table 2."""
    input:
        baselines="<results>/tables/baselines.tsv",
        scores=expand(
            "<results>/evaluation/{checkpoint}/scores.tsv", checkpoint=RUN.checkpoints
        ),
    output:
        tsv="<results>/tables/nq_evaluation.tsv",
        md="<results>/tables/nq_evaluation.md",
    log:
        "<logs>/tabulate_nq_evaluation.log",
    benchmark:
        "<benchmarks>/tabulate_nq_evaluation.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_nq_evaluation"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
    script:
        "../../scripts/tabulate_nq_evaluation.py"


rule tabulate_control_trainings:
    """Lay the verdicts on control trainings out for reading."""
    input:
        "<results>/tables/control_trainings.tsv",
    output:
        "<results>/tables/control_trainings.md",
    log:
        "<logs>/tabulate_control_trainings.log",
    benchmark:
        "<benchmarks>/tabulate_control_trainings.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_control_trainings"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
        evidence=config["evidence"],
    script:
        "../../scripts/tabulate_control_trainings.py"


rule tabulate_right_and_wrong:
    """Lay what was found of pairs of right and of wrong answers out for reading."""
    input:
        "<results>/tables/right_and_wrong.tsv",
    output:
        "<results>/tables/right_and_wrong.md",
    log:
        "<logs>/tabulate_right_and_wrong.log",
    benchmark:
        "<benchmarks>/tabulate_right_and_wrong.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_right_and_wrong"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/tabulate_right_and_wrong.py"


rule tabulate_functional:
    """Lay out for reading what answers lose by each intervention."""
    input:
        "<results>/tables/functional.tsv",
    output:
        "<results>/tables/functional.md",
    log:
        "<logs>/tabulate_functional.log",
    benchmark:
        "<benchmarks>/tabulate_functional.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("tabulate_functional"),
        labels=RUN.labels,
        seeds=RUN.seeds,
        recipes=RUN.recipes,
        evidence=config["evidence"],
    script:
        "../../scripts/tabulate_functional.py"


rule typeset_table:
    """Typeset a table in LaTeX, for a paper, and in HTML, for the report."""
    input:
        "<results>/tables/{table}.md",
    output:
        tex="<results>/tables/{table}.tex",
        html=report(
            "<results>/tables/{table}.html",
            caption="../report/table.rst",
            category="Tables",
            labels=lambda wildcards: {"table": wildcards.table.replace("_", " ")},
        ),
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
