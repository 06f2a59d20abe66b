"""``vx.struct`` classes: to mypy their fields are those of a dataclass.

Which of them are static is noted on the class when its definition is analyzed.
"""

from __future__ import annotations

from typing import NamedTuple

from mypy.nodes import AssignmentStmt, CallExpr, Expression, NameExpr
from mypy.plugin import ClassDefContext
from mypy.plugins.dataclasses import dataclass_tag_callback
from mypy.subtypes import find_member
from mypy.types import Instance, Type

STRUCT = "verax.dsl.lang.struct.struct"
NOTE = "verax-struct"


class Field(NamedTuple):
    """A field of a struct; ``static``: it belongs to the structure."""

    name: str
    type: Type
    static: bool


def struct(ctx: ClassDefContext) -> None:
    """Note which fields are static, and let mypy make a dataclass of the class."""
    static = [
        lvalue.name
        for s in ctx.cls.defs.body
        if isinstance(s, AssignmentStmt) and _is_static(s.rvalue)
        for lvalue in s.lvalues
        if isinstance(lvalue, NameExpr)
    ]
    ctx.cls.info.metadata[NOTE] = {"static": static}
    dataclass_tag_callback(ctx)


def _is_static(e: Expression) -> bool:
    """Whether an expression is ``field(static=True)``."""
    if not isinstance(e, CallExpr):
        return False
    given = dict(zip(e.arg_names, e.args))
    static = given.get("static")
    return isinstance(static, NameExpr) and static.name == "True"


def struct_fields(t: Instance) -> list[Field] | None:
    """The fields of an instance of a struct; None for any other class."""
    metadata = t.type.metadata
    if "dataclass" not in metadata and "dataclass_tag" not in metadata:
        return None
    static = {n for c in t.type.mro for n in c.metadata.get(NOTE, {}).get("static", ())}
    fields = []
    for attribute in metadata.get("dataclass", {}).get("attributes", []):
        name = attribute["name"]
        member = find_member(name, t, t)
        if member is not None:
            fields.append(Field(name, member, name in static))
    return fields
