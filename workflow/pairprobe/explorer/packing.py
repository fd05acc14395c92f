"""Bytes that the page unpacks: similarities in eight bits, and blocks of deflated bytes in base64.

A chunk of pairs is

    scales  float32, for each checkpoint (measures, layers, 2): the least and the largest value that the codes stand for
    then, for each pair and checkpoint that has shades, (measures + measures * layers, 1 + words) bytes:
    flags   for each measure: 1 where a word is one of the unmatching ones; the first column is no word
    codes   for each measure and layer, the layer before subtracted (modulo 256); the first column is the matching one

Little-endian. Code 0: no value. A code c stands for least + (c - 2) / 252 * (largest - least).
"""

import base64
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from pairprobe.explorer.word_scores import Shades

# Below and above these lies one code each, for values that would else round to the matching one's.
LEAST, LARGEST = 2, 254


def codes_of(shades: Shades, scale: np.ndarray) -> np.ndarray:
    """Return the codes of a pair's values: (measures, layers, 1 + words), uint8, the matching one's first.

    scale: (measures, layers, 2). What is below, equal to or above the matching value stays so, so that the page's shades
    and its ranks never contradict each other: such a word's code is one off where it would round to the matching one's.
    """
    low, high = scale[..., :1], scale[..., 1:]
    width = np.where(high > low, high - low, 1)

    def rounded(values: np.ndarray) -> np.ndarray:
        return np.rint(np.clip((values - low) / width, 0, 1) * (LARGEST - LEAST)) + LEAST

    matching = shades.matching[..., None]
    codes, own = rounded(shades.words), rounded(matching)
    codes = np.where(shades.words < matching, np.minimum(codes, own - 1), codes)
    codes = np.where(shades.words > matching, np.maximum(codes, own + 1), codes)
    codes = np.where(shades.words == matching, own, codes)
    return np.nan_to_num(np.concatenate([own, codes], axis=-1), nan=0).astype(np.uint8)


def scales_of(shades: Sequence[Shades | None]) -> np.ndarray:
    """Return the least and the largest value of each measure and layer: (measures, layers, 2), float32."""
    some = [one for one in shades if one is not None]
    both = np.concatenate([np.concatenate([one.matching[..., None], one.words], axis=-1) for one in some], axis=-1)
    return np.stack([np.nanmin(both, axis=-1), np.nanmax(both, axis=-1)], axis=-1).astype(np.float32)


def chunk_of(pairs: Sequence[Sequence[Shades | None]], layers: Sequence[int]) -> bytes:
    """Return a chunk. pairs: for each pair the shades of each checkpoint; layers: of each checkpoint."""
    parts, scales = [], []
    for of_checkpoint, count in zip(zip(*pairs, strict=True), layers, strict=True):
        known = any(of_checkpoint)
        scales.append(scales_of(of_checkpoint) if known else np.zeros((2, count, 2), np.float32))
        parts.append(scales[-1].astype("<f4").tobytes())
    for pair in pairs:
        for shades, scale in zip(pair, scales, strict=True):
            if shades is not None:
                flags = np.pad(shades.unmatching, ((0, 0), (1, 0))).astype(np.uint8)
                steps = np.diff(codes_of(shades, scale), axis=1, prepend=np.uint8(0))
                parts += [flags.tobytes(), steps.tobytes()]
    return b"".join(parts)


def block_of(content: bytes) -> str:
    """Return what stands in the page for these bytes."""
    return base64.b64encode(zlib.compress(content, 6)).decode()


def chunks(pairs: Iterator, size: int) -> Iterator[list]:
    """Yield lists of so many, and of what is left."""
    chunk = []
    for pair in pairs:
        chunk.append(pair)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
