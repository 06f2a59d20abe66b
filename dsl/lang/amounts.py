"""Amounts of memory as users write them: ``4096``, ``"512MB"``, ``"2GiB"``."""

from __future__ import annotations

import re
from typing import TypeAlias

from verax.compiler.ir.errors import StructureError

Bytes: TypeAlias = int | str
"""A budget: bytes, or a number with a unit."""

UNITS = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip


def in_bytes(memory: Bytes, what: str, name: str = "memory") -> int:
    """The budget in bytes; ``what`` and ``name`` say in messages what was given it, and as what.

    >>> in_bytes("1.5 KiB", "grad")
    1536
    """
    if type(memory) is int and memory >= 0:
        return memory
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(memory))
    if type(memory) is not str or found is None or found[2].upper() not in UNITS:
        raise StructureError(
            f"{what}: {name}={memory!r} is no number of bytes",
            fix='an int, or a string such as "512MB" or "2GiB"',
        )
    return int(float(found[1]) * UNITS[found[2].upper()])
