"""What a model reads first, what its words see and its final norm, said where that is not as in BERT."""

from collections.abc import Iterable

from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of
from pairprobe.tables.recipes import Recipes, units

# By whether a model is causal.
_SEES = {"yes": "each word sees only what stands before it", "no": "each word sees all others"}
_FIRST = {"question_first": "the question first", "paragraph_first": "the paragraph first"}
# By the setting final_norm; a model without such a norm has none.
_NORMS = {
    "as_given": "the last layer is taken behind the model's final norm, all others are before it",
    "raw": "the last layer is taken before the model's final norm, as all others are (final_norm: raw)",
    "normed": "every layer is taken through the model's final norm (final_norm: normed)",
}


def reading_told(path: str, labels: dict[str, str], recipes: Recipes) -> str:
    """Say of the checkpoints of a run how they read, for a caption; nothing where all read the question first and see all.

    path: ``tables/activations.tsv``. labels: what tables call a recipe or checkpoint. recipes: ``{recipe: checkpoints}``.
    """
    groups = _grouped(path, ["causal", "order", "reads"], labels, recipes)
    if all(causal == "no" and order != "paragraph_first" for causal, order, _ in groups):
        return ""
    return " ".join(_sentence(names, *read) for read, names in groups.items())


def causal_told(path: str, labels: dict[str, str], recipes: Recipes) -> list[str]:
    """Say of each recipe or checkpoint whose words see only those before them how it reads, in a line; as above."""
    groups = _grouped(path, ["causal", "order", "reads"], labels, recipes)
    return [_sentence([name], *read) for read, names in groups.items() for name in names if read[0] == "yes"]


def norm_told(path: str, labels: dict[str, str], recipes: Recipes) -> str:
    """Say which layers are behind a model's final norm; nothing where no model has one; as above."""
    groups = _grouped(path, ["final_norm"], labels, recipes)
    return " ".join(f"In {_listed(names)} {_NORMS[norm]}." for (norm,), names in groups.items() if norm in _NORMS)


def _grouped(path: str, fields: list[str], labels: dict[str, str], recipes: Recipes) -> dict[tuple[str, ...], list[str]]:
    """Return what recipes and checkpoints are called, by these columns: of a view with an order where there is one."""
    frame = read_frame(path, ["checkpoint", "view", "causal", "order", *fields], exactly=False)
    # Of a text that is read alone there is no order.
    frame["order"] = frame["order"].where(frame["view"] != "text", "")
    frame = frame.sort_values("order", ascending=False, kind="stable")
    frame["checkpoint"] = units(frame["checkpoint"], recipes)
    read = {unit: tuple(rows.iloc[0][fields]) for unit, rows in frame.groupby("checkpoint", sort=False)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for unit in dict.fromkeys(frame.sort_index()["checkpoint"]):
        groups.setdefault(read[unit], []).append(label_of(unit, labels))
    return groups


def _sentence(names: list[str], causal: str, order: str, reads: str) -> str:
    listed, told = _listed(names), f" ({reads})" if reads else ""
    verb = "reads" if len(names) == 1 else "read"
    if not order:
        return f"In {listed}{told} {_SEES[causal]}."
    return f"{listed} {verb} {_FIRST[order]}{told}, and {_SEES[causal]}."


def _listed(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last
