"""The checkpoints of a recipe taken together, in tables with a row for each checkpoint."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from pairprobe.tables.layout import label_of

if TYPE_CHECKING:
    import pandas as pd

# {recipe: its checkpoints}
Recipes: TypeAlias = Mapping[str, Sequence[str]]
NO_RECIPES: Recipes = MappingProxyType({})
# Of captions.
SPREAD = "A number with ± is the mean over a recipe's seeds, with their standard deviation."


def label_with_seeds(name: str, labels: dict[str, str], recipes: Recipes, said: str = "") -> str:
    """Return the label of a recipe or checkpoint, in brackets behind it what is said, and that it is a mean of seeds."""
    seeds = len(recipes.get(name, ()))
    told = ", ".join(filter(None, [said, f"mean of {seeds} seeds" if seeds > 1 else "1 seed" if seeds else ""]))
    return label_of(name, labels) + (f" ({told})" if told else "")


def units(checkpoints: "pd.Series", recipes: Recipes) -> "pd.Series":
    """Return the recipe of each checkpoint, or the checkpoint itself."""
    return checkpoints.replace({one: name for name, several in recipes.items() for one in several})


def with_means(rows: "pd.DataFrame", recipes: Recipes, keys: Sequence[str]) -> "pd.DataFrame":
    """Return the rows, and below them each recipe's: the mean of its checkpoints' numbers, in rows that agree in ``keys``.

    rows: with a column checkpoint.
    """
    import pandas as pd

    means = [
        rows[rows["checkpoint"].isin(seeds)]
        .groupby(list(keys), sort=False, as_index=False)
        .mean(numeric_only=True)
        .assign(checkpoint=name)
        for name, seeds in recipes.items()
    ]
    return pd.concat([rows, *means], ignore_index=True)[rows.columns]


def means_and_deviations(
    rows: "pd.DataFrame", recipes: Recipes, keys: Sequence[str], numbers: Sequence[str]
) -> "pd.DataFrame":
    """Return a row for each recipe, each checkpoint outside recipes, and each of ``keys``, which are its index.

    numbers: columns of text. A cell is the number with two decimals, or the mean and standard deviation (n - 1) of several
    seeds. The column several says which these are.
    """
    of_unit = rows.assign(checkpoint=units(rows["checkpoint"], recipes)).groupby(["checkpoint", *keys], sort=False)

    def cell(found: "pd.Series") -> str:
        found = found.astype(float)
        return f"{found.mean():.2f}" + (f" ± {found.std():.2f}" if len(found) > 1 else "")

    return of_unit[list(numbers)].agg(cell).assign(several=of_unit.size() > 1)
