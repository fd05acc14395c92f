"""Work for a GPU and its results, handed over so that it need not wait: one batch is computed while others are written."""

import contextlib
import functools
import threading

import numpy as np
import torch

# Held by the thread that gives a GPU its work.
_launching = threading.Lock()


def launching(device: str) -> contextlib.AbstractContextManager:
    """Return a context in which one thread at a time gives a GPU its work; on a CPU it does nothing.

    All threads launch into one stream. If two did so by turns, their batches would be computed by turns, too, and both be
    ready late; then the GPU would wait while both are written.
    """
    return contextlib.nullcontext() if device == "cpu" else _launching


def to_device(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Move a tensor from the host to a device; what a GPU has still to compute is not waited for."""
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


class Arriving:
    """Tensors on their way to the host, all on one device.

    From a GPU they are copied when it has computed them, in a stream of their own, while it computes what was launched
    since.
    """

    def __init__(self, *tensors: torch.Tensor):
        self._host, self._copied = list(tensors), None
        if tensors[0].device.type != "cuda":
            return
        # Until they are copied, their memory must not be taken for the next batch.
        self._device = tensors
        self._host = [torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in tensors]
        stream = _copies()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for host, tensor in zip(self._host, tensors, strict=True):
                host.copy_(tensor, non_blocking=True)
            # A thread that waits leaves its core to those that write.
            self._copied = torch.cuda.Event(blocking=True)
            self._copied.record()

    def arrays(self) -> list[np.ndarray]:
        """Wait for them, and return them as arrays."""
        if self._copied is not None:
            self._copied.synchronize()
            self._device = ()
        return [each.numpy() for each in self._host]


@functools.cache
def _copies() -> torch.cuda.Stream:
    """Return the stream in which results are copied."""
    return torch.cuda.Stream()
