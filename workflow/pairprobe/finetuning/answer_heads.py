"""Which answer heads a checkpoint's predictions come from."""

# How tables name the heads that a checkpoint answers with.
WITH_ENCODER, FROZEN, OWN, RANDOM = "trained with the encoder", "trained, encoder frozen", "its own", "random, seed {}"


def head_of(heads: str | None) -> str:
    """Name the heads that a checkpoint answers with: those of a file, or, for None, those that were trained with it."""
    if heads is None:
        return WITH_ENCODER
    from safetensors import safe_open

    with safe_open(heads, framework="np") as tensors:
        return str(tensors.metadata()["head"].partition("\n")[0])


def are_random(heads: str | None) -> bool:
    """Whether the heads that a checkpoint answers with were trained by nobody; heads: as of ``head_of``."""
    return head_of(heads).startswith(RANDOM.partition("{")[0])
