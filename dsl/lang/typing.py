"""Types for annotations: ``F32[Batch, Feat]``, where dims are classes that the user names.

    class Batch(Dim): ...
    class Feat(Dim): ...

    def layer(x: F32[Batch, Feat], w: F32[Feat, Literal[128]]) -> F32[Batch, Literal[128]]: ...

A dim is a subclass of ``Dim``, a ``Literal`` int, a type variable for any dim, or arithmetic of
these: ``Add[N, Literal[1]]``, ``Mul[Heads, Size]``. ``F32[()]`` is a scalar, and ``F32`` or
``F32[*Ds]`` has any shape. ``Sharded[Batch, Data]`` with ``Data = Literal["data"]`` is a dimension
that a mesh axis cuts. At run time these are ordinary generic aliases, which staging and checking
read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from verax.compiler.ir.dtypes import (
    DType,
    Scalar,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from verax.dsl.lang.array import AnyArray, Array, ArrayLike
from verax.dsl.lang.signatures import Ds

if TYPE_CHECKING:
    from typing_extensions import TypeVar, TypeVarTuple
else:
    from typing import TypeVar, TypeVarTuple

__all__ = [
    "BF16",
    "C64",
    "C128",
    "F16",
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "U8",
    "U16",
    "U32",
    "U64",
    "Add",
    "AnyArray",
    "AnyDim",
    "Array",
    "ArrayLike",
    "Bool",
    "DType",
    "Dim",
    "Mul",
    "Scalar",
    "Sharded",
    "Size",
]


class Dim:
    """The base of named dims; a dim has no instances."""

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is a dim: it names a size and has no instances")


Terms = TypeVarTuple("Terms")
D = TypeVar("D", covariant=True)


class Add(Dim, Generic[*Terms]):
    """The sum of dims: ``Add[Batch, Literal[1]]``; ``Literal[-1]`` subtracts.

    Two dims are equal when their normal forms are: ``Add[N, M]`` is ``Add[M, N]``.
    """


class Mul(Dim, Generic[*Terms]):
    """The product of dims: ``Mul[Heads, Literal[64]]``."""


class Sharded(Dim, Generic[D, *Terms]):
    """A dimension that mesh axes cut, major first: ``Sharded[Batch, Literal["data"]]``."""


class Size(int, Generic[D]):
    """An int that a checker knows as the size of a dim: what ``x.shape[0]`` is for ``F32[Batch]``.

    It exists for checkers; at run time a size is an int, or a polynomial while staging.
    """


class Deferred(Generic[D, *Terms]):
    """What ``vmap(f)`` is to a checker that evaluates it where it is called.

    It exists for checkers; at run time ``vmap(f)`` is a function. The parameters are the name of
    the transformation and the types of what it was given.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Deferred exists for checkers only")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


AnyDim: TypeAlias = Dim | int
"""The bound for type variables of dims: ``N = TypeVar("N", bound=vx.AnyDim)``."""

Bool: TypeAlias = Array[bool_, *Ds]
I8: TypeAlias = Array[int8, *Ds]
I16: TypeAlias = Array[int16, *Ds]
I32: TypeAlias = Array[int32, *Ds]
I64: TypeAlias = Array[int64, *Ds]
U8: TypeAlias = Array[uint8, *Ds]
U16: TypeAlias = Array[uint16, *Ds]
U32: TypeAlias = Array[uint32, *Ds]
U64: TypeAlias = Array[uint64, *Ds]
BF16: TypeAlias = Array[bfloat16, *Ds]
F16: TypeAlias = Array[float16, *Ds]
F32: TypeAlias = Array[float32, *Ds]
F64: TypeAlias = Array[float64, *Ds]
C64: TypeAlias = Array[complex64, *Ds]
C128: TypeAlias = Array[complex128, *Ds]
