"""The command line: ``pairprobe``, or ``python -m pairprobe``.

A command is two functions: one adds its options, one runs it. Imports stand in the second, so that ``--help`` is quick.
"""

import argparse
import os
import sys
from pathlib import Path

from pairprobe.errors import InputError, printable

EXAMPLES = """\
examples:
  pairprobe cost config/mine.yaml
  pairprobe check-pairs data/antonyms.tsv
  pairprobe verify results/demo
  pairprobe verify results/demo --rebuild
  pairprobe explain results/demo/figures/coreference_cosine.svg
  pairprobe explain results/demo --task coreference --measure cosine --checkpoint finetuned-seed13 --layer 4 --pairs 10
  pairprobe ro-crate results/demo
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns 0 for success, 1 where results are damaged or have changed; exits with 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="pairprobe",
        description="Say what a run costs, how a file of pairs is read, what made results, and whether they are unchanged; "
        "describe a run for an archive.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_cost(commands)
    _add_check_pairs(commands)
    _add_verify(commands)
    _add_explain(commands)
    _add_ro_crate(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except BrokenPipeError:  # the reader (head, less) has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return options.error
    except RecursionError:
        print("error: the record is nested too deeply. Look at it: the workflow writes no such thing.", file=sys.stderr)
        return options.error
    except OSError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return options.error


def _existing(text: str) -> Path:
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text}: there is no such file or folder")
    return Path(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a whole number, 0 or more")
    return int(text)


def _add_cost(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "cost",
        help="estimate the time, memory and disk of a run before it is started",
        description="Estimate the time, memory and disk of each stage of a run on this machine, whose speed is measured in "
        "a second, on one GPU and on eight. Nothing is downloaded or run. Exits with 2 where the configuration is wrong.",
    )
    parser.add_argument("config", type=Path, help="a configuration, such as config/config.yaml")
    parser.add_argument("--reference", action="store_true", help="for the two cores that the rates were measured on")
    parser.add_argument("--workers", action="store_true", help="the time on 1 to 64 workers of two cores, or of one GPU")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="the same, and draw it (.svg, .pdf, .png)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.set_defaults(run=_cost, error=2)


def _cost(options: argparse.Namespace) -> int:
    from pairprobe.cost import report

    print(report.text(options.config, options.reference, options.workers, options.markdown, options.figure), flush=True)
    return 0


def _add_check_pairs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "check-pairs",
        help="say what is understood of a file of pairs, or what is wrong with it",
        description="Read a file of pairs as the key tasks of a configuration names one; say how many pairs and groups it "
        "has, what each is ranked among, and show the first ones. Exits with 2 and the faults, with their lines, where it "
        "cannot be used.",
    )
    parser.add_argument("file", type=Path, help="a .tsv, .csv or .jsonl file, plain or .gz")
    parser.add_argument("--pairs", type=_count, default=5, metavar="N", help="show the first N pairs (default: 5)")
    parser.set_defaults(run=_check_pairs, error=2)


def _check_pairs(options: argparse.Namespace) -> int:
    from pairprobe.evidence import pair_check

    print(printable("\n".join(pair_check.describe(options.file, options.pairs))), flush=True)
    return 0


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "verify",
        help="check that the files of a run are unchanged",
        description="Compare every file of a run with the digest that its job recorded, and compute the percentages again "
        "from the rankings. Exits with 0 where nothing has changed, 1 where something has, 2 for wrong usage.",
    )
    parser.add_argument("folder", type=_existing, help="the results of a run, such as results/demo")
    parser.add_argument("--rebuild", action="store_true", help="delete damaged files, and print how to make them again")
    # A folder whose run record is missing or damaged fails the check: 1, not 2.
    parser.set_defaults(run=_verify, error=1)


def _verify(options: argparse.Namespace) -> int:
    from pairprobe.provenance import terminal, verification

    verdict = verification.verify(options.folder)
    deleted = list(verification.rebuild(verdict)) if options.rebuild else None
    print(terminal.text(terminal.of_verdict(verdict, deleted)), flush=True)
    return 1 if verdict.problems else 0


def _add_explain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "explain",
        help="say what made a file, or which pairs a number comes from",
        description="Say what made a figure, a table or any other file of a run: job, code, inputs, machine, time. With a "
        "run's folder and the four options of a number, say which pairs and files the number comes from. Exits with 0 for "
        "an unchanged file or number, 1 for a changed one, 2 for wrong usage.",
    )
    parser.add_argument("path", type=_existing, help="a file of a run; for a number the run's folder, such as results/demo")
    number = parser.add_argument_group("a number")
    for name, example in (("task", "coreference"), ("measure", "cosine"), ("checkpoint", "finetuned")):
        number.add_argument(f"--{name}", help=f"such as {example}")
    number.add_argument("--layer", type=int, help="a layer; 0 is the embeddings")
    number.add_argument("--pairs", type=int, default=0, metavar="N", help="list N pairs, lowest percentage first")
    number.add_argument("--all", action="store_true", help="list all pairs, lowest percentage first")
    parser.add_argument("--depth", type=int, metavar="N", help="follow the inputs of a file N jobs back (default: all)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=_explain, error=2, refuse=parser.error)


def _explain(options: argparse.Namespace) -> int:
    from pairprobe.provenance import explanation, terminal
    from pairprobe.provenance.run_record import RunRecord

    number = {key: getattr(options, key) for key in ("task", "measure", "checkpoint", "layer")}
    run = RunRecord.read(explanation.run_of(options.path))
    if options.path.resolve() == run.folder.resolve():
        if missing := [f"--{key}" for key, value in number.items() if value is None]:
            options.refuse(
                f"{options.path} is the folder of a run. Name a file in it, or a number with {', '.join(missing)}"
            )
        found = explanation.explain_number(run, **number)
        parts = terminal.of_number(found, run, None if options.all else options.pairs)
        unchanged = found["agrees"]
    else:
        found = explanation.explain_file(run, options.path, options.depth)
        parts = terminal.of_file(found, run)
        unchanged = found["found"] == found["sha256"]
    print(_json(found) if options.json else terminal.text(parts), flush=True)
    return 0 if unchanged else 1


def _add_ro_crate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "ro-crate",
        help="describe a run as an RO-Crate, for archives and other programs",
        description="Write ro-crate-metadata.json, which makes the folder of a run an RO-Crate (Process Run Crate 0.5): "
        "what the run read, how it was set and what it made, with digests, as provenance.json has it. Exits with 2 where "
        "there is no such record, and where a file is gone or has another size.",
    )
    parser.add_argument("folder", type=_existing, help="the results of a run, such as results/demo")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write it (default: in that folder)")
    parser.set_defaults(run=_ro_crate, error=2)


def _ro_crate(options: argparse.Namespace) -> int:
    from pairprobe.io import files
    from pairprobe.provenance import ro_crate
    from pairprobe.provenance.run_record import NAME as RUN_RECORD
    from pairprobe.provenance.run_record import RO_CRATE, RunRecord

    path = options.output or options.folder / RO_CRATE
    if path.is_dir() or path.name == RUN_RECORD:
        raise InputError(f"--output: found {path}, wanted a file of its own, such as {RO_CRATE}. Name one.")
    files.write_json(path, ro_crate.describe(RunRecord.read(options.folder)))
    print(printable(f"written: {path}"), flush=True)
    return 0


def _json(found: dict) -> str:
    import orjson

    return printable(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    sys.exit(main())
