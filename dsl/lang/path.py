"""How a value is reached from the function that reads it: ``the global TABLE['k']``.

A walk passes thousands of values and names few, so a path is written only when a message needs it.
"""

from __future__ import annotations

from typing import Any

Path = tuple[Any, ...] | None
"""How a value is reached: (None, kind, name, reader) or (path, pattern, step); None for itself."""


def _is_root(path: tuple[Any, ...]) -> bool:
    """Whether a path is a variable; a step of an object that is called stands on None, too."""
    return len(path) == 4


def variable(path: Path) -> str:
    """``history[3]``, ``the global TABLE['k']``, ``model.layers[0]``."""
    if path is None:
        return "self"  # an object that is called
    if _is_root(path):
        return f"{path[1]}{path[2]}"
    return variable(path[0]) + str(path[1] % path[2])


def root(path: Path) -> str:
    """The name of the variable that a path begins with."""
    while path is not None and not _is_root(path):
        path = path[0]
    return "self" if path is None else str(path[2])


def show(path: Path, v: object) -> str:
    """``history[3], which f reads,`` as messages of ``Unkeyed`` begin."""
    first = path
    while first is not None and not _is_root(first):
        first = first[0]
    reader = None if first is None else first[3]
    name = repr(v) if path is None else variable(path)
    return f"{name}, which {reader} reads," if reader else name
