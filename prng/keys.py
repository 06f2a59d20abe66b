"""Keys: making, splitting, folding, and the raw bits that everything else is made of.

A key is consumed by sampling from it or splitting it, once; ``fold_in`` derives further keys from
it, each with other data, and a key that is folded is not sampled. Element i of a result is one
threefry block of (key, i), with i the 64-bit row-major index in the whole array.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, overload

from verax.compiler.ir.dtypes import DType, int32, uint8, uint16, uint32, uint64
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Poly, Size, known_negative, product
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.bits import OR, SHIFT_LEFT, SHIFT_RIGHT_LOGICAL, XOR
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.pointwise import ADD, MUL, Convert, splat
from verax.compiler.ops.random import KeyData, KeyWrap, Threefry
from verax.compiler.ops.slicing import Concatenate, Slice
from verax.dsl.lang.array import AnyArray, Array
from verax.dsl.lang.fused import fused
from verax.dsl.lang.key import Key, OneKey, consume, derive
from verax.dsl.lang.promotion import scalar
from verax.dsl.lang.signatures import DU, Ds, N, Open, Shape1, Shape2, Shape3, Shape4, Zero
from verax.dsl.lang.value import apply, apply_all

Shape: TypeAlias = Size | Sequence[Size]
Sizes: TypeAlias = tuple[Size, ...]
IMPL = "threefry2x32"
_MASK, _MASK64 = (1 << 32) - 1, (1 << 64) - 1
UINTS: dict[int, DType] = {8: uint8, 16: uint16, 32: uint32, 64: uint64}


def key(seed: Size | Array) -> OneKey:
    """A new key.

    Args:
        seed: a Python int (its lowest 64 bits count) or a scalar integer array.

    >>> import verax as vx
    >>> vx.random.uniform(vx.random.key(0), (2,))
    Array([0.947667 , 0.9785799], dtype=float32)
    """
    if isinstance(seed, Poly):
        seed = scalar(seed, int32)
    if isinstance(seed, int) and not isinstance(seed, bool):
        return _as_key(fused(_words_of, _number(seed)))
    if not isinstance(seed, Array) or not seed.dtype.is_integer or seed.shape != ():
        raise DTypeError(
            f"a seed is an int or a scalar integer array, got {getattr(seed, 'type', type(seed))}",
            fix="vx.random.key(0)",
        )
    return _as_key(fused(_words_of, None, seed))


def key_data(key: Key[*Ds]) -> Array[uint32, *Ds, Literal[2]]:
    """The two 32-bit words of a key, ``uint32[..., 2]``; reading them consumes the key."""
    consume(key, "key_data")
    return apply(KeyData(), key)


def wrap_key_data(data: Array[uint32, *Ds, N]) -> Key[*Ds]:
    """The key whose words these are; ``data`` is ``uint32[..., 2]``."""
    if data.dtype is not uint32 or data.shape[-1:] != (2,):
        raise DTypeError(
            f"wrap_key_data takes the words of keys, uint32[..., 2], got {data.type}",
            fix="vx.random.key(seed) makes a key from a number",
        )
    return _as_key(data)


@overload
def split(key: OneKey, num: Literal[2] = 2) -> Key[Literal[2]]: ...
@overload
def split(key: OneKey, num: tuple[()]) -> OneKey: ...
@overload
def split(key: OneKey, num: Shape1) -> Key[Any]: ...
@overload
def split(key: OneKey, num: Shape2) -> Key[Any, Any]: ...
@overload
def split(key: OneKey, num: Shape3) -> Key[Any, Any, Any]: ...
@overload
def split(key: OneKey, num: Shape4) -> Key[Any, Any, Any, Any]: ...
@overload
def split(key: OneKey, num: Shape) -> Key: ...
def split(key: OneKey, num: Shape = 2) -> Any:
    """``num`` independent keys (an array of keys: index it, iterate over it, or map over it).

    >>> import verax as vx
    >>> a, b = vx.random.split(vx.random.key(0))
    >>> a.shape
    ()
    """
    one(key, "split")
    consume(key, "split")
    return _as_key(fused(_split, shape_of(num), key))


def fold_in(key: OneKey, data: Size | Array) -> OneKey:
    """A key derived from a key and an integer, such as a step or a layer number.

    The key itself is not consumed, so that one key serves many numbers; the same number twice is
    an error where it can be seen, and so is sampling from a key that was folded.
    """
    one(key, "fold_in")
    if isinstance(data, Poly):
        data = scalar(data, int32)
    derive(key, data if isinstance(data, int) else None)
    if isinstance(data, int):
        return _as_key(fused(_folded, _number(data), key))
    if not data.dtype.is_integer or data.shape != ():
        raise DTypeError(
            f"fold_in takes an int or a scalar integer array, got {data.type}",
            fix="vx.vmap(vx.random.fold_in, in_axes=(None, 0)) folds in many numbers",
        )
    return _as_key(fused(_folded, None, key, data))


@overload
def bits(key: OneKey, shape: tuple[()] = (), dtype: type[DU] = ...) -> Zero[DU]: ...
@overload
def bits(key: OneKey, shape: Shape1, dtype: type[DU] = ...) -> Array[DU, Any]: ...
@overload
def bits(key: OneKey, shape: Shape2, dtype: type[DU] = ...) -> Array[DU, Any, Any]: ...
@overload
def bits(key: OneKey, shape: Shape3, dtype: type[DU] = ...) -> Array[DU, Any, Any, Any]: ...
@overload
def bits(key: OneKey, shape: Shape4, dtype: type[DU] = ...) -> Array[DU, Any, Any, Any, Any]: ...
@overload
def bits(key: OneKey, shape: Shape = (), dtype: type[DU] = ...) -> Open[DU]: ...
@overload
def bits(key: OneKey, shape: Shape = (), dtype: DType = ...) -> AnyArray: ...
def bits(key: OneKey, shape: Shape = (), dtype: DType = uint32) -> Any:
    """Uniform random bits as unsigned integers: ``dtype[shape]``.

    Args:
        dtype: uint8, uint16, uint32 or uint64.
    """
    one(key, "bits")
    consume(key, "bits")
    if UINTS.get(dtype.bits) is not dtype:
        raise DTypeError(
            f"bits are uint8, uint16, uint32 or uint64, got {dtype}",
            fix="vx.random.randint draws integers of any dtype, vx.random.uniform floats",
        )
    return fused(_bits, (shape_of(shape), dtype), key)


# Below: what runs as one program. The distributions consume their key once, under their own name,
# and call these.


def _words_of(value: int | None, *seed: Array) -> Array:
    """A 64-bit number as the words of a key."""
    if value is None:
        return _pair(*_halves(seed[0]))
    return _pair(_scalar(value >> 32), _scalar(value))


def _split(shape: Sizes, key: Key) -> Array:
    return _pair(*_blocks(key, shape))


def _folded(value: int | None, key: Key, *data: Array) -> Array:
    words = _halves(data[0]) if value is None else (_scalar(value >> 32), _scalar(value))
    return _pair(*apply_all(Threefry(), *_words(key), *words))


def _bits(how: tuple[Sizes, DType], key: Key) -> Array:
    return raw_bits(key, *how)


def raw_bits(key: Key, shape: Sizes, dtype: DType) -> Array:
    """``bits`` of a key that the caller has consumed."""
    high, low = _blocks(key, shape)
    if dtype is not uint64:
        mixed = apply(XOR, high, low)
        return mixed if dtype is uint32 else apply(Convert(dtype), mixed)
    wide, narrow = (apply(Convert(uint64), x) for x in (high, low))
    return apply(OR, apply(SHIFT_LEFT, wide, _filled(32, shape, uint64)), narrow)


def raw_split(key: Key, num: int = 2) -> list[Key]:
    """``split`` of a key that the caller has consumed."""
    pairs = _split((num,), key)
    return [_as_key(_row(pairs, i)) for i in range(num)]


def one(key: Key, what: str) -> None:
    """Raise unless ``key`` is a single key."""
    if not isinstance(key, Key):
        raise DTypeError(
            f"{what} takes a key, got {getattr(key, 'type', type(key).__name__)}",
            fix="key = vx.random.key(0)",
        )
    if key.shape != ():
        raise ShapeError(
            f"{what} takes one key, got an array of keys of shape {list(key.shape)}",
            fix=f"map over the keys: vx.vmap(lambda k: vx.random.{what}(k))(keys)",
        )


def _as_key(data: Array) -> Key:
    made = apply(KeyWrap(IMPL), data)
    assert isinstance(made, Key)
    return made


def _blocks(key: Key, shape: Sizes) -> list[Array]:
    """Both words of the threefry block of every index in ``shape``."""
    words = [_repeated(word, shape) for word in _words(key)]
    high, low = _counters(shape)
    return apply_all(Threefry(), *words, high, low)


def _counters(shape: Sizes) -> tuple[Array, Array]:
    """The 64-bit row-major index of every element, as two 32-bit words.

    One iota per dimension, scaled and added: a cut dimension needs its own part of its iota only.
    """
    total = product(shape)
    dtype = uint32 if isinstance(total, int) and total <= 1 << 32 else uint64
    index = _filled(0, shape, dtype)
    stride: Size = 1
    for d in reversed(range(len(shape))):
        if shape[d] not in (0, 1):
            along = apply(broadcast(shape, (d,)), apply(Iota(shape[d], dtype)))
            if stride not in (0, 1):
                along = apply(MUL, along, scalar(stride, dtype, shape))
            index = apply(ADD, index, along)
        stride = stride * shape[d]
    if dtype is uint32:
        return _filled(0, shape, uint32), index
    high = apply(SHIFT_RIGHT_LOGICAL, index, _filled(32, shape, uint64))
    return apply(Convert(uint32), high), apply(Convert(uint32), index)


def _words(key: Key) -> list[Array]:
    data = apply(KeyData(), key)
    return [apply(Reshape(()), apply(Slice(((i, i + 1, 1),)), data)) for i in (0, 1)]


def _row(pairs: Array, i: int) -> Array:
    return apply(Reshape((2,)), apply(Slice(((i, i + 1, 1), None)), pairs))


def _pair(high: Array, low: Array) -> Array:
    """The words side by side along a new last dimension."""
    parts = [apply(Reshape((*x.shape, 1)), x) for x in (high, low)]
    return apply(Concatenate(high.ndim), *parts)


def _halves(x: Array) -> tuple[Array, Array]:
    """The high and the low 32 bits of a scalar integer; a narrower one has no high bits."""
    low = apply(Convert(uint32), x)
    if x.dtype.bits <= 32:
        return _scalar(0), low
    wide = apply(Convert(uint64), x)
    high = apply(SHIFT_RIGHT_LOGICAL, wide, _filled(32, (), uint64))
    return apply(Convert(uint32), high), low


def _number(seed: int) -> int:
    """A Python int as 64 bits; one that 32 bits can hold, negative or not, has no high word."""
    return seed & (_MASK if -(1 << 31) <= seed < 1 << 32 else _MASK64)


def _scalar(value: int) -> Array:
    return _filled(value & _MASK, (), uint32)


def _filled(value: int, shape: Sizes, dtype: DType) -> Array:
    return apply(splat(value, ArrayType(shape, dtype)))


def _repeated(x: Array, shape: Sizes) -> Array:
    return apply(broadcast(shape, ()), x)


def shape_of(shape: Shape) -> Sizes:
    """A shape as a tuple of sizes, or a ShapeError."""
    sizes: tuple[object, ...] = (shape,) if isinstance(shape, int | Poly) else tuple(shape)
    right = tuple([n for n in sizes if isinstance(n, int | Poly) and not known_negative(n)])
    if len(right) < len(sizes):
        raise ShapeError(
            f"random numbers take a shape of ints >= 0, got {sizes}", fix="shape=(8, 16)"
        )
    return right
