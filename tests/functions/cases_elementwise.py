"""The table of pointwise functions with their NumPy or SciPy references.

References compute in float64 (complex128, int64): a case says where, and how near the result must
be, in units of the dtype's precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from scipy import special

from verax.dsl.lang import elementwise as e

Function = Callable[..., Any]


@attrs.frozen
class Case:
    """One function.

    Attributes:
        low, high: the interval of the operands.
        kinds: the kinds of dtypes that it is tested with: b, i, u, f, c.
        ulps: the distance from the reference that is allowed, relative to the larger of it and 1.
    """

    f: Function
    reference: Function
    low: float = -10
    high: float = 10
    kinds: str = "f"
    ulps: float = 8

    @property
    def name(self) -> str:
        return self.f.__name__


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, 0)


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


UNARY: tuple[Case, ...] = (
    Case(e.abs, np.abs, kinds="biufc"),
    Case(e.sign, np.sign, kinds="iufc"),
    Case(e.negative, np.negative, kinds="ifc"),
    Case(e.positive, np.positive, kinds="iufc"),
    Case(e.square, np.square, kinds="ifc"),
    Case(e.reciprocal, np.reciprocal, 0.1, 10, kinds="fc"),
    Case(e.floor, np.floor, kinds="iuf"),
    Case(e.ceil, np.ceil, kinds="iuf"),
    Case(e.trunc, np.trunc, kinds="iuf"),
    Case(e.round, np.round, kinds="iufc"),
    Case(e.rint, np.rint, kinds="f"),
    Case(e.real, np.real, kinds="ifc"),
    Case(e.imag, np.imag, kinds="ifc"),
    Case(e.conj, np.conj, kinds="ifc"),
    Case(e.angle, np.angle, kinds="fc"),
    Case(e.exp, np.exp, -4, 4, kinds="fc"),
    Case(e.exp2, np.exp2, -4, 4),
    Case(e.expm1, np.expm1, -2, 2, kinds="fc"),
    Case(e.log, np.log, 0.01, 10, kinds="fc"),
    Case(e.log1p, np.log1p, -0.9, 10, kinds="fc", ulps=32),
    Case(e.log2, np.log2, 0.01, 10),
    Case(e.log10, np.log10, 0.01, 10),
    Case(e.sqrt, np.sqrt, 0, 10, kinds="fc"),
    Case(e.rsqrt, lambda x: 1 / np.sqrt(x), 0.1, 10, kinds="fc"),
    Case(e.cbrt, np.cbrt),
    Case(e.sin, np.sin, kinds="fc", ulps=16),
    Case(e.cos, np.cos, kinds="fc", ulps=16),
    Case(e.tan, np.tan, -1, 1, kinds="fc"),
    Case(e.asin, np.arcsin, -1, 1, kinds="f"),
    Case(e.acos, np.arccos, -1, 1, kinds="f"),
    Case(e.atan, np.arctan, kinds="f"),
    Case(e.sinh, np.sinh, -4, 4, kinds="fc", ulps=16),
    Case(e.cosh, np.cosh, -4, 4, kinds="fc", ulps=16),
    Case(e.tanh, np.tanh, kinds="f"),
    Case(e.asinh, np.arcsinh, kinds="f", ulps=32),
    Case(e.acosh, np.arccosh, 1, 10, kinds="f", ulps=32),
    Case(e.atanh, np.arctanh, -0.9, 0.9, kinds="f", ulps=32),
    Case(e.deg2rad, np.deg2rad, -180, 180),
    Case(e.rad2deg, np.rad2deg, -3, 3),
    Case(e.sinc, np.sinc, -4, 4, ulps=32),
    Case(e.erf, special.erf, -4, 4),
    Case(e.erfc, special.erfc, -4, 4),
    Case(e.erf_inv, special.erfinv, -0.95, 0.95, ulps=16),
    Case(e.lgamma, special.gammaln, 0.1, 10, ulps=32),
    Case(e.digamma, special.digamma, 0.5, 10, ulps=32),
    Case(e.sigmoid, _sigmoid),
    Case(e.log_sigmoid, lambda x: -_softplus(-x)),
    Case(e.logit, special.logit, 0.1, 0.9, ulps=32),
    Case(e.softplus, _softplus),
    Case(e.squareplus, lambda x: (x + np.sqrt(x * x + 4)) / 2, ulps=16),
    Case(e.soft_sign, lambda x: x / (1 + np.abs(x))),
    Case(e.silu, lambda x: x * _sigmoid(x)),
    Case(e.mish, lambda x: x * np.tanh(_softplus(x)), ulps=16),
    Case(e.gelu, _gelu, -4, 4, ulps=16),
    Case(e.relu, lambda x: np.maximum(x, 0), kinds="if"),
    Case(e.relu6, lambda x: np.clip(x, 0, 6), kinds="if"),
    Case(e.leaky_relu, lambda x: np.where(x >= 0, x, 0.01 * x)),
    Case(e.elu, _elu),
    Case(e.celu, _elu),
    Case(e.selu, lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772)),
    Case(e.hard_tanh, lambda x: np.clip(x, -1, 1), kinds="if"),
    Case(e.hard_sigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
    Case(e.hard_silu, lambda x: x * np.clip(x + 3, 0, 6) / 6, ulps=16),
    Case(e.isfinite, np.isfinite, kinds="biufc"),
    Case(e.isinf, np.isinf, kinds="biufc"),
    Case(e.isnan, np.isnan, kinds="biufc"),
    Case(e.signbit, np.signbit, kinds="if"),
    Case(e.logical_not, np.logical_not, kinds="biufc"),
    Case(e.bitwise_invert, np.invert, kinds="biu"),
    Case(e.popcount, lambda x: np.bitwise_count(x.astype(np.int64)), 0, 100, kinds="iu"),
    Case(e.stop_gradient, np.positive, kinds="iufc"),
    Case(e.nan_to_num, np.nan_to_num, kinds="ifc"),
)

BINARY: tuple[Case, ...] = (
    Case(e.add, np.add, kinds="biufc"),
    Case(e.subtract, np.subtract, kinds="ifc"),
    Case(e.multiply, np.multiply, kinds="bifc"),
    Case(e.divide, np.divide, 0.5, 10, kinds="fc"),
    Case(e.floor_divide, np.floor_divide, kinds="if"),
    Case(e.remainder, np.remainder, kinds="if"),
    Case(e.fmod, np.fmod, kinds="if"),
    Case(e.pow, np.power, 0.1, 4, kinds="f", ulps=64),
    Case(e.maximum, np.maximum, kinds="biuf"),
    Case(e.minimum, np.minimum, kinds="biuf"),
    Case(e.fmax, np.fmax, kinds="iuf"),
    Case(e.fmin, np.fmin, kinds="iuf"),
    Case(e.copysign, np.copysign),
    Case(e.heaviside, np.heaviside),
    Case(e.atan2, np.arctan2),
    Case(e.hypot, np.hypot),
    Case(e.logaddexp, np.logaddexp),
    Case(e.logaddexp2, np.logaddexp2, ulps=16),
    Case(e.xlogy, special.xlogy, 0.1, 10),
    Case(e.xlog1py, special.xlog1py, 0.1, 10),
    Case(e.equal, np.equal, kinds="biufc"),
    Case(e.not_equal, np.not_equal, kinds="biufc"),
    Case(e.less, np.less, kinds="biuf"),
    Case(e.less_equal, np.less_equal, kinds="biuf"),
    Case(e.greater, np.greater, kinds="biuf"),
    Case(e.greater_equal, np.greater_equal, kinds="biuf"),
    Case(e.logical_and, np.logical_and, kinds="biufc"),
    Case(e.logical_or, np.logical_or, kinds="biufc"),
    Case(e.logical_xor, np.logical_xor, kinds="biufc"),
    Case(e.bitwise_and, np.bitwise_and, kinds="biu"),
    Case(e.bitwise_or, np.bitwise_or, kinds="biu"),
    Case(e.bitwise_xor, np.bitwise_xor, kinds="biu"),
    Case(e.bitwise_left_shift, np.left_shift, 0, 3, kinds="iu"),
    Case(e.bitwise_right_shift, np.right_shift, 0, 7, kinds="iu"),
    Case(e.isclose, np.isclose, kinds="if"),
)
