"""Keep freed memory in the process: page faults cost more than the arithmetic of a large step.

XLA allocates outputs and temporaries at every run. By default glibc gives large blocks back to the
system and takes new pages at the next run, which must be zeroed: measured, 21 ms instead of 118 for
four results of 64 MB, and 40 instead of 60 for the step of a 12-layer transformer. So blocks
up to 1 GiB stay, at most 1 GiB of them unused, in one arena (a thread's own arena holds 64 MB).

``VERAX_MALLOC=system`` leaves everything as it is; so does a setting of glibc's own in the
environment, and any other C library.
"""

from __future__ import annotations

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h
_KEPT = 1 << 30
_OF_THE_USER = (
    "GLIBC_TUNABLES",
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
    "LD_PRELOAD",
)


def keep_memory() -> bool:
    """Ask glibc to keep what is freed; returns whether it agreed. Call before threads start."""
    if os.environ.get("VERAX_MALLOC") == "system" or platform.libc_ver()[0] != "glibc":
        return False
    if any(name in os.environ for name in _OF_THE_USER):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _KEPT), (_TRIM_THRESHOLD, _KEPT))
    return all(mallopt(ctypes.c_int(what), ctypes.c_int(value)) == 1 for what, value in wanted)
