"""Ask a folder of results what made it, and whether it still is what was made: ``python -m pairprobe --help``."""

import argparse
import os
import sys
from pathlib import Path

from pairprobe.errors import InputError

EXAMPLES = """\
examples:
  pairprobe verify results/demo
  pairprobe verify results/demo --rebuild
  pairprobe explain results/demo/figures/coreference_cosine.svg
  pairprobe explain results/demo --task coreference --measure cosine --checkpoint finetuned --layer 4 --pairs 10
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns 0 where all holds, 1 where something does not; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(
        prog="pairprobe",
        description="What made the results of a run, and whether they still are what was made.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verify(commands)
    _add_explain(commands)
    asked = parser.parse_args(arguments)
    try:
        return asked.run(asked)
    except BrokenPipeError:  # what reads it (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return asked.error


def _add_verify(commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="compare every file of a run with what its jobs recorded",
        description="Compare every file of a run with provenance.json, and its numbers with the rankings. "
        "Exits with 0 where all holds, 1 where something does not, 2 for wrong usage.",
    )
    parser.add_argument("folder", type=_existing, help="a run's results, such as results/demo")
    parser.add_argument("--rebuild", action="store_true", help="delete what is damaged, and say how to make it again")
    # A folder without a ledger, or with one that cannot be read, does not hold.
    parser.set_defaults(run=_verify, error=1)


def _add_explain(commands) -> None:
    parser = commands.add_parser(
        "explain",
        help="say what made a file, or which pairs stand behind a number",
        description="Say what made a figure, a table or any other file of a run; or, of a folder of results with the four "
        "options of a number, which pairs and files stand behind it. Exits with 1 where file or number has changed.",
    )
    parser.add_argument("path", type=_existing, help="a file of a run; for a number a run's results, such as results/demo")
    number = parser.add_argument_group("a number")
    for name, example in (("task", "coreference"), ("measure", "cosine"), ("checkpoint", "finetuned")):
        number.add_argument(f"--{name}", help=f"such as {example}")
    number.add_argument("--layer", type=int, help="from 0, the embeddings")
    number.add_argument("--pairs", type=int, default=0, metavar="N", help="list the N weakest pairs")
    number.add_argument("--all", action="store_true", help="list all pairs, weakest first")
    parser.add_argument("--depth", type=int, metavar="N", help="how far back a file's inputs are followed; all the way")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.set_defaults(run=_explain, error=2, refuse=parser.error)


def _existing(text: str) -> Path:
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text}: there is no such file or folder")
    return Path(text)


def _verify(asked: argparse.Namespace) -> int:
    from pairprobe.provenance import terminal, verification

    verdict = verification.verify(asked.folder)
    deleted = list(verification.rebuild(verdict)) if asked.rebuild else None
    print("\n".join(terminal.of_verdict(verdict, deleted)), flush=True)
    return 1 if verdict.problems else 0


def _explain(asked: argparse.Namespace) -> int:
    from pairprobe.provenance import explanation, terminal
    from pairprobe.provenance.run_record import Ledger

    number = {key: getattr(asked, key) for key in ("task", "measure", "checkpoint", "layer")}
    missing = [f"--{key}" for key, value in number.items() if value is None]
    ledger = Ledger.read(explanation.run_of(asked.path))
    of_run = asked.path.resolve() == ledger.folder.resolve()
    if of_run and missing:
        asked.refuse(f"{asked.path} is a whole run. Name a file in it, or a number by {', '.join(missing)}")
    if of_run:
        found = explanation.explain_number(ledger, **number)
        lines = terminal.of_number(found, ledger, None if asked.all else asked.pairs)
        holds = found["agrees"]
    else:
        found = explanation.explain_file(ledger, asked.path, asked.depth)
        lines = terminal.of_file(found, ledger)
        holds = found["found"] == found["sha256"]
    print(_json(found) if asked.json else "\n".join(lines), flush=True)
    return 0 if holds else 1


def _json(found: dict) -> str:
    import orjson

    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()


if __name__ == "__main__":
    sys.exit(main())
