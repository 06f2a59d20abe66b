"""Functions of several ops that run as one program where nothing is staged.

``softmax`` is six ops. Staged, they are written into the open builder one by one; called on
concrete arrays they would be six compilations and six dispatches. ``fused`` stages such a function
once per static arguments and operand types, and runs the one executable.

Law: ``fused(f, s, *xs) == f(s, *xs)``, in every scope. f is a plain function of a module (it is
part of the key), pure, and depends on nothing but ``s`` and the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from verax.compiler.backend import backend
from verax.compiler.ir.types import Type
from verax.dsl.lang.bounded import Bounded
from verax.dsl.lang.scope import STACK, Scope
from verax.dsl.lang.signatures import AnyArray
from verax.dsl.lang.value import CLASSES, Value, concrete, wrap

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Executable

S = TypeVar("S", bound=Hashable)


class _Compiled(NamedTuple):
    """One function for operands of these types; ``constants`` are arrays that it made itself."""

    run: Executable
    results: tuple[tuple[type[Value], Type], ...]
    constants: tuple[Value, ...]


_COMPILED: Bounded[tuple[Any, ...], _Compiled] = Bounded(4096)


def fused(f: Callable[..., AnyArray], static: Hashable, *xs: Value) -> AnyArray:
    """f(static, *xs), as one program where nothing is being staged."""
    if STACK.scope is not None:
        return f(static, *xs)
    return _run(f, static, xs)[0]  # type: ignore[no-any-return]


def fused_all(f: Callable[..., list[AnyArray]], static: Hashable, *xs: Value) -> list[AnyArray]:
    """The same for a function with several results."""
    if STACK.scope is not None:
        return f(static, *xs)
    return _run(f, static, xs)


def _run(f: Callable[..., Any], static: Hashable, xs: tuple[Value, ...]) -> list[Any]:
    key = (f, static, *[x.type for x in xs])
    found = _COMPILED.get(key)
    if found is None:
        found = _COMPILED.keep(key, _compile(f, static, xs))
    buffers = [x.ref if x.scope is None else concrete(x).ref for x in (*xs, *found.constants)]
    return [c(t, y) for (c, t), y in zip(found.results, found.run(buffers))]


def _compile(f: Callable[..., Any], static: Hashable, xs: tuple[Value, ...]) -> _Compiled:
    scope = Scope("verax", f)
    b = scope.builder
    STACK.scope = scope
    try:
        ys = f(static, *[wrap(x.type.bare, b.input(x.type.bare), scope) for x in xs])
        slots = [scope.lift(y) for y in (ys if isinstance(ys, list) else [ys])]
    finally:
        STACK.scope = None
        scope.open = False
    constants = tuple([x for _, x in scope.captured.values()])
    executable = backend().executable(b.finish(slots), tuple([x.type for x in (*xs, *constants)]))
    results = tuple([(CLASSES[type(t)], t) for t in executable.out_types])
    return _Compiled(executable, results, constants)
