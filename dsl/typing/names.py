"""Names of dims, ranks and dtypes inside one call, and the checker's types that they stand for.

A dim is called by the name of its class or type variable, so that messages read as the user wrote;
two dims that are called the same are told apart by their module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mypy.types import (
    AnyType,
    Instance,
    LiteralType,
    Type,
    TypeAliasType,
    TypeOfAny,
    TypeVarId,
    TypeVarTupleType,
    TypeVarType,
    get_proper_type,
)

from verax.compiler.ir.sizes import Monomial, Size, dim
from verax.dsl.typing.described import is_unknown

Named: TypeAlias = Callable[[str, list[Type]], Instance]
"""Makes an instance of the class of this full name."""

HERE = "verax.dsl.lang.typing."
ADD, MUL, SHARDED, SIZE, DIM = (HERE + n for n in ("Add", "Mul", "Sharded", "Size", "Dim"))

ARRAY = "verax.dsl.lang.array.Array"
KEY = "verax.dsl.lang.key.Key"
POLY = "verax.compiler.ir.sizes.Poly"
DIMS_FROM = {ARRAY: 1, KEY: 0}
"""The classes of values with a shape, and where the dims begin among their type arguments."""
ALIASES = frozenset({ARRAY, *(HERE + name for name in (
    "Bool", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64",
    "BF16", "F16", "F32", "F64", "C64", "C128",
))})  # fmt: skip
"""What annotations of arrays are written with."""


def is_recursive(t: Type) -> bool:
    """Whether a type is an alias that holds itself, as those of trees do: it is not walked."""
    return isinstance(t, TypeAliasType) and t.is_recursive


def anything() -> AnyType:
    """The type of what is not known."""
    return AnyType(TypeOfAny.special_form)


class Names:
    """What the names in the described arguments of a call stand for.

    Attributes:
        called: what dims and variables are called, by full name (and id).
        inside: the dims that a run of dims is tried as are type variables of their own.
    """

    def __init__(self, named: Named) -> None:
        self.named = named
        self._types: dict[str, Type] = {}
        self.called: dict[object, str] = {}
        self._runs: dict[str, TypeVarType] = {}
        self.inside = False

    def name(self, t: Instance | TypeVarType | TypeVarTupleType) -> str:
        """What a class or a variable is called."""
        key: object = t.type.fullname if isinstance(t, Instance) else (t.fullname, t.id)
        found = self.called.get(key)
        if found is None:
            found = t.type.name if isinstance(t, Instance) else t.name
            if found in self._types:
                found = t.type.fullname if isinstance(t, Instance) else t.fullname
            while found in self._types:
                found += "'"
            self.called[key] = found
            self._types[found] = t
        return found

    def type_of(self, name: str) -> Type | None:
        """What a name stands for; None for one that no type has."""
        found = self._types.get(name)
        return self._one_of_run(name) if found is None and self.inside else found

    def _one_of_run(self, name: str) -> Type | None:
        """The dim ``Ds.0`` of a run ``*Ds``, in one of the ranks that are tried."""
        run, _, at = name.rpartition(".")
        of = self._types.get(run)
        if not at.isdigit() or not isinstance(of, TypeVarTupleType):
            return None
        found = self._runs.get(name)
        if found is None:
            key = TypeVarId(-1 - int(at), namespace=f"{of.fullname}.")
            bound, default = self.named(DIM, []), AnyType(TypeOfAny.from_omitted_generics)
            found = TypeVarType(name, f"{of.fullname}.{at}", key, [], bound, default)
            self._runs[name] = found
            self.called[found.fullname, key] = name
        return found

    # sizes ----------------------------------------------------------------------------------------

    def size(self, t: Type) -> Size | None:
        """The size that a dim has, or None where nothing is known of it."""
        t = get_proper_type(t)
        if isinstance(t, LiteralType):
            return t.value if isinstance(t.value, int) else None
        if isinstance(t, TypeVarType):
            return dim(self.name(t))
        if not isinstance(t, Instance):
            return None
        fullname = t.type.fullname
        if fullname in (ADD, MUL):
            total: Size = 0 if fullname == ADD else 1
            for arg in t.args:
                n = self.size(arg)
                if n is None:
                    return None
                total = total + n if fullname == ADD else total * n
            return total
        if fullname in (SHARDED, SIZE):
            return self.size(t.args[0]) if t.args else None
        if t.last_known_value is not None:
            return self.size(t.last_known_value)
        if t.type.has_base(DIM) and fullname != DIM:
            return dim(self.name(t))
        return None

    def literal(self, value: int | str | bool) -> LiteralType:
        """The type of one Python value."""
        return LiteralType(value, self.named(f"builtins.{type(value).__name__}", []))

    def dim_type(self, size: Size) -> Type:
        """The dim that has this size, written in one way: sums of products, constants last."""
        if isinstance(size, int):
            return self.literal(size)
        if is_unknown(size):
            return anything()
        terms: list[tuple[tuple[str, ...], Type]] = []
        for monomial, c in size.terms:
            term = self._term(monomial, c)
            if term is None:
                return anything()
            terms.append(term)
        terms.sort(key=lambda term: (not term[0], term[0]))
        return terms[0][1] if len(terms) == 1 else self.named(ADD, [t for _, t in terms])

    def _term(self, monomial: Monomial, c: int) -> tuple[tuple[str, ...], Type] | None:
        found = [self.type_of(name) for name in monomial]
        if any(t is None for t in found):
            return None
        factors = sorted([(_order(t), t) for t in found if t is not None], key=lambda f: f[0])
        types = [t for _, t in factors]
        if c != 1 or not types:
            types.insert(0, self.literal(c))
        whole = types[0] if len(types) == 1 else self.named(MUL, types)
        return tuple([order for order, _ in factors]), whole


def _order(t: Type) -> str:
    """What dims are sorted by: it is the same in every run."""
    if isinstance(t, Instance):
        return t.type.fullname
    assert isinstance(t, (TypeVarType, TypeVarTupleType))
    return f"{t.fullname}:{t.id.namespace}"
