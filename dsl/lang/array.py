"""Array: the one class of arrays that users hold, concrete or staged.

Everything that it can do is a function of another module; here stand operators, methods and how an
array shows itself. Arrays never change: ``x += y`` binds a new one, ``x.at[i].set(v)`` makes one.

Laws: ``==`` is elementwise, so arrays have no hash; a method is the function of its name with the
array as first argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, overload

from verax.compiler.ir.dtypes import DType, bool_, int32
from verax.compiler.ir.errors import DonationError, ImmutableError
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.types import ArrayType
from verax.dsl.lang import (
    arithmetic,
    creation,
    cumulative,
    indexing,
    joining,
    linear,
    logic,
    manipulation,
    reductions,
    statistics,
)
from verax.dsl.lang.axes import Axes
from verax.dsl.lang.frames import drop_library_frames
from verax.dsl.lang.host import is_numpy, numpy
from verax.dsl.lang.signatures import (
    DT,
    DT2,
    FT,
    RF,
    RT,
    ST,
    Ds,
    Es,
    First,
    K,
    Last,
    M,
    N,
    No,
    Number,
    NumPy,
    Of,
    Open,
    Shape1,
    Shape2,
    Shape3,
    Shape4,
    Unranked,
    Zero,
)
from verax.dsl.lang.signatures import ArrayLike as ArrayLike
from verax.dsl.lang.subscript import Index
from verax.dsl.lang.updates import At
from verax.dsl.lang.value import Value
from verax.sharding.spec import Spec

if TYPE_CHECKING:
    from verax.dsl.lang.signatures import Transposed

__all__ = ["AnyArray", "Array", "ArrayLike"]

_PYTHON = frozenset({bool, int, float, complex})


def _operator(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """f as the method of an operator: other classes may know what to do with an array."""

    def method(self: Any, other: Any) -> Any:
        try:
            return f(self, other) if _operand(other) else NotImplemented
        except Exception as error:
            drop_library_frames(error, f)
            raise

    return method


def _reflected(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        try:
            return f(other, self) if _operand(other) else NotImplemented
        except Exception as error:
            drop_library_frames(error, f)
            raise

    return method


def _operand(x: object) -> bool:
    """Whether x is an operand, or a list that the function shall explain itself about."""
    if isinstance(x, Value) or type(x) in _PYTHON:
        return True
    return isinstance(x, (int, float, complex, Poly, list, tuple)) or is_numpy(x)


class Array(Value, Generic[DT, *Ds], of=ArrayType):
    """An array of one dtype and shape: ``Array[float32, Batch, Feat]``.

    Arrays come from functions (``vx.array``, ``vx.zeros``...), never from the class itself. In
    arithmetic they meet NumPy arrays and Python scalars; shapes are broadcast and dtypes promoted.
    """

    __slots__ = ()

    # the table of operators -----------------------------------------------------------------------

    if TYPE_CHECKING:

        @overload
        def __add__(self, other: Unranked[DT]) -> Open[DT]: ...
        @overload
        def __add__(self, other: Array[DT, *Ds]) -> Array[DT, *Ds]: ...
        @overload
        def __add__(self: Array[ST, *Ds], other: int) -> Array[ST, *Ds]: ...
        @overload
        def __add__(self: Array[FT, *Ds], other: float) -> Array[FT, *Ds]: ...
        @overload
        def __add__(  # type: ignore[overload-cannot-match]
            self, other: Open[DT]
        ) -> Open[DT]: ...
        @overload
        def __add__(self, other: complex) -> Array[Any, *Ds]: ...
        @overload
        def __add__(self, other: NumPy) -> AnyArray: ...
        def __add__(self, other: Any) -> Any: ...

        @overload
        def __radd__(self: Array[ST, *Ds], other: int) -> Array[ST, *Ds]: ...
        @overload
        def __radd__(self: Array[FT, *Ds], other: float) -> Array[FT, *Ds]: ...
        @overload
        def __radd__(self, other: complex) -> Array[Any, *Ds]: ...
        @overload
        def __radd__(self, other: NumPy) -> AnyArray: ...
        def __radd__(self, other: Any) -> Any: ...

        @overload
        def __truediv__(self: Open[FT], other: Unranked[FT]) -> Open[FT]: ...
        @overload
        def __truediv__(self: Array[FT, *Ds], other: Array[FT, *Ds] | float) -> Array[FT, *Ds]: ...
        @overload
        def __truediv__(self: Open[FT], other: Open[FT]) -> Open[FT]: ...
        @overload
        def __truediv__(self, other: complex) -> Array[Any, *Ds]: ...
        @overload
        def __truediv__(self, other: Open[DT] | NumPy) -> AnyArray: ...
        def __truediv__(self, other: Any) -> Any: ...

        @overload
        def __rtruediv__(self: Array[FT, *Ds], other: float) -> Array[FT, *Ds]: ...
        @overload
        def __rtruediv__(self, other: complex) -> Array[Any, *Ds]: ...
        @overload
        def __rtruediv__(self, other: NumPy) -> AnyArray: ...
        def __rtruediv__(self, other: Any) -> Any: ...

        @overload
        def __lt__(self, other: Unranked[DT]) -> Open[bool_]: ...
        @overload
        def __lt__(self, other: Array[DT, *Ds] | complex) -> Array[bool_, *Ds]: ...
        @overload
        def __lt__(self, other: Open[DT] | NumPy) -> Open[bool_]: ...
        def __lt__(self, other: Any) -> Any: ...

        # written out: what is assigned to these names is to pyright what object has there
        @overload  # type: ignore[override]
        def __eq__(self, other: Unranked[DT]) -> Open[bool_]: ...
        @overload
        def __eq__(self, other: Array[DT, *Ds] | complex) -> Array[bool_, *Ds]: ...
        @overload
        def __eq__(self, other: Open[DT] | NumPy) -> Open[bool_]: ...
        def __eq__(self, other: Any) -> Any: ...

        @overload  # type: ignore[override]
        def __ne__(self, other: Unranked[DT]) -> Open[bool_]: ...
        @overload
        def __ne__(self, other: Array[DT, *Ds] | complex) -> Array[bool_, *Ds]: ...
        @overload
        def __ne__(self, other: Open[DT] | NumPy) -> Open[bool_]: ...
        def __ne__(self, other: Any) -> Any: ...

        @overload
        def __and__(self, other: Unranked[DT]) -> Open[DT]: ...
        @overload
        def __and__(self, other: Array[DT, *Ds]) -> Array[DT, *Ds]: ...
        @overload
        def __and__(self: Array[ST, *Ds], other: int) -> Array[ST, *Ds]: ...
        @overload
        def __and__(  # type: ignore[overload-cannot-match]
            self, other: Open[DT]
        ) -> Open[DT]: ...
        @overload
        def __and__(self, other: int) -> Array[Any, *Ds]: ...
        @overload
        def __and__(self, other: NumPy) -> AnyArray: ...
        def __and__(self, other: Any) -> Any: ...

        @overload
        def __rand__(self: Array[ST, *Ds], other: int) -> Array[ST, *Ds]: ...
        @overload
        def __rand__(self, other: int) -> Array[Any, *Ds]: ...
        @overload
        def __rand__(self, other: NumPy) -> AnyArray: ...
        def __rand__(self, other: Any) -> Any: ...

        @overload
        def __matmul__(self: Unranked[DT], other: Open[DT]) -> Open[DT]: ...
        @overload
        def __matmul__(self, other: Unranked[DT]) -> Open[DT]: ...
        @overload
        def __matmul__(self: Array[DT, *Es, N, K], other: Array[DT, K]) -> Array[DT, *Es, N]: ...
        @overload
        def __matmul__(
            self: Array[DT, *Es, N, K], other: Array[DT, K, M]
        ) -> Array[DT, *Es, N, M]: ...
        @overload
        def __matmul__(
            self: Array[DT, *Es, N, K], other: Array[DT, *Es, K, M]
        ) -> Array[DT, *Es, N, M]: ...
        @overload
        def __matmul__(self: Array[DT, K], other: Array[DT, K]) -> Zero[DT]: ...
        @overload
        def __matmul__(self: Array[DT, K], other: Array[DT, *Es, K, M]) -> Array[DT, *Es, M]: ...
        @overload  # mypy takes Unranked for as broad as Open, and calls work as they should
        def __matmul__(  # type: ignore[overload-cannot-match]
            self, other: Open[DT]
        ) -> Open[DT]: ...
        @overload
        def __matmul__(self, other: NumPy) -> AnyArray: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __rmatmul__(self, other: NumPy) -> AnyArray: ...

        @overload
        def __divmod__(self, other: Open[DT]) -> tuple[Open[DT], Open[DT]]: ...
        @overload
        def __divmod__(self, other: NumPy | Number) -> tuple[AnyArray, AnyArray]: ...
        def __divmod__(self, other: Any) -> Any: ...
        def __rdivmod__(self, other: NumPy | Number) -> tuple[AnyArray, AnyArray]: ...

        __sub__ = __mul__ = __floordiv__ = __mod__ = __pow__ = __add__
        __rsub__ = __rmul__ = __rfloordiv__ = __rmod__ = __rpow__ = __radd__
        __le__ = __gt__ = __ge__ = __lt__
        __or__ = __xor__ = __lshift__ = __rshift__ = __and__
        __ror__ = __rxor__ = __rlshift__ = __rrshift__ = __rand__
    else:
        __add__, __radd__ = _operator(arithmetic.add), _reflected(arithmetic.add)
        __sub__, __rsub__ = _operator(arithmetic.subtract), _reflected(arithmetic.subtract)
        __mul__, __rmul__ = _operator(arithmetic.multiply), _reflected(arithmetic.multiply)
        __truediv__, __rtruediv__ = _operator(arithmetic.divide), _reflected(arithmetic.divide)
        __floordiv__ = _operator(arithmetic.floor_divide)
        __rfloordiv__ = _reflected(arithmetic.floor_divide)
        __mod__, __rmod__ = _operator(arithmetic.remainder), _reflected(arithmetic.remainder)
        __divmod__, __rdivmod__ = _operator(arithmetic.divmod), _reflected(arithmetic.divmod)
        __pow__, __rpow__ = _operator(arithmetic.pow), _reflected(arithmetic.pow)
        __matmul__, __rmatmul__ = _operator(linear.matmul), _reflected(linear.matmul)
        __and__, __rand__ = _operator(logic.bitwise_and), _reflected(logic.bitwise_and)
        __or__, __ror__ = _operator(logic.bitwise_or), _reflected(logic.bitwise_or)
        __xor__, __rxor__ = _operator(logic.bitwise_xor), _reflected(logic.bitwise_xor)
        __lshift__ = _operator(logic.bitwise_left_shift)
        __rlshift__ = _reflected(logic.bitwise_left_shift)
        __rshift__ = _operator(logic.bitwise_right_shift)
        __rrshift__ = _reflected(logic.bitwise_right_shift)
        __eq__, __ne__ = _operator(logic.equal), _operator(logic.not_equal)
        __lt__, __le__ = _operator(logic.less), _operator(logic.less_equal)
        __gt__, __ge__ = _operator(logic.greater), _operator(logic.greater_equal)

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __neg__(self) -> Array[DT, *Ds]:
        return arithmetic.negative(self)

    def __pos__(self) -> Array[DT, *Ds]:
        return self

    @overload
    def __abs__(self: Array[RT, *Ds]) -> Array[RT, *Ds]: ...
    @overload
    def __abs__(self) -> Array[Any, *Ds]: ...
    def __abs__(self) -> Any:
        return arithmetic.abs(self)

    def __invert__(self) -> Array[DT, *Ds]:
        return logic.bitwise_invert(self)

    def __round__(self, ndigits: int = 0) -> Array[DT, *Ds]:
        return arithmetic.round(self, ndigits)

    # what it is -----------------------------------------------------------------------------------

    if TYPE_CHECKING:
        T: Transposed
    else:

        @property
        def T(self) -> AnyArray:
            """All dimensions in the opposite order; ``mT`` exchanges the last two."""
            return manipulation.transpose(self)

    @property
    def mT(self: Array[DT, *Es, N, M]) -> Array[DT, *Es, M, N]:
        """The last two dimensions exchanged: the transpose of each matrix."""
        return manipulation.matrix_transpose(self)

    @property
    def real(self) -> Array[Any, *Ds]:
        """The real part."""
        return arithmetic.real(self)

    @property
    def imag(self) -> Array[Any, *Ds]:
        """The imaginary part."""
        return arithmetic.imag(self)

    @property
    def nbytes(self) -> int:
        """The bytes that its elements take."""
        nbytes: int = self.type.nbytes
        return nbytes

    @property
    def itemsize(self) -> int:
        """The bytes that one element takes."""
        return self.dtype.itemsize

    if TYPE_CHECKING:

        def _rows_(self) -> Array[DT, Any, *Ds]:
            """What many of them are when they are stacked: see ``Rows`` in signatures.py."""

    # elements -------------------------------------------------------------------------------------

    @overload
    def __getitem__(self: Array[DT, N, *Es], index: int) -> Array[DT, *Es]: ...
    @overload
    def __getitem__(self: Array[DT, N, *Es], index: slice) -> Array[DT, Any, *Es]: ...
    @overload
    def __getitem__(self, index: None) -> Array[DT, Any, *Ds]: ...
    @overload
    def __getitem__(self, index: EllipsisType | tuple[()]) -> Array[DT, *Ds]: ...
    @overload
    def __getitem__(self: Array[DT, *Es, N], index: tuple[EllipsisType, int]) -> Array[DT, *Es]: ...
    @overload
    def __getitem__(
        self: Array[DT, *Es, N], index: tuple[EllipsisType, slice]
    ) -> Array[DT, *Es, Any]: ...
    @overload
    def __getitem__(self, index: tuple[EllipsisType, None]) -> Array[DT, *Ds, Any]: ...
    @overload
    def __getitem__(
        self: Array[DT, N, *Es], index: tuple[slice, None] | tuple[None, slice]
    ) -> Array[DT, Any, Any, *Es]: ...
    @overload
    def __getitem__(self: Array[DT, N, M, *Es], index: tuple[int, int]) -> Array[DT, *Es]: ...
    @overload
    def __getitem__(
        self: Array[DT, N, M, *Es], index: tuple[int, slice] | tuple[slice, int]
    ) -> Array[DT, Any, *Es]: ...
    @overload
    def __getitem__(
        self: Array[DT, N, M, *Es], index: tuple[slice, slice]
    ) -> Array[DT, Any, Any, *Es]: ...
    @overload
    def __getitem__(self, index: Unranked[Any]) -> Open[DT]: ...
    @overload
    def __getitem__(self: Array[DT, N, *Es], index: Zero[int32]) -> Array[DT, *Es]: ...
    @overload
    def __getitem__(self: Array[DT, N, *Es], index: Array[int32, M]) -> Array[DT, M, *Es]: ...
    @overload
    def __getitem__(self, index: Index) -> Open[DT]: ...
    def __getitem__(self, index: Index) -> Any:
        return indexing.getitem(self, index)

    def __setitem__(self, index: Index, value: object) -> None:
        raise ImmutableError(
            f"arrays never change: x[i] = v on {self.type}", fix="x = x.at[i].set(v)"
        )

    @property
    def at(self) -> At[Array[DT, *Ds]]:
        """Functional updates: ``x.at[i].set(v)`` is x with v at i."""
        return At(self)

    @overload
    def __iter__(self: Unranked[DT]) -> Iterator[Open[DT]]: ...
    @overload
    def __iter__(self: Array[DT, N, *Es]) -> Iterator[Array[DT, *Es]]: ...
    def __iter__(self) -> Iterator[Any]:
        n = len(self)
        if n <= _UNROLLED:
            return iter(joining.unstack(self))
        return (self[i] for i in range(n))

    def __contains__(self, value: ArrayLike) -> bool:
        return bool(reductions.any(logic.equal(self, value)))

    # methods --------------------------------------------------------------------------------------

    @overload
    def astype(self, dtype: Of[DT2]) -> Array[DT2, *Ds]: ...
    @overload
    def astype(self, dtype: DType) -> Array[Any, *Ds]: ...
    def astype(self, dtype: Any) -> Any:
        """In another dtype; see ``vx.astype``."""
        return creation.astype(self, dtype)

    def copy(self) -> Array[DT, *Ds]:
        """The same values in memory of their own."""
        return creation.asarray(self, copy=True)

    @overload
    def reshape(self, shape: tuple[()], /) -> Zero[DT]: ...
    @overload
    def reshape(self, shape: Shape1, /) -> Array[DT, Any]: ...
    @overload
    def reshape(self, shape: Shape2, /) -> Array[DT, Any, Any]: ...
    @overload
    def reshape(self, n: Size, m: Size, /) -> Array[DT, Any, Any]: ...
    @overload
    def reshape(self, shape: Shape3, /) -> Array[DT, Any, Any, Any]: ...
    @overload
    def reshape(self, n: Size, m: Size, k: Size, /) -> Array[DT, Any, Any, Any]: ...
    @overload
    def reshape(self, shape: Shape4, /) -> Array[DT, Any, Any, Any, Any]: ...
    @overload
    def reshape(self, n: Size, m: Size, k: Size, i: Size, /) -> Array[DT, Any, Any, Any, Any]: ...
    @overload
    def reshape(self, *shape: Size | Sequence[Size]) -> Open[DT]: ...
    def reshape(self, *shape: Size | Sequence[Size]) -> Any:
        """In another shape: ``x.reshape(2, -1)`` or ``x.reshape((2, -1))``."""
        return manipulation.reshape(self, _one_sequence(shape))

    def transpose(self, *axes: int | Sequence[int]) -> Open[DT]:
        """The dimensions in another order, by default the opposite one."""
        return manipulation.transpose(self, _one_sequence(axes) if axes else None)

    def swapaxes(self, axis1: int, axis2: int) -> Open[DT]:
        """Two dimensions exchanged."""
        return manipulation.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Axes = None) -> Open[DT]:
        """Without dimensions of size 1."""
        return manipulation.squeeze(self, axis)

    def ravel(self) -> Array[DT, Any]:
        """All elements in one dimension."""
        return manipulation.ravel(self)

    flatten = ravel

    @overload
    def sum(self: Open[ST], axis: None = None, *, keepdims: No = False) -> Zero[ST]: ...
    @overload
    def sum(self: Array[ST, N, *Es], axis: First, *, keepdims: No = False) -> Array[ST, *Es]: ...
    @overload
    def sum(self: Array[ST, *Es, N], axis: Last, *, keepdims: No = False) -> Array[ST, *Es]: ...
    @overload
    def sum(self: Open[ST], axis: Axes = None, *, keepdims: bool = False) -> Open[ST]: ...
    @overload
    def sum(self: Open[bool_], axis: None = None, *, keepdims: No = False) -> Zero[int32]: ...
    @overload
    def sum(self: Open[bool_], axis: Axes = None, *, keepdims: bool = False) -> Open[int32]: ...
    @overload
    def sum(self, axis: Axes = None, *, dtype: Any = None, keepdims: bool = False) -> AnyArray: ...
    def sum(self, axis: Axes = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
        """The sum over axes; see ``vx.sum``."""
        return reductions.sum(self, axis, dtype=dtype, keepdims=keepdims)

    @overload
    def prod(self: Open[ST], axis: None = None, *, keepdims: No = False) -> Zero[ST]: ...
    @overload
    def prod(self: Array[ST, N, *Es], axis: First, *, keepdims: No = False) -> Array[ST, *Es]: ...
    @overload
    def prod(self: Array[ST, *Es, N], axis: Last, *, keepdims: No = False) -> Array[ST, *Es]: ...
    @overload
    def prod(self: Open[ST], axis: Axes = None, *, keepdims: bool = False) -> Open[ST]: ...
    @overload
    def prod(self: Open[bool_], axis: None = None, *, keepdims: No = False) -> Zero[int32]: ...
    @overload
    def prod(self: Open[bool_], axis: Axes = None, *, keepdims: bool = False) -> Open[int32]: ...
    @overload
    def prod(self, axis: Axes = None, *, dtype: Any = None, keepdims: bool = False) -> AnyArray: ...
    def prod(self, axis: Axes = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
        """The product over axes."""
        return reductions.prod(self, axis, dtype=dtype, keepdims=keepdims)

    @overload
    def mean(self: Open[FT], axis: None = None, *, keepdims: No = False) -> Zero[FT]: ...
    @overload
    def mean(self: Array[FT, N, *Es], axis: First, *, keepdims: No = False) -> Array[FT, *Es]: ...
    @overload
    def mean(self: Array[FT, *Es, N], axis: Last, *, keepdims: No = False) -> Array[FT, *Es]: ...
    @overload
    def mean(self: Open[FT], axis: Axes = None, *, keepdims: bool = False) -> Open[FT]: ...
    @overload
    def mean(self, axis: Axes = None, *, dtype: Any = None, keepdims: bool = False) -> AnyArray: ...
    def mean(self, axis: Axes = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
        """The mean over axes; of integers in float32."""
        return reductions.mean(self, axis, dtype=dtype, keepdims=keepdims)

    @overload
    def var(
        self: Open[RF], axis: None = None, *, correction: float = 0, keepdims: No = False
    ) -> Zero[RF]: ...
    @overload
    def var(
        self: Array[RF, N, *Es], axis: First, *, correction: float = 0, keepdims: No = False
    ) -> Array[RF, *Es]: ...
    @overload
    def var(
        self: Array[RF, *Es, N], axis: Last, *, correction: float = 0, keepdims: No = False
    ) -> Array[RF, *Es]: ...
    @overload
    def var(
        self: Open[RF], axis: Axes = None, *, correction: float = 0, keepdims: bool = False
    ) -> Open[RF]: ...
    @overload
    def var(
        self, axis: Axes = None, *, correction: float = 0, keepdims: bool = False
    ) -> AnyArray: ...
    def var(self, axis: Axes = None, *, correction: float = 0, keepdims: bool = False) -> Any:
        """The variance over axes."""
        return statistics.var(self, axis, correction=correction, keepdims=keepdims)

    @overload
    def std(
        self: Open[RF], axis: None = None, *, correction: float = 0, keepdims: No = False
    ) -> Zero[RF]: ...
    @overload
    def std(
        self: Array[RF, N, *Es], axis: First, *, correction: float = 0, keepdims: No = False
    ) -> Array[RF, *Es]: ...
    @overload
    def std(
        self: Array[RF, *Es, N], axis: Last, *, correction: float = 0, keepdims: No = False
    ) -> Array[RF, *Es]: ...
    @overload
    def std(
        self: Open[RF], axis: Axes = None, *, correction: float = 0, keepdims: bool = False
    ) -> Open[RF]: ...
    @overload
    def std(
        self, axis: Axes = None, *, correction: float = 0, keepdims: bool = False
    ) -> AnyArray: ...
    def std(self, axis: Axes = None, *, correction: float = 0, keepdims: bool = False) -> Any:
        """The standard deviation over axes."""
        return statistics.std(self, axis, correction=correction, keepdims=keepdims)

    @overload
    def max(self, axis: None = None, *, keepdims: No = False) -> Zero[DT]: ...
    @overload
    def max(self: Array[DT, N, *Es], axis: First, *, keepdims: No = False) -> Array[DT, *Es]: ...
    @overload
    def max(self: Array[DT, *Es, N], axis: Last, *, keepdims: No = False) -> Array[DT, *Es]: ...
    @overload
    def max(self, axis: Axes = None, *, keepdims: bool = False) -> Open[DT]: ...
    def max(self, axis: Axes = None, *, keepdims: bool = False) -> Any:
        """The greatest element over axes."""
        return reductions.max(self, axis, keepdims=keepdims)

    @overload
    def min(self, axis: None = None, *, keepdims: No = False) -> Zero[DT]: ...
    @overload
    def min(self: Array[DT, N, *Es], axis: First, *, keepdims: No = False) -> Array[DT, *Es]: ...
    @overload
    def min(self: Array[DT, *Es, N], axis: Last, *, keepdims: No = False) -> Array[DT, *Es]: ...
    @overload
    def min(self, axis: Axes = None, *, keepdims: bool = False) -> Open[DT]: ...
    def min(self, axis: Axes = None, *, keepdims: bool = False) -> Any:
        """The least element over axes."""
        return reductions.min(self, axis, keepdims=keepdims)

    @overload
    def any(self, axis: None = None, *, keepdims: No = False) -> Zero[bool_]: ...
    @overload
    def any(self: Array[DT, N, *Es], axis: First, *, keepdims: No = False) -> Array[bool_, *Es]: ...
    @overload
    def any(self: Array[DT, *Es, N], axis: Last, *, keepdims: No = False) -> Array[bool_, *Es]: ...
    @overload
    def any(self, axis: Axes = None, *, keepdims: bool = False) -> Open[bool_]: ...
    def any(self, axis: Axes = None, *, keepdims: bool = False) -> Any:
        """Whether one element over axes is true."""
        return reductions.any(self, axis, keepdims=keepdims)

    @overload
    def all(self, axis: None = None, *, keepdims: No = False) -> Zero[bool_]: ...
    @overload
    def all(self: Array[DT, N, *Es], axis: First, *, keepdims: No = False) -> Array[bool_, *Es]: ...
    @overload
    def all(self: Array[DT, *Es, N], axis: Last, *, keepdims: No = False) -> Array[bool_, *Es]: ...
    @overload
    def all(self, axis: Axes = None, *, keepdims: bool = False) -> Open[bool_]: ...
    def all(self, axis: Axes = None, *, keepdims: bool = False) -> Any:
        """Whether all elements over axes are true."""
        return reductions.all(self, axis, keepdims=keepdims)

    @overload
    def argmax(self, axis: None = None, *, keepdims: No = False) -> Zero[int32]: ...
    @overload
    def argmax(
        self: Array[DT, N, *Es], axis: First, *, keepdims: No = False
    ) -> Array[int32, *Es]: ...
    @overload
    def argmax(
        self: Array[DT, *Es, N], axis: Last, *, keepdims: No = False
    ) -> Array[int32, *Es]: ...
    @overload
    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Open[int32]: ...
    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Any:
        """The position of the greatest element."""
        return reductions.argmax(self, axis, keepdims=keepdims)

    @overload
    def argmin(self, axis: None = None, *, keepdims: No = False) -> Zero[int32]: ...
    @overload
    def argmin(
        self: Array[DT, N, *Es], axis: First, *, keepdims: No = False
    ) -> Array[int32, *Es]: ...
    @overload
    def argmin(
        self: Array[DT, *Es, N], axis: Last, *, keepdims: No = False
    ) -> Array[int32, *Es]: ...
    @overload
    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Open[int32]: ...
    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Any:
        """The position of the least element."""
        return reductions.argmin(self, axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Open[DT]:
        """The running sum along an axis."""
        return cumulative.cumsum(self, axis)

    def cumprod(self, axis: int | None = None) -> Open[DT]:
        """The running product along an axis."""
        return cumulative.cumprod(self, axis)

    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Array[DT, *Ds]:
        """Where it lies between min and max, else the nearer bound."""
        return arithmetic.clip(self, min, max)

    def round(self, decimals: int = 0) -> Array[DT, *Ds]:
        """Rounded to that many decimals, halves to the even one."""
        return arithmetic.round(self, decimals)

    def conj(self) -> Array[DT, *Ds]:
        """The complex conjugate."""
        return arithmetic.conj(self)

    def dot(self, other: ArrayLike) -> AnyArray:
        """``vx.dot(self, other)``."""
        return linear.dot(self, other)

    # how it shows itself --------------------------------------------------------------------------

    def __repr__(self) -> str:
        if self.scope is not None:
            return f"Array({self.type}, staged in {self.scope.where})"
        try:
            text = numpy().array2string(self.numpy(), separator=", ", prefix="Array(")
        except DonationError:
            return f"Array({self.type}, given away)"
        if not self.size and self.ndim > 1:
            text += f", shape={self.shape}"
        spec = "" if self.spec is None else f", spec={self.spec}"
        return f"Array({text}, dtype={self.dtype.name}{spec})"

    def __str__(self) -> str:
        return repr(self) if self.scope is not None else str(self.numpy())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.numpy(), self.spec)

    def __copy__(self) -> Array[DT, *Ds]:
        return self

    def __deepcopy__(self, memo: object) -> Array[DT, *Ds]:
        return self


_UNROLLED = 32  # rows that an iteration takes apart in one program


def _one_sequence(xs: tuple[Any, ...]) -> Any:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    return xs[0] if len(xs) == 1 and isinstance(xs[0], (tuple, list)) else xs


def _restored(x: Any, spec: Spec | None) -> AnyArray:
    return creation.placed(x, spec)


AnyArray: TypeAlias = Array[Any, *tuple[Any, ...]]
