"""Bytes that the page unpacks: the scores of words in eight bits each, and blocks of deflated bytes in base64.

A chunk of pairs is

    scales  float32, for each checkpoint (measures, layers, 2): the least and the largest score that the codes stand for
    then, for each pair and checkpoint that has scores, (measures + measures * layers, 1 + words) bytes:
    flags   for each measure: 1 where a word is one of the unmatching ones, plus 2 where a swapped anchor begins; the first
            column is no word
    codes   for each measure and layer, the layer before subtracted (modulo 256); the first column is the matching one
    and after these (measures, layers, swapped anchors) bytes:
    shares  of the unmatching words that are outranked with each swapped anchor, likewise by layer

Little-endian. Code 0: no score. A code c stands for least + (c - 2) / 252 * (largest - least). A share
is in 1/255, which gives back the half words outranked of up to 127.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from pairprobe.explorer.word_scores import WordScores

# Code 1 and code 255 are left for words that would round to the matching one's code where that is the least or the largest.
LEAST, LARGEST = 2, 254


def codes_of(scores: WordScores, scale: np.ndarray) -> np.ndarray:
    """Return the codes of a pair's scores: (measures, layers, 1 + words), uint8, the matching one first.

    scale: (measures, layers, 2), the least and the largest score. A score is rounded to one of 253 steps between them. A
    word that is below or above the matching one stays so: if rounding gives both the same code, the word gets the next one.
    So the page's shades never contradict its ranks.
    """
    low, high = scale[..., :1], scale[..., 1:]
    width = np.where(high > low, high - low, 1)
    matching = scores.matching[..., None]
    codes, code = (
        LEAST + np.rint((LARGEST - LEAST) * np.clip((values - low) / width, 0, 1)) for values in (scores.words, matching)
    )
    codes = np.where(scores.words < matching, np.minimum(codes, code - 1), codes)
    codes = np.where(scores.words > matching, np.maximum(codes, code + 1), codes)
    return np.nan_to_num(np.concatenate([code, codes], axis=-1), nan=0).astype(np.uint8)


def scales_of(scores: Sequence[WordScores | None], layers: int) -> np.ndarray:
    """Return the least and the largest score of each measure and layer: (measures, layers, 2), float32; else zeros."""
    values = [part for one in scores if one is not None for part in (one.matching[..., None], one.words)]
    if not values:
        return np.zeros((2, layers, 2), np.float32)
    together = np.concatenate(values, axis=-1)
    return np.stack([np.nanmin(together, axis=-1), np.nanmax(together, axis=-1)], axis=-1).astype(np.float32)


def chunk_of(pairs: Sequence[Sequence[WordScores | None]], layers: Sequence[int]) -> bytes:
    """Return a chunk. pairs: for each pair the scores in each checkpoint; layers: of each checkpoint."""
    scales = [scales_of(scores, count) for scores, count in zip(zip(*pairs, strict=True), layers, strict=True)]
    parts = [scale.astype("<f4").tobytes() for scale in scales]
    for pair in pairs:
        for scores, scale in zip(pair, scales, strict=True):
            if scores is not None:
                begins = ~np.isnan(scores.swapped[0, 0])
                flags = np.pad(scores.unmatching + 2 * begins, ((0, 0), (1, 0))).astype(np.uint8)
                shares = np.rint(255 * scores.swapped[..., begins]).astype(np.uint8)
                steps = (np.diff(each, axis=1, prepend=np.uint8(0)) for each in (codes_of(scores, scale), shares))
                parts += [flags.tobytes(), *(each.tobytes() for each in steps)]
    return b"".join(parts)


def block_of(content: bytes) -> str:
    """Return what stands in the page for these bytes."""
    return base64.b64encode(zlib.compress(content, 6)).decode()


def chunks(pairs: Iterable, size: int) -> Iterator[list]:
    """Yield lists of so many, and of what is left."""
    pairs = iter(pairs)
    return iter(lambda: list(islice(pairs, size)), [])
