"""Arithmetic of sizes: ``x.shape[0] * 2`` stays known, and so does ``len(x)``.

Only arithmetic in which a ``Size`` takes part is looked at; ordinary ints stay ordinary ints.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from mypy.plugin import FunctionContext, MethodContext
from mypy.types import Instance, Type, get_proper_type

from verax.compiler.ir.errors import ShapeError
from verax.dsl.typing.names import DIMS_FROM, SIZE, Named, Names

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
}
METHODS = {
    f"{cls}.__{prefix}{name}__": (f, prefix == "r")
    for cls in ("builtins.int", SIZE)
    for name, f in _OPERATORS.items()
    for prefix in ("", "r")
}
POWER = "builtins.float.__rpow__"
SYMBOLS = {"+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod"}


def folded(op: str, x: Any, y: Any) -> Any:
    """The result of an operator on two sizes, or None where it is not known."""
    try:
        return _OPERATORS[SYMBOLS[op]](x, y)
    except (ArithmeticError, KeyError, TypeError, ShapeError):
        return None


def counted(ctx: MethodContext, fullname: str, named: Named) -> Type:
    """The result of a method of int."""
    if not ctx.arg_types or len(ctx.arg_types[0]) != 1:
        return ctx.default_return_type
    mine, other = ctx.type, get_proper_type(ctx.arg_types[0][0])
    if not (_is_size(mine) or _is_size(other)):
        return ctx.default_return_type
    names = Names(named)
    x, y = names.size(mine), names.size(other)
    if x is None or y is None:
        return ctx.default_return_type
    f, reflected = METHODS[fullname]
    try:
        found = f(y, x) if reflected else f(x, y)
    except (ArithmeticError, TypeError, ShapeError):
        return ctx.default_return_type
    return named(SIZE, [names.dim_type(found)])


def power(ctx: MethodContext, named: Named) -> Type:
    """``size ** 0.5``: a size is no negative number, so the power is real."""
    base = ctx.arg_types[0][0] if ctx.arg_types and ctx.arg_types[0] else ctx.type
    return named("builtins.float", []) if _is_size(base) else ctx.default_return_type


def length(ctx: FunctionContext, named: Named) -> Type:
    """``len(x)``: of an array or of keys the size of its first dim."""
    t = get_proper_type(ctx.arg_types[0][0]) if ctx.arg_types and ctx.arg_types[0] else None
    at = DIMS_FROM.get(t.type.fullname) if isinstance(t, Instance) else None
    if not isinstance(t, Instance) or at is None or len(t.args) <= at:
        return ctx.default_return_type
    names = Names(named)
    size = names.size(t.args[at])
    return ctx.default_return_type if size is None else named(SIZE, [names.dim_type(size)])


def _is_size(t: Type) -> bool:
    p = get_proper_type(t)
    return isinstance(p, Instance) and p.type.fullname == SIZE
