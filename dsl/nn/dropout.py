"""Dropout: each element is kept with probability ``1 - rate`` and scaled so that the mean stays."""

from __future__ import annotations

from verax.compiler.ir.errors import DTypeError
from verax.dsl.lang.array import Array
from verax.dsl.lang.elementwise import where
from verax.dsl.lang.key import OneKey
from verax.dsl.lang.signatures import FT, Ds
from verax.prng import bernoulli


def dropout(x: Array[FT, *Ds], rate: float, *, key: OneKey | None) -> Array[FT, *Ds]:
    """x with a random share ``rate`` of its elements zero; without a key, x itself (evaluation).

    Source: Srivastava et al., Dropout (2014).

    Raises:
        DTypeError: ``rate`` is not in [0, 1).
    """
    if not 0.0 <= rate < 1.0:
        raise DTypeError(f"dropout takes a rate in [0, 1), got {rate}", fix="rate=0.1")
    if key is None or rate == 0.0:
        return x
    keep = bernoulli(key, 1.0 - rate, x.shape)
    return where(keep, x / (1.0 - rate), 0.0)
