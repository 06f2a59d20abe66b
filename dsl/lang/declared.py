"""How a function with a declared derivative is staged: its primal, its rule, and references to it.

The primal and the rule are staged where the function is called, and become one ``custom`` op. What
they close over becomes its operands. Inside of a rule, a call of the same function on arguments of
the same types is a reference to that op (``recur``), so that a rule may use the function, as most
do, and rules may use each other: each is staged once, and derivatives of every order follow.

Law: without a derivative, the op is the primal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import local
from typing import Any

from verax.compiler.ir.dtypes import bool_
from verax.compiler.ir.errors import DerivativeError, StructureError
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.custom import Custom, Recur, moving
from verax.compiler.passes.depend import depends
from verax.dsl.lang.agree import Side, agree
from verax.dsl.lang.control import Captured, flat, spend_branches
from verax.dsl.lang.host import is_numpy
from verax.dsl.lang.promotion import scalar_class
from verax.dsl.lang.scope import describe, name_of
from verax.dsl.lang.stage import (
    Staged,
    as_argument,
    known,
    spend_inputs,
    spend_results,
    stage,
)
from verax.dsl.lang.transform import like
from verax.dsl.lang.treedef import LEAF, TreeDef, build, flatten, mismatch, prefix_leaves
from verax.dsl.lang.value import Value, apply, apply_all, wrap

Function = Callable[..., Any]
DEEPEST = 32
"""How many rules may stand inside of each other."""


class Leaves:
    """A tree of which the arrays and keys are operands; everything else stays as it is.

    Attributes:
        values: the arrays and keys, ``types`` their types.
        moving: which of them can have a tangent.
    """

    def __init__(self, tree: Any) -> None:
        self.leaves, self.tree = flatten(tree)
        self.places = [i for i, x in enumerate(self.leaves) if _is_operand(x)]
        self.values = [as_argument(self.leaves[i]) for i in self.places]
        self.types: list[Type] = [x.type.bare for x in self.values]
        self.moving = [has_tangent(t) for t in self.types]

    def filled(self, values: Sequence[Any]) -> Any:
        """The tree with other values in place of the operands."""
        return self._built(self.leaves, dict(zip(self.places, values)))

    def tangents(self, ts: Sequence[Any]) -> Any:
        """The tree of tangents: of Python floats they are zero, and None where there are none."""
        places = [i for i, m in zip(self.places, self.moving) if m]
        return self._built(map(_zero, self.leaves), dict(zip(places, ts)))

    def _built(self, leaves: Any, at: dict[int, Any]) -> Any:
        return build(self.tree, [at.get(i, x) for i, x in enumerate(leaves)])

    def cotangents(self, given: Any) -> list[Any]:
        """Per operand that can have a tangent what stands there in ``given``, or zeros for None.

        Raises:
            StructureError: the tree is another.
        """
        found = at_leaves(self.tree, given)
        at = zip(self.places, self.types, self.moving)
        return [zero_for_none(found[i], t) for i, t, m in at if m]

    def side(
        self, name: str, given: Sequence[Type] | None = None, weak: Sequence[bool] = ()
    ) -> Side:
        """The types as one side of a comparison, or those given for what can have a tangent."""
        types: list[Type] = [_OTHER] * len(self.leaves)
        is_weak = [False] * len(self.leaves)
        rest = iter(zip(given or (), weak))
        for i, t, m in zip(self.places, self.types, self.moving):
            types[i], is_weak[i] = next(rest) if m and given is not None else (t, False)
        return Side(name, self.tree, tuple(types), tuple(is_weak))

    def same(self, other: Leaves) -> bool:
        """Whether a function of both is one program: types and everything else agree."""
        return (
            self.tree is other.tree
            and self.types == other.types
            and self.places == other.places
            and all(map(_is_same, self.rest(), other.rest()))
        )

    def rest(self) -> list[Any]:
        """The leaves that are no operands."""
        return [x for i, x in enumerate(self.leaves) if i not in self.places]


_OTHER = ArrayType((), bool_)  # what stands in a comparison for a leaf that is no operand


def _is_operand(x: Any) -> bool:
    return scalar_class(x) is None and (isinstance(x, Value) or is_numpy(x))


def _is_same(x: Any, y: Any) -> bool:
    if x is y:
        return True
    return type(x) is type(y) and not (isinstance(x, Value) or is_numpy(x)) and bool(x == y)


class Static:
    """Arguments that stay as they are, whatever they hold; equal where nothing in them differs."""

    def __init__(self, args: Sequence[Any]) -> None:
        self.args = tuple(args)
        self._leaves, self._tree = flatten(self.args)

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Static)
            and self._tree is other._tree
            and all(map(_is_same, self._leaves, other._leaves))
        )


def _zero(x: Any) -> Any:
    """The tangent of a leaf that is no operand."""
    return {float: 0.0, complex: 0j}.get(scalar_class(x))  # type: ignore[arg-type]


def at_leaves(tree: TreeDef, given: Any) -> list[Any]:
    """What stands where a tree has its leaves: leaves, or None."""
    found = prefix_leaves(tree, given)
    if any(x is not None and flatten(x)[1] is not LEAF for x in found):
        raise StructureError(
            "a tree stands in place of a leaf", fix="give one array per leaf, or None"
        )
    return found


def zero_for_none(x: Any, t: Type) -> Any:
    """A tangent, or zeros of type t where it is None."""
    if x is not None:
        return x
    assert isinstance(t, ArrayType)
    return like(0.0, t)


# references --------------------------------------------------------------------------------------


class _Open:
    """A function whose rule is being staged, and its call."""

    def __init__(self, of: object, name: str, args: Leaves, primal: Staged) -> None:
        self.of, self.name, self.args, self.primal = of, name, args, primal
        self.used = False
        self.close_over(Captured([primal]).values)

    def close_over(self, values: Sequence[Any]) -> None:
        """Say what the op takes beside its arguments; references take it by other names."""
        self.consts = list(values)
        self.aliases = [
            wrap(x.type, x.ref, x.scope) if isinstance(x.type, ArrayType) and not x.weak else x
            for x in values
        ]

    def recur(self, args: Leaves, up: int) -> Any:
        """The results of the same function on other arguments."""
        self.used = True
        types = (*[x.type.bare for x in self.consts], *args.types)
        op = Recur(up, types, self.primal.program.out_types, self.name)
        spend_inputs(self.primal, args.values, self.name)
        results = apply_all(op, *self.aliases, *args.values)
        spend_results(self.primal, results)
        return build(self.primal.out_tree, results)


class _Stack(local):
    """The rules that are being staged in this thread, from the outside in."""

    def __init__(self) -> None:
        self.open: list[_Open] = []


_STACK = _Stack()


# the op ------------------------------------------------------------------------------------------


def declared(
    of: object,
    primal: Function,
    rule: Function,
    args: Leaves,
    *,
    user: object,
    what: str,
    stops: bool = False,
) -> Any:
    """The result of a function with its rule, on these arguments, in the open scope.

    Args:
        of: what the function is told by when its rule calls it.
        primal: takes the tree of the arguments.
        rule: takes the tree of the arguments and that of their tangents; gives the result and its
            tangent.
        user: the user's function, for messages; ``what`` names the rule.
        stops: what the functions close over has no say in the derivative; otherwise it is an error
            to ask for one along it.
    """
    open_ = _STACK.open
    for up, frame in enumerate(reversed(open_)):
        if frame.of is of and frame.args.same(args):
            return frame.recur(args, up)
    if len(open_) >= DEEPEST:
        names = " -> ".join(dict.fromkeys(f.name for f in open_[-4:]))
        raise DerivativeError(
            f"derivative rules use each other without end: {names}",
            fix="call a function in its rule on arguments of the types that it was called on",
        )
    s = stage(
        lambda *xs: primal(args.filled(xs)),
        flat(args.types),
        args.types,
        what=what,
        of=user,
        values=args.values if known(args.values) else None,
    )
    frame = _Open(of, name_of(user), args, s)
    r, captured = _stage_rule(frame, rule, user, what)
    program, k = _rule_program(r, captured, frame, user, what), len(args.types)
    primal_program = captured.program(s, k, s.program.out_types)
    op = Custom(primal_program, program, len(captured.values), frame.name)
    spend_branches([s, r], [*args.values, *[None] * sum(args.moving)], what)  # type: ignore[list-item]
    consts = [_stopped(x) for x in captured.values] if stops else captured.values
    results = apply_all(op, *consts, *args.values)
    spend_results(s, results)
    return build(s.out_tree, results)


def _stopped(x: Any) -> Any:
    return apply(StopGradient(), x) if has_tangent(x.type) else x


def _stage_rule(frame: _Open, rule: Function, user: object, what: str) -> tuple[Staged, Captured]:
    """The rule, staged again if it uses the function and closes over more than that does.

    Arrays that the rule makes itself are other objects the second time, in the same order.
    """
    args, n = frame.args, len(frame.args.types)
    out = Results(frame.primal, user, what)
    types = [*args.types, *moving(args.types)]

    def run(*leaves: Any) -> Any:
        ys, moved = rule(args.filled(leaves[:n]), args.tangents(leaves[n:]))
        return ys, out.tangents(moved)

    def staged() -> tuple[Staged, list[Any]]:
        _STACK.open.append(frame)
        try:
            r = stage(run, flat(types), types, what=what, of=user, keep_weak=True)
        finally:
            _STACK.open.pop()
        named = {id(a): x for a, x in zip(frame.aliases, frame.consts)}
        own = [x for x in r.captured if x.scope is None and id(x) not in named]
        return r._replace(captured=[named.get(id(x), x) for x in r.captured]), own

    r, made = staged()
    captured = Captured([frame.primal, r])
    if frame.used and len(captured.values) > len(frame.consts):
        frame.close_over(captured.values)
        r, again = staged()
        first = {id(y): x for x, y in zip(made, again)}
        r = r._replace(captured=[first.get(id(x), x) for x in r.captured])
        captured = Captured([frame.primal, r], frame.consts)
        if len(captured.values) > len(frame.consts):
            raise DerivativeError(
                f"{what} of {describe(user)} closes over other arrays each time that it is staged",
                fix="make it a pure function of its arguments",
            )
    return r, captured


def _rule_program(r: Staged, captured: Captured, frame: _Open, user: object, what: str) -> Any:
    """The program of the rule, once its results agree with those of the function."""
    out = Results(frame.primal, user, what)
    out.check(r)
    n, wanted = len(r.program.in_types) - len(r.captured), frame.primal.program.out_types
    p = captured.program(r, n, [*wanted, *moving(wanted)])
    k = len(captured.values) + len(frame.args.types)
    if any(depends(p, (False,) * k + (True,) * (p.n_in - k))[: len(wanted)]):
        raise DerivativeError(
            f"{what} of {describe(user)} lets the result depend on the tangents",
            fix="return (result, tangent of the result), the result from the arguments alone",
        )
    return p


class Results:
    """The results of a function, and what its rule gives for them."""

    def __init__(self, primal: Staged, user: object, what: str) -> None:
        self.tree, self.types = primal.out_tree, primal.program.out_types
        self.user, self.what = user, what

    def tangents(self, given: Any) -> list[Any]:
        """What is given per result that can have a tangent; zeros for None."""
        try:
            found = at_leaves(self.tree, given)
        except StructureError:
            head = f"{self.what} of {describe(self.user)} gives a tangent unlike its result"
            raise mismatch(head, self.tree, flatten(given)[1], ("result", "tangent")) from None
        return [zero_for_none(x, t) for x, t in zip(found, self.types) if has_tangent(t)]

    def check(self, r: Staged) -> None:
        """Raise unless a staged rule gives these results, and tangents of their types."""
        n = len(self.types)
        user = describe(self.user)
        ours = Side("function", self.tree, self.types, (False,) * n)
        theirs = Side("rule", r.out_tree.children[0], r.program.out_types, r.weak)
        if theirs.tree.n_leaves != len(self.types):
            agree(f"{self.what} of {user} gives another result", ours, theirs)
        theirs = Side("rule", theirs.tree, theirs.types[:n], r.weak[:n])
        agree(f"{self.what} of {user} gives another result", ours, theirs)
        moved = beside(self.types, r.program.out_types[n:], r.weak[n:])
        agree(
            f"{self.what} of {user} gives a tangent unlike its result",
            Side("result", self.tree, self.types, (False,) * n),
            Side("tangent", self.tree, *moved),
        )


def beside(
    types: Sequence[Type], given: Sequence[Type], weak: Sequence[bool]
) -> tuple[tuple[Type, ...], tuple[bool, ...]]:
    """Types of tangents and which are Python scalars, at the leaves that can have one."""
    rest = iter(zip(given, weak))
    out = [next(rest) if has_tangent(t) else (t, False) for t in types]
    return tuple([t for t, _ in out]), tuple([w for _, w in out])
