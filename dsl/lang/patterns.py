"""Patterns: what an annotation says of a value, as data.

An array pattern has a dtype, or the name of one, and per dimension a size over the names that the
annotation mentions, as the compiler writes sizes: ``Add[N, Literal[1]]`` is the polynomial N+1.
Names are strings that are unique in one signature; ``Names`` gives them out. What an annotation
does not say is ``Unknown`` with the reason, in the user's words.

Law: the text of a pattern is the annotation as the user would write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import (
    DType,
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
from verax.compiler.ir.sizes import Poly, Size


class Sized(NamedTuple):
    """One dimension.

    Attributes:
        size: over the names of the signature, or None for any.
        axes: the mesh axes that cut it, major first, or None where nothing is said.
    """

    size: Size | None
    axes: tuple[str, ...] | None = None

    def __str__(self) -> str:
        size = "Any" if self.size is None else str(self.size)
        return size if self.axes is None else f"Sharded[{', '.join((size, *self.axes))}]"


class Segment(NamedTuple):
    """Any number of dimensions; ``name`` is what they are called, or None for no matter what."""

    name: str | None

    def __str__(self) -> str:
        return "..." if self.name is None else f"*{self.name}"


ANY_SHAPE: tuple[Segment, ...] = (Segment(None),)


def segment_of(dims: Sequence[Sized | Segment]) -> int | None:
    """Where the segment stands, if there is one."""
    return next((i for i, d in enumerate(dims) if isinstance(d, Segment)), None)


class DTypeName(NamedTuple):
    """A dtype that a type variable names; ``choices`` are those that it may be, if it says so."""

    name: str
    choices: tuple[DType, ...]


class Unknown(NamedTuple):
    """An annotation that does not say what the value is; ``reason`` follows the parameter's name:
    ``has no annotation``."""

    reason: str

    def __str__(self) -> str:
        return "Any"


class ArrayPattern(NamedTuple):
    """``F32[Batch, Feat]``; the dtype is None for any."""

    dtype: DType | DTypeName | None
    dims: tuple[Sized | Segment, ...]

    def __str__(self) -> str:
        dims = ", ".join(map(str, self.dims)) or "()"
        if isinstance(self.dtype, DTypeName):
            return f"Array[{', '.join((self.dtype.name, *map(str, self.dims)))}]"
        if self.dtype is None:
            return f"Array[{', '.join(('Any', *map(str, self.dims)))}]"
        return f"{ALIASES.get(self.dtype, self.dtype.name)}[{dims}]"


class KeyPattern(NamedTuple):
    """``vx.random.Key[Batch]``: an array of random keys; ``Key`` alone has any shape, and
    ``Key[()]`` is one key."""

    dims: tuple[Sized | Segment, ...] = ANY_SHAPE

    def __str__(self) -> str:
        if self.dims == ANY_SHAPE:
            return "Key"
        return f"Key[{', '.join(map(str, self.dims)) or '()'}]"


class ScalarPattern(NamedTuple):
    """A Python number; ``size`` is the dim that it counts, for ``vx.Size[N]``."""

    cls: type
    size: Size | None = None

    def __str__(self) -> str:
        return self.cls.__name__ if self.size is None else f"Size[{self.size}]"


class NonePattern(NamedTuple):
    """None."""

    def __str__(self) -> str:
        return "None"


class TuplePattern(NamedTuple):
    """A tuple of known length, or a named tuple."""

    cls: type
    items: tuple[Pattern, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items)) or '()'}]"


class ManyPattern(NamedTuple):
    """A list, a tuple or a dict of any length, all of whose items are alike."""

    cls: type
    item: Pattern

    def __str__(self) -> str:
        if self.cls is tuple:
            return f"tuple[{self.item}, ...]"
        inner = f"..., {self.item}" if self.cls is dict else str(self.item)
        return f"{self.cls.__name__}[{inner}]"


class DictPattern(NamedTuple):
    """A dict with these keys (a ``TypedDict``)."""

    name: str
    items: tuple[tuple[str, Pattern], ...]

    def __str__(self) -> str:
        return self.name


class UnionPattern(NamedTuple):
    """One of several."""

    options: tuple[Pattern, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.options))


class FunctionPattern(NamedTuple):
    """``Callable[[F32[N]], F32[N]]``; the parameters are None where they are not said."""

    parameters: tuple[Pattern, ...] | None
    result: Pattern

    def __str__(self) -> str:
        inside = "..." if self.parameters is None else f"[{', '.join(map(str, self.parameters))}]"
        return f"Callable[{inside}, {self.result}]"


class Field(NamedTuple):
    """A field of a struct; ``default`` is called for its value, and is None where it has none."""

    name: str
    static: bool
    pattern: Pattern
    default: Callable[[], Any] | None


class StructPattern:
    """A struct, whose fields are read when they are asked for: a class may hold itself."""

    __slots__ = ("_fields", "_read", "cls", "text")

    def __init__(self, cls: type, text: str, read: Callable[[], tuple[Field, ...]]) -> None:
        self.cls, self.text, self._read = cls, text, read
        self._fields: tuple[Field, ...] | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        if self._fields is None:
            self._fields = self._read()
        return self._fields

    def __str__(self) -> str:
        return self.text


Pattern: TypeAlias = (
    ArrayPattern
    | KeyPattern
    | ScalarPattern
    | NonePattern
    | TuplePattern
    | ManyPattern
    | DictPattern
    | UnionPattern
    | FunctionPattern
    | StructPattern
    | Unknown
)

ALIASES: dict[DType, str] = {
    bool_: "Bool", int8: "I8", int16: "I16", int32: "I32", int64: "I64", uint8: "U8",
    uint16: "U16", uint32: "U32", uint64: "U64", bfloat16: "BF16", float16: "F16",
    float32: "F32", float64: "F64", complex64: "C64", complex128: "C128",
}  # fmt: skip
"""How users write the dtype of an annotation."""


class Names:
    """The names of one signature: a dim class or a type variable has one, and no two share it."""

    def __init__(self) -> None:
        self._given: dict[int, tuple[object, str]] = {}
        self._taken: set[str] = set()

    def of(self, x: Any) -> str:
        """The name of a class or a type variable; where two are called alike, the second one's
        module tells them apart."""
        found = self._given.get(id(x))
        if found is not None:
            return found[1]
        name: str = x.__name__
        if name in self._taken:
            name = f"{getattr(x, '__module__', '?')}.{getattr(x, '__qualname__', name)}"
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        self._given[id(x)] = x, name
        return name


def names_in(size: Size | None) -> Iterator[str]:
    """The names that a size mentions."""
    if isinstance(size, Poly):
        for monomial, _ in size.terms:
            yield from monomial


def says_nothing(p: Pattern) -> bool:
    """Whether no value could disagree with the pattern."""
    if isinstance(p, (Unknown, ScalarPattern, NonePattern, FunctionPattern)):
        return True
    if isinstance(p, UnionPattern):
        return any(isinstance(o, Unknown) for o in p.options) or all(map(says_nothing, p.options))
    if isinstance(p, TuplePattern):
        return all(map(says_nothing, p.items))
    if isinstance(p, ManyPattern):
        return says_nothing(p.item)
    return False
