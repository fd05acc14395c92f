"""The names of the interventions, in the column ``intervention`` and for readers, and the columns of their table."""

# Layers up to one, or above one, from the checkpoint before; one layer alone from it; heads trained on one layer.
LOWER, UPPER, RESET, EARLY_EXIT = "lower_from_before", "upper_from_before", "reset", "early_exit"
# What readers are told of each. k: the layer; before: what the checkpoint before is called.
IN_WORDS = {
    LOWER: "Layers up to k from {before}",
    UPPER: "Layers above k from {before}",
    RESET: "Layer k alone from {before}",
    EARLY_EXIT: "New heads on layer k",
}
# A checkpoint as it is, with the heads that it answers with otherwise.
INTACT = "intact"
FUNCTIONAL_FIELDS = (
    "checkpoint", "before", "intervention", "layer", "metric", "questions", "seeds", "pages", "effective_pages", "value",
    "low", "high", "lost", "lost_low", "lost_high", "p", "p_adjusted",
)  # fmt: skip
