"""Freed memory is kept, by the count of pages that the system hands out."""

import subprocess
import sys
from pathlib import Path

import real_data

PAGES_AGAIN = """
import resource, sys
import numpy as np
from real_data.training.memory import keep_freed_memory

kept = sys.argv[1] == "kept" and keep_freed_memory()
first = None
for _ in range(11):
    np.ones(2**23)  # 64 MiB, taken and freed
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first = first or faults
print(int(kept), (faults - first) * resource.getpagesize() / (10 * 2**26))
"""


def pages_again(how):
    """Whether it was done, and the share of ten arrays that the system handed out anew."""
    run = subprocess.run(
        [sys.executable, "-c", PAGES_AGAIN, how],
        cwd=Path(real_data.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, share = run.stdout.split()
    return kept == "1", float(share)


def test_memory_that_is_freed_is_used_again():
    kept, share = pages_again("kept")
    if kept:  # the C library is glibc
        assert share < 0.05


def test_another_c_library_is_left_alone(monkeypatch):
    from real_data.training import memory

    class Other:
        def __getattr__(self, name):
            raise AttributeError(name)

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Other())
    assert memory.keep_freed_memory() is False
