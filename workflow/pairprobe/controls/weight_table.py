"""The table of how far each layer's weights moved: recipes with their interval over seeds, and single checkpoints."""

from collections.abc import Mapping, Sequence

import numpy as np

from pairprobe.controls.units import units_among

DISTANCES = ("relative", "spectral")
# Why the two have no distance. Its row has no layer, and nothing else of what is a layer's.
NOT_COMPARED = "not_compared"
# Of one checkpoint and the one before it.
DISTANCE_FIELDS = ("before", "after", "layer", "parameters", *DISTANCES, NOT_COMPARED)
WEIGHT_FIELDS = (
    *DISTANCE_FIELDS[:4], "seeds", *(f"{value}{end}" for value in DISTANCES for end in ("", "_low", "_high")), NOT_COMPARED,
)  # fmt: skip


def summarise(rows: Sequence[Mapping[str, str]], recipes: Mapping[str, Sequence[str]], confidence: float) -> list[tuple]:
    """Return rows of ``WEIGHT_FIELDS``: of each recipe, with its interval over seeds, and of each checkpoint.

    rows: of ``DISTANCE_FIELDS``. The interval is Student's, of the mean, cut off at 0; "" where there is one seed. A recipe
    is not compared where one of its seeds is not.
    """
    of_one: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        of_one.setdefault(row["after"], []).append(row)
    table = []
    for name, several in units_among(of_one, recipes).items():
        if why := next((row for one in several for row in of_one[one] if row[NOT_COMPARED]), None):
            blank = ("",) * (len(WEIGHT_FIELDS) - 6)
            table.append((why["before"], name, "", "", len(several), *blank, why[NOT_COMPARED]))
            continue
        for of_layer in zip(*(of_one[one] for one in several), strict=True):
            numbers = [cell for value in DISTANCES for cell in _mean([float(row[value]) for row in of_layer], confidence)]
            first = of_layer[0]
            table.append((first["before"], name, first["layer"], first["parameters"], len(several), *numbers, ""))
    return table


def _mean(draws: Sequence[float], confidence: float) -> tuple[str, str, str]:
    mean, number = float(np.mean(draws)), len(draws)
    if number < 2:
        return f"{mean:.6g}", "", ""
    from scipy.special import stdtrit  # the script that measures has no scipy

    half = float(stdtrit(number - 1, (1 + confidence) / 2) * np.std(draws, ddof=1) / np.sqrt(number))
    return f"{mean:.6g}", f"{max(0.0, mean - half):.6g}", f"{mean + half:.6g}"
