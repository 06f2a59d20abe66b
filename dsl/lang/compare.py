"""Values beside what is declared of them: rows of a comparison, and everything that is wrong.

A row is one array or key, reached through tuples, dicts and structs, and the pattern that stands
at its place. ``examine`` looks at dtypes, ranks, sizes by name and at how concrete arrays are cut.

Laws: what is not declared gives no row. A Python scalar fits where an array of its kind or a wider
one is declared with no dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import DTypeError, ShapeError, StructureError
from verax.compiler.ir.sizes import Poly, Shape, Size
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.dsl.lang.agree import can_take
from verax.dsl.lang.binding import Bindings, Clash, Equation, segment_name, spread
from verax.dsl.lang.patterns import (
    ArrayPattern,
    DictPattern,
    DTypeName,
    KeyPattern,
    ManyPattern,
    NonePattern,
    Pattern,
    ScalarPattern,
    Sized,
    StructPattern,
    TuplePattern,
    UnionPattern,
    segment_of,
)
from verax.dsl.lang.value import Value
from verax.dsl.lang.weak import CARRIERS, described_type
from verax.sharding.errors import ShardingError, VeraxError
from verax.sharding.spec import axes_of, no_cuts, p_of


class Leaf:
    """A leaf of the arguments: its type, whether it is a Python scalar, and whether it lies on
    devices, so that its cuts count; ``size`` is the number that a size is."""

    __slots__ = ("placed", "size", "type", "weak")

    def __init__(
        self, type: Type, weak: bool = False, placed: bool = False, size: Size | None = None
    ) -> None:
        self.type, self.weak, self.placed, self.size = type, weak, placed, size

    def __str__(self) -> str:
        if self.size is not None:
            return str(self.size)
        if self.weak and isinstance(self.type, ArrayType):
            return described_type(self.type)
        return str(self.type)


def leaf_of(x: Any) -> Any:
    """A leaf for an array, a type, a number; anything else itself, which is not checked."""
    if isinstance(x, Value):
        return Leaf(x.type, x.weak, x.scope is None and not x.weak)
    if isinstance(x, (ArrayType, KeyType)):
        return Leaf(x, False, isinstance(x, ArrayType) and x.spec is not None)
    if type(x) in CARRIERS:
        return Leaf(CARRIERS[type(x)], True)
    return x


class Row(NamedTuple):
    """An array, a key or a size among the arguments, and what is declared of it."""

    path: str
    pattern: ArrayPattern | KeyPattern | ScalarPattern
    leaf: Leaf


class Wrong(NamedTuple):
    """What is wrong with a row: kinds of one function are reported together, the first one leads.

    Attributes:
        row: its place among the rows.
        kind: the class of the error.
        text: the first line.
        dims: the dimensions at fault; none for the whole of it.
        note: what stands beside the row.
    """

    row: int
    kind: type[VeraxError]
    text: str
    dims: tuple[int, ...] = ()
    note: str = ""
    fix: str | None = None


# what meets what ---------------------------------------------------------------------------------


def walk(p: Pattern, x: Any, path: str, who: str) -> Iterator[Row]:
    """The arrays and keys of a value beside what is declared of them.

    Raises:
        StructureError: a container stands where an array is declared, or the other way round.
    """
    if isinstance(p, (ArrayPattern, KeyPattern)):
        if isinstance(x, Leaf):
            yield Row(path, p, x)
        elif x is None or _is_container(x):
            raise _structure(who, path, p, x)
    elif isinstance(p, ScalarPattern):
        if p.size is not None and type(x) in (int, Poly):
            yield Row(path, p, Leaf(CARRIERS[int], True, size=x))
    elif isinstance(p, UnionPattern):
        chosen = _option(p, x)
        if chosen is not None:
            yield from walk(chosen, x, path, who)
    elif isinstance(p, TuplePattern):
        if isinstance(x, Leaf) or (_is_container(x) and not isinstance(x, (tuple, list))):
            raise _structure(who, path, p, x)
        if isinstance(x, (tuple, list)):
            if len(x) != len(p.items):
                raise _structure(who, path, p, x)
            fields = getattr(p.cls, "_fields", None)
            for i, (inner, y) in enumerate(zip(p.items, x)):
                yield from walk(inner, y, f"{path}.{fields[i]}" if fields else f"{path}[{i}]", who)
    elif isinstance(p, ManyPattern):
        if isinstance(x, Leaf):
            raise _structure(who, path, p, x)
        for key, y in _items(x):
            yield from walk(p.item, y, f"{path}[{key!r}]", who)
    elif isinstance(p, DictPattern):
        if isinstance(x, Leaf):
            raise _structure(who, path, p, x)
        for name, inner in p.items:
            if isinstance(x, dict) and name in x:
                yield from walk(inner, x[name], f"{path}[{name!r}]", who)
    elif isinstance(p, StructPattern):
        if isinstance(x, Leaf):
            raise _structure(who, path, p, x)
        if isinstance(x, p.cls):
            for field in p.fields:
                y = getattr(x, field.name, None)
                if not field.static and y is not None:
                    yield from walk(field.pattern, y, f"{path}.{field.name}", who)


def _items(x: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(x, dict):
        return x.items()
    return enumerate(x) if isinstance(x, (list, tuple)) else ()


def _is_container(x: Any) -> bool:
    return isinstance(x, (tuple, list, dict))


def _structure(who: str, path: str, p: Pattern, x: Any) -> StructureError:
    if isinstance(x, Leaf):
        text = str(x)
    elif x is None:
        text = "None"
    elif _is_container(x):
        text = f"a {type(x).__name__} of {len(x)}"
    else:
        text = f"a {type(x).__name__}"
    verb = "return" if path.startswith("the result") else "pass"
    return StructureError(
        f"{who}: {path} is {text}, and is declared {p}",
        fix=f"{verb} what is declared, or declare {path} as what it is",
    )


def _option(p: UnionPattern, x: Any) -> Pattern | None:
    """The option of a union that a value is to be compared with; None for no comparison."""
    fitting = [o for o in p.options if _may_be(o, x)]
    if len(fitting) > 1 and isinstance(x, Leaf):
        exact: list[Pattern] = [o for o in fitting if _fits(o, x)]
        fitting = exact or fitting
    if not fitting:
        other = [o for o in p.options if not isinstance(o, (NonePattern, ScalarPattern))]
        return other[0] if other and x is not None else None
    return fitting[0]


def _may_be(o: Pattern, x: Any) -> bool:
    if isinstance(o, ArrayPattern):
        return isinstance(x, Leaf) and isinstance(x.type, ArrayType)
    if isinstance(o, KeyPattern):
        return isinstance(x, Leaf) and isinstance(x.type, KeyType)
    if isinstance(o, ScalarPattern):
        return isinstance(x, Leaf) and isinstance(x.type, ArrayType) and not x.type.shape
    if isinstance(o, NonePattern):
        return x is None
    if isinstance(o, TuplePattern):
        return isinstance(x, (tuple, list)) and len(x) == len(o.items)
    if isinstance(o, StructPattern):
        return isinstance(x, o.cls)
    if isinstance(o, DictPattern):
        return isinstance(x, dict)
    if isinstance(o, ManyPattern):
        return isinstance(x, dict if o.cls is dict else (list, tuple))
    return True


def _fits(o: Pattern, x: Leaf) -> bool:
    if isinstance(o, KeyPattern):
        return spread(o, x.type.shape) is not None
    if not isinstance(o, ArrayPattern):
        return False
    return not _dtype_text(o, x, "") and spread(o, x.type.shape) is not None


# what is wrong -----------------------------------------------------------------------------------


def examine(rows: Sequence[Row], bindings: Bindings, first: int) -> list[Wrong]:
    """Everything that contradicts what is declared, from row ``first`` on."""
    wrong: list[Wrong] = []
    equations: list[Equation] = []
    segments: list[tuple[int, str, Shape, str]] = []
    for i, row in enumerate(rows):
        if i < first:
            continue
        if isinstance(row.pattern, ScalarPattern):
            if row.pattern.size is not None and row.leaf.size is not None:
                equations.append(Equation(i, row.path, -1, row.pattern.size, row.leaf.size))
            continue
        found = _kind(i, row, bindings)
        wrong += [found] if found is not None else []
        if isinstance(row.pattern, KeyPattern) != isinstance(row.leaf.type, KeyType):
            continue
        placed = spread(row.pattern, row.leaf.type.shape)
        if placed is None:
            wrong.append(_rank(i, row, row.pattern))
            continue
        dims, middle = placed
        name = segment_name(row.pattern)
        if name is not None:
            segments.append((i, name, middle, row.path))
        shape = row.leaf.type.shape
        equations += [
            Equation(i, row.path, at, d.size, shape[at]) for at, d in dims if d.size is not None
        ]
        wrong += _cuts(i, row, dims)
    clashes = [(e.row, clash) for e, clash in bindings.solve(equations)]
    for i, name, sizes, path in segments:
        clash = bindings.segment(name, sizes, path)
        if clash is not None:
            clashes.append((i, clash))
    wrong += [_size(i, rows[i], clash) for i, clash in clashes]
    return wrong


def _kind(i: int, row: Row, bindings: Bindings) -> Wrong | None:
    """A key for an array, or a wrong dtype."""
    leaf, p = row.leaf, row.pattern
    assert not isinstance(p, ScalarPattern)
    if isinstance(p, KeyPattern):
        if isinstance(leaf.type, KeyType):
            return None
        text = f"{row.path} is {leaf}, and is declared a random key"
        return Wrong(i, DTypeError, text, fix="pass a key: vx.random.key(0)")
    if isinstance(leaf.type, KeyType):
        text = f"{row.path} is a random key, and is declared {p}"
        return Wrong(i, DTypeError, text, fix="draw from the key: vx.random.normal(key, shape)")
    text = _dtype_text(p, leaf, row.path)
    if text:
        wanted = p.dtype
        fix = None
        if isinstance(wanted, DType) and not leaf.weak:
            value = row.path if row.path.isidentifier() else "x"
            fix = (
                f"convert it, {value}.astype(vx.{wanted.__name__}), or declare it {leaf.type.dtype}"
            )
        return Wrong(i, DTypeError, text, fix=fix)
    if isinstance(p.dtype, DTypeName) and not leaf.weak:
        clash = bindings.dtype(p.dtype.name, leaf.type.dtype, row.path)
        if clash is not None:
            return Wrong(i, DTypeError, clash, fix="convert one of them with astype")
    return None


def _dtype_text(p: ArrayPattern, leaf: Leaf, path: str) -> str:
    """What is wrong with the dtype, or nothing."""
    assert isinstance(leaf.type, ArrayType)
    if isinstance(p.dtype, DTypeName):
        choices = p.dtype.choices
        if not choices or leaf.weak or leaf.type.dtype in choices:
            return ""
        return f"{path} is {leaf.type.dtype}, and {p.dtype.name} is one of " + ", ".join(
            map(str, choices)
        )
    if p.dtype is None or leaf.type.dtype is p.dtype:
        return ""
    if not leaf.weak:
        return f"{path} is {leaf.type.dtype}, and is declared {p.dtype}"
    if can_take(leaf.type, ArrayType((), p.dtype)):
        return ""
    return f"{path} is {leaf}, and is declared {p.dtype}"


def _rank(i: int, row: Row, p: ArrayPattern | KeyPattern) -> Wrong:
    n, dims = row.leaf.type.ndim, len(p.dims)
    open_ended = segment_of(p.dims) is not None
    at_least = "at least " if open_ended else ""
    dims -= open_ended
    text = f"{row.path} has {_count(n)}, and is declared with {at_least}{dims}, {p}"
    return Wrong(i, ShapeError, text)


def _count(n: int) -> str:
    return f"{n} dimension{'' if n == 1 else 's'}"


def _size(i: int, row: Row, clash: Clash) -> Wrong:
    note = "" if clash.wanted is None else f"expected {clash.wanted}"
    return Wrong(i, ShapeError, clash.text, clash.dims, note)


def _cuts(i: int, row: Row, dims: Sequence[tuple[int, Sized]]) -> Iterator[Wrong]:
    """Dimensions that lie otherwise than declared; only of arrays that lie on devices."""
    t = row.leaf.type
    if not row.leaf.placed or not isinstance(t, ArrayType):
        return
    cuts = no_cuts(t.ndim) if t.spec is None else t.spec.cuts
    declared = {at: d.axes for at, d in dims if d.axes is not None}
    taken = axes_of(declared.values())
    free = [() if taken & axes_of([axes]) else axes for axes in cuts]
    wanted = tuple([declared.get(at, free[at]) for at in range(t.ndim)])
    for at, d in dims:
        if d.axes is not None and cuts[at] != d.axes:
            have = f"cut over {', '.join(cuts[at])}" if cuts[at] else "not cut"
            yield Wrong(
                i,
                ShardingError,
                f"dimension {at} of {row.path} is {have}, and is declared {d}",
                (at,),
                fix=f"lay it on the mesh: vx.shard({row.path}, mesh, {p_of(wanted)})",
            )
