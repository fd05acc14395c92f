"""Which rows a table of checkpoints has: the recipes, and each checkpoint by itself."""

from collections.abc import Collection, Mapping, Sequence


def units_among(checkpoints: Collection[str], recipes: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the recipes that have some of these checkpoints, with those, and then each checkpoint with itself."""
    of_recipes = {name: [one for one in several if one in checkpoints] for name, several in recipes.items()}
    return {name: some for name, some in of_recipes.items() if some} | {name: [name] for name in checkpoints}
