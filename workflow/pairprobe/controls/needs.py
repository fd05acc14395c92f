"""What each control that ranks pairs reads, without what computes it: a workflow asks before it has any package."""

from typing import NamedTuple

# What tables call the measurement itself, beside its variants.
NONE = "none"


class Needs(NamedTuple):
    """What a control reads beside examples and pairs.

    vector: how the names of its views end (``_first``: of activations with the first subtoken's vector for a word's); empty
    where a word's vector is the mean of its subtokens'.

    statistics: whether it reads those of the layers; wordnet: whether it reads WordNet.
    """

    vector: str = ""
    statistics: bool = False
    wordnet: bool = False


NEEDS = {
    "random_pairs_by_position": Needs(),
    "random_pairs_by_frequency": Needs(),
    "without_mean": Needs(statistics=True),
    "without_dominant": Needs(statistics=True),
    "first_subtoken": Needs(vector="_first"),
    "last_subtoken": Needs(vector="_last"),
    "matched_unmatching": Needs(wordnet=True),
}
