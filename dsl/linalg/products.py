"""Powers and products of several matrices, and a matrix made of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

from verax.compiler.ir.aligned import aligned, row
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Size
from verax.dsl.lang.contraction import Labels, contract, factors_of
from verax.dsl.lang.creation import eye
from verax.dsl.lang.fused import fused
from verax.dsl.lang.joining import concat, pad
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import shape_of
from verax.dsl.linalg.operands import check_square
from verax.dsl.linalg.solving import inv


def matrix_power(x: ArrayLike, n: int) -> AnyArray:
    """The n-th power of square matrices, by repeated squaring; a negative one is of the inverse.

    >>> import numpy as np
    >>> matrix_power(np.array([[1, 1], [1, 0]]), 10).tolist()
    [[89, 55], [55, 34]]
    """
    y = check_square("matrix_power", asarray(x, name="matrix_power"))
    count = index(n)
    if count < 0:
        y, count = inv(y), -count
    return fused(_power, count, y)


def _power(n: int, x: AnyArray) -> AnyArray:
    if n == 0:
        return broadcast_to(eye(shape_of(x)[-1], dtype=x.dtype), shape_of(x))
    out: AnyArray | None = None
    while n:
        if n % 2:
            out = x if out is None else out @ x
        n //= 2
        if n:
            x = x @ x
    assert out is not None
    return out


def multi_dot(xs: Sequence[ArrayLike]) -> AnyArray:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors: a row and a column.

    >>> import numpy as np
    >>> multi_dot([np.ones(2), np.eye(2), np.ones((2, 3))]).tolist()
    [2.0, 2.0, 2.0]
    """
    if len(xs) < 2:
        raise ShapeError(
            f"multi_dot takes two matrices or more, got {len(xs)}",
            fix="vx.linalg.multi_dot([x, y, z])",
        )
    ys = factors_of("multi_dot", *xs)
    last = len(ys) - 1
    labels: list[Labels] = []
    for i, y in enumerate(ys):
        if y.ndim != 2 and not (y.ndim == 1 and i in (0, last)):
            raise ShapeError(
                f"multi_dot: operand {i} is {y.type}, expected a matrix"
                + (" or a vector" if i in (0, last) else ""),
                fix="vx.matmul and @ take batches" if y.ndim > 2 else "give it two dimensions",
            )
        labels.append((i, i + 1) if y.ndim == 2 else (1,) if i == 0 else (last,))
        if i:
            _check_pair(i, ys[i - 1], y)
    ends = ((0,) if ys[0].ndim == 2 else (), (last + 1,) if ys[last].ndim == 2 else ())
    return contract(labels, (*ends[0], *ends[1]), ys)


def _check_pair(i: int, x: AnyArray, y: AnyArray) -> None:
    m, n = shape_of(x)[-1], shape_of(y)[0]
    if m != n:
        raise ShapeError(
            f"multi_dot: operand {i - 1} has {m} columns, and operand {i} has {n} rows\n"
            + aligned(
                [
                    row(f"operand {i - 1}", x.type, "mk"[-x.ndim :]),
                    row(f"operand {i}", y.type, "kn"[: y.ndim]),
                ],
                "k",
            ),
            fix="transpose the second: y.T"
            if y.ndim == 2 and m == shape_of(y)[1]
            else "what follows must have as many rows as what stands before has columns",
        )


def block_diag(*xs: ArrayLike) -> AnyArray:
    """A matrix with these matrices along its diagonal, and zeros elsewhere; a vector is one row.

    >>> import numpy as np
    >>> block_diag(np.array([[1]]), np.array([[2, 3]])).tolist()
    [[1, 0, 0], [0, 2, 3]]
    """
    ys = factors_of("block_diag", *xs) if xs else []
    blocks = []
    for i, y in enumerate(ys):
        if y.ndim > 2:
            raise ShapeError(
                f"block_diag: operand {i} is {y.type}, expected a matrix",
                fix="vx.vmap(vx.linalg.block_diag) takes batches",
            )
        blocks.append(reshaped(y, (*(1,) * (2 - y.ndim), *shape_of(y))))
    return fused(_block_diag, None, *blocks)


def _block_diag(static: None, *xs: AnyArray) -> AnyArray:
    widths = [shape_of(x)[1] for x in xs]
    rows = []
    for i, x in enumerate(xs):
        rows.append(pad(x, ((0, 0), (_total(widths[:i]), _total(widths[i + 1 :])))))
    return concat(rows, 0)


def _total(sizes: Sequence[Size]) -> Size:
    total: Size = 0
    for n in sizes:
        total = total + n
    return total
