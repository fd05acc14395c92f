"""The one error that bad input raises."""


class InputError(ValueError):
    """Input that cannot be used: names the file, the line or key, what was found, what was wanted, what to do."""
