# In:  <results>/rankings/{checkpoint}/{task}.tsv; <results>/probing_sets/{task}.jsonl and its examples, for the pages.
#      <results>/evaluation/gold.jsonl.gz and {checkpoint}/, functional/ and early_exits/{checkpoint}/, for what goes by answers.
# Out: <results>/tables/{intervals,differences,claims,right_and_wrong,trajectories,control_trainings,
#      functional}.tsv; <results>/references.bib.


rule evidence:
    """How sure the numbers are: intervals, tests, and verdicts on the paper's claims."""
    input:
        "<results>/tables/claims.md",
        "<results>/figures/differences.svg",
        "<results>/references.bib",
        "<results>/figures/controls.svg"
        if RUN.judges_controls and len(RUN.compared) > 1
        else [],
        expand("<results>/tables/{table}.tsv", table=RUN.weighed),


rule weigh_evidence:
    """Resample pages for intervals, swap checkpoints for tests, and judge the paper's claims."""
    input:
        rankings=expand(
            "<results>/rankings/{checkpoint}/{task}.tsv",
            checkpoint=RUN.checkpoints,
            task=RUN.tasks,
        ),
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        examples=[examples_of(task) for task in RUN.tasks],
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
        tasks=RUN.tasks,
        recipes=RUN.recipes,
        settings=WEIGHING,
    script:
        "../../scripts/weigh_evidence.py"


rule weigh_control_trainings:
    """Weigh what training to answer questions does to each layer against control trainings from the same checkpoint."""
    input:
        rankings=expand(
            "<results>/rankings/{checkpoint}/{task}.tsv",
            checkpoint=RUN.checkpoints_of(chain(*RUN.control_trainings)),
            task=RUN.tasks,
        ),
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        examples=[examples_of(task) for task in RUN.tasks],
    output:
        "<results>/tables/control_trainings.tsv",
    log:
        "<logs>/weigh_control_trainings.log",
    benchmark:
        "<benchmarks>/weigh_control_trainings.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("weigh_control_trainings"),
        rankings=list(
            product(RUN.checkpoints_of(chain(*RUN.control_trainings)), RUN.tasks)
        ),
        tasks=RUN.tasks,
        compared=RUN.control_trainings,
        recipes=RUN.recipes,
        settings=WEIGHING,
    script:
        "../../scripts/weigh_control_trainings.py"


rule weigh_right_and_wrong:
    """Ask whether pairs rank higher where their question is answered right, in a checkpoint and in what it was made of."""
    input:
        rankings=expand(
            "<results>/rankings/{checkpoint}/{task}.tsv",
            checkpoint=RUN.checkpoints,
            task=RUN.tasks,
        ),
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        examples=[examples_of(task) for task in RUN.tasks],
        asked="<results>/examples/probe.jsonl.gz",
        gold="<results>/evaluation/gold.jsonl.gz",
        answers=expand(
            "<results>/evaluation/{checkpoint}/answers.json",
            checkpoint=RUN.checkpoints_of(RUN.answering),
        ),
    output:
        "<results>/tables/right_and_wrong.tsv",
    log:
        "<logs>/weigh_right_and_wrong.log",
    benchmark:
        "<benchmarks>/weigh_right_and_wrong.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("weigh_right_and_wrong"),
        rankings=RUN.rankings,
        tasks=RUN.tasks,
        answering=RUN.answering,
        before={name: RUN.before_of(some[0]) for name, some in RUN.answering.items()},
        recipes=RUN.recipes,
        refuses=RUN.refuses,
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/weigh_right_and_wrong.py"


rule weigh_trajectories:
    """Compare each step of a training with the first, by task, measure and layer."""
    input:
        rankings=expand(
            "<results>/rankings/{checkpoint}/{task}.tsv",
            checkpoint=RUN.trajectories.ranked,
            task=RUN.tasks,
        ),
        sets=expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        examples=[examples_of(task) for task in RUN.tasks],
        kept=folders_of_steps(),
    output:
        "<results>/tables/trajectories.tsv",
    log:
        "<logs>/weigh_trajectories.log",
    benchmark:
        "<benchmarks>/weigh_trajectories.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("weigh_trajectories"),
        trajectories={
            name: (one.ranked, one.steps)
            for name, one in RUN.trajectories.series.items()
        },
        rankings=list(product(RUN.trajectories.ranked, RUN.tasks)),
        tasks=RUN.tasks,
        recipes=RUN.trajectories.recipes_of_points,
        seeds=RUN.trajectories.seeds,
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/weigh_trajectories.py"


# Which checkpoints answered, and the files of their answers.
ANSWERS = [
    (checkpoint, f"<results>/{folder}/{i}of{RUN.shards['predictions',]}.jsonl")
    for checkpoint, folder in RUN.folders_of_answers
    for i in range(1, RUN.shards["predictions",] + 1)
]


rule weigh_interventions:
    """Weigh what answers lose by each intervention, over pages and seeds."""
    input:
        answers=[path for _, path in ANSWERS],
        gold="<results>/evaluation/gold.jsonl.gz",
        documents="<results>/documents/probe.jsonl.gz",
    output:
        "<results>/tables/functional.tsv",
    log:
        "<logs>/weigh_interventions.log",
    benchmark:
        "<benchmarks>/weigh_interventions.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_of("weigh_interventions"),
        checkpoints=[checkpoint for checkpoint, _ in ANSWERS],
        units=[
            (name, several, RUN.before_of(several[0]), name in RUN.recipes)
            for name, several in RUN.intact.items()
        ],
        long_answers=RUN.has_long_answers,
        refuses=RUN.refuses,
        confidence=lookup(dpath="evidence/confidence", within=config),
    script:
        "../../scripts/weigh_interventions.py"


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
            "methods": [*RUN.controls, *RUN.functional, *RUN.weighed],
            "reads_wordnet": any(task.uses_wordnet for task in RUN.by_task.values()),
            "trains": RUN.trains,
        },
    script:
        "../../scripts/collect_references.py"
