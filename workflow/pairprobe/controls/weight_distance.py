"""How far the weights of each layer moved from one checkpoint to another that was made of it.

Two distances, each relative to the weights before: the Frobenius norm of the difference of all weights of a layer together,
over that of the weights; and the mean over the layer's matrices of the ratio of the largest singular values. The first says
how much moved in all, the second how strongly the direction that moved most. Both are 0 where nothing moved. They are
exact, in float64, and read from the files, tensor by tensor; a model is loaded only where an adapter stands beside them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from pairprobe.checkpoints import adapters, peft_layers
from pairprobe.checkpoints.folder import open_tensors, weight_files
from pairprobe.checkpoints.heads import all_heads, prefixes
from pairprobe.checkpoints.layer_tensors import layers_of
from pairprobe.checkpoints.loading import load_config, load_model
from pairprobe.errors import InputError
from pairprobe.io.progress import log, track

# Of a layer: its number, how many parameters it has, and its two distances.
LayerDistance: TypeAlias = tuple[int, int, float, float]

if TYPE_CHECKING:
    import torch


class Tensor(NamedTuple):
    """A tensor of floating-point numbers that is read when it is asked for."""

    shape: tuple[int, ...]
    read: "Callable[[], torch.Tensor]"


def distances(before: str, after: str) -> tuple[list[LayerDistance], str]:
    """Return the distances of the embeddings (0) and of each layer, and "".

    before, after: folders of checkpoints. Where the encoders do not have the same tensors in the same shapes, an empty list
    and in what they differ, which is logged, too. Raises InputError as ``layer_tensors.layers_of`` does.
    """
    with _weights(before) as ours, _weights(after) as theirs:
        config = load_config(before)
        layers = layers_of(ours, config, before)
        others = {name: theirs[name] for name in layers_of(theirs, load_config(after), after)}
        if other := _difference({name: ours[name] for name in layers}, others):
            log.warning("%s and %s are not compared: %s", before, after, other)
            return [], other
        squares = np.zeros((2, 1 + config.num_hidden_layers))
        parameters = np.zeros(squares.shape[1], np.int64)
        ratios: list[list[float]] = [[] for _ in parameters]
        for name in track(layers, len(layers), "tensors"):
            weights = ours[name].read().double()
            moved = theirs[name].read().double() - weights
            spectral = [_largest(each) for each in (moved, weights)] if weights.ndim > 1 else [0.0, 0.0]
            for layer in layers[name]:
                squares[:, layer] += [float(moved.square().sum()), float(weights.square().sum())]
                parameters[layer] += weights.numel()
                ratios[layer] += [spectral[0] / spectral[1]] if spectral[1] else []
    relative = np.sqrt(squares[0] / squares[1])
    found = [(i, int(parameters[i]), float(relative[i]), float(np.mean(ratios[i]))) for i in range(len(parameters))]
    return found, ""


def _difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> str:
    """Say in what two encoders differ, "" where they have the same tensors in the same shapes."""
    for name in sorted(ours.keys() ^ theirs.keys()):
        return f"only one has the tensor {name}"
    for name, tensor in ours.items():
        if tensor.shape != theirs[name].shape:
            return f"{name} has the shapes {tensor.shape} and {theirs[name].shape}"
    return ""


def _largest(weights: "torch.Tensor") -> float:
    """Return the largest singular value of a tensor, a matrix of its first dimension by all others; float64."""
    import torch

    matrix = weights.flatten(1)
    matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return float(torch.linalg.eigvalsh(matrix @ matrix.T)[-1].clamp(min=0).sqrt())


@contextmanager
def _weights(folder: str) -> Iterator[dict[str, Tensor]]:
    """Open the weights of a checkpoint's encoder; their names have no prefix."""
    if (Path(folder) / adapters.UNMERGED).is_dir():
        yield _merged(folder)
        return
    config = load_config(folder)
    prefix = prefixes(config)[0]
    with ExitStack() as stack:
        opened = [stack.enter_context(open_tensors(file, f"checkpoint {folder}")) for file in weight_files(Path(folder))]
        found = {name: _lazy(file, name) for file in opened for name in file.keys() if _is_floating(file, name)}  # noqa: SIM118
        if any(name.startswith(prefix) for name in found):
            yield {name.removeprefix(prefix): each for name, each in found.items() if name.startswith(prefix)}
        else:
            heads = tuple(f"{head}." for head in all_heads(config))
            yield {name: each for name, each in found.items() if not name.startswith(heads)}


def _is_floating(file: Any, name: str) -> bool:
    return "F" in file.get_slice(name).get_dtype()


def _lazy(file: Any, name: str) -> Tensor:
    return Tensor(tuple(file.get_slice(name).get_shape()), lambda: file.get_tensor(name))


def _merged(folder: str) -> dict[str, Tensor]:
    """Return the weights of an encoder with the adapter beside it merged into them, in float32."""
    from transformers import AutoModel

    encoder, _ = load_model(AutoModel, folder, "float32")
    try:
        peft_layers.merge(encoder)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"checkpoint {folder}: its adapter cannot be merged ({error}), so the distance of its weights cannot be told. "
            "Remove weight_distance from controls, or the checkpoint."
        ) from None
    state = {name: each for name, each in encoder.state_dict().items() if each.is_floating_point()}
    return {name: Tensor(tuple(each.shape), lambda each=each: each) for name, each in state.items()}  # type: ignore[misc]
