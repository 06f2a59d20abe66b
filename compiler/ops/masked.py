"""What an example that does not count must not spoil: the derivatives of those that do.

Where branches or bodies run for all examples and the results are chosen afterwards, a function is
computed where nobody asked for it. There its derivative may be infinite, and nothing times infinity
is a NaN. So its operands are masked: no derivative passes where the example does not count.

Operands that all examples share add up the derivatives of all. Where there are any, the operands of
an example that does not count are replaced by those of the first that does, at which the function
was asked for; else they stay what they are, and the mask costs nothing where nothing is derived.

Law: values and derivatives of the examples that count are those without a mask, and finite if
these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.errors import DTypeError
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.contract import broadcast, repeat, total
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.places import given
from verax.compiler.ops.pointwise import SELECT, Compare, Elementwise, fill, one_dtype, zeros
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.slicing import size_value


class Masked(Elementwise, name="masked"):
    """Operands: a boolean, x, and what stands for x where it does not hold.

    What comes out there is nobody's: the op has the derivative of x where the boolean holds, and
    none elsewhere.
    """

    def dtype(self, *ts: ArrayType) -> DType:
        if not ts[0].dtype.is_bool:
            raise DTypeError(f"masked takes a boolean mask, got {ts[0]}", fix="mask != 0")
        one_dtype("masked", ts[1:])
        return ts[1].dtype

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        t = ts[1]
        return [None if t is None else b.emit(SELECT, xs[0], t, fill(b, 0, t))]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({1, 2}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,) = given(cts)
        d = None if xs[1] is not None else b.emit(SELECT, *given(xs[:1]), ct, fill(b, 0, ct))
        return [None, d, None]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [xs[1]] if xs[1] == xs[2] else SELECT.lower(e, xs, xts, yts)


MASKED = Masked()


def guarded(
    b: Builder,
    n: Size,
    counts: int,
    xs: Sequence[int],
    mapped: Sequence[bool],
    meets: frozenset[str],
) -> list[int]:
    """The operands of a function of which only the results of some examples are used.

    Args:
        n: the number of examples.
        counts: bool[n], which of them are used.
        xs, mapped: the operands, and which have one row per example.
        meets: the axes that the function names. Where it names one, examples may meet inside, so
            that those that do not count have a part in the others: nothing is masked.
    """
    if meets:
        return list(xs)
    moves = [has_tangent(b.types[x]) for x in xs]
    shared = any(d and not m for d, m in zip(moves, mapped))
    first = _first(b, n, counts) if shared else None
    some = b.emit(Reduce("or", (0,)), counts) if shared else counts
    out = []
    for x, m, d in zip(xs, mapped, moves):
        if d:
            other = _row(b, n, first, x) if m and first is not None else x
            x = b.emit(MASKED, _spread(b, counts if m else some, x), x, other)
        out.append(x)
    return out


def _spread(b: Builder, mask: int, x: int) -> int:
    """The mask in the shape of x, whose first dimensions are those of the mask."""
    shape, ndim = b.types[x].shape, len(b.types[mask].shape)
    return mask if ndim == len(shape) else b.emit(broadcast(shape, range(ndim)), mask)


def _first(b: Builder, n: Size, counts: int) -> int:
    """bool[n], true for the first example that counts."""
    places = b.emit(Iota(n, int32))
    t = cast(ArrayType, b.types[places])
    end = b.emit(broadcast(t.shape, ()), size_value(b, n, int32))
    first = b.emit(Reduce("min", (0,)), b.emit(SELECT, counts, places, end))
    return b.emit(Compare("EQ"), places, b.emit(broadcast(t.shape, ()), first))


def _row(b: Builder, n: Size, first: int, x: int) -> int:
    """The row of the first example that counts, for all; zeros where none does."""
    t = cast(ArrayType, b.types[x])
    row = b.emit(total(t.ndim, (0,)), b.emit(SELECT, _spread(b, first, x), x, zeros(b, t)))
    return b.emit(repeat(n, t.row()), row)
