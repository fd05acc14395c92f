"""All pair tasks at once, as the workflow's jobs do them one after the other: building their sets, and ranking these."""

from pathlib import Path

from pairprobe.activations.store import Activations
from pairprobe.data.examples import read_examples
from pairprobe.probing_sets import building, pairs, wordnet
from pairprobe.rankings import pair_ranking


def pair_tasks() -> list[str]:
    """Return the tasks whose pairs are ranked by similarity."""
    return [name for name in building.names() if building.load(name).VIEW == "paragraph"]


def build_sets(examples: Path, folder: Path) -> dict[str, Path]:
    """Build the probing set of each pair task from a file of examples; returns ``{task: path}``."""
    root = folder / "wordnet"
    if not root.is_dir():
        wordnet.install("package", str(root))
    found = {task: folder / f"{task}.jsonl" for task in pair_tasks()}
    for task, path in found.items():
        building.build(task, read_examples(str(examples)), str(path), wordnet.load(str(root)))
    return found


def rank_all(examples: Path, sets: dict[str, Path], store: Path, folder: Path) -> dict[str, Path]:
    """Rank all sets, as the workflow's jobs do one after the other; returns ``{task: path}`` of the rankings."""
    found = {task: folder / f"{task}.tsv" for task in sets}
    for task, path in sets.items():
        with Activations([str(store)]) as activations:
            pair_ranking.rank_pairs(
                pairs.read_probing_set(str(path)), read_examples(str(examples)), activations, str(found[task])
            )
    return found
