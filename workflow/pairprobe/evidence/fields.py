"""The columns of the tables of evidence, and the words of their verdicts: what figures need without the statistics."""

SUPPORTED, CONTRADICTED, UNDECIDED, NO_GAP = "supported", "contradicted", "undecided", "no gap"
# What a verdict is about: a recipe, over its seeds, or two checkpoints as they are.
RECIPE, CHECKPOINTS = "recipe", "checkpoints"
# The values that have intervals, those whose differences are tested, and those on which claims are judged.
VALUES = ("percentage", "auc", "null_auc", "span_auc", "swapped_auc", "specific")
COMPARED, JUDGED = ("auc", "percentage", "specific"), ("auc", "specific")

INTERVAL_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "pages", *(f"{value}{end}" for value in VALUES for end in
    ("", "_low", "_high")), "seeds",
)  # fmt: skip
DIFFERENCE_FIELDS = (
    "value", "before", "after", "task", "measure", "layer", "pairs", "seeds", "pages", "effective_pages", "difference",
    "low", "high", "p", "p_adjusted",
)  # fmt: skip
CLAIM_FIELDS = (
    "before", "after", "claim", "task", "measure", "stated", "verdict", "value", "low", "high", "layer", "layers",
    "pairs", "pages", "pairs_needed", "on", "scope", "seeds", "effective_pages", "found",
)  # fmt: skip
VARIANT_FIELDS = ("variant", *CLAIM_FIELDS)
