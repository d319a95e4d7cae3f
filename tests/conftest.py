"""Settings of all tests."""

import gc
import os
import sys
from pathlib import Path

# before numpy loads: small factorisations are many times slower with several BLAS threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# most of the time of the tests is compilation: programs are shared by test processes, and by later runs
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")

MAPS = Path("/proc/self/maps")
MOST_MAPS = 40_000
"""Linux gives a process 65,530; each compiled program takes several, and XLA crashes where there are no more."""


def pytest_runtest_teardown(item, nextitem):
    """Forget compiled programs, between two files of tests, before there are too many."""
    if nextitem is not None and nextitem.path != item.path and "jax" in sys.modules and MAPS.exists():
        with MAPS.open("rb") as lines:
            if sum(1 for _ in lines) > MOST_MAPS:
                sys.modules["jax"].clear_caches()
                gc.collect()
