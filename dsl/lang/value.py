"""Value: device buffers, or a slot of an open builder. One door: ``apply``.

A value with ``scope`` None holds a buffer; otherwise ``ref`` is a slot of that scope. Where a scope
is open, everything is written into it, concrete operands too; where none is, ops run at once.
The class of a value follows from its type: ArrayType -> Array, KeyType -> Key, each registered by
``class Array(Value, of=ArrayType)``, so that functions need these classes for type checking only.

Python scalars that are arguments of a jitted function are ``weak`` values (see weak.py): promotion
treats them as the Python scalars that they stand for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, TypeVar

from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import ConcretizationError, ShapeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.span import user_span
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.pointwise import Constant
from verax.dsl.lang.bounded import Bounded
from verax.dsl.lang.host import to_numpy
from verax.dsl.lang.rewrite import rewritten
from verax.dsl.lang.scope import STACK, Scope
from verax.sharding.spec import Spec

if TYPE_CHECKING:
    import numpy as np

    from verax.dsl.lang.array import Array

    AnyArray: TypeAlias = Array[Any, *tuple[Any, ...]]

V = TypeVar("V", bound="Value")
CLASSES: dict[type, type[Value]] = {}  # class of types -> class of values


class Value:
    """A typed value: ``ref`` is a device buffer where ``scope`` is None, else a slot of it."""

    __slots__ = ("__weakref__", "ref", "scope", "type")
    __array_priority__: ClassVar[int] = 100  # NumPy leaves mixed arithmetic to us
    weak: ClassVar[bool] = False
    """Whether the value stands for a Python scalar, which takes the dtype of what it meets."""

    type: Any
    ref: Any
    scope: Scope | None

    def __init_subclass__(cls, *, of: type[ArrayType] | type[KeyType] | None = None) -> None:
        super().__init_subclass__()
        if of is not None:
            CLASSES[of] = cls

    def __init__(self, type: Type, ref: Any, scope: Scope | None = None) -> None:
        self.type = type
        self.ref = ref
        self.scope = scope

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions; polynomials where they are not known."""
        shape: tuple[int, ...] = self.type.shape
        return shape

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def dtype(self) -> DType:
        dtype: DType = self.type.dtype
        return dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        size: int = self.type.size
        return size

    @property
    def spec(self) -> Spec | None:
        """How a concrete array lies on a mesh; None on one device and for staged values."""
        spec: Spec | None = getattr(self.type, "spec", None)
        return spec

    sharding = spec

    def __len__(self) -> int:
        if not self.type.shape:
            raise ShapeError(f"{self.type} has no length", fix="a scalar cannot be iterated")
        n: int = self.type.shape[0]
        return n

    @property
    def described(self) -> str:
        """What messages call it: its type."""
        return str(self.type)

    # what it is worth -----------------------------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value as a NumPy array (the whole of it, where it lies on a mesh)."""
        array: np.ndarray[Any, Any] = backend().get(known(self, "numpy()").ref)
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def item(self) -> Any:
        """The Python scalar that a value with one element holds."""
        return self._scalar("item()")

    def tolist(self) -> Any:
        """The value as nested lists of Python scalars."""
        return self.numpy().tolist()

    def block_until_ready(self: V) -> V:
        """Wait until the value has been computed; returns it."""
        if self.scope is None:
            backend().block(self.ref)
        return self

    def __bool__(self) -> bool:
        return bool(self._scalar("bool()"))

    def __int__(self) -> int:
        return int(self._scalar("int()"))

    def __float__(self) -> float:
        return float(self._scalar("float()"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex()"))

    def __index__(self) -> int:
        if self.type.shape or not self.type.dtype.is_integer:
            raise TypeError(f"only an integer scalar can be an index, got {self.type}")
        return int(self._scalar("an index"))

    def _scalar(self, asked: str) -> Any:
        if self.type.size != 1:
            raise ShapeError(
                f"{asked} needs one element, got {self.type}",
                fix="reduce it first: vx.any(x), vx.all(x), vx.sum(x)..., or index one element",
            )
        return backend().get(known(self, asked).ref).item()


def shape_of(x: Value) -> Shape:
    """The shape as the compiler knows it: sizes may be polynomials."""
    shape: tuple[Size, ...] = x.type.shape
    return shape


def wrap(t: Type, at: Any, scope: Scope | None = None) -> Any:
    """The value of type t at this place, of the class that its type asks for."""
    return CLASSES[type(t)](t, at, scope)


# the door -----------------------------------------------------------------------------------


def apply(op: Op, *xs: Value) -> AnyArray:
    """The first result of op on these values: written into the open scope, or run at once."""
    scope = STACK.scope
    if scope is None:
        return _run_one(op, xs)
    b = scope.builder
    b.span = user_span()
    slot = b.emit(op, *[x.ref if x.scope is scope else scope.lift(x) for x in xs])
    t = b.types[slot]
    return CLASSES[type(t)](t, slot, scope)  # type: ignore[return-value]


def apply_all(op: Op, *xs: Value) -> list[Any]:
    """All results of op on these values."""
    scope = STACK.scope
    if scope is None:
        return run_op(op, xs)
    b = scope.builder
    b.span = user_span()
    slots = b.emit_all(op, *[scope.lift(x) for x in xs])
    return [wrap(b.types[s], s, scope) for s in slots]


def invoke(p: Program, xs: Iterable[Value]) -> list[Any]:
    """The results of a program: inlined where a scope is open, else compiled and run."""
    scope = STACK.scope
    if scope is None:
        return run(p, list(xs))
    b = scope.builder
    return [wrap(b.types[s], s, scope) for s in b.inline(p, [scope.lift(x) for x in xs])]


class _Eager(NamedTuple):
    """An op compiled for operands of these types."""

    run: Callable[[Sequence[Any]], list[Any]]
    results: tuple[tuple[type[Value], Type], ...]


_EAGER: Bounded[tuple[Any, ...], _Eager] = Bounded(8192)


def _run_one(op: Op, xs: tuple[Value, ...]) -> AnyArray:
    """The first result of ``run_op``, with a short way for one and two operands."""
    if len(xs) == 2:
        x, y = xs
        found = _EAGER.get((op, x.type, y.type))
        if found is not None and x.scope is None and y.scope is None:
            c, t = found.results[0]
            return c(t, found.run((x.ref, y.ref))[0])  # type: ignore[return-value]
    elif len(xs) == 1:
        (x,) = xs
        found = _EAGER.get((op, x.type))
        if found is not None and x.scope is None:
            c, t = found.results[0]
            return c(t, found.run((x.ref,))[0])  # type: ignore[return-value]
    return run_op(op, xs)[0]  # type: ignore[no-any-return]


def run_op(op: Op, xs: Sequence[Value]) -> list[Any]:
    """Run op now. The executable is found by the op and the operands' types.

    Numbers are put on the device, for each would be an executable of its own.
    """
    key = (op, *[x.type for x in xs])
    found = _EAGER.get(key)
    if found is None:
        if isinstance(op, Constant) and op.type.shape == ():
            return [wrap(op.type, backend().put(to_numpy(op.value, op.type.dtype), op.type))]
        found = _EAGER.keep(key, _compile_op(op, [x.type for x in xs]))
    buffers = found.run([x.ref if x.scope is None else concrete(x).ref for x in xs])
    return [c(t, y) for (c, t), y in zip(found.results, buffers)]


def _compile_op(op: Op, types: Sequence[Type]) -> _Eager:
    b = Builder()
    b.span = user_span(3)
    p = b.finish(b.emit_all(op, *[b.input(t.bare) for t in types]))
    executable = backend().executable(p, tuple(types))
    return _Eager(executable.__call__, tuple([(CLASSES[type(t)], t) for t in executable.out_types]))


def run(p: Program, xs: Sequence[Value]) -> list[Any]:
    """Run a program now."""
    executable = backend().executable(p, tuple([x.type for x in xs]))
    buffers = executable([concrete(x).ref for x in xs])
    return [wrap(t, y) for t, y in zip(executable.out_types, buffers)]


# values on demand ---------------------------------------------------------------------------


def known(x: V, asked: str) -> V:
    """x as a concrete value, or a ConcretizationError that says how to do without it."""
    scope = x.scope
    if scope is None:
        if STACK.scope is not None:
            STACK.scope.look(x)
        return x
    if not scope.open:
        scope.refuse(x)
    if not scope.looks:
        raise ConcretizationError(
            f"{asked} asks what {x.described} is worth, but {scope.where} is only being staged"
            f" ({scope.what}): it has no value yet",
            fix=rewritten(asked, scope.name),
        )
    return concrete(x)


def concrete(x: V) -> V:
    """x as a concrete value; a scope that looks evaluates what x needs, and is forced by it."""
    scope = x.scope
    if scope is None:
        return x
    if not (scope.open and scope.looks):
        return known(x, "Python")
    scope.forced = True
    _evaluate(scope, x.ref)
    value: V = _worth(scope, x.ref)
    return value


_first = itemgetter(2)  # of an equation: its first result


def _worth(scope: Scope, slot: int) -> Any:
    """What a slot is worth, once that is known; noted where it came in from outside."""
    x = scope.values[slot]
    if x.scope is None and slot in scope.builder.inputs:
        scope.look(x)
    return concrete(x)


def _evaluate(scope: Scope, slot: int) -> None:
    """Find out what a slot is worth: op by op, only as far as it is asked for."""
    values, todo = scope.values, [slot]
    while todo:
        s = todo[-1]
        if s in values:
            todo.pop()
            continue
        eq = _equation_of(scope.builder, s)
        missing = [x for x in eq.operands if x not in values]
        if missing:
            todo += missing
            continue
        results = run_op(eq.op, [_worth(scope, x) for x in eq.operands])
        for i, y in enumerate(results):
            values[eq.first + i] = y


def _equation_of(b: Builder, slot: int) -> Equation:
    return b.equations[bisect_right(b.equations, slot, key=_first) - 1]
