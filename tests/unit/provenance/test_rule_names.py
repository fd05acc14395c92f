"""The library names no rule of the workflow: a script says what kind of result its job makes; the library goes by kinds."""

import ast
import re

import pytest

from pairprobe.provenance.code import LIBRARY, SCRIPTS
from pairprobe.provenance.job_records import KINDS

# Rules that run a script; the names of the others, which only collect targets, are words such as "figures".
RULES = {path.stem for path in SCRIPTS.glob("*.py")}
FILES = sorted(LIBRARY.rglob("*.py"))


def strings(tree: ast.Module) -> list[tuple[int, str]]:
    """Return the string constants of a module with their lines, all but docstrings."""
    documented = (node for node in ast.walk(tree) if hasattr(node, "body") and isinstance(node.body, list) and node.body)
    docstrings = {id(node.body[0].value) for node in documented if isinstance(node.body[0], ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [(node.lineno, node.value) for node in constants if id(node) not in docstrings]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LIBRARY)))
def test_the_library_names_no_rule(file):
    found = strings(ast.parse(file.read_text(encoding="utf-8")))
    assert [(line, text) for line, text in found if RULES & set(re.findall(r"\w+", text))] == []


def test_a_name_in_a_string_is_seen_and_one_in_a_docstring_is_not():
    tree = ast.parse('"""rank_pairs"""\n\ndef f():\n    """rank_pairs"""\n    return f"{x}/rank_pairs/a"\n')
    assert strings(tree) == [(5, "/rank_pairs/a")]
    assert "rank_pairs" in RULES


def test_the_scripts_name_every_kind_and_no_others():
    named = re.compile(r"^with \(?\s*job\(snakemake, kind=\"(\w+)\"\)", re.MULTILINE)
    assert {kind for path in SCRIPTS.glob("*.py") for kind in named.findall(path.read_text(encoding="utf-8"))} == KINDS
