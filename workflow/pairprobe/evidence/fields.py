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
# The rank correlation of a pair's auc with its question's F1, beside the values of ``COMPARED``.
CORRELATION = "f1_correlation"
RIGHT_AND_WRONG_FIELDS = (
    "ranked_by", "answered_by", "task", "measure", "layer", "value", "pairs_right", "pairs_wrong", "pages",
    "effective_pages", "seeds", *(f"{group}{end}" for group in ("right", "wrong") for end in ("", "_low", "_high")),
    "difference", "low", "high", "p", "p_adjusted",
)  # fmt: skip
# What the differences of a trajectory's step from its first say, if anything.
HIGHER, LOWER = "higher", "lower"
TRAJECTORY_FIELDS = (
    "trajectory", "checkpoint", "seed", "step", "task", "measure", "layer", "pairs", "seeds", "pages", "percentage", "auc",
    "null_auc", "specific", "effective_pages", *(f"{value}_{name}" for value in COMPARED for name in
    ("difference", "low", "high", "p", "p_adjusted", "found")),
)  # fmt: skip
# What scores of answers are called.
EXACT_MATCH, F1, LONG_F1, SHORT_F1 = METRICS = ("exact_match", "f1", "long_f1", "short_f1")
TRAJECTORY_SCORE_FIELDS = (
    "trajectory", "checkpoint", "seed", "step", "metric", "questions", "seeds", "pages", "effective_pages", "value", "low",
    "high", "difference", "difference_low", "difference_high", "p", "p_adjusted",
)  # fmt: skip
# What training to answer questions does to a task's lower or upper layers, beside a control training.
MORE, NO_MORE, LESS = (
    "more than the control training",
    "no more than the control training",
    "less than the control training",
)
LOWER_LAYERS, UPPER_LAYERS = "lower", "upper"
CONTROL_TRAINING_FIELDS = (
    "value", "before", "after", "control", "task", "measure", "layer", "pairs", "seeds", "pages", "effective_pages",
    *(f"{name}{end}" for name in ("effect", "control_effect", "difference") for end in ("", "_low", "_high")),
    "p", "p_adjusted", "scope", "verdict",
)  # fmt: skip
