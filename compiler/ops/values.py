"""What a value of any type can do: be repeated, be chosen, exchange its dimensions, be blank.

Arrays have ops of their own for this; keys go through their bits, ``KeyData -> op -> KeyWrap``. The
rules of control flow and of vectorization use these words, so that none of them asks for the type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.contract import broadcast, permute, repeat
from verax.compiler.ops.pointwise import SELECT, zeros
from verax.compiler.ops.random import KeyData, KeyWrap


def repeated(b: Builder, n: Size, x: int) -> int:
    """n times x, along a new first dimension."""
    return _arraywise(b, lambda x: b.emit(repeat(n, _array(b, x)), x), x)


def swapped(b: Builder, x: int) -> int:
    """x with its first two dimensions exchanged."""
    return _arraywise(b, lambda x: b.emit(permute((1, 0, *range(2, _array(b, x).ndim))), x), x)


def chosen(b: Builder, p: int, x: int, y: int) -> int:
    """x where p holds, else y; the dimensions of p are the first ones of x and y."""

    def choose(x: int, y: int) -> int:
        shape, ndim = _array(b, x).shape, _array(b, p).ndim
        mask = p if ndim == len(shape) else b.emit(broadcast(shape, range(ndim)), p)
        return b.emit(SELECT, mask, x, y)

    return _arraywise(b, choose, x, y)


def blank(b: Builder, t: Type) -> int:
    """A value of type t that nobody will look at: zeros."""
    if isinstance(t, KeyType):
        return b.emit(KeyWrap(t.impl), zeros(b, t.physical))
    return zeros(b, t)


def _array(b: Builder, x: int) -> ArrayType:
    return cast(ArrayType, b.types[x])


def _arraywise(b: Builder, f: Callable[..., int], *xs: int) -> int:
    t = b.types[xs[0]]
    if isinstance(t, KeyType):
        return b.emit(KeyWrap(t.impl), f(*[b.emit(KeyData(), x) for x in xs]))
    return f(*xs)
