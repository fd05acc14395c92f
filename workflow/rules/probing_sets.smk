# In:  <results>/examples/probe.jsonl.gz, WordNet; files of pairs.
# Out: <results>/probing_sets/{task}.jsonl, the pairs; {task}.counts.tsv beside it; of files <results>/examples/{task}.jsonl.gz.


rule probing_sets:
    """All probing sets, and the table of their counts."""
    input:
        expand("<results>/probing_sets/{task}.jsonl", task=RUN.tasks),
        "<results>/tables/probing_sets.md",


rule prepare_wordnet:
    """Lay WordNet's files out as nltk reads them."""
    output:
        directory("<results>/wordnet"),
    log:
        "<logs>/prepare_wordnet.log",
    benchmark:
        "<benchmarks>/prepare_wordnet.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        code=code_of("prepare_wordnet"),
        source=lookup(dpath="wordnet", within=config),
    script:
        "../../scripts/prepare_wordnet.py"


rule build_probing_set:
    """Find a task's pair in each example that has one, and count why the others have none."""
    input:
        examples="<results>/examples/probe.jsonl.gz",
        wordnet=wordnet_of,
    output:
        pairs="<results>/probing_sets/{task}.jsonl",
        counts="<results>/probing_sets/{task}.counts.tsv",
    log:
        "<logs>/build_probing_set/{task}.log",
    benchmark:
        "<benchmarks>/build_probing_set/{task}.tsv"
    wildcard_constraints:
        task=any_of(registry.names()),
    conda:
        "../../envs/data.yaml"
    params:
        # The task's module is loaded by name: its own digest, not that of every task.
        code=lambda wildcards: code_of(
            "build_probing_set", f"probing_sets.tasks.{wildcards.task}"
        ),
        finder=lambda wildcards: RUN.finder_of(wildcards.task),
    script:
        "../../scripts/build_probing_set.py"


rule read_pair_file:
    """Read a task's file of pairs: its texts are examples, and its pairs the probing set."""
    input:
        lambda wildcards: local(RUN.pair_files[wildcards.task]),
    output:
        examples="<results>/examples/{task}.jsonl.gz",
        pairs="<results>/probing_sets/{task}.jsonl",
        counts="<results>/probing_sets/{task}.counts.tsv",
    log:
        "<logs>/read_pair_file/{task}.log",
    benchmark:
        "<benchmarks>/read_pair_file/{task}.tsv"
    wildcard_constraints:
        task=any_of(RUN.pair_files),
    conda:
        "../../envs/data.yaml"
    params:
        code=code_of("read_pair_file"),
    script:
        "../../scripts/read_pair_file.py"
