"""dtypes are classes: the same object is a type argument for mypy and a value for the compiler.

``Array[float32, Batch]`` and ``zeros(3, dtype=float32)`` name one thing. Each class carries its
name, its MLIR spelling, its kind and its width in bits; identity is equality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

Kind = Literal["bool", "int", "uint", "float", "complex"]


class DType(type):
    """The class of dtypes: ``float32`` is an instance of DType, and a class."""

    name: str
    mlir: str
    kind: Kind
    bits: int

    def __repr__(cls) -> str:
        return cls.name

    @property
    def is_float(cls) -> bool:
        """Real floating point."""
        return cls.kind == "float"

    @property
    def is_complex(cls) -> bool:
        return cls.kind == "complex"

    @property
    def is_inexact(cls) -> bool:
        """Floating point, real or complex: what has tangents."""
        return cls.kind in ("float", "complex")

    @property
    def is_integer(cls) -> bool:
        """Signed or unsigned, without bool."""
        return cls.kind in ("int", "uint")

    @property
    def is_bool(cls) -> bool:
        return cls.kind == "bool"

    @property
    def itemsize(cls) -> int:
        """Bytes per element in a buffer; a 4-bit element takes a whole byte on the host."""
        return max(1, cls.bits // 8)


class Scalar(metaclass=DType):
    """The base of all dtypes; never a dtype itself."""

    name: ClassVar[str] = "scalar"
    mlir: ClassVar[str] = ""
    kind: ClassVar[Kind] = "bool"
    bits: ClassVar[int] = 0

    def __init_subclass__(cls, *, mlir: str, kind: Kind, bits: int) -> None:
        cls.name = cls.__name__.rstrip("_")
        cls.mlir, cls.kind, cls.bits = mlir, kind, bits


if TYPE_CHECKING:  # kinds, for the bounds of type variables; every dtype is a child of Scalar

    class Ordered(Scalar, mlir="", kind="float", bits=0):
        """Numbers that have an order."""

    class Wide(Scalar, mlir="", kind="float", bits=0):
        """Numbers whose sums have their dtype too; those of narrow integers are wider."""

    class Whole(Ordered, mlir="", kind="int", bits=0):
        """Integers."""

    class Narrow(Whole, mlir="", kind="int", bits=0):
        """Integers of at most 16 bits."""

    class Integer(Wide, Whole, mlir="", kind="int", bits=0):
        """Integers of 32 and 64 bits."""

    class Inexact(Wide, mlir="", kind="float", bits=0):
        """Floating point, real or complex."""

    class Complex(Inexact, mlir="", kind="complex", bits=0):
        """Complex numbers."""

    class Floating(Inexact, Ordered, mlir="", kind="float", bits=0):
        """Real floating point."""

else:
    Ordered = Wide = Whole = Narrow = Integer = Inexact = Complex = Floating = Scalar


class bool_(Scalar, mlir="i1", kind="bool", bits=8): ...


class int4(Narrow, mlir="i4", kind="int", bits=4): ...


class int8(Narrow, mlir="i8", kind="int", bits=8): ...


class int16(Narrow, mlir="i16", kind="int", bits=16): ...


class int32(Integer, mlir="i32", kind="int", bits=32): ...


class int64(Integer, mlir="i64", kind="int", bits=64): ...


class uint4(Narrow, mlir="ui4", kind="uint", bits=4): ...


class uint8(Narrow, mlir="ui8", kind="uint", bits=8): ...


class uint16(Narrow, mlir="ui16", kind="uint", bits=16): ...


class uint32(Integer, mlir="ui32", kind="uint", bits=32): ...


class uint64(Integer, mlir="ui64", kind="uint", bits=64): ...


class float8_e4m3fn(Floating, mlir="f8E4M3FN", kind="float", bits=8): ...


class float8_e5m2(Floating, mlir="f8E5M2", kind="float", bits=8): ...


class bfloat16(Floating, mlir="bf16", kind="float", bits=16): ...


class float16(Floating, mlir="f16", kind="float", bits=16): ...


class float32(Floating, mlir="f32", kind="float", bits=32): ...


class float64(Floating, mlir="f64", kind="float", bits=64): ...


class complex64(Complex, mlir="complex<f32>", kind="complex", bits=64): ...


class complex128(Complex, mlir="complex<f64>", kind="complex", bits=128): ...


ALL: tuple[DType, ...] = (
    bool_,
    int4,
    int8,
    int16,
    int32,
    int64,
    uint4,
    uint8,
    uint16,
    uint32,
    uint64,
    float8_e4m3fn,
    float8_e5m2,
    bfloat16,
    float16,
    float32,
    float64,
    complex64,
    complex128,
)
BY_NAME: dict[str, DType] = {d.name: d for d in ALL}


_REAL: dict[DType, DType] = {complex64: float32, complex128: float64}
_COMPLEX: dict[DType, DType] = {real: c for c, real in _REAL.items()}


def real_of(dtype: DType) -> DType:
    """The dtype of the real part: ``complex64 -> float32``, a real dtype is its own."""
    return _REAL.get(dtype, dtype)


def complex_of(dtype: DType) -> DType:
    """The complex dtype with these parts: ``float32 -> complex64``."""
    return _COMPLEX.get(dtype, dtype)
