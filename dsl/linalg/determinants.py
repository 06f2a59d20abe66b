"""Determinants, and their signs and logarithms.

The determinant of a singular matrix is 0 (its logarithm -inf), and its gradient there is finite: it
is the adjugate. The gradient of the logarithm is the inverse, so inf or NaN there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from verax.compiler.ir.sizes import Size
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.det import Det
from verax.compiler.ops.linear_solve import LogDet
from verax.compiler.ops.lu import Lu
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, apply_all, shape_of
from verax.dsl.linalg.operands import square_matrices


def det(x: ArrayLike) -> AnyArray:
    """The determinant of square matrices ``[..., n, n]``.

    The gradient is right for singular matrices too. Second derivatives are so up to n = 3; beyond
    they divide by the determinant, and are inf or NaN where it is 0.

    >>> import numpy as np
    >>> det(np.array([[1.0, 2.0], [3.0, 4.0]])).item()
    -2.0
    """
    return fused(_det, None, square_matrices("det", x))


def _det(static: None, x: AnyArray) -> AnyArray:
    expanded = _EXPANDED.get(shape_of(x)[-1])
    return apply(Det(), x) if expanded is None else expanded(x)


def _det_1(x: AnyArray) -> AnyArray:
    return x[..., 0, 0]


def _det_2(x: AnyArray) -> AnyArray:
    return x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]


def _det_3(x: AnyArray) -> AnyArray:
    """By the first row; a polynomial, so all its derivatives exist."""
    a, b, c = (x[..., 0, j] for j in range(3))
    d, e, f = (x[..., 1, j] for j in range(3))
    g, h, i = (x[..., 2, j] for j in range(3))
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


_EXPANDED: Mapping[Size, Callable[[AnyArray], AnyArray]] = {1: _det_1, 2: _det_2, 3: _det_3}


class SlogdetResult(NamedTuple):
    """The determinant is ``sign * exp(logabsdet)``."""

    sign: AnyArray
    logabsdet: AnyArray


def slogdet(x: ArrayLike) -> SlogdetResult:
    """Sign and logarithm of the magnitude of the determinant of square matrices ``[..., n, n]``.

    The sign is a number of magnitude 1, or 0 for a singular matrix, whose logarithm is -inf.

    >>> import numpy as np
    >>> sign, logabsdet = slogdet(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> sign.item(), round(logabsdet.item(), 4)
    (-1.0, 0.6931)
    """
    return SlogdetResult(*fused_all(_slogdet, None, square_matrices("slogdet", x)))


def _slogdet(static: None, x: AnyArray) -> list[AnyArray]:
    packed, pivots = apply_all(Lu(), apply(StopGradient(), x))
    return apply_all(LogDet(), x, packed, pivots)
