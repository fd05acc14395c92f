"""How fast everything is, as ratios within one run: to peers, to plain loops, and to what the machine could do at most.

    .venv/bin/python benchmarks/bench.py                    every part; make bench does this, with NeuroX at hand
    .venv/bin/python benchmarks/bench.py extraction ranking     the parts whose names begin so
    .venv/bin/python benchmarks/bench.py --quick            a look, in a minute or two
    .venv/bin/python benchmarks/bench.py --write            and into benchmarks/README.md, bench.json and the figures
    PYTHONPATH=/other/checkout/workflow .venv/bin/python benchmarks/bench.py    another version of the library

Nothing else should run. A part that cannot be measured here says why, and the others go on.
"""

import argparse
import sys
import time
from pathlib import Path

from pairprobe.errors import InputError
from suite import record
from suite.parts import PARTS
from suite.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, metavar="N", help="5 by default; with --quick 2")
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    parser.add_argument("--nq", type=Path, metavar="FILE", help="Natural Questions in place of the bundled pages")
    parser.add_argument("--neurox", type=Path, metavar="FOLDER", help="where NeuroX is installed, if not beside the others")
    parser.add_argument("--write", action="store_true", help="write what is measured to bench.json, README and figures")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write what is measured to this file alone")
    given = parser.parse_args()
    settings = Settings(given.rounds or (2 if given.quick else 5), given.quick, given.nq, given.neurox)
    if given.quick and given.write:
        parser.error("what --quick measures is not to be written: leave out --quick or --write")
    unknown = [name for name in given.parts if not any(part.startswith(name) for part in PARTS)]
    if unknown:
        sys.exit(f"error: {unknown[0]}: no such part. There are {', '.join(PARTS)}.")
    failed = False
    for name, part in PARTS.items():
        if given.parts and not name.startswith(tuple(given.parts)):
            continue
        print(f"## {part.title} ({name})\n", flush=True)
        try:
            started = time.perf_counter()
            found = record.of(part.measure(settings), settings)
        except InputError as error:
            failed = True
            print(f"not measured: {error}\n", flush=True)
            continue
        print(*part.tell(found["found"]), f"\n({time.perf_counter() - started:.0f} s)\n", sep="\n", flush=True)
        if given.out:
            record.save(given.out, name, found)
        if given.write:
            record.save(record.MEASURED, name, found)
            record.write()
    sys.exit(failed)


if __name__ == "__main__":
    main()
