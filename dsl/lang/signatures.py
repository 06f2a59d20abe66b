"""The words that signatures of array functions are written with.

``Real[FT, *Ds]`` is what a function of real or complex numbers takes and ``Like[DT]`` an operand of
any shape; NumPy arrays and Python scalars come in everywhere. ``FT`` is a floating dtype, real or
complex, ``RF`` a real one and ``CT`` a complex one, ``RT`` a real number, ``WT`` an integer and
``NT`` a narrow one, and ``ST`` a dtype whose sum has it too. Result
types are exact in the dtype, and in the shape wherever overloads can say it; the dims of other
results are open to a checker.

Overloads say only what is true of every call that they take. Where an argument's type is known in
part, more than one may take it: mypy then says ``Array`` of anything, and pyright ``Any``. So the
overloads have one type for an operand, where that suffices, and otherwise begin with one that takes
``Unranked``. (To mypy two arrays of a dtype are the same where one is of any shape, and of results
that are the same it takes the first.)

A checker is stricter than the language here: an integer array where a float is computed and two
arrays of different dtypes need an ``astype``.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    Union,
    overload,
)

from verax.compiler.ir.dtypes import (
    Complex,
    Floating,
    Inexact,
    Narrow,
    Ordered,
    Scalar,
    Whole,
    Wide,
    float32,
    int32,
    uint32,
)
from verax.compiler.ir.sizes import Size

P = ParamSpec("P")

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import TypeVar, TypeVarTuple, Unpack

    from verax.dsl.lang.array import Array

    DT = TypeVar("DT", bound=Scalar, default=Any)
    DT2 = TypeVar("DT2", bound=Scalar, default=Any)
    Ds = TypeVarTuple("Ds", default=Unpack[tuple[Any, ...]])
    Es = TypeVarTuple("Es", default=Unpack[tuple[Any, ...]])
    N = TypeVar("N", default=Any)
    M = TypeVar("M", default=Any)
    K = TypeVar("K", default=Any)
    R = TypeVar("R", covariant=True)
    Stacked = TypeVar("Stacked", covariant=True, default=Any)

    # the dtype of a function that makes arrays, where none is named
    DF = TypeVar("DF", bound=Scalar, default=float32)
    DI = TypeVar("DI", bound=Scalar, default=int32)
    DU = TypeVar("DU", bound=Scalar, default=uint32)

    FT = TypeVar("FT", bound=Inexact, default=Any)
    RF = TypeVar("RF", bound=Floating, default=Any)
    RT = TypeVar("RT", bound=Ordered, default=Any)
    ST = TypeVar("ST", bound=Wide, default=Any)
    WT = TypeVar("WT", bound=Whole, default=Any)
    NT = TypeVar("NT", bound=Narrow, default=Any)
    CT = TypeVar("CT", bound=Complex, default=Any)

    class Transposed:
        """What ``x.T`` is, by the rank of x."""

        @overload
        def __get__(self, x: Unranked[DT], owner: object) -> Open[DT]: ...
        @overload
        def __get__(self, x: Zero[DT], owner: object) -> Zero[DT]: ...
        @overload
        def __get__(self, x: Array[DT, N], owner: object) -> Array[DT, N]: ...
        @overload
        def __get__(self, x: Array[DT, N, M], owner: object) -> Array[DT, M, N]: ...
        @overload
        def __get__(self, x: Open[DT], owner: object) -> Open[DT]: ...
        def __get__(self, x: Any, owner: object) -> Any: ...

else:  # at run time a default has no use, and F32[()] must not become it: it is a scalar
    from typing import TypeVar, TypeVarTuple

    DT, DT2, DF, DI, DU = [TypeVar(name) for name in ("DT", "DT2", "DF", "DI", "DU")]
    FT, RF, RT, ST = [TypeVar(name) for name in ("FT", "RF", "RT", "ST")]
    WT, NT, CT = [TypeVar(name) for name in ("WT", "NT", "CT")]
    N, M, K = [TypeVar(name) for name in ("N", "M", "K")]
    R, Stacked = TypeVar("R", covariant=True), TypeVar("Stacked", covariant=True)
    Ds, Es = TypeVarTuple("Ds"), TypeVarTuple("Es")

AnyArray: TypeAlias = "Array[Any, *tuple[Any, ...]]"
Open: TypeAlias = "Array[DT, *tuple[Any, ...]]"
"""Of a known dtype and any shape."""

Zero: TypeAlias = "Array[DT, *tuple[()]]"
"""A scalar: an array of no dimension."""

Line: TypeAlias = "Array[DT, Any]"
"""Of one dimension."""

Unranked: TypeAlias = "Array[DT, Any, Any, Any, Any, Any, Any, Any, Any, *tuple[Any, ...]]"
"""What comes first among overloads by rank: it takes an array of unknown rank (or of a rank that
none of them speaks about), which would take the first of the others.
"""

Number: TypeAlias = bool | int | float | complex
NumPy: TypeAlias = Union["np.ndarray[Any, Any]", "np.generic"]
Shape1: TypeAlias = Size | tuple[Size]
Shape2: TypeAlias = tuple[Size, Size]
Shape3: TypeAlias = tuple[Size, Size, Size]
Shape4: TypeAlias = tuple[Size, Size, Size, Size]
"""Shape arguments, by the rank that they ask for."""

No: TypeAlias = Literal[False]
First: TypeAlias = Literal[0]
Last: TypeAlias = Literal[-1]

ArrayLike: TypeAlias = AnyArray | NumPy | Number
Like: TypeAlias = Union["Array[DT, *tuple[Any, ...]]", NumPy, Number]
Same: TypeAlias = Union["Array[DT, *Ds]", NumPy, Number]
Real: TypeAlias = Union["Array[FT, *Ds]", NumPy, Number]
Of: TypeAlias = type[DT] | type[int] | type[float] | type[complex] | str | None
"""A dtype argument; the class itself tells a checker the dtype of the result, ``x.dtype`` does not.
"""


class Row(Protocol[Stacked]):
    """What can be stacked: an array, and to a checker ``Stacked`` is the array of many of them."""

    def _rows_(self) -> Stacked: ...


class Transformed(Protocol[P, R]):
    """A function that a transformation gives, where several overloads may hold.

    A class, for where a checker does not know which one does, all are ``Transformed`` of anything;
    a ``Callable`` of anything is to mypy a function without annotations, which strict code may not
    call.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Unclear(int):
    """What only ``Any`` is.

    An overload that takes it tells mypy that the others differ, by a result that is not theirs: an
    argument of which nothing is known then gives an array of anything.
    """
