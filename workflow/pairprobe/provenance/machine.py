"""What a job runs on and with: processor, memory, GPUs, system, and the versions of what it has loaded."""

import importlib.metadata
import os
import platform
import sys

from pairprobe.checkpoints import processor


def hardware() -> dict:
    """Return ``{processor, cores, memory, gpus, system}``: memory in bytes, gpus by name, nothing that names the machine.

    GPUs are those that torch may use, where the job has loaded it; this loads nothing.
    """
    return {
        "processor": processor.name(),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "gpus": _gpus(),
        "system": platform.platform(),
    }


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not Unix, or a Unix that does not say
        return None


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    try:
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    except RuntimeError as error:  # another process has it for itself, or it is lost: no reason to lose a result
        return [f"unknown: {error}"]


def versions() -> dict[str, str]:
    """Return ``{package: version}`` of Python and of every package that this process has loaded, by name.

    A package whose module has another name stands under the module's name ("yaml"), by the version that this gives.
    """
    found = {"python": platform.python_version()}
    loaded = {name for name in sys.modules if "." not in name} - sys.stdlib_module_names
    for name in sorted(loaded, key=str.lower):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            # Looking for the package that a module belongs to reads the lists of files of all: a quarter of a second.
            version = getattr(sys.modules[name], "__version__", None)
            if isinstance(version, str):
                found[name] = version
    return found
