"""Samplers: each turns the bits of one key into numbers of a distribution, element by element.

Every sampler consumes its key once. The formulas are those of jax.random's defaults, so that the
same key gives the same numbers.
"""

from __future__ import annotations

import math

from verax.compiler.ir.dtypes import DType, bool_, float32, int32, real_of, uint8, uint32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import COMPLEX
from verax.compiler.ops.bits import OR, SHIFT_RIGHT_LOGICAL, Bitcast
from verax.compiler.ops.pointwise import Convert, splat
from verax.compiler.ops.sort import Sort
from verax.dsl.lang import creation, elementwise, indexing, manipulation, reductions, searching
from verax.dsl.lang.array import Array, ArrayLike
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.cumulative import cumulative_sum
from verax.dsl.lang.dtypes import finfo, iinfo
from verax.dsl.lang.key import Key, consume
from verax.dsl.lang.promotion import asarray, broadcast_shapes, broadcast_to, convert
from verax.dsl.lang.value import apply, apply_all
from verax.prng.keys import _UINTS, Shape, _shape, one, raw_bits, raw_split


def uniform(
    key: Key,
    shape: Shape = (),
    dtype: DType = float32,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array:
    """Uniform on [minval, maxval): ``dtype[shape]``.

    The mantissa is random and the exponent that of 1, so the values are multiples of the spacing of
    floats in [1, 2).

    >>> import verax as vx
    >>> vx.random.uniform(vx.random.key(0), (3,))
    Array([0.947667  , 0.97853255, 0.33229148], dtype=float32)
    """
    _take(key, "uniform")
    return _uniform(key, _shape(shape), dtype, minval, maxval)


def _uniform(
    key: Key, shape: tuple[int, ...], dtype: DType, minval: ArrayLike, maxval: ArrayLike
) -> Array:
    _real("uniform", dtype)
    low, high = (broadcast_to(asarray(x, dtype), shape) for x in (minval, maxval))
    mantissa = _mantissa_bits(dtype)
    word = _UINTS[dtype.bits]
    random = raw_bits(key, shape, uint8 if mantissa < 8 else word)
    width = random.dtype.bits
    random = convert(random, word)
    random = apply(SHIFT_RIGHT_LOGICAL, random, _like(width - mantissa, random))
    bias = (1 << (dtype.bits - mantissa - 2)) - 1
    random = apply(OR, random, _like(bias << mantissa, random))  # the exponent of 1
    unit = apply(Bitcast(dtype), random) - 1.0
    return elementwise.maximum(low, unit * (high - low) + low)


def normal(key: Key, shape: Shape = (), dtype: DType = float32) -> Array:
    """Standard normal: ``dtype[shape]``, real or complex (of unit variance in all)."""
    _take(key, "normal")
    return _normal(key, _shape(shape), dtype)


def _normal(key: Key, shape: tuple[int, ...], dtype: DType) -> Array:
    if dtype.is_complex:
        re, im = raw_split(key)
        parts = [_normal(k, shape, real_of(dtype)) / math.sqrt(2) for k in (re, im)]
        return apply(COMPLEX, *parts)
    above = finfo(dtype).eps / 2 - 1.0  # the float next to -1, towards 0
    u = _uniform(key, shape, dtype, above, 1.0)
    return elementwise.erf_inv(u) * math.sqrt(2)


def truncated_normal(
    key: Key,
    lower: ArrayLike,
    upper: ArrayLike,
    shape: Shape | None = None,
    dtype: DType = float32,
) -> Array:
    """Standard normal, conditioned on lower < x < upper: ``dtype[shape]``.

    Without a shape it is the one that lower and upper broadcast to.
    """
    _take(key, "truncated_normal")
    _real("truncated_normal", dtype)
    low, high = asarray(lower, dtype), asarray(upper, dtype)
    full = (
        broadcast_shapes(low.shape, high.shape, name="truncated_normal") if shape is None else shape
    )
    root2 = math.sqrt(2)
    a, b = elementwise.erf(low / root2), elementwise.erf(high / root2)
    x = elementwise.erf_inv(_uniform(key, _shape(shape), dtype, a, b)) * root2
    inside = [
        elementwise.nextafter(elementwise.stop_gradient(end), asarray(to, dtype))
        for end, to in ((low, math.inf), (high, -math.inf))
    ]
    return elementwise.clip(x, *inside)


def bernoulli(key: Key, p: ArrayLike = 0.5, shape: Shape | None = None) -> Array:
    """True with probability p: ``bool[shape]``; without a shape, p's."""
    _take(key, "bernoulli")
    prob = asarray(p)
    if not prob.dtype.is_float:
        raise DTypeError(f"bernoulli takes a probability of a float dtype, got {prob.type}")
    sizes = prob.shape if shape is None else _shape(shape)
    drawn: Array = _uniform(key, sizes, prob.dtype, 0.0, 1.0) < prob
    assert drawn.dtype is bool_
    return drawn


def exponential(key: Key, shape: Shape = (), dtype: DType = float32) -> Array:
    """Exponential of rate 1: ``dtype[shape]``."""
    _take(key, "exponential")
    return -elementwise.log1p(-_uniform(key, _shape(shape), dtype, 0.0, 1.0))


def gumbel(key: Key, shape: Shape = (), dtype: DType = float32) -> Array:
    """Standard Gumbel: ``dtype[shape]``."""
    _take(key, "gumbel")
    return _gumbel(key, _shape(shape), dtype)


def _gumbel(key: Key, shape: tuple[int, ...], dtype: DType) -> Array:
    u = _uniform(key, shape, dtype, finfo(dtype).smallest_normal, 1.0)
    return -elementwise.log(-elementwise.log(u))


def categorical(key: Key, logits: ArrayLike, axis: int = -1, shape: Shape | None = None) -> Array:
    """Draw indices along ``axis`` with probabilities softmax(logits): ``int32[shape]``.

    Without a shape it is that of logits without ``axis``; a longer one draws more samples, along
    its leading dimensions.
    """
    _take(key, "categorical")
    scores = asarray(logits)
    _real("categorical", scores.dtype)
    at = axis_of("categorical", axis, scores.type)
    batch = (*scores.shape[:at], *scores.shape[at + 1 :])
    sizes = batch if shape is None else _shape(shape)
    lead = len(sizes) - len(batch)
    if lead < 0 or tuple(sizes[lead:]) != batch:
        raise ShapeError(f"categorical: the shape {sizes} does not end in {batch}")
    noise = _gumbel(key, (*sizes[:lead], *scores.shape), scores.dtype)
    return reductions.argmax(noise + scores, axis=at + lead)


def randint(
    key: Key, shape: Shape, minval: ArrayLike, maxval: ArrayLike, dtype: DType = int32
) -> Array:
    """Integers, uniform on [minval, maxval): ``dtype[shape]``.

    Twice as many bits as the dtype has are reduced modulo the span, so the bias is below 2**-nbits.
    """
    _take(key, "randint")
    return _randint(key, _shape(shape), minval, maxval, dtype)


def _randint(
    key: Key, shape: tuple[int, ...], minval: ArrayLike, maxval: ArrayLike, dtype: DType
) -> Array:
    if not dtype.is_integer or dtype.bits < 8:
        raise DTypeError(f"randint makes 8- to 64-bit integers, got {dtype}")
    limits, word = iinfo(dtype), _UINTS[dtype.bits]
    over = isinstance(maxval, int) and maxval == limits.max + 1
    if isinstance(maxval, int):
        maxval = min(max(maxval, limits.min), limits.max)
    if isinstance(minval, int):
        minval = min(max(minval, limits.min), limits.max)
    low, high = (broadcast_to(asarray(x, dtype), shape) for x in (minval, maxval))
    upper, lower = (raw_bits(k, shape, word) for k in raw_split(key))
    span = apply(Convert(word), high - low)
    span = elementwise.where(high <= low, _like(1, span), span)
    if over:  # the largest value is wanted too
        span = elementwise.where(high > low, span + _like(1, span), span)
    factor = _remainder(_like(1 << (dtype.bits // 2), span), span)
    factor = _remainder(factor * factor, span)
    offset = _remainder(_remainder(upper, span) * factor + _remainder(lower, span), span)
    return low + apply(Convert(dtype), offset)


def permutation(key: Key, x: int | ArrayLike, axis: int = 0) -> Array:
    """``x`` with its slices along ``axis`` in random order, or range(x) for an int.

    Sorts by random 32-bit keys, as often as it takes to make collisions immaterial.
    """
    _take(key, "permutation")
    return _permutation(key, x, axis)


def _permutation(key: Key, x: int | ArrayLike, axis: int) -> Array:
    if isinstance(x, int):
        return _shuffle(key, creation.arange(x))
    values = asarray(x)
    at = axis_of("permutation", axis, values.type)
    if values.ndim == 1:
        return _shuffle(key, values)
    order = _shuffle(key, creation.arange(values.shape[at]))
    return indexing.take(values, order, axis=at)


def _shuffle(key: Key, x: Array) -> Array:
    rounds = math.ceil(3 * math.log(max(1, x.shape[0])) / math.log(0xFFFFFFFF))
    for _ in range(rounds):
        key, sub = raw_split(key)
        _, x = apply_all(Sort(0, 1), raw_bits(sub, x.shape, uint32), x)
    return x


def choice(
    key: Key,
    a: int | ArrayLike,
    shape: Shape = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
) -> Array:
    """Draw slices of ``a`` along ``axis``, or ints below ``a``.

    Args:
        shape: of the draws; the result has it in place of ``axis``.
        replace: whether one slice may be drawn several times.
        p: the probabilities, of the length of ``axis``; uniform if None.
    """
    _take(key, "choice")
    sizes = _shape(shape)
    values = None if isinstance(a, int) else asarray(a)
    at = 0 if values is None else axis_of("choice", axis, values.type)
    n = a if isinstance(a, int) else asarray(a).shape[at]
    draws = math.prod(sizes)
    if n <= 0 < draws:
        raise ShapeError(f"choice: nothing to draw from, a has {n} entries along axis {at}")
    if not replace and draws > n:
        raise ShapeError(
            f"choice: cannot draw {draws} of {n} without replacement", fix="replace=True"
        )
    index = _draw(key, n, sizes, replace, None if p is None else asarray(p))
    index = manipulation.reshape(index, sizes)
    return index if values is None else indexing.take(values, index, axis=at)


def _draw(key: Key, n: int, shape: tuple[int, ...], replace: bool, p: Array | None) -> Array:
    if p is None:
        if replace:
            return _randint(key, shape, 0, n, int32)
        return _permutation(key, n, 0)[: math.prod(shape)]
    if p.shape != (n,) or not p.dtype.is_float:
        raise ShapeError(f"choice: p must be a float array of shape [{n}], got {p.type}")
    if not replace:
        scores = _gumbel(key, (n,), p.dtype) + elementwise.log(p)
        return searching.argsort(-scores)[: math.prod(shape)]
    total = cumulative_sum(p)
    u = _uniform(key, shape, p.dtype, 0.0, 1.0)
    return searching.searchsorted(total, total[-1] * (1.0 - u))


def _mantissa_bits(dtype: DType) -> int:
    return -math.frexp(finfo(dtype).eps)[1] + 1


def _take(key: Key, what: str) -> None:
    one(key, what)
    consume(key, what)


def _real(what: str, dtype: DType) -> None:
    if not dtype.is_float:
        raise DTypeError(f"{what} makes floats, got {dtype}", fix="dtype=vx.float32")


def _like(value: int, x: Array) -> Array:
    return apply(splat(value, ArrayType(x.shape, x.dtype)))


def _remainder(x: Array, y: Array) -> Array:
    """The C remainder of unsigned numbers; by zero it is x, so a span of 2**nbits needs no case."""
    return elementwise.fmod(x, y)


__all__ = [
    "bernoulli",
    "categorical",
    "choice",
    "exponential",
    "gumbel",
    "normal",
    "permutation",
    "randint",
    "truncated_normal",
    "uniform",
]
