# pairprobe: what fine-tuning did to a language model, layer by layer.
# Run it with: snakemake --cores all [--configfile config/YOURS.yaml] [TARGET]
from snakemake.utils import min_version

min_version("9.0")

# Another configuration replaces the default; the two are never mixed.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/common.smk"


pathvars:
    results=RESULTS,
    logs=f"{RESULTS}/logs",
    benchmarks=f"{RESULTS}/benchmarks",


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/checkpoints.smk"
include: "workflow/rules/finetuning.smk"
include: "workflow/rules/probing_sets.smk"
include: "workflow/rules/activations.smk"
include: "workflow/rules/rankings.smk"
include: "workflow/rules/boundary.smk"
include: "workflow/rules/controls.smk"
include: "workflow/rules/representations.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"


rule all:
    """Everything: figures and tables, what they stand on, and what made them."""
    default_target: True
    input:
        rules.record_provenance.input,
        rules.record_provenance.output,
    localrule: True
