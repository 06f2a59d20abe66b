"""From the checker's types and expressions to described values.

An argument is read by its syntax where that says more than its type (slices, ``...``, literals,
lambdas), else by its type. What has no description raises Undecided.

Law: two expressions that are read as the same description behave the same in any library function,
as far as types go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mypy.nodes import (
    CallExpr,
    ComplexExpr,
    DictExpr,
    EllipsisExpr,
    Expression,
    FloatExpr,
    FuncDef,
    IntExpr,
    LambdaExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    OpExpr,
    RefExpr,
    SliceExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    Var,
)
from mypy.subtypes import find_member
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    LiteralType,
    NoneType,
    Overloaded,
    ProperType,
    TupleType,
    Type,
    TypeType,
    TypeVarTupleType,
    TypeVarType,
    UnionType,
    UnpackType,
    get_proper_type,
)

from verax.compiler.ir.dtypes import BY_NAME, DType
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.typing import library
from verax.dsl.typing.counting import SYMBOLS, folded
from verax.dsl.typing.described import (
    ANY_SHAPE,
    Many,
    Number,
    Opaque,
    Open,
    Origin,
    Record,
    Rest,
    SomeDType,
    Undecided,
    unknown_size,
)
from verax.dsl.typing.merging import KEY as IMPL
from verax.dsl.typing.names import ARRAY, KEY, SHARDED, SIZE, is_recursive
from verax.dsl.typing.structs import Field, struct_fields
from verax.sharding.spec import P, Spec

if TYPE_CHECKING:
    from verax.dsl.typing.site import Site

DTYPE = "verax.compiler.ir.dtypes."
MESH, LAYOUT = "verax.sharding.mesh.Mesh", "verax.sharding.spec.P"
NUMPY = ("numpy.ndarray", "numpy.generic")
DEPTH = 24
PLAIN: dict[str, Any] = {
    "builtins.int": int,
    "builtins.float": float,
    "builtins.complex": complex,
    "builtins.bool": bool,
}
SEQUENCES = frozenset({"builtins.list", "builtins.tuple", "builtins.dict", "typing.Sequence"})


class Reader:
    """Reads the arguments of one call."""

    def __init__(self, site: Site) -> None:
        self.site, self.names = site, site.names
        self.unknown = 0

    # expressions ----------------------------------------------------------------------------------

    def argument(self, e: Expression | None, t: Type) -> Any:
        """An argument, by its syntax or by its type."""
        reader = None if e is None else _EXPRESSIONS.get(type(e))
        if reader is not None:
            found = reader(self, e)
            if found is not _NOT_HERE:
                return found
        return self.type(t)

    def _part(self, e: Expression | None) -> Any:
        return None if e is None else self.argument(e, self.site.type_of(e))

    def _slice(self, e: SliceExpr) -> Any:
        return slice(self._part(e.begin_index), self._part(e.end_index), self._part(e.stride))

    def _items(self, e: TupleExpr | ListExpr) -> Any:
        if any(isinstance(x, StarExpr) for x in e.items):
            return _NOT_HERE
        items = [self._part(x) for x in e.items]
        return tuple(items) if isinstance(e, TupleExpr) else items

    def _dict(self, e: DictExpr) -> Any:
        if not all(isinstance(k, StrExpr) for k, _ in e.items):
            return _NOT_HERE
        return {k.value: self._part(v) for k, v in e.items if isinstance(k, StrExpr)}

    def _unary(self, e: UnaryExpr) -> Any:
        if e.op == "-" and isinstance(e.expr, (IntExpr, FloatExpr)):
            return -e.expr.value
        return _NOT_HERE

    def _operation(self, e: OpExpr) -> Any:
        if e.op not in SYMBOLS:
            return _NOT_HERE
        x, y = self._part(e.left), self._part(e.right)
        if not isinstance(x, (int, Poly)) or not isinstance(y, (int, Poly)):
            return _NOT_HERE
        found = folded(e.op, x, y)
        return _NOT_HERE if found is None else found

    def _reference(self, e: RefExpr) -> Any:
        node = e.node
        if isinstance(node, Var) and node.final_value is not None:
            return node.final_value
        if isinstance(node, FuncDef) or (node is not None and e.fullname.startswith(library.ROOT)):
            found = library.function(e.fullname)
            if found is not None:
                return found
        constant = self.site.constant(node) if isinstance(node, Var) else None
        return _NOT_HERE if constant is None else self._part(constant)

    def _call(self, e: CallExpr) -> Any:
        """``P("data", None)``, written where it is used."""
        if not isinstance(e.callee, RefExpr) or e.callee.fullname != LAYOUT:
            return _NOT_HERE
        entries = tuple([self._part(x) for x in e.args])
        names = [x if isinstance(x, tuple) else () if x is None else (x,) for x in entries]
        if not all(isinstance(name, str) for axes in names for name in axes):
            return _NOT_HERE
        self.site.mesh_of(names)
        return P(*entries)

    def _lambda(self, e: LambdaExpr) -> Any:
        return self.site.lambda_(e)

    # types ----------------------------------------------------------------------------------------

    def type(self, t: Type, depth: int = 0) -> Any:
        """A value of a type."""
        p = get_proper_type(t)
        if depth > DEPTH or is_recursive(t):
            raise Undecided("a type that holds itself")
        reader = _TYPES.get(type(p))
        if reader is None:
            raise Undecided(f"a {type(p).__name__}")
        return reader(self, p, depth)

    def _literal(self, t: LiteralType, depth: int) -> Any:
        return t.value

    def _none(self, t: NoneType, depth: int) -> Any:
        return None

    def _tuple(self, t: TupleType, depth: int) -> Any:
        if any(isinstance(x, UnpackType) for x in t.items):
            raise Undecided("a tuple of unknown length")
        items = [self.type(x, depth + 1) for x in t.items]
        info = t.partial_fallback.type
        if info.fullname == LAYOUT:
            raise Undecided("a layout that is not known")
        if info.fullname == "builtins.tuple":
            return tuple(items)
        if info.fullname == "builtins.list":
            return items
        names = tuple(info.metadata.get("namedtuple", {}).get("fields", ()))
        names = names or tuple([n for n, s in info.names.items() if isinstance(s.node, Var)])
        return Record(Origin(info.fullname, t), names[: len(items)], items)

    def _class(self, t: TypeType, depth: int) -> Any:
        item = get_proper_type(t.item)
        if isinstance(item, Instance):
            return self._class_of(item.type)
        raise Undecided("a class that is not known")

    def _class_of(self, info: TypeInfo) -> Any:
        found = PLAIN.get(info.fullname) or dtype_of(info)
        if found is None:
            raise Undecided(f"the class {info.name}")
        return found

    def _function(self, t: FunctionLike, depth: int) -> Any:
        if t.is_type_obj():
            return self._class_of(t.type_object())
        return self.site.function(t)

    def _instance(self, t: Instance, depth: int) -> Any:
        fullname = t.type.fullname
        if fullname == ARRAY:
            return self.array(t)
        if fullname == KEY:
            return self.key(t)
        if fullname == SIZE:
            return self.size(t)
        if fullname == MESH:
            return self.site.mesh
        if fullname == LAYOUT:
            raise Undecided("a layout that is not known")
        if fullname in PLAIN:
            known = t.last_known_value
            return Number(PLAIN[fullname]) if known is None else known.value
        if fullname == "builtins.str":
            if t.last_known_value is None:
                raise Undecided("a string that is not known")
            return t.last_known_value.value
        if fullname in ("builtins.ellipsis", "types.EllipsisType"):
            return ...
        if fullname in NUMPY or any(t.type.has_base(n) for n in NUMPY):
            return Open(SomeDType(""), ANY_SHAPE)
        if fullname in SEQUENCES:
            return self._many(t, depth)
        if fullname == "builtins.slice":
            return slice(*[self.type(a, depth + 1) for a in t.args])
        built = self.site.built(t)
        if built is not None:
            return built
        return self._object(t, depth)

    def _many(self, t: Instance, depth: int) -> Any:
        if not t.args:
            raise Undecided("a container of what is not known")
        name = t.type.fullname
        if name == "builtins.dict":
            name = f"{name}[{t.args[0]}]"
        return Many(Origin(name, t), self.type(t.args[-1], depth + 1))

    def _object(self, t: Instance, depth: int) -> Any:
        """An instance of a class of the user's."""
        partial = None if t.extra_attrs is None else t.extra_attrs.attrs.get("__mypy_partial")
        if partial is not None:
            return self.type(partial, depth + 1)
        call = find_member("__call__", t, t, is_operator=True)
        proper = None if call is None else get_proper_type(call)
        run = self.site.function(proper) if isinstance(proper, FunctionLike) else None
        fields = struct_fields(t)
        if fields is None:
            return run if run is not None else Opaque(Origin(str(t), t))
        values = [self._field(f, depth + 1) for f in fields]
        return Record(Origin(t.type.fullname, t), tuple([f.name for f in fields]), values, run)

    def _field(self, f: Field, depth: int) -> Any:
        """A field of a struct; a static one is a part of the structure."""
        opaque = Opaque(Origin(str(f.type), f.type))
        if f.static:
            return opaque
        try:
            return self.type(f.type, depth)
        except Undecided:
            return opaque

    # arrays ---------------------------------------------------------------------------------------

    def array(self, t: Instance) -> Any:
        """An array, open where its type is."""
        dtype = self._dtype(get_proper_type(t.args[0]))
        self.site.open |= isinstance(dtype, SomeDType)
        dims = [self._dim(arg) for arg in t.args[1:]]
        cuts = tuple([axes_of(arg) for arg in t.args[1:]])
        if isinstance(dtype, SomeDType) or any(isinstance(n, Rest) for n in dims):
            if any(cuts):
                raise Undecided("an open shape that is cut")
            return Open(dtype, tuple(dims))
        shape: Any = tuple(dims)
        if not any(cuts):
            return ArrayType(shape, dtype)
        return ArrayType(shape, dtype, Spec(self.site.mesh_of(cuts), cuts))

    def key(self, t: Instance) -> Any:
        """A key or an array of keys, open where its shape is."""
        dims = tuple([self._dim(arg) for arg in t.args])
        if any(isinstance(n, Rest) for n in dims):
            return Open(None, dims)
        shape: Any = dims
        return KeyType(IMPL, shape)

    def _dtype(self, t: ProperType) -> DType | SomeDType:
        if isinstance(t, Instance):
            found = dtype_of(t.type)
            if found is not None:
                return found
        if isinstance(t, TypeVarType):
            return SomeDType(self.names.name(t))
        return SomeDType("")

    def _dim(self, t: Type) -> Size | Rest:
        p = get_proper_type(t)
        self.site.open |= isinstance(p, (UnpackType, TypeVarTupleType))
        if isinstance(p, UnpackType):
            inner = get_proper_type(p.type)
            return Rest(self.names.name(inner) if isinstance(inner, TypeVarTupleType) else "")
        if isinstance(p, TypeVarTupleType):
            return Rest(self.names.name(p))
        return self.size(p)

    def size(self, t: Type) -> Size:
        """A size; one of which nothing is known gets a name of its own."""
        found = self.names.size(t)
        if found is not None:
            return found
        self.unknown += 1
        return unknown_size(self.unknown - 1)


_NOT_HERE: Any = object()


def axes_of(t: Type) -> tuple[str, ...]:
    """The mesh axes that cut a dim."""
    p = get_proper_type(t)
    if not isinstance(p, Instance) or p.type.fullname != SHARDED:
        return ()
    axes = [get_proper_type(a) for a in p.args[1:]]
    return tuple([str(a.value) for a in axes if isinstance(a, LiteralType)])


def dtype_of(info: TypeInfo) -> DType | None:
    """The dtype that a class is, or None."""
    fullname = info.fullname
    return BY_NAME.get(info.name.rstrip("_")) if fullname.startswith(DTYPE) else None


_EXPRESSIONS: dict[type, Callable[..., Any]] = {
    EllipsisExpr: lambda r, e: ...,
    SliceExpr: Reader._slice,
    TupleExpr: Reader._items,
    ListExpr: Reader._items,
    DictExpr: Reader._dict,
    UnaryExpr: Reader._unary,
    IntExpr: lambda r, e: e.value,
    FloatExpr: lambda r, e: e.value,
    ComplexExpr: lambda r, e: e.value,
    StrExpr: lambda r, e: e.value,
    NameExpr: Reader._reference,
    MemberExpr: Reader._reference,
    LambdaExpr: Reader._lambda,
    CallExpr: Reader._call,
    OpExpr: Reader._operation,
}
_TYPES: dict[type, Callable[..., Any]] = {
    LiteralType: Reader._literal,
    NoneType: Reader._none,
    TupleType: Reader._tuple,
    TypeType: Reader._class,
    CallableType: Reader._function,
    Overloaded: Reader._function,
    Instance: Reader._instance,
    TypeVarType: lambda r, t, depth: Opaque(Origin(f"{t.fullname}:{t.id}", t)),
}


def unions(types: list[Type]) -> list[list[Type]] | None:
    """The ways to choose an item of every union; None where there are too many."""
    out: list[list[Type]] = [[]]
    for t in types:
        p = get_proper_type(t)
        items = [*_array_like(p.items)] if isinstance(p, UnionType) else [t]
        out = [[*row, item] for row in out for item in items]
        if len(out) > 6:
            return None
    return out


def _array_like(items: list[Type]) -> list[Type]:
    """The items of a union; an array of which nothing is known stands for numbers and NumPy."""
    for item in items:
        p = get_proper_type(item)
        if isinstance(p, Instance) and p.type.fullname == ARRAY and is_any(p.args[0]):
            rest = [get_proper_type(i) for i in items if i is not item]
            if all(isinstance(r, Instance) and _is_operand(r) for r in rest):
                return [item]
    return items


def _is_operand(t: Instance) -> bool:
    return t.type.fullname in PLAIN or any(t.type.has_base(n) for n in NUMPY)


def is_any(t: Type) -> bool:
    """Whether nothing is known of a type."""
    return isinstance(get_proper_type(t), AnyType)
