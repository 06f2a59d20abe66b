"""Tracebacks of errors show the user's frames only; ``VERAX_TRACEBACK=full`` shows all.

The doors of the library (jit, grad, vmap...) drop the frames of its own files from an error that
passes through them. An InternalError keeps them: it is the library's.
"""

from __future__ import annotations

import os

from verax.compiler.ir.errors import InternalError
from verax.sharding.errors import VeraxError, is_library


def drop_library_frames(error: VeraxError) -> None:
    """Take the frames of verax out of the traceback of an error, which is then raised again."""
    if isinstance(error, InternalError) or os.environ.get("VERAX_TRACEBACK") == "full":
        return
    kept = []
    tb = error.__traceback__
    while tb is not None:
        if not is_library(tb.tb_frame.f_code.co_filename):
            kept.append(tb)
        tb = tb.tb_next
    last = None
    for tb in reversed(kept):
        tb.tb_next = last
        last = tb
    error.__traceback__ = last
