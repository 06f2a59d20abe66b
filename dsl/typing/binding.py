"""Calls of the user's functions: what their dims are bound to before mypy matches the arguments.

A named dim of a function is any size, one per call: where an argument has a literal size there, the
dim is that number for the whole call, in the other parameters and in the result. Sums and products
of dims in a parameter are solved for the type variable in them. What does not fit is said as at run
time, and mypy's own comparison is left out for it.

Law: a call is refused where no sizes of the named dims and type variables make all arguments fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mypy.checker import TypeChecker
from mypy.expandtype import expand_type
from mypy.nodes import CallExpr, MemberExpr, NameExpr
from mypy.plugin import FunctionSigContext, MethodSigContext
from mypy.type_visitor import TypeTranslator
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    LiteralType,
    NoneType,
    TupleType,
    Type,
    TypeAliasType,
    TypeVarId,
    TypeVarTupleType,
    TypeVarType,
    UnionType,
    UnpackType,
    get_proper_type,
)

from verax.compiler.ir.sizes import Poly, Size, divide
from verax.dsl.typing.arithmetic import ARITHMETIC, has_arithmetic, normal
from verax.dsl.typing.declared import Given, refusal
from verax.dsl.typing.described import names_in
from verax.dsl.typing.errors import report
from verax.dsl.typing.names import DIM, DIMS_FROM, SHARDED, Named, Names, anything, is_recursive
from verax.dsl.typing.reading import axes_of


class Pair(NamedTuple):
    """A dim of a parameter, and what stands there in the argument."""

    formal: Type
    actual: Type


def bound(ctx: FunctionSigContext | MethodSigContext, named: Named) -> FunctionLike:
    """The signature of a call with its dims bound as far as the arguments say."""
    signature = ctx.default_signature
    assert isinstance(ctx.api, TypeChecker)
    if not any(map(_has_dims, signature.arg_types)):
        return signature
    pairs: list[Pair] = []
    params: list[Given] = []
    for formal, name, given in zip(signature.arg_types, signature.arg_names, ctx.args):
        if len(given) == 1 and _has_dims(formal):
            actual = ctx.api.get_expression_type(given[0])
            where = name or f"argument {len(params)}"
            pairs += _pairs(formal, actual)
            params.append(Given(where, formal, actual))
    if not params:
        return signature
    call = _Call(ctx, signature, named)
    call.bind_dims(pairs)
    call.compare(params)
    call.bind_variables(pairs)
    call.solve(pairs)
    return call.signature()


class _Call:
    """One call while its dims are bound.

    Attributes:
        dims: what named dims are: literals, or Any where no argument says.
        fixed: the named dims that the object has whose method is called: they stay.
        variables: what type variables are.
        refused: the parameters whose arguments do not fit.
    """

    def __init__(
        self, ctx: FunctionSigContext | MethodSigContext, signature: CallableType, named: Named
    ) -> None:
        self.ctx, self.callee, self.named = ctx, signature, named
        self.names = Names(named)
        self.dims: dict[str, Type] = {}
        self.variables: dict[TypeVarId, Type] = {}
        self.refused: frozenset[str] = frozenset()
        self.fixed = _dims_of(ctx.type) if isinstance(ctx, MethodSigContext) else set()

    def bind_dims(self, pairs: list[Pair]) -> None:
        """Named dims that meet literals are these; those that meet nothing known are open."""
        met: dict[str, set[str]] = {}
        for formal, actual in pairs:
            f, a = get_proper_type(formal), get_proper_type(actual)
            if not _is_named_dim(f):
                continue
            assert isinstance(f, Instance)
            name = f.type.fullname
            if name in self.fixed:
                continue
            met.setdefault(name, set()).add(type(a).__name__)
            if isinstance(a, LiteralType):
                if not isinstance(self.dims.get(name), LiteralType):
                    self.dims[name] = a
            elif isinstance(a, AnyType):
                self.dims.setdefault(name, a)
        for name, kinds in met.items():
            if "Instance" in kinds and name in self.dims and "LiteralType" not in kinds:
                del self.dims[name]

    def compare(self, params: list[Given]) -> None:
        """Refuse the call where what is given is not what is declared."""
        own = [v.id for v in self.callee.variables]
        found = refusal(self.who, params, own, self.named, self.fixed)
        if found is not None:
            report(self.ctx.api, found.error, self.ctx.context)
            self.refused = found.parameters

    @property
    def who(self) -> str:
        """The function, as messages call it."""
        name = (self.callee.name or "the function").partition(" of ")[0]
        callee = self.ctx.context.callee if isinstance(self.ctx.context, CallExpr) else None
        if name == "__call__" and isinstance(callee, (NameExpr, MemberExpr)):
            return callee.name
        return name

    def bind_variables(self, pairs: list[Pair]) -> None:
        """Type variables that stand alone are what they meet first, where sums need them.

        In a sum in the result too: mypy would solve it for what the context expects, term by term.
        """
        sums = any(has_arithmetic(p.formal) for p in pairs)
        if not sums and not has_arithmetic(self.callee.ret_type):
            return
        for formal, actual in pairs:
            f = get_proper_type(formal)
            if isinstance(f, TypeVarType):
                self.variables.setdefault(f.id, actual)

    def solve(self, pairs: list[Pair]) -> None:
        """Solve sums and products for the one type variable in them that is not bound."""
        free = [v for v in self.callee.variables if isinstance(v, TypeVarType)]
        for formal, actual in pairs:
            if not has_arithmetic(formal):
                continue
            wanted = self.names.size(self.put(formal))
            given = self.names.size(actual)
            if wanted is None or given is None:
                continue
            inside = [
                v for v in free
                if v.id not in self.variables and self.names.name(v) in names_in(wanted)
            ]  # fmt: skip
            if len(inside) == 1:
                value = solve_for(wanted, self.names.name(inside[0]), given)
                if value is not None:
                    self.variables[inside[0].id] = self.names.dim_type(value)

    def put(self, t: Type) -> Type:
        """A type with what is bound in it."""
        if self.dims:
            t = t.accept(_Bound(self.dims))
        return normal(expand_type(t, self.variables), self.named)

    def signature(self) -> CallableType:
        """The signature with what is bound in it; an instance is of its class at all sizes."""
        own = self.callee.is_type_obj()
        return self.callee.copy_modified(
            arg_types=[
                anything() if n in self.refused else self.put(t)
                for n, t in zip(self.callee.arg_names, self.callee.arg_types)
            ],
            ret_type=self.callee.ret_type if own else self.put(self.callee.ret_type),
            variables=[v for v in self.callee.variables if v.id not in self.variables],
        )


class _Bound(TypeTranslator):
    """What named dims are bound to, in their place."""

    def __init__(self, dims: dict[str, Type]) -> None:
        super().__init__()
        self.dims = dims

    def visit_instance(self, t: Instance, /) -> Type:
        found = self.dims.get(t.type.fullname)
        if found is not None:
            return found
        return super().visit_instance(t) if t.args else t

    def visit_tuple_type(self, t: TupleType, /) -> Type:
        return super().visit_tuple_type(t) if _is_plain(t) else t

    def visit_type_alias_type(self, t: TypeAliasType, /) -> Type:
        return t if is_recursive(t) else get_proper_type(t).accept(self)


def _is_plain(t: TupleType) -> bool:
    """Whether a type is that of tuples or lists, and not of a named tuple."""
    return t.partial_fallback.type.fullname in ("builtins.tuple", "builtins.list")


def _pairs(formal: Type, actual: Type) -> Iterator[Pair]:
    """The dims that stand in one place, through containers and optional parameters."""
    f, a = get_proper_type(formal), get_proper_type(actual)
    if isinstance(f, UnionType):
        items = [i for i in f.relevant_items() if not isinstance(get_proper_type(i), NoneType)]
        if len(items) == 1:
            yield from _pairs(items[0], actual)
    elif isinstance(f, Instance) and isinstance(a, Instance) and f.type is a.type:
        at = DIMS_FROM.get(f.type.fullname)
        if at is not None:
            yield from _dims(f.args[at:], a.args[at:])
        elif len(f.args) == len(a.args):
            for x, y in zip(f.args, a.args):
                yield from _pairs(x, y) if not _is_dim(x) else _dim_pair(x, y)
    elif isinstance(f, TupleType) and isinstance(a, TupleType) and len(f.items) == len(a.items):
        if _is_plain(f):
            for x, y in zip(f.items, a.items):
                yield from _pairs(x, y)


def _dims(formal: Sequence[Type], actual: Sequence[Type]) -> Iterator[Pair]:
    runs = [i for i, x in enumerate(formal) if _is_open(x)]
    if runs:  # what stands before the run, and after it
        before, after = formal[: runs[0]], formal[runs[0] + 1 :]
        if len(before) + len(after) <= len(actual) and not any(map(_is_open, actual)):
            for x, y in zip(
                (*before, *after), (*actual[: len(before)], *actual[len(actual) - len(after) :])
            ):
                yield from _dim_pair(x, y)
        return
    if any(map(_is_open, actual)):
        yield from [Pair(x, anything()) for x in formal]
        return
    if len(formal) != len(actual):
        return
    for x, y in zip(formal, actual):
        yield from _dim_pair(x, y)


def _dim_pair(x: Type, y: Type) -> Iterator[Pair]:
    """Two dims; of those that are cut alike, what is cut."""
    f, a = get_proper_type(x), get_proper_type(y)
    if isinstance(f, Instance) and isinstance(a, Instance) and f.type.fullname == SHARDED:
        if axes_of(f) == axes_of(a):
            yield Pair(f.args[0], a.args[0])
    else:
        yield Pair(x, y)


def _dims_of(t: Type) -> set[str]:
    """The named dims that stand for the parameters of a generic class."""
    p = get_proper_type(t)
    return set() if not isinstance(p, Instance) else set[str]().union(*map(_named_in, p.args))


def _named_in(t: Type) -> set[str]:
    """The named dims in one dim."""
    p = get_proper_type(t)
    if not isinstance(p, Instance) or not p.type.has_base(DIM):
        return set()
    return {p.type.fullname} if _is_named_dim(p) else _dims_of(p)


def _is_open(t: Type) -> bool:
    return isinstance(get_proper_type(t), (UnpackType, TypeVarTupleType))


def _is_named_dim(t: Type) -> bool:
    if not isinstance(t, Instance) or t.type.fullname in ARITHMETIC:
        return False
    return t.type.has_base(DIM) and t.type.fullname not in (DIM, SHARDED)


def _is_dim(t: Type) -> bool:
    p = get_proper_type(t)
    return isinstance(p, (LiteralType, TypeVarType)) or (
        isinstance(p, Instance) and p.type.has_base(DIM)
    )


def _has_dims(t: Type, depth: int = 0) -> bool:
    """Whether a type of a parameter mentions dims."""
    p = get_proper_type(t)
    if depth > 12 or is_recursive(t):
        return False
    if isinstance(p, Instance):
        at = DIMS_FROM.get(p.type.fullname)
        if at is not None:
            return len(p.args) > at
        return any(_is_dim(a) or _has_dims(a, depth + 1) for a in p.args)
    if isinstance(p, (UnionType, TupleType)):
        return any(_has_dims(i, depth + 1) for i in p.items)
    return False


def solve_for(size: Size, name: str, value: Size) -> Size | None:
    """What a dim that stands linearly in ``size`` must be for it to have this value.

    >>> from verax.compiler.ir.sizes import dim
    >>> solve_for(dim("N") * 2 + 1, "N", 7)
    3
    """
    if not isinstance(size, Poly):
        return None
    factor: Size = 0
    rest: Size = value
    for monomial, c in size.terms:
        others = tuple([n for n in monomial if n != name])
        if len(monomial) - len(others) > 1:
            return None
        term: Size = Poly(((others, c),)) if others else c
        if name in monomial:
            factor = factor + term
        else:
            rest = rest - term
    return divide(rest, factor)
