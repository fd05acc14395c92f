"""Going on with pre-training on the same windows: subtokens are hidden, and the model says which they were.

As in BERT (Devlin et al., 2019): of 15 % of the subtokens, special ones left out, 80 % are replaced by the mask, 10 % by
any subtoken, and 10 % stay. In each epoch others are drawn, by a hash of seed, epoch and window.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerFast

from pairprobe.checkpoints import loading, padding
from pairprobe.data.sampling import hash_integer
from pairprobe.errors import InputError
from pairprobe.finetuning import lora
from pairprobe.finetuning.headed_model import IGNORED, Batch, HeadedModel, by_length, check_plain, encoder_gives, seed_all
from pairprobe.finetuning.objectives.question_answering import OfWindows
from pairprobe.finetuning.settings import MASKED_LANGUAGE_MODEL, Training

# The share of subtokens that are to be predicted, and of these the shares that are masked, and masked or replaced.
PREDICTED, MASKED, CHANGED = 0.15, 0.8, 0.9


class MaskedLanguageModel(OfWindows):
    """Masked language modelling with the checkpoint's own head, or a new one, tied to its embeddings."""

    def __init__(self, training: Training):
        super().__init__(training)
        self.tokenizer = loading.load_tokenizer(training.start)
        if self.tokenizer.mask_token_id is None:
            raise InputError(f"checkpoint {training.start}: its tokenizer has no mask. {_wanted()}")

    def check(self) -> None:
        """Raise InputError where there is no window."""
        if not len(self.examples):
            raise InputError(f"{', '.join(self.training.features[:3])}: there is no window to train on.")

    def model(self) -> HeadedModel:
        """Return the encoder with its head for masked subtokens."""
        return initial(self.training.start, self.training.settings.seed, self.training.settings.lora)

    def collate(self, items: Sequence[tuple[int, dict]]) -> Batch:
        """Make a batch of windows with hidden subtokens, and ``labels``, (batch, subtokens)."""
        drawn = [self.mask(window) for _, window in items]
        batch = self.collate_inputs([(ids, window["begin"]) for (ids, _), (_, window) in zip(drawn, items, strict=True)])
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for row, (_, of_one) in zip(labels, drawn, strict=True):
            row[: len(of_one)] = torch.from_numpy(of_one)
        return {**batch, "labels": labels}

    def mask(self, window: dict) -> tuple[np.ndarray, np.ndarray]:
        """Return what the model reads of a window in this epoch, and what it is to say: both (subtokens,)."""
        ids = window["input_ids"]
        key = self.training.settings.seed, "masked", self.epoch, window["example_id"], *ids.tolist()
        return masked(ids, self.tokenizer, np.random.default_rng(hash_integer(*key)))


def masked(
    ids: np.ndarray, tokenizer: PreTrainedTokenizerFast, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return subtokens of which some are hidden, and labels, IGNORED where there is nothing to say: both (subtokens,)."""
    chosen, how = generator.random((2, len(ids)))
    others = generator.integers(0, len(tokenizer), len(ids))
    predicted = (chosen < PREDICTED) & ~np.isin(ids, tokenizer.all_special_ids)
    hidden = np.where(how < MASKED, tokenizer.mask_token_id, np.where(how < CHANGED, others, ids))
    return np.where(predicted, hidden, ids), np.where(predicted, ids, IGNORED).astype(np.int64)


class MaskedModel(HeadedModel):
    """An encoder with a head that names masked subtokens; the model must come in evaluation mode."""

    def __init__(self, model: PreTrainedModel):
        super().__init__(model)
        self.by_length = padding.padding_shows(self.encoder)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> Batch:
        """Return the logits of all subtokens, (batch, subtokens, vocabulary); with labels the loss, and of these alone.

        All inputs are (batch, subtokens). The loss is the mean over what is to be predicted.
        """
        optional = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        inputs = {"input_ids": input_ids, **{name: values for name, values in optional.items() if values is not None}}
        if labels is None:
            return {"logits": self.model(**inputs).logits}
        parts, order = by_length(inputs) if self.by_length and attention_mask is not None else ([inputs], None)
        outputs, longest = [self.encoder(**part) for part in parts], input_ids.shape[1]
        padded = [nn.functional.pad(one[0], (0, 0, 0, longest - one[0].shape[1])) for one in outputs]
        states = padded[0] if order is None else torch.cat(padded)[order]
        # Most of the work would be the head's on subtokens that are not asked for.
        asked = labels != IGNORED
        with encoder_gives(self.encoder, type(outputs[0])(last_hidden_state=states[asked][None])):
            logits = self.model(input_ids=input_ids[asked][None]).logits[0].float()
        loss = nn.functional.cross_entropy(logits, labels[asked], reduction="sum") / asked.sum().clamp(min=1)
        return {"loss": loss, "logits": logits}

    def weight(self, batch: Batch) -> float:
        """Return how many subtokens are to be predicted in a part of a batch."""
        return int((batch["labels"] != IGNORED).sum())


def initial(folder: str, seed: int, adapter: lora.Lora | None = None) -> MaskedModel:
    """Load a checkpoint to go on with pre-training; what its head lacks is drawn with the seed.

    Raises InputError where it is a decoder, or of an architecture that transformers has no such head for.
    """
    config = loading.load_config(folder)
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise InputError(f"checkpoint {folder}: transformers has no head for masks for {config.model_type}. {_wanted()}")
    check_plain(folder)
    seed_all(seed)
    model = MaskedModel(loading.load_model(AutoModelForMaskedLM, folder, "float32")[0])
    if loading.is_causal(model.encoder):
        raise InputError(f"checkpoint {folder}: each subtoken sees only those before it. {_wanted()}")
    if adapter:
        lora.add(model.encoder, adapter, f"checkpoint {folder}")
    return model


def _wanted() -> str:
    return (
        f"The objective {MASKED_LANGUAGE_MODEL} is for encoders that are trained with masks; of a decoder take "
        "shuffled_answers or sequence_classification."
    )
