"""Which functions of a module are staged: by a decorator, or as arguments of the library.

A function is found by its name, as a lambda, through ``functools.partial``, and as a variable that
a lambda was assigned to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    Decorator,
    Expression,
    FuncDef,
    FuncItem,
    LambdaExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    Node,
    RefExpr,
    TupleExpr,
    Var,
)

from verax.dsl.typing.takers import RULES, TAKERS

PARTIAL = "functools.partial"


class Staged(NamedTuple):
    """A function that is staged.

    Attributes:
        function: its definition.
        how: by what, as messages call it.
        static: whether some arguments are Python's, so that none is known to be staged.
    """

    function: FuncItem
    how: str
    static: bool


def staged(nodes: Sequence[Node]) -> list[Staged]:
    """The functions of a module, of which these are all nodes, that are staged in it."""
    lambdas = dict(_lambdas(nodes))
    found: dict[FuncItem, Staged] = {}
    for node in nodes:
        for how, e, call in _given(node):
            for function in _functions(e, lambdas):
                static = call is not None and any(n and "static" in n for n in call.arg_names)
                found.setdefault(function, Staged(function, how, static))
    return list(found.values())


def _lambdas(nodes: Sequence[Node]) -> Iterator[tuple[Var, FuncItem]]:
    for node in nodes:
        if isinstance(node, AssignmentStmt) and isinstance(node.rvalue, LambdaExpr):
            for lv in node.lvalues:
                if isinstance(lv, NameExpr) and isinstance(lv.node, Var):
                    yield lv.node, node.rvalue


def _given(node: Node) -> Iterator[tuple[str, Node, CallExpr | None]]:
    """The functions that a node gives to the library: by what they are staged, and the call."""
    if isinstance(node, Decorator):
        for d in node.original_decorators:
            how = _stager(d)
            if how is not None:
                yield how, node.func, d if isinstance(d, CallExpr) else None
    elif isinstance(node, CallExpr):
        taker = TAKERS.get(_name(node.callee))
        positions = taker.functions if taker is not None and taker.stages else {}
        if not positions and isinstance(node.callee, MemberExpr):
            positions = RULES.get(node.callee.name, {})
        for i, a in enumerate(node.args):
            name = node.arg_names[i]
            if i in positions if name is None else name in positions.values():
                yield _last(node.callee), a, node


def _stager(d: Expression) -> str | None:
    """What stages, if this decorator does: ``@jit``, ``@jit(...)`` or ``@partial(jit, ...)``."""
    if isinstance(d, CallExpr):
        if _name(d.callee) == PARTIAL and d.args:
            return _stager(d.args[0])
        return _stager(d.callee) if not isinstance(d.callee, CallExpr) else None
    if isinstance(d, MemberExpr) and d.name in RULES and not d.fullname:
        return d.name
    taker = TAKERS.get(_name(d))
    return _last(d) if taker is not None and taker.stages else None


def _functions(e: Node, lambdas: dict[Var, FuncItem]) -> Iterator[FuncItem]:
    """The definitions behind an expression."""
    if isinstance(e, FuncDef | LambdaExpr):
        yield e
    elif isinstance(e, CallExpr):
        if _name(e.callee) == PARTIAL and e.args:
            yield from _functions(e.args[0], lambdas)
    elif isinstance(e, ListExpr | TupleExpr):
        for x in e.items:
            yield from _functions(x, lambdas)
    elif isinstance(e, RefExpr):
        node = e.node.func if isinstance(e.node, Decorator) else e.node
        if isinstance(node, FuncDef) and node.body.body:
            yield node
        elif isinstance(node, Var) and node in lambdas:
            yield lambdas[node]


def _name(e: Expression) -> str:
    return e.fullname if isinstance(e, RefExpr) else ""


def _last(e: Expression) -> str:
    return e.name if isinstance(e, NameExpr | MemberExpr) else ""
