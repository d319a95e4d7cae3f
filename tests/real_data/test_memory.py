"""Freed memory is kept, by the count of page faults."""

import platform
import subprocess
import sys
from pathlib import Path

import real_data

TEN_ARRAYS = """
import resource, sys
import numpy as np
from real_data.training.memory import keep_freed_memory

kept = sys.argv[1] == "kept" and keep_freed_memory()
first = None
for _ in range(11):
    np.ones(2**23)  # 64 MiB, taken and freed
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first = first or faults
print(int(kept), faults - first)
"""


def faults_of_ten_arrays(how):
    """Whether freed memory is kept, and how often the system handed out a page, of 2 MiB at most."""
    run = subprocess.run(
        [sys.executable, "-c", TEN_ARRAYS, how],
        cwd=Path(real_data.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = run.stdout.split()
    return kept == "1", int(faults)


def test_memory_that_is_freed_is_used_again():
    kept, faults = faults_of_ten_arrays("kept")
    assert kept == (platform.libc_ver()[0] == "glibc")
    if kept:
        assert faults < 10 * 32 / 4 < 10 * 32 <= faults_of_ten_arrays("given back")[1]


def test_another_c_library_is_left_alone(monkeypatch):
    from real_data.training import memory

    class Other:
        def __getattr__(self, name):
            raise AttributeError(name)

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Other())
    assert memory.keep_freed_memory() is False
