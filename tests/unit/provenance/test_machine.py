"""What a record says of the machine."""

import platform

import pytest

from pairprobe.checkpoints import processor
from pairprobe.provenance import machine

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC

processor\t: 1
cpu family\t: 26
model\t\t: 2
model name\t: another
"""


@pytest.mark.parametrize(
    ("cpuinfo", "wanted"),
    [
        (X86, "AMD EPYC (family 25, model 17)"),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", "what Python says"),  # an ARM's
        ("", "what Python says"),
        (None, "what Python says"),
    ],
)
def test_a_processor_is_named_by_its_generation(monkeypatch, tmp_path, cpuinfo, wanted):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    if cpuinfo is not None:
        processor.CPUINFO.write_text(cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: "what Python says")
    assert machine.hardware()["processor"] == wanted
