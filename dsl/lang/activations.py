"""Activation functions of neural networks, and the sigmoid family.

Each keeps the dtype (integers compute in float32). Where a function has a corner, its derivative
there is the one from the side that is constant (0 for ``relu`` at 0), as everyone takes it. Where
it is smooth it stays smooth under differentiation of any order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from verax.compiler.ops.arithmetic import ABS
from verax.compiler.ops.functions import ERFC, EXPM1, LOG, LOG1P, LOGISTIC, SQRT, TANH
from verax.compiler.ops.pointwise import ADD, DIV, MUL, NEG, SELECT, SUB, Compare
from verax.compiler.ops.smooth import LOG_ADD_EXP
from verax.dsl.lang.call import inexact, like, pointwise
from verax.dsl.lang.value import apply

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array
    from verax.dsl.lang.signatures import DT, FT, AnyArray, Ds, Number, Real, Same

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "logit",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softplus",
    "squareplus",
]

LT, LE, GE = Compare("LT"), Compare("LE"), Compare("GE")


# the sigmoid family -------------------------------------------------------------------------------


def sigmoid(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``1 / (1 + exp(-x))``."""
    return inexact("sigmoid", LOGISTIC, x)


def log_sigmoid(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``log(sigmoid(x))``, accurate far from 0 on both sides."""
    return inexact("log_sigmoid", _log_sigmoid, x)


def _log_sigmoid(x: AnyArray) -> AnyArray:
    return apply(NEG, _softplus(apply(NEG, x)))


def logit(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``log(x / (1 - x))``, the inverse of ``sigmoid``."""
    return inexact("logit", _logit, x)


def _logit(x: AnyArray) -> AnyArray:
    return apply(SUB, apply(LOG, x), apply(LOG1P, apply(NEG, x)))


def softplus(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``log(1 + exp(x))`` without overflow; its derivative is ``sigmoid``."""
    return inexact("softplus", _softplus, x)


def _softplus(x: AnyArray) -> AnyArray:
    return apply(LOG_ADD_EXP, x, like(0, x))


def squareplus(x: Real[FT, *Ds], /, b: Number = 4.0) -> Array[FT, *Ds]:
    """``(x + sqrt(x * x + b)) / 2``: a softplus without exponentials."""
    return inexact("squareplus", _squareplus, x, b)


def _squareplus(x: AnyArray, b: AnyArray) -> AnyArray:
    root = apply(SQRT, apply(ADD, apply(MUL, x, x), b))
    return apply(MUL, apply(ADD, x, root), like(0.5, x))


def soft_sign(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``x / (1 + abs(x))``."""
    return inexact("soft_sign", _soft_sign, x)


def _soft_sign(x: AnyArray) -> AnyArray:
    return apply(DIV, x, apply(ADD, apply(ABS, x), like(1, x)))


# gated by themselves ------------------------------------------------------------------------------


def silu(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``x * sigmoid(x)``, also called swish."""
    return inexact("silu", _silu, x)


def _silu(x: AnyArray) -> AnyArray:
    return apply(MUL, x, apply(LOGISTIC, x))


def mish(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``x * tanh(softplus(x))``."""
    return inexact("mish", _mish, x)


def _mish(x: AnyArray) -> AnyArray:
    return apply(MUL, x, apply(TANH, _softplus(x)))


def gelu(x: Real[FT, *Ds], /, approximate: bool = True) -> Array[FT, *Ds]:
    """x times the probability that a standard normal is less than x.

    Args:
        approximate: by tanh, as most models are trained; else by the error function.
    """
    return inexact("gelu", _gelu_tanh if approximate else _gelu_erf, x)


def _gelu_tanh(x: AnyArray) -> AnyArray:
    cubic = apply(MUL, apply(MUL, apply(MUL, x, x), x), like(0.044715, x))
    inner = apply(MUL, apply(ADD, x, cubic), like(math.sqrt(2 / math.pi), x))
    half = apply(MUL, x, like(0.5, x))
    return apply(MUL, half, apply(ADD, apply(TANH, inner), like(1, x)))


def _gelu_erf(x: AnyArray) -> AnyArray:
    half = apply(MUL, x, like(0.5, x))
    return apply(MUL, half, apply(ERFC, apply(MUL, x, like(-math.sqrt(0.5), x))))


# by cases -----------------------------------------------------------------------------------------


def relu(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """x where it is positive, else 0; its derivative at 0 is 0, and nan stays nan."""
    return pointwise("relu", _relu, x)


def _relu(x: AnyArray) -> AnyArray:
    zero = like(0, x)
    return apply(SELECT, apply(LE, x, zero), zero, x)


def relu6(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """x between 0 and 6, which it does not exceed."""
    return pointwise("relu6", _relu6, x)


def _relu6(x: AnyArray) -> AnyArray:
    six = like(6, x)
    return apply(SELECT, apply(GE, x, six), six, _relu(x))


def leaky_relu(x: Real[FT, *Ds], /, negative_slope: Number = 0.01) -> Array[FT, *Ds]:
    """x where it is positive, else ``negative_slope * x``."""
    return inexact("leaky_relu", _leaky_relu, x, negative_slope)


def _leaky_relu(x: AnyArray, slope: AnyArray) -> AnyArray:
    return apply(SELECT, apply(GE, x, like(0, x)), x, apply(MUL, x, slope))


def elu(x: Real[FT, *Ds], /, alpha: Number = 1.0) -> Array[FT, *Ds]:
    """x where it is positive, else ``alpha * (exp(x) - 1)``."""
    return inexact("elu", _elu, x, alpha)


def _elu(x: AnyArray, alpha: AnyArray) -> AnyArray:
    zero = like(0, x)
    positive = apply(LT, zero, x)
    below = apply(MUL, alpha, apply(EXPM1, apply(SELECT, positive, zero, x)))
    return apply(SELECT, positive, x, below)


def celu(x: Real[FT, *Ds], /, alpha: Number = 1.0) -> Array[FT, *Ds]:
    """x where it is positive, else ``alpha * (exp(x / alpha) - 1)``."""
    return inexact("celu", _celu, x, alpha)


def _celu(x: AnyArray, alpha: AnyArray) -> AnyArray:
    zero = like(0, x)
    positive = apply(LT, zero, x)
    inside = apply(DIV, apply(SELECT, positive, zero, x), alpha)
    return apply(SELECT, positive, x, apply(MUL, alpha, apply(EXPM1, inside)))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The fixed point of mean 0 and variance 1 (Klambauer et al. 2017)."""


def selu(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """A scaled ``elu`` that keeps mean 0 and variance 1 from layer to layer."""
    return inexact("selu", _selu, x)


def _selu(x: AnyArray) -> AnyArray:
    return apply(MUL, like(_SELU_SCALE, x), _elu(x, like(_SELU_ALPHA, x)))


def hard_tanh(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """x between -1 and 1, which it does not exceed."""
    return pointwise("hard_tanh", _hard_tanh, x)


def _hard_tanh(x: AnyArray) -> AnyArray:
    low, high = like(-1, x), like(1, x)
    return apply(SELECT, apply(LT, high, x), high, apply(SELECT, apply(LT, x, low), low, x))


def hard_sigmoid(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``relu6(x + 3) / 6``."""
    return inexact("hard_sigmoid", _hard_sigmoid, x)


def _hard_sigmoid(x: AnyArray) -> AnyArray:
    return apply(MUL, _relu6(apply(ADD, x, like(3, x))), like(1 / 6, x))


def hard_silu(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``x * hard_sigmoid(x)``."""
    return inexact("hard_silu", _hard_silu, x)


def _hard_silu(x: AnyArray) -> AnyArray:
    return apply(MUL, x, _hard_sigmoid(x))
