"""What a folder holds in place of plain weights in safetensors, told by names alone, and what to do about it.

Quantised weights, the formats of other programs, and what a training leaves. No file of weights is opened here.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

UNQUANTISED = (
    "Take the weights as they were before, in float32, float16 or bfloat16; on the hub, the model's card names them as "
    "base_model"
)
# Keys of config.json that say so; the last is MLX's.
QUANTISED_KEYS = ("quantization_config", "compression_config", "quantization")
# Names that only the parts of quantised weights have.
_PARTS = {
    r"\.(qweight|qzeros)": "GPTQ or AWQ",
    r"\.(SCB|weight_format)": "bitsandbytes, 8 bits",
    r"\.(absmax|quant_map|quant_state\.bitsandbytes__\w+)": "bitsandbytes, 4 bits",
    r"[._]weight_packed": "compressed-tensors",
    r"[._]?weight[_:](scale(_inv)?|qdata)": "fp8 or int8 with scales",
    r"proj_blocks": "MXFP4",
    r"\.q_(weight|invperm)": "EXL2",
    r"\.W_q": "HQQ",
}

# Formats that other programs write, at the top of a folder or in one of their own.
_FORMATS = {
    "GGUF": ("*.gguf",),
    "ONNX": ("*.onnx", "onnx/*.onnx"),
    "OpenVINO": ("*.xml", "openvino/*.xml"),
    "TensorFlow": ("*.h5", "*.index", "*.pb", "*.tflite"),
    "Flax": ("*.msgpack",),
    "Core ML": ("*.mlpackage", "*.mlmodel", "coreml/*"),
    "Rust": ("*.ot",),
}
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Pickles and the like that hold no weights: a training's state, and OpenVINO's numbers.
_NO_WEIGHTS = re.compile(r"(optimizer|scheduler|scaler|rng_state|random_states|sampler|training_args).*|openvino.*\.bin")
_AGAIN = (
    "Save them again with save_pretrained (where you trust them, from_pretrained reads them), or take a revision of the "
    "hub with model.safetensors."
)


def quantisation(settings: Any) -> str:
    """Say what a key of ``QUANTISED_KEYS`` says of the weights: the method and its bits, as far as they are told."""
    told = settings if isinstance(settings, dict) else {}
    said = [str(told[key]) for key in ("quant_method", "format", "fmt", "quant_type") if isinstance(told.get(key), str)]
    for bits in (4, 8):
        if told.get(f"load_in_{bits}bit"):
            said = [*(said or ["bitsandbytes"]), f"{bits} bits"]
    said += [f"{told[key]} bits" for key in ("bits", "w_bit", "nbits") if isinstance(told.get(key), int)]
    by = f" ({', '.join(said)})" if said else ""
    return f"the weights are quantised{by}. {UNQUANTISED}"


def quantised_part(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first of these names of tensors that is a part of quantised weights, and by which method."""
    for name in names:
        for pattern, method in _PARTS.items():
            if re.search(f"{pattern}$", name):
                return name, method
    return None


def names_in(folder: Path) -> list[str]:
    """Return the paths of the files and folders in a folder, and of those one deeper, as "onnx/model.onnx"."""
    return sorted(path.relative_to(folder).as_posix() for pattern in ("*", "*/*") for path in folder.glob(pattern))


def parted_weights(names: Sequence[str], folder: str | Path) -> str | None:
    """Say that weights are in the parts of a training on several processes, and how to join them; else None.

    names: of what a folder or a repository holds, as ``names_in`` gives them.
    """
    if parts := matching(names, "global_step*/*", "zero_to_fp32.py"):
        saved, join = "DeepSpeed", "python zero_to_fp32.py . joined --safe_serialization, in this folder"
    elif parts := matching(names, "pytorch_model_fsdp_*/*", "*.distcp"):
        saved, join = "FSDP", f"accelerate merge-weights {(Path(folder) / parts[0]).parent} joined"
    else:
        return None
    return (
        f"its weights are in parts, as {saved} saves them ({parts[0]}). Join them ({join}), and put config.json and the "
        "tokenizer beside them."
    )


def other_weights(names: Sequence[str]) -> str | None:
    """Say which weights there are in other formats, and what to do; None where there are none; names: as above."""
    if pickled := matching(names, *_PICKLED):
        return f"its weights are pickled only ({', '.join(pickled)}), and pickles can run code. {_AGAIN}"
    found = {name: matching(names, *patterns) for name, patterns in _FORMATS.items()}
    if others := [f"{name}: {', '.join(files[:5])}" for name, files in found.items() if files]:
        return f"its weights are in another format ({'; '.join(others)}), wanted safetensors. {_AGAIN}"
    return None


def advice_on(path: Path) -> str | None:
    """Say what to do where a path that should be a checkpoint's folder is a file, and its format; None where it is none."""
    if not path.is_file():
        return None
    other = other_weights([path.name])
    return f"It is a file, and {other}" if other else "It is a file: name its folder."


def matching(names: Sequence[str], *patterns: str) -> list[str]:
    """Return the names that match, those of a training's state apart; a star stands for anything but a slash."""
    return [
        name
        for name in names
        if any(fnmatchcase(name, each) and name.count("/") == each.count("/") for each in patterns)
        and not _NO_WEIGHTS.fullmatch(name.rpartition("/")[2])
    ]
