"""dtypes as users see them: their lattice, their limits and the questions one asks of them.

The lattice is that of the Array API, extended to 16-bit floats and to int with float:

- bool promotes to anything;
- ints join by width, and a signed with an unsigned one in the next wider signed int; ``uint64``
  has no wider one, so with a signed int it is undefined;
- an int with a float gives the float, whatever the widths; floats join by width, and
  ``float16`` with ``bfloat16`` in ``float32``;
- a complex with a float keeps the precision of the wider of the two;
- the storage dtypes (``int4``, ``uint4``, ``float8_*``) join with themselves and bool only; their
  arithmetic is that of any dtype of so few bits: floats round after each operation (sums once, at
  the end), integers wrap. ``float8_e4m3fn`` has no infinity: what overflows becomes NaN.

Law: ``promote_types`` is commutative, idempotent and, where it is defined, associative.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import (
    ALL,
    BY_NAME,
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float8_e4m3fn,
    float8_e5m2,
    float16,
    float32,
    float64,
    int4,
    int8,
    int16,
    int32,
    int64,
    real_of,
    uint4,
    uint8,
    uint16,
    uint32,
    uint64,
)
from verax.compiler.ir.errors import DTypeError

__all__ = [
    "ALL",
    "DType",
    "DTypeLike",
    "bfloat16",
    "bool_",
    "can_cast",
    "complex64",
    "complex128",
    "default_float",
    "dtype_of",
    "finfo",
    "float8_e4m3fn",
    "float8_e5m2",
    "float16",
    "float32",
    "float64",
    "iinfo",
    "int4",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "issubdtype",
    "promote_types",
    "uint4",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

DTypeLike: TypeAlias = Any
"""A dtype class, its name, a NumPy dtype or scalar type, or bool, int, float or complex."""

_PYTHON: dict[type, DType] = {bool: bool_, int: int32, float: float32, complex: complex64}
_STORAGE = frozenset({int4, uint4, float8_e4m3fn, float8_e5m2})
SIGNED = {4: int4, 8: int8, 16: int16, 32: int32, 64: int64}
_RANK = {"bool": 0, "int": 1, "uint": 1, "float": 2, "complex": 3}


def dtype_of(x: DTypeLike) -> DType:
    """The dtype that x names.

    >>> dtype_of(float), dtype_of("bfloat16")
    (float32, bfloat16)

    Raises:
        DTypeError: x names no dtype of verax.
    """
    if isinstance(x, DType) and x.bits:
        return x
    if isinstance(x, type) and x in _PYTHON:
        return _PYTHON[x]
    name = x if isinstance(x, str) else getattr(x, "name", None) or getattr(x, "__name__", "")
    found = BY_NAME.get("bool" if name == "bool_" else str(name))
    if found is not None:
        return found
    raise DTypeError(
        f"{x!r} is not a dtype",
        fix="use a dtype class such as vx.float32, its name, or a NumPy dtype of that name",
    )


# the lattice


@lru_cache(1024)
def promote_types(a: DTypeLike, b: DTypeLike, /) -> DType:
    """The dtype that arrays of the two dtypes meet in.

    >>> promote_types(int8, uint8), promote_types(int32, float16)
    (int16, float16)

    Raises:
        DTypeError: the Array API lattice has no such join.
    """
    x, y = dtype_of(a), dtype_of(b)
    out = _join(x, y)
    if out is None:
        raise DTypeError(
            f"{x} and {y} have no common dtype: {_why(x, y)}",
            fix=f"convert one of them: x.astype(vx.{_suggest(x, y)})",
        )
    return out


def _join(x: DType, y: DType) -> DType | None:
    if x is y or y is bool_:
        return x
    if x is bool_:
        return y
    if x in _STORAGE or y in _STORAGE:
        return None
    if _RANK[x.kind] > _RANK[y.kind]:
        return _above(x, y)
    if _RANK[x.kind] < _RANK[y.kind]:
        return _above(y, x)
    if x.kind == y.kind:
        if x.bits == y.bits:
            return float32  # float16 and bfloat16
        return x if x.bits > y.bits else y
    signed, unsigned = (x, y) if x.kind == "int" else (y, x)
    return (
        signed if signed.bits > unsigned.bits else SIGNED.get(2 * unsigned.bits)
    )  # a storage dtype never comes here


def _above(high: DType, low: DType) -> DType:
    """The join with a dtype of a lower kind."""
    if high.is_complex and low is float64:
        return complex128
    return high


def _why(x: DType, y: DType) -> str:
    for d in (x, y):
        if d in _STORAGE:
            return f"{d} promotes with itself, bool and Python scalars only"
    return "no integer dtype holds the values of both"


def _suggest(x: DType, y: DType) -> str:
    if x in _STORAGE or y in _STORAGE:
        other = y if x in _STORAGE else x
        return "float32" if other in _STORAGE else other.name
    return "int64"


def join(dtypes: Iterable[DType]) -> DType:
    """The dtype that arrays of all these dtypes meet in; floats first, so that order is nothing."""
    ordered = sorted(dtypes, key=lambda d: -_RANK[d.kind])
    out = ordered[0]
    for d in ordered[1:]:
        out = promote_types(out, d)
    return out


def join_scalar(dtype: DType, scalar: type) -> DType:
    """The dtype in which an array of ``dtype`` meets a Python scalar of this class.

    A scalar takes the dtype of the array within its kind, and never widens it beyond the default:

    >>> join_scalar(float16, float), join_scalar(int8, float), join_scalar(float64, complex)
    (float16, float32, complex128)
    """
    default = _PYTHON[scalar]
    if _RANK[default.kind] <= _RANK[dtype.kind]:
        return dtype
    if default.is_complex and dtype.is_float:
        return complex128 if dtype is float64 else complex64
    return default


def default_float(dtype: DType) -> DType:
    """The dtype in which a function of real numbers computes: a float is its own, else float32."""
    return dtype if dtype.is_inexact else float32


# questions


def can_cast(source: DTypeLike, to: DTypeLike, /) -> bool:
    """Whether promotion may turn ``source`` into ``to`` (Array API ``can_cast``)."""
    x, y = dtype_of(source), dtype_of(to)
    return _join(x, y) is y


_KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "inexact": ("float", "complex"),
    "numeric": ("int", "uint", "float", "complex"),
}


def isdtype(dtype: DTypeLike, kind: DTypeLike | tuple[DTypeLike, ...], /) -> bool:
    """Whether dtype is of a kind: a kind's name (Array API), a dtype, or a tuple of these.

    >>> isdtype(float16, "real floating"), isdtype(int8, ("bool", int32))
    (True, False)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return dtype_of(dtype).kind in _KINDS[kind]
    if isinstance(kind, str) and kind not in BY_NAME:
        raise DTypeError(
            f"{kind!r} is not a kind of dtypes", fix=f"one of {', '.join(map(repr, _KINDS))}"
        )
    return dtype_of(dtype) is dtype_of(kind)


_CLASSES: dict[str, tuple[str, ...]] = {
    "generic": ("bool", "int", "uint", "float", "complex"),
    "number": _KINDS["numeric"],
    "integer": _KINDS["integral"],
    "signedinteger": ("int",),
    "unsignedinteger": ("uint",),
    "inexact": _KINDS["inexact"],
    "floating": ("float",),
    "complexfloating": ("complex",),
}


def issubdtype(dtype: DTypeLike, parent: DTypeLike, /) -> bool:
    """NumPy's ``issubdtype``; parent is a dtype or one of NumPy's abstract classes.

    >>> issubdtype(float16, "floating"), issubdtype(int8, "inexact")
    (True, False)
    """
    name = parent if isinstance(parent, str) else getattr(parent, "__name__", "")
    if name in _CLASSES:
        return dtype_of(dtype).kind in _CLASSES[name]
    return dtype_of(dtype) is dtype_of(parent)


# limits


class IntLimits(NamedTuple):
    """What ``iinfo`` tells."""

    bits: int
    max: int
    min: int
    dtype: DType


class FloatLimits(NamedTuple):
    """What ``finfo`` tells; ``precision`` counts decimal digits."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    smallest_subnormal: float
    precision: int
    dtype: DType

    @property
    def tiny(self) -> float:
        """NumPy's name of ``smallest_normal``."""
        return self.smallest_normal


class _Format(NamedTuple):
    """Significant bits with the hidden one, and the exponents of the normal numbers."""

    significant: int
    e_max: int
    e_min: int


_FORMATS: dict[DType, _Format] = {
    float8_e4m3fn: _Format(4, 8, -6),
    float8_e5m2: _Format(3, 15, -14),
    bfloat16: _Format(8, 127, -126),
    float16: _Format(11, 15, -14),
    float32: _Format(24, 127, -126),
    float64: _Format(53, 1023, -1022),
}


@lru_cache(64)
def iinfo(dtype: DTypeLike, /) -> IntLimits:
    """The limits of an integer dtype.

    >>> iinfo(int8).max
    127
    """
    d = dtype_of(dtype)
    if not d.is_integer:
        raise DTypeError(f"iinfo takes an integer dtype, got {d}", fix="vx.finfo for floats")
    low, high = integer_range(d)
    return IntLimits(d.bits, high, low, d)


def integer_range(dtype: DType) -> tuple[int, int]:
    """The least and the greatest value of an integer dtype."""
    if dtype.kind == "uint":
        return 0, (1 << dtype.bits) - 1
    half = 1 << (dtype.bits - 1)
    return -half, half - 1


@lru_cache(64)
def finfo(dtype: DTypeLike, /) -> FloatLimits:
    """The limits of a floating dtype, or of the parts of a complex one.

    >>> finfo(float16).max
    65504.0
    """
    d = real_of(dtype_of(dtype))
    if d not in _FORMATS:
        raise DTypeError(f"finfo takes a floating dtype, got {d}", fix="vx.iinfo for ints")
    p, e_max, e_min = _FORMATS[d]
    lost = 2 if d is float8_e4m3fn else 1  # its largest significand is NaN
    largest = (2.0 - lost * 2.0 ** (1 - p)) * 2.0**e_max
    return FloatLimits(
        bits=d.bits,
        eps=2.0 ** (1 - p),
        max=largest,
        min=-largest,
        smallest_normal=2.0**e_min,
        smallest_subnormal=2.0 ** (e_min - p + 1),
        precision=int((p - 1) * math.log10(2)),
        dtype=d,
    )


@lru_cache(64)
def overflow_bound(dtype: DType) -> int:
    """Real numbers of this size or larger round to infinity."""
    p, e_max, _ = _FORMATS[real_of(dtype)]
    return int(finfo(dtype).max) + (1 << (e_max - p))


def fits(value: bool | int | float | complex, dtype: DType) -> bool:
    """Whether a Python number has a value in dtype; a float may round, but not to infinity."""
    if isinstance(value, complex):
        if dtype.is_complex:
            return fits(value.real, dtype) and fits(value.imag, dtype)
        return value.imag == 0 and fits(value.real, dtype)
    if dtype.is_bool:
        return value in (0, 1)
    if isinstance(value, float) and not math.isfinite(value):
        return dtype.is_inexact
    if dtype.is_integer:
        low, high = integer_range(dtype)
        return value == value // 1 and low <= value <= high
    bound = overflow_bound(dtype)
    return -bound < value < bound
