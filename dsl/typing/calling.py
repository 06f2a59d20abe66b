"""Calling a library function on described values, by staging: from descriptions to staged values
and back.

Law: ``describe(staged(x)) == x`` for a described x, but for layouts, which programs do not carry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import attrs

from verax.compiler.ir.program import Equation
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.promotion import scalar_class
from verax.dsl.lang.scope import STACK, Scope
from verax.dsl.lang.stage import entered
from verax.dsl.lang.struct import is_struct
from verax.dsl.lang.updates import At, Place
from verax.dsl.lang.value import Value, wrap
from verax.dsl.lang.weak import CARRIERS, Weak
from verax.dsl.typing.described import (
    Described,
    Elements,
    Many,
    Number,
    Open,
    Origin,
    Record,
    Undecided,
)
from verax.sharding.errors import VeraxError

MOST_EQUATIONS = 10_000
"""What a call may be made of: a Python loop over a large size would take for ever."""


class _Few(list[Equation]):
    """Equations that stop the call which makes too many of them."""

    def append(self, equation: Equation, /) -> None:
        if len(self) >= MOST_EQUATIONS:
            raise Undecided(f"the call takes more than {MOST_EQUATIONS} operations")
        super().append(equation)


@contextmanager
def opened() -> Iterator[Scope]:
    """A scope in which library functions are called; what is no error of verax is Undecided."""
    scope = Scope("a call", None)
    scope.builder.equations = _Few()
    scope.strict = True
    outer, STACK.scope = STACK.scope, None
    try:
        with entered(scope):
            yield scope
    except (VeraxError, Undecided):
        raise
    except RecursionError:
        raise Undecided("the call does not end") from None
    except Exception as error:
        raise Undecided(f"{type(error).__name__}: {error}") from error
    finally:
        STACK.scope = outer


def run(f: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Described:
    """Call f on staged values, and describe what it gives."""
    with opened() as scope:
        named = {k: staged(v, scope) for k, v in kwargs.items()}
        return describe(f(*staged(args, scope), **named))


def staged(x: Any, scope: Scope) -> Any:
    """x with staged values in place of described arrays."""
    c = type(x)
    if c is ArrayType or c is KeyType:
        return wrap(x.bare, scope.builder.input(x.bare), scope)
    if c is Number:
        carrier = CARRIERS[x.cls]
        return Weak(carrier, scope.builder.input(carrier), scope)
    return rebuilt(x, lambda y: staged(y, scope))


def describe(x: Any) -> Described:
    """x with descriptions in place of staged values."""
    if isinstance(x, Value):
        if not x.weak:
            return x.type.bare
        cls = scalar_class(x)
        assert cls is not None
        return Number(cls)
    if is_made(x):
        return x
    if is_struct(type(x)):
        names = tuple([f.name for f in attrs.fields(type(x))])
        cls = type(x)
        origin = Origin(f"{cls.__module__}.{cls.__qualname__}", None)
        return Record(origin, names, [describe(getattr(x, n)) for n in names])
    if hasattr(x, "__next__"):
        return Elements([describe(y) for y in islice(x, 64)])
    return rebuilt(x, describe)


def is_made(x: Any) -> bool:
    """Whether x is a function that a library function made, as ``vjp`` does."""
    if not callable(x) or isinstance(x, (type, Record)) or hasattr(x, "answer"):
        return False
    return not is_struct(type(x)) or type(x).__module__.startswith("verax.dsl.lang.")


def rebuilt(x: Any, f: Callable[[Any], Any]) -> Any:
    """A container with f of its parts; anything else itself."""
    c = type(x)
    if c is tuple or c is list:
        return c([f(y) for y in x])
    if c is dict:
        return {k: f(y) for k, y in x.items()}
    if c is slice:
        return slice(f(x.start), f(x.stop), f(x.step))
    if c is Record:
        return Record(x.origin, x.fields, [f(y) for y in x.values], x.function)
    if c is Many:
        return Many(x.origin, f(x.element))
    if c is At:
        return At(f(x.x))
    if c is Place:
        return Place(f(x.x), f(x.index))
    if isinstance(x, tuple) and hasattr(x, "_fields") and c.__module__ not in _OWN:
        return c(*[f(y) for y in x])
    return x


_OWN = frozenset({Open.__module__})
