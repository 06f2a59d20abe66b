"""Tridiagonal systems: three diagonals, and columns of right-hand sides, each of which may be cut.

Row i of the matrix is ``dl[i], d[i], du[i]`` at the columns i - 1, i and i + 1, so ``dl[0]`` and
``du[-1]`` lie outside of it and are not read. A singular matrix gives NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import Again, Emitter, Factors, MaybeSlots, Slots, show_shape
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.batched import Batched, batched, with_fewer_columns, with_more_columns
from verax.compiler.ops.contract import repeat
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.matrices import Matrix, nan_unless
from verax.compiler.ops.places import given
from verax.compiler.ops.pointwise import Term, add_any
from verax.compiler.ops.slicing import Pad


class TridiagonalSolve(Batched, name="tridiagonal_solve"):
    """Operands: dl, d and du ``[..., n]``, then b ``[..., n, k]``."""

    aligned = False

    def factors(self, *shapes: Shape) -> Factors:
        dl, d, du, rhs = shapes
        if len(rhs) != len(d) + 1 or {dl[-1:], du[-1:], rhs[-2:-1]} != {d[-1:]} or not d:
            raise ShapeError(
                f"{self.name} takes three diagonals of one length and as many rows of right-hand "
                f"sides, got {', '.join(map(show_shape, shapes))}"
            )
        return batched(shapes, ["n", "n", "n", "nk"], ["nk"], free="k")

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        x, moved = Matrix(b, ys[0]), ts[3]
        neighbours = (x.padded((1, -1), (0, 0)), x, x.padded((-1, 1), (0, 0)))
        for t, part in zip(ts, neighbours):
            if t is not None:
                moved = add_any(b, moved, (-(x.as_columns(Term(b, t)) * part)).slot)
        assert moved is not None
        return [b.emit(self, *xs[:3], moved)]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({3}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        dl, d, du = given(xs[:3])
        front = [None] * (len(b.types[d].shape) - 1)
        below = b.emit(Pad((*front, (1, -1, 0))), du)
        above = b.emit(Pad((*front, (-1, 1, 0))), dl)
        return [None, None, None, b.emit(self, below, d, above, *given(cts))]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        if any(mapped[:3]):
            xs = [x if m else b.emit(repeat(n, Term(b, x).type), x) for x, m in zip(xs, mapped)]
            return [b.emit(self, *xs)], [True]
        k = b.types[xs[3]].shape[-1]
        x = b.emit(self, *xs[:3], with_more_columns(b, xs[3]))
        return [with_fewer_columns(b, x, n, k)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = yts
        if t.size == 0:
            return [xs[3]]
        info = ArrayType(t.shape[:-2], int32)
        same = {i: i for i in range(4)}
        matrices = [False, False, False, True]
        outs = lapack(
            e,
            "gtsv",
            xs,
            xts,
            [*xts, info],
            matrices=matrices,
            out_matrices=[*matrices, False],
            in_place=same,
        )
        return e.inline(_checked(t), outs[3:])


@lru_cache(1024)
def _checked(t: ArrayType) -> Program:
    b = Builder()
    x, info = Matrix(b, b.input(t)), Term(b, b.input(ArrayType(t.shape[:-2], int32)))
    return b.finish([nan_unless(info.eq(0), x).slot])
