"""The mean of a recipe's checkpoints, in tables with a row for each checkpoint."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def with_means(rows: "pd.DataFrame", recipes: Mapping[str, Sequence[str]], keys: Sequence[str]) -> "pd.DataFrame":
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
