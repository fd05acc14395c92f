"""pairprobe: what fine-tuning did to a language model, layer by layer, by a pairwise probe.

The library behind the workflow; it knows nothing of Snakemake. ``README.md`` beside this file has a map of its packages.
What notebooks use is in the package ``api`` and can be taken from here.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pairprobe.api.comparison import Comparison, compare
    from pairprobe.api.models import Model, load_encoder
    from pairprobe.api.ranking import rank
    from pairprobe.api.rankings import Rankings
    from pairprobe.api.runs import Run, open_run
    from pairprobe.errors import InputError
    from pairprobe.probing_sets.pair_files import read as read_pairs
    from pairprobe.probing_sets.text_pairs import TextPair
    from pairprobe.probing_sets.text_spans import Characters, Words

# What can be taken from here: its module, and its name there.
_OFFERED = {
    "Characters": ("probing_sets.text_spans", "Characters"),
    "Comparison": ("api.comparison", "Comparison"),
    "InputError": ("errors", "InputError"),
    "Model": ("api.models", "Model"),
    "Rankings": ("api.rankings", "Rankings"),
    "Run": ("api.runs", "Run"),
    "TextPair": ("probing_sets.text_pairs", "TextPair"),
    "Words": ("probing_sets.text_spans", "Words"),
    "compare": ("api.comparison", "compare"),
    "load_encoder": ("api.models", "load_encoder"),
    "open_run": ("api.runs", "open_run"),
    "rank": ("api.ranking", "rank"),
    "read_pairs": ("probing_sets.pair_files", "read"),
}
__all__ = [
    "Characters",
    "Comparison",
    "InputError",
    "Model",
    "Rankings",
    "Run",
    "TextPair",
    "Words",
    "compare",
    "load_encoder",
    "open_run",
    "rank",
    "read_pairs",
]


def __getattr__(name: str) -> Any:
    """Load a module when something is taken from it: whoever imports one waits for no other."""
    if name in _OFFERED:
        module, there = _OFFERED[name]
        return getattr(importlib.import_module(f"pairprobe.{module}"), there)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be taken from here, though it is not loaded."""
    return sorted({*globals(), *__all__})
