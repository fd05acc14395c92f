"""Start-up: Snakemake's look at a finished run, and what each script's imports cost before it can begin."""

import ast
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.tables.layout import markdown
from suite.settings import Settings, project
from suite.timing import Spread, in_turn, seconds, timed

ROUNDS = 3  # there are many scripts
# Packages whose import is felt.
HEAVY = (
    "torch",
    "transformers",
    "accelerate",
    "sklearn",
    "pandas",
    "scipy",
    "nltk",
    "matplotlib",
    "pyarrow",
    "h5py",
    "numpy",
)
NOTHING = "(Python alone)"
# How many scripts of a line are named.
NAMED = 4
SAY = "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def imports_of(script: Path) -> str:
    """Return the import statements of a script, a line each."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))


def loaded_by(code: str) -> list[str]:
    """Run some code in a fresh process; returns which heavy packages it has loaded by its end."""
    environment = {**os.environ, "PYTHONPATH": str(project() / "workflow")}
    command = [sys.executable, "-c", code + SAY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{code.strip().splitlines()[0]}: it failed.\n{done.stderr.strip()[-800:]}")
    loaded = json.loads(done.stdout)
    return [name for name in HEAVY if name in loaded]


def finished() -> Path:
    """Return the project that holds a finished run of the demo. Raises InputError where there is none."""
    run = project() / "results" / "demo"
    if not (run / "provenance.json").is_file():
        raise InputError(f"{run}: no finished run of the demo. Run make demo first.")
    return project()


def look() -> str:
    """Let Snakemake look at the finished run; returns what it says."""
    environment = {**os.environ, "PYTHONPATH": str(project() / "workflow")}
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--nocolor"]
    done = subprocess.run(command, cwd=finished(), env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"snakemake -n failed in {project()}:\n{done.stderr.strip()[-500:]}")
    return done.stdout + done.stderr


def measure(settings: Settings) -> dict:
    """Measure ``snakemake -n`` and the imports of all scripts; quick: of every fourth."""
    rounds = min(settings.rounds, ROUNDS)
    paths = sorted((project() / "scripts").glob("*.py"))[:: settings.size(1, 4)]
    codes = {path.stem: imports_of(path) for path in paths} | {NOTHING: ""}
    heavy = {name: loaded_by(code) for name, code in codes.items()}  # and compiles what is not yet
    imports = in_turn({name: timed(partial(loaded_by, code)) for name, code in codes.items()}, rounds)
    try:
        nothing = "Nothing to be done" in look()
        dry = {"measured": [seconds(look) for _ in range(rounds)], "nothing to do": nothing}
    except InputError as error:
        dry = {"why": str(error)}
    return {"heavy": heavy, "imports": imports, "dry run": dry}


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown: a line for all scripts that load the same heavy packages."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(found["imports"], key=lambda name: -min(found["imports"][name])):
        groups.setdefault(("nothing at all",) if name == NOTHING else tuple(found["heavy"][name]), []).append(name)
    rows = [_row(heavy, names, found["imports"]) for heavy, names in groups.items()]
    fields = ("scripts", "number", "seconds", "heavy packages")
    table = markdown(fields, rows, fields[1:3]).splitlines()
    dry = f"`snakemake -n` in the finished demo: {_dry(found['dry run'])}"
    return [dry, "", "A fresh process, until a script's imports are done:", "", *table]


def _row(heavy: tuple[str, ...], names: list[str], imports: dict[str, list[float]]) -> tuple:
    every = [second for name in names for second in imports[name]]
    which = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return which, len(names), Spread.of(every).written(), ", ".join(heavy) or "none"


def _dry(dry: dict) -> str:
    if "why" in dry:
        return f"not measured. {dry['why']}"
    taken = Spread.of(dry["measured"]).written(1, " s")
    return f"{taken}, {'nothing to do' if dry['nothing to do'] else 'and there is something to do'}."
