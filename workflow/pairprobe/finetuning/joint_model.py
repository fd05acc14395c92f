"""The joint model of Alberti et al. (2019) over any encoder: where an answer starts and ends, and of which type it is.

Start and end come from the architecture's own question-answering head; the answer type from a linear layer on the first
subtoken's last hidden state. The loss is the mean of the three cross entropies.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import nn
from transformers import AutoModelForQuestionAnswering, PreTrainedModel, PreTrainedTokenizerFast, set_seed
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.generic import ModelOutput

from pairprobe.checkpoints import cpu_kernels, loading, padding
from pairprobe.errors import InputError
from pairprobe.finetuning.windows import ANSWER_TYPES
from pairprobe.io import files

_TYPE_HEAD = "answer_type"


class JointModel(nn.Module):
    """An encoder with its heads.

    model: a question-answering model of transformers, with a linear layer ``answer_type`` or without. frozen: whether the
    encoder is not trained, and stays in evaluation mode. by_length: whether texts of different length go through it one
    length after the other, without padding, since that would change its numbers. encoded_as: the class of what the encoder
    returns, for ``forward(encoded=...)``.
    """

    def __init__(self, model: PreTrainedModel, frozen: bool = False, by_length: bool = False):
        super().__init__()
        self.model: PreTrainedModel = model
        self.frozen, self.by_length = frozen, by_length
        self.encoded_as: type[ModelOutput] = BaseModelOutput
        if frozen:
            model.base_model.requires_grad_(False)

    @property
    def encoder(self) -> PreTrainedModel:
        """The model without its heads. (transformers declares it as any module.)"""
        return cast(PreTrainedModel, self.model.base_model)

    @property
    def has_answer_types(self) -> bool:
        """Whether it has a head for answer types, and so was trained here."""
        return hasattr(self.model, _TYPE_HEAD)

    def train(self, mode: bool = True) -> "JointModel":
        """Set training mode; a frozen encoder stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

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
        by_length = self.by_length and attention_mask is not None and not encoded
        with self._encoder_gives(encoded) if encoded else contextlib.nullcontext():
            logits = self._logits_by_length(inputs) if by_length else self._logits(inputs)
        if attention_mask is not None:
            # No subtoken of padding is an answer.
            for name in ("start", "end"):
                logits[name] = logits[name].masked_fill(attention_mask == 0, -1e9)
        given = {"start": start, "end": end, "answer_type": answer_type}
        targets = {name: target for name, target in given.items() if target is not None}
        if not targets:
            return logits
        losses = [nn.functional.cross_entropy(logits[name], targets[name]) for name in logits]
        return {"loss": torch.stack(losses).mean(), **logits}

    @contextlib.contextmanager
    def _encoder_gives(self, encoded: tuple[torch.Tensor, torch.Tensor]) -> Iterator[None]:
        """Have the encoder return this, whatever it reads: an architecture's own head calls it."""
        forward, (last, first) = self.encoder.forward, encoded
        output = self.encoded_as(last_hidden_state=last, hidden_states=(first[:, None],))
        self.encoder.forward = lambda *args, **kwargs: output
        try:
            yield
        finally:
            self.encoder.forward = forward

    def _logits(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        outputs = self.model(**inputs, output_hidden_states=self.has_answer_types)
        logits = {"start": outputs.start_logits.float(), "end": outputs.end_logits.float()}
        if self.has_answer_types:
            logits["answer_type"] = self.model.get_submodule(_TYPE_HEAD)(outputs.hidden_states[-1][:, 0]).float()
        return logits

    def _logits_by_length(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Compute the texts of each length by themselves; the logits of padding are 0."""
        lengths, longest = inputs["attention_mask"].sum(1), inputs["attention_mask"].shape[1]
        rows = [torch.nonzero(lengths == length)[:, 0] for length in lengths.unique()]
        parts = []
        for some in rows:
            length = int(lengths[some[0]])
            part = self._logits({name: values[some, :length] for name, values in inputs.items()})
            for name in ("start", "end"):
                part[name] = nn.functional.pad(part[name], (0, longest - length))
            parts.append(part)
        order = torch.cat(rows).argsort()
        return {name: torch.cat([part[name] for part in parts])[order] for name in parts[0]}

    def head_state(self) -> dict[str, torch.Tensor]:
        """Return the weights that are not the encoder's."""
        prefix = f"{self.model.base_model_prefix}."
        return {key: value for key, value in self.model.state_dict().items() if not key.startswith(prefix)}

    def trained_state(self) -> dict[str, torch.Tensor]:
        """Return the weights that training changes, by their names in ``state_dict``: all, or those of the heads alone."""
        return {f"model.{key}": value for key, value in self.head_state().items()} if self.frozen else self.state_dict()

    def load_trained(self, state: dict[str, torch.Tensor]) -> None:
        """Load what ``trained_state`` returned."""
        if state.keys() != self.trained_state().keys():
            raise RuntimeError(f"other weights than {type(self.model).__name__} was trained with")
        self.load_state_dict(state, strict=not self.frozen)

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


def load(folder: str | Path, precision: str = "float32", heads: str | None = None) -> JointModel:
    """Load a checkpoint with its own heads, or with those of the file ``heads``.

    Raises InputError where transformers has no question-answering model for the checkpoint's architecture, where weights of
    the encoder are missing, where the checkpoint has no head and no file is given, and where the file does not fit it.
    """
    model, lacks = _load_model(folder, precision)
    state = _load_heads(heads) if heads else own_types(folder)
    if lacks and not heads:
        raise InputError(
            f"checkpoint {folder}: it has no head that answers questions ({lacks[0]}, ...), and none was given."
        )
    if f"{_TYPE_HEAD}.weight" in state:
        _add_type_head(model)
    _load_state(model, state, heads or str(folder))
    joint = _joined(model)
    if heads and (missing := sorted(joint.head_state().keys() - state.keys())):
        raise InputError(f"{heads}: it lacks the weights {', '.join(missing[:3])}. Train the heads again.")
    return joint


def initial(folder: str | Path, seed: int, frozen: bool = False) -> tuple[JointModel, bool]:
    """Load a checkpoint to be trained; heads that it lacks are drawn with the seed.

    Returns the model and whether the checkpoint has a question-answering head of its own.
    """
    set_seed(seed)
    model, lacks = _load_model(folder, "float32")
    _add_type_head(model)
    _load_state(model, own_types(folder), str(folder))
    return _joined(model, frozen), not lacks


def _load_model(folder: str | Path, precision: str) -> tuple[PreTrainedModel, list[str]]:
    """Load a checkpoint and its head for start and end, whatever number of labels its config has for another head."""
    return loading.load_model(AutoModelForQuestionAnswering, folder, precision, num_labels=2)


def _joined(model: PreTrainedModel, frozen: bool = False) -> JointModel:
    return JointModel(model, frozen, padding.padding_shows(cast(PreTrainedModel, model.base_model)))


def _add_type_head(model: PreTrainedModel) -> None:
    layer = nn.Linear(model.config.hidden_size, len(ANSWER_TYPES))
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    model.add_module(_TYPE_HEAD, layer.to(model.dtype))


def own_types(folder: str | Path) -> dict[str, torch.Tensor]:
    """Return the weights of the head for answer types, which only a checkpoint that was trained here has."""
    found: dict[str, torch.Tensor] = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            found |= {key: tensors.get_tensor(key) for key in tensors.keys() if key.startswith(f"{_TYPE_HEAD}.")}  # noqa: SIM118
    return found


def _load_state(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    own = model.state_dict()
    wrong = [key for key, value in state.items() if key not in own or own[key].shape != value.shape]
    if wrong:
        raise InputError(
            f"{name}: its weights {', '.join(sorted(wrong)[:3])} do not fit the checkpoint. Train the heads again."
        )
    model.load_state_dict(state, strict=False)


def save_heads(model: JointModel, path: str, head: str) -> None:
    """Write a model's heads to one safetensors file. head: how they are named, for ``answer_heads.head_of``."""
    with files.atomic_write(path) as temporary:
        state = {key: value.contiguous() for key, value in model.head_state().items()}
        # One entry, since safetensors writes several in any order, and the file is to have the same bytes each time.
        save_file(state, temporary, metadata={"head": f"{head}\n{_digest(state)}"})


def _load_heads(path: str) -> dict[str, torch.Tensor]:
    """Return the weights of a file of heads; raise InputError where they are not those that were written."""
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
