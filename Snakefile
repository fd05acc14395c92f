# The front door: the workflow is workflow/Snakefile. An included file does not set what runs by default, so this one does.
include: "workflow/Snakefile"


if not workflow.modifier.is_module:
    workflow.default_target = "all"
