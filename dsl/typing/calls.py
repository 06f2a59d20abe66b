"""What calls do with keys: samplers consume, ``fold_in`` derives, and functions are followed.

A function that is defined in the module is followed into its body, with what it was given, so that
what it does to a key is seen; any other function that takes a key is taken to consume it. What the
library does with the functions that it is given stands in takers.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mypy.nodes import (
    ARG_NAMED,
    ARG_POS,
    ARG_STAR,
    ARG_STAR2,
    AssertTypeExpr,
    Block,
    CallExpr,
    CastExpr,
    Decorator,
    Expression,
    FuncItem,
    IntExpr,
    MemberExpr,
    NameExpr,
    RefExpr,
    StrExpr,
    TypeInfo,
)
from mypy.types import CallableType, Type, UninhabitedType, get_proper_type

from verax.dsl.typing.asking import (
    KEY,
    callables,
    holds_named,
    is_frozen,
    is_named,
    type_of_node,
)
from verax.dsl.typing.consuming import Arg, Consuming, Followed, items_of, refs_of, text_of
from verax.dsl.typing.takers import RANDOM, TAKERS, Taker
from verax.dsl.typing.uses import Const, Fn, Group, Ref, State, Step, Value, merged
from verax.dsl.typing.values import Outcomes

_DEPTH = 6  # of calls that are followed
_MAKERS = {"key", "wrap_key_data"}
_SAME_ITEMS = {f"builtins.{name}" for name in ("list", "tuple")}


class Calls(Consuming):
    """Evaluates calls."""

    def body(self, block: Block, states: list[State]) -> Outcomes:
        """What a function body returns."""
        raise NotImplementedError

    # calls ----------------------------------------------------------------------------------------

    def call_expr(self, e: CallExpr, s: State) -> Outcomes:
        if isinstance(e.analyzed, CastExpr | AssertTypeExpr):
            return self.expr(e.analyzed.expr, s)
        if e.analyzed is not None:
            return [(s, self.fresh(e))]
        out: Outcomes = []
        for s1, f in self.expr(e.callee, s):
            for s2, values in self.many(e.args, s1):
                args = [Arg(*x) for x in zip(values, e.args, e.arg_kinds, e.arg_names)]
                out += self.call(e, f, _expanded(args), s2, e.callee)
        return out

    def call(
        self, e: Expression, f: Value, args: Sequence[Arg], s: State, callee: Expression
    ) -> Outcomes:
        """The outcomes of calling ``f``."""
        if not isinstance(f, Fn):
            node = callee.node if isinstance(callee, RefExpr) else None
            if isinstance(node, TypeInfo):
                return self.construct(e, node, args, s, callee)
            return self.by_type(e, callee, callee, args, s)
        args = [*map(Arg, f.bound), *args, *[Arg(v, None, ARG_NAMED, n) for n, v in f.named]]
        taker = TAKERS.get(f.full_name)
        if taker is not None:
            return self.taken(e, f, taker, args, s)
        if f.full_name == "functools.partial":
            return self.partial(e, args, s)
        if f.full_name.startswith(RANDOM):
            return self.random(e, f, args, s)
        if f.function is not None and self.is_followed(f.function, args):
            return self.follow(e, f, f.function, args, s)
        return self.by_type(e, f.expr, f.expr, args, s, f)

    def random(self, e: Expression, f: Fn, args: Sequence[Arg], s: State) -> Outcomes:
        """A function of ``vx.random``."""
        made = self.fresh(e)
        given = dict(zip(("key", "data" if f.name == "fold_in" else "num"), args))
        given |= {a.name: a for a in args if a.name is not None}
        key = given.get("key")
        if f.name in _MAKERS or key is None:
            return [(s, made)]
        if f.name == "fold_in":
            self.derive(e, key, given.get("data"), s)
        else:
            self.consume(e, key, f.name, s)
        if f.name != "split":
            return [(s, made)]
        num = given["num"].value if "num" in given else Const(2)
        if isinstance(num, Const) and isinstance(num.value, int) and num.value > 0:
            s.sizes[made.path] = num.value
        return [(s, made._replace(indexed=True))]

    def construct(
        self, e: Expression, cls: TypeInfo, args: Sequence[Arg], s: State, callee: Expression
    ) -> Outcomes:
        """A new object; its fields are known where its class is made from them."""
        taker = TAKERS.get(cls.fullname)
        if taker is not None:
            return self.taken(e, Fn(cls.name, callee, cls.fullname), taker, args, s)
        if cls.fullname == "functools.partial":
            return self.partial(e, args, s)
        if cls.fullname in _SAME_ITEMS and len(args) == 1:
            return [(s, args[0].value if isinstance(args[0].value, Ref) else self.fresh(e))]
        how = "__new__" if cls.is_named_tuple else "__init__"
        init = cls.get(how)
        if init is None or init.node is None or not (init.plugin_generated or cls.is_named_tuple):
            return self.by_type(e, callee, callee, args, s)
        made = self.fresh(e)
        signature = get_proper_type(type_of_node(init.node))
        if isinstance(signature, CallableType):
            names = list(signature.arg_names[1:])
            for i, a in enumerate(args):
                name = a.name if a.name is not None else names[i] if i < len(names) else None
                if name is not None and a.value is not None and a.kind in (ARG_POS, ARG_NAMED):
                    s.heap[(*made.path, f".{name}")] = a.value
        return [(s, made)]

    def partial(self, e: Expression, args: Sequence[Arg], s: State) -> Outcomes:
        f = args[0].value if args else None
        plain = all(a.kind in (ARG_POS, ARG_NAMED) for a in args)
        if not isinstance(f, Fn) or not plain:
            return [(s, self.fresh(e))]
        bound = tuple(a.value for a in args[1:] if a.name is None)
        named = tuple((a.name, a.value) for a in args[1:] if a.name is not None)
        return [(s, f._replace(bound=(*f.bound, *bound), named=(*f.named, *named)))]

    # what the library does with functions ---------------------------------------------------------

    def taken(self, e: Expression, f: Fn, taker: Taker, args: Sequence[Arg], s: State) -> Outcomes:
        """A function of the library that was given functions."""
        at = {i: a for i, a in enumerate(args) if a.name is None}
        named = {a.name: a for a in args if a.name is not None}
        fns = [named.get(n) or at.get(i) for i, n in taker.functions.items()]
        known = [a for a in fns if a is not None]
        rest = [a for a in args if a not in known]
        if taker.how in ("same", "changed"):
            g = known[0].value if known else None
            if not known:  # @vx.jit(static_argnums=0)
                return [(s, Fn(f.name, f.expr, f.full_name))]
            exact = isinstance(g, Fn) and g.exact and taker.how == "same"
            return [(s, g._replace(exact=exact) if isinstance(g, Fn) else self.fresh(e))]
        if taker.how == "branch":
            return self.branches(e, known, [a for a in rest if a is not args[0]], s)
        if taker.how == "loop":
            return self.rounds(e, f.name if taker.stages else "tree.map", known, rest, s)
        operands = [Arg(x) for a in rest for x in items_of(a.value)] if f.name == "jvp" else rest
        out = self.apply(e, known[0], operands, s) if known else [(s, None)]
        return [(s1, self.fresh(e)) for s1, _ in out]

    def apply(self, e: Expression, f: Arg, args: Sequence[Arg], s: State) -> Outcomes:
        """Call a function that was passed as an argument."""
        return self.call(e, f.value, args, s, f.expr if f.expr is not None else e)

    def branches(
        self, e: Expression, fns: Sequence[Arg], operands: Sequence[Arg], s: State
    ) -> Outcomes:
        out: Outcomes = []
        for f in [x for a in fns for x in self.listed(a, s)]:
            out += self.apply(e, f, operands, s.copy())
        return [(s1, self.fresh(e)) for s1 in merged([s1 for s1, _ in out])] or [(s, self.fresh(e))]

    def listed(self, a: Arg, s: State) -> list[Arg]:
        """The functions in a list of functions."""
        if isinstance(a.value, Group):
            return [Arg(v, a.expr) for v in a.value.items]
        if isinstance(a.value, Ref) and a.value.indexed:
            n = s.sizes.get(a.value.path, 0)
            return [Arg(s.part(a.value, ("[]", i)), a.expr) for i in range(n)]
        return [a]

    def rounds(
        self, e: Expression, name: str, fns: Sequence[Arg], rest: Sequence[Arg], s: State
    ) -> Outcomes:
        """A loop: its functions run in two rounds, the second on what the first has left."""
        given = [a for a in rest if a.kind is ARG_POS or a.name in ("init", "xs")]
        carried: Value = None
        xs: Value = None
        if name in ("scan", "while_loop") and given:
            carried = given[0].value
            xs = given[1].value if len(given) > 1 and name == "scan" else None
        elif name == "fori_loop" and given:
            carried = given[-1].value
        elif name == "map" and given:
            xs = given[0].value
        states: Outcomes = [(s, carried)]
        outer = self.where
        for i in range(2):
            self.where = (*outer, Step(e, i, f"the body of {name}"))
            after: Outcomes = []
            for s1, carry in states:
                after += self.one_round(e, name, fns, carry, self.each(xs, e), s1)
            kept = merged([s1 for s1, _ in after])
            states = [x for x in after if any(x[0] is k for k in kept)]
        self.where = outer
        for s1, _ in states:
            self.all_used(xs, e, s1)
        return [(s1, self.fresh(e)) for s1, _ in states]

    def one_round(
        self, e: Expression, name: str, fns: Sequence[Arg], carry: Value, x: Value, s: State
    ) -> Outcomes:
        """The functions of a loop once; with the next carry."""
        outs: Outcomes = [(s, carry)]
        for i, f in enumerate(fns):
            args = [Arg(carry if carry is not None else self.fresh(e, "carry"))]
            if name == "scan":
                args.append(Arg(x))
            elif name == "fori_loop":
                args.insert(0, Arg(self.fresh(e, "i")))
            elif name == "map":
                args = [Arg(x)]
            elif name != "while_loop":
                args = []  # of other values each time
            after: Outcomes = []
            for s1, c in outs:
                for s2, v in self.apply(e, f, args, s1):
                    is_next = i == len(fns) - 1
                    made = v if name != "scan" else _first(v)
                    after.append((s2, (made or self.fresh(e, "next")) if is_next else c))
            outs = after
        return outs

    def each(self, xs: Value, e: Expression) -> Value:
        """An element of what is looped over: another one in each round."""
        if isinstance(xs, Group):
            return Group(tuple([self.each(x, e) for x in xs.items]))
        return xs.at(("each", e, self.where)) if isinstance(xs, Ref) else self.fresh(e, "x")

    def all_used(self, xs: Value, e: Expression, s: State) -> None:
        """What was consumed in each round is consumed as a whole."""
        for x in refs_of(xs):
            n = len(x.path)
            for path, use in list(s.uses.items()):
                step = path[n] if len(path) == n + 1 and path[:n] == x.path else None
                if isinstance(step, tuple) and step[:2] == ("each", e):
                    s.uses.setdefault(x.path, use)

    # functions of the module ----------------------------------------------------------------------

    def is_followed(self, f: FuncItem, args: Sequence[Arg]) -> bool:
        """Whether to go into the body: it may do something to a key, and there is an end to it."""
        if f.is_generator or f.is_coroutine or len(self.calls) >= _DEPTH:
            return False
        if f is self.unit or any(c.fn.function is f for c in self.calls):
            return False
        if f in self.local or any(isinstance(a.value, Fn) for a in args):
            return True
        return isinstance(f.type, CallableType) and any(map(_takes_key, f.type.arg_types))

    def follow(
        self, e: Expression, f: Fn, function: FuncItem, args: Sequence[Arg], s: State
    ) -> Outcomes:
        if f.receiver is not None and not getattr(function, "is_static", False):
            args = [Arg(f.receiver), *args]
        self.bind(e, function, args, s)
        self.ran.add(function)
        outer = self.where, self.calls
        self.calls = (*self.calls, Followed(e, f, args, len(self.where)))
        self.where = (*self.where, Step(e, -1, f.name))
        out = self.body(function.body, [s])
        self.where, self.calls = outer
        exact = f.exact and _is_exact(f.expr)
        return [(s1, v if exact and v is not None else self.fresh(e)) for s1, v in out]

    def bind(self, e: Expression, function: FuncItem, args: Sequence[Arg], s: State) -> None:
        """Give the parameters their values."""
        positional = [a for a in args if a.kind is ARG_POS]
        clear = all(a.kind in (ARG_POS, ARG_NAMED) for a in args)
        named = {a.name: a.value for a in args if a.kind is ARG_NAMED}
        for i, p in enumerate(function.arguments):
            v: Value = None
            if p.kind.is_star():
                v = None
            elif p.variable.name in named:
                v = named[p.variable.name]
            elif p.kind.is_positional() and i < len(positional) and clear:
                v = positional[i].value
            elif p.kind is ARG_STAR and clear:
                v = Group(tuple([a.value for a in positional[i:]]))
            elif clear and isinstance(p.initializer, IntExpr | StrExpr | NameExpr):
                v = self.expr(p.initializer, s)[0][1]
            s.env[p.variable] = self.fresh(p.variable, e) if v is None else v

    def by_type(
        self,
        e: Expression,
        callee: Expression,
        asked: Expression,
        args: Sequence[Arg],
        s: State,
        f: Fn | None = None,
    ) -> Outcomes:
        """Any other function: what its signature says."""
        name = f.name if f is not None else text_of(callee) or "a call"
        made = self.fresh(e)
        signatures = [t for t in callables(self.asked.type_of(asked)) if _fits(t, args)]
        if signatures and all(_never_returns(t) for t in signatures):
            return []
        library = f is not None and f.full_name.startswith("verax.")
        for i, a in enumerate(args):
            formals = [_formal(t, i, a) for t in signatures]
            if formals and all(_takes_key(t) for t in formals):
                derives = not library and len(args) > 1 and is_named(signatures[0].ret_type, KEY)
                if derives and is_named(formals[0], KEY):
                    self.derive(e, a, None, s, name)
                else:
                    self.consume(e, a, name, s)
            elif not library and a.expr is not None and not is_frozen(self.asked.type_of(a.expr)):
                for x in refs_of(a.value):
                    s.forget(x, (e, self.where))
        receiver = f.receiver if f is not None else None
        if isinstance(receiver, Ref) and isinstance(callee, MemberExpr) and not library:
            if not is_frozen(self.asked.type_of(callee.expr)):
                s.forget(receiver, (e, self.where))
        elif isinstance(receiver, Ref) and f is not None and f.full_name == f"{KEY}.reshape":
            made = receiver
        return [(s, made)]


def _expanded(args: Iterable[Arg]) -> list[Arg]:
    """Arguments with the items of known tuples in place of ``*args``."""
    out: list[Arg] = []
    for a in args:
        if a.kind is ARG_STAR and isinstance(a.value, Group):
            out += [Arg(v) for v in a.value.items]
        else:
            out.append(a)
    return out


def _is_exact(e: Expression) -> bool:
    """Whether a name gives what the function gives that it was defined as."""
    node = e.node if isinstance(e, RefExpr) else None
    if not isinstance(node, Decorator):
        return True
    names = [d.callee if isinstance(d, CallExpr) else d for d in node.original_decorators]
    takers = [TAKERS.get(d.fullname) if isinstance(d, RefExpr) else None for d in names]
    return all(t is not None and t.how == "same" for t in takers)


def _first(v: Value) -> Value:
    """The first of a pair."""
    return v.items[0] if isinstance(v, Group) and len(v.items) == 2 else None


def _takes_key(t: Type | None) -> bool:
    return holds_named(t, KEY)


def _never_returns(t: CallableType) -> bool:
    return isinstance(get_proper_type(t.ret_type), UninhabitedType)


def _fits(t: CallableType, args: Sequence[Arg]) -> bool:
    """Whether a signature can take as many arguments."""
    if any(a.kind in (ARG_STAR, ARG_STAR2) for a in args):
        return True
    names = [a.name for a in args if a.name is not None]
    known = t.is_kw_arg or all(n in t.arg_names for n in names)
    required = sum(k.is_required() for k in t.arg_kinds)
    most = len(t.arg_kinds)
    return known and required <= len(args) and (t.is_var_arg or t.is_kw_arg or len(args) <= most)


def _formal(t: CallableType, i: int, a: Arg) -> Type | None:
    """The type of the parameter that takes an argument."""
    if a.kind is ARG_NAMED and a.name is not None:
        found = t.argument_by_name(a.name)
    elif a.kind is ARG_POS:
        found = t.argument_by_position(i)
    else:
        return None
    return None if found is None else found.typ
