"""The joint model of Alberti et al. (2019) over any encoder: where an answer starts and ends, and of which type it is.

Start and end come from the architecture's own question-answering head, or, where transformers has none, from a linear
layer on the last hidden states; the answer type from a linear layer on that of the first subtoken, or, where each subtoken
sees only those before it, of the last. The loss is the mean of the three cross entropies.
"""

import contextlib
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import nn
from transformers import (
    MODEL_MAPPING,
    AutoModel,
    AutoModelForQuestionAnswering,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import BaseModelOutput, QuestionAnsweringModelOutput
from transformers.utils.generic import ModelOutput

from pairprobe.checkpoints import cpu_kernels, loading, padding
from pairprobe.checkpoints.heads import TYPES, answer_heads, heads_for_labels, prefixes
from pairprobe.errors import InputError
from pairprobe.finetuning.headed_model import HeadedModel, by_length, check_plain, encoder_gives, seed_all
from pairprobe.finetuning.lora import ANSWERING, Lora
from pairprobe.finetuning.lora import add as add_lora
from pairprobe.finetuning.windows import ANSWER_TYPES
from pairprobe.io import files


class JointModel(HeadedModel):
    """An encoder with its heads.

    model: a question-answering model of transformers, with a linear layer ``answer_type`` or without. frozen: see
    ``HeadedModel``. by_length: whether texts of different length go through it one length after the other, without padding,
    since that would change its numbers. causal: whether each subtoken sees only those before it. encoded_as: the class of
    what the encoder returns, for ``forward(encoded=...)``.
    """

    task = ANSWERING

    def __init__(self, model: PreTrainedModel, frozen: bool = False, by_length: bool = False, causal: bool = False):
        super().__init__(model, frozen)
        self.by_length, self.causal = by_length, causal
        self.encoded_as: type[ModelOutput] = BaseModelOutput

    @property
    def has_answer_types(self) -> bool:
        """Whether it has a head for answer types, and so was trained here."""
        return hasattr(self.model, TYPES)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        start: torch.Tensor | None = None,
        end: torch.Tensor | None = None,
        answer_type: torch.Tensor | None = None,
        encoded: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the logits start and end, (batch, subtokens), and answer_type, (batch, types), where there is that head.

        input_ids, attention_mask, token_type_ids: (batch, subtokens); without a mask nothing is padding. With the targets
        start, end and answer_type, each (batch,), also the loss. encoded: what ``FrozenFeatures.batch`` gives for these
        inputs, in place of a pass.
        """
        optional = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        inputs = {"input_ids": input_ids, **{name: values for name, values in optional.items() if values is not None}}
        in_turn = self.by_length and attention_mask is not None and not encoded
        with encoder_gives(self.encoder, self._given(encoded)) if encoded else contextlib.nullcontext():
            logits = self._logits_by_length(inputs) if in_turn else self._logits(inputs)
        if attention_mask is not None:
            # No subtoken of padding is an answer.
            for name in ("start", "end"):
                hidden = (attention_mask == 0).view(len(input_ids), *[1] * (logits[name].ndim - 2), -1)
                logits[name] = logits[name].masked_fill(hidden, -1e9)
        given = {"start": start, "end": end, "answer_type": answer_type}
        targets = {name: target for name, target in given.items() if target is not None}
        if not targets:
            return logits
        return {"loss": self._loss(logits, targets), **logits}

    def _loss(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([nn.functional.cross_entropy(logits[name], targets[name]) for name in logits]).mean()

    def _given(self, encoded: tuple[torch.Tensor, torch.Tensor]) -> ModelOutput:
        last, first = encoded
        # That of the one subtoken which is looked at.
        return self.encoded_as(last_hidden_state=last, hidden_states=(first[:, None].expand(-1, last.shape[1], -1),))

    def _logits(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        outputs = self.model(**inputs, output_hidden_states=self.has_answer_types)
        logits = {"start": outputs.start_logits.float(), "end": outputs.end_logits.float()}
        if self.has_answer_types:
            read = self._read_all(outputs.hidden_states[-1], inputs.get("attention_mask"))
            logits["answer_type"] = self.model.get_submodule(TYPES)(read).float()
        return logits

    def _read_all(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the state of the subtoken that has read the whole window: (batch, hidden)."""
        if not self.causal:
            return states[:, 0]
        last = mask.sum(1) - 1 if mask is not None else states.shape[1] - 1
        return states[torch.arange(len(states), device=states.device), last]

    def _logits_by_length(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Compute the texts of each length by themselves; the logits of padding are 0."""
        given, order = by_length(inputs)
        longest, parts = inputs["attention_mask"].shape[1], [self._logits(each) for each in given]
        for part in parts:
            for name in ("start", "end"):
                part[name] = nn.functional.pad(part[name], (0, longest - part[name].shape[-1]))
        return {name: torch.cat([part[name] for part in parts])[order] for name in parts[0]}

    def saved_state(self) -> dict[str, torch.Tensor]:
        """Return all weights by the names that ``AutoModel`` and ``AutoModelForQuestionAnswering`` both read.

        Where the two call the encoder otherwise (Llama: "model.", "transformer."), its weights have no prefix.
        """
        encoder, answering = prefixes(self.model.config)
        prefix = encoder if answering not in (None, encoder) else ""
        return {key.removeprefix(prefix): value for key, value in self.model.state_dict().items()}

    def compute_frozen(self, precision: str, device: str) -> None:
        """Let a frozen encoder compute as when questions are answered: in this precision, by the fast kernels.

        The heads stay in float32. ``state_dict`` is then no longer that of the checkpoint: the encoder's weights have the
        other type, or are missing.
        """
        encoder, dtype = self.encoder.eval().to(device), getattr(torch, precision)
        for parameter in encoder.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)  # and no buffer, some of which are never but in float32
        cpu_kernels.speed_up(encoder, device)
        forward = encoder.forward

        def without_gradients(*args: Any, **kwargs: Any) -> Any:
            # Not inference_mode: the heads save their inputs for the gradient. Not autocast: it does not know the kernels.
            with torch.no_grad(), torch.autocast(device, enabled=False):
                return forward(*args, **kwargs)

        encoder.forward = without_gradients


def load(
    folder: str | Path, precision: str = "float32", heads: str | Mapping[str, torch.Tensor] | None = None
) -> JointModel:
    """Load a checkpoint with its own heads, or with others: those of a file, or of another model's ``head_state``.

    Raises InputError where transformers has no question-answering model for the checkpoint's architecture, where weights of
    the encoder are missing, where the checkpoint has no head and no file is given, and where the file does not fit it.
    """
    model, lacks = _load_model(folder, precision, new_heads=bool(heads))
    name = heads if isinstance(heads, str) else str(folder)
    state = read_heads(heads) if isinstance(heads, str) else dict(heads) if heads else own_types(folder)
    if lacks and not heads:
        raise InputError(
            f"checkpoint {folder}: it has no head that answers questions ({lacks[0]}, ...), and none was given."
        )
    if f"{TYPES}.weight" in state:
        _add_type_head(model)
    load_state(model, state, name)
    joint = _joined(model)
    if heads:
        check_complete(joint, state, name)
    return joint


def initial(
    folder: str | Path, seed: int, frozen: bool = False, lora: Lora | None = None, new_heads: bool = False
) -> tuple[JointModel, bool]:
    """Load a checkpoint to be trained; heads that it lacks are drawn with the seed, and the matrices of LoRA.

    new_heads: whether heads of its own are left out, whatever they are for; those for labels always are.
    Returns the model and whether the checkpoint has a question-answering head of its own. Raises InputError where its
    weights are to be trained beside an adapter that is not merged.
    """
    if not frozen:
        check_plain(folder)
    seed_all(seed)
    model, lacks = _load_model(folder, "float32", new_heads)
    _add_type_head(model)
    load_state(model, {} if new_heads else own_types(folder), str(folder))
    joint = _joined(model, frozen)
    if lora and not frozen:
        add_lora(joint.encoder, lora, f"checkpoint {folder}")
    return joint, not lacks


def _load_model(folder: str | Path, precision: str, new_heads: bool) -> tuple[PreTrainedModel, list[str]]:
    """Load a checkpoint and its head for start and end, whatever number of labels its config has for another head."""
    left_out = (answer_heads if new_heads else heads_for_labels)(loading.load_config(folder))
    return loading.load_model(_class_of(folder), folder, precision, left_out, num_labels=2)


def _class_of(folder: str | Path) -> Any:
    """Return transformers' class of models that answer questions, or one like it, where it has none.

    Those of Llama and others name their encoder otherwise than all files of weights do, so they are none.
    """
    config = loading.load_config(folder)
    loading.check_architecture(AutoModel, config, folder)
    found: Any = MODEL_MAPPING[type(config)]
    encoder = found[0] if isinstance(found, (list, tuple)) else found
    named, answering = prefixes(config)
    if named == answering:
        return AutoModelForQuestionAnswering
    kind: Any = type(config)
    return _with_head(encoder, kind)


@functools.cache
def _with_head(encoder: Any, kind: Any) -> Any:
    """Return a class of models with a linear layer for start and end on an architecture's encoder."""
    parent = next(one for one in encoder.__mro__[1:] if issubclass(one, PreTrainedModel))

    class WithHead(parent):  # type: ignore[misc, valid-type]
        base_model_prefix, config_class = encoder.base_model_prefix, kind
        _model_mapping: ClassVar = {kind: encoder}

        def __init__(self, config: Any):
            super().__init__(config)
            setattr(self, self.base_model_prefix, AutoModel.from_config(config))
            self.qa_outputs = nn.Linear(config.hidden_size, 2)
            self.post_init()

        def forward(self, **inputs: Any) -> QuestionAnsweringModelOutput:
            outputs = self.base_model(**inputs)
            start, end = self.qa_outputs(outputs[0]).unbind(-1)
            states = getattr(outputs, "hidden_states", None)
            return QuestionAnsweringModelOutput(start_logits=start, end_logits=end, hidden_states=states)

    WithHead.__name__ = f"{encoder.__name__.removesuffix('Model')}ForQuestionAnswering"
    return WithHead


def _joined(model: PreTrainedModel, frozen: bool = False) -> JointModel:
    encoder = cast(PreTrainedModel, model.base_model)
    return JointModel(model, frozen, padding.padding_shows(encoder), loading.is_causal(encoder))


def _add_type_head(model: PreTrainedModel) -> None:
    layer = nn.Linear(model.config.hidden_size, len(ANSWER_TYPES))
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    model.add_module(TYPES, layer.to(model.dtype))


def own_types(folder: str | Path) -> dict[str, torch.Tensor]:
    """Return the weights of the head for answer types, which only a checkpoint that was trained here has."""
    found: dict[str, torch.Tensor] = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            found |= {key: tensors.get_tensor(key) for key in tensors.keys() if key.startswith(f"{TYPES}.")}  # noqa: SIM118
    return found


def load_state(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Load some of a model's weights. name: of where they are from; raises InputError where they do not fit."""
    own = model.state_dict()
    wrong = [key for key, value in state.items() if key not in own or own[key].shape != value.shape]
    if wrong:
        raise InputError(
            f"{name}: its weights {', '.join(sorted(wrong)[:3])} do not fit the checkpoint. Train the heads again."
        )
    model.load_state_dict(state, strict=False)


def check_complete(model: HeadedModel, state: dict[str, torch.Tensor], name: str) -> None:
    """Raise InputError where the heads of a file lack weights that the model has."""
    if missing := sorted(model.head_state().keys() - state.keys()):
        raise InputError(f"{name}: it lacks the weights {', '.join(missing[:3])}. Train the heads again.")


def save_heads(model: HeadedModel, path: str, head: str) -> None:
    """Write a model's heads to one safetensors file. head: how they are named, for ``answer_heads.head_of``."""
    with files.atomic_write(path) as temporary:
        state = {key: value.contiguous() for key, value in model.head_state().items()}
        # One entry, since safetensors writes several in any order, and the file is to have the same bytes each time.
        save_file(state, temporary, metadata={"head": f"{head}\n{_digest(state)}"})


def read_heads(path: str) -> dict[str, torch.Tensor]:
    """Return the weights of a file of heads; raises InputError where they are not those that were written."""
    try:
        with safe_open(path, framework="pt") as tensors:
            state = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (no mapping)
            wanted = (tensors.metadata() or {}).get("head", "").partition("\n")[2]
    except SafetensorError as error:
        raise InputError(f"{path}: no whole file of heads ({error}). Delete it, and it is made again.") from None
    if wanted not in ("", found := _digest(state)):
        raise InputError(
            f"{path}: damaged on disk: found the SHA-256 {found}, wanted {wanted}. Delete it: it is made again."
        )
    return state


def _digest(state: dict[str, torch.Tensor]) -> str:
    return hashlib.sha256(save({name: state[name] for name in sorted(state)})).hexdigest()


class Collator:
    """Makes a batch of windows, padded to the longest: a dictionary of tensors, (batch, subtokens) each.

    A batch without padding has no ``attention_mask``: a GPU would be waited for to see that it hides nothing.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.padding = tokenizer.pad_token_id
        self.has_segments = "token_type_ids" in tokenizer.model_input_names

    def __call__(self, windows: Sequence[tuple]) -> dict[str, torch.Tensor]:
        """windows: ``(input_ids, begin)`` each, see ``windows.Window``."""
        longest = max(len(ids) for ids, _ in windows)
        input_ids = torch.full((len(windows), longest), self.padding, dtype=torch.int64)
        attention_mask = torch.zeros_like(input_ids)
        segments = torch.zeros_like(input_ids)
        for i, (ids, begin) in enumerate(windows):
            input_ids[i, : len(ids)] = torch.from_numpy(ids.astype("int64"))
            attention_mask[i, : len(ids)] = 1
            segments[i, begin : len(ids)] = 1
        batch = {"input_ids": input_ids}
        if not attention_mask.all():
            batch["attention_mask"] = attention_mask
        return {**batch, "token_type_ids": segments} if self.has_segments else batch
