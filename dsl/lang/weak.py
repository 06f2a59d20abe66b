"""Weak values: Python scalars that are arguments of a function that is staged.

``jit(f)(x, 0.5)`` gives f a 0-d value for 0.5, so that another number does not stage f again; and
yet ``x * scale`` must not depend on whether f is jitted. So the value keeps to the rule for Python
scalars: it takes the dtype of the arrays that it meets and never widens them. It is held in 64 bits
(a bool in one), arithmetic among weak values and Python scalars stays weak, and what leaves the
function is an array of the default dtype.

Law: ``jit(f)(*args)`` has the types of ``f(*args)`` wherever the latter is an array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import (
    DType,
    bool_,
    complex64,
    complex128,
    float32,
    float64,
    int32,
    int64,
)
from verax.compiler.ir.errors import DTypeError, UnknownSizeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.pointwise import Convert, splat
from verax.dsl.lang.array import Array
from verax.dsl.lang.host import to_numpy
from verax.dsl.lang.promotion import scalar_class, size_array
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.value import apply

if TYPE_CHECKING:
    import numpy as np

    from verax.dsl.lang.value import AnyArray

CARRIERS: dict[type, ArrayType] = {
    c: ArrayType((), d)
    for c, d in ((bool, bool_), (int, int64), (float, float64), (complex, complex128))
}
DEFAULTS: dict[type, DType] = {bool: bool_, int: int32, float: float32, complex: complex64}
_ORDER = (bool, int, float, complex)


class Weak(Array[Any, *tuple[Any, ...]]):
    """A Python scalar as a 0-d value; see the module."""

    __slots__ = ()
    weak = True

    @property
    def described(self) -> str:
        return described_type(self.type)

    def __neg__(self) -> Any:
        return _among(Array.__neg__, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _among(Array.__abs__, self)

    def __repr__(self) -> str:
        return f"Weak({_kind(self).__name__}, {super().__repr__()})"


class Counted(Weak):
    """A number that is made of sizes, such as ``n / 2``: none of it is known while n is symbolic.

    Where Python asks for its value, so does it for that of a size: UnknownSizeError.
    """

    __slots__ = ()

    def numpy(self) -> np.ndarray[Any, Any]:
        raise self._unknown("numpy()")

    def _scalar(self, asked: str) -> Any:
        raise self._unknown(asked)

    def _unknown(self, asked: str) -> UnknownSizeError:
        return UnknownSizeError(
            f"{asked} needs a number that was computed from symbolic sizes",
            fix="keep it staged: arithmetic, vx.where and vx.cond take it as it is",
        )


def described_type(t: ArrayType) -> str:
    """What messages call a Python scalar that is carried as this type."""
    return f"a Python {next(c for c, carrier in CARRIERS.items() if carrier is t).__name__}"


def _kind(x: object) -> type:
    c = scalar_class(x)
    assert c is not None
    return c


def _among(f: Callable[..., Any], *xs: Any, at_least: type = bool) -> Any:
    """f of weak values and Python scalars alone: it stays weak."""
    c = max([at_least, *map(_kind, xs)], key=_ORDER.index)
    y = f(*[_carried(x, c) for x in xs])
    if not isinstance(y, Array):
        return y
    made = Weak if any(isinstance(x, Array) and type(x) is not Counted for x in xs) else Counted
    return made(y.type, y.ref, y.scope)


def _carried(x: object, c: type) -> AnyArray:
    """x as an ordinary array of 64 bits."""
    t = CARRIERS[c]
    if isinstance(x, Poly):
        x = size_array(x)
    if isinstance(x, Array):
        return apply(Convert(t.dtype), x)
    assert isinstance(x, (bool, int, float, complex))
    return apply(splat(x, t)) if STACK.scope is not None else concrete_weak(x, c)


_ARITHMETIC = (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow"
    " eq ne lt le gt ge"
)


def _operator(name: str) -> Callable[[Weak, Any], Any]:
    plain: Callable[..., Any] = getattr(Array, name)
    at_least = float if "truediv" in name else int

    def method(self: Weak, other: Any) -> Any:
        if scalar_class(other) is None:
            return plain(self, other)
        return _among(plain, self, other, at_least=at_least)

    return method


for _name in [f"__{name}__" for name in _ARITHMETIC.split()]:
    setattr(Weak, _name, _operator(_name))


def staged_weak(x: bool | int | float | complex) -> Weak:
    """A Python scalar as a weak value of the open scope."""
    y = apply(splat(x, CARRIERS[type(x)]))
    return Weak(y.type, y.ref, y.scope)


def _number_of(size: Poly) -> Counted:
    """A size that is not known, as a number of the open scope."""
    if STACK.scope is None:
        raise UnknownSizeError(
            f"the size {size} is symbolic, and nothing is staged that could compute with it",
            fix="compute with sizes inside of the function that is staged",
        )
    y = _carried(size, int)
    return Counted(y.type, y.ref, y.scope)


Poly.number = staticmethod(_number_of)


def concrete_weak(x: bool | int | float | complex, c: type | None = None) -> Weak:
    """A Python scalar as a weak value on the device; the last few thousand are kept there."""
    c = c or type(x)
    key = (c, type(x), x)
    buffer = _KEPT.get(key)
    if buffer is None:
        buffer = _put(x, CARRIERS[c])
        if len(_KEPT) > 4096:
            _KEPT.clear()
        if x or isinstance(x, int):  # 0.0 and -0.0 are equal
            _KEPT[key] = buffer
    return Weak(CARRIERS[c], buffer)


_KEPT: dict[Any, Any] = {}


def _put(x: bool | int | float | complex, t: ArrayType) -> Any:
    try:
        return backend().put(to_numpy(x, t.dtype), t)
    except OverflowError:
        raise DTypeError(
            f"the Python int {x} does not fit 64 bits",
            fix="pass it as a static argument: jit(f, static_argnums=...)",
        ) from None


def strong(x: AnyArray) -> AnyArray:
    """A weak value as an array of the default dtype of its kind; any other value itself."""
    return apply(Convert(DEFAULTS[_kind(x)]), x) if x.weak else x
