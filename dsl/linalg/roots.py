"""Square roots of matrices, the polar decomposition, and the equation that differentiates both.

Their derivatives are those of the equations they fulfil, so they are exact at equal eigenvalues
and singular values too, at all orders.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from verax.compiler.ir.aligned import from_right
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ops.polar import Polar
from verax.compiler.ops.sylvester import Sqrtm, Sylvester
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.linear import matmul
from verax.dsl.lang.promotion import broadcast_shapes, broadcast_to
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, apply_all, shape_of
from verax.dsl.linalg.operands import adjoint, check_square, floats, matrices, square_matrices


def sqrtm(x: ArrayLike) -> AnyArray:
    """The principal square root of square matrices, always complex: ``y @ y == x``.

    Of positive definite matrices ``sqrtm(x).real`` is the root. A singular matrix may have none;
    its root, or the derivative, is then inf or NaN.

    >>> import numpy as np
    >>> sqrtm(np.array([[4.0, 1.0], [0.0, 4.0]])).real.tolist()
    [[2.0, 0.25], [0.0, 2.0]]
    """
    return fused(_sqrtm, None, square_matrices("sqrtm", x))


def _sqrtm(static: None, x: AnyArray) -> AnyArray:
    return apply(Sqrtm(), x)


def solve_sylvester(a: ArrayLike, b: ArrayLike, q: ArrayLike) -> AnyArray:
    """The x with ``a @ x + x @ b == q``.

    Args:
        a: matrices ``[..., m, m]``. b: ``[..., n, n]``. q: ``[..., m, n]``. Batches broadcast.

    Where an eigenvalue of a and one of b add up to zero there is no solution: inf or NaN.

    >>> import numpy as np
    >>> solve_sylvester(np.eye(2), np.eye(2), np.array([[2.0, 4.0], [6.0, 8.0]])).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    name = "solve_sylvester"
    u, v, w = (matrices(name, x) for x in floats(name, a, b, q))
    m, n = (shape_of(check_square(name, x))[-1] for x in (u, v))
    if shape_of(w)[-2:] != (m, n):
        raise ShapeError(
            f"{name}: a and b need a q of {m} rows and {n} columns, got {w.type}\n"
            + from_right([("a", u.type), ("b", v.type), ("q", w.type)], (-2, -1)),
            fix=f"a @ x + x @ b == q with x and q of [{m},{n}]",
        )
    batch = broadcast_shapes(*[shape_of(x)[:-2] for x in (u, v, w)], name=name)
    return fused(
        _solve_sylvester, None, *[broadcast_to(x, (*batch, *shape_of(x)[-2:])) for x in (u, v, w)]
    )


def _solve_sylvester(static: None, *xs: AnyArray) -> AnyArray:
    return apply(Sylvester(), *xs)


class PolarResult(NamedTuple):
    """Orthonormal columns (or rows, of a wide matrix), and a positive semidefinite factor."""

    u: AnyArray
    p: AnyArray


def polar(x: ArrayLike, side: Literal["right", "left"] = "right") -> PolarResult:
    """The polar decomposition ``u @ p == x`` (right) or ``p @ u == x`` (left).

    Args:
        x: matrices ``[..., m, n]``.
        side: on which side the positive semidefinite factor stands; it is ``[..., n, n]`` on the
            right, ``[..., m, m]`` on the left.

    >>> import numpy as np
    >>> polar(np.array([[-2.0, 0.0], [0.0, 3.0]])).u.tolist()
    [[-1.0, 0.0], [0.0, 1.0]]
    """
    if side not in ("right", "left"):
        raise ShapeError(f"polar: {side!r} is no side", fix='use side="right" or side="left"')
    return PolarResult(*fused_all(_polar, side == "left", matrices("polar", x)))


def _polar(left: bool, x: AnyArray) -> list[AnyArray]:
    if left:
        u, p = _polar(False, adjoint(x))
        return [adjoint(u), p]
    m, n = shape_of(x)[-2:]
    if not (isinstance(m, int) and isinstance(n, int) and m < n):
        return apply_all(Polar(), x)
    w, q = apply_all(Polar(), adjoint(x))
    return [adjoint(w), matmul(w, matmul(q, adjoint(w)))]
