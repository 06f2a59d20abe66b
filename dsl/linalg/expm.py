"""The exponential of a matrix: a quotient of polynomials, after scaling, then squared back.

Higham's method (SIAM J. Matrix Anal. Appl. 26, 2005): the Padé approximant of order 13 (order 7 in
single precision) of ``x / 2**s``, where s makes the 1-norm so small that the approximant is exact
in the dtype, then s squarings. The derivative is that of these steps; s is a constant for it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from verax.compiler.ir.dtypes import float32, int32, real_of
from verax.compiler.ops.barrier import StopGradient
from verax.dsl.lang.arithmetic import abs as magnitude
from verax.dsl.lang.arithmetic import ceil, clip
from verax.dsl.lang.creation import eye
from verax.dsl.lang.fused import fused
from verax.dsl.lang.logic import where
from verax.dsl.lang.loops import while_loop
from verax.dsl.lang.promotion import convert
from verax.dsl.lang.reductions import max as greatest
from verax.dsl.lang.reductions import sum as total
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.transcendental import exp2, log2
from verax.dsl.lang.value import apply, shape_of
from verax.dsl.linalg.operands import square_matrices
from verax.dsl.linalg.solving import solve


class Pade(NamedTuple):
    """The order of an approximant, and the norm up to which it is exact in the dtype."""

    order: int
    radius: float

    @property
    def coefficients(self) -> list[float]:
        """Of the numerator, from the lowest power on; the first one is 1."""
        m = self.order
        c = [math.perm(2 * m - k, m) / math.factorial(k) for k in range(m + 1)]
        return [x / c[0] for x in c]


SINGLE, DOUBLE = Pade(7, 3.925724783138660), Pade(13, 5.371920351148152)


def expm(x: ArrayLike, *, max_squarings: int = 16) -> AnyArray:
    """The exponential of square matrices ``[..., n, n]``: the sum of ``x**k / k!``.

    Args:
        max_squarings: the most squarings that are done. A matrix whose 1-norm is beyond about
            ``4 * 2**max_squarings`` gives NaN. Reverse-mode derivatives take memory in proportion.

    >>> import numpy as np
    >>> expm(np.array([[0.0, 1.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return fused(_expm, max_squarings, square_matrices("expm", x))


def _expm(most: int, x: AnyArray) -> AnyArray:
    if x.type.size == 0:
        return x
    pade = SINGLE if real_of(x.dtype) is float32 else DOUBLE
    norm = greatest(total(magnitude(apply(StopGradient(), x)), -2), -1)[..., None, None]
    needed = ceil(log2(norm / pade.radius))
    count = convert(clip(needed, 0, most), int32)
    y = _approximant(pade, x * convert(exp2(-clip(needed, 0, most)), x.dtype))
    turns = greatest(count)

    def square(state: tuple[AnyArray, AnyArray]) -> tuple[AnyArray, AnyArray]:
        i, y = state
        return i + 1, where(i < count, y @ y, y)

    start = convert(turns * 0, int32), y
    _, y = while_loop(lambda state: state[0] < turns, square, start, max_steps=most)
    return where(needed > most, math.nan, y)


def _approximant(pade: Pade, x: AnyArray) -> AnyArray:
    """``inv(v - u) @ (v + u)``, where u holds the odd powers and v the even ones."""
    c = pade.coefficients
    one = eye(shape_of(x)[-1], dtype=x.dtype)
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2

    def powers(first: int) -> AnyArray:
        """The even powers, times every second coefficient from ``first`` on."""
        low = one * c[first] + x2 * c[first + 2] + x4 * c[first + 4] + x6 * c[first + 6]
        if pade.order == 7:
            return low
        high = x2 * c[first + 8] + x4 * c[first + 10] + x6 * c[first + 12]
        return low + x6 @ high

    u, v = x @ powers(1), powers(0)
    return solve(v - u, v + u)
