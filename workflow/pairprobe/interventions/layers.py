"""The layers of a model that answers questions, in passes that begin at any layer with states that are given.

The model's own forward pass runs, so that masks, positions and the norm behind the last layer are its own: a layer that is
passed over returns what it returned before, and the first that is not reads what is given in the place of that.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from pairprobe.checkpoints import cpu_kernels, padding
from pairprobe.errors import InputError
from pairprobe.finetuning.joint_model import JointModel

# By how much two results of one formula may differ, as a share of the largest number; in other types by 0.02.
_TOLERANCE = {torch.float32: 1e-4}

Logits = dict[str, torch.Tensor]


@dataclass
class Trace:
    """What the layers, counted from 0, read and return in one call of a model: a dictionary for each pass that it makes.

    (A model in whose numbers padding shows makes a pass for each length.)
    """

    read: list[dict[int, torch.Tensor]] = field(default_factory=list)
    returned: list[dict[int, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Course:
    """Which layers are computed, from first to last; what the first reads, where it is given; what the others return."""

    trace: Trace
    first: int
    last: int
    given: Trace | None = None
    usual: Trace | None = None


class LayeredModel:
    """A model whose passes can begin at any layer, in several threads at once; its layers are changed in place.

    Raises InputError where the model is no stack of layers, each of which reads what the one below returns and no more of
    the text. name: how errors call it.
    """

    def __init__(self, model: JointModel, name: str):
        self.model, self._here = model, threading.local()
        layers = _stack(model.encoder, name)
        self.depth = len(layers)
        for number, layer in enumerate(layers):
            layer.forward = functools.partial(self._layer, number, layer.forward)
        self._check(name)

    def whole(self, inputs: dict[str, torch.Tensor]) -> tuple[Logits, Trace]:
        """Return the logits of ``JointModel.forward``, and what its layers read and return."""
        with self._on(_Course(Trace(), 0, self.depth - 1)) as course:
            return self.model(**inputs), course.trace

    def from_layer(
        self, first: int, given: Trace, inputs: dict[str, torch.Tensor], usual: Trace, last: int | None = None
    ) -> tuple[Logits, Trace]:
        """Return the same of a pass in which layer number ``first``, from 0, reads what it reads in another one, ``given``.

        usual: the trace of this model's whole pass over these inputs. last: the last layer that is computed; without
        it all are. The logits are of no use where it is not the model's last.
        """
        last = self.depth - 1 if last is None else last
        with self._on(_Course(Trace(), first, last, given, usual)) as course:
            return self.model(**inputs), course.trace

    @contextlib.contextmanager
    def _on(self, course: _Course) -> Iterator[_Course]:
        self._here.course = course
        try:
            yield course
        finally:
            self._here.course = None

    def _layer(self, number: int, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a layer in the place of its own ``forward``."""
        course: _Course | None = getattr(self._here, "course", None)
        if course is None:
            return forward(*args, **kwargs)
        trace = course.trace
        if number == 0:
            trace.read.append({})
            trace.returned.append({})
        here = len(trace.read) - 1
        if course.given is not None and number == course.first:
            args, kwargs = _reading(course.given.read[here][number], args, kwargs)
        trace.read[here][number] = args[0] if args else kwargs["hidden_states"]
        if course.usual is not None and not course.first <= number <= course.last:
            return course.usual.returned[here][number]
        found = trace.returned[here][number] = forward(*args, **kwargs)
        return found

    def _check(self, name: str) -> None:
        """Raise InputError where what the layers return depends on more of the text than the first of them reads."""
        encoder = self.model.encoder
        ids, mask = padding.sample(encoder)
        other = ids.clone()
        for row, seen in zip(other, mask.sum(1).tolist(), strict=True):
            row[:seen] = row[:seen].flip(0)

        def passed(text: torch.Tensor, course: _Course) -> torch.Tensor:
            with torch.inference_mode(), self._on(course):
                found: torch.Tensor = encoder(input_ids=text, attention_mask=mask)[0]
                return found[mask > 0].float()

        given, usual = (_Course(Trace(), 0, self.depth - 1) for _ in range(2))
        wanted, _ = passed(ids, given), passed(other, usual)
        for first in range(self.depth):
            found = passed(other, _Course(Trace(), first, self.depth - 1, given.trace, usual.trace))
            if not cpu_kernels.distance([found], [wanted]) <= _TOLERANCE.get(encoder.dtype, 0.02):
                raise InputError(
                    f"{name}: {type(encoder).__name__}: layer {first + 1} or one above it reads more than the layer below "
                    "returns, so layers of two checkpoints cannot be put together. Remove graft and reset from functional."
                )


def _reading(states: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a layer with other states to read."""
    return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})


def _stack(encoder: PreTrainedModel, name: str) -> list[nn.Module]:
    """Return the layers of an encoder: a list of as many modules as it has layers, which it calls once each in order."""
    depth = encoder.config.num_hidden_layers
    lists = {key: one for key, one in encoder.named_modules() if isinstance(one, nn.ModuleList) and len(one) == depth}
    called: dict[str, list[int]] = {key: [] for key in lists}

    def note(key: str, number: int) -> Callable[..., None]:
        return lambda *_: called[key].append(number)

    hooks = [
        layer.register_forward_pre_hook(note(key, number)) for key, one in lists.items() for number, layer in enumerate(one)
    ]
    ids, mask = padding.sample(encoder)
    try:
        with torch.inference_mode():
            encoder(input_ids=ids, attention_mask=mask)
    finally:
        for hook in hooks:
            hook.remove()
    found = [key for key in lists if called[key] == list(range(depth))]
    # What is within another list is a part of its layers.
    outer = [key for key in found if not any(key.startswith(f"{other}.") for other in found)]
    if len(outer) != 1:
        said = f"{len(outer)} lists of as many ({', '.join(outer)})" if outer else "none that it calls one after the other"
        raise InputError(
            f"{name}: {type(encoder).__name__} says that it has {depth} layers, and {said} can be found. (ALBERT computes "
            "one layer several times.) Remove graft and reset from functional, or take another architecture."
        )
    return list(lists[outer[0]])
