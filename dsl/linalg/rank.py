"""What the singular values decide: rank, condition, pseudo-inverse, least squares.

Singular values up to ``rtol`` times the largest one count as zero; by default rtol is the epsilon
of the dtype times the larger dimension. Batches stand in front, as everywhere.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from verax.compiler.ir.aligned import aligned, row
from verax.compiler.ir.dtypes import int32, real_of
from verax.compiler.ir.errors import ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ops.pinv import Pinv
from verax.compiler.ops.svd import Svd
from verax.dsl.lang.dtypes import finfo
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.linear import matmul
from verax.dsl.lang.norms import matrix_norm
from verax.dsl.lang.promotion import convert
from verax.dsl.lang.reductions import sum as sum_over
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, apply_all, shape_of
from verax.dsl.linalg.operands import adjoint, floats, matrices, square_matrices
from verax.dsl.linalg.solving import inv

Order: TypeAlias = int | float | Literal["fro", "nuc"] | None


def _cutoff(name: str, x: AnyArray, rtol: float | None, factor: int = 1) -> float:
    """rtol, or its default."""
    if rtol is not None:
        return float(rtol)
    m, n = shape_of(x)[-2:]
    if isinstance(m, Poly) or isinstance(n, Poly):
        raise UnknownSizeError(
            f"{name}: the default rtol of {x.type} depends on its sizes", fix="give it: rtol=1e-6"
        )
    return factor * max(m, n) * float(finfo(real_of(x.dtype)).eps)


def pinv(x: ArrayLike, rtol: float | None = None, hermitian: bool = False) -> AnyArray:
    """The pseudo-inverse ``[..., n, m]`` of matrices ``[..., m, n]``.

    Args:
        rtol: singular values up to this part of the largest count as zero; by default ten times
            what the module says.
        hermitian: whether x is square and Hermitian; it is then made exactly so.

    The derivative is exact wherever the rank is constant, at all orders.

    >>> import numpy as np
    >>> pinv(np.array([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.0]]
    """
    y = square_matrices("pinv", x) if hermitian else matrices("pinv", x)
    return fused(_pinv, (_cutoff("pinv", y, rtol, 10), hermitian), y)


def _pinv(static: tuple[float, bool], x: AnyArray) -> AnyArray:
    rtol, hermitian = static
    return apply(Pinv(rtol), (x + adjoint(x)) * 0.5 if hermitian else x)


def matrix_rank(x: ArrayLike, rtol: float | None = None) -> AnyArray:
    """How many singular values of matrices are not zero, as int32.

    >>> import numpy as np
    >>> matrix_rank(np.ones((3, 3))).tolist()
    1
    """
    y = matrices("matrix_rank", x)
    return fused(_rank_of, _cutoff("matrix_rank", y, rtol), y)


def _rank_of(rtol: float, x: AnyArray) -> AnyArray:
    return _counted(apply(Svd(False, False), x), rtol)


def _counted(s: AnyArray, rtol: float) -> AnyArray:
    return sum_over(convert(s > s[..., :1] * rtol, int32), -1)


def cond(x: ArrayLike, p: Order = None) -> AnyArray:
    """The condition number: a norm of x times that of its inverse.

    Args:
        x: matrices ``[..., m, n]``, square unless p is 2 or -2.
        p: the norm: 2 (or None), -2, "fro", "nuc", 1, -1, inf or -inf.

    A singular matrix has the condition inf.

    >>> import numpy as np
    >>> cond(np.diag([4.0, 2.0])).tolist()
    2.0
    """
    if p in (None, 2, -2):
        y = matrices("cond", x)
        if 0 in shape_of(y)[-2:]:
            raise ShapeError(
                f"cond: {y.type} is empty, and has no singular values",
                fix="give matrices of one row and one column or more",
            )
        return fused(_ratio, p == -2, y)
    y = square_matrices("cond", x)
    return matrix_norm(y, ord=p) * matrix_norm(inv(y), ord=p)


def _ratio(inverted: bool, x: AnyArray) -> AnyArray:
    s = apply(Svd(False, False), x)
    return s[..., -1] / s[..., 0] if inverted else s[..., 0] / s[..., -1]


class LstsqResult(NamedTuple):
    """The solution of least squares, the squared lengths of what is left, the rank, and S."""

    x: AnyArray
    residuals: AnyArray
    rank: AnyArray
    s: AnyArray


def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> LstsqResult:
    """The x of least norm that makes ``a @ x - b`` least.

    Args:
        a: matrices ``[..., m, n]``. b: one vector ``[m]``, or columns ``[..., m, k]``.
        rcond: singular values of a up to this part of the largest count as zero.

    The residuals are always given, whatever the rank is. The derivative is exact wherever the rank
    is constant.

    >>> import numpy as np
    >>> lstsq(np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), np.array([1.0, 2.0, 3.0])).x.tolist()
    [1.0, 1.0]
    """
    u, v = floats("lstsq", a, b)
    u = matrices("lstsq", u)
    rows = shape_of(v)[-1 if v.ndim == 1 else -2] if v.ndim else None
    if rows != shape_of(u)[-2]:
        m = shape_of(u)[-2]
        keys = [(*range(2 - u.ndim, 0), "m", "n"), ("m",) if v.ndim == 1 else ()]
        if v.ndim > 1:
            keys[1] = (*range(2 - v.ndim, 0), "m", "k")
        raise ShapeError(
            f"lstsq: a has {m} rows and b has {rows if v.ndim else 'none'}\n"
            + aligned([row("a", u.type, keys[0]), row("b", v.type, keys[1])], ["m"]),
            fix=f"give b {m} rows: one vector [{m}], or columns [{m},k]",
        )
    return LstsqResult(*fused_all(_lstsq, _cutoff("lstsq", u, rcond), u, v))


def _lstsq(rtol: float, a: AnyArray, b: AnyArray) -> list[AnyArray]:
    _, s, _ = apply_all(Svd(False, True), a)
    columns = b[:, None] if b.ndim == 1 else b
    x = matmul(apply(Pinv(rtol), a), columns)
    left = columns - matmul(a, x)
    residuals = sum_over(abs(left) ** 2, -2)
    x = x[..., 0] if b.ndim == 1 else x
    return [x, residuals, _counted(s, rtol), s]
