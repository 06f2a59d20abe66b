"""Samplers: each turns the bits of one key into numbers of a distribution, element by element.

Every sampler consumes its key once and is one program, also where nothing is staged. The formulas
are those of jax.random's defaults, so that the same key gives the same numbers.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias, overload

from verax.compiler.ir.dtypes import DType, bool_, float32, int32, real_of, uint8, uint32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Poly, Size, known_negative, product
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import COMPLEX, REM
from verax.compiler.ops.bits import OR, SHIFT_RIGHT_LOGICAL, Bitcast
from verax.compiler.ops.pointwise import Convert, splat
from verax.compiler.ops.sort import Sort
from verax.dsl.lang import creation, elementwise, indexing, manipulation, reductions, searching
from verax.dsl.lang.array import AnyArray, Array, ArrayLike
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.cumulative import cumulative_sum
from verax.dsl.lang.dtypes import finfo, iinfo
from verax.dsl.lang.fused import fused
from verax.dsl.lang.key import Key, OneKey, consume
from verax.dsl.lang.promotion import asarray, broadcast_shapes, broadcast_to, convert, scalar
from verax.dsl.lang.signatures import (
    DF,
    DI,
    DT,
    Ds,
    Es,
    Last,
    Like,
    N,
    Open,
    Shape1,
    Shape2,
    Shape3,
    Shape4,
    Zero,
)
from verax.dsl.lang.sorting import argsort
from verax.dsl.lang.value import apply, apply_all
from verax.prng.keys import UINTS, Shape, Sizes, one, raw_bits, raw_split, shape_of

Drawn: TypeAlias = tuple[Sizes, DType]
"""What a body makes: the shape and the dtype of its result."""


@overload
def uniform(
    key: OneKey,
    shape: tuple[()] = (),
    dtype: type[DF] = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Zero[DF]: ...
@overload
def uniform(
    key: OneKey,
    shape: Shape1,
    dtype: type[DF] = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array[DF, Any]: ...
@overload
def uniform(
    key: OneKey,
    shape: Shape2,
    dtype: type[DF] = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array[DF, Any, Any]: ...
@overload
def uniform(
    key: OneKey,
    shape: Shape3,
    dtype: type[DF] = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array[DF, Any, Any, Any]: ...
@overload
def uniform(
    key: OneKey,
    shape: Shape4,
    dtype: type[DF] = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def uniform(
    key: OneKey,
    shape: Shape = (),
    dtype: type[DF] = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Open[DF]: ...
@overload
def uniform(
    key: OneKey,
    shape: Shape = (),
    dtype: DType = ...,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> AnyArray: ...
def uniform(
    key: OneKey,
    shape: Shape = (),
    dtype: DType = float32,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Any:
    """Uniform on [minval, maxval): ``dtype[shape]``.

    The mantissa is random and the exponent that of 1, so the values are multiples of the spacing of
    floats in [1, 2).

    >>> import verax as vx
    >>> vx.random.uniform(vx.random.key(0), (3,))
    Array([0.947667  , 0.9785799 , 0.33229148], dtype=float32)
    """
    _take(key, "uniform")
    _real("uniform", dtype)
    ends = [minval, maxval]
    numbers = tuple(x if isinstance(x, int | float) else None for x in ends)
    arrays = [asarray(x, dtype) for x in ends if not isinstance(x, int | float)]
    return fused(_uniform_between, (shape_of(shape), dtype, numbers), key, *arrays)


def _uniform_between(
    how: tuple[Sizes, DType, tuple[float | None, ...]], key: Key, *arrays: Array
) -> Array:
    shape, dtype, numbers = how
    given = iter(arrays)
    low, high = (next(given) if x is None else x for x in numbers)
    return _uniform((shape, dtype), key, low, high)


def _uniform(how: Drawn, key: Key, low: ArrayLike, high: ArrayLike) -> Array:
    shape, dtype = how
    least, most = (broadcast_to(asarray(x, dtype), shape) for x in (low, high))
    mantissa = _mantissa_bits(dtype)
    word = UINTS[dtype.bits]
    random = raw_bits(key, shape, uint8 if mantissa < 8 else word)
    width = random.dtype.bits
    random = convert(random, word)
    random = apply(SHIFT_RIGHT_LOGICAL, random, _like(width - mantissa, random))
    bias = (1 << (dtype.bits - mantissa - 2)) - 1
    random = apply(OR, random, _like(bias << mantissa, random))  # the exponent of 1
    unit = apply(Bitcast(dtype), random) - 1.0
    return elementwise.maximum(least, unit * (most - least) + least)


@overload
def normal(key: OneKey, shape: tuple[()] = (), dtype: type[DF] = ...) -> Zero[DF]: ...
@overload
def normal(key: OneKey, shape: Shape1, dtype: type[DF] = ...) -> Array[DF, Any]: ...
@overload
def normal(key: OneKey, shape: Shape2, dtype: type[DF] = ...) -> Array[DF, Any, Any]: ...
@overload
def normal(key: OneKey, shape: Shape3, dtype: type[DF] = ...) -> Array[DF, Any, Any, Any]: ...
@overload
def normal(key: OneKey, shape: Shape4, dtype: type[DF] = ...) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def normal(key: OneKey, shape: Shape = (), dtype: type[DF] = ...) -> Open[DF]: ...
@overload
def normal(key: OneKey, shape: Shape = (), dtype: DType = ...) -> AnyArray: ...
def normal(key: OneKey, shape: Shape = (), dtype: DType = float32) -> Any:
    """Standard normal: ``dtype[shape]``, real or complex (of unit variance in all)."""
    _take(key, "normal")
    if not dtype.is_inexact:
        _real("normal", dtype)
    return fused(_normal, (shape_of(shape), dtype), key)


def _normal(how: Drawn, key: Key) -> Array:
    shape, dtype = how
    if dtype.is_complex:
        parts = [_normal((shape, real_of(dtype)), k) / math.sqrt(2) for k in raw_split(key)]
        return apply(COMPLEX, *parts)
    above = finfo(dtype).eps / 2 - 1.0  # the float next to -1, towards 0
    return elementwise.erf_inv(_uniform(how, key, above, 1.0)) * math.sqrt(2)


@overload
def truncated_normal(
    key: OneKey,
    lower: ArrayLike,
    upper: ArrayLike,
    shape: Shape | None = None,
    dtype: type[DF] = ...,
) -> Open[DF]: ...
@overload
def truncated_normal(
    key: OneKey, lower: ArrayLike, upper: ArrayLike, shape: Shape | None = None, dtype: DType = ...
) -> AnyArray: ...
def truncated_normal(
    key: OneKey,
    lower: ArrayLike,
    upper: ArrayLike,
    shape: Shape | None = None,
    dtype: DType = float32,
) -> Any:
    """Standard normal, conditioned on lower < x < upper: ``dtype[shape]``.

    Without a shape it is the one that lower and upper broadcast to.
    """
    _take(key, "truncated_normal")
    _real("truncated_normal", dtype)
    low, high = asarray(lower, dtype), asarray(upper, dtype)
    if shape is None:
        sizes = shape_of(broadcast_shapes(low.shape, high.shape, name="truncated_normal"))
    else:
        sizes = shape_of(shape)
    return fused(_truncated_normal, (sizes, dtype), key, low, high)


def _truncated_normal(how: Drawn, key: Key, low: Array, high: Array) -> Array:
    root2 = math.sqrt(2)
    a, b = elementwise.erf(low / root2), elementwise.erf(high / root2)
    x = elementwise.erf_inv(_uniform(how, key, a, b)) * root2
    inside = [
        elementwise.nextafter(elementwise.stop_gradient(end), asarray(to, how[1]))
        for end, to in ((low, math.inf), (high, -math.inf))
    ]
    return elementwise.clip(x, *inside)


@overload
def bernoulli(key: OneKey, p: float = 0.5, shape: None = None) -> Zero[bool_]: ...
@overload
def bernoulli(key: OneKey, p: Array[Any, *Ds], shape: None = None) -> Array[bool_, *Ds]: ...
@overload
def bernoulli(key: OneKey, p: ArrayLike = 0.5, *, shape: tuple[()]) -> Zero[bool_]: ...
@overload
def bernoulli(key: OneKey, p: ArrayLike = 0.5, *, shape: Shape1) -> Array[bool_, Any]: ...
@overload
def bernoulli(key: OneKey, p: ArrayLike = 0.5, *, shape: Shape2) -> Array[bool_, Any, Any]: ...
@overload
def bernoulli(key: OneKey, p: ArrayLike = 0.5, *, shape: Shape3) -> Array[bool_, Any, Any, Any]: ...
@overload
def bernoulli(key: OneKey, p: ArrayLike = 0.5, shape: Shape | None = None) -> Open[bool_]: ...
def bernoulli(key: OneKey, p: ArrayLike = 0.5, shape: Shape | None = None) -> Any:
    """True with probability p: ``bool[shape]``; without a shape, p's."""
    _take(key, "bernoulli")
    prob = asarray(p)
    if not prob.dtype.is_float:
        raise DTypeError(
            f"bernoulli takes a probability of a float dtype, got {prob.type}",
            fix="p.astype(vx.float32)",
        )
    drawn = fused(_bernoulli, shape_of(prob.shape) if shape is None else shape_of(shape), key, prob)
    assert drawn.dtype is bool_
    return drawn


def _bernoulli(shape: Sizes, key: Key, p: Array) -> Array:
    below: Array = _uniform((shape, p.dtype), key, 0.0, 1.0) < p
    return below


@overload
def exponential(key: OneKey, shape: tuple[()] = (), dtype: type[DF] = ...) -> Zero[DF]: ...
@overload
def exponential(key: OneKey, shape: Shape1, dtype: type[DF] = ...) -> Array[DF, Any]: ...
@overload
def exponential(key: OneKey, shape: Shape2, dtype: type[DF] = ...) -> Array[DF, Any, Any]: ...
@overload
def exponential(key: OneKey, shape: Shape3, dtype: type[DF] = ...) -> Array[DF, Any, Any, Any]: ...
@overload
def exponential(
    key: OneKey, shape: Shape4, dtype: type[DF] = ...
) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def exponential(key: OneKey, shape: Shape = (), dtype: type[DF] = ...) -> Open[DF]: ...
@overload
def exponential(key: OneKey, shape: Shape = (), dtype: DType = ...) -> AnyArray: ...
def exponential(key: OneKey, shape: Shape = (), dtype: DType = float32) -> Any:
    """Exponential of rate 1: ``dtype[shape]``."""
    _take(key, "exponential")
    _real("exponential", dtype)
    return fused(_exponential, (shape_of(shape), dtype), key)


def _exponential(how: Drawn, key: Key) -> Array:
    return -elementwise.log1p(-_uniform(how, key, 0.0, 1.0))


@overload
def gumbel(key: OneKey, shape: tuple[()] = (), dtype: type[DF] = ...) -> Zero[DF]: ...
@overload
def gumbel(key: OneKey, shape: Shape1, dtype: type[DF] = ...) -> Array[DF, Any]: ...
@overload
def gumbel(key: OneKey, shape: Shape2, dtype: type[DF] = ...) -> Array[DF, Any, Any]: ...
@overload
def gumbel(key: OneKey, shape: Shape3, dtype: type[DF] = ...) -> Array[DF, Any, Any, Any]: ...
@overload
def gumbel(key: OneKey, shape: Shape4, dtype: type[DF] = ...) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def gumbel(key: OneKey, shape: Shape = (), dtype: type[DF] = ...) -> Open[DF]: ...
@overload
def gumbel(key: OneKey, shape: Shape = (), dtype: DType = ...) -> AnyArray: ...
def gumbel(key: OneKey, shape: Shape = (), dtype: DType = float32) -> Any:
    """Standard Gumbel: ``dtype[shape]``."""
    _take(key, "gumbel")
    _real("gumbel", dtype)
    return fused(_gumbel, (shape_of(shape), dtype), key)


def _gumbel(how: Drawn, key: Key) -> Array:
    u = _uniform(how, key, finfo(how[1]).smallest_normal, 1.0)
    return -elementwise.log(-elementwise.log(u))


@overload
def categorical(
    key: OneKey, logits: Array[Any, *Es, N], axis: Last = -1, shape: None = None
) -> Array[int32, *Es]: ...
@overload
def categorical(
    key: OneKey, logits: ArrayLike, axis: int = -1, shape: Shape | None = None
) -> Open[int32]: ...
def categorical(key: OneKey, logits: ArrayLike, axis: int = -1, shape: Shape | None = None) -> Any:
    """Draw indices along ``axis`` with probabilities softmax(logits): ``int32[shape]``.

    Without a shape it is that of logits without ``axis``; a longer one draws more samples, along
    its leading dimensions.
    """
    _take(key, "categorical")
    scores = asarray(logits)
    _real("categorical", scores.dtype)
    at = axis_of("categorical", axis, scores.type)
    batch = (*scores.shape[:at], *scores.shape[at + 1 :])
    sizes = shape_of(batch) if shape is None else shape_of(shape)
    lead = len(sizes) - len(batch)
    if lead < 0 or sizes[lead:] != batch:
        raise ShapeError(
            f"categorical: the shape {sizes} does not end in {batch}, that of logits without its"
            " axis",
            fix=f"shape={('n', *batch)} draws n samples of each".replace("'", ""),
        )
    return fused(_categorical, (sizes[:lead], at), key, scores)


def _categorical(how: tuple[Sizes, int], key: Key, scores: Array) -> Array:
    samples, at = how
    noise = _gumbel(((*samples, *shape_of(scores.shape)), scores.dtype), key)
    return reductions.argmax(noise + scores, axis=at + len(samples))


@overload
def randint(
    key: OneKey, shape: tuple[()], minval: int, maxval: int, dtype: type[DI] = ...
) -> Zero[DI]: ...
@overload
def randint(
    key: OneKey, shape: Shape1, minval: int, maxval: int, dtype: type[DI] = ...
) -> Array[DI, Any]: ...
@overload
def randint(
    key: OneKey, shape: Shape2, minval: int, maxval: int, dtype: type[DI] = ...
) -> Array[DI, Any, Any]: ...
@overload
def randint(
    key: OneKey, shape: Shape3, minval: int, maxval: int, dtype: type[DI] = ...
) -> Array[DI, Any, Any, Any]: ...
@overload
def randint(
    key: OneKey, shape: Shape4, minval: int, maxval: int, dtype: type[DI] = ...
) -> Array[DI, Any, Any, Any, Any]: ...
@overload
def randint(
    key: OneKey, shape: Shape, minval: int, maxval: int, dtype: type[DI] = ...
) -> Open[DI]: ...
@overload
def randint(
    key: OneKey, shape: Shape, minval: int, maxval: int, dtype: DType = ...
) -> AnyArray: ...
def randint(
    key: OneKey, shape: Shape, minval: ArrayLike, maxval: ArrayLike, dtype: DType = int32
) -> Any:
    """Integers, uniform on [minval, maxval): ``dtype[shape]``.

    Twice as many bits as the dtype has, and at least 64, are reduced modulo the span, so the bias
    is below 2**-32.
    """
    _take(key, "randint")
    if not dtype.is_integer or dtype.bits < 8:
        raise DTypeError(
            f"randint makes 8- to 64-bit integers, got {dtype}",
            fix="vx.random.uniform draws floats; vx.random.bernoulli draws bools",
        )
    wide = dtype if dtype.bits >= 32 else int32
    limits, widest = iinfo(dtype), iinfo(wide)
    over = isinstance(maxval, int) and maxval > widest.max
    ends = []
    for x, most in ((minval, limits.max), (maxval, limits.max + 1)):
        kept = min(max(x, limits.min), most, widest.max) if isinstance(x, int) else x
        ends.append(asarray(kept, wide))
    return convert(fused(_randint, (shape_of(shape), wide, over), key, *ends), dtype)


def _randint(how: tuple[Sizes, DType, bool], key: Key, minval: Array, maxval: Array) -> Array:
    """``how[2]``: the largest value of the dtype is wanted too."""
    shape, dtype, over = how
    word = UINTS[dtype.bits]
    low, high = (broadcast_to(x, shape) for x in (minval, maxval))
    upper, lower = (raw_bits(k, shape, word) for k in raw_split(key))
    span = apply(Convert(word), high - low)
    span = elementwise.where(high <= low, _like(1, span), span)
    if over:
        span = elementwise.where(high > low, span + _like(1, span), span)
    factor = _remainder(_like(1 << (dtype.bits // 2), span), span)
    factor = _remainder(factor * factor, span)
    offset = _remainder(_remainder(upper, span) * factor + _remainder(lower, span), span)
    return low + apply(Convert(dtype), offset)


@overload
def permutation(key: OneKey, x: int, axis: int = 0) -> Array[int32, Any]: ...
@overload
def permutation(key: OneKey, x: Array[DT, *Ds], axis: int = 0) -> Array[DT, *Ds]: ...
@overload
def permutation(key: OneKey, x: ArrayLike, axis: int = 0) -> AnyArray: ...
def permutation(key: OneKey, x: Size | ArrayLike, axis: int = 0) -> Any:
    """``x`` with its slices along ``axis`` in random order, or range(x) for an int.

    Sorts by random 32-bit keys, as often as it takes to make collisions immaterial.
    """
    _take(key, "permutation")
    if isinstance(x, int | Poly):
        return fused(_shuffled_range, x, key)
    values = asarray(x)
    return fused(_permutation, axis_of("permutation", axis, values.type), key, values)


def _permutation(axis: int, key: Key, x: Array) -> Array:
    if x.ndim == 1:
        return _shuffle(key, x)
    return indexing.take(x, _shuffled_range(x.shape[axis], key), axis=axis)


def _shuffled_range(n: Size, key: Key) -> Array:
    return _shuffle(key, creation.arange(n))


def _shuffle(key: Key, x: Array) -> Array:
    n = shape_of(x.shape)[0]
    most = n if isinstance(n, int) else iinfo(int32).max  # more rounds do no harm
    rounds = math.ceil(3 * math.log(max(1, most)) / math.log(0xFFFFFFFF))
    for _ in range(rounds):
        key, sub = raw_split(key)
        _, x = apply_all(Sort(0, 1), raw_bits(sub, x.shape, uint32), x)
    return x


@overload
def choice(
    key: OneKey,
    a: int,
    shape: Shape = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
) -> Open[int32]: ...
@overload
def choice(
    key: OneKey,
    a: Like[DT],
    shape: Shape = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
) -> Open[DT]: ...
def choice(
    key: OneKey,
    a: Size | ArrayLike,
    shape: Shape = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
) -> Any:
    """Draw slices of ``a`` along ``axis``, or ints below ``a``.

    Args:
        shape: of the draws; the result has it in place of ``axis``.
        replace: whether one slice may be drawn several times.
        p: the probabilities, of the length of ``axis``; uniform if None.
    """
    _take(key, "choice")
    sizes = shape_of(shape)
    values = None if isinstance(a, int | Poly) else asarray(a)
    at = 0 if values is None else axis_of("choice", axis, values.type)
    n: Size = a if values is None else values.shape[at]  # type: ignore[assignment]
    draws = product(sizes)
    if (n == 0 or known_negative(n)) and draws != 0:
        raise ShapeError(
            f"choice: nothing to draw from, a has {n} entries along axis {at}",
            fix="give one entry or more, or draw none: shape=(0,)",
        )
    if not replace and known_negative(n - draws):
        raise ShapeError(
            f"choice: cannot draw {draws} of {n} without replacement", fix="replace=True"
        )
    probs = [] if p is None else [asarray(p)]
    for q in probs:
        if q.shape != (n,) or not q.dtype.is_float:
            raise ShapeError(
                f"choice: p must be a float array of shape [{n}], got {q.type}",
                fix="give one probability per entry of a: vx.softmax(scores)",
            )
    index = fused(_draw, (sizes, n, replace), key, *probs)
    return index if values is None else indexing.take(values, index, axis=at)


def _draw(how: tuple[Sizes, Size, bool], key: Key, *probs: Array) -> Array:
    """The indices that ``choice`` takes."""
    shape, n, replace = how
    draws = product(shape)
    if not probs:
        if replace:
            return _randint((shape, int32, False), key, asarray(0), scalar(n, int32))
        return manipulation.reshape(_shuffled_range(n, key)[:draws], shape)
    (p,) = probs
    if replace:
        total = cumulative_sum(p)
        u = _uniform((shape, p.dtype), key, 0.0, 1.0)
        return searching.searchsorted(total, total[-1] * (1.0 - u))
    scores = _gumbel(((n,), p.dtype), key) + elementwise.log(p)
    return manipulation.reshape(argsort(-scores)[:draws], shape)


def _mantissa_bits(dtype: DType) -> int:
    return 1 - math.frexp(finfo(dtype).eps)[1]


def _take(key: Key, what: str) -> None:
    one(key, what)
    consume(key, what)


def _real(what: str, dtype: DType) -> None:
    if not dtype.is_float or dtype.bits < 16:
        raise DTypeError(f"{what} makes floats of 16 to 64 bits, got {dtype}", fix="dtype=float32")


def _like(value: int, x: Array) -> Array:
    return apply(splat(value, ArrayType(x.shape, x.dtype)))


def _remainder(x: Array, y: Array) -> Array:
    """The C remainder of unsigned numbers; by zero it is x, so a span of 2**nbits needs no case."""
    return apply(REM, x, y)
