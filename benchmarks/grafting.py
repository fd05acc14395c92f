"""Grafts and resets of all layers in one pass, beside as many full evaluations.

    .venv/bin/python benchmarks/grafting.py                     the demo's encoder
    .venv/bin/python benchmarks/grafting.py --rounds 1 --questions 8    a quick look

--questions is how many questions of the bundled pages are answered. A full evaluation answers them by one model, as
``predict_answers`` does; all k are L + 1 models a direction, and what both directions and resets have in common is counted
once: L + 1 + L - 1 + L of them. Models are loaded before. Times are the processor's. Where the answers without a graft are
not those of the full evaluation, the benchmark ends with an error. Nothing else should run.
"""

import copy
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

import extraction
import turns
from pairprobe.checkpoints import loading
from pairprobe.data import bundled_pages, natural_questions, pages
from pairprobe.errors import InputError
from pairprobe.evaluation import answering
from pairprobe.evaluation.answering import Answering, Settings
from pairprobe.finetuning import joint_model
from pairprobe.interventions.grafting import Grafts
from pairprobe.interventions.layers import LayeredModel
from pairprobe.io import files
from pairprobe.tables.layout import markdown

SETTINGS = Settings(max_length=128, stride=96, threads=1)
WAYS = {"all k, layers up to k and above k from before": ("graft",), "the same, and each layer reset": ("graft", "reset")}


def main() -> None:
    """Measure, and print the table."""
    options = turns.options(__doc__ or "", questions=24, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        asked = read_pages(Path(folder), options.questions)
        evaluation, grafts, depth = models(extraction.minilm(Path(folder)), asked)
        found = turns.in_turn({"one": evaluation, **grafts}, options.rounds)
    print(f"{depth} layers, {len(asked)} questions, {options.rounds} rounds.\n")
    rows = []
    for name, functional in WAYS.items():
        number = 2 * depth + ("reset" in functional) * depth
        ratio = turns.ratios(found[name], [number * seconds for seconds in found["one"]])
        rows.append((name, str(number), turns.spread(found[name], 1), turns.spread(ratio)))
    print(markdown(("one pass", "different models", "processor seconds", "of as many full evaluations"), rows))


def read_pages(folder: Path, number: int) -> list[pages.Page]:
    """Return so many bundled pages with their questions."""
    path = folder / "pages.jsonl.gz"
    files.write_json_lines(path, bundled_pages.render(turns.PAGES.glob("*.yaml")))
    documents = (one for _, one in natural_questions.read(path) if not isinstance(one, InputError))
    return [pages.page_of(one) for one, _ in zip(documents, range(number), strict=False)]


def models(folder: Path, asked: Sequence[pages.Page]) -> tuple[Callable[[], float], dict[str, Callable[[], float]], int]:
    """Return what measures a full evaluation, and each of ``WAYS``, and the number of layers."""
    model, _ = joint_model.initial(folder, 13)
    heads, tokenizer = copy.deepcopy(model.head_state()), loading.load_tokenizer(folder)
    plain, after, before = (answering.load(str(folder), heads, SETTINGS, "cpu") for _ in range(3))
    layered = LayeredModel(after, "after"), LayeredModel(before, "before")

    def answers(logits: Callable[[dict[str, torch.Tensor]], Iterable[dict[str, torch.Tensor]]], variants: int) -> list[str]:
        found = Answering(logits, True, tokenizer, SETTINGS, "cpu", "benchmark", variants)
        return [str(several[0]) for several in found(asked)]

    def full() -> list[str]:
        return answers(lambda inputs: [plain(**inputs)], 1)

    def grafted(functional: Sequence[str]) -> Callable[[], list[str]]:
        grafts = Grafts(*layered, functional)
        return lambda: answers(grafts, len(grafts.variants))

    wanted, ways = full(), {name: grafted(functional) for name, functional in WAYS.items()}
    for name, way in ways.items():
        if way() != wanted:
            raise SystemExit(f"{name}: without a graft the answers are not those of the full evaluation")
    return (
        lambda: turns.processor_seconds(full),
        {name: lambda way=way: turns.processor_seconds(way) for name, way in ways.items()},
        layered[0].depth,
    )


if __name__ == "__main__":
    main()
