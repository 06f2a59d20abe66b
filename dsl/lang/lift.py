"""Python floats that a closure reads and that change: made inputs, so that nothing compiles anew.

A float counts by value for the identity of a function, since Python may do anything with it. Where
a second value is met (a step size that decays), the function is made again with the float as a weak
value in its cell; weak values count by type. If it cannot be staged so (``if k > 0``,
``math.sin(k)``), it stays as it was, and each value compiles.

Law: the function with lifted floats computes what it computes with the floats themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CellType, FunctionType
from typing import Any

from verax.dsl.lang.frames import DOORS
from verax.dsl.lang.weak import concrete_weak


def lifted(f: Any) -> Any:
    """f with the floats of its closures, defaults and partials as weak values; None without any."""
    lift = _Lift()
    out = lift.value(f)
    return out if lift.found else None


class _Lift:
    """One copy of a function and of the functions that it holds."""

    def __init__(self) -> None:
        self.found = False
        self.made: dict[int, Any] = {}

    def value(self, v: Any) -> Any:
        """v, or what stands for it."""
        handler = _HANDLERS.get(type(v))
        return v if handler is None else handler(self, v)

    def float_(self, v: float) -> Any:
        self.found = True
        return concrete_weak(v)

    def function(self, f: FunctionType) -> Any:
        if f.__closure__ is None and f.__defaults__ is None and f.__kwdefaults__ is None:
            return f
        known = self.made.get(id(f))
        if known is not None:
            return known
        closure = f.__closure__
        cells = None if closure is None else tuple([self.cell(c) for c in closure])
        new = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, cells)
        self.made[id(f)] = new
        new.__qualname__ = f.__qualname__
        if f.__defaults__ is not None:
            new.__defaults__ = tuple([self.value(d) for d in f.__defaults__])
        if f.__kwdefaults__ is not None:
            new.__kwdefaults__ = {k: self.value(d) for k, d in f.__kwdefaults__.items()}
        for old, cell in zip(closure or (), cells or ()):
            self.fill(cell, old)
        if f.__code__ in DOORS:  # they are known by what they lead to
            vars(new)["__wrapped__"] = self.value(vars(f)["__wrapped__"])
        return new

    def cell(self, old: CellType) -> CellType:
        """The new cell for an old one, to be filled later: functions may read themselves."""
        known: CellType | None = self.made.get(id(old))
        if known is None:
            known = self.made[id(old)] = CellType()
        return known

    def fill(self, cell: CellType, old: CellType) -> None:
        if self.made.get(id(cell)) is not None:
            return
        self.made[id(cell)] = True
        try:
            v = old.cell_contents
        except ValueError:
            return
        cell.cell_contents = self.value(v)

    def partial_(self, v: partial[Any]) -> Any:
        keywords = {k: self.value(x) for k, x in v.keywords.items()}
        return partial(self.value(v.func), *map(self.value, v.args), **keywords)


_HANDLERS: dict[type, Callable[[_Lift, Any], Any]] = {
    float: _Lift.float_,
    FunctionType: _Lift.function,
    partial: _Lift.partial_,
}
