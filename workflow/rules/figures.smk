# In:  <results>/percentages.tsv; <results>/tables/{intervals,baselines,differences,control_claims,representations}.tsv;
#      <results>/evaluation/{checkpoint}/; <results>/training/{checkpoint}.tsv.
# Out: <results>/figures/: {grid} (specific is one), {task}_{measure}, differences, controls, representations, precision_recall,
#      training_loss, each as svg, pdf and png.


rule figures:
    """The figures of the percentages: the grids and every panel."""
    input:
        [f"<results>/figures/{grid}.svg" for grid in RUN.grids],
        [
            f"<results>/figures/{task}_{measure}.svg"
            for task in RUN.tasks
            for measure in RUN.measures_of(task)
        ],
        "<results>/figures/representations.svg"
        if "representations" in RUN.controls
        else [],


rule draw_grid:
    """Draw the paper's Figure 1 for what is compared: a column for each task, its two measures one above the other."""
    input:
        percentages="<results>/percentages.tsv",
        intervals="<results>/tables/intervals.tsv",
        baselines="<results>/tables/baselines.tsv" if "boundary" in RUN.tasks else [],
    output:
        report(
            "<results>/figures/{grid}.svg",
            caption="../report/grid.rst",
            category="Figures",
            labels={"figure": "{grid}"},
        ),
        "<results>/figures/{grid}.pdf",
        "<results>/figures/{grid}.png",
    log:
        "<logs>/draw_grid/{grid}.log",
    benchmark:
        "<benchmarks>/draw_grid/{grid}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_grid"),
        columns=lambda wildcards: RUN.columns_of(wildcards.grid),
        # Of a function, or Snakemake would look for wildcards in it.
        title=lambda wildcards: config["figures"]["title"],
    script:
        "../../scripts/draw_grid.py"


rule draw_panel:
    """Draw one task and measure."""
    input:
        percentages="<results>/percentages.tsv",
        intervals="<results>/tables/intervals.tsv",
        baselines=lambda wildcards: (
            "<results>/tables/baselines.tsv" if wildcards.task == "boundary" else []
        ),
    output:
        report(
            "<results>/figures/{task}_{measure}.svg",
            caption="../report/panel.rst",
            category="Figures",
            labels=lambda wildcards: {
                "figure": f"{report_label(wildcards.task)}, {wildcards.measure}"
            },
        ),
        "<results>/figures/{task}_{measure}.pdf",
        "<results>/figures/{task}_{measure}.png",
    log:
        "<logs>/draw_panel/{task}_{measure}.log",
    benchmark:
        "<benchmarks>/draw_panel/{task}_{measure}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_panel"),
        panel=lambda wildcards: panel_of(wildcards.task, wildcards.measure),
    script:
        "../../scripts/draw_panel.py"


rule draw_differences:
    """Draw the difference to the first of what is compared, with its interval, over the layers."""
    input:
        "<results>/tables/differences.tsv",
    output:
        report(
            "<results>/figures/differences.svg",
            caption="../report/differences.rst",
            category="Figures",
            labels={"figure": "differences"},
        ),
        "<results>/figures/differences.pdf",
        "<results>/figures/differences.png",
    log:
        "<logs>/draw_differences.log",
    benchmark:
        "<benchmarks>/draw_differences.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_differences"),
        columns=RUN.columns_of("grid"),
        margin=lookup(dpath="evidence/margin", within=config),
        level=1 - config["evidence"]["confidence"],
    script:
        "../../scripts/draw_differences.py"


rule draw_controls:
    """Draw the difference of two checkpoints as the measurement and as each control gives it."""
    input:
        "<results>/tables/control_claims.tsv",
    output:
        report(
            "<results>/figures/controls.svg",
            caption="../report/control_claims.rst",
            category="Figures",
            labels={"figure": "controls"},
        ),
        "<results>/figures/controls.pdf",
        "<results>/figures/controls.png",
    log:
        "<logs>/draw_controls.log",
    benchmark:
        "<benchmarks>/draw_controls.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_controls"),
        # In the order of the table, which has each pair once.
        pair=sorted(
            (RUN.compared if len(RUN.compared) > 1 else RUN.units)[:2],
            key=[*RUN.units, *RUN.checkpoints].index,
        ),
        tasks=RUN.tasks,
        labels=RUN.labels,
    script:
        "../../scripts/draw_controls.py"


rule draw_representations:
    """Draw CKA and RSA by layer, a line for each pair of the checkpoints that figures compare."""
    input:
        "<results>/tables/representations.tsv",
    output:
        report(
            "<results>/figures/representations.svg",
            caption="../report/representations.rst",
            category="Figures",
            labels={"figure": "representations"},
        ),
        "<results>/figures/representations.pdf",
        "<results>/figures/representations.png",
    log:
        "<logs>/draw_representations.log",
    benchmark:
        "<benchmarks>/draw_representations.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_representations"),
        compared=RUN.compared,
        appearance=RUN.appearance(RUN.compared),
    script:
        "../../scripts/draw_representations.py"


rule draw_precision_recall:
    """Draw precision and recall of long and short answers at every threshold."""
    input:
        curves=expand(
            "<results>/evaluation/{checkpoint}/curve.tsv",
            checkpoint=RUN.compared_checkpoints,
        ),
        scores=expand(
            "<results>/evaluation/{checkpoint}/scores.tsv",
            checkpoint=RUN.compared_checkpoints,
        ),
    output:
        report(
            "<results>/figures/precision_recall.svg",
            caption="../report/precision_recall.rst",
            category="Figures",
            labels={"figure": "precision recall"},
        ),
        "<results>/figures/precision_recall.pdf",
        "<results>/figures/precision_recall.png",
    log:
        "<logs>/draw_precision_recall.log",
    benchmark:
        "<benchmarks>/draw_precision_recall.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_precision_recall"),
        checkpoints=RUN.compared_checkpoints,
        compared=RUN.compared,
        appearance=RUN.appearance(RUN.compared),
    script:
        "../../scripts/draw_precision_recall.py"


rule draw_training:
    """Draw the loss of each training by its steps."""
    input:
        expand(
            "<results>/training/{checkpoint}.tsv", checkpoint=RUN.compared_checkpoints
        ),
    output:
        report(
            "<results>/figures/training_loss.svg",
            caption="../report/training_loss.rst",
            category="Figures",
            labels={"figure": "training loss"},
        ),
        "<results>/figures/training_loss.pdf",
        "<results>/figures/training_loss.png",
    log:
        "<logs>/draw_training.log",
    benchmark:
        "<benchmarks>/draw_training.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_training"),
        checkpoints=RUN.compared_checkpoints,
        compared=RUN.compared,
        appearance=RUN.appearance(RUN.compared),
    script:
        "../../scripts/draw_training.py"
