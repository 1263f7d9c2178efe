"""What is freed stays with the process."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Page faults of ten arrays of 64 MB, each freed before the next, in thousands.
FAULTS = """
import resource, sys
import numpy as np
from utils.allocation import keep_freed
if sys.argv[1] == "keep" and not keep_freed():
    sys.exit("not kept")
np.ones(1 << 23).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 23).sum()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 1000)
"""


# Resident memory, in MB, with holes of 200 MB in all, and after they are given back.
HOLES = """
import numpy as np
from utils.allocation import give_back, keep_freed
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1e3
keep_freed()
arrays = [np.ones(size) for _ in range(50) for size in (1 << 19, 1 << 10)]
del arrays[::2]
held = resident()
give_back()
print(held - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_holes_are_given_back() -> None:
    command = [sys.executable, "-c", HOLES]
    assert float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) > 150


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_the_system_clears_no_page_twice() -> None:
    faults = [
        float(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "plain")
    ]
    assert faults[0] < 0.1 < faults[1]
