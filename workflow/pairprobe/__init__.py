"""pairprobe: what fine-tuning did to a language model, layer by layer, by a pairwise probe.

The library behind the workflow; it knows nothing of Snakemake. ``README.md`` beside this file has a map of its packages.
What notebooks need is in ``pairprobe.api`` and can be taken from here.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pairprobe.api import Run, open_run

__all__ = ["Run", "open_run"]


def __getattr__(name: str) -> Any:
    """Load ``api`` when something is taken from it: whoever imports one module waits for no other."""
    if name in __all__:
        return getattr(importlib.import_module("pairprobe.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
