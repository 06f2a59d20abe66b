"""What expressions are worth: names, attributes, elements, conditions, on one path after another.

An expression that decides something (``and``, ``or``, ``x if c else y``) gives several outcomes,
each with a state of its own; what was decided is remembered, so that the same condition is not
decided differently later on the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeAlias

from mypy.nodes import (
    AssertTypeExpr,
    AssignmentExpr,
    AwaitExpr,
    CallExpr,
    CastExpr,
    ComparisonExpr,
    ConditionalExpr,
    Decorator,
    DictExpr,
    Expression,
    FuncDef,
    FuncItem,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    SliceExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    Var,
)
from mypy.types import Instance, TupleType, TypedDictType

from verax.dsl.typing.asking import KEY, Asked, info_of, is_named, member
from verax.dsl.typing.finding import Finding
from verax.dsl.typing.syntax import of_unit, parts
from verax.dsl.typing.uses import Const, Fn, Group, Ref, State, Value, Where

Outcomes: TypeAlias = list[tuple[State, Value]]
Ways: TypeAlias = tuple[list[State], list[State]]
"""Where a condition is true, and where it is not."""
_SEQUENCES = {"builtins.list", "builtins.tuple", "typing.Sequence"}
_INDEXED = {*_SEQUENCES, "builtins.dict", "typing.Mapping", KEY}
_PURE = {f"builtins.{name}" for name in ("isinstance", "len", "callable", "hasattr", "bool")}
_NAMED = {"True": True, "False": False, "None": None, "TYPE_CHECKING": False}
_TURNED = {"is not": "is", "!=": "==", "not in": "in"}
STEPS = 10_000


class TooMuch(Exception):
    """The function is too large to follow all its paths."""


class Values:
    """Evaluates expressions; ``where`` says in which rounds and calls they stand now."""

    def __init__(self, unit: FuncItem | MypyFile, module: str, asked: Asked) -> None:
        self.unit, self.module, self.asked = unit, module, asked
        self.local = frozenset([x for x in of_unit(unit) if isinstance(x, FuncItem)]) - {unit}
        self.where: Where = ()
        self.findings: dict[Node, Finding] = {}
        self.steps = 0

    def fresh(self, node: Node, what: Hashable = None, indexed: bool = False) -> Ref:
        """An object that was not seen before."""
        return Ref(((node, what, self.where),), indexed)

    # expressions ----------------------------------------------------------------------------------

    def expr(self, e: Expression, s: State) -> Outcomes:
        self.steps += 1
        if self.steps > STEPS:
            raise TooMuch
        handler = _HANDLERS.get(type(e))
        if handler is not None:
            found: Outcomes = handler(self, e, s)
            return found
        below = [x for x in parts(e) if isinstance(x, Expression)]
        return [(s1, self.fresh(e)) for s1, _ in self.many(below, s)]

    def many(self, es: Iterable[Expression], s: State) -> list[tuple[State, tuple[Value, ...]]]:
        """Expressions one after the other."""
        found: list[tuple[State, tuple[Value, ...]]] = [(s, ())]
        for e in es:
            found = [(s2, (*vs, v)) for s1, vs in found for s2, v in self.expr(e, s1)]
        return found

    def literal(self, e: Any, s: State) -> Outcomes:
        return [(s, Const(e.value))]

    def name(self, e: NameExpr, s: State) -> Outcomes:
        return [(s, self.named(e, s))]

    def named(self, e: RefExpr, s: State) -> Value:
        """What a name, or a name of a module, stands for."""
        node = e.node
        if isinstance(node, Var):
            if e.fullname in ("builtins.True", "builtins.False", "builtins.None"):
                return Const(_NAMED[node.name])
            return s.variable(node)
        if isinstance(node, Decorator | FuncDef | OverloadedFuncDef):
            return Fn(node.name, e, node.fullname, self.definition(node))
        return self.fresh(e)

    def definition(self, node: Node) -> FuncItem | None:
        """The function, if it is defined in this module and is what the name stands for."""
        if isinstance(node, Decorator):
            node = node.func
        if not isinstance(node, FuncItem) or not node.body.body:
            return None
        mine = node in self.local or node.fullname.startswith(f"{self.module}.")
        return node if mine else None

    def member(self, e: MemberExpr, s: State) -> Outcomes:
        if _is_of_module(e):
            return [(s, self.named(e, s))]
        return [(s1, self.attribute(e, v, s1)) for s1, v in self.expr(e.expr, s)]

    def attribute(self, e: MemberExpr, of: Value, s: State) -> Value:
        """An attribute or a method; a property is another value each time."""
        node = member(info_of(self.asked.type_of(e.expr)), e.name)
        if isinstance(node, Var):
            return s.part(of, f".{e.name}") if isinstance(of, Ref) else self.fresh(e)
        if isinstance(node, Decorator | FuncDef | OverloadedFuncDef):
            if not _is_property(node):
                return Fn(e.name, e, node.fullname, self.definition(node), receiver=of)
            return self.fresh(e)
        if isinstance(of, Ref) and (*of.path, f".{e.name}") in s.heap:
            return s.part(of, f".{e.name}")
        return Fn(e.name, e, receiver=of)

    def index(self, e: IndexExpr, s: State) -> Outcomes:
        if e.analyzed is not None:  # a type, not an element
            return [(s, None)]
        return [(s1, self.element(e, of, s1)) for s1, (of, _) in self.many([e.base, e.index], s)]

    def element(self, e: IndexExpr, of: Value, s: State) -> Value:
        if isinstance(of, Group):
            at = self.term(e.index, s)
            n = at[1] if isinstance(at, tuple) and at[0] == "const" else None
            known = isinstance(n, int) and -len(of.items) <= n < len(of.items)
            return of.items[n] if known and isinstance(n, int) else self.fresh(e)
        if not isinstance(of, Ref) or not (of.indexed or self.is_indexed(e.base, _INDEXED)):
            return self.fresh(e)
        step = self.place(e.index, s, s.sizes.get(of.path))
        if step is not None:
            return s.part(of, ("[]", step))
        is_keys = is_named(self.asked.type_of(e), KEY) and not isinstance(e.index, SliceExpr)
        if is_keys or is_named(self.asked.type_of(e.base), KEY) or of.indexed:
            return of.at(("[]", e, self.where))
        return self.fresh(e)

    def is_indexed(self, e: Expression, names: set[str] = _SEQUENCES | {KEY}) -> bool:
        """Whether literal indexes name the elements of these values."""
        t = self.asked.type_of(e)
        if isinstance(t, TupleType | TypedDictType):
            return True
        return isinstance(t, Instance) and t.type.fullname in names

    def place(self, index: Expression, s: State, size: int | None) -> Hashable:
        """What names an element: an int, a string, or a variable that holds one; or None."""
        if isinstance(index, TupleExpr):
            found = [self.place(x, s, None) for x in index.items]
            return None if None in found else tuple(found)
        term = self.term(index, s)
        if isinstance(term, tuple) and term[0] == "const":
            n = term[1]
            if isinstance(n, int) and size:
                return n % size
            return n if isinstance(n, int | str) else None
        return term if self.is_plain(index) else None

    def is_plain(self, e: Expression) -> bool:
        """Whether these are ints or strings of Python, equal where they are the same."""
        t = self.asked.type_of(e)
        return is_named(t, "builtins.int") or is_named(t, "builtins.str")

    def display(self, e: TupleExpr, s: State) -> Outcomes:
        if any(isinstance(x, StarExpr) for x in e.items):
            return [(s1, self.fresh(e)) for s1, _ in self.many(e.items, s)]
        return [(s1, Group(vs)) for s1, vs in self.many(e.items, s)]

    def list_display(self, e: ListExpr, s: State) -> Outcomes:
        out: Outcomes = []
        for s1, vs in self.many(e.items, s):
            made = self.fresh(e, indexed=True)
            if not any(isinstance(x, StarExpr) for x in e.items):
                s1.sizes[made.path] = len(vs)
                s1.heap |= {(*made.path, ("[]", i)): v for i, v in enumerate(vs)}
            out.append((s1, made))
        return out

    def dict_display(self, e: DictExpr, s: State) -> Outcomes:
        keys = [k.value if isinstance(k, StrExpr | IntExpr) else None for k, _ in e.items]
        out: Outcomes = []
        below = [x for k, v in e.items for x in (() if k is None else (k,)) + (v,)]
        for s1, vs in self.many(below, s):
            made = self.fresh(e, indexed=True)
            values = iter(vs)
            for (k, _), name in zip(e.items, keys):
                if k is not None:
                    next(values)
                s1.heap[(*made.path, ("[]", name))] = next(values)
            out.append((s1, made))
        return out

    def star(self, e: StarExpr | AwaitExpr | CastExpr | AssertTypeExpr, s: State) -> Outcomes:
        return self.expr(e.expr, s)

    def lambda_(self, e: LambdaExpr, s: State) -> Outcomes:
        return [(s, Fn("<lambda>", e, function=e))]

    def walrus(self, e: AssignmentExpr, s: State) -> Outcomes:
        out = self.expr(e.value, s)
        for s1, v in out:
            self.assign(e.target, v, s1, e.value)
        return out

    def chosen(self, e: ConditionalExpr, s: State) -> Outcomes:
        yes, no = self.condition(e.cond, s)
        return [x for s1 in yes for x in self.expr(e.if_expr, s1)] + [
            x for s1 in no for x in self.expr(e.else_expr, s1)
        ]

    def operation(self, e: OpExpr, s: State) -> Outcomes:
        if e.op not in ("and", "or"):
            return [(s1, self.fresh(e)) for s1, _ in self.many([e.left, e.right], s)]
        out: Outcomes = []
        for s1, v in self.expr(e.left, s):
            yes, no = self.decided(self.term(e.left, s1), v, s1)
            on, off = (yes, no) if e.op == "and" else (no, yes)
            out += [x for s2 in on for x in self.expr(e.right, s2)] + [(s2, v) for s2 in off]
        return out

    def unary(self, e: UnaryExpr, s: State) -> Outcomes:
        if e.op == "-" and isinstance(e.expr, IntExpr):
            return [(s, Const(-e.expr.value))]
        return [(s1, self.fresh(e)) for s1, _ in self.expr(e.expr, s)]

    # conditions -----------------------------------------------------------------------------------

    def condition(self, e: Expression, s: State) -> Ways:
        """The states in which it is true, and those in which it is not."""
        if isinstance(e, UnaryExpr) and e.op == "not":
            yes, no = self.condition(e.expr, s)
            return no, yes
        if isinstance(e, OpExpr) and e.op in ("and", "or"):
            yes, no = self.condition(e.left, s)
            on, off = (yes, no) if e.op == "and" else (no, yes)
            more, others = _joined([self.condition(e.right, x) for x in on])
            return (more, off + others) if e.op == "and" else (off + more, others)
        if isinstance(e, ComparisonExpr) and len(e.operators) == 1 and e.operators[0] in _TURNED:
            yes, no = _joined([self.compared(e, s1) for s1, _ in self.many(e.operands, s)])
            return no, yes
        return _joined([self.decided(self.term(e, s1), v, s1) for s1, v in self.expr(e, s)])

    def compared(self, e: ComparisonExpr, s: State) -> Ways:
        """``x is not y`` and the like, as their opposites."""
        terms = [self.term(x, s) for x in e.operands]
        term = None if None in terms else (_TURNED[e.operators[0]], *terms)
        return self.decided(term, None, s)

    def decided(self, term: Hashable, v: Value, s: State) -> Ways:
        """Both ways, or the one that is known."""
        known = _truth(term, v)
        if known is None and term is not None:
            known = s.facts.get(term)
        if known is not None:
            return ([s], []) if known else ([], [s])
        other = s.copy()
        if term is not None:
            s.facts[term], other.facts[term] = True, False
        return [s], [other]

    def term(self, e: Expression, s: State) -> Hashable:
        """What names the value of an expression that does nothing; or None."""
        if isinstance(e, IntExpr | StrExpr):
            return "const", e.value
        if isinstance(e, NameExpr) or (isinstance(e, MemberExpr) and _is_of_module(e)):
            return _NAMED_TERMS.get(e.fullname, _term_of(self.named(e, s)))
        if isinstance(e, MemberExpr):
            of = self.term(e.expr, s)
            if isinstance(of, tuple) and of[0] == "ref":
                return _term_of(s.part(Ref(of[1]), f".{e.name}"))
            return None
        if isinstance(e, UnaryExpr):
            if e.op == "-" and isinstance(e.expr, IntExpr):
                return "const", -e.expr.value
            return self._terms(e.op, [e.expr], s)
        if isinstance(e, OpExpr):
            return self._terms(e.op, [e.left, e.right], s)
        if isinstance(e, ComparisonExpr):
            return self._terms(" ".join(e.operators), e.operands, s)
        if isinstance(e, CallExpr) and isinstance(e.callee, RefExpr):
            return self._terms(e.callee.fullname, e.args, s) if e.callee.fullname in _PURE else None
        return None

    def _terms(self, op: str, es: list[Expression], s: State) -> Hashable:
        terms = [self.term(e, s) for e in es]
        return None if None in terms else (op, *terms)

    # stores ---------------------------------------------------------------------------------------

    def assign(self, to: Node, v: Value, s: State, source: Expression | None = None) -> None:
        """Bind a name, an attribute, an element, or several."""
        if isinstance(to, StarExpr):
            self.assign(to.expr, self.fresh(to), s)
        elif isinstance(to, TupleExpr | ListExpr):
            for i, (x, item) in enumerate(zip(to.items, self.unpacked(to, v, s, source))):
                self.assign(x, item if item is not None else self.fresh(x, i), s)
        elif isinstance(to, NameExpr):
            if isinstance(to.node, Var):
                s.env[to.node] = self.fresh(to) if v is None else v
        elif isinstance(to, MemberExpr):
            for s1, of in self.expr(to.expr, s)[:1]:
                if isinstance(of, Ref) and s1 is s:
                    s.heap[(*of.path, f".{to.name}")] = self.fresh(to) if v is None else v
        elif isinstance(to, IndexExpr):
            for s1, of in self.expr(to.base, s)[:1]:
                if isinstance(of, Ref) and s1 is s:
                    step = self.place(to.index, s, s.sizes.get(of.path))
                    if step is None:
                        s.forget(of, (to, self.where))
                    else:
                        s.heap[(*of.path, ("[]", step))] = self.fresh(to) if v is None else v

    def unpacked(
        self, to: TupleExpr | ListExpr, v: Value, s: State, source: Expression | None
    ) -> list[Value]:
        """What each of the targets gets."""
        n = len(to.items)
        stars = [i for i, x in enumerate(to.items) if isinstance(x, StarExpr)]
        first = stars[0] if stars else n
        if isinstance(v, Group) and (len(v.items) == n and not stars):
            return list(v.items)
        indexed = isinstance(v, Ref) and (
            v.indexed or (source is not None and self.is_indexed(source))
        )
        if not indexed or not isinstance(v, Ref):
            return [None] * n
        return [s.part(v, ("[]", i)) if i < first else None for i in range(n)]


def _joined(ways: list[Ways]) -> Ways:
    return [s for yes, _ in ways for s in yes], [s for _, no in ways for s in no]


def _is_property(node: Decorator | FuncDef | OverloadedFuncDef) -> bool:
    return node.func.is_property if isinstance(node, Decorator) else node.is_property


def _is_of_module(e: MemberExpr) -> bool:
    """Whether this is a name of a module, and no attribute of an object."""
    node = e.node
    if isinstance(node, FuncDef | Decorator | OverloadedFuncDef):
        return not node.info
    if isinstance(node, TypeInfo | MypyFile):
        return True
    return isinstance(node, Var) and not node.info and not node.is_self


def _term_of(v: Value) -> Hashable:
    if isinstance(v, Ref):
        return "ref", v.path
    return ("const", v.value) if isinstance(v, Const) else None


def _truth(term: Hashable, v: Value) -> bool | None:
    """Whether a condition is true, where that can be seen."""
    if isinstance(v, Const):
        return bool(v.value)
    if isinstance(v, Fn | Group):
        return None if isinstance(v, Fn) else bool(v.items)
    if not isinstance(term, tuple):
        return None
    if term[0] == "const":
        return bool(term[1])
    operands = [x for x in term[1:] if isinstance(x, tuple) and x[0] == "const"]
    if term[0] in ("is", "==") and len(term) == 3 and len(operands) == 2:
        return bool(operands[0] == operands[1])
    return None


_NAMED_TERMS: dict[str, Hashable] = {
    **{f"builtins.{n}": ("const", _NAMED[n]) for n in ("True", "False", "None")},
    "typing.TYPE_CHECKING": ("const", False),
}
_HANDLERS: dict[type[Expression], Callable[..., Any]] = {
    IntExpr: Values.literal,
    StrExpr: Values.literal,
    NameExpr: Values.name,
    MemberExpr: Values.member,
    IndexExpr: Values.index,
    TupleExpr: Values.display,
    ListExpr: Values.list_display,
    DictExpr: Values.dict_display,
    StarExpr: Values.star,
    AwaitExpr: Values.star,
    CastExpr: Values.star,
    AssertTypeExpr: Values.star,
    LambdaExpr: Values.lambda_,
    AssignmentExpr: Values.walrus,
    ConditionalExpr: Values.chosen,
    OpExpr: Values.operation,
    UnaryExpr: Values.unary,
}
