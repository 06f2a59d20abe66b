"""Effects in staged functions, found in their text: writes to what is outside, clocks, iterators.

A finding is what the runtime refuses (dsl/lang/purity.py, dsl/lang/outside.py): a captured list
that is appended to, a global or nonlocal that is bound anew, a staged value that is put into a
captured dict or object, a call of a clock, a draw of random numbers, a captured iterator that is
read. Functions of the module that a staged function calls are followed.

Law: where the runtime accepts there is no finding. So what stands under a condition is let alone,
for it may not run while staging; and so is a table that is filled in with what is not staged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mypy.nodes import (
    GDEF,
    AssertTypeExpr,
    AssignmentStmt,
    Block,
    CallExpr,
    CastExpr,
    ClassDef,
    ConditionalExpr,
    Decorator,
    DelStmt,
    DictExpr,
    Expression,
    ForStmt,
    FuncDef,
    FuncItem,
    IfStmt,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    ListExpr,
    MatchStmt,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    ReturnStmt,
    SetExpr,
    StarExpr,
    StrExpr,
    TryStmt,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    Var,
)
from mypy.types import Instance, ProperType, UnionType, get_proper_type

from verax.dsl.lang.outside import DRAW, ITERATE, asking
from verax.dsl.lang.outside import asked as refused
from verax.dsl.lang.purity import elsewhere, written
from verax.dsl.typing.asking import ARRAY, KEY, Asked, holds_named, info_of, member
from verax.dsl.typing.consuming import text_of
from verax.dsl.typing.finding import Finding
from verax.dsl.typing.staged import Staged, staged
from verax.dsl.typing.syntax import inside, parts

CODE = "verax-effect"
_ADDS = {"append": "appended to", "extend": "extended", "insert": "inserted into"}
_TAKES = dict.fromkeys(("pop", "popitem", "popleft", "remove", "clear", "rotate"), "changed")
_ORDERS = dict.fromkeys(("sort", "reverse"), "changed")
_FILLS = ("update", "setdefault", "append", "appendleft", "extend", "extendleft", "__setitem__")
_LIST, _DICT, _SET = "builtins.list", "builtins.dict", "builtins.set"
_DICTS = {_DICT, "collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
_WRITTEN: dict[str, Mapping[str, str]] = {
    _LIST: {**_ADDS, **_TAKES, **_ORDERS},
    _SET: _TAKES,
    "collections.deque": _TAKES,
    "numpy.ndarray": {"fill": "changed", "sort": "changed"},
    **dict.fromkeys(_DICTS, _TAKES),
}
"""The methods that write, by the class of the container, with what messages call it."""
_ITERATORS = {"typing.Iterator", "typing.Generator", "itertools.count"} | {
    f"builtins.{name}" for name in ("enumerate", "map", "zip", "filter", "reversed")
}
_GENERATORS = {"random.Random", "numpy.random._generator.Generator"} | {
    "numpy.random.mtrand.RandomState"
}
_NUMPY = "numpy.random.mtrand."
_STILL = {"get_state", "set_state", "getstate", "setstate", "bit_generator", "spawn"}
_DEPTH = 6


class Place(NamedTuple):
    """A variable that a staged function reads from outside, and what of it is meant.

    Attributes:
        text: as messages call it.
        root: the name of the variable.
    """

    text: str
    root: str


class Outline(NamedTuple):
    """What is known of a module without types.

    Attributes:
        units: of each node in a function, the outermost function that it stands in.
        own: all functions.
        staged: those that are staged.
    """

    units: dict[Node, FuncItem]
    own: frozenset[FuncItem]
    staged: list[Staged]


def outline(tree: MypyFile) -> Outline:
    """Read a module once."""
    units: dict[Node, FuncItem] = {}
    own: list[FuncItem] = []
    nodes: list[Node] = []
    todo: list[tuple[Node, FuncItem | None]] = [(tree, None)]
    while todo:
        node, unit = todo.pop()
        nodes.append(node)
        if isinstance(node, FuncItem):
            own.append(node)
            if unit is None and isinstance(node, FuncDef):
                unit = node
        if unit is not None:
            units[node] = unit
        todo += [(x, unit) for x in reversed(parts(node))]
    return Outline(units, frozenset(own), staged(nodes))


def analyse(module: Outline, asked: Asked) -> dict[FuncItem | None, list[Finding]]:
    """The effects in the staged functions of a module, by the outermost function they stand in."""
    found: dict[FuncItem | None, list[Finding]] = {}
    seen: set[Node] = set()
    known: dict[FuncItem, frozenset[Var]] = {}  # for now: the daemon renews them
    for s in module.staged:
        for finding in _Region(s, module.own, asked, known).findings():
            assert isinstance(finding.node, Node)
            if finding.node not in seen:
                seen.add(finding.node)
                found.setdefault(module.units.get(finding.node), []).append(finding)
    return found


class _Region:
    """What runs when one function is staged."""

    def __init__(
        self,
        s: Staged,
        own: frozenset[FuncItem],
        asked: Asked,
        known: dict[FuncItem, frozenset[Var]],
    ) -> None:
        self.s, self.own, self.asked, self.known = s, own, asked, known
        self.inside = self.bound(s.function)
        self.given: dict[Var, Place] = {}  # the self of methods that are followed
        self.path: tuple[FuncItem, ...] = (s.function,)
        self.found: list[Finding] = []

    def bound(self, f: FuncItem) -> frozenset[Var]:
        """The variables that a function binds as its own."""
        if f not in self.known:
            self.known[f] = _bound(f)
        return self.known[f]

    def findings(self) -> list[Finding]:
        self.block(self.s.function.body)
        return self.found

    # statements -----------------------------------------------------------------------------------

    def block(self, block: Block | None) -> bool:
        """Go through what runs in any case; False where the rest may not run."""
        if block is None or block.is_unreachable:
            return True
        return all(self.statement(x) for x in block.body)

    def statement(self, node: Node) -> bool:
        if isinstance(node, IfStmt):
            self.expression(node.expr[0])
            return not any(isinstance(x, ReturnStmt) for x in inside(node))
        if isinstance(node, MatchStmt):
            self.expression(node.subject)
            return not any(isinstance(x, ReturnStmt) for x in inside(node))
        if isinstance(node, TryStmt):
            return self.block(node.body) and self.block(node.finally_body)
        if isinstance(node, FuncDef | ClassDef | Decorator | OverloadedFuncDef):
            return True
        if isinstance(node, Block):
            return self.block(node)
        if isinstance(node, ForStmt):
            self.iterated(node.expr)
        elif isinstance(node, AssignmentStmt):
            for lv in node.lvalues:
                self.stored(lv, node.rvalue, node)
        elif isinstance(node, OperatorAssignmentStmt):
            self.augmented(node)
        elif isinstance(node, DelStmt):
            self.deleted(node.expr)
        going = True
        for x in parts(node):
            if isinstance(x, Block):
                going = self.block(x) and going
            else:
                self.expression(x)
        return going and not isinstance(node, ReturnStmt)

    def expression(self, e: Node) -> None:
        """Go through what is evaluated in any case."""
        if isinstance(e, LambdaExpr):
            return
        if isinstance(e, ConditionalExpr):
            self.expression(e.cond)
        elif isinstance(e, OpExpr) and e.op in ("and", "or"):
            self.expression(e.left)
        else:
            for x in parts(e):
                self.expression(x)
            if isinstance(e, CallExpr):
                self.called(e)

    # calls ----------------------------------------------------------------------------------------

    def called(self, e: CallExpr) -> None:
        callee = e.callee
        name = _full_name(callee)
        known = asking().get(name)
        if known is not None:
            self.asked_for(e, f"{known[0]}() was called", known[1])
        elif name.startswith(_NUMPY) and name.removeprefix(_NUMPY) not in _STILL:
            if name.removeprefix(_NUMPY)[:1].islower():
                self.asked_for(e, "the random state of NumPy was drawn from", DRAW)
        elif name == "numpy.random._generator.default_rng" and not e.args:
            self.asked_for(e, "numpy.random.default_rng() was called without a seed", DRAW)
        elif name == "builtins.next" and e.args:
            self.iterated(e.args[0])
        elif name == "builtins.setattr" and len(e.args) == 3:
            place = self.outside(e.args[0])
            if place is not None and self.is_staged(e.args[2]):
                self.wrote(e, place, "changed")
        elif isinstance(callee, MemberExpr) and self.method(e, callee):
            return
        else:
            self.follow(callee)

    def method(self, e: CallExpr, callee: MemberExpr) -> bool:
        """A method of something that is captured."""
        place = self.outside(callee.expr)
        info = info_of(self.asked.type_of(callee.expr))
        if place is None or info is None:
            return False
        names = [c.fullname for c in info.mro]
        if any(n in _GENERATORS for n in names) and callee.name not in _STILL:
            self.asked_for(e, f"{place.text} was drawn from", DRAW)
            return True
        kind = next((n for n in names if n in _WRITTEN), None)
        if kind is not None:
            verb = _WRITTEN[kind].get(callee.name)
            falls_back = callee.name == "pop" and kind in _DICTS and len(e.args) == 2
            if verb is not None and not falls_back and not self.is_undone(callee):
                self.wrote(e, place, verb)
            elif verb is None and callee.name in _FILLS and any(map(self.is_staged, e.args)):
                self.wrote(e, place, "written to")
            return True
        node = member(info, callee.name)
        if isinstance(node, FuncDef) and not node.is_static and node.arguments:
            before = self.given
            self.given = {**before, node.arguments[0].variable: place}
            self.go_into(node)
            self.given = before
        return True

    def is_undone(self, callee: MemberExpr) -> bool:
        """Whether the function also takes away what it adds, or puts back what it takes."""
        other = _TAKES if callee.name in _ADDS else _ADDS
        of = text_of(callee.expr)
        return any(
            isinstance(x, CallExpr)
            and isinstance(x.callee, MemberExpr)
            and x.callee.name in other
            and text_of(x.callee.expr) == of
            for x in inside(self.path[-1])
        )

    def follow(self, callee: Expression) -> None:
        """Go into a function of the module."""
        node = callee.node if isinstance(callee, NameExpr) else None
        if isinstance(node, FuncDef):
            self.go_into(node)

    def go_into(self, f: FuncDef) -> None:
        if f not in self.own or f in self.path or len(self.path) >= _DEPTH:
            return
        if f.is_generator or f.is_coroutine:
            return
        outer = self.inside, self.path
        self.inside, self.path = self.inside | self.bound(f), (*self.path, f)
        self.block(f.body)
        self.inside, self.path = outer

    # reads ----------------------------------------------------------------------------------------

    def iterated(self, e: Expression) -> None:
        """An iterator from outside that is read."""
        place = self.outside(e)
        info = info_of(self.asked.type_of(e)) if place is not None else None
        if place is not None and info is not None and info.fullname in _ITERATORS:
            self.asked_for(e, f"{place.text} was read", ITERATE)

    # writes ---------------------------------------------------------------------------------------

    def stored(self, to: Node, value: Expression, at: Node) -> None:
        """An assignment."""
        if isinstance(to, StarExpr):
            self.stored(to.expr, value, at)
        elif isinstance(to, TupleExpr):
            for x in to.items:
                self.stored(x, value, at)
        elif isinstance(to, NameExpr):
            place = self.outside(to)
            if place is not None and (self.is_staged(value) or self.is_filled(to)):
                self.wrote(at, place, "bound anew")
        elif isinstance(to, MemberExpr | IndexExpr):
            of = to.expr if isinstance(to, MemberExpr) else to.base
            place = self.outside(of)
            if place is not None and (self.is_staged(value) or self.is_replaced(to, value)):
                self.wrote(at, place._replace(text=self.shown(to)), "changed")

    def augmented(self, node: OperatorAssignmentStmt) -> None:
        """``x += 1``: what stood there is another one."""
        to = node.lvalue
        if isinstance(to, NameExpr):
            place, verb = self.outside(to), "bound anew"
        elif isinstance(to, MemberExpr | IndexExpr):
            of = to.expr if isinstance(to, MemberExpr) else to.base
            info = info_of(self.asked.type_of(of))
            place, verb = self.outside(of), "changed"
            if info is not None and info.has_base("builtins.dict") and info.fullname != _DICT:
                return  # a missing entry may be filled in
        else:
            return
        if place is not None:
            self.wrote(node, place._replace(text=self.shown(to)), verb)

    def deleted(self, e: Expression) -> None:
        for x in e.items if isinstance(e, TupleExpr) else [e]:
            if isinstance(x, IndexExpr | MemberExpr):
                place = self.outside(x.base if isinstance(x, IndexExpr) else x.expr)
                if place is not None:
                    self.wrote(e, place._replace(text=self.shown(x)), "removed")

    def is_filled(self, e: NameExpr) -> bool:
        """Whether a variable certainly held something: its type has no None."""
        return isinstance(e.node, Var) and _never_none(get_proper_type(e.node.type))

    def is_replaced(self, to: MemberExpr | IndexExpr, value: Expression) -> bool:
        """Whether something certainly stood there: an item of a list, or what is read as well."""
        if isinstance(to, IndexExpr):
            t = self.asked.type_of(to.base)
            if isinstance(t, Instance) and t.type.fullname == "numpy.ndarray":
                return True
            if isinstance(t, Instance) and t.type.fullname == _LIST and t.args:
                return _never_none(get_proper_type(t.args[0]))
        text = text_of(to)
        return bool(text) and any(
            isinstance(x, MemberExpr | IndexExpr) and text_of(x) == text for x in inside(value)
        )

    # what is outside, and what is staged ----------------------------------------------------------

    def outside(self, e: Expression) -> Place | None:
        """The variable that an expression starts from, if it is none of the function's own."""
        here = e
        while isinstance(here, MemberExpr | IndexExpr):
            if isinstance(here, MemberExpr) and isinstance(here.node, Var) and not here.node.info:
                return None  # a variable of another module
            here = here.expr if isinstance(here, MemberExpr) else here.base
        if not isinstance(here, NameExpr) or not isinstance(here.node, Var):
            return None
        place = self.given.get(here.node)
        if place is not None:
            return Place(place.text + text_of(e).removeprefix(here.name), place.root)
        if here.node in self.inside:
            return None
        return Place(self.shown(e), here.name)

    def shown(self, e: Expression) -> str:
        """An expression as messages call it."""
        here, text = e, text_of(e)
        while isinstance(here, MemberExpr | IndexExpr):
            here = here.expr if isinstance(here, MemberExpr) else here.base
        if not isinstance(here, NameExpr):
            return text
        if isinstance(here.node, Var) and here.node in self.given:
            return self.given[here.node].text + (text or here.name).removeprefix(here.name)
        return f"{'the global ' if here.kind == GDEF else ''}{text or here.name}"

    def is_staged(self, e: Expression) -> bool:
        """Whether this is, or holds, a value of the function that is staged."""
        if isinstance(e, IntExpr | StrExpr | LambdaExpr):
            return False
        if isinstance(e, CastExpr | AssertTypeExpr | StarExpr):
            return self.is_staged(e.expr)
        root = e
        while isinstance(root, MemberExpr | IndexExpr):
            root = root.expr if isinstance(root, MemberExpr) else root.base
        if isinstance(root, NameExpr) and self.is_foreign(root):
            return False
        t = self.asked.type_of(e)
        if holds_named(t, ARRAY) or holds_named(t, KEY):
            return True
        if isinstance(e, NameExpr) and t is None and not self.s.static:
            return any(p.variable is e.node for p in self.s.function.arguments)
        if isinstance(e, CallExpr) and (t is not None or _full_name(e.callee)[:6] != "verax."):
            return False
        computed = (CallExpr, OpExpr, UnaryExpr) if t is None else ()
        return isinstance(e, (*_DISPLAYS, *computed)) and any(
            self.is_staged(x) for x in parts(e) if isinstance(x, Expression)
        )

    def is_foreign(self, e: NameExpr) -> bool:
        return isinstance(e.node, Var) and e.node not in self.inside

    # findings -------------------------------------------------------------------------------------

    def wrote(self, node: Node, place: Place, verb: str) -> None:
        name = self.s.function.name
        text = written(place.text, verb, name, self.s.how)
        self.found.append(Finding(node, CODE, text, elsewhere(name, place.root)))

    def asked_for(self, node: Node, what: str, fix: str) -> None:
        text = refused(what, self.s.function.name, fix).message
        self.found.append(Finding(node, CODE, text, fix))


_DISPLAYS = (TupleExpr, ListExpr, DictExpr, SetExpr)


def _full_name(e: Expression) -> str:
    """The full name of a function, or of a method of a class."""
    if isinstance(e, MemberExpr) and isinstance(e.expr, RefExpr):
        if isinstance(e.expr.node, TypeInfo):
            return f"{e.expr.node.fullname}.{e.name}"
    return e.fullname if isinstance(e, RefExpr) else ""


def _bound(f: FuncItem) -> frozenset[Var]:
    """The variables that a function, or a function in it, binds as its own."""
    found: set[Var] = set()
    for x in inside(f):
        if isinstance(x, FuncItem):
            found |= {p.variable for p in x.arguments}
        elif isinstance(x, NameExpr) and isinstance(x.node, Var):
            if x.is_new_def or x.is_inferred_def:
                found.add(x.node)
    return frozenset(found)


def _never_none(t: ProperType | None) -> bool:
    """Whether None is none of the values."""
    if isinstance(t, UnionType):
        return all(_never_none(get_proper_type(x)) for x in t.items)
    return isinstance(t, Instance) and t.type.fullname != "builtins.object"


def is_quiet(unit: FuncItem, found: Sequence[Finding]) -> bool:
    """Whether no hook runs in a function: nothing is computed there but what was found."""
    nodes = {f.node for f in found}
    loud = (CallExpr, OpExpr, IndexExpr)
    return not any(isinstance(x, loud) and x not in nodes for x in inside(unit.body))
