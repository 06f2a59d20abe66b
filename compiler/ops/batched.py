"""What ops on batches of matrices share: the dims in front are free, those of a matrix are whole.

LAPACK computes them, which knows four dtypes; narrower ones are refused rather than computed in
another precision than the one that was asked for.

Law: a batch is many matrices: it may be cut, and vmap adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import DTypeError, ShapeError, UnknownSizeError
from verax.compiler.ir.op import Again, Dims, Factor, Factors, Op, Slots, same_locally, show_shape
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size, at_most, product
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import permute
from verax.compiler.ops.ffi import LETTER
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import one_dtype


class Batched(Op):
    """An op on matrices, of operands with one batch; ``n_inexact`` operands come first."""

    aligned = True
    n_inexact: ClassVar[int | None] = None
    """How many operands, the first ones, have the dtype of LAPACK; None for all."""

    def dtype(self, *ts: ArrayType) -> DType:
        return lapack_dtype(self.name, ts[: self.n_inexact])

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        ys = b.emit_all(self, *xs)
        return ys, [True] * len(ys)

    local = same_locally


def lapack_dtype(name: str, ts: Sequence[ArrayType]) -> DType:
    """The one dtype of the operands, which must be one of LAPACK's."""
    one_dtype(name, ts)
    dtype = ts[0].dtype
    if dtype not in LETTER:
        raise DTypeError(
            f"{name} takes {', '.join(map(str, LETTER))}, got {ts[0]}",
            fix="convert the operand first: x.astype(vx.float32)",
        )
    return dtype


def batched(
    shapes: Sequence[Shape],
    ins: Sequence[str],
    outs: Sequence[str],
    free: str = "",
    sizes: Mapping[Factor, Size] = {},
) -> Factors:
    """The factors of an op on matrices, each spelled as a letter per dimension behind the batch.

    Args:
        ins, outs: ``["mn", "n"]`` is a matrix and a vector.
        free: the letters that may be cut; the others are whole.
        sizes: of the letters that no operand tells.
    """
    batch = range(len(shapes[0]) - len(ins[0]))

    def dims(letters: str) -> Dims:
        return (*[(i,) for i in batch], *[(c,) for c in letters])

    whole = frozenset("".join([*ins, *outs])) - frozenset(free)
    return Factors(tuple(map(dims, ins)), tuple(map(dims, outs)), whole=whole, sizes=sizes)


def matrix_shape(name: str, shape: Shape) -> tuple[Size, Size]:
    """Rows and columns; ShapeError for what is no matrix."""
    if len(shape) < 2:
        raise ShapeError(f"{name} takes matrices, got {show_shape(shape)}")
    return shape[-2], shape[-1]


def square(name: str, shape: Shape) -> Size:
    """The size of a square matrix; ShapeError for any other."""
    m, n = matrix_shape(name, shape)
    if m != n:
        raise ShapeError(f"{name} takes square matrices, got {show_shape(shape)}")
    return n


def shorter(name: str, shape: Shape) -> Size:
    """The smaller one of rows and columns."""
    m, n = matrix_shape(name, shape)
    return n if tall(name, shape) else m


def tall(name: str, shape: Shape) -> bool:
    """Whether a matrix has as many rows as columns, or more."""
    m, n = matrix_shape(name, shape)
    fewer = at_most(n, m)
    if fewer is None:
        raise UnknownSizeError(
            f"{name}: of {show_shape(shape)} it is not known whether it has more rows or columns",
            fix="give the sizes: they must be known, or equal",
        )
    return fewer


def with_more_columns(b: Builder, x: int) -> int:
    """``[n, ..., m, k]`` as ``[..., m, n * k]``: a mapped axis becomes columns."""
    n, *batch, m, k = b.types[x].shape
    last = len(batch) + 1
    moved = b.emit(permute((*range(1, last + 1), 0, last + 1)), x)
    return b.emit(Reshape((*batch, m, product([n, k]))), moved)


def with_fewer_columns(b: Builder, x: int, n: Size, k: Size) -> int:
    """The way back: ``[..., m, n * k]`` as ``[n, ..., m, k]``."""
    *batch, m, _ = b.types[x].shape
    last = len(batch) + 1
    split = b.emit(Reshape((*batch, m, n, k)), x)
    return b.emit(permute((last, *range(last), last + 1)), split)
