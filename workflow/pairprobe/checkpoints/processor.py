"""The processor of this machine."""

import contextlib
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def name() -> str:
    """Return its model, with family and model number: on a virtual machine these alone show its generation."""
    found = _first()
    with contextlib.suppress(KeyError):  # not Linux, or not Intel's or AMD's
        return f"{found['model name']} (family {found['cpu family']}, model {found['model']})"
    return platform.processor() or platform.machine()


def is_intel() -> bool:
    """Whether it is Intel's."""
    return _first().get("vendor_id") == "GenuineIntel"


def _first() -> dict[str, str]:
    """Return what /proc/cpuinfo says of the first processor; nothing where there is no such file."""
    try:
        first, _, _ = CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
