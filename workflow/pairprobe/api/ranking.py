"""Ranking pairs by a model, with the functions and the files of the workflow."""

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pairprobe.activations.extraction import USUAL, Settings, extract
from pairprobe.api.models import Model, check_model
from pairprobe.api.rankings import ALIKE, Rankings, TaskFiles
from pairprobe.api.settings import filled
from pairprobe.api.task_pairs import Pairs, TaskPairs, check_task, resolved, task_of
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io.files import write_json_lines
from pairprobe.rankings.measuring import measure_similarities
from pairprobe.rankings.pair_ranking import rank_pairs
from pairprobe.rankings.percentages import read_ranking
from pairprobe.rankings.similarity_store import Similarities


@dataclass(frozen=True, slots=True)
class _How:
    """How pairs are ranked: how their activations are computed, and whether words without a letter or digit count."""

    activations: Settings
    punctuation: bool


def rank(
    pairs: Pairs | Mapping[str, Pairs],
    model: Model,
    examples: Iterable[Example] | None = None,
    punctuation: bool = False,
    **settings: Any,
) -> Rankings:
    """Rank pairs by a model, layer by layer: how many of the other words are less similar to the anchor than its match is.

    pairs: ``TextPair``s, or the path of a file of pairs; of several tasks ``{task: its pairs}``. examples: with those of a
    run, pairs may be rows of its probing sets, ``run.pairs(task)``. punctuation: whether words without a letter or digit
    count. settings: keys of the configuration's section ``activations`` that concern computing (``precision``,
    ``storage``, ``batch_size``, ``max_length``, ``special_tokens``, ...), with its defaults; so the percentages are those
    of a run of the workflow, to the last digit.

    The files are in the temporary folder, and go with what is returned. Uses a GPU where there is one. Raises InputError
    for pairs that cannot be used, where the model can rank none of a task, and for a setting that cannot be used.

    >>> pairs = [
    ...     TextPair("The soup was hot and the bread was cold.", anchor="hot", match="cold"),
    ...     TextPair("A tall man sat beside a short one.", anchor="tall", match="short"),
    ... ]
    >>> rankings = rank(pairs, model)
    >>> rankings
    <Rankings by tiny: 2 pairs in 3 layers>
    >>> rankings.percentages()[["task", "measure", "layer", "pairs"]].head(2)
        task measure  layer  pairs
    0  pairs  cosine      0      2
    1  pairs  cosine      1      2
    """
    check_model(model, "rank: model")
    chosen = Settings(**filled("activations", [field.name for field in fields(Settings)], settings, "rank"))
    by_task = pairs if isinstance(pairs, Mapping) else {task_of(pairs): pairs}
    if not by_task:
        raise InputError("rank: found no task, wanted {task: its pairs}.")
    for task in by_task:
        check_task(task)
    known = None if examples is None else list(examples)
    of_tasks = [resolved(task, of_task, known) for task, of_task in by_task.items()]
    folder, how = Path(tempfile.mkdtemp(prefix="pairprobe-")), _How(chosen, punctuation)
    made: dict[str, TaskFiles] = {}
    told = {"punctuation": punctuation, **{name: getattr(chosen, name) for name in ALIKE if hasattr(chosen, name)}}
    rankings = Rankings(model.name, made, told)
    weakref.finalize(rankings, shutil.rmtree, folder, ignore_errors=True)
    for number, of_task in enumerate(of_tasks):
        made[of_task.task], order = _rank(of_task, model, how, folder / str(number))
        told |= {"order": order} if order else {}
    return rankings


def _rank(pairs: TaskPairs, model: Model, how: _How, folder: Path) -> tuple[TaskFiles, str]:
    """Do what the jobs of the workflow do, one after the other.

    Returns the files, and the order that the model reads question and text in ("" where there are texts alone).
    """
    found = TaskFiles(folder / "ranking.tsv", folder / "pairs.jsonl", folder / "examples.jsonl.gz")
    activations, similarities = str(folder / "activations.h5"), str(folder / "similarities.h5")
    write_json_lines(found.examples, pairs.examples)
    write_json_lines(found.pairs, pairs.rows)
    view = "paragraph" if any(each.question for each in pairs.examples) else "text"
    extract(str(model.folder), str(found.examples), view, activations, how.activations, called=pairs.names())
    measure_similarities(activations, {pairs.task: pairs.rows}, pairs.examples, similarities, how.punctuation)
    Path(activations).unlink()
    with Similarities([similarities]) as measured:
        attributes = {**USUAL, **measured.attributes}
        rank_pairs(pairs.rows, pairs.examples, measured.pairs(pairs.task), str(found.ranking), how.punctuation)
        if not read_ranking(found.ranking).layers:
            raise InputError(
                f"rank: task {pairs.task!r}: {model.name} can rank none of the {len(pairs.rows)} pairs: "
                f"{len(measured.left_out)} of {len(pairs.examples)} examples are longer than {attributes['max_length']} "
                "subtokens, and of the others no anchor and match have vectors. Cut the texts, or raise max_length."
            )
    return found, str(attributes["order"]) if view == "paragraph" else ""
