"""Consuming and deriving keys, and the messages where that was done before.

A use inside a function that is followed belongs to the call, as the caller sees it; what that
function does twice by itself is its own error, which is found where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mypy.nodes import (
    ARG_POS,
    ArgKind,
    Context,
    Expression,
    FuncItem,
    IndexExpr,
    IntExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    StrExpr,
)

from verax.dsl.lang.key import PER_STEP, SPLIT
from verax.dsl.typing.asking import Asked
from verax.dsl.typing.finding import Finding
from verax.dsl.typing.uses import Const, Fn, Group, Path, Ref, State, Step, Use, Value
from verax.dsl.typing.values import Values

CODE = "verax-key"


class Arg(NamedTuple):
    """An argument of a call."""

    value: Value
    expr: Expression | None = None
    kind: ArgKind = ARG_POS
    name: str | None = None


class Followed(NamedTuple):
    """A function that is being followed into its body."""

    node: Context
    fn: Fn
    args: Sequence[Arg]
    depth: int  # how many steps there were when it was called


class Consuming(Values):
    """Notes what happens to keys."""

    def __init__(self, unit: FuncItem | MypyFile, module: str, asked: Asked) -> None:
        super().__init__(unit, module, asked)
        self.calls: tuple[Followed, ...] = ()
        self.ran: set[FuncItem] = set()  # what was followed

    def consume(self, e: Expression, a: Arg, what: str, s: State) -> None:
        """Use up a key, or all the keys in a tuple."""
        for x in refs_of(a.value):
            self.use(e, x.path, a, what, s)

    def derive(
        self, e: Expression, a: Arg, data: Arg | None, s: State, what: str = "fold_in"
    ) -> None:
        """Derive a key: with the same literal, or the same variable of an int, once."""
        if not isinstance(a.value, Ref):
            return
        at: object = None
        if data is not None and isinstance(data.value, Const):
            at = data.value.value
            what = f"{what} with {at}"
        elif data is not None and data.expr is not None and self.is_plain(data.expr):
            at = self.term(data.expr, s)
        step = (what, e, self.where) if at is None else ("fold_in", at)
        self.use(e, (*a.value.path, step), a, what, s)

    def use(self, e: Expression, path: Path, a: Arg, what: str, s: State) -> None:
        """Note a use, or that it is the second one."""
        node: Context = e
        text = text_of(a.expr)
        inner = None
        for c in self.calls:
            if c.fn.function not in self.local:
                node, what = c.node, c.fn.name
                inner = c.node, self.where[: c.depth]
                text = next((text_of(x.expr) for x in c.args if _is_in(path, x.value)), "")
                break
        now = Use(what, node, self.where, inner)
        taken = s.taken(path)
        if taken is None:
            s.uses[path] = now
        elif inner is None or taken[0].inner != inner:
            self.refuse(now, *taken, f'key "{text}"' if text else "a random key")

    def refuse(self, now: Use, earlier: Use, which: str, key: str) -> None:
        """Report a second use."""
        step, before = _parted(now, earlier)
        node, line, what, other = now.node, earlier.node.line, now.what, earlier.what
        if step is not None and step.round >= 0:
            text = f"{key} from outside is consumed by {what} in {step.name}, which runs many times"
            self.found(node, text, PER_STEP)
            return
        if step is not None and before is not None and earlier.node is node:
            what, other = f"{what} in {step.name}", f"{other} in {before.name}"
            node, line = step.node, before.node.line
        text = f"{key} is consumed by {what}, but {other} consumed {which} before (line {line})"
        self.found(node, text, SPLIT)

    def found(self, node: Context, text: str, fix: str) -> None:
        if isinstance(node, Node):
            self.findings.setdefault(node, Finding(node, CODE, text, fix))


def _parted(now: Use, earlier: Use) -> tuple[Step | None, Step | None]:
    """Where the rounds and calls of two uses part: both steps, if they are of one kind."""
    for a, b in zip(now.where, earlier.where):
        if a != b:
            is_loop = a.node is b.node and a.round >= 0
            return (a, b) if is_loop or a.round < 0 > b.round else (None, None)
    return None, None


def items_of(v: Value) -> Sequence[Value]:
    return v.items if isinstance(v, Group) else ()


def refs_of(v: Value) -> Iterator[Ref]:
    """The objects in a value."""
    if isinstance(v, Ref):
        yield v
    for x in items_of(v):
        yield from refs_of(x)


def _is_in(path: Path, v: Value) -> bool:
    return any(path[: len(x.path)] == x.path for x in refs_of(v))


def text_of(e: Expression | None) -> str:
    """A name, an attribute or an element, as it is written; else nothing."""
    if isinstance(e, NameExpr):
        return e.name
    if isinstance(e, MemberExpr):
        of = text_of(e.expr)
        return f"{of}.{e.name}" if of else ""
    if isinstance(e, IndexExpr):
        of = text_of(e.base)
        index = e.index
        at = repr(index.value) if isinstance(index, IntExpr | StrExpr) else text_of(index)
        return f"{of}[{at}]" if of and at else ""
    return ""
