"""The columns of the tables of evidence, and the words of their verdicts: what figures need without the statistics."""

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"

INTERVAL_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "pages", "percentage", "percentage_low", "percentage_high", "auc",
    "auc_low", "auc_high",
)  # fmt: skip
DIFFERENCE_FIELDS = (
    "before", "after", "task", "measure", "layer", "pairs", "pages", "difference", "low", "high", "p", "p_holm",
)  # fmt: skip
CLAIM_FIELDS = (
    "before", "after", "claim", "task", "measure", "stated", "verdict", "value", "low", "high", "layer", "layers",
    "pairs", "pages", "pairs_needed",
)  # fmt: skip
VARIANT_FIELDS = ("variant", *CLAIM_FIELDS)
