"""One call that the checker sees: what its arguments are, and how its result is written.

Functions of the user's are answered by the checker itself (``check_call`` on the types that the
library calls them with), lambdas are inferred on these types, and what a transformation gives is
kept as a ``Deferred``: its name with what it was given, evaluated where it is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

from mypy.checker import TypeChecker
from mypy.constraints import SUPERTYPE_OF, infer_constraints
from mypy.nodes import (
    ARG_NAMED,
    ARG_POS,
    AssignmentStmt,
    Context,
    Expression,
    FloatExpr,
    IntExpr,
    LambdaExpr,
    NameExpr,
    StrExpr,
    TempNode,
    TupleExpr,
    Var,
)
from mypy.plugin import FunctionSigContext
from mypy.solve import solve_constraints
from mypy.subtypes import is_same_type
from mypy.types import (
    CallableType,
    FunctionLike,
    Instance,
    LiteralType,
    NoneType,
    TupleType,
    Type,
    TypeType,
    UnionType,
    UnpackType,
    get_proper_type,
)
from mypy.typevars import fill_typevars

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import StructureError
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.updates import At, Place
from verax.dsl.typing import library
from verax.dsl.typing.arithmetic import without_cuts
from verax.dsl.typing.binding import bound
from verax.dsl.typing.calling import is_made, staged
from verax.dsl.typing.described import (
    Described,
    Elements,
    Many,
    Misfit,
    Number,
    Opaque,
    Open,
    Record,
    Rest,
    SomeDType,
    Undecided,
)
from verax.dsl.typing.errors import guessing
from verax.dsl.typing.functions import UserFunction
from verax.dsl.typing.layouts import Sizes
from verax.dsl.typing.names import (
    ARRAY,
    HERE,
    KEY,
    SHARDED,
    SIZE,
    Named,
    Names,
    anything,
)
from verax.dsl.typing.reading import DTYPE, Reader
from verax.dsl.typing.structs import struct_fields
from verax.sharding.mesh import Mesh

DEFERRED = HERE + "Deferred"
LAMBDA = "lambda "
_LONGEST = 64
"""How long a list may be whose elements are told apart."""
AT, PLACE = "verax.dsl.lang.updates.At", "verax.dsl.lang.updates.Place"


class Reference(NamedTuple):
    """A lambda of the module that is being checked."""

    expression: LambdaExpr
    api: TypeChecker


LAMBDAS: dict[str, Reference] = {}
"""The lambdas that transformations were given, by their place."""


AXES: set[str] = set()
"""The mesh axes that any type has mentioned so far."""


@lru_cache(None)
def _mesh(axes: frozenset[str]) -> Mesh:
    return Mesh(**dict.fromkeys(sorted(axes), 2))


class MoreAxes(BaseException):
    """A type mentions a mesh axis that none had mentioned before: the call begins again."""


class Site:
    """A call, and the names in it.

    Attributes:
        open: the rank or the dtype of an argument is not known, so that several are tried; what
            functions of the user's say of one of these is not certain.
    """

    def __init__(self, api: TypeChecker, context: Context, named: Named) -> None:
        self.api, self.context, self.named = api, context, named
        self.mesh = _mesh(frozenset(AXES))
        self.names = Names(named)
        self.reader = Reader(self)
        self.sizes = Sizes()
        self.open = False

    def type_of(self, e: Expression) -> Type:
        """The type of a part of an argument."""
        return self.api.lookup_type_or_none(e) or self.api.get_expression_type(e)

    def mesh_of(self, cuts: Sequence[tuple[str, ...]]) -> Mesh:
        """The mesh of the call; it has all the axes that any type mentions.

        Raises:
            MoreAxes: one of these was not known when the call was begun.
        """
        new = {axis for axes in cuts for axis in axes} - set(self.mesh.names)
        if new:
            AXES.update(new)
            raise MoreAxes
        return self.mesh

    def constant(self, node: Var) -> Expression | None:
        """What a variable of the module is, if it is assigned once, to literals."""
        found = [
            s.rvalue
            for s in self.api.tree.defs
            if isinstance(s, AssignmentStmt)
            and any(isinstance(x, NameExpr) and x.node is node for x in s.lvalues)
        ]
        return found[0] if len(found) == 1 and _is_literal(found[0]) else None

    # functions ------------------------------------------------------------------------------------

    def function(self, t: FunctionLike) -> UserFunction:
        """A function of the user's, known by its type."""
        first = t.items[0]
        names = [n or f"argument {i}" for i, n in enumerate(first.arg_names)]
        definition = first.definition
        name = (first.name or "function").partition(" of ")[0]
        line = t.line if definition is None else definition.line

        def answer(args: Sequence[Described], kwargs: dict[str, Described]) -> Described:
            return self.sizes.put(self._checked(t, *self.sizes.take((args, kwargs))))

        return UserFunction(answer, t, name, names, self.api.path, line)

    def _checked(
        self, t: FunctionLike, args: Sequence[Described], kwargs: dict[str, Described]
    ) -> Described:
        given = *args, *kwargs.values()
        types = [anything() if isinstance(x, Number) else self._inside(x) for x in given]
        nodes: list[Expression] = [TempNode(x, context=self.context) for x in types]
        if isinstance(t, CallableType) and not kwargs:
            bare = t.copy_modified(arg_types=[without_cuts(a) for a in t.arg_types])
            one_each = [[node] for node in nodes]
            with self._guessing():
                t = bound(FunctionSigContext(one_each, bare, self.context, self.api), self.named)
        kinds = [ARG_POS] * len(args) + [ARG_NAMED] * len(kwargs)
        names = [None] * len(args) + list(kwargs)
        with self._guessing():
            ret, _ = self.api.expr_checker.check_call(t, nodes, kinds, self.context, names)
        return self.reader.type(ret)

    def _inside(self, x: Described) -> Type:
        """The type that an argument has inside a function: the dims of a run have names."""
        self.names.inside = True
        try:
            return self.write(x)
        finally:
            self.names.inside = False

    @contextmanager
    def _guessing(self) -> Iterator[None]:
        """Where several ranks or dtypes are tried, an error in one of them is not reported."""
        if not self.open:
            yield
            return
        with guessing(self.api) as found:
            yield
        if found.has_new_errors():
            raise Misfit("a function does not take everything that its argument may be")

    def lambda_(self, e: LambdaExpr) -> UserFunction:
        """A lambda: its body is inferred for the types that it is called on."""
        key = f"{LAMBDA}{self.api.path}:{e.line}:{e.column}"
        LAMBDAS[key] = Reference(e, self.api)
        return self._lambda(e, key)

    def _lambda(self, e: LambdaExpr, key: str) -> UserFunction:
        names = [a.variable.name for a in e.arguments]

        def answer(args: Sequence[Described], kwargs: dict[str, Described]) -> Described:
            if kwargs or len(args) != len(names):
                raise StructureError(
                    f"the lambda takes {len(names)} arguments, and is called with"
                    f" {len(args) + len(kwargs)}",
                    fix="give it one parameter per argument of the call",
                )
            given = self.sizes.take(args)
            types = [self._inside(x) for x in given]
            context = CallableType(
                types, [ARG_POS] * len(types), [None] * len(types), anything(),
                self.named("builtins.function", []),
            )  # fmt: skip
            with self._guessing():
                found = get_proper_type(self.api.get_expression_type(e, type_context=context))
            if not isinstance(found, CallableType):
                raise Undecided("a lambda of unknown type")
            return self.sizes.put(self.reader.type(found.ret_type))

        t = self._reference(key)
        return UserFunction(answer, t, "<lambda>", names, self.api.path, e.line)

    def _reference(self, fullname: str) -> Instance:
        nothing = NoneType()
        return self.named(DEFERRED, [self.names.literal(fullname), nothing, nothing])

    def deferred(
        self, fullname: str, args: Sequence[tuple[Any, Type]], kwargs: dict[str, tuple[Any, Type]]
    ) -> Instance:
        """What a transformation gives, to be evaluated where it is called."""
        positional = self._tuple([self.encode(x, t) for x, t in args])
        named = self._tuple(
            [self._tuple([self.names.literal(k), self.encode(*x)]) for k, x in kwargs.items()]
        )
        return self.named(DEFERRED, [self.names.literal(fullname), positional, named])

    def built(self, t: Instance) -> Any:
        """What an instance of a class of the library stands for; None for other classes."""
        fullname = t.type.fullname
        if fullname in (AT, PLACE) and t.args:
            parts = [self.reader.type(a) for a in t.args]
            return At(*parts) if fullname == AT else Place(*parts)
        if fullname != DEFERRED:
            return None
        name, args, kwargs = map(get_proper_type, t.args)
        assert isinstance(name, LiteralType)
        assert isinstance(name.value, str)
        if name.value.startswith(LAMBDA):
            found = LAMBDAS.get(name.value)
            if found is None or found.api is not self.api:
                raise Undecided("a lambda of another module")
            return self._lambda(found.expression, name.value)
        fullname, _, at = name.value.partition("[")
        f = library.function(fullname)
        if isinstance(args, NoneType):
            return f
        assert isinstance(args, TupleType)
        assert isinstance(kwargs, TupleType)
        positional = [self.reader.type(a) for a in args.items]
        named = dict([self.reader.type(k) for k in kwargs.items])
        if not at:
            return f(*positional, **named)
        return _Element(f, positional, named, int(at[:-1]))

    def encode(self, x: Any, t: Type) -> Type:
        """The type that stands for an argument that was read as x."""
        if x is None:
            return NoneType()
        if isinstance(x, (bool, int, str)):
            return self.names.literal(x)
        if isinstance(x, (tuple, list)) and not hasattr(x, "_fields"):
            p = get_proper_type(t)
            items = p.items if isinstance(p, TupleType) else [anything()] * len(x)
            return self._tuple([self.encode(y, i) for y, i in zip(x, items)])
        if isinstance(x, UserFunction):
            return x.type  # type: ignore[no-any-return]
        if isinstance(x, slice):
            parts = [self.encode(y, anything()) for y in (x.start, x.stop, x.step)]
            return self.named("builtins.slice", parts)
        if isinstance(x, FunctionType):
            fullname = f"{x.__module__}.{x.__qualname__}"
            if library.function(fullname) is x:
                return self._reference(fullname)
        return t

    def _tuple(self, items: list[Type]) -> TupleType:
        return TupleType(items, self.named("builtins.tuple", [anything()]))

    def result(
        self,
        x: Described,
        fullname: str,
        args: Sequence[tuple[Any, Type]],
        kwargs: dict[str, tuple[Any, Type]],
    ) -> Type:
        """The type of what a call gives; functions in it are evaluated where they are called."""
        if type(x) is not tuple or not any(map(is_made, x)):
            return self.write(x)
        items = [
            self.deferred(f"{fullname}[{i}]", args, kwargs) if is_made(y) else self.write(y)
            for i, y in enumerate(x)
        ]
        return self._tuple(items)

    # writing --------------------------------------------------------------------------------------

    def write(self, x: Described) -> Type:
        """The type of a described value."""
        for c, writer in _WRITERS:
            if isinstance(x, c):
                return writer(self, x)  # type: ignore[no-any-return]
        raise Undecided(f"a result of class {type(x).__name__}")

    def _array(self, x: ArrayType) -> Type:
        dims = [self.names.dim_type(n) for n in x.shape]
        if x.spec is not None:
            dims = [self._cut(t, axes) for t, axes in zip(dims, x.spec.cuts)]
        return self.named(ARRAY, [self._dtype(x.dtype), *dims])

    def _cut(self, t: Type, axes: tuple[str, ...]) -> Type:
        if not axes:
            return t
        return self.named(SHARDED, [t, *map(self.names.literal, axes)])

    def _key(self, x: KeyType) -> Type:
        return self.named(KEY, [self.names.dim_type(n) for n in x.shape])

    def _open(self, x: Open) -> Type:
        found: list[Size | Rest] = list(x.dims)
        runs = [i for i, n in enumerate(found) if isinstance(n, Rest)]
        if len(runs) > 1:  # a type has one run at most: what is between two is unknown with them
            found[runs[0] : runs[-1] + 1] = [Rest("")]
        dims = [self._rest(n) if isinstance(n, Rest) else self.names.dim_type(n) for n in found]
        if x.dtype is None:
            return self.named(KEY, dims)
        return self.named(ARRAY, [self._dtype(x.dtype), *dims])

    def _rest(self, rest: Rest) -> Type:
        found = self.names.type_of(rest.name) if rest.name else None
        return UnpackType(found or self.named("builtins.tuple", [anything()]))

    def _dtype(self, dtype: DType | SomeDType) -> Type:
        if isinstance(dtype, SomeDType):
            return self.names.type_of(dtype.name) or anything()
        return self.named(DTYPE + dtype.__name__, [])

    def _number(self, x: Number) -> Type:
        return self.named(f"builtins.{x.cls.__name__}", [])

    def _size(self, x: Size) -> Type:
        return self.named(SIZE, [self.names.dim_type(x)])

    def _items(self, x: tuple[Described, ...]) -> Type:
        items = [self.write(y) for y in x]
        c = type(x)
        if c is tuple:
            return self._tuple(items)
        whole = fill_typevars(self.named(f"{c.__module__}.{c.__qualname__}", []).type)
        assert isinstance(whole, TupleType)
        return TupleType(items, whole.partial_fallback)

    def _list(self, x: list[Described]) -> Type:
        """A list; one of known length is told apart element by element, as a tuple is."""
        items = [self.write(y) for y in x]
        if not items:
            return self.named("builtins.list", [anything()])
        whole = self.named("builtins.list", [self._joined(items)])
        return TupleType(items, whole) if len(items) <= _LONGEST else whole

    def _iterator(self, x: Elements) -> Type:
        items = [self.write(y) for y in x.items]
        return self.named("typing.Iterator", [self._joined(items) if items else anything()])

    def _joined(self, items: list[Type]) -> Type:
        """Arrays of one dtype keep it; other mixtures are unions."""
        if all(is_same_type(t, items[0]) for t in items):
            return items[0]
        dtypes = {str(t.args[0]): t.args[0] for i in items if (t := _array_type(i)) is not None}
        if len(dtypes) == 1 and all(_array_type(i) is not None for i in items):
            return self.named(ARRAY, [next(iter(dtypes.values())), self._rest(Rest(""))])
        return UnionType.make_union(items)

    def _dict(self, x: dict[str, Described]) -> Type:
        items = [self.write(y) for y in x.values()]
        value = self._joined(items) if items else anything()
        return self.named("builtins.dict", [self.named("builtins.str", []), value])

    def _many(self, x: Many) -> Type:
        element = self.write(x.element)
        t = x.origin.type
        if "[" in x.origin.name:
            return self.named("builtins.dict", [t.args[0], element])
        return self.named(x.origin.name, [element])

    def _record(self, x: Record) -> Type:
        """An instance, its type parameters solved from its fields."""
        info = self.named(x.origin.name, []).type
        whole = fill_typevars(info)
        if isinstance(whole, TupleType):
            return TupleType([self.write(y) for y in x.values], whole.partial_fallback)
        fields = {f.name: f.type for f in struct_fields(whole) or ()}
        constraints = []
        for name, y in zip(x.fields, x.values):
            if isinstance(y, (Opaque, FunctionType)) or name not in fields:
                continue
            constraints += infer_constraints(fields[name], self.write(y), SUPERTYPE_OF)
        variables = info.defn.type_vars
        solved, _ = solve_constraints(variables, constraints, strict=False)
        return Instance(info, [t or anything() for t in solved])

    def _opaque(self, x: Opaque) -> Type:
        return x.origin.type  # type: ignore[no-any-return]

    def _class(self, x: type) -> Type:
        return TypeType(self.named(f"builtins.{x.__name__}", []))

    def _place(self, x: Place[Any, Any]) -> Type:
        return self.named(PLACE, [self.write(x.x), self.encode(x.index, anything())])


def _is_literal(e: Expression) -> bool:
    """Whether an expression is made of literals."""
    if isinstance(e, TupleExpr):
        return all(map(_is_literal, e.items))
    return isinstance(e, (IntExpr, StrExpr, FloatExpr))


class _Element(NamedTuple):
    """The function that is one element of what a library function gives."""

    f: Any
    args: list[Any]
    kwargs: dict[str, Any]
    at: int

    def __call__(self, *args: Any) -> Any:
        scope = STACK.scope
        assert scope is not None
        made = self.f(*staged(self.args, scope), **staged(self.kwargs, scope))
        return made[self.at](*args)


def _array_type(t: Type) -> Instance | None:
    p = get_proper_type(t)
    return p if isinstance(p, Instance) and p.type.fullname == ARRAY else None


_WRITERS: list[tuple[Any, Any]] = [
    (ArrayType, Site._array),
    (Open, Site._open),
    (KeyType, Site._key),
    (Number, Site._number),
    (bool, lambda s, x: s.named("builtins.bool", [])),
    ((int, Poly), Site._size),
    (type(None), lambda s, x: NoneType()),
    (float, lambda s, x: s.named("builtins.float", [])),
    (complex, lambda s, x: s.named("builtins.complex", [])),
    (str, lambda s, x: s.named("builtins.str", [])),
    (DType, lambda s, x: TypeType(s._dtype(x))),
    (type, Site._class),
    (At, lambda s, x: s.named(AT, [s.write(x.x)])),
    (Place, Site._place),
    (Record, Site._record),
    (Many, Site._many),
    (Opaque, Site._opaque),
    (UserFunction, lambda s, x: x.type),
    (Elements, Site._iterator),
    (tuple, Site._items),
    (list, Site._list),
    (dict, Site._dict),
]
