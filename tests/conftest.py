"""Settings of all tests."""

import os

# before numpy loads: small factorisations are many times slower with several BLAS threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
