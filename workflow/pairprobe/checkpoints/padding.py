"""Whether padding shows in a model's numbers, and the texts that this is tried on."""

import torch
from transformers import PreTrainedModel

from pairprobe.checkpoints import loading
from pairprobe.io.progress import log


def sample(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ids and the mask of two texts, the second of which is padded: (2, subtokens) each, on the model's device.

    They fit any model, also one of a tiny vocabulary, or of few positions.
    """
    size, subtokens = min(model.config.vocab_size, 20011), min(24, loading.longest(model))
    pad = loading.padding_id(model.config)
    ids = (torch.arange(2 * subtokens).reshape(2, subtokens) * 7919) % size
    ids[ids == pad] = (pad + 1) % size
    mask = torch.ones_like(ids)
    mask[1, max(1, subtokens * 5 // 8) :] = 0
    return ids.masked_fill(mask == 0, pad).to(model.device), mask.to(model.device)


def padding_shows(model: PreTrainedModel) -> bool:
    """Whether padding changes an encoder's numbers, mask or not: ConvBERT's convolutions reach into it, for one.

    The model must be in evaluation mode.
    """
    ids, mask = sample(model)
    seen = int(mask[1].sum())
    with torch.inference_mode():
        alone = model(input_ids=ids[1:, :seen], attention_mask=mask[1:, :seen])[0]
        padded = model(input_ids=ids, attention_mask=mask)[0][1:, :seen]
    # Rounding shows too, far less.
    tolerance = 1e-4 if model.dtype == torch.float32 else 0.05
    shows = bool((alone - padded).abs().max() > tolerance * alone.abs().max())
    if shows:
        log.info("padding changes the numbers of %s; a batch holds one length only", type(model).__name__)
    return shows
