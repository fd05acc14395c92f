"""Answers from each layer of a checkpoint, by heads that were trained on it: how early could one stop?

One pass of the encoder answers from all layers.
"""

from collections.abc import Iterator

import torch

from pairprobe.checkpoints import devices, loading
from pairprobe.evaluation import answering
from pairprobe.evaluation.answering import Answering, Request
from pairprobe.finetuning import early_exits
from pairprobe.interventions.names import EARLY_EXIT
from pairprobe.io.digests import file_digest, folder_digest


def answer(checkpoint: str, heads: str, request: Request) -> None:
    """Answer the questions of a request from each layer of a checkpoint, layer 0 the embeddings.

    heads: a file of ``training.train_early_exits``. The rows of ``request.path`` are predictions with their ``layer``; they
    are reused as those of ``answering.predict``, and the same errors are raised.
    """
    device = devices.claim()
    settings = answering.resolved(request.settings, device)
    model = early_exits.load(checkpoint, settings.precision, heads)
    answering.prepare(model, checkpoint, settings, device)
    layers = len(model.exits)

    def by_layer(inputs: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
        logits = model(**inputs)
        return ({name: values[:, layer] for name, values in logits.items()} for layer in range(layers))

    found = Answering(
        by_layer,
        model.has_answer_types,
        loading.load_tokenizer(checkpoint),
        settings,
        device,
        f"checkpoint {checkpoint}",
        layers,
    )
    depends_on = {"checkpoint": folder_digest(checkpoint), "early_exits": file_digest(heads)}
    variants = [{"intervention": EARLY_EXIT, "layer": layer} for layer in range(layers)]
    answering.answer_pages(found, request, depends_on, variants)
