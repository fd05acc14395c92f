"""All pair tasks at once, as the workflow's jobs do them one after the other: building their sets, and ranking these."""

from pathlib import Path

from pairprobe.data.examples import read_examples
from pairprobe.probing_sets import building, pairs, wordnet
from pairprobe.rankings import measuring, pair_ranking
from pairprobe.rankings.similarity_store import Similarities


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


def measure_all(sets: dict[str, Path], store: Path, folder: Path) -> Path:
    """Measure the pairs of all sets, as a job of the workflow does; returns the shard of similarities."""
    path = folder / "similarities.h5"
    path.unlink(missing_ok=True)  # else it would be reused
    rows = {task: pairs.read_probing_set(str(pairs_file)) for task, pairs_file in sets.items()}
    measuring.measure_similarities(str(store), rows, str(path))
    return path


def rank_all(examples: Path, sets: dict[str, Path], store: Path, folder: Path) -> dict[str, Path]:
    """Measure and rank all sets, as the workflow's jobs do one after the other; returns ``{task: ranking}``."""
    found = {task: folder / f"{task}.tsv" for task in sets}
    measured = measure_all(sets, store, folder)
    for task, path in sets.items():
        with Similarities([str(measured)]) as similarities:
            pair_ranking.rank_pairs(
                pairs.read_probing_set(str(path)),
                read_examples(str(examples)),
                similarities.pairs(task),
                str(found[task]),
            )
    return found
