"""What the rules of matrix ops are written with: slots that are (batches of) matrices.

A ``Matrix`` is a ``Term`` whose last two dimensions are rows and columns; what stands in front of
them is a batch, which operands share. So a rule reads as the formula in a book, and holds for any
batch, any size (symbolic too) and every inexact dtype. Vectors ``[..., n]`` are plain Terms.

Triangles and diagonals are cut out by a selection, never by multiplication: a NaN elsewhere does
not matter. ``mask.where(x, y)`` of a boolean matrix chooses between two matrices.
"""

from __future__ import annotations

import math
from typing import Self

from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import CONJ, real
from verax.compiler.ops.contract import broadcast, canonical, permute, total
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.pointwise import Term, splat
from verax.compiler.ops.slicing import Concatenate, Pad, Slice

KINDS = ("N", "T", "C")


class Matrix(Term):
    """A slot ``[..., m, n]``; besides ``@ .T .H`` it has the operators of Term, elementwise."""

    __slots__ = ()

    @property
    def batch(self) -> Shape:
        """The dimensions in front."""
        return self.type.shape[:-2]

    @property
    def m(self) -> Size:
        """The number of rows."""
        return self.type.shape[-2]

    @property
    def n(self) -> Size:
        """The number of columns."""
        return self.type.shape[-1]

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    # products and turns --------------------------------------------------------------------------

    def __matmul__(self, o: Matrix) -> Self:
        k = len(self.batch)
        front = tuple(range(k))
        return self.apply(
            canonical([(*front, k, k + 1), (*front, k + 1, k + 2)], (*front, k, k + 2)), o
        )

    @property
    def T(self) -> Self:
        """Transposed, without conjugation."""
        k = len(self.batch)
        return self.apply(permute((*range(k), k + 1, k)))

    def conj(self) -> Self:
        """Conjugated; a real matrix is its own."""
        return self.apply(CONJ) if self.dtype.is_complex else self

    @property
    def H(self) -> Self:
        """Transposed and conjugated."""
        return self.T.conj()

    def turned(self, kind: str) -> Self:
        """As it is ("N"), transposed ("T"), or transposed and conjugated ("C")."""
        return self if kind == "N" else self.T if kind == "T" else self.H

    def real(self) -> Matrix:
        """The real part; a real matrix is its own."""
        return Matrix(self.b, real(self).slot)

    # masks ---------------------------------------------------------------------------------------

    def rows(self) -> Matrix:
        """int32 of this shape: in which row an element stands."""
        return self._places(self.type.ndim - 2)

    def columns(self) -> Matrix:
        """int32 of this shape: in which column an element stands."""
        return self._places(self.type.ndim - 1)

    def _places(self, dim: int) -> Matrix:
        iota = self.b.emit(Iota(self.type.shape[dim], int32))
        return Matrix(self.b, self.b.emit(broadcast(self.type.shape, (dim,)), iota))

    def lower(self, k: int = 0) -> Self:
        """On and below the k-th diagonal; zero above."""
        return self.only(self.columns().le(_plus(self.rows(), k)))

    def upper(self, k: int = 0) -> Self:
        """On and above the k-th diagonal; zero below."""
        return self.only(self.columns().ge(_plus(self.rows(), k)))

    def only(self, mask: Term) -> Self:
        """The elements where the mask holds; zero elsewhere."""
        return type(self)(self.b, mask.where(self, 0).slot)

    def on_diagonal(self) -> Matrix:
        """bool of this shape: whether an element stands on the main diagonal."""
        return self.rows().eq(self.columns())

    # vectors and diagonals -----------------------------------------------------------------------

    def diagonal(self) -> Term:
        """The main diagonal as vectors ``[..., min(m, n)]``."""
        m, n = self.m, self.n
        wide = isinstance(m, int) and isinstance(n, int) and m < n
        ndim = self.type.ndim
        return Term(self.b, self.only(self.on_diagonal()).slot).apply(
            total(ndim, (ndim - 1 if wide else ndim - 2,))
        )

    def as_rows(self, v: Term) -> Matrix:
        """Vectors ``[..., n]`` as every row of matrices of this shape."""
        k = len(self.batch)
        return Matrix(self.b, v.apply(broadcast(self.type.shape, (*range(k), k + 1))).slot)

    def as_columns(self, v: Term) -> Matrix:
        """Vectors ``[..., m]`` as every column of matrices of this shape."""
        k = len(self.batch)
        return Matrix(self.b, v.apply(broadcast(self.type.shape, (*range(k), k))).slot)

    def eye(self) -> Self:
        """Ones on the main diagonal, in the shape and dtype of this matrix."""
        return self.like(1).only(self.on_diagonal())

    # parts ---------------------------------------------------------------------------------------

    def part(self, rows: tuple[Size, Size] | None, columns: tuple[Size, Size] | None) -> Self:
        """Some rows and columns, each (start, limit) or None for all."""
        parts = [None if p is None else (*p, 1) for p in (rows, columns)]
        return self.apply(Slice((*[None] * len(self.batch), *parts)))

    def padded(self, rows: tuple[Size, Size], columns: tuple[Size, Size]) -> Self:
        """With so many zeros before and behind the rows and the columns."""
        parts = [None if p == (0, 0) else (*p, 0) for p in (rows, columns)]
        return self.apply(Pad((*[None] * len(self.batch), *parts)))

    def beside(self, *others: Matrix) -> Self:
        """With the columns of others to the right."""
        return self.apply(Concatenate(self.type.ndim - 1), *others)


def _plus(x: Matrix, k: int) -> Matrix:
    return x if k == 0 else x + k


def eye(b: Builder, batch: Shape, n: Size, dtype: DType) -> Matrix:
    """The identity matrix of size n, for each of a batch."""
    return Matrix(b, b.emit(splat(0, ArrayType((*batch, n, n), dtype)))).eye()


def diagonal_matrix(v: Term) -> Matrix:
    """The matrices with vectors ``[..., n]`` on their diagonals."""
    shape = v.type.shape
    like = Matrix(v.b, v.b.emit(splat(0, ArrayType((*shape, shape[-1]), v.type.dtype))))
    return like.as_columns(v).only(like.on_diagonal())


def nan_unless(ok: Term, x: Matrix) -> Matrix:
    """The matrices of which ``ok [...]`` holds; NaN for the others."""
    mask = ok.apply(broadcast(x.type.shape, range(len(x.batch))))
    return Matrix(x.b, mask.where(x, math.nan).slot)
