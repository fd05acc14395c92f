# In:  <results>/percentages.tsv, <results>/tables/intervals.tsv; <results>/training/{checkpoint}.tsv; <results>/evaluation/{checkpoint}/.
# Out: <results>/figures/{task}_{measure}.{svg,pdf,png}, <results>/figures/grid.{svg,pdf,png} and a grid for each of
#      figures.comparisons; figures/training_loss.*, figures/precision_recall.*.


rule figures:
    """The figures of the probe: the grid and every panel."""
    input:
        [f"<results>/figures/{comparison}.svg" for comparison in RUN.comparisons],
        [
            f"<results>/figures/{task}_{measure}.svg"
            for task in RUN.tasks
            for measure in RUN.measures_of(task)
        ],
        "<results>/figures/representations.svg"
        if "representations" in RUN.controls
        else [],


rule draw_grid:
    """Draw the paper's Figure 1 for some checkpoints: a column for each task, its two measures one above the other."""
    input:
        percentages="<results>/percentages.tsv",
        intervals="<results>/tables/intervals.tsv",
    output:
        report(
            "<results>/figures/{comparison}.svg",
            caption="../report/grid.rst",
            category="Figures",
            labels={"figure": "{comparison}"},
        ),
        "<results>/figures/{comparison}.pdf",
        "<results>/figures/{comparison}.png",
    log:
        "<logs>/draw_grid/{comparison}.log",
    benchmark:
        "<benchmarks>/draw_grid/{comparison}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_grid"),
        columns=lambda wildcards: [
            [
                panel_of(task, measure, RUN.comparisons[wildcards.comparison])
                for measure in RUN.measures_of(task)
            ]
            for task in RUN.tasks
        ],
        title=lookup(dpath="figures/title", within=config),
    script:
        "../../scripts/draw_grid.py"


rule draw_panel:
    """Draw one task and measure."""
    input:
        percentages="<results>/percentages.tsv",
        intervals="<results>/tables/intervals.tsv",
    output:
        report(
            "<results>/figures/{task}_{measure}.svg",
            caption="../report/panel.rst",
            category="Figures",
            labels={"figure": "{task}, {measure}"},
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


rule draw_training:
    """Draw the loss of each training by its steps."""
    input:
        expand("<results>/training/{checkpoint}.tsv", checkpoint=RUN.compared),
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
        checkpoints=RUN.compared,
        appearance={**RUN.appearance(RUN.compared), "among": RUN.checkpoints},
    script:
        "../../scripts/draw_training.py"


rule draw_precision_recall:
    """Draw precision and recall of long and short answers at every threshold."""
    input:
        curves=expand(
            "<results>/evaluation/{checkpoint}/curve.tsv", checkpoint=RUN.compared
        ),
        scores=expand(
            "<results>/evaluation/{checkpoint}/scores.tsv", checkpoint=RUN.compared
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
        checkpoints=RUN.compared,
        appearance={**RUN.appearance(RUN.compared), "among": RUN.checkpoints},
    script:
        "../../scripts/draw_precision_recall.py"
