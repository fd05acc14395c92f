"""What each control that ranks pairs reads, without what computes it: a workflow asks before it has any package."""

from typing import NamedTuple

# What tables call the measurement itself, beside its variants.
NONE = "none"


class Needs(NamedTuple):
    """view: of the activations; statistics: whether it reads those of the layers; wordnet: whether it reads WordNet."""

    view: str = "paragraph"
    statistics: bool = False
    wordnet: bool = False


NEEDS = {
    "random_pairs_by_position": Needs(),
    "random_pairs_by_frequency": Needs(),
    "without_mean": Needs(statistics=True),
    "without_dominant": Needs(statistics=True),
    "first_subtoken": Needs(view="paragraph_first"),
    "last_subtoken": Needs(view="paragraph_last"),
    "matched_unmatching": Needs(wordnet=True),
}
