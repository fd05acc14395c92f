"""Checks across the configuration's keys, and what they resolve to."""

from pairprobe.errors import InputError


def expand_seeds(config: dict) -> None:
    """Put a checkpoint for each seed in the place of one with ``seeds``, in place: ``NAME-seed1``, ``NAME-seed2``, ...

    Where ``figures`` names such a checkpoint, all of its seeds are meant. Raises InputError where it has ``seed`` as well.
    """
    expanded: dict[str, dict] = {}
    named: dict[str, list[str]] = {}
    for name, checkpoint in config["checkpoints"].items():
        seeds = checkpoint.get("seeds", [])
        if seeds and "seed" in checkpoint:
            raise InputError(f"checkpoints.{name}: found seed and seeds. Remove one of the two.")
        if seeds and checkpoint["source"] not in ("finetune", "random"):
            raise InputError(
                f"checkpoints.{name}.seeds: source {checkpoint['source']} has no such key; finetune and random have."
            )
        rest = {key: value for key, value in checkpoint.items() if key != "seeds"}
        label = config["figures"]["labels"].get(name) or checkpoint.get("label") or name.replace("_", " ").capitalize()
        several = {f"{name}-seed{seed}": {**rest, "label": f"{label}, seed {seed}", "seed": seed} for seed in seeds}
        named[name] = list(several or [name])
        for twice in several.keys() & config["checkpoints"].keys():
            raise InputError(f"checkpoints.{name}.seeds: there is a checkpoint {twice} besides. Give it another name.")
        expanded |= several or {name: checkpoint}
    config["checkpoints"] = expanded
    figures = config["figures"]
    lists = [(figures, "checkpoints")] if "checkpoints" in figures else []
    for section, key in [*lists, *((figures["comparisons"], key) for key in figures["comparisons"])]:
        section[key] = [one for name in section[key] for one in named.get(name, [name])]
