"""What runs in the processes of a training that several share: torchrun, and the workers that it starts.

``python -m pairprobe.finetuning.worker torchrun ARGUMENT ...`` and ``python -m pairprobe.finetuning.worker train FILE``.
Each process follows its parent, a worker torchrun and torchrun its caller, so that none is left behind, whenever one is
killed. (torchrun itself ends its workers where it is told to stop, but not those that it is just starting.)
"""

import os
import sys

from pairprobe.io import processes


def main(what: str, arguments: list[str]) -> None:
    """Run torchrun with these arguments, or train as the file that is the only argument says."""
    # Before PyTorch is imported, which takes seconds. The kernel waits for no thread that imports or saves; but it only
    # knows the parent from here on.
    processes.die_with_parent()
    processes.end_with_parent()
    if what == "torchrun":
        from torch.distributed import run

        os.environ[processes.PARENT] = str(os.getpid())
        run.main(arguments)
    else:
        from pairprobe.finetuning import distributed

        distributed.work(*arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
