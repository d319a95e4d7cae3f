"""The memory of a process that trains: kept for the next step instead of given back after each."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# parameters of glibc's mallopt (man 3 mallopt)
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory, where it is glibc; for processes of our own, as it holds for the whole.

    A step of a convolutional network on a CPU takes and frees arrays of tens of megabytes.  By default each comes from
    the system, page by page, and goes back: a third of the processor's time in trainings of small images (measured:
    100 steps of the CNN of ``models`` took 1.35 times as long).  The process then holds its peak to the end, less what
    lies in pieces.

    Returns:
        Whether it did: False where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # none from a mapping of its own, as these are always given back; the heap shrinks only above 2 GiB of free memory
    wanted = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**26))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in wanted)
