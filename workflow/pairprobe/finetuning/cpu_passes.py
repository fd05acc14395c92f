"""Passes forward and back through a model on a CPU: each core computes a part of the batch.

Cores that share each operation wait for each other after each. Here every core has a copy of the model, which shares its
weights, and random numbers of its own. In bfloat16 the copies have weights in that type, but for embeddings, in whose
gradients many small numbers are added up; the weights that are trained stay in float32. Gradients are added up in the
order of the parts, so that the same number of parts gives the same bits each time.
"""

import contextlib
import copy
import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from pairprobe.checkpoints import cpu_kernels, loading, padding
from pairprobe.errors import one_line
from pairprobe.finetuning import cpu_dropout
from pairprobe.finetuning.joint_model import JointModel
from pairprobe.io.progress import log

Batch = dict[str, torch.Tensor]
# Parameters of glibc's malloc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Processors compute rows whose length is a multiple of this without a remainder.
LENGTHS = 32


class Passes:
    """Computes the losses of batches and adds up the gradients of a model's parameters.

    model: in float32. precision: the type of the passes, ``float32`` or ``bfloat16``. threads: the parts of a batch, each
    computed by a thread of its own. Dropout and attention are those of ``cpu_dropout``, where that gives the same hidden
    states.
    """

    def __init__(self, model: JointModel, precision: str, threads: int):
        self.model, self.dtype = model, getattr(torch, precision)
        self.padding = loading.padding_id(model.model.config), loading.longest(model.model)
        self.autocast = False
        first = _copied(model, self.dtype)
        if not _same(first, model, self.dtype):
            first, self.autocast = copy.deepcopy(model), True
        parts = 1 if _draws_elsewhere(first) else threads
        self.copies = [first, *(copy.deepcopy(first) for _ in range(1, parts))]
        self._share_weights()
        self.threads = threads // parts  # of each part
        # Beside the calling thread, which takes the first part.
        self.pool = ThreadPoolExecutor(max(1, parts - 1), initializer=torch.set_num_threads, initargs=(1,))
        _retain_freed_memory()

    def __call__(self, batch: Batch, share: float = 1.0) -> torch.Tensor:
        """Return the loss of a batch; adds its gradient, times ``share``, to that of each parameter."""
        size = len(batch["input_ids"])
        self._refresh()
        seeds = torch.randint(2**62, (len(self.copies),)).tolist()
        parts = [_part(batch, i, len(self.copies), *self.padding) for i in range(min(size, len(self.copies)))]
        weights = [len(part["input_ids"]) / size for part in parts]
        work = zip(self.copies, parts, [weight * share for weight in weights], seeds, strict=False)
        first, *others = work
        with _threads(self.threads):
            running = [self.pool.submit(self._run, *each) for each in others]
            losses = [self._run(*first), *(each.result() for each in running)]
        self._add_gradients()
        return torch.stack([loss * weight for loss, weight in zip(losses, weights, strict=True)]).sum()

    def _run(self, model: JointModel, part: Batch, weight: float, seed: int) -> torch.Tensor:
        cpu_dropout.draw_from(torch.Generator().manual_seed(seed))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast and self.dtype == torch.bfloat16):
            loss = model(**part)["loss"]
        (loss * weight).backward()
        return loss.detach()

    def _weights(self) -> Iterator[tuple[nn.Parameter, list[nn.Parameter]]]:
        """Yield each parameter that is trained, with its counterparts in the copies."""
        for parameter, *others in zip(self.model.parameters(), *(model.parameters() for model in self.copies), strict=True):
            if parameter.requires_grad:
                yield parameter, others

    def _share_weights(self) -> None:
        for parameter, others in self._weights():
            for other in others:
                other.data = parameter.data if other.dtype == parameter.dtype else others[0].data

    def _refresh(self) -> None:
        """Round the trained weights to the type of the copies."""
        with torch.no_grad():
            for parameter, (first, *_) in self._weights():
                if first.dtype != parameter.dtype:
                    first.copy_(parameter)

    def _add_gradients(self) -> None:
        for parameter, others in self._weights():
            for other in others:
                if other.grad is not None:
                    gradient = other.grad.to(parameter.dtype)
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
                    other.grad = None


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let each operation of this thread have so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _retain_freed_memory() -> None:
    """Let the C library retain what is freed for the next step; else the kernel takes it back, and clears it, each time."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc has it
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes


def _copied(model: JointModel, dtype: torch.dtype) -> JointModel:
    """Return a copy that computes in ``dtype``, with the dropout and the attention of ``cpu_dropout``."""
    copied = copy.deepcopy(model)
    embeddings = [module for module in copied.modules() if isinstance(module, nn.Embedding)]
    retained = {id(module.weight) for module in embeddings}
    for parameter in copied.parameters():
        if id(parameter) not in retained:
            parameter.data = parameter.data.to(dtype)
    for module in embeddings:
        module.register_forward_hook(lambda _module, _inputs, output: output.to(dtype))
    for parent in list(copied.modules()):
        for name, part in parent.named_children():
            if type(part) is nn.Dropout:
                setattr(parent, name, cpu_dropout.Dropout(part.p).train(part.training))
    if copied.model.config._attn_implementation == "sdpa":
        copied.model.set_attn_implementation(cpu_dropout.ATTENTION)
    return copied


def _same(copied: JointModel, model: JointModel, dtype: torch.dtype) -> bool:
    """Whether a copy gives the model's hidden states without dropout, but for rounding."""
    try:
        found, wanted = (cpu_kernels.sample(each.eval().encoder) for each in (copied, model))
    except RuntimeError as error:  # weights that the model uses in another way than its own layers do
        log.info("training %s as PyTorch does: %s", type(model.model).__name__, one_line(error, 200))
        return False
    finally:
        for each in (copied, model):
            each.train()
    apart = max(cpu_kernels.distance(*both) for both in zip(found, wanted, strict=True))
    if not apart <= cpu_kernels.TOLERANCE[dtype]:
        log.info("training %s as PyTorch does: hidden states differ by %.2g", type(model.model).__name__, apart)
    return apart <= cpu_kernels.TOLERANCE[dtype]


def _draws_elsewhere(model: JointModel) -> bool:
    """Whether a model draws random numbers otherwise than by ``cpu_dropout``, in an order that threads would decide."""
    before = torch.get_rng_state()
    cpu_dropout.draw_from(torch.Generator())
    ids, mask = padding.sample(model.encoder)
    model(input_ids=ids, attention_mask=mask)
    cpu_dropout.draw_from(None)
    draws = not torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(before)
    return draws


def _part(batch: Batch, i: int, parts: int, padding_id: int, longest: int) -> Batch:
    """Return every ``parts``-th row of a batch from the i-th, padded to a multiple of ``LENGTHS``, ``longest`` at most."""
    rows = {name: values[i::parts] for name, values in batch.items()}
    length = int(rows["attention_mask"].sum(1).max())
    more = min(-(-length // LENGTHS) * LENGTHS, longest) - length
    for name, values in rows.items():
        if values.dim() == 2:
            rows[name] = nn.functional.pad(values[:, :length], (0, more), value=padding_id if name == "input_ids" else 0)
    return rows
