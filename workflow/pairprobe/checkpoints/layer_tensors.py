"""Which layer each tensor of an encoder belongs to, by its name alone: no model is made."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pairprobe.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# The first number in a name, and what stands before it: "encoder.layer." and 3.
_NUMBERED = re.compile(r"((?:[^.\d][^.]*\.)*)(\d+)\.")
# What is computed from the configuration, and saved by some versions of transformers.
_COMPUTED = ("inv_freq", "position_ids")


def layers_of(names: Iterable[str], config: "PreTrainedConfig", folder: str) -> dict[str, list[int]]:
    """Return the layers of each tensor of an encoder, whose names have no prefix: 0 for the embeddings, else 1 to L.

    A norm behind the last layer counts with it. What else stands beside the layers counts with the embeddings: tables of
    relative positions, for one, that all layers share. Of layers with shared weights, as in ALBERT, a tensor has several.
    The pooler and what is computed from the configuration have no layer. Raises InputError where the names have no stack of
    as many layers as the configuration says.
    """
    names = [name for name in names if "pooler" not in name and not name.endswith(_COMPUTED)]
    stacks: dict[str, dict[str, int]] = defaultdict(dict)
    for name in names:
        if found := _NUMBERED.match(name):
            stacks[found[1]][name] = int(found[2])
    layers = config.num_hidden_layers
    several = getattr(config, "num_hidden_groups", layers)
    fitting = {stem: of_stem for stem, of_stem in stacks.items() if {*of_stem.values()} == {*range(several)}}
    if not fitting:
        counts = ", ".join(f"{stem}0 to {max(of_stem.values())}" for stem, of_stem in stacks.items()) or "none"
        raise InputError(
            f"checkpoint {folder}: found tensors of the layers {counts}, wanted {several} layers, as config.json says. "
            "Which tensor belongs to which layer cannot be told: leave this checkpoint out of what asks for it."
        )
    stem = max(fitting, key=lambda stem: len(fitting[stem]))
    read_by = {group: [1 + i for i in range(layers) if i * several // layers == group] for group in range(several)}
    inside = {name: read_by[number] for name, number in fitting[stem].items()}
    return {name: inside.get(name) or [layers * _is_final_norm(name, stem, names)] for name in names}


def _is_final_norm(name: str, stem: str, names: Iterable[str]) -> bool:
    """Whether a tensor beside the layers is of the norm behind the last one."""
    module = name.rpartition(".")[0]
    beside = stem.rstrip(".").rpartition(".")[0]
    # DeBERTa's norm there is that of its table of relative positions.
    of_positions = any(other.startswith(f"{beside}.rel_embeddings".lstrip(".")) for other in names)
    is_norm = re.search(r"norm|(^|\.)ln(_f)?$", module, re.IGNORECASE) is not None
    return is_norm and "embed" not in module and not of_positions
