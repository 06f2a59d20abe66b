"""What the operands of linear algebra are made: floating matrices, of one dtype and one batch.

Integers and bools become float32, as everywhere. Where one operand is a right-hand side, it is one
vector if it has rank 1, else matrices (NumPy 2); batches in front broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Shape
from verax.compiler.ops.arithmetic import CONJ
from verax.compiler.ops.contract import permute
from verax.dsl.lang.dtypes import default_float
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import (
    asarray,
    broadcast_shapes,
    broadcast_to,
    common_dtype,
    convert,
)
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, shape_of


def matrices(name: str, x: ArrayLike) -> AnyArray:
    """x as a floating array of matrices, in the last two dimensions."""
    y = asarray(x, name=name)
    return convert(check_matrices(name, y), default_float(y.dtype))


def square_matrices(name: str, x: ArrayLike) -> AnyArray:
    """The same for matrices that must be square."""
    return check_square(name, matrices(name, x))


def check_matrices(name: str, x: AnyArray) -> AnyArray:
    if x.ndim < 2:
        fix = "give it two dimensions: x[:, None] is one column, x[None, :] one row"
        raise ShapeError(f"{name} takes matrices, got {x.type}", fix=fix if x.ndim else None)
    return x


def check_square(name: str, x: AnyArray) -> AnyArray:
    m, n = shape_of(check_matrices(name, x))[-2:]
    if m != n:
        raise ShapeError(f"{name} takes square matrices, got {x.type}")
    return x


def floats(name: str, *xs: ArrayLike) -> list[AnyArray]:
    """The operands in the floating dtype in which they meet."""
    dtype = default_float(common_dtype(name, xs))
    return [convert(asarray(x, name=name), dtype) for x in xs]


class System(NamedTuple):
    """What tells a matrix and right-hand sides ``[..., n, k]``, with one batch.

    Args:
        shape: that of the solution.
    """

    parts: Sequence[AnyArray]
    rhs: AnyArray
    shape: Shape


def system(name: str, parts: Sequence[AnyArray], ranks: Sequence[int], b: AnyArray) -> System:
    """Bring matrices of n rows and right-hand sides together.

    Args:
        parts: what tells the matrices; the last dimension of the first one is n.
        ranks: of each part, the number of dimensions behind the batch.
        b: one vector ``[n]``, or matrices ``[..., n, k]``.
    """
    n = shape_of(parts[0])[-1]
    vector = b.ndim == 1
    rhs = reshaped(b, (*shape_of(b), 1)) if vector else b
    if rhs.ndim < 2 or shape_of(rhs)[-2] != n:
        columns = b.ndim > 1 and shape_of(b)[-1] == n
        raise ShapeError(
            f"{name}: {parts[0].type} needs right-hand sides [{n}] or [...,{n},k], got {b.type}",
            fix="a batch of vectors is a batch of columns: b[..., None]" if columns else None,
        )
    batches = [shape_of(x)[: x.ndim - rank] for x, rank in zip(parts, ranks)]
    batch = broadcast_shapes(*batches, shape_of(rhs)[:-2], name=name)
    fitted = [
        broadcast_to(x, (*batch, *shape_of(x)[x.ndim - rank :])) for x, rank in zip(parts, ranks)
    ]
    solution = shape_of(rhs)[-2:]
    shape = (*batch, n) if vector else (*batch, *solution)
    return System(fitted, broadcast_to(rhs, (*batch, *solution)), shape)


def transposed(x: AnyArray) -> AnyArray:
    """The last two dimensions exchanged."""
    k = x.ndim - 2
    return apply(permute((*range(k), k + 1, k)), x)


def adjoint(x: AnyArray) -> AnyArray:
    """Transposed and conjugated."""
    return conjugated(transposed(x))


def conjugated(x: AnyArray) -> AnyArray:
    """The conjugate; a real array is its own."""
    return apply(CONJ, x) if x.dtype.is_complex else x
