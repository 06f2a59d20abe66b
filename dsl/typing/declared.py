"""What a function of the user's declares of its arrays, beside what a call gives it.

The comparison and the message are those of the run time (see ``compare`` and ``contract`` of the
language): types are read as patterns and sizes, and what jit would say of such a call is said here.
Only one thing is stricter: a named dim that meets another one does not take its place.

Law: what is refused here, a jitted function refuses when it is called on such arrays, or its dims
have two names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from mypy.types import (
    Instance,
    NoneType,
    Type,
    TypeVarId,
    TypeVarTupleType,
    TypeVarType,
    UnionType,
    UnpackType,
    get_proper_type,
)

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.binding import Bindings, Where, bare_name, spread
from verax.dsl.lang.compare import Leaf, Row, examine
from verax.dsl.lang.contract import problem
from verax.dsl.lang.patterns import (
    ArrayPattern,
    KeyPattern,
    ScalarPattern,
    Segment,
    Sized,
    names_in,
)
from verax.dsl.typing.described import unknown_size
from verax.dsl.typing.merging import KEY as IMPL
from verax.dsl.typing.names import DIMS_FROM, KEY, Named, Names
from verax.dsl.typing.reading import dtype_of
from verax.sharding.errors import VeraxError


class Given(NamedTuple):
    """A parameter, and the type of its argument."""

    name: str
    formal: Type
    actual: Type


class Refusal(NamedTuple):
    """Why a call is refused, and which parameters are at fault."""

    error: VeraxError
    parameters: frozenset[str]


class _Formal(Names):
    """Names in a signature: its own type variables keep theirs, whatever the caller has.

    Attributes:
        bound: the names of its own type variables, which any size may take.
    """

    def __init__(self, named: Named, own: Collection[TypeVarId]) -> None:
        super().__init__(named)
        self.own, self.bound = own, set[str]()

    def name(self, t: Instance | TypeVarType | TypeVarTupleType) -> str:
        if isinstance(t, (TypeVarType, TypeVarTupleType)) and t.id in self.own:
            self.bound.add(t.name)
            return t.name
        return super().name(t)


def refusal(
    who: str,
    given: Sequence[Given],
    own: Collection[TypeVarId],
    named: Named,
    fixed: Collection[str] = (),
) -> Refusal | None:
    """Why a call is refused, if it is.

    Args:
        who: the function, as messages call it.
        own: the type variables of its signature.
        fixed: the full names of dims that do not become numbers.
    """
    formal, actual = _Formal(named, own), Names(named)
    rows = [row for g in given if (row := _row(g, formal, actual)) is not None]
    start = Bindings()
    free = _numbered(rows) - {formal.called[f] for f in fixed if f in formal.called}
    for name in _names(rows) - formal.bound - free:
        start.sizes[name] = Where(dim(name), "the signature")
    wrong = examine(rows, start.copy(), 0)
    if not wrong:
        return None
    error = problem(who, rows, wrong, start)
    return Refusal(error, frozenset(rows[w.row].path for w in wrong))


def _names(rows: Sequence[Row]) -> set[str]:
    """All names of dims in what is declared."""
    patterns = [r.pattern for r in rows if not isinstance(r.pattern, ScalarPattern)]
    dims = [d for p in patterns for d in p.dims if isinstance(d, Sized)]
    return {name for d in dims for name in names_in(d.size)}


def _numbered(rows: Sequence[Row]) -> set[str]:
    """The names that meet a number somewhere: they are that number in this call."""
    found = set()
    for row in rows:
        assert not isinstance(row.pattern, ScalarPattern)
        placed = spread(row.pattern, row.leaf.type.shape)
        for at, d in placed[0] if placed is not None else ():
            name = None if d.size is None else bare_name(d.size)
            if name is not None and isinstance(row.leaf.type.shape[at], int):
                found.add(name)
    return found


def _row(g: Given, formal: Names, actual: Names) -> Row | None:
    """A parameter of arrays or keys beside its argument; None where too little is known."""
    f, a = _shaped(g.formal), _shaped(g.actual)
    if f is None or a is None or f.type is not a.type:
        return None
    at = DIMS_FROM[f.type.fullname]
    if any(isinstance(get_proper_type(t), _OPEN) for t in a.args[at:]):
        return None
    sizes = [actual.size(t) for t in a.args[at:]]
    dims = [_dim(t, formal) for t in f.args[at:]]
    if not any(isinstance(d, Segment) for d in dims) and len(dims) == len(sizes):
        dims = [Sized(None) if n is None else d for n, d in zip(sizes, dims)]
    elif None in sizes:
        return None
    shape = tuple([unknown_size(i) if n is None else n for i, n in enumerate(sizes)])
    if f.type.fullname == KEY:
        return Row(g.name, KeyPattern(tuple(dims)), Leaf(KeyType(IMPL, shape)))
    given = _dtype(a)
    if given is None:
        return None
    return Row(g.name, ArrayPattern(_dtype(f), tuple(dims)), Leaf(ArrayType(shape, given)))


def _shaped(t: Type) -> Instance | None:
    """The type of an array or of keys, which may be optional."""
    p = get_proper_type(t)
    if isinstance(p, UnionType):
        items = [get_proper_type(i) for i in p.items]
        arrays = [i for i in items if not isinstance(i, NoneType)]
        p = arrays[0] if len(arrays) == 1 else p
    return p if isinstance(p, Instance) and p.type.fullname in DIMS_FROM else None


def _dtype(t: Instance) -> DType | None:
    p = get_proper_type(t.args[0])
    return dtype_of(p.type) if isinstance(p, Instance) else None


def _dim(t: Type, names: Names) -> Sized | Segment:
    p = get_proper_type(t)
    if isinstance(p, UnpackType):
        p = get_proper_type(p.type)
        return Segment(names.name(p) if isinstance(p, TypeVarTupleType) else None)
    return Sized(names.size(p))


_OPEN = (UnpackType, TypeVarTupleType)
