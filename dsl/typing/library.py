"""Which of verax's functions a checker evaluates, and where the run-time object of a name is.

Law: what is listed here is listed by its kind, never by its shapes: functions whose own signature
tells everything, and functions that do something else than compute.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from importlib import import_module
from typing import Any

from verax.dsl.lang.array import Array
from verax.dsl.lang.key import Key
from verax.dsl.lang.updates import At, Place

ROOT = "verax."
FOLDERS = ("verax.dsl.", "verax.prng.")

OWN_SIGNATURE = frozenset(
    f"verax.dsl.lang.{name}"
    for name in (
        "jit.cache_info",
        "jit.spec",
        "struct.struct",
        "struct.field",
        "struct.replace",
        "custom.custom_derivative",
        "custom.custom_jvp",
        "custom.custom_vjp",
        "bounded.clear_caches",
        "memory.memory_plan",
        "tree.register",
        "treedef.register",
    )
)
"""Functions whose result does not follow from the types of what they are given."""

ELSEWHERE = ("verax.dsl.checkpoint.", "verax.dsl.testing.", "verax.dsl.typing.", "verax.dsl.check.")
"""Modules that read files, run things or are this one."""


@lru_cache(None)
def find(fullname: str) -> Any:
    """The run-time object of a name inside verax, or None."""
    if not fullname.startswith(ROOT):
        return None
    parts = fullname.split(".")
    for at in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:at]))
        except ModuleNotFoundError:
            continue
        for name in parts[at:]:
            found = inspect.getattr_static(found, name, None)
        return found
    return None


@lru_cache(None)
def function(fullname: str) -> Any:
    """The run-time function of a name if calls of it are evaluated, else None."""
    if not fullname.startswith(FOLDERS) or fullname in OWN_SIGNATURE:
        return None
    if fullname.startswith(ELSEWHERE):
        return None
    found = find(fullname)
    if isinstance(found, staticmethod):
        return found.__func__
    owner = find(fullname.rpartition(".")[0])
    if isinstance(owner, type) and not issubclass(owner, (Array, Key, At, Place)):
        return None
    if isinstance(found, (type, property, classmethod)) or not callable(found):
        return None
    return found


@lru_cache(None)
def attribute(fullname: str) -> Any:
    """The getter of a property of arrays or keys, or None."""
    if not fullname.startswith(FOLDERS):
        return None
    found = find(fullname)
    return found.fget if isinstance(found, property) else None
