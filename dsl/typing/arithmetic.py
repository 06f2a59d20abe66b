"""Arithmetic of dims in signatures: ``Add`` and ``Mul`` are equal where their normal forms are.

mypy compares classes by their parameters, one by one. So what the user writes is brought into the
order in which results are written, and what substitution of type variables breaks is mended.

Law: two dims that are equal as polynomials are one type wherever mypy compares them.
"""

from __future__ import annotations

from mypy.plugin import AnalyzeTypeContext
from mypy.type_visitor import TypeTranslator
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    PlaceholderType,
    TupleType,
    Type,
    TypeAliasType,
    TypeOfAny,
    TypeType,
    UnboundType,
    UnionType,
    get_proper_type,
)

from verax.dsl.typing.errors import CODES
from verax.dsl.typing.names import ADD, ARRAY, DIM, MUL, SHARDED, Named, Names, is_recursive

ARITHMETIC = frozenset({ADD, MUL})


def has_arithmetic(t: Type, depth: int = 0) -> bool:
    """Whether a type mentions sums or products of dims."""
    p = get_proper_type(t)
    if depth > 12 or is_recursive(t):
        return False
    if isinstance(p, Instance):
        return p.type.fullname in ARITHMETIC or _any(p.args, depth)
    if isinstance(p, (UnionType, TupleType)):
        return _any(p.items, depth)
    if isinstance(p, CallableType):
        return _any((*p.arg_types, p.ret_type), depth)
    if isinstance(p, TypeType):
        return has_arithmetic(p.item, depth + 1)
    return False


def _any(types: tuple[Type, ...] | list[Type], depth: int) -> bool:
    return any(has_arithmetic(t, depth + 1) for t in types)


def analyzed(ctx: AnalyzeTypeContext, fullname: str, named: Named) -> Type:
    """``Add[...]`` or ``Mul[...]`` as the user wrote it, in its normal form."""
    args = [ctx.api.analyze_type(a) for a in ctx.type.args]
    t = named(fullname, args)
    if any(isinstance(a, (UnboundType, PlaceholderType)) for a in args):
        return t
    names = Names(named)
    size = names.size(t)
    if size is not None:
        return names.dim_type(size)
    if not any(isinstance(get_proper_type(a), AnyType) for a in args):
        name = fullname.rpartition(".")[2]
        ctx.api.fail(
            f"{name}[...] takes dims: subclasses of vx.Dim, type variables and Literal ints",
            ctx.context,
            code=CODES["verax-shape"],
        )
    return AnyType(TypeOfAny.from_error)


def check_dims(ctx: AnalyzeTypeContext, t: Type) -> None:
    """Report what stands for a dim in an annotation of an array and is none."""
    p = get_proper_type(t)
    if not isinstance(p, Instance) or p.type.fullname != ARRAY:
        return
    for arg in map(get_proper_type, p.args[1:]):
        if isinstance(arg, Instance) and not arg.type.has_base(DIM):
            ctx.api.fail(
                f"{arg.type.name} is no dim: write a subclass of vx.Dim, a type variable or"
                " Literal[n]",
                ctx.context,
                code=CODES["verax-shape"],
            )


class _Normal(TypeTranslator):
    """Every sum and product of dims in its normal form."""

    def __init__(self, named: Named) -> None:
        super().__init__()
        self.named = named

    def visit_instance(self, t: Instance, /) -> Type:
        if t.type.fullname in ARITHMETIC:
            names = Names(self.named)
            size = names.size(t)
            return t if size is None else names.dim_type(size)
        return super().visit_instance(t) if t.args else t

    def visit_type_alias_type(self, t: TypeAliasType, /) -> Type:
        return t if is_recursive(t) else get_proper_type(t).accept(self)


def normal(t: Type, named: Named) -> Type:
    """A type with every sum and product of dims in its normal form."""
    return t.accept(_Normal(named)) if has_arithmetic(t) else t


class _Uncut(TypeTranslator):
    """Every dim without the mesh axes that cut it."""

    def visit_instance(self, t: Instance, /) -> Type:
        if t.type.fullname == SHARDED and t.args:
            return t.args[0].accept(self)
        return super().visit_instance(t) if t.args else t

    def visit_type_alias_type(self, t: TypeAliasType, /) -> Type:
        return t if is_recursive(t) else get_proper_type(t).accept(self)


def without_cuts(t: Type) -> Type:
    """A type without what cuts its dims: inside a program types carry no layout."""
    return t.accept(_Uncut())
