"""Digests of the code that makes a result: Snakemake runs a job again when one of them has changed."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest, folder_digest

LIBRARY = Path(__file__).parents[1]
SCRIPTS = LIBRARY.parent.parent / "scripts"
# Modules that every job runs and that no result depends on: they show progress, write the log and the job's record, and end
# a job with its parent.
# They are left out of the digests; else an edit of a message would run the whole workflow again.
WATCHING = frozenset({"io.processes", "io.progress", "provenance.job_records", "provenance.jobs", "provenance.machine"})

# Fields of a syntax tree that say nothing more: what a name is used for, as its place shows; a u before a string.
_MARKS = frozenset({"ctx", "kind"})


def code_of(script: str, *parts: str, scripts: Path = SCRIPTS, library: Path = LIBRARY) -> dict[str, str]:
    """Digest a script of the workflow and every pairprobe module that it imports, directly or not.

    script: the stem of a file in ``scripts/``; parts: what it reaches besides: modules that it will load by name
    ("probing_sets.tasks.synonyms"), and files and folders beside the library that it will read ("resources/pages").
    Returns ``{part: digest}``, the same in every version of Python and wherever the workflow lies. Comments, docstrings
    and formatting do not change a module's digest. Left out are modules that are not reached, ``WATCHING`` ones, and
    packages that are a docstring and nothing else. Raises InputError for a part that does not exist and for a relative
    import that leaves the library.
    """
    script_file = scripts / f"{script}.py"
    digests = {f"scripts/{script}": _read(script_file, library).digest}
    waiting = [*_read(script_file, library).imports]
    for part in parts:
        if not has_part(part, library):
            raise InputError(f"{library}: there is no module {part}.")
        if "/" in part:
            path = library.parent / part
            digests[part] = (folder_digest(path) if path.is_dir() else file_digest(path))[:16]
        else:
            waiting += _files_of(part.split("."), library)
    while waiting:
        file = waiting.pop()
        name, code = _dotted(file, library), _read(file, library)
        if name not in digests and name not in WATCHING and not code.is_empty:
            digests[name] = code.digest
            waiting += code.imports
    return dict(sorted(digests.items()))


def module_digest(name: str, library: Path = LIBRARY) -> str | None:
    """Return the digest of one module of the library, as ``code_of`` has it; None where there is none of this name."""
    found = _files_of(name.split("."), library)
    return _read(found[-1], library).digest if found else None


def has_part(name: str, library: Path = LIBRARY) -> bool:
    """Say whether the library has this module or package, or whether this file or folder is beside it (see ``code_of``)."""
    if "/" in name:
        return (library.parent / name).exists()
    found = _files_of(name.split("."), library)
    return bool(found) and name in (_dotted(found[-1], library), _dotted(found[-1], library).removesuffix(".__init__"))


class _Code(NamedTuple):
    """What is asked of a file: its code's digest, the library's files that it imports, whether it is a docstring alone."""

    digest: str
    imports: tuple[Path, ...]
    is_empty: bool


def _read(file: Path, library: Path) -> _Code:
    return _parse(file, file.stat().st_mtime_ns, library)


# Many scripts reach the same module, and parsing takes a while.
@functools.cache
def _parse(file: Path, _modified: int, library: Path) -> _Code:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    # What only a type checker reads never runs; the else: beside it does.
    tree.body = [ran for one in tree.body for ran in _run_parts(one)]
    digest = hashlib.blake2b(_written(tree).encode(), digest_size=8).hexdigest()
    return _Code(digest, tuple(_imports(tree, file, library)), all(isinstance(node, ast.Pass) for node in tree.body))


def _written(value: object) -> str:
    """Write a syntax tree, or a part of one, the same in every version of Python: without what is empty, and ``_MARKS``."""
    if isinstance(value, list):
        return f"[{' '.join(map(_written, value))}]"
    if not isinstance(value, ast.AST):
        return ascii(value)  # not repr(), which depends on the version of Unicode
    if isinstance(value, ast.JoinedStr):
        value.values = _merged(value.values)
    fields = ((name, part) for name, part in sorted(ast.iter_fields(value)) if name not in _MARKS)
    parts = [f"{name}={_written(part)}" for name, part in fields if part is not None and part != []]
    return f"{type(value).__name__}({' '.join(parts)})"


def _merged(pieces: list[ast.expr]) -> list[ast.expr]:
    """Join the texts of an f-string that follow each other; versions split them differently, and some add an empty one."""
    found: list[ast.expr] = []
    for piece in pieces:
        last = found[-1] if found else None
        if isinstance(piece, ast.Constant) and isinstance(last, ast.Constant):
            found[-1] = ast.Constant(f"{last.value!s}{piece.value!s}")
        elif not isinstance(piece, ast.Constant) or piece.value:
            found.append(piece)
    return found


def _run_parts(statement: ast.stmt) -> list[ast.stmt]:
    """Return a statement, or of ``if TYPE_CHECKING`` what runs where no type checker reads it: the body of its ``else``."""
    if isinstance(statement, ast.If) and "TYPE_CHECKING" in (getattr(statement.test, key, None) for key in ("id", "attr")):
        return statement.orelse
    return [statement]


def _imports(tree: ast.Module, file: Path, library: Path) -> Iterator[Path]:
    """Yield the files of the library that a file imports, at any place in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, file, library)
            names = [module, *([*module, alias.name] for alias in node.names)]
        else:
            continue
        for head, *rest in names:
            if head == "pairprobe":
                yield from _files_of(rest, library)


def _absolute(node: ast.ImportFrom, file: Path, library: Path) -> list[str]:
    """Return the full name of the module that an import takes names from, in parts, also for a relative import."""
    named = node.module.split(".") if node.module else []
    if node.level == 0:
        return named
    package = ["pairprobe", *file.parent.relative_to(library).parts] if file.is_relative_to(library) else []
    if node.level > len(package):
        raise InputError(f"{file}:{node.lineno}: the relative import leaves the library. Import from pairprobe by name.")
    return [*package[: len(package) - node.level + 1], *named]


def _dotted(file: Path, library: Path) -> str:
    """Return the name of a file of the library as imports write it, without ``pairprobe``."""
    return ".".join(file.relative_to(library).with_suffix("").parts)


def _files_of(parts: list[str], library: Path) -> list[Path]:
    """List the files that importing ``pairprobe.<parts>`` runs; a last part that is a name in a module adds no file."""
    found = []
    for i in range(1, len(parts) + 1):
        path = library.joinpath(*parts[:i])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                found.append(file)
    return found
