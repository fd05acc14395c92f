"""Which answer heads a checkpoint's predictions come from."""

# What tables say of the heads that a checkpoint answers with.
WITH_ENCODER, FROZEN = "trained with the encoder", "trained, encoder frozen"


OWN, RANDOM = "its own", "random, seed {}"


def head_of(heads: str | None) -> str:
    """Say what heads a checkpoint answers with: those of a file, or those that were trained with it."""
    if heads is None:
        return WITH_ENCODER
    from safetensors import safe_open

    with safe_open(heads, framework="np") as tensors:
        return tensors.metadata()["head"]
