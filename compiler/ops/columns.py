"""Equations in triangular matrices that are solved column by column, as loops in ops.

Each step solves a triangular system for one column of the unknown, so the whole takes as many
multiplications as a product of matrices, up to a constant.
"""

from __future__ import annotations

import math
from functools import lru_cache

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import ABS
from verax.compiler.ops.bits import AND
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.decomposition import as_matrix, rounding
from verax.compiler.ops.functions import SQRT
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.triangular import TriangularSolve

UPPER = TriangularSolve(True, False, "N", False)


def solve_pair(r: Matrix, s: Matrix, f: Matrix) -> Matrix:
    """The X of ``r @ X + X @ s == f``, where r and s are upper triangular."""
    return _over_columns(_pair_step(r.type, s.type), f, r, s, f)


def solve_below(t: Matrix, f: Matrix) -> Matrix:
    """The strictly lower X with ``X @ t - t @ X == f`` below the diagonal; t is upper triangular.

    An element that equal diagonal elements of t leave open is zero.
    """
    return _over_columns(_below_step(t.type), f, t, f)


def square_root(t: Matrix) -> Matrix:
    """The upper triangular X with ``X @ X == t``, of which the diagonal is the principal root."""
    return _over_columns(_root_step(t.type), t, t)


def _over_columns(step: Program, like: Matrix, *consts: Matrix) -> Matrix:
    columns = like.b.emit(Iota(like.n, int32))
    op = Scan(step, len(consts), 1, like.n)
    return Matrix(like.b, like.b.emit(op, *[c.slot for c in consts], like.like(0).slot, columns))


class _Step:
    """What a step starts from: a builder, the constants, the unknown so far, and its column j."""

    def __init__(self, *types: ArrayType) -> None:
        self.b = b = Builder()
        self.consts = [Matrix(b, b.input(t)) for t in types]
        self.x = Matrix(b, b.input(types[-1]))
        self.j = Term(b, b.input(ArrayType((), int32)))

    def there(self, places: Matrix) -> Matrix:
        """bool: which of the places are j."""
        return places.eq(self._at(places))

    def _at(self, places: Matrix) -> Term:
        return self.j.apply(broadcast(places.type.shape, ()))

    def before(self, places: Matrix) -> Matrix:
        return places.lt(self._at(places))

    def behind(self, places: Matrix) -> Matrix:
        return places.gt(self._at(places))

    def column(self, x: Matrix) -> Matrix:
        """Column j, as a matrix of one column."""
        last = x.type.ndim - 1
        v = Term(self.b, x.only(self.there(x.columns())).slot).apply(total(x.type.ndim, (last,)))
        return Matrix(self.b, v.apply(broadcast((*v.type.shape, 1), range(last))).slot)

    def corner(self, x: Matrix) -> Term:
        """Element (j, j), one number per matrix."""
        c = self.column(x)
        picked = Term(self.b, c.only(self.there(c.rows())).slot)
        return picked.apply(total(c.type.ndim, (c.type.ndim - 2, c.type.ndim - 1)))

    def finish(self, column: Matrix) -> Program:
        """The program that puts a column into the unknown."""
        x = self.x
        wide = Term(self.b, column.slot).apply(total(x.type.ndim, (x.type.ndim - 1,)))
        put = self.there(x.columns()).where(x.as_columns(wide), x)
        return self.b.finish([put.slot])


@lru_cache(1024)
def _pair_step(r_type: ArrayType, s_type: ArrayType) -> Program:
    f_type = ArrayType((*r_type.shape[:-1], s_type.shape[-1]), r_type.dtype)
    step = _Step(r_type, s_type, f_type)
    r, s, f = step.consts
    known = step.column(f) - step.x @ step.column(s)
    system = r + as_matrix(step.corner(s), r.type.shape).only(r.on_diagonal())
    return step.finish(system.apply(UPPER, known))


@lru_cache(1024)
def _below_step(t_type: ArrayType) -> Program:
    step = _Step(t_type, t_type)
    t, f = step.consts
    known = step.column(f) - step.x @ step.column(t)
    shifts = as_matrix(step.corner(t), t.type.shape).only(t.on_diagonal()) - t
    least = as_matrix(rounding(t.diagonal()), t.type.shape)
    open_ = t.on_diagonal().apply(AND, shifts.apply(ABS).le(least))
    inside = step.behind(t.rows()).apply(AND, step.behind(t.columns()))
    system = inside.where(open_.where(math.inf, shifts), t.eye())
    return step.finish(system.apply(UPPER, known.only(step.behind(known.rows()))))


@lru_cache(1024)
def _root_step(t_type: ArrayType) -> Program:
    step = _Step(t_type)
    (t,) = step.consts
    corner, x = step.corner(t).apply(SQRT), step.x
    shifted = x + as_matrix(corner, x.type.shape).only(x.on_diagonal())
    inside = step.before(x.rows()).apply(AND, step.before(x.columns()))
    system = inside.where(shifted, x.eye())
    column = step.column(t)
    column = system.apply(UPPER, column.only(step.before(column.rows())))
    here = step.there(column.rows())
    return step.finish(here.where(as_matrix(corner, column.type.shape), column))
