"""The words that signatures of array functions are written with.

``Real[FT, *Ds]`` is what a function of real or complex numbers takes and ``Like[DT]`` an operand of
any shape; NumPy arrays and Python scalars come in everywhere. Result types are exact in the dtype,
and in the shape wherever the function keeps it; the dims of other results are open to a checker.

A checker is stricter than the language here: an integer array where a float is computed and two
arrays of different dtypes need an ``astype``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Union

from verax.compiler.ir.dtypes import (
    Scalar,
    bfloat16,
    complex64,
    complex128,
    float8_e4m3fn,
    float8_e5m2,
    float16,
    float32,
    float64,
)

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import TypeVar, TypeVarTuple, Unpack

    from verax.dsl.lang.array import Array

    DT = TypeVar("DT", bound=Scalar, default=Any)
    DT2 = TypeVar("DT2", bound=Scalar, default=Any)
    Ds = TypeVarTuple("Ds", default=Unpack[tuple[Any, ...]])
else:  # at run time a default has no use, and F32[()] must not become it: it is a scalar
    from typing import TypeVar, TypeVarTuple

    DT = TypeVar("DT")
    DT2 = TypeVar("DT2")
    Ds = TypeVarTuple("Ds")

FT = TypeVar(
    "FT", float32, float64, bfloat16, float16, complex64, complex128, float8_e4m3fn, float8_e5m2
)
"""A floating dtype, real or complex."""

AnyArray: TypeAlias = "Array[Any, *tuple[Any, ...]]"
Number: TypeAlias = bool | int | float | complex
NumPy: TypeAlias = Union["np.ndarray[Any, Any]", "np.generic"]
ArrayLike: TypeAlias = AnyArray | NumPy | Number
Like: TypeAlias = Union["Array[DT, *tuple[Any, ...]]", NumPy, Number]
Same: TypeAlias = Union["Array[DT, *Ds]", NumPy, Number]
Real: TypeAlias = Union["Array[FT, *Ds]", NumPy, Number]
Of: TypeAlias = type[DT] | type[int] | type[float] | type[complex] | str | None
"""A dtype argument; the class itself tells a checker the dtype of the result, ``x.dtype`` does not.
"""
