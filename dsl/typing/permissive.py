"""Signatures whose array parameters take anything, so that the library's own check is the judge.

As context for inference ``Array[Any, ...]`` would make inner generic calls Any; ``object`` does
not.
"""

from __future__ import annotations

from typing import NamedTuple

from mypy.erasetype import erase_typevars
from mypy.nodes import Decorator, SymbolNode
from mypy.type_visitor import TypeTranslator
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Parameters,
    TupleType,
    Type,
    TypeAliasType,
    TypeOfAny,
    TypeType,
    TypeVarLikeType,
    UnionType,
    UnpackType,
    get_proper_type,
)

from verax.dsl.typing.names import ARRAY, KEY, POLY, Named, is_recursive


def permissive(signature: CallableType, named: Named, *, function: bool = False) -> CallableType:
    """The signature with ``object`` for what arrays are passed to, and an open result.

    Args:
        function: the result is a function, and stays one.
    """
    arg_types, result = _parts(signature, named)
    if function:
        result = erase_typevars(signature.ret_type)
    return signature.copy_modified(arg_types=arg_types, ret_type=result, variables=[])


class _Parts(NamedTuple):
    """The types in a permissive signature."""

    arg_types: list[Type]
    result: Type


_KEPT: dict[SymbolNode, tuple[CallableType, _Parts]] = {}
"""By definition, with its type: what type variables stand for in a call changes nothing."""


def _parts(signature: CallableType, named: Named) -> _Parts:
    node = signature.definition
    declared = node.func.type if isinstance(node, Decorator) else getattr(node, "type", None)
    if node is None or not isinstance(declared, CallableType):
        return _made(signature, named)
    kept = _KEPT.get(node)
    if kept is None or kept[0] is not declared:
        kept = _KEPT[node] = declared, _made(declared, named)
    parts = kept[1]
    bound = len(parts.arg_types) - len(signature.arg_types)  # whether self was given
    return parts if not bound else _Parts(parts.arg_types[bound:], parts.result)


def _made(signature: CallableType, named: Named) -> _Parts:
    anything = named("builtins.object", [])
    ret: Type = signature.ret_type
    result = AnyType(TypeOfAny.special_form) if mentions_arrays(ret) else opened(ret, named)
    arg_types = [
        anything if mentions_arrays(t) else t.accept(_Loose(named)) for t in signature.arg_types
    ]
    return _Parts(arg_types, result)


def mentions_arrays(t: Type) -> bool:
    """Whether a type mentions arrays, type variables or Any."""
    p = get_proper_type(t)
    if is_recursive(t):
        return False
    if isinstance(p, Instance):
        return p.type.fullname == ARRAY or (
            p.type.fullname != KEY and any(map(mentions_arrays, p.args))
        )
    if isinstance(p, UnionType):
        return any(map(mentions_arrays, p.items))
    if isinstance(p, TupleType):
        return any(map(mentions_arrays, p.items))
    if isinstance(p, (CallableType, Parameters)):
        inner = any(map(mentions_arrays, p.arg_types))
        return inner or (isinstance(p, CallableType) and mentions_arrays(p.ret_type))
    if isinstance(p, UnpackType):
        return mentions_arrays(p.type)
    if isinstance(p, TypeType):
        return mentions_arrays(p.item)
    return isinstance(p, (AnyType, TypeVarLikeType))


class _Loose(TypeTranslator):
    """Keys of any shape and tuples of sizes of any length: overloads tell ranks apart, and a call
    that is an error fits the first of them.
    """

    def __init__(self, named: Named) -> None:
        super().__init__()
        self.named = named

    def visit_instance(self, t: Instance, /) -> Type:
        if t.type.fullname == KEY:
            return any_key(self.named)
        return super().visit_instance(t) if t.args else t

    def visit_tuple_type(self, t: TupleType, /) -> Type:
        if not all(map(_is_size, t.items)):
            return t
        sizes = [self.named("builtins.int", []), self.named(POLY, [])]
        return self.named("typing.Sequence", [UnionType(sizes)])

    def visit_type_alias_type(self, t: TypeAliasType, /) -> Type:
        return t if is_recursive(t) else get_proper_type(t).accept(self)


def _is_size(t: Type) -> bool:
    p = get_proper_type(t)
    if isinstance(p, UnionType):
        return all(map(_is_size, p.items))
    return isinstance(p, Instance) and p.type.fullname in ("builtins.int", POLY)


class _Open(TypeTranslator):
    """Every array of unknown shape and dtype, every key of unknown shape."""

    def __init__(self, named: Named) -> None:
        super().__init__()
        self.named = named

    def visit_instance(self, t: Instance, /) -> Type:
        if t.type.fullname == ARRAY:
            return any_array(self.named)
        if t.type.fullname == KEY:
            return any_key(self.named)
        return super().visit_instance(t) if t.args else t

    def visit_type_alias_type(self, t: TypeAliasType, /) -> Type:
        return t if is_recursive(t) else get_proper_type(t).accept(self)


def any_array(named: Named) -> Instance:
    """The type of an array of which nothing is known."""
    return named(ARRAY, [AnyType(TypeOfAny.special_form), _any_dims(named)])


def any_key(named: Named) -> Instance:
    """The type of a key, or of an array of keys."""
    return named(KEY, [_any_dims(named)])


def _any_dims(named: Named) -> UnpackType:
    return UnpackType(named("builtins.tuple", [AnyType(TypeOfAny.special_form)]))


def opened(t: Type, named: Named) -> Type:
    """A type in which nothing is known of any array: what a call gives that is an error."""
    return t.accept(_Open(named))
