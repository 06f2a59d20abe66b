"""Arguments that stand for all arguments of a declared type: dims are polynomials, not numbers.

What an annotation leaves open has to be settled somehow, and ``Choice`` says how: which option of a
union, how many dims a segment has, which of its dtypes a type variable is, what a Python int is.
Where nothing can stand for a value the reason is said: ``Open``.

Law: a value that was made fits the pattern that it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from verax.compiler.ir.dtypes import DType, float32
from verax.compiler.ir.sizes import Poly, Shape, Size, dim, product
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.compare import Leaf
from verax.dsl.lang.hints import Parameter
from verax.dsl.lang.patterns import (
    ANY_SHAPE,
    ArrayPattern,
    DictPattern,
    DTypeName,
    Field,
    FunctionPattern,
    KeyPattern,
    ManyPattern,
    NonePattern,
    Pattern,
    ScalarPattern,
    Segment,
    Sized,
    StructPattern,
    TuplePattern,
    UnionPattern,
)
from verax.dsl.lang.standin import can_give, stand_in
from verax.dsl.lang.weak import CARRIERS

Numbers = Literal["staged", "dims", "default"]
_LENGTH = 2  # of lists whose length is not declared
_DEEP = 16  # structs in structs


class Open(Exception):
    """Nothing stands for an argument; the reason begins with its name."""


class Choice(NamedTuple):
    """How what is left open is settled.

    Attributes:
        options: by path, which option of a union, a bool or a dtype; the first where none is said.
        segment: how many dims a segment has.
        numbers: Python ints and floats are staged scalars, or ints are sizes of their own, or they
            are their defaults.
        keys: ``vx.random.Key`` that says no shape is an array of keys.
        sizes: what names of dims are worth; symbolic where none is said.
    """

    options: Mapping[str, int] = {}
    segment: int = 2
    numbers: Numbers = "dims"
    keys: bool = False
    sizes: Mapping[str, int] = {}


class Maker:
    """Makes values for patterns under one choice.

    Attributes:
        met: by path, what the options were, as text.
        guessed: why a value is but one of many, in structure: the length of a list.
        has: what was met that a choice could settle otherwise: numbers, keys, segments.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.met: dict[str, tuple[str, ...]] = {}
        self.guessed: list[str] = []
        self.has: set[str] = set()

    def parameter(self, p: Parameter) -> Any:
        """The value of a parameter; its default where its annotation says too little."""
        try:
            return self.make(p.pattern, p.name, (lambda: p.default) if p.has_default else None)
        except Open:
            if p.has_default:
                return p.default
            raise

    def make(
        self, p: Pattern, path: str, default: Callable[[], Any] | None = None, depth: int = 0
    ) -> Any:
        """A value whose leaves are ``Leaf``.

        Raises:
            Open: nothing stands for it.
        """
        if isinstance(p, ArrayPattern):
            return self._array(p, path)
        if isinstance(p, KeyPattern):
            return Leaf(KeyType("threefry2x32", self._key_shape(p, path)))
        if isinstance(p, ScalarPattern):
            return self._number(p, path, default)
        if isinstance(p, NonePattern):
            return None
        if isinstance(p, UnionPattern):
            options = sorted(p.options, key=lambda o: isinstance(o, NonePattern))
            return self.make(options[self._pick(path, options)], path, default, depth)
        if isinstance(p, TuplePattern):
            fields = getattr(p.cls, "_fields", None)
            made = [
                self.make(q, f"{path}.{fields[i]}" if fields else f"{path}[{i}]", None, depth)
                for i, q in enumerate(p.items)
            ]
            return p.cls(*made) if fields else tuple(made)
        if isinstance(p, ManyPattern):
            if p.cls is dict:
                raise Open(f"{path} is a dict whose keys are not declared")
            self.guessed.append(f"the length of {path} is not declared")
            items = [self.make(p.item, f"{path}[{i}]", None, depth) for i in range(_LENGTH)]
            return tuple(items) if p.cls is tuple else items
        if isinstance(p, DictPattern):
            return {n: self.make(q, f"{path}[{n!r}]", None, depth) for n, q in p.items}
        if isinstance(p, StructPattern):
            return self._struct(p, path, depth + 1)
        if isinstance(p, FunctionPattern):
            result = self.make(p.result, f"the result of {path}", None, depth)
            if not can_give(result):
                raise Open(f"{path} is a function that gives keys")
            return stand_in(p, path, result, self.size)
        raise Open(f"{path} {p.reason}")

    def _pick(self, path: str, options: Sequence[object]) -> int:
        self.met[path] = tuple(map(str, options))
        return min(self.choice.options.get(path, 0), len(options) - 1)

    # arrays ---------------------------------------------------------------------------------------

    def _array(self, p: ArrayPattern, path: str) -> Leaf:
        return Leaf(ArrayType(self._shape(p.dims, path), self._dtype(p.dtype, path)))

    def _key_shape(self, p: KeyPattern, path: str) -> Shape:
        if p.dims != ANY_SHAPE:
            return self._shape(p.dims, path)
        self.has.add("keys")
        return (dim(f"{path}.count"),) if self.choice.keys else ()

    def _shape(self, dims: Sequence[Sized | Segment], path: str) -> Shape:
        shape: list[Size] = []
        for i, d in enumerate(dims):
            if isinstance(d, Sized):
                if d.size is None:
                    raise Open(f"dimension {i} of {path} is Any")
                shape.append(self.size(d.size))
            elif d.name is None:
                raise Open(f"the shape of {path} is not declared")
            else:
                self.has.add("segments")
                shape += [self.size(dim(f"{d.name}{k}")) for k in range(self.choice.segment)]
        return tuple(shape)

    def _dtype(self, d: DType | DTypeName | None, path: str) -> DType:
        if d is None:
            raise Open(f"the dtype of {path} is Any")
        if isinstance(d, DTypeName):
            return d.choices[self._pick(d.name, d.choices)] if d.choices else float32
        return d

    def size(self, size: Size) -> Size:
        """A declared size with what is known put in."""
        if isinstance(size, int) or not self.choice.sizes:
            return size
        total: Size = 0
        for monomial, c in size.terms:
            total = total + product([c, *[self.choice.sizes.get(n, dim(n)) for n in monomial]])
        return total

    # what Python knows ----------------------------------------------------------------------------

    def _number(self, p: ScalarPattern, path: str, default: Callable[[], Any] | None) -> Any:
        if p.size is not None:
            return self.size(p.size)
        if p.cls is bool:
            first = bool(default()) if default is not None else False
            return (first, not first)[self._pick(path, (first, not first))]
        self.has.add("numbers")
        if self.choice.numbers == "default":
            if default is None:
                raise Open(f"the value of {path} is needed")
            return default()
        if p.cls is int and self.choice.numbers == "dims":
            return self.size(dim(path))
        return Leaf(CARRIERS[p.cls], weak=True)

    # structs --------------------------------------------------------------------------------------

    def _struct(self, p: StructPattern, path: str, depth: int) -> Any:
        if depth > _DEEP:
            raise Open(f"{path.split('.', 1)[0]} holds structs of its own class without end")
        x: Any = object.__new__(p.cls)
        for f in p.fields:
            at = f"{path}.{f.name}"
            x.__dict__[f.name] = self._static(f, at) if f.static else self._dynamic(f, at, depth)
        return x

    def _dynamic(self, f: Field, path: str, depth: int) -> Any:
        try:
            return self.make(f.pattern, path, f.default, depth)
        except Open:
            if f.default is None:
                raise
            return f.default()

    def _static(self, f: Field, path: str) -> Any:
        """A static field: its default, or a size of its own for an int."""
        if f.default is not None and not isinstance(f.pattern, ScalarPattern):
            return f.default()
        if isinstance(f.pattern, ScalarPattern):
            if f.pattern.size is not None or f.pattern.cls is bool:
                return self.make(f.pattern, path, f.default)
            if f.default is not None:
                return f.default()
            if f.pattern.cls is int:
                return self.size(dim(path))
            return _SOME[f.pattern.cls]
        raise Open(f"the value of the static field {path} is needed")


_SOME: dict[type, Any] = {float: 0.5, complex: 0.5 + 0.5j}
"""What static numbers are that have no default: shapes rarely depend on them."""


def other_choices(first: Choice, maker: Maker) -> Iterator[tuple[Choice, str]]:
    """The choices that differ from a first one in one place, and in what: each option is seen."""
    for path, texts in maker.met.items():
        for i in range(1, len(texts)):
            options = {**first.options, path: i}
            yield first._replace(options=options), f"where {path} is {texts[i]}"
    if "segments" in maker.has:
        yield first._replace(segment=1), "where segments have 1 dimension"
        yield first._replace(segment=0), "where segments have no dimensions"


def names_of(leaves: list[Any]) -> list[str]:
    """The names of all dims that stand in the shapes of leaves, in order."""
    found = [
        name
        for x in leaves
        for n in (x.type.shape if isinstance(x, Leaf) else (x,))
        if isinstance(n, Poly)
        for monomial, _ in n.terms
        for name in monomial
    ]
    return list(dict.fromkeys(found))
