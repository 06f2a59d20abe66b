"""Single use of random keys, found in the text of a function before anything runs.

The paths through a function are followed, each with what it does to the keys that it sees: loops
for two rounds, branches both ways, functions of the module into their bodies. A finding is a path
on which the runtime would raise a KeyReuseError (dsl/lang/key.py says what counts as a use).

Law: where the runtime accepts every path there is no finding. What is not known, a type or what an
object was, is taken to be a key of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from mypy.nodes import (
    Argument,
    AssignmentStmt,
    Block,
    BreakStmt,
    CallExpr,
    ClassDef,
    ContinueStmt,
    Decorator,
    DelStmt,
    DictionaryComprehension,
    Expression,
    ForStmt,
    FuncDef,
    FuncItem,
    GeneratorExpr,
    IfStmt,
    ListComprehension,
    MatchStmt,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OverloadedFuncDef,
    RaiseStmt,
    RefExpr,
    ReturnStmt,
    SetComprehension,
    StarExpr,
    TryStmt,
    WhileStmt,
    WithStmt,
)
from mypy.patterns import AsPattern, MappingPattern, StarredPattern

from verax.dsl.typing.asking import KEY, Asked, holds_named, type_of_node
from verax.dsl.typing.calls import Calls
from verax.dsl.typing.consuming import CODE
from verax.dsl.typing.finding import Finding
from verax.dsl.typing.syntax import inside, of_unit, parts
from verax.dsl.typing.takers import RANDOM
from verax.dsl.typing.uses import Const, Group, Ref, State, Step, Value, merged
from verax.dsl.typing.values import Outcomes, TooMuch

__all__ = ["CODE", "analyse", "speaks_of_keys"]
_ROUNDS = 4  # loops over so few known items are unrolled


class Exit(NamedTuple):
    """A way out of a block: ``return``, ``raise``, ``break`` or ``continue``."""

    how: str
    state: State
    value: Value = None


class Items(NamedTuple):
    """What is iterated over: how much, where that is known, and each item."""

    size: int | None
    at: Callable[[State, int], Value]


Ways: TypeAlias = tuple[list[State], list[Exit]]
"""The states in which the next statement runs, and the other ways out."""


class Analysis(NamedTuple):
    """The keys that are used twice, and in how many steps that was found."""

    findings: list[Finding]
    steps: int


def analyse(unit: FuncItem | MypyFile, module: str, asked: Asked) -> Analysis:
    """The keys that a function, or the statements of a module, use twice.

    Args:
        module: the full name of the module that it stands in.
        asked: gives the types of expressions, as far as they are known.
    """
    if not any(map(_names_key, of_unit(unit))):  # there is nothing to follow
        return Analysis([], 0)
    flow = Flow(unit, module, asked)
    with suppress(TooMuch, RecursionError):  # what was found until then stands
        flow.run(unit)
    findings = sorted(flow.findings.values(), key=lambda f: (f.node.line, f.node.column))
    return Analysis(findings, flow.steps)


def speaks_of_keys(node: Node) -> bool:
    """Whether a key is named in an expression."""
    return any(map(_names_key, inside(node)))


def _names_key(x: Node) -> bool:
    if isinstance(x, NameExpr | MemberExpr):
        if x.fullname.startswith(RANDOM) or "key" in x.name.lower() or "rng" in x.name:
            return True
        return x.node is not None and holds_named(type_of_node(x.node), KEY)
    if isinstance(x, CallExpr):
        return any(n is not None and "key" in n for n in x.arg_names)
    return isinstance(x, Argument) and holds_named(x.type_annotation, KEY)


class Flow(Calls):
    """Executes statements on all paths."""

    def run(self, unit: FuncItem | MypyFile) -> None:
        if isinstance(unit, MypyFile):
            self.block(unit.defs, [State()])
        else:
            self.body(unit.body, [State()])
        for f in sorted(self.local - self.ran, key=lambda f: (f.line, f.column)):
            if f not in self.ran:
                self.body(f.body, [State()])

    def body(self, block: Block, states: list[State]) -> Outcomes:
        nexts, exits = self.block(block.body, states)
        returned = [(x.state, x.value) for x in exits if x.how == "return"]
        return returned + [(s, Const(None)) for s in nexts]

    def block(self, statements: Sequence[Node], states: list[State]) -> Ways:
        exits: list[Exit] = []
        for statement in statements:
            nexts: list[State] = []
            for s in states:
                after, others = self.statement(statement, s)
                nexts += after
                exits += others
            states = merged(nexts)
            if not states:
                break
        return states, exits

    def statement(self, node: Node, s: State) -> Ways:
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            found: Ways = handler(self, node, s)
            return found
        below = [x for x in parts(node) if isinstance(x, Expression)]
        return [s1 for s1, _ in self.many(below, s)], []

    def inner(self, block: Block | None, states: list[State]) -> Ways:
        if block is None or block.is_unreachable:
            return (states if block is None else []), []
        return self.block(block.body, states)

    # statements -----------------------------------------------------------------------------------

    def skipped(self, node: Node, s: State) -> Ways:
        return [s], []

    def assignment(self, node: AssignmentStmt, s: State) -> Ways:
        out = self.expr(node.rvalue, s)
        for s1, v in out:
            for lv in node.lvalues:
                self.assign(lv, v, s1, node.rvalue)
        return [s1 for s1, _ in out], []

    def augmented(self, node: OperatorAssignmentStmt, s: State) -> Ways:
        out = self.many([node.lvalue, node.rvalue], s)
        for s1, (a, b) in out:
            made: Value = self.fresh(node)
            if isinstance(a, Const) and isinstance(b, Const):
                if isinstance(a.value, int) and isinstance(b.value, int) and node.op in "+-":
                    made = Const(a.value + (b.value if node.op == "+" else -b.value))
            self.assign(node.lvalue, made, s1)
        return [s1 for s1, _ in out], []

    def deletion(self, node: DelStmt, s: State) -> Ways:
        self.assign(node.expr, None, s)
        return [s], []

    def return_(self, node: ReturnStmt, s: State) -> Ways:
        if node.expr is None:
            return [], [Exit("return", s, Const(None))]
        return [], [Exit("return", s1, v) for s1, v in self.expr(node.expr, s)]

    def raise_(self, node: RaiseStmt, s: State) -> Ways:
        below = [x for x in (node.expr, node.from_expr) if x is not None]
        return [], [Exit("raise", s1) for s1, _ in self.many(below, s)]

    def break_(self, node: BreakStmt, s: State) -> Ways:
        return [], [Exit("break", s)]

    def continue_(self, node: ContinueStmt, s: State) -> Ways:
        return [], [Exit("continue", s)]

    def if_(self, node: IfStmt, s: State) -> Ways:
        nexts: list[State] = []
        exits: list[Exit] = []
        left = [s]
        for test, block in zip(node.expr, node.body):
            decided = [self.condition(test, x) for x in left]
            after, others = self.inner(block, merged([x for yes, _ in decided for x in yes]))
            nexts, exits = nexts + after, exits + others
            left = merged([x for _, no in decided for x in no])
        after, others = self.inner(node.else_body, left)
        return nexts + after, exits + others

    def match(self, node: MatchStmt, s: State) -> Ways:
        nexts: list[State] = []
        exits: list[Exit] = []
        left = self.expr(node.subject, s)
        for pattern, guard, block in zip(node.patterns, node.guards, node.bodies):
            taken: list[State] = []
            for s1, v in left:
                s2 = s1.copy()
                self.capture(pattern, v, s2)
                taken += [s2] if guard is None else self.condition(guard, s2)[0]
            after, others = self.inner(block, taken)
            nexts, exits = nexts + after, exits + others
            if guard is None and isinstance(pattern, AsPattern) and pattern.pattern is None:
                return nexts, exits
        return nexts + [s1 for s1, _ in left], exits

    def capture(self, pattern: Node, v: Value, s: State) -> None:
        """Bind the names of a pattern."""
        if isinstance(pattern, AsPattern) and pattern.name is not None:
            self.assign(pattern.name, v, s)
        elif isinstance(pattern, StarredPattern) and pattern.capture is not None:
            self.assign(pattern.capture, None, s)
        elif isinstance(pattern, MappingPattern) and pattern.rest is not None:
            self.assign(pattern.rest, None, s)
        for below in parts(pattern):
            if not isinstance(below, Expression):
                self.capture(below, None, s)

    def with_(self, node: WithStmt, s: State) -> Ways:
        states = [s]
        for e, target in zip(node.expr, node.target):
            out = [x for s1 in states for x in self.expr(e, s1)]
            for s1, _ in out:
                if target is not None:
                    self.assign(target, None, s1)
            states = [s1 for s1, _ in out]
        return self.inner(node.body, states)

    def try_(self, node: TryStmt, s: State) -> Ways:
        """A handler starts where the body does, after any statement but the last, or at a raise."""
        caught = [s.copy()] if node.handlers else []
        states = [s]
        exits: list[Exit] = []
        for statement in node.body.body:
            nexts: list[State] = []
            for s1 in states:
                after, others = self.statement(statement, s1)
                nexts, exits = nexts + after, exits + others
            states = merged(nexts)
            if node.handlers and statement is not node.body.body[-1]:
                caught += [x.copy() for x in states]
        if node.handlers:
            caught += [x.state for x in exits if x.how == "raise"]
            exits = [x for x in exits if x.how != "raise"]
        nexts, others = self.inner(node.else_body, states)
        exits += others
        caught = merged(caught)
        for var, handler in zip(node.vars, node.handlers):
            starts = [x.copy() for x in caught]
            for x in starts:
                if var is not None:
                    self.assign(var, None, x)
            after, others = self.inner(handler, starts)
            nexts, exits = nexts + after, exits + others
        return self.finally_(node.finally_body, merged(nexts), exits)

    def finally_(self, block: Block | None, nexts: list[State], exits: list[Exit]) -> Ways:
        if block is None:
            return nexts, exits
        after, out = self.inner(block, nexts)
        for x in exits:
            passed, others = self.inner(block, [x.state])
            out += [Exit(x.how, s, x.value) for s in passed] + others
        return after, out

    # loops ----------------------------------------------------------------------------------------

    def while_(self, node: WhileStmt, s: State) -> Ways:
        outer, states = self.where, [s]
        done: list[State] = []
        broke: list[State] = []
        exits: list[Exit] = []
        for i in range(2):
            self.where = (*outer, Step(node, i, "a loop"))
            decided = [self.condition(node.expr, x) for x in states]
            done += [x for _, no in decided for x in no]
            states, broke, exits = self.round(
                node.body, merged([x for yes, _ in decided for x in yes]), broke, exits
            )
        decided = [self.condition(node.expr, x) for x in states]
        done += [x for _, no in decided for x in no]
        self.where = outer
        return self.left(node.else_body, merged(done), broke, exits)

    def for_(self, node: ForStmt, s: State) -> Ways:
        nexts: list[State] = []
        broke: list[State] = []
        exits: list[Exit] = []
        for s1, items in self.items(node.expr, s):

            def bind(x: State, v: Value) -> None:
                self.assign(node.index, v, x)

            done, out, others = self.over(node, "a loop", s1, items, bind, node.body)
            nexts, broke, exits = nexts + done, broke + out, exits + others
        return self.left(node.else_body, merged(nexts), broke, exits)

    def left(
        self, block: Block | None, done: list[State], broke: list[State], exits: list[Exit]
    ) -> Ways:
        after, others = self.inner(block, done)
        return after + broke, exits + others

    def over(
        self,
        node: Node,
        name: str,
        s: State,
        items: Items,
        bind: Callable[[State, Value], None],
        body: Block | Callable[[State], list[State]],
    ) -> tuple[list[State], list[State], list[Exit]]:
        """A loop over items: the states at its end, at ``break``, and the other ways out."""
        outer, states, size = self.where, [s], items.size
        exact = size is not None and size <= _ROUNDS
        done: list[State] = [] if size else [s.copy()]
        broke: list[State] = []
        exits: list[Exit] = []
        for i in range(size if exact and size is not None else 2):
            self.where = (*outer, Step(node, i, name))
            for x in states:
                bind(x, items.at(x, i))
            if isinstance(body, Block):
                states, broke, exits = self.round(body, states, broke, exits)
            else:
                states = merged([y for x in states for y in body(x)])
            if not exact:
                done += [x.copy() for x in states]
        self.where = outer
        return (states if exact else merged(done)), broke, exits

    def round(
        self, body: Block, states: list[State], broke: list[State], exits: list[Exit]
    ) -> tuple[list[State], list[State], list[Exit]]:
        nexts, others = self.inner(body, states)
        nexts = merged(nexts + [x.state for x in others if x.how == "continue"])
        broke = broke + [x.state for x in others if x.how == "break"]
        return nexts, broke, exits + [x for x in others if x.how not in ("continue", "break")]

    def items(self, e: Expression, s: State) -> Iterator[tuple[State, Items]]:
        """What an expression gives when it is iterated over."""
        name = (
            e.callee.fullname if isinstance(e, CallExpr) and isinstance(e.callee, RefExpr) else ""
        )
        args = e.args if isinstance(e, CallExpr) else []
        if name == "builtins.zip" and not any(isinstance(x, StarExpr) for x in args):
            yield from self.zipped(e, args, s)
        elif name == "builtins.enumerate" and args:
            for s1, of in self.items(args[0], s):
                yield s1, _numbered(of, Const(0) if len(args) == 1 else None, self.fresh(e, "i"))
        elif name == "builtins.range":
            for s1, vs in self.many(args, s):
                n = vs[0].value if len(vs) == 1 and isinstance(vs[0], Const) else None
                size = max(n, 0) if isinstance(n, int) else None
                if size is not None and size <= _ROUNDS:
                    yield s1, Items(size, lambda x, i: Const(i))
                else:
                    yield s1, Items(size, lambda x, i: self.fresh(e, ("item", i)))
        else:
            for s1, v in self.expr(e, s):
                yield s1, self.of_value(e, v, s1)

    def of_value(self, e: Expression, v: Value, s: State) -> Items:
        if isinstance(v, Group):
            return Items(len(v.items), lambda x, i: v.items[i] if i < len(v.items) else None)
        if isinstance(v, Ref) and (v.indexed or self.is_indexed(e)):
            return Items(s.sizes.get(v.path), lambda x, i: x.part(v, ("[]", i)))
        return Items(None, lambda x, i: self.fresh(e, ("item", i)))

    def zipped(
        self, e: Expression, args: Sequence[Expression], s: State
    ) -> Iterator[tuple[State, Items]]:
        found: list[tuple[State, tuple[Items, ...]]] = [(s, ())]
        for a in args:
            found = [(s2, (*of, x)) for s1, of in found for s2, x in self.items(a, s1)]
        for s1, of in found:
            sizes = [x.size for x in of if x.size is not None]

            def at(x: State, i: int, of: tuple[Items, ...] = of) -> Value:
                return Group(tuple([y.at(x, i) for y in of]))

            yield s1, Items(min(sizes) if len(sizes) == len(of) else None, at)

    # comprehensions -------------------------------------------------------------------------------

    def wrapped(self, e: ListComprehension | SetComprehension, s: State) -> Outcomes:
        return self.generator(e.generator, s)

    def generator(self, e: GeneratorExpr | DictionaryComprehension, s: State) -> Outcomes:
        last = [e.left_expr] if isinstance(e, GeneratorExpr) else [e.key, e.value]
        given = [x for x in last if x is not None]
        return [(s1, self.fresh(e, indexed=True)) for s1 in self.nested(e, 0, given, s)]

    def nested(
        self,
        e: GeneratorExpr | DictionaryComprehension,
        depth: int,
        last: Sequence[Expression],
        s: State,
    ) -> list[State]:
        """The loops of a comprehension from one of them on."""
        if depth == len(e.sequences):
            return [s1 for s1, _ in self.many(last, s)]

        def bind(x: State, v: Value) -> None:
            self.assign(e.indices[depth], v, x)

        def body(x: State) -> list[State]:
            on, off = [x], []
            for test in e.condlists[depth]:
                decided = [self.condition(test, y) for y in on]
                on = [y for yes, _ in decided for y in yes]
                off += [y for _, no in decided for y in no]
            return [z for y in on for z in self.nested(e, depth + 1, last, y)] + off

        out: list[State] = []
        for s1, items in self.items(e.sequences[depth], s):
            out += self.over(e.indices[depth], "a comprehension", s1, items, bind, body)[0]
        return merged(out)

    def expr(self, e: Expression, s: State) -> Outcomes:
        handler = _EXPRESSIONS.get(type(e))
        if handler is None:
            return super().expr(e, s)
        found: Outcomes = handler(self, e, s)
        return found


def _numbered(of: Items, first: Const | None, other: Ref) -> Items:
    def at(s: State, i: int) -> Value:
        number: Value = Const(i) if first is not None and of.size is not None else other.at(i)
        return Group((number, of.at(s, i)))

    return Items(of.size, at)


_EXPRESSIONS: dict[type[Expression], Callable[..., Any]] = {
    CallExpr: Flow.call_expr,
    ListComprehension: Flow.wrapped,
    SetComprehension: Flow.wrapped,
    GeneratorExpr: Flow.generator,
    DictionaryComprehension: Flow.generator,
}
_STATEMENTS: dict[type[Node], Callable[..., Any]] = {
    AssignmentStmt: Flow.assignment,
    OperatorAssignmentStmt: Flow.augmented,
    DelStmt: Flow.deletion,
    ReturnStmt: Flow.return_,
    RaiseStmt: Flow.raise_,
    BreakStmt: Flow.break_,
    ContinueStmt: Flow.continue_,
    IfStmt: Flow.if_,
    MatchStmt: Flow.match,
    WithStmt: Flow.with_,
    TryStmt: Flow.try_,
    WhileStmt: Flow.while_,
    ForStmt: Flow.for_,
    FuncDef: Flow.skipped,
    Decorator: Flow.skipped,
    OverloadedFuncDef: Flow.skipped,
    ClassDef: Flow.skipped,
}
