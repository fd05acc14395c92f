# In:  <results>/percentages.tsv; <results>/tables/{intervals,baselines,differences,control_claims,representations}.tsv,
#      {control_trainings,right_and_wrong,functional,trajectories,trajectory_scores,weight_distance,layer_cka}.tsv;
#      <results>/evaluation/{checkpoint}/; <results>/training/{checkpoint}.tsv.
# Out: <results>/figures/: {grid} (specific is one), {task}_{measure}, differences, controls, representations, precision_recall,
#      training_loss, control_trainings, right_and_wrong, functional, trajectories, weight_distance, layer_cka, overview, each as
#      svg, pdf and png.


rule figures:
    """The grids, every panel, and the figures of whether a model uses what the probe sees."""
    input:
        [f"<results>/figures/{grid}.svg" for grid in RUN.grids],
        [
            f"<results>/figures/{task}_{measure}.svg"
            for task in RUN.tasks
            for measure in RUN.measures_of(task)
        ],
        [
            f"<results>/figures/{control}.svg"
            for control in ("representations", "weight_distance", "layer_cka")
            if control in RUN.controls
        ],
        expand("<results>/figures/{figure}.svg", figure=RUN.weighed),
        "<results>/figures/overview.svg" if config["figures"]["overview"] else [],


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


rule draw_control_trainings:
    """Draw what each training does to the checkpoint that it starts from, over the layers."""
    input:
        "<results>/tables/control_trainings.tsv",
    output:
        report(
            "<results>/figures/control_trainings.svg",
            caption="../report/control_trainings.rst",
            category="Figures",
            labels={"figure": "control trainings"},
        ),
        "<results>/figures/control_trainings.pdf",
        "<results>/figures/control_trainings.png",
    log:
        "<logs>/draw_control_trainings.log",
    benchmark:
        "<benchmarks>/draw_control_trainings.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_control_trainings"),
        columns=RUN.columns_of_trainings,
        level=1 - config["evidence"]["confidence"],
    script:
        "../../scripts/draw_control_trainings.py"


rule draw_right_and_wrong:
    """Draw pairs of right and of wrong answers over the layers, and the correlation of a pair's rank with F1."""
    input:
        "<results>/tables/right_and_wrong.tsv",
    output:
        report(
            "<results>/figures/right_and_wrong.svg",
            caption="../report/right_and_wrong.rst",
            category="Figures",
            labels={"figure": "right and wrong"},
        ),
        "<results>/figures/right_and_wrong.pdf",
        "<results>/figures/right_and_wrong.png",
    log:
        "<logs>/draw_right_and_wrong.log",
    benchmark:
        "<benchmarks>/draw_right_and_wrong.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_right_and_wrong"),
        columns=RUN.columns_of_answers,
        level=1 - config["evidence"]["confidence"],
    script:
        "../../scripts/draw_right_and_wrong.py"


rule draw_functional:
    """Draw F1 with layers up to, above, and at each layer from the checkpoint before."""
    input:
        "<results>/tables/functional.tsv",
    output:
        report(
            "<results>/figures/functional.svg",
            caption="../report/functional.rst",
            category="Figures",
            labels={"figure": "functional"},
        ),
        "<results>/figures/functional.pdf",
        "<results>/figures/functional.png",
    log:
        "<logs>/draw_functional.log",
    benchmark:
        "<benchmarks>/draw_functional.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_functional"),
        compared=RUN.compared,
        appearance=RUN.appearance(RUN.checkpoints),
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/draw_functional.py"


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


rule draw_weight_distance:
    """Draw how far the weights of each layer moved, a line for each of what figures compare."""
    input:
        "<results>/tables/weight_distance.tsv",
    output:
        report(
            "<results>/figures/weight_distance.svg",
            caption="../report/weight_distance.rst",
            category="Figures",
            labels={"figure": "weight distance"},
        ),
        "<results>/figures/weight_distance.pdf",
        "<results>/figures/weight_distance.png",
    log:
        "<logs>/draw_weight_distance.log",
    benchmark:
        "<benchmarks>/draw_weight_distance.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_weight_distance"),
        compared=RUN.compared,
        appearance=RUN.appearance(RUN.compared),
    script:
        "../../scripts/draw_weight_distance.py"


rule draw_layer_cka:
    """Draw CKA between all pairs of layers, a matrix for each of what figures compare."""
    input:
        "<results>/tables/layer_cka.tsv",
    output:
        report(
            "<results>/figures/layer_cka.svg",
            caption="../report/layer_cka.rst",
            category="Figures",
            labels={"figure": "layer CKA"},
        ),
        "<results>/figures/layer_cka.pdf",
        "<results>/figures/layer_cka.png",
    log:
        "<logs>/draw_layer_cka.log",
    benchmark:
        "<benchmarks>/draw_layer_cka.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_layer_cka"),
        compared=RUN.compared,
        appearance=RUN.appearance(RUN.checkpoints),
    script:
        "../../scripts/draw_layer_cka.py"


rule draw_overview:
    """Draw one comparison on one page, by layer: percentages, specific, and what else the run has (figures.overview)."""
    input:
        **{
            control: f"<results>/tables/{control}.tsv"
            for control in ("weight_distance", "layer_cka", "representations")
            if control in RUN.controls
            and (control != "representations" or "layer_cka" not in RUN.controls)
        },
        percentages="<results>/percentages.tsv",
        intervals="<results>/tables/intervals.tsv",
        baselines="<results>/tables/baselines.tsv" if "boundary" in RUN.tasks else [],
        functional="<results>/tables/functional.tsv" if RUN.intervenes else [],
    output:
        report(
            "<results>/figures/overview.svg",
            caption="../report/overview.rst",
            category="Figures",
            labels={"figure": "overview"},
        ),
        "<results>/figures/overview.pdf",
        "<results>/figures/overview.png",
    log:
        "<logs>/draw_overview.log",
    benchmark:
        "<benchmarks>/draw_overview.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_overview"),
        rows=RUN.overview if config["figures"]["overview"] else [],
    script:
        "../../scripts/draw_overview.py"


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


rule draw_trajectories:
    """Draw the difference from the first step by layer and step, for each task, and the scores below."""
    input:
        table="<results>/tables/trajectories.tsv",
        scores="<results>/tables/trajectory_scores.tsv" if RUN.has_data else [],
    output:
        report(
            "<results>/figures/trajectories.svg",
            caption="../report/trajectories.rst",
            category="Figures",
            labels={"figure": "trajectories"},
        ),
        "<results>/figures/trajectories.pdf",
        "<results>/figures/trajectories.png",
    log:
        "<logs>/draw_trajectories.log",
    benchmark:
        "<benchmarks>/draw_trajectories.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("draw_trajectories"),
        measures={task: RUN.measures_of(task)[0] for task in RUN.tasks},
        names=list(RUN.trajectories.series),
        value=lookup(dpath="figures/value", within=config),
        labels=RUN.labels,
    script:
        "../../scripts/draw_trajectories.py"
