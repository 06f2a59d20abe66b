"""What a value of any type can do: be repeated, chosen, turned, taken row by row, blank, weighed.

Arrays have ops of their own for this; keys go through their bits, ``KeyData -> op -> KeyWrap``. The
rules of control flow and of vectorization use these words, so that none of them asks for the type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Poly, Shape, Size
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.contract import broadcast, permute, repeat
from verax.compiler.ops.indexing import Gather
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import SELECT, zeros
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.slicing import DynamicSlice, DynamicUpdateSlice


def repeated(b: Builder, n: Size, x: int) -> int:
    """n times x, along a new first dimension."""
    return arraywise(b, lambda x: b.emit(repeat(n, _array(b, x)), x), x)


def swapped(b: Builder, x: int) -> int:
    """x with its first two dimensions exchanged."""
    return arraywise(b, lambda x: b.emit(permute((1, 0, *range(2, _array(b, x).ndim))), x), x)


def chosen(b: Builder, p: int, x: int, y: int) -> int:
    """x where p holds, else y; the dimensions of p are the first ones of x and y."""

    def choose(x: int, y: int) -> int:
        shape, ndim = _array(b, x).shape, _array(b, p).ndim
        mask = p if ndim == len(shape) else b.emit(broadcast(shape, range(ndim)), p)
        return b.emit(SELECT, mask, x, y)

    return arraywise(b, choose, x, y)


def rows(b: Builder, x: int, index: int) -> int:
    """The rows of x that an int32 vector names; what is out of range is clamped."""
    return arraywise(b, lambda x: b.emit(Gather(0, 1, "clip"), x, index), x)


def row(b: Builder, x: int, i: int) -> int:
    """Row i of x, for a scalar i."""

    def take(x: int) -> int:
        t = _array(b, x)
        part = b.emit(DynamicSlice((1, *[None] * (t.ndim - 1))), x, i)
        return b.emit(Reshape(t.shape[1:]), part)

    return arraywise(b, take, x)


def with_row(b: Builder, x: int, y: int, i: int) -> int:
    """x with y as its row i."""

    def put(x: int, y: int) -> int:
        one = b.emit(Reshape((1, *_array(b, y).shape)), y)
        return b.emit(DynamicUpdateSlice((0,)), x, one, i)

    return arraywise(b, put, x, y)


def reshaped(b: Builder, x: int, front: Shape, replaced: int = 1) -> int:
    """x with other dimensions in place of its first ones."""
    return arraywise(b, lambda x: b.emit(Reshape((*front, *_array(b, x).shape[replaced:])), x), x)


def blank(b: Builder, t: Type) -> int:
    """A value of type t that nobody will look at: zeros."""
    if isinstance(t, KeyType):
        return b.emit(KeyWrap(t.impl), zeros(b, t.physical))
    return zeros(b, t)


def _array(b: Builder, x: int) -> ArrayType:
    return cast(ArrayType, b.types[x])


@lru_cache(4096)
def elements(t: Type) -> int:
    """The number of elements; a dim that is not known counts for 64."""
    total = 1
    for n in t.shape:
        total *= estimate(n)
    return total


@lru_cache(4096)
def weight(t: Type) -> int:
    """The bytes of a value, estimated where a dim is not known."""
    return elements(t) * (8 if isinstance(t, KeyType) else t.dtype.itemsize)


def estimate(n: Size) -> int:
    """The size; a dim that is not known counts for 64."""
    if not isinstance(n, Poly):
        return n
    total: int = sum(c * 64 ** len(monomial) for monomial, c in n.terms)
    return max(1, total)


def arraywise(b: Builder, f: Callable[..., int], *xs: int) -> int:
    """f of arrays; of keys, the keys whose words f gives for theirs."""
    t = b.types[xs[0]]
    if isinstance(t, KeyType):
        return b.emit(KeyWrap(t.impl), f(*[b.emit(KeyData(), x) for x in xs]))
    return f(*xs)
