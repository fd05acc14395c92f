"""Files of adapters of peft, LoRA and the like: read and checked as data from strangers.

A folder of an adapter says how its tensors act (adapter_config.json) and has them (adapter_model.safetensors). Neither the
model that the config names is asked for, nor any class of the adapter's own.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.checkpoints.checksums import verify_checksums
from pairprobe.checkpoints.folder import one_inside, open_tensors, read_json
from pairprobe.checkpoints.links import check_links
from pairprobe.checkpoints.peft_layers import SIGNS, config_class
from pairprobe.errors import InputError

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Folders in a checkpoint's: ``adaptation`` puts into the first what is applied whenever the checkpoint is loaded, a
# training by LoRA into the second what it has merged already.
UNMERGED, MERGED = "unmerged_adapter", "adapter"

# The keys of the config that the numbers of each kind depend on.
KEYS = {
    "LORA": ("r", "lora_alpha", "use_rslora", "use_dora", "lora_bias", "fan_in_fan_out", "rank_pattern", "alpha_pattern"),
    "IA3": ("fan_in_fan_out",),
    "LOHA": ("r", "alpha", "use_effective_conv2d", "rank_pattern", "alpha_pattern"),
    "LOKR": (
        *("r", "alpha", "use_effective_conv2d", "decompose_both", "decompose_factor"),
        *("rank_pattern", "alpha_pattern"),
    ),
}
# Kinds that add virtual tokens to what the encoder reads.
_VIRTUAL_TOKENS = ("PREFIX_TUNING", "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "CPT", "CARTRIDGE")
# Keys that change no number once an adapter is trained: where it comes from, which modules (the tensors say it), dropout.
_WITHOUT_EFFECT = re.compile(
    "peft_type|peft_version|task_type|auto_mapping|base_model_name_or_path|revision|inference_mode|runtime_config|bias|"
    r"(target|exclude|feedforward)_modules|modules_to_save|layers_(to_transform|pattern)|\w*dropout\w*|init_\w+|"
    r"(loftq|eva|corda|lora_ga|megatron)_\w+|ensure_weight_tying|qalora_group_size"
)
# How matrices may begin. Others (PiSSA, OLoRA, LoftQ, ...) begin by changing the base's weights, too.
_BEGINNINGS = (None, True, False, "gaussian", "orthogonal", "eva")


def _is_rank(value: Any) -> bool:
    return type(value) is int and 0 < value <= 1_000_000


def _is_scale(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1_000_000  # which NaN is not


def _is_pattern(values: Any, fits: Callable[[Any], bool]) -> bool:
    """Whether keys are names of modules, or such regular expressions as end soon, without groups and alternatives."""
    keys = list(values) if isinstance(values, dict) else [""]
    short = all(re.fullmatch(r"[\w.\\^$*+?-]{1,300}", key) and len(re.findall(r"[*+?]", key)) <= 3 for key in keys)
    return values == {} or (short and all(map(fits, values.values())))


_NAMES = "{names of modules, with at most three of the signs * + ?, and no groups:"
_RANK = ("a whole number from 1 to 1,000,000", _is_rank)
_SCALE = ("a number, of less than a million", _is_scale)
# key: (what is wanted of its value, whether a value is that); of others: true or false.
_VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "r": _RANK,
    "lora_alpha": _SCALE,
    "alpha": _SCALE,
    "decompose_factor": ("a whole number", lambda value: value == -1 or _is_rank(value)),
    "rank_pattern": (f"{_NAMES} {_RANK[0]}}}", lambda values: _is_pattern(values, _is_rank)),
    "alpha_pattern": (f"{_NAMES} {_SCALE[0]}}}", lambda values: _is_pattern(values, _is_scale)),
}


def copy(folder: Path, target: Path) -> None:
    """Copy the files of an adapter, which are verified, into a folder that is made."""
    verify(folder)
    target.mkdir()
    for file in (CONFIG, WEIGHTS):
        shutil.copyfile(folder / file, target / file)


def verify(folder: str | Path) -> dict[str, Any]:
    """Check the files of an adapter, of which only the config is loaded: it is returned.

    Raises InputError where one is missing, pickled or damaged, and where the config asks for what is never done.
    """
    folder = Path(folder)
    name = f"adapter {folder}"
    verify_checksums(folder)
    check_links(folder, (CONFIG, WEIGHTS))
    if not (folder / CONFIG).is_file():
        if (folder / "config.json").is_file():
            raise InputError(
                f"{name}: it is a whole model, not an adapter. Write source: path, or hub, without base (load_encoder "
                "takes it without base, too)."
            )
        hint = one_inside({path.parent.name for path in folder.glob(f"*/{CONFIG}")})
        said = f"{name}: {CONFIG} is missing. Wanted: a folder saved by peft's save_pretrained. {hint}"
        raise InputError(said.rstrip())
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern))
        said = f"its weights are pickled only ({', '.join(pickled)}), and pickles can run code" if pickled else "no weights"
        raise InputError(f"{name}: {said}; wanted {WEIGHTS}. Load it with peft and save it again with save_pretrained.")
    config = read_json(folder / CONFIG)
    _check_config(config, f"{name}: {CONFIG}")
    return config


def _check_config(config: dict[str, Any], where: str) -> None:
    kind = config.get("peft_type")
    if kind in _VIRTUAL_TOKENS:
        raise InputError(
            f"{where}, key peft_type: {kind} adds virtual tokens to what the encoder reads, so that it would not read the "
            f"text alone. Allowed: {', '.join(SIGNS)}."
        )
    if not isinstance(kind, str) or kind not in SIGNS:
        raise InputError(
            f"{where}, key peft_type: found {kind!r:.80}. Allowed: {', '.join(SIGNS)}. Merge it into its base with peft "
            "(merge_and_unload), save that with save_pretrained, and take the folder as source: path."
        )
    if (begun := config.get("init_lora_weights")) not in _BEGINNINGS:
        raise InputError(
            f"{where}, key init_lora_weights: {begun!r:.80} has changed the base's weights as well, which are not here. "
            "Save the adapter with path_initial_model_for_weight_conversion, which makes a plain LoRA of it."
        )
    defaults = vars(config_class(kind)(target_modules=["any"]))
    for key, value in config.items():
        if key in KEYS[kind]:
            wanted, fits = _VALUES.get(key, ("true or false", lambda value: type(value) is bool))
            if value is not None and not fits(value):
                raise InputError(f"{where}, key {key}: found {value!r:.80}, wanted {wanted}. Fetch it again.")
        elif not _WITHOUT_EFFECT.fullmatch(key) and value and value != defaults.get(key):
            raise InputError(
                f"{where}, key {key}: found {value!r:.80}, which changes what the adapter does in a way that is not known "
                "here. Merge it into its base with peft (merge_and_unload), and take that as source: path."
            )


def load_tensors(folder: str | Path) -> "dict[str, torch.Tensor]":
    """Load the tensors of an adapter. Raises InputError where they are not finite numbers."""
    import torch

    name = f"adapter {folder}"
    with open_tensors(Path(folder) / WEIGHTS, name) as opened:
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
    for key, tensor in tensors.items():
        if len(key) > 300:  # patterns are matched with it
            raise InputError(f"{name}: {WEIGHTS}, tensor {key:.80}...: no module has so long a name. Fetch it again.")
        if not tensor.is_floating_point() or not torch.isfinite(tensor.float()).all():
            raise InputError(f"{name}: {WEIGHTS}, tensor {key}: found no finite floating-point numbers. Fetch it again.")
    return tensors
