"""Answers of a fine-tuned model some of whose layers are those of the checkpoint that it was made of.

Bansal, Nakkiran and Barak (2021) call it stitching where a layer is trained between the two; here nothing is trained. What
several interventions have in common is computed once: every graft begins at the layer above its border, with the states
that the other model's layer below it returns.

The embeddings go with layer 1 in grafts, and are layer 0 where single layers are reset; the norm behind the last layer
goes with that. What layers share, such as tables of relative positions, each reads in the checkpoint that it comes from.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from pairprobe.checkpoints import devices, loading
from pairprobe.errors import InputError
from pairprobe.evaluation import answering
from pairprobe.evaluation.answering import Answering, Request
from pairprobe.finetuning.answer_heads import are_random
from pairprobe.interventions.layers import LayeredModel, Logits
from pairprobe.interventions.names import LOWER, RESET, UPPER
from pairprobe.io.digests import file_digest, folder_digest

# What each value of the configuration's key functional computes.
INTERVENTIONS = {"graft": (LOWER, UPPER), "reset": (RESET,)}


class Pair(NamedTuple):
    """The folders of a fine-tuned checkpoint and of the one that it was made of; heads: a file, or None for its own."""

    after: str
    heads: str | None
    before: str


class Grafts:
    """Two models that answer with the same heads, in all interventions at once.

    after, before: models of one architecture, with the same heads. functional: of ``INTERVENTIONS``. ``variants`` says what
    is computed, in the order of what a call returns.
    """

    def __init__(self, after: LayeredModel, before: LayeredModel, functional: Sequence[str]):
        self.after, self.before, self.functional = after, before, functional
        layers = range(after.depth + 1)
        names = [name for one in INTERVENTIONS if one in functional for name in INTERVENTIONS[one]]
        self.variants = [(name, layer) for name in names for layer in layers]

    def __call__(self, inputs: dict[str, torch.Tensor]) -> list[Logits]:
        """Return the logits of each of the variants; inputs: of a batch, as ``JointModel.forward`` takes them."""
        depth, grafts, resets = self.after.depth, "graft" in self.functional, "reset" in self.functional
        intact, ours = self.after.whole(inputs)
        other, theirs = self.before.whole(inputs)
        found = {(LOWER, 0): intact, (LOWER, depth): other, (UPPER, 0): other, (UPPER, depth): intact}
        for layer in range(1, depth) if grafts else ():
            found[LOWER, layer], _ = self.after.from_layer(layer, theirs, inputs, ours)
        if resets:
            found[RESET, 0], _ = self.after.from_layer(0, theirs, inputs, ours)
        for layer in range(1 if resets else 2, depth + 1):
            # Of before from this layer on, on what is of after below it.
            last = None if (grafts and layer > 1) or layer == depth else layer - 1
            logits, trace = self.before.from_layer(layer - 1, ours, inputs, theirs, last)
            if layer > 1:
                found[UPPER, layer - 1] = logits
            if resets and layer < depth:
                logits, _ = self.after.from_layer(layer, trace, inputs, ours)
            found[RESET, layer] = logits
        return [found[variant] for variant in self.variants]


def answer(pair: Pair, functional: Sequence[str], request: Request) -> None:
    """Answer the questions of a request, with a prediction for each question, intervention and layer.

    functional: of ``INTERVENTIONS``. Otherwise as ``answering.predict``: lower_from_before with no layer is what that
    writes of ``pair.after``. Raises InputError where layers of the two cannot be put together, or heads are random, too.
    """
    if are_random(pair.heads):
        raise InputError(
            f"checkpoint {pair.after}: it has no heads to answer questions with, and there are no pages to train any on. "
            "So its heads are drawn at random, and what grafts and resets cost it would mean nothing. Give the partition "
            "finetune a share and files (partitions.finetune), take a checkpoint that has such heads, or remove graft and "
            "reset from functional."
        )
    device = devices.claim()
    settings = answering.resolved(request.settings, device)
    after = answering.load(pair.after, pair.heads, settings, device)
    tokenizer = loading.load_tokenizer(pair.after)
    _check_alike(pair, tokenizer)
    before = answering.load(pair.before, after.head_state(), settings, device)
    # Both make the same passes, though padding may show in the numbers of one of them alone.
    after.by_length = before.by_length = after.by_length or before.by_length
    names = [f"checkpoint {folder}" for folder in (pair.after, pair.before)]
    grafts = Grafts(LayeredModel(after, names[0]), LayeredModel(before, names[1]), functional)
    depends_on = {
        "checkpoint": folder_digest(pair.after),
        "heads": pair.heads and file_digest(pair.heads),
        "before": folder_digest(pair.before),
        "functional": list(functional),
    }
    found = Answering(grafts, after.has_answer_types, tokenizer, settings, device, names[0], len(grafts.variants))
    variants = [{"intervention": name, "layer": layer} for name, layer in grafts.variants]
    answering.answer_pages(found, request, depends_on, variants)


def _check_alike(pair: Pair, tokenizer: PreTrainedTokenizerFast) -> None:
    """Raise InputError where two checkpoints are not of one architecture, depth, width and vocabulary."""
    described = [
        {
            "architecture": config.model_type,
            "number of layers": config.num_hidden_layers,
            "width": config.hidden_size,
        }
        for config in (loading.load_config(folder).get_text_config() for folder in (pair.after, pair.before))
    ]
    for what, found in described[0].items():
        if found != described[1][what]:
            raise InputError(
                f"checkpoint {pair.after}: its {what} is {found}, and that of {pair.before} is {described[1][what]}, so "
                "their layers cannot be put together. Remove graft and reset from functional, or compare checkpoints of "
                "which one was made of the other."
            )
    if tokenizer.get_vocab() != loading.load_tokenizer(pair.before).get_vocab():
        raise InputError(
            f"checkpoint {pair.after}: its tokenizer has another vocabulary than that of {pair.before}, so the embeddings "
            "of one read the other's ids as other words. Remove graft and reset from functional."
        )
