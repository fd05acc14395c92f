include: "workflow/Snakefile"  # An included file does not set what runs by default:


if workflow.modifier.namespace is None:  # no module of another workflow
    workflow.default_target = "all"
