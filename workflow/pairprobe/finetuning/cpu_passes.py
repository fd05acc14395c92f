"""Passes forward and back through a model on a CPU: each core computes a part of the batch.

Cores that share each operation wait for each other after each. Here every core has random numbers of its own and a copy of
the model, whose parameters share their memory with those of the other copies. In bfloat16 the parameters of copies have
that type, except embeddings: their gradients are sums of many small numbers. The parameters that are trained stay in
float32. Gradients are added up in the order of the parts, so that the same number of parts gives the same bits each time.
"""

import copy
import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import torch
from torch import nn

from pairprobe.checkpoints import cpu_kernels, devices, loading, padding
from pairprobe.errors import one_line
from pairprobe.finetuning import cpu_dropout
from pairprobe.finetuning.headed_model import IGNORED, Batch, HeadedModel
from pairprobe.io.progress import log

# Parameters of glibc's malloc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Texts are padded to a multiple of this, since vector instructions are slow on what remains.
LENGTHS = 32


class Passes:
    """Computes the losses of batches and adds up the gradients of a model's parameters; a context manager.

    model: in float32. precision: the type of the passes, ``float32`` or ``bfloat16``. threads: into how many parts a batch
    is cut, each computed by a thread of its own, which takes the memory of a gradient. Dropout and attention are those of
    ``cpu_dropout``, where that gives the model's hidden states.
    """

    def __init__(self, model: HeadedModel, precision: str, threads: int):
        self.model, self.dtype = model, getattr(torch, precision)
        self.padding = loading.padding_id(model.model.config), loading.longest(model.model)
        first = _copied(model, self.dtype)
        self.autocast = not _same(first, model, self.dtype)
        if self.autocast:
            first = _sharing(model)
        parts = 1 if _draws_elsewhere(first) else threads
        self.copies = [first, *(_sharing(first) for _ in range(1, parts))]
        self.threads = threads // parts  # of each part
        # Beside the calling thread, which takes the first part.
        self.pool = ThreadPoolExecutor(max(1, parts - 1), initializer=torch.set_num_threads, initargs=(1,))
        _retain_freed_memory()

    def __enter__(self) -> "Passes":
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the threads."""
        self.pool.shutdown()

    def __call__(self, batch: Batch, share: float = 1.0) -> torch.Tensor:
        """Return the loss of a batch; adds its gradient, times ``share``, to that of each parameter.

        Raises what a part raises; then no gradient has changed.
        """
        size = len(batch["input_ids"])
        self._refresh()
        seeds = torch.randint(2**62, (len(self.copies),)).tolist()
        parts = [_part(batch, i, len(self.copies), *self.padding) for i in range(min(size, len(self.copies)))]
        counts = [self.model.weight(part) for part in parts]
        weights = [count / max(1, sum(counts)) for count in counts]
        jobs = [(self.copies[i], part, weights[i] * share, seeds[i]) for i, part in enumerate(parts)]
        with devices.operation_threads(self.threads):
            running = [self.pool.submit(self._run, *job) for job in jobs[1:]]
            try:
                losses = [self._run(*jobs[0]), *(each.result() for each in running)]
            except BaseException:
                wait(running)
                for each in self.copies:
                    each.zero_grad()
                raise
        self._add_gradients()
        return torch.stack([loss * weight for loss, weight in zip(losses, weights, strict=True)]).sum()

    def _run(self, model: HeadedModel, part: Batch, weight: float, seed: int) -> torch.Tensor:
        with cpu_dropout.drawn_from(torch.Generator().manual_seed(seed)):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast and self.dtype == torch.bfloat16):
                loss = model(**part)["loss"]
            (loss * weight).backward()
        return loss.detach()

    def _trained(self) -> Iterator[tuple[nn.Parameter, list[nn.Parameter]]]:
        """Yield each parameter that is trained, with its counterparts in the copies."""
        for parameter, *others in zip(self.model.parameters(), *(model.parameters() for model in self.copies), strict=True):
            if parameter.requires_grad:
                yield parameter, others

    def _refresh(self) -> None:
        """Round the trained parameters to the type of the copies."""
        with torch.no_grad():
            for parameter, (first, *_) in self._trained():
                if first.dtype != parameter.dtype:
                    first.copy_(parameter)

    def _add_gradients(self) -> None:
        for parameter, others in self._trained():
            for other in others:
                if other.grad is not None:
                    gradient = other.grad.to(parameter.dtype)
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
                    other.grad = None


def _retain_freed_memory() -> None:
    """Let the C library retain what is freed for the next step; else the kernel takes it back, and clears it, each time."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc has it
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes


def _sharing(model: HeadedModel, others: dict[int, torch.dtype] | None = None) -> HeadedModel:
    """Return a copy whose parameters share the model's memory; others: types, by id, to which some are rounded."""
    memory = {
        id(each): nn.Parameter(each.detach().to((others or {}).get(id(each), each.dtype)), each.requires_grad)
        for each in model.parameters()
    }
    return copy.deepcopy(model, memory)


def _copied(model: HeadedModel, dtype: torch.dtype) -> HeadedModel:
    """Return a copy that computes in ``dtype``, with the dropout and the attention of ``cpu_dropout``."""
    embedded = _with_embeddings(model)
    copied = _sharing(model, {id(each): dtype for each in model.parameters() if id(each) not in embedded})
    for parent in list(copied.modules()):
        if isinstance(parent, nn.Embedding):
            parent.register_forward_hook(lambda _module, _inputs, output: output.to(dtype))
        if isinstance(parent, nn.Linear) and parent.weight.dtype != dtype:
            parent.register_forward_pre_hook(lambda module, inputs: (inputs[0].to(module.weight.dtype),))
        for name, part in parent.named_children():
            if type(part) is nn.Dropout:
                setattr(parent, name, cpu_dropout.Dropout(part.p).train(part.training))
    if copied.model.config._attn_implementation == "sdpa":
        copied.model.set_attn_implementation(cpu_dropout.ATTENTION)
    return copied


def _with_embeddings(model: HeadedModel) -> set[int]:
    """Return the ids of the parameters of embeddings, and of the linear layers whose weights are these."""
    embedded = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    tied = [one for one in model.modules() if isinstance(one, nn.Linear) and id(one.weight) in embedded]
    return embedded | {id(each) for one in tied for each in one.parameters()}


def _same(copied: HeadedModel, model: HeadedModel, dtype: torch.dtype) -> bool:
    """Whether a copy gives the model's hidden states without dropout, but for rounding."""
    try:
        samples = [cpu_kernels.sample(each.eval().encoder) for each in (copied, model)]
        apart, reason = cpu_kernels.distance(*samples), "hidden states differ"
    except RuntimeError as error:  # parameters that the model uses in another way than its own layers do
        apart, reason = float("inf"), one_line(error, 200)
    finally:
        for each in (copied, model):
            each.train()
    same = apart <= cpu_kernels.TOLERANCE[dtype]
    if not same:
        log.info("training %s as PyTorch does: %s (by %.2g)", type(model.model).__name__, reason, apart)
    return same


def _draws_elsewhere(model: HeadedModel) -> bool:
    """Whether a model draws random numbers otherwise than by ``cpu_dropout``, in an order that threads would decide."""
    before = torch.get_rng_state()
    ids, mask = padding.sample(model.encoder)
    with cpu_dropout.drawn_from(torch.Generator()):
        model(input_ids=ids, attention_mask=mask)
        model(input_ids=ids[:1], attention_mask=mask[:1])  # without padding, which some treat otherwise
    draws = not torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(before)
    return draws


def _part(batch: Batch, i: int, parts: int, padding_id: int, longest: int) -> Batch:
    """Return every ``parts``-th row of a batch from the i-th, padded to a multiple of ``LENGTHS``, ``longest`` at most."""
    mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"]))
    rows = {name: values[i::parts] for name, values in {**batch, "attention_mask": mask}.items()}
    length = int(rows["attention_mask"].sum(1).max())
    more = min(-(-length // LENGTHS) * LENGTHS, longest) - length
    for name, values in rows.items():
        if values.dim() == 2:
            fill = {"input_ids": padding_id, "labels": IGNORED}.get(name, 0)
            rows[name] = nn.functional.pad(values[:, :length], (0, more), value=fill)
    return rows
