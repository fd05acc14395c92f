"""The rates that the cost model computes with, how each was found, and encoders and machines as the model sees them.

The reference machine is two cores of an AMD EPYC (family 26, with avx512_bf16). Rates of forward passes were measured on
it, with BERT-base in bfloat16 and two threads, other rates on one core, each the best of three with nothing else running.
What a training takes was measured on another processor, and is carried over. A GPU's rates are computed from its peak.
"""

import json
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pairprobe.checkpoints import processor
from pairprobe.errors import InputError

# What DistilBERT's config.json calls the keys of a shape.
_DISTILBERT = {
    "num_hidden_layers": "n_layers",
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "num_attention_heads": "n_heads",
}


@dataclass(frozen=True)
class Encoder:
    """The shape of an encoder, BERT-base by default."""

    num_hidden_layers: int = 12
    hidden_size: int = 768
    intermediate_size: int = 3072
    vocab_size: int = 30522
    num_attention_heads: int = 12

    @classmethod
    def read(cls, folder: Path) -> "Encoder":
        """Read a shape from a checkpoint's config.json; what is not there is taken from BERT-base.

        Raises InputError where the file cannot be read, or a number in it is no positive integer.
        """
        file, shape = folder / "config.json", {}
        if not file.is_file():
            return cls()
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: it cannot be read as JSON ({error}). Copy the checkpoint again.") from None
        if not isinstance(found, dict):
            raise InputError(f"{file}: found {found!r}, wanted keys with values. Copy the checkpoint again.")
        for each in fields(cls):
            for key in {each.name, _DISTILBERT.get(each.name, each.name)} & found.keys():
                if type(found[key]) is not int or found[key] < 1:
                    raise InputError(f"{file}: {key}: found {found[key]!r}, wanted a positive integer.")
                shape[each.name] = found[key]
        return cls(**shape)

    @property
    def weights(self) -> int:
        """The weights of the layers' matrices: four projections and the feed-forward network."""
        return self.num_hidden_layers * (4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size)

    @property
    def embeddings(self) -> int:
        """The weights of the embeddings of subtokens and of 512 positions."""
        return (self.vocab_size + 512) * self.hidden_size

    @property
    def size(self) -> float:
        """Bytes of the checkpoint in float32."""
        return 4.0 * (self.weights + self.embeddings)

    def flops(self, length: float) -> float:
        """Operations of a forward pass, a subtoken, in a text of so many: two for each weight, and attention's products."""
        return 2 * self.weights + 4 * length * self.hidden_size * self.num_hidden_layers


# Subtokens a second of two cores in forward passes, and the length of the texts. (A frozen encoder passes as in answering.)
MEASURED = {"extraction": (4640, 150), "answering": (3470, 512)}
# Operations a second of a core in its best matrix product, and the speed of a model in float32 as a share of that in
# bfloat16, BERT-base from file to file: benchmarks/README.md.
PRODUCT_FLOPS, FLOAT32_SHARE = {"bfloat16": 512e9, "float32": 257e9}, 2177 / 3897
# Training takes three times the products of a forward pass, and on a CPU these seconds of a core besides: for each number
# of a layer's hidden states, for each of its attention weights, and in each step for each weight (the optimizer, copies).
# Fitted to the processor time of one thread in bfloat16, with BERT-base's shape at 128 and 384 subtokens, on an Intel Xeon
# (family 6, model 207, AMX), whose core multiplied at 1190e9 operations a second, and in float32 at these. By the latter
# they are carried over to other cores.
HIDDEN_SECONDS, ATTENTION_SECONDS, WEIGHT_SECONDS, FITTED_FLOPS = 52e-9, 19.5e-9, 4.2e-9, 150e9
# An A100's peak by its data sheet, and the share of it that is assumed to be reached.
GPU_FLOPS = {"bfloat16": 312e12, "float32": 19.5e12}
GPU_SHARE = {"extraction": 0.45, "answering": 0.45, "fine-tuning": 0.35}
# Bytes of activations a second that a job writes, which bounds extraction on a GPU; on a CPU it is part of the rate.
WRITTEN = 1.3e9
# Subtokens a second that heads learn from, whose hidden states are read from the disk (BERT-base, one core, bfloat16).
FROZEN = 2e5

# Evaluations that each of the models with layers of two checkpoints takes, of those that are computed in one pass: half of
# the layers (benchmarks/README.md).
GRAFTED = 0.5

# Questions a second that are read and written to their partition.
READ = {"natural_questions": 780, "squad": 590, "bundled": 245}
# Bytes a second from the hub, assumed.
DOWNLOADED = 50e6
# Examples of SQuAD a second that have their synonyms found, by far the slowest of the probing sets. (Measured as 130 before
# WordNet was made 2.8 times as fast at it.)
SYNONYMS = 360
# Hidden states' numbers a second that are compared: 2.2 million similarities of 384 numbers (benchmarks/README.md).
COMPARED = 2.2e6 * 384
# Words of sentences a second that boundary heads learn from, by the 13 layers of 768 numbers that it was measured with.
BOUNDARY = 1800 * 13 * 768
# Seconds, and bytes, of the explorer for a pair of 13 layers and two checkpoints (docs/reference/files.md).
EXPLORER_SECONDS, EXPLORER_BYTES = 36 / 10_000, 7300
# Seconds until a job is at work, from the demo's shortest jobs: with a model, with WordNet, drawing, others.
START_MODEL, START_WORDNET, START_FIGURE, START = 4.0, 1.9, 0.9, 0.15


@dataclass(frozen=True)
class Machine:
    """Cores, and GPUs beside them.

    speed: of a core in forward passes, by type, as a share of the reference machine's in bfloat16. products: its operations
    a second in matrix products, by type.
    """

    name: str
    origin: str
    cores: int
    gpus: int = 0
    speed: tuple[tuple[str, float], ...] = (("bfloat16", 1.0), ("float32", FLOAT32_SHARE))
    products: tuple[tuple[str, float], ...] = tuple(PRODUCT_FLOPS.items())

    def precision(self, asked: str) -> str:
        """Return the type that a job computes in; ``auto`` is the faster one."""
        speed = dict(self.speed)
        return max(speed, key=speed.__getitem__) if asked == "auto" else asked

    def flops(self, kind: str, precision: str, threads: int) -> float:
        """Return a job's operations a second on forward passes; kind: of ``MEASURED``."""
        precision, (rate, length) = self.precision(precision), MEASURED[kind]
        if self.gpus:
            return GPU_SHARE[kind] * GPU_FLOPS[precision]
        return rate / 2 * Encoder().flops(length) * dict(self.speed)[precision] * min(threads, self.cores)

    def training(self, shape: Encoder, windows: float, length: int, steps: float, precision: str, threads: int) -> float:
        """Return the seconds of a training on so many windows of that length, in so many steps."""
        precision, rates, subtokens = self.precision(precision), dict(self.products), windows * length
        products = 3 * subtokens * shape.flops(length)
        if self.gpus:
            return products / (GPU_SHARE["fine-tuning"] * GPU_FLOPS[precision])
        numbers = HIDDEN_SECONDS * shape.hidden_size + ATTENTION_SECONDS * length * shape.num_attention_heads
        others = subtokens * shape.num_hidden_layers * numbers + steps * WEIGHT_SECONDS * (shape.weights + shape.embeddings)
        return (products / rates[precision] + others * FITTED_FLOPS / rates["float32"]) / min(threads, self.cores)


REFERENCE = Machine("two cores", "AMD EPYC (family 26), rates measured, but for fine-tuning", 2)
GPU = Machine("one GPU", "A100 with 8 cores, rates computed", 8, 1)
GPUS = Machine("eight GPUs", "A100s with 8 cores each, rates computed", 64, 8)


def this_machine() -> Machine:
    """Return this machine by measurements of one core, which take two seconds and the start of transformers."""
    from pairprobe.checkpoints import speed

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    reference = REFERENCE.flops("answering", "bfloat16", 1)
    layer = speed.TEXTS[0] * speed.TEXTS[1] * Encoder(num_hidden_layers=1).flops(speed.TEXTS[1])
    passes = tuple((precision, layer / speed.layer_seconds(precision) / reference) for precision in PRODUCT_FLOPS)
    products = tuple((precision, speed.product_flops(precision)) for precision in PRODUCT_FLOPS)
    here = Machine("this machine", "", cores, speed=passes, products=products)
    rate = here.flops("answering", "auto", 2) / Encoder().flops(512)
    origin = (
        f"{cores} cores, {processor.name()}, measured now: {rate:,.0f} subtokens a second of BERT-base with two threads"
    )
    return replace(here, origin=origin)
