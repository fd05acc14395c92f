"""The structure of the library: packages in floors, no import cycles, a map that is true, no script that reaches more."""

import ast
import graphlib
import json
import re
from pathlib import Path

import pytest

from pairprobe.provenance import code

LIBRARY = code.LIBRARY
# From the ground up: a package imports from itself and from those before it.
FLOORS = (
    "errors", "io", "data", "checkpoints", "activations", "probing_sets", "configuration", "rankings", "evidence",
    "controls", "finetuning", "evaluation", "interventions", "tables", "figures", "explorer", "cost", "provenance", "api",
    "__init__", "__main__",
)  # fmt: skip
MODULES = {".".join(path.relative_to(LIBRARY).with_suffix("").parts): path for path in LIBRARY.rglob("*.py")}
# The packages that the digest of each script reaches into, besides errors.
REACH = json.loads((Path(__file__).parent / "reach.json").read_text(encoding="utf-8"))


def imports_of(name: str) -> set[str]:
    """Return the modules of the library that a module imports, wherever in it."""
    files = code._read(MODULES[name], LIBRARY).imports
    found = {".".join(path.relative_to(LIBRARY).with_suffix("").parts) for path in files}
    return {module for module in found if not module.endswith("__init__")}


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: imports_of(name) for name in MODULES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__init__")])
def test_a_module_imports_only_from_its_own_floor_and_lower_ones(name):
    floor = FLOORS.index(name.split(".")[0])
    assert {module for module in imports_of(name) if FLOORS.index(module.split(".")[0]) > floor} == set()


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*/**/__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_s_init_is_a_docstring_and_nothing_else(path):
    (statement,) = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value.value, str)


def test_every_folder_with_modules_is_a_package():
    assert {path.parent for path in LIBRARY.rglob("*.py")} == {path.parent for path in LIBRARY.rglob("__init__.py")}


def packages_reached(script: str) -> list[str]:
    """List the packages that the digest of a script reaches into."""
    tasks = ["probing_sets.tasks.synonyms"] if script == "build_probing_set" else []
    modules = code.code_of(script, *tasks)
    return sorted({name.split(".")[0] for name in modules if not name.startswith("scripts/")} - {"errors"})


@pytest.mark.parametrize("script", sorted(path.stem for path in code.SCRIPTS.glob("*.py")))
def test_a_script_reaches_no_package_that_it_is_not_known_to_need(script):
    """Each package more is re-runs more. Add one to reach.json only where the script's numbers depend on it."""
    assert packages_reached(script) == REACH[script].split()


def test_the_map_of_the_packages_is_true():
    """README.md beside the library lists each package and module once, each package in the order of its floor."""
    text = (LIBRARY / "README.md").read_text(encoding="utf-8")
    listed, folders = [], [""]
    for indent, item in re.findall(r"^( *)- (.*(?:\n +[^ -].*)*)", text, re.MULTILINE):
        depth = len(indent) // 2 + 1
        folder = folders[depth - 1]
        if found := re.match(r"`(\w+/)`: \S", item):
            folder += found[1]
            listed.append(folder)
        folders[depth:] = [folder]
        listed += [folder + name for name in re.findall(r"`(\w+\.py)`", item)]
    there = {path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py") if path.name != "__init__.py"}
    packages = {f"{path.parent.relative_to(LIBRARY).as_posix()}/" for path in LIBRARY.glob("*/**/__init__.py")}
    assert len(set(listed)) == len(listed)
    said = "workflow/pairprobe/README.md must list each package and module: missing {}, no longer there {}"
    assert set(listed) == there | packages, said.format((there | packages) - set(listed), set(listed) - there - packages)
    order = [re.split(r"/|\.", name)[0] for name in listed if name.count("/") == name.endswith("/")]
    assert order == sorted(order, key=FLOORS.index)
