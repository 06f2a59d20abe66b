"""``vx.struct``: frozen classes with typed fields that are pytrees.

The class is an attrs class, so the constructor, ``repr`` and validators are attrs'. Fields are
dynamic (their values are trees of arrays) or static (hashable, part of the structure). What takes
instances apart and rebuilds them is generated once per class; rebuilding does not run ``__init__``,
so validators see what the user wrote, never what a transformation put in its place.

Law: a struct is frozen; with static fields only it compares by content, otherwise by identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, overload

import attrs
from typing_extensions import dataclass_transform

from verax.compiler.ir.errors import StructureError
from verax.dsl.lang.frames import door
from verax.dsl.lang.treedef import NODES, Attribute, Node, exact
from verax.dsl.lang.value import Value

T = TypeVar("T")
C = TypeVar("C", bound=type)
_STATIC = "verax.static"


def field(
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    static: bool = False,
    converter: Callable[[Any], Any] | None = None,
    validator: Callable[[Any, Any, Any], Any] | None = None,
    kw_only: bool = False,
    init: bool = True,
    repr: bool = True,
) -> Any:
    """A field of a struct.

    Args:
        default: the value where none is given; ``factory`` makes one per instance instead.
        static: the field belongs to the structure; its values are hashable and hold no arrays.
        converter: applied to what the constructor is given.
        validator: called with (instance, field, value) by the constructor.
    """
    return attrs.field(
        default=default,
        factory=factory,
        converter=converter,
        validator=validator,
        kw_only=kw_only,
        init=init,
        repr=repr,
        metadata={_STATIC: static},
    )


@overload
def struct(cls: type[T], /) -> type[T]: ...
@overload
def struct(*, kw_only: bool = ...) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def struct(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a class a frozen pytree with typed fields.

    >>> @struct
    ... class Point:
    ...     x: float
    ...     y: float = 0.0
    ...     name: str = field(default="p", static=True)
    >>> Point(1.0)
    Point(x=1.0, y=0.0, name='p')
    """
    if cls is None:
        return door(lambda c: _make(c, kw_only))
    return _make(cls, kw_only)


def _make(cls: type, kw_only: bool) -> type:
    own = attrs.define(
        cls,
        frozen=True,
        slots=False,
        eq=False,
        kw_only=kw_only,
        field_transformer=_checked,
    )
    fields = attrs.fields(own)
    dynamic = tuple(f.name for f in fields if not is_static(f))
    static = tuple(f.name for f in fields if is_static(f))
    if not dynamic and "__eq__" not in vars(cls):
        _compare_by_content(own, static)
    NODES[own] = _node(own, dynamic, static)
    return own


def is_static(f: attrs.Attribute[Any]) -> bool:
    """Whether a field of a struct belongs to the structure."""
    return bool(f.metadata.get(_STATIC))


def is_struct(cls: type) -> bool:
    """Whether a class was made by ``struct``."""
    return attrs.has(cls) and NODES.get(cls) is not None


def _checked(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """The fields; static ones get a validator that refuses what cannot belong to a structure."""
    for f in fields:
        if isinstance(f.default, (list, dict, set)):
            raise StructureError(
                f"{cls.__name__}.{f.name} has the default {f.default!r}, which all instances share",
                fix=f"{f.name}: ... = vx.field(factory={type(f.default).__name__})",
            )
    return [_guarded(f) if is_static(f) else f for f in fields]


def _guarded(f: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
    own = f.validator
    if own is _hashable or (own is not None and _hashable in getattr(own, "_validators", ())):
        return f  # inherited
    return f.evolve(validator=_hashable if own is None else attrs.validators.and_(_hashable, own))


def _hashable(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    name = f"{type(instance).__name__}.{attribute.name}"
    if isinstance(value, Value):
        raise StructureError(
            f"the static field {name} holds an array, {value.type}",
            fix=f"drop static=True from {attribute.name}",
        )
    try:
        hash(value)
    except TypeError:
        raise StructureError(
            f"the static field {name} holds a {type(value).__name__}, which has no hash",
            fix="use a tuple instead of a list, a frozen struct instead of a dict",
        ) from None


def _compare_by_content(cls: Any, static: tuple[str, ...]) -> None:
    def content(self: Any) -> tuple[Any, ...]:
        return tuple([exact(getattr(self, n)) for n in static])

    def __eq__(self: Any, other: object) -> bool:
        return type(other) is type(self) and content(self) == content(other)

    def __hash__(self: Any) -> int:
        return hash((type(self), content(self)))

    cls.__eq__, cls.__hash__ = __eq__, __hash__


_TEMPLATE = """
def take(x):
    return ({static}), ({dynamic})

def build(aux, children):
    x = new(cls)
    d = x.__dict__
{puts}
    return x
"""


def _node(cls: type, dynamic: tuple[str, ...], static: tuple[str, ...]) -> Node:
    """The node of a struct class, with generated code for both directions."""
    puts = [f"    d[{n!r}] = children[{i}]" for i, n in enumerate(dynamic)]
    puts += [f"    d[{n!r}] = aux[{i}]" for i, n in enumerate(static)]
    source = _TEMPLATE.format(
        static="".join(f"x.{n}, " for n in static),
        dynamic="".join(f"x.{n}, " for n in dynamic),
        puts="\n".join(puts),
    )
    made: dict[str, Any] = {"cls": cls, "new": object.__new__}
    exec(source, made)

    def show(aux: Sequence[Any], texts: Sequence[str]) -> str:
        parts = [f"{n}={t}" for n, t in zip(dynamic, texts)]
        parts += [f"{n}={v!r}" for n, v in zip(static, aux)]
        return f"{cls.__name__}({', '.join(parts)})"

    def step(_: Any, i: int) -> Attribute:
        return Attribute(dynamic[i])

    return Node(cls, made["take"], made["build"], step, show, exact if static else _nothing)


def _nothing(aux: Any) -> None:
    return None


def replace(x: T, /, **changes: Any) -> T:
    """A copy of a struct with some fields changed; the constructor's checks run again.

    >>> @struct
    ... class Point:
    ...     x: float
    ...     y: float
    >>> replace(Point(1.0, 2.0), y=5.0)
    Point(x=1.0, y=5.0)
    """
    cls: Any = type(x)
    if not is_struct(cls):
        raise StructureError(
            f"replace needs a struct, got a {cls.__name__}",
            fix="decorate its class with @vx.struct",
        )
    names = [f.name for f in attrs.fields(cls)]
    unknown = [n for n in changes if n not in names]
    if unknown:
        raise StructureError(
            f"{cls.__name__} has no field {', '.join(unknown)}",
            fix=f"its fields are {', '.join(names)}",
        )
    changed: T = attrs.evolve(cast(Any, x), **changes)
    return changed
