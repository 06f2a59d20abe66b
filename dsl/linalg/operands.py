"""What the operands of linear algebra are made: floating matrices, of one dtype and one batch.

Integers and bools become float32, as everywhere. Where one operand is a right-hand side, it is one
vector if it has rank 1, else matrices (NumPy 2); batches in front broadcast.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from verax.compiler.ir.aligned import aligned, from_left, row
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
        raise ShapeError(
            f"{name} takes matrices, got {x.type}",
            fix="give it two dimensions: x[:, None] is one column, x[None, :] one row"
            if x.ndim
            else "a scalar is no matrix: x[None, None]",
        )
    return x


def check_square(name: str, x: AnyArray) -> AnyArray:
    m, n = shape_of(check_matrices(name, x))[-2:]
    if m != n:
        k = x.ndim
        raise ShapeError(
            f"{name} takes square matrices, got {x.type}: {m} rows and {n} columns\n"
            + from_left([("x", x.type)], (k - 2, k - 1)),
            fix=_SQUARE.get(name, "x @ x.mT and x.mT @ x are square; or cut it: x[..., :n, :n]"),
        )
    return x


_SQUARE = {
    "inv": "vx.linalg.pinv inverts matrices of any shape",
    "solve": "vx.linalg.lstsq solves with matrices of any shape",
    "eig": "vx.linalg.svd decomposes matrices of any shape",
    "eigh": "vx.linalg.svd decomposes matrices of any shape",
    "eigvals": "vx.linalg.svdvals takes matrices of any shape",
    "eigvalsh": "vx.linalg.svdvals takes matrices of any shape",
    "cholesky": "x @ x.mT is square; of a matrix of data it is positive (semi)definite",
    "cond": "p=2 takes matrices of any shape",
}


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
        left = row("a" if ranks[0] == 2 else "d", parts[0].type, _keys(parts[0].ndim, ranks[0]))
        right = row("b", b.type, ("n",) if vector else _keys(b.ndim, 2, "nk"))
        count = shape_of(rhs)[-2] if rhs.ndim > 1 else "none"
        raise ShapeError(
            f"{name}: a has {n} rows and b has {count}: b is [{n}] or [...,{n},k]\n"
            + aligned([left, right], ["n"]),
            fix="a batch of vectors is a batch of columns: b[..., None]"
            if columns
            else f"give b {n} rows: one vector [{n}], or columns [{n},k]",
        )
    batches = [shape_of(x)[: x.ndim - rank] for x, rank in zip(parts, ranks)]
    batch = broadcast_shapes(*batches, shape_of(rhs)[:-2], name=name)
    fitted = [
        broadcast_to(x, (*batch, *shape_of(x)[x.ndim - rank :])) for x, rank in zip(parts, ranks)
    ]
    solution = shape_of(rhs)[-2:]
    shape = (*batch, n) if vector else (*batch, *solution)
    return System(fitted, broadcast_to(rhs, (*batch, *solution)), shape)


def _keys(ndim: int, rank: int, names: str = "mn") -> tuple[Hashable, ...]:
    """The columns of a batch of matrices, or of vectors."""
    inner = names if rank == 2 else "n"
    return (*range(rank - ndim, 0), *inner[max(0, rank - ndim) :])


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
