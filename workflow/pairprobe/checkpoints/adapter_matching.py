"""Which modules of an encoder an adapter changes: the names of its tensors say it, whatever model it was trained in."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.checkpoints import adapters
from pairprobe.checkpoints.heads import all_heads, answer_heads, prefixes
from pairprobe.checkpoints.peft_layers import NAME, SIGNS, Adapter, config_class
from pairprobe.errors import InputError, one_line
from pairprobe.io.progress import log

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def read(folder: str | Path, encoder: "PreTrainedModel", base: str) -> Adapter:
    """Read an adapter and match it to an encoder. base: how errors call the encoder.

    Raises InputError as ``adapters.verify`` does, and where a tensor of the adapter has no place in the encoder.
    """
    config, name = adapters.verify(folder), f"adapter {folder}"
    tuned: dict[str, dict[str, torch.Tensor]] = {}  # by the module's name in the model of the adapter's training
    others = {}
    for key, tensor in adapters.load_tensors(folder).items():
        module, parameter = _parse(key, SIGNS[config["peft_type"]])
        if parameter:
            tuned.setdefault(module, {})[parameter] = tensor
        else:
            others[module] = tensor
    outer = _outer_prefix(tuned, others, encoder, name, base)
    places = _places_of(tuned, outer, encoder, name, base)
    whole, heads = _sort_others(others, outer, encoder, name, base)
    if not _answers_questions(config):
        heads = {}
    found = {place: tuned[module] for module, place in places.items()}
    named = {f"{place}.{key}": tensor for place, parameters in found.items() for key, tensor in parameters.items()}
    _check_ranks(config, named, name)
    try:
        return Adapter(_exact_config(config, places, found) if named else None, named, whole, heads)
    except Exception as error:
        raise InputError(f"{name}: peft cannot use its {adapters.CONFIG}: {one_line(error)}") from error


def _parse(key: str, sign: str) -> tuple[str, str]:
    """Return a tensor's module and, where it is the adapter's own, its name there as peft has it in memory; else ""."""
    parts = key.removeprefix("base_model.model.").split(".")
    at = next((i for i, part in enumerate(parts) if part.startswith(sign)), None)
    if at is None:
        return ".".join(part for part in parts if part != "base_layer"), ""
    first, *rest = parts[at:]
    if first == "lora_magnitude_vector":
        rest = ["weight"]
    return ".".join(parts[:at]), ".".join([first, NAME, *rest])


def _outer_prefix(tuned: Iterable[str], others: Iterable[str], encoder: "PreTrainedModel", name: str, base: str) -> str:
    """Return how the names of modules begin that hold the encoder in the model of the adapter's training: "bert." or ""."""
    modules = dict(encoder.named_modules())
    owners = sorted({key.rpartition(".")[0] for key in others})
    # A head alone may have matrices, and a module of the encoder be there whole.
    for names in (tuned, owners):
        found = Counter(before for one in names if (before := _before(one, modules)) is not None)
        if found:
            break
    else:
        changed = sorted({*tuned, *owners})
        if changed and {one.partition(".")[0] for one in changed} <= all_heads(encoder.config):
            raise InputError(
                f"{name}: it changes {', '.join(changed)} alone, which is beside the encoder, and so no hidden state of "
                f"{base}: there is nothing to probe."
            )
        said = f"it changes {changed[0]}" if changed else f"no tensor of {adapters.WEIGHTS} is one of its kind"
        own = next((one for one, module in modules.items() if one and not list(module.children())), "none")
        raise InputError(
            f"{name}: {said}, and no module of {base} has such a name (one is {own}). Name the base that it was trained on."
        )
    outer = found.most_common(1)[0][0]
    _check_prefix(outer, encoder, name, base)
    return outer


def _before(module: str, modules: dict[str, Any]) -> str | None:
    """Return what stands before the longest end of a module's name that is one in the encoder, with a dot; else None."""
    parts = module.split(".")
    first = next((i for i in range(len(parts)) if ".".join(parts[i:]) in modules), None)
    return None if first is None else ".".join([*parts[:first], ""])


def _check_prefix(outer: str, encoder: "PreTrainedModel", name: str, base: str) -> None:
    """Raise InputError where modules lie in what another architecture's models call their encoder ("roberta.")."""
    from transformers import CONFIG_MAPPING

    inner, kind = outer.removesuffix(".").rpartition(".")[2], encoder.config.model_type
    own = {(prefix or "").removesuffix(".") for prefix in prefixes(encoder.config)} | {kind}
    others = {one.replace("_", "-") for one in CONFIG_MAPPING} - {one.replace("_", "-") for one in own}
    if inner.replace("_", "-") in others:
        raise InputError(
            f"{name}: the modules that it changes are in {inner}, as another architecture's are, and {base} is a {kind}. "
            f"Name the base that it was trained on; if this is it, in a class of your own, rename {inner} to {kind} in "
            f"{adapters.WEIGHTS}."
        )


def _places_of(
    tuned: "dict[str, dict[str, torch.Tensor]]", outer: str, encoder: "PreTrainedModel", name: str, base: str
) -> dict[str, str]:
    """Return where in the encoder each module is."""
    modules = dict(encoder.named_modules())
    # An encoder that answers questions may be built without its pooler, which nothing reads.
    places = {one: one.removeprefix(outer) for one in tuned if one.startswith(outer) and "pooler" not in one}
    if lost := [module for module, place in places.items() if place not in modules]:
        raise InputError(
            f"{name}: it changes {lost[0]} ({len(lost)} of {len(tuned)} modules), which {base} does not have. Name the "
            "base that it was trained on."
        )
    left = sorted(tuned.keys() - places.keys())
    if second := [one for one in left if "pooler" not in one and _before(one, modules) is not None]:
        raise InputError(
            f"{name}: it changes two encoders ({min(places)} and {second[0]}), and {base} is one. Save the adapter of one "
            "encoder by itself."
        )
    if left:
        log.info("%s: it also changes %s, which no hidden state depends on", name, ", ".join(left))
    return places


def _sort_others(
    others: "dict[str, torch.Tensor]", outer: str, encoder: "PreTrainedModel", name: str, base: str
) -> "tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]":
    """Sort weights that an adapter has whole: those of the encoder, and those of a head that may answer questions."""
    own, whole, heads = encoder.state_dict(), {}, {}
    answering = answer_heads(encoder.config)
    for key, tensor in others.items():
        if key.startswith(outer) and (inside := key.removeprefix(outer)) in own:
            if own[inside].shape != tensor.shape:
                raise InputError(
                    f"{name}: its {key} has the shape {tuple(tensor.shape)}, and {base} has {tuple(own[inside].shape)}. "
                    "Name the base that it was trained on; where tokens were added, merge it there and take that."
                )
            whole[inside] = tensor
        elif "pooler" in key:
            continue
        elif key.startswith(answering):
            heads[key] = tensor
        elif outer and not key.startswith(outer):
            log.info("%s: %s is of a head that is not used", name, key)
        else:
            raise InputError(f"{name}: {base} has no weights {key}. Name the base that it was trained on.")
    return whole, heads


def _answers_questions(config: dict[str, Any]) -> bool:
    """Whether an adapter was trained in a model that answers questions, as far as its config tells."""
    told = config.get("auto_mapping")
    trained_in = told.get("base_model_class") if isinstance(told, dict) else None
    return "QuestionAnswering" in str(trained_in) if trained_in else config.get("task_type") in (None, "QUESTION_ANS")


def _check_ranks(config: dict[str, Any], tensors: "dict[str, torch.Tensor]", name: str) -> None:
    """Raise InputError for ranks that no tensor has: so much memory would be taken. (LoKr may have less than its rank.)"""
    largest = max((size for tensor in tensors.values() for size in tensor.shape), default=0)
    for rank in (config.get("r") or 0, *(config.get("rank_pattern") or {}).values()):
        if tensors and config["peft_type"] != "LOKR" and rank > largest:
            raise InputError(
                f"{name}: {adapters.CONFIG} has the rank {rank}, and no tensor of {adapters.WEIGHTS} has. Fetch it again."
            )


def _exact_config(config: dict[str, Any], places: dict[str, str], shapes: dict[str, dict[str, Any]]) -> Any:
    """Return peft's config for these modules alone, with the rank and the alpha of each as the patterns have them."""
    from peft.utils.other import get_pattern_key

    kind = config["peft_type"]
    kept = {key: config[key] for key in adapters.KEYS[kind] if config.get(key) is not None}
    for pattern in ("rank_pattern", "alpha_pattern"):
        if given := kept.pop(pattern, None):
            keys = {module: get_pattern_key(list(given), module) for module in places}
            kept[pattern] = {f"^{re.escape(places[m])}": given[key] for m, key in keys.items() if key in given}
    kept["target_modules"] = _alternatives(places.values())
    if kind == "IA3":
        # Which side of a module is scaled, the shape says.
        inputs = [place for place, found in shapes.items() if all(tensor.shape[0] == 1 for tensor in found.values())]
        kept["feedforward_modules"] = _alternatives(inputs)
        if not inputs:
            kept["feedforward_modules"] = []
    return config_class(kind)(**kept)


def _alternatives(names: Any) -> str:
    return "|".join(re.escape(name) for name in names)
