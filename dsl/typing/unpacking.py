"""Unpacking: ``a, b = vx.random.split(key)`` takes as many elements as there are.

To mypy an array is iterable like a list, of any length. Where its length is a number, it is
compared with the names on the left.

Law: an assignment is refused only if Python would refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mypy.checker import TypeChecker
from mypy.nodes import AssignmentStmt, Context, Expression, ListExpr, StarExpr, TupleExpr
from mypy.plugin import MethodContext
from mypy.types import Instance, get_proper_type

from verax.compiler.ir.errors import ShapeError
from verax.dsl.typing.errors import report
from verax.dsl.typing.names import DIMS_FROM, Named, Names
from verax.dsl.typing.syntax import of_unit


def unpacked(ctx: MethodContext, named: Named) -> None:
    """Report if ``x.__iter__`` is called for an assignment to more or fewer names than x has."""
    t, api = get_proper_type(ctx.type), ctx.api
    at = DIMS_FROM.get(t.type.fullname) if isinstance(t, Instance) else None
    if not isinstance(t, Instance) or at is None or len(t.args) <= at:
        return
    size = Names(named).size(t.args[at])
    if not isinstance(size, int):
        return
    assert isinstance(api, TypeChecker)
    for target in _targets(api, ctx.context):
        stars = sum(isinstance(x, StarExpr) for x in target)
        names = len(target) - stars
        if size < names if stars else size != names:
            error = ShapeError(
                f"unpacking: {size} element{'' if size == 1 else 's'} for"
                f" {'at least ' if stars else ''}{names} name{'' if names == 1 else 's'}",
                fix="one name for each element along dimension 0",
            )
            report(api, error, ctx.context)


def _targets(api: TypeChecker, value: Context) -> Iterator[list[Expression]]:
    """The tuples of names that an expression is assigned to."""
    for node in of_unit(api.scope.top_level_function() or api.tree):
        if isinstance(node, AssignmentStmt) and node.rvalue is value:
            yield from [x.items for x in node.lvalues if isinstance(x, (TupleExpr, ListExpr))]
