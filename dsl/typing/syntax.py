"""The parts of mypy's nodes in the order in which Python evaluates them.

mypy's own visitors are compiled traits, which interpreted code cannot derive from. One table of
attributes by class is all that a walk needs; a class that is not in it has no parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mypy.nodes import (
    Block,
    ClassDef,
    Decorator,
    FuncDef,
    FuncItem,
    MypyFile,
    Node,
    OverloadedFuncDef,
)

PARTS: dict[str, tuple[str, ...]] = {
    # statements
    "MypyFile": ("defs",),
    "Block": ("body",),
    "ExpressionStmt": ("expr",),
    "AssignmentStmt": ("rvalue", "lvalues"),
    "OperatorAssignmentStmt": ("lvalue", "rvalue"),
    "WhileStmt": ("expr", "body", "else_body"),
    "ForStmt": ("expr", "index", "body", "else_body"),
    "ReturnStmt": ("expr",),
    "AssertStmt": ("expr", "msg"),
    "DelStmt": ("expr",),
    "IfStmt": ("expr", "body", "else_body"),
    "RaiseStmt": ("expr", "from_expr"),
    "TryStmt": ("body", "types", "vars", "handlers", "else_body", "finally_body"),
    "WithStmt": ("expr", "target", "body"),
    "MatchStmt": ("subject", "patterns", "guards", "bodies"),
    "ClassDef": ("decorators", "base_type_exprs", "defs"),
    "Decorator": ("decorators", "func"),
    "FuncDef": ("arguments", "body"),
    "OverloadedFuncDef": ("items", "impl"),
    "Argument": ("initializer",),
    # expressions
    "LambdaExpr": ("arguments", "body"),
    "CallExpr": ("callee", "args"),
    "MemberExpr": ("expr",),
    "SuperExpr": ("call",),
    "OpExpr": ("left", "right"),
    "ComparisonExpr": ("operands",),
    "UnaryExpr": ("expr",),
    "IndexExpr": ("base", "index"),
    "SliceExpr": ("begin_index", "end_index", "stride"),
    "TupleExpr": ("items",),
    "ListExpr": ("items",),
    "SetExpr": ("items",),
    "DictExpr": ("items",),
    "TemplateStrExpr": ("items",),
    "StarExpr": ("expr",),
    "AssignmentExpr": ("value", "target"),
    "AwaitExpr": ("expr",),
    "YieldExpr": ("expr",),
    "YieldFromExpr": ("expr",),
    "CastExpr": ("expr",),
    "AssertTypeExpr": ("expr",),
    "RevealExpr": ("expr",),
    "TypeApplication": ("expr",),
    "ConditionalExpr": ("cond", "if_expr", "else_expr"),
    "GeneratorExpr": ("sequences", "indices", "condlists", "left_expr"),
    "ListComprehension": ("generator",),
    "SetComprehension": ("generator",),
    "DictionaryComprehension": ("sequences", "indices", "condlists", "key", "value"),
    # patterns
    "AsPattern": ("pattern", "name"),
    "OrPattern": ("patterns",),
    "ValuePattern": ("expr",),
    "SequencePattern": ("patterns",),
    "StarredPattern": ("capture",),
    "MappingPattern": ("keys", "values", "rest"),
    "ClassPattern": ("positionals", "keyword_values"),
}


def parts(node: Node) -> list[Node]:
    """The nodes right below a node; blocks that mypy knows to be unreachable are empty."""
    found: list[Node] = []
    if isinstance(node, Block) and node.is_unreachable:
        return found
    for name in PARTS.get(type(node).__name__, ()):
        x = getattr(node, name)
        if isinstance(x, list):
            _flatten(x, found)
        elif x is not None:
            found.append(x)
    return found


def _flatten(xs: Sequence[Any], found: list[Node]) -> None:
    for x in xs:
        if isinstance(x, Node):
            found.append(x)
        elif isinstance(x, (list, tuple)):
            _flatten(x, found)


def of_unit(unit: FuncItem | MypyFile) -> Iterator[Node]:
    """What is analysed at once: a function with all that is in it, or a module without these."""
    todo: list[Node] = [unit]
    while todo:
        here = todo.pop()
        yield here
        below = reversed(parts(here))
        if isinstance(unit, MypyFile):
            todo += [x for x in below if not isinstance(x, _UNITS)]
        else:
            todo += below


_UNITS = (FuncDef, Decorator, OverloadedFuncDef, ClassDef)


def inside(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    todo = [node]
    while todo:
        here = todo.pop()
        yield here
        todo += reversed(parts(here))
