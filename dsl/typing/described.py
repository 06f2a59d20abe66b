"""What a checker knows of a value: an array of open shape, a number without its value, a container.

A described value is what a library function is called on, with these in place of arrays: an
``ArrayType`` or ``KeyType`` where all is known but the sizes, an ``Open`` where the rank or the
dtype is not, a ``Number`` for a Python scalar. Containers are the ordinary ones; an instance of a
class of the user's is a ``Record`` of its fields, and a list of unknown length is a ``Many``.

Law: described values have content equality, so that equal calls are worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.sizes import Poly, Size, dim
from verax.dsl.lang.treedef import NODES, Attribute, Item, Node

UNKNOWN = "?"
"""How names of dims begin that stand for a size of which nothing is known."""


class Rest(NamedTuple):
    """Dims whose number is not known: ``*Ds``, or nothing but that there are some (no name)."""

    name: str


class SomeDType(NamedTuple):
    """A dtype that is not known: a type variable, or nothing but that there is one (no name)."""

    name: str


class Open(NamedTuple):
    """An array (a key, where dtype is None) of which the rank or the dtype is not known."""

    dtype: DType | SomeDType | None
    dims: tuple[Size | Rest, ...]


class Number(NamedTuple):
    """A Python scalar of which only the class is known."""

    cls: type


class Elements(NamedTuple):
    """What an iterator gives, one after the other."""

    items: list[Any]


class Undecided(Exception):
    """A call whose result cannot be told from what is known."""


class Misfit(Undecided):
    """A function of the user's does not take an argument in one of several ways to fill it in."""


ANY_SHAPE: tuple[Rest, ...] = (Rest(""),)
Described: TypeAlias = Any


def unknown_size(i: int) -> Poly:
    """A size of which nothing is known, the i-th of a call."""
    return dim(f"{UNKNOWN}{i}")


def names_in(size: Size) -> set[str]:
    """The dims that a size is made of."""
    if isinstance(size, int):
        return set()
    return {name for monomial, _ in size.terms for name in monomial}


def is_unknown(size: Size) -> bool:
    """Whether nothing is known of a size, or of a part of it."""
    return any(name.startswith(UNKNOWN) for name in names_in(size))


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """A size with others in place of some of its dims."""
    if isinstance(size, int):
        return size
    total: Size = 0
    for monomial, c in size.terms:
        term: Size = c
        for name in monomial:
            term = term * values.get(name, dim(name))
        total = total + term
    return total


# containers that a checker knows by their type ---------------------------------------------------


class Origin:
    """The checker's type that a container came from; equal where the class is."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.type = name, of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name.rpartition(".")[2]


class Record:
    """An instance of a struct or a named tuple: its fields, and what a call of it runs."""

    __slots__ = ("fields", "function", "origin", "values")

    def __init__(
        self,
        origin: Origin,
        fields: tuple[str, ...],
        values: Sequence[Any],
        function: Callable[..., Any] | None = None,
    ) -> None:
        self.origin, self.fields, self.values = origin, fields, tuple(values)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.function is None:
            raise Undecided(f"{self.origin!r} is called")
        return self.function(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and (self.origin, self.fields, self.values) == (
            other.origin,
            other.fields,
            other.values,
        )

    def __hash__(self) -> int:
        return hash((self.origin, self.fields, self.values))


class Many:
    """A list, dict or tuple of unknown length, by what each element is."""

    __slots__ = ("element", "origin")

    def __init__(self, origin: Origin, element: Any) -> None:
        self.origin, self.element = origin, element

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Many) and (self.origin, self.element) == (
            other.origin,
            other.element,
        )

    def __hash__(self) -> int:
        return hash((self.origin, self.element))

    def __iter__(self) -> Iterator[Any]:
        raise Undecided("the number of elements is not known")

    def __len__(self) -> int:
        raise Undecided("the number of elements is not known")


class Opaque:
    """A value that no library function looks into: a part of the structure."""

    __slots__ = ("origin",)

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.origin == other.origin

    def __hash__(self) -> int:
        return hash(self.origin)

    def __repr__(self) -> str:
        return repr(self.origin)


def _show_record(aux: Any, texts: Sequence[str]) -> str:
    origin, fields = aux
    return f"{origin!r}({', '.join(f'{n}={t}' for n, t in zip(fields, texts))})"


NODES[Record] = Node(
    Record,
    lambda x: ((x.origin, x.fields), x.values),
    lambda aux, children: Record(aux[0], aux[1], children),
    lambda aux, i: Attribute(aux[1][i]),
    _show_record,
)
NODES[Many] = Node(
    Many,
    lambda x: (x.origin, (x.element,)),
    lambda aux, children: Many(aux, children[0]),
    lambda aux, i: Item("i"),
    lambda aux, texts: f"{aux!r} of {texts[0]}",
)
NODES[Opaque] = Node(
    Opaque,
    lambda x: (x.origin, ()),
    lambda aux, children: Opaque(aux),
    lambda aux, i: Item(i),
    lambda aux, texts: repr(aux),
)
