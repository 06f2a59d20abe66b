"""Where tracebacks are cut: the doors in front of all that users call (see lang/frames.py).

The front door opens them once, from the list of public names. A function gets another one in its
place there; a class that users hold the objects of keeps its name, and its methods are changed.

Law: no function, method or constructor that is public shows a frame of the library in a traceback.
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

from verax.dsl.lang.compiled import Compiled, Lowered
from verax.dsl.lang.custom import Declared
from verax.dsl.lang.frames import door, is_door
from verax.dsl.lang.jit import BoundJit, Jit
from verax.dsl.lang.updates import At, Place
from verax.dsl.lang.value import Value
from verax.dsl.lang.vjp import LinearMap, Pullback

_HELD = (Value, Declared, Jit, BoundJit, Lowered, Compiled, At, Place, Pullback, LinearMap)
"""Classes that no public name is for, and whose objects users hold."""

_SPECIAL = {
    "__new__", "__init__", "__call__", "__getitem__", "__setitem__", "__iter__", "__contains__",
    "__len__", "__array__", "__bool__", "__int__", "__float__", "__complex__", "__index__",
    "__neg__", "__abs__", "__invert__", "__round__", "__format__",
}  # fmt: skip
_CHEAP = {"shape", "ndim", "dtype", "size", "spec", "sharding", "described"}

_MADE: dict[Any, FunctionType] = {}  # what is public in two places has one door


def open_doors(names: dict[str, Any]) -> None:
    """Put doors before the public functions among the names of a module, and before methods."""
    _open_names(names)
    for c in _HELD:
        _open_class(c)


def _open_names(names: dict[str, Any]) -> None:
    for name in names["__all__"]:
        x = names[name]
        if isinstance(x, type):
            _open_class(x)
        elif isinstance(x, FunctionType) or hasattr(x, "cache_info"):
            if not is_door(x):
                names[name] = _front(x, names["__name__"])
        elif isinstance(x, ModuleType):
            _open_names(vars(x))


def _front(f: Any, module: str) -> FunctionType:
    """The door of a function, which is found again under its name in this module."""
    made = _MADE.get(f)
    if made is None:
        made = _MADE[f] = door(f)
        made.__module__ = module
    return made


def _open_class(c: type) -> None:
    if not c.__module__.startswith("verax.") or issubclass(c, BaseException):
        return
    inner = c.__module__.startswith("verax.compiler.")  # made often, and never by users
    for name, x in list(vars(c).items()):
        if name in _CHEAP or (name.startswith("_") and name not in _SPECIAL):
            continue
        if inner and name in ("__new__", "__init__"):
            continue
        if isinstance(x, FunctionType) and not is_door(x):
            setattr(c, name, door(x))
        elif isinstance(x, (staticmethod, classmethod)) and not is_door(x.__func__):
            setattr(c, name, type(x)(door(x.__func__)))
        elif isinstance(x, property) and x.fget is not None and not is_door(x.fget):
            setattr(c, name, property(door(x.fget), x.fset, x.fdel, x.__doc__))
