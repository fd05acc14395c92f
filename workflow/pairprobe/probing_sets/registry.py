"""Which tasks there are, and what each says of itself, without loading it: it may need packages that only jobs have."""

import ast
import importlib.util
import pkgutil
from pathlib import Path
from typing import Any

from pairprobe.errors import InputError
from pairprobe.probing_sets import tasks

PAIR_MEASURES = ("cosine", "euclidean")
BOUNDARY_MEASURES = ("start", "end")


def names() -> list[str]:
    """Return the names of all tasks, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(tasks.__path__))


def view_of(task: str) -> str:
    """Return a task's VIEW. Raises InputError where its module has none, or one that is no constant."""
    return _constant(task, "VIEW")


def uses_wordnet(task: str) -> bool:
    """Say whether a task's module has USES_WORDNET."""
    return bool(_constant(task, "USES_WORDNET", False))


def _constant(task: str, name: str, *default: Any) -> Any:
    spec = importlib.util.find_spec(f"{tasks.__name__}.{task}")
    path = str(spec.origin) if spec else task
    try:
        for statement in ast.parse(Path(path).read_bytes(), path).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return ast.literal_eval(getattr(statement, "value", None) or "None")
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: {name} cannot be read ({error}). Wanted: {name} = a constant.") from None
    if not default:
        raise InputError(f"{path}: no {name}. Wanted: what tasks/__init__.py says of a task.")
    return default[0]
