"""What does not change while a program runs: verax, the standard library and what is installed.

A function of such a file counts by itself, and only what it captured is looked at; an object of
such a class has state that cannot be seen. The user's own classes are plain where all their bases
are the user's too: their state is their attributes.
"""

from __future__ import annotations

import dataclasses
import sys
from abc import ABC
from functools import lru_cache
from types import ModuleType, SimpleNamespace
from typing import Generic, Protocol

from verax.sharding.errors import is_library

_LIBRARY: dict[str, bool] = {}


def is_foreign(filename: str) -> bool:
    """Whether a file is installed or verax itself; not by ``__module__``, which wraps copies."""
    known = _LIBRARY.get(filename)
    if known is None:
        known = _LIBRARY[filename] = _is_installed(filename)
    return known


_FIXED: dict[str, bool] = {}


def is_fixed(module: str) -> bool:
    """Whether the module of this name is the library or installed, so that it does not change."""
    known = _FIXED.get(module)
    if known is None:
        m = sys.modules.get(module)
        known = _FIXED[module] = m is not None and is_fixed_module(m)
    return known


def is_fixed_module(m: ModuleType) -> bool:
    name, file = m.__name__, getattr(m, "__file__", None)
    if name == "verax" or name.startswith("verax."):
        return True
    if file is None:
        return name.split(".")[0] in sys.stdlib_module_names and name != "__main__"
    return _is_installed(file)


def _is_installed(file: str) -> bool:
    return "site-packages" in file or "/lib/python" in file or is_library(file)


_MADE_BY_CLASS = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_STATELESS = frozenset({object, Generic, Protocol, ABC})


@lru_cache(1024)
def is_plain(c: type) -> bool:
    """Whether the state of an object of this class is its attributes: all bases are the user's."""
    return _is_open(c) or all(
        b in _STATELESS or (b.__flags__ & _MADE_BY_CLASS and not is_fixed(b.__module__))
        for b in c.__mro__
    )


@lru_cache
def is_frozen_dataclass(c: type) -> bool:
    return dataclasses.is_dataclass(c) and bool(c.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _is_open(c: type) -> bool:
    """The classes of the standard library that only hold attributes."""
    return c is SimpleNamespace or (c.__module__, c.__name__) == ("argparse", "Namespace")
