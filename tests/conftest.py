"""Settings of all tests."""

import os
from pathlib import Path

# before numpy loads: small factorisations are many times slower with several BLAS threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# most of the time of the tests is compilation: programs are shared by test processes, and by later runs
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
