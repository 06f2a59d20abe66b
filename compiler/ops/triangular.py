"""Triangular solves: ``op(a) @ x == b`` or ``x @ op(a) == b``, where op may transpose.

Only the triangle that is named is read, and with ``unit_diagonal`` not even the diagonal; so the
derivative in a has the same structure. Columns of b (rows, where a stands right) are problems of
their own: they may be cut, and a mapped b with one a is one solve of more columns.

A zero on the diagonal gives inf or NaN, as a division would.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Slots,
    show_shape,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.batched import (
    Batched,
    batched,
    square,
    with_fewer_columns,
    with_more_columns,
)
from verax.compiler.ops.contract import repeat
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.matrices import KINDS, Matrix
from verax.compiler.ops.places import given
from verax.compiler.ops.pointwise import add_any


class TriangularSolve(Batched, name="triangular_solve"):
    """Operands: the triangular a ``[..., m, m]``, then b ``[..., m, k]`` (right: ``[..., k, m]``).

    Args:
        left: whether a stands left of x.
        lower: which triangle of a is read.
        kind: what is solved with: a ("N"), its transpose ("T") or adjoint ("C").
        unit_diagonal: whether the diagonal is taken for ones.
    """

    left: bool
    lower_triangle: bool
    kind: str
    unit_diagonal: bool
    aligned = False

    def validate(self) -> None:
        assert self.kind in KINDS, self.kind

    def factors(self, *shapes: Shape) -> Factors:
        a, b = shapes
        n = square(self.name, a)
        if len(a) != len(b) or b[-2 if self.left else -1] != n:
            raise ShapeError(f"{self.name}: {show_shape(a)} does not fit {show_shape(b)}")
        columns = "mk" if self.left else "km"
        return batched(shapes, ["mm", columns], [columns], free="k")

    def with_kind(self, kind: str) -> TriangularSolve:
        return TriangularSolve(self.left, self.lower_triangle, kind, self.unit_diagonal)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        ta, moved = ts
        if ta is not None:
            moved = add_any(b, moved, (-self._product(Matrix(b, ta), Matrix(b, ys[0]))).slot)
        assert moved is not None
        return [b.emit(self, xs[0], moved)]

    def _product(self, a: Matrix, x: Matrix) -> Matrix:
        """``op(a) @ x`` or ``x @ op(a)`` with what is read of a."""
        k = 1 if self.unit_diagonal else 0
        part = (a.lower(-k) if self.lower_triangle else a.upper(k)).turned(self.kind)
        return part @ x if self.left else x @ part

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({1}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (a,), (ct,) = given(xs[:1]), given(cts)
        if self.kind == "C":
            return [None, b.emit(self.with_kind("N"), Matrix(b, a).conj().slot, ct)]
        return [None, b.emit(self.with_kind("T" if self.kind == "N" else "N"), a, ct)]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        a, rhs = xs
        if mapped[0]:
            if not mapped[1]:
                rhs = b.emit(repeat(n, Matrix(b, rhs).type), rhs)
            return [b.emit(self, a, rhs)], [True]
        rhs = rhs if self.left else Matrix(b, rhs).T.slot
        k = b.types[rhs].shape[-1]
        wide = Matrix(b, with_more_columns(b, rhs))
        x = b.emit(self, a, wide.slot if self.left else wide.T.slot)
        x = with_fewer_columns(b, x if self.left else Matrix(b, x).T.slot, n, k)
        return [x if self.left else Matrix(b, x).T.slot], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if yts[0].size == 0:
            return [xs[1]]
        letters = {
            "side": "L" if self.left else "R",
            "uplo": "L" if self.lower_triangle else "U",
            "trans_x": self.kind,
            "diag": "U" if self.unit_diagonal else "N",
        }
        attributes = {name: f"{ord(letter)} : ui8" for name, letter in letters.items()}
        return lapack(e, "trsm", xs, xts, yts, attributes, in_place={0: 1})
