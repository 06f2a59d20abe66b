"""What an analysis asks about types, and whether the answers are still the same.

While a function is being checked, some of its expressions have no type yet: then the declared
types of names, attributes and functions answer, or nothing does. The answers are kept: an analysis
is a function of the syntax tree and of them, so that it need not be repeated while they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from mypy.nodes import (
    CallExpr,
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    OverloadedFuncDef,
    RefExpr,
    SymbolNode,
    TypeInfo,
    Var,
)
from mypy.subtypes import find_member
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Overloaded,
    ProperType,
    TupleType,
    Type,
    TypedDictType,
    UnionType,
    get_proper_type,
)

from verax.dsl.lang.array import Array
from verax.dsl.lang.key import Key

Lookup: TypeAlias = Callable[[Expression], Type | None]


def full_name(c: type) -> str:
    """The name of a class as mypy has it."""
    return f"{c.__module__}.{c.__qualname__}"


KEY, ARRAY = full_name(Key), full_name(Array)


class Asked:
    """Types of expressions, as far as they are known now."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._answers: dict[Expression, Type | None] = {}

    def type_of(self, e: Expression) -> ProperType | None:
        """The type of an expression; None where it is not known, or Any."""
        if e in self._answers:
            found = self._answers[e]
        else:
            found = self._answers[e] = _find(e, self._lookup)
        proper = get_proper_type(found)
        return None if isinstance(proper, AnyType) else proper

    @property
    def complete(self) -> bool:
        """Whether every question was answered."""
        return None not in self._answers.values()

    @property
    def is_answered(self) -> bool:
        """Whether every question that had no answer has one now."""
        return all(_find(e, self._lookup) for e, t in self._answers.items() if t is None)

    def holds(self, lookup: Lookup) -> bool:
        """Whether everything would be answered in the same way again."""
        for e, t in self._answers.items():
            found = _find(e, lookup)
            if found is not t and found != t:
                return False
        return True


def _find(e: Expression, lookup: Lookup) -> Type | None:
    found = lookup(e)
    return _declared(e, lookup) if found is None else found


def _declared(e: Expression, lookup: Lookup) -> Type | None:
    """The type of an expression that has not been checked, from what was declared."""
    if isinstance(e, RefExpr) and isinstance(e.node, TypeInfo):
        init = member(e.node, "__init__")
        return None if init is None else without_self(init)
    if isinstance(e, RefExpr) and e.node is not None:
        return type_of_node(e.node)
    if isinstance(e, MemberExpr):
        base = lookup(e.expr)
        info = info_of(get_proper_type(_declared(e.expr, lookup) if base is None else base))
        node = member(info, e.name)
        return None if node is None else without_self(node)
    if isinstance(e, CallExpr):
        if isinstance(e.callee, RefExpr) and isinstance(e.callee.node, TypeInfo):
            return Instance(e.callee.node, [])
        callee = lookup(e.callee)
        proper = get_proper_type(_declared(e.callee, lookup) if callee is None else callee)
        if isinstance(proper, CallableType):
            return proper.ret_type
    return None


def type_of_node(node: SymbolNode) -> Type | None:
    """The type of what a name stands for."""
    if isinstance(node, Var | FuncDef | OverloadedFuncDef):
        return node.type
    if isinstance(node, Decorator):
        return node.var.type or node.func.type
    return None


def without_self(node: SymbolNode) -> Type | None:
    """The type of an attribute; a method has its object already."""
    t = get_proper_type(type_of_node(node))
    function = node.func if isinstance(node, Decorator) else node
    if isinstance(node, Var) or getattr(function, "is_static", False):
        return t
    if isinstance(t, CallableType) and t.arg_types:
        rest = t.arg_types[1:], t.arg_kinds[1:], t.arg_names[1:]
        return t.copy_modified(arg_types=rest[0], arg_kinds=rest[1], arg_names=rest[2])
    return None if isinstance(t, Overloaded) else t


def member(info: TypeInfo | None, name: str) -> SymbolNode | None:
    """What a class has under this name."""
    found = None if info is None else info.get(name)
    return None if found is None else found.node


def info_of(t: ProperType | None) -> TypeInfo | None:
    """The class of the values of a type, if there is one class; None is not counted."""
    if isinstance(t, UnionType):
        found = {info_of(get_proper_type(x)) for x in t.items} - {None}
        return found.pop() if len(found) == 1 else None
    if isinstance(t, TupleType):
        return t.partial_fallback.type
    if isinstance(t, TypedDictType):
        return t.fallback.type
    if isinstance(t, Instance):
        return t.type
    return None


def is_frozen(t: ProperType | None) -> bool:
    """Whether the attributes of the values never change."""
    info = info_of(t)
    if info is None:
        return False
    if info.is_named_tuple or info.fullname in _FROZEN:
        return True
    found = [info.metadata.get(kind, {}).get("frozen") for kind in ("dataclass", "attrs")]
    return any(found)


_FROZEN = {
    KEY,
    ARRAY,
    *(f"builtins.{name}" for name in ("int", "float", "bool", "str", "bytes", "tuple", "complex")),
}


def is_named(t: Type | None, name: str) -> bool:
    """Whether these are values of the class, or None."""
    proper = get_proper_type(t)
    if isinstance(proper, UnionType):
        items = [get_proper_type(x) for x in proper.items]
        return any(isinstance(x, Instance) and x.type.fullname == name for x in items)
    return isinstance(proper, Instance) and proper.type.fullname == name


def holds_named(t: Type | None, name: str, depth: int = 3) -> bool:
    """Whether such a value stands in the values of the type: in a tuple, list or dict of them.

    Types may be recursive: only the first levels are looked at.
    """
    proper = get_proper_type(t)
    if depth < 0 or is_named(proper, name):
        return depth >= 0
    inner: Sequence[Type] = ()
    if isinstance(proper, TupleType | UnionType):
        inner = proper.items
    elif isinstance(proper, Instance) and proper.args:
        if proper.type.fullname.startswith(("builtins.", "typing.", "collections.")):
            inner = proper.args
    return any(holds_named(x, name, depth - 1) for x in inner)


def callables(t: ProperType | None) -> Iterator[CallableType]:
    """The signatures of what can be called."""
    if isinstance(t, Instance):
        t = get_proper_type(find_member("__call__", t, t))
    if isinstance(t, CallableType):
        yield t
    elif isinstance(t, Overloaded):
        yield from t.items
