"""custom, linear_map, recur: derivatives that are declared, as a primal and a linear map.

A ``custom`` op is its primal until it is differentiated; then its rule stands in: a program of
operands and tangents, linear in the tangents. Where the map is known in the other direction only
(or is transposed in a way of its own), the rule holds a ``linear_map``, which carries both
directions: forward mode runs one, transposition writes the other. So there is one declaration, and
every derivative of every order follows from it.

A rule may use the function that it belongs to: ``recur`` stands for the custom op around it,
counted in rules from the inside. It is replaced by the op when the rule is used, and never run.

Law: the rule gives what the primal gives, and its derivative along the tangents.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn, TypeAlias

from verax.compiler.ir.errors import DerivativeError, InternalError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.span import Span, places
from verax.compiler.ir.types import Type, has_tangent
from verax.compiler.ops.control import (
    Call,
    Control,
    Halves,
    agree,
    any_of,
    filled,
    given,
    present,
    spread,
    takes,
    with_tangents,
)
from verax.compiler.ops.pointwise import ADD, Constant, add_any, zeros
from verax.compiler.ops.values import repeated

Mask: TypeAlias = tuple[bool, ...]


def moving(ts: Sequence[Type]) -> list[Type]:
    """The types that have tangents."""
    return [t for t in ts if has_tangent(t)]


class Custom(Control, name="custom"):
    """A function with a derivative of its own.

    Args:
        primal: takes consts and arguments, gives the results.
        rule: takes consts, arguments and the tangents of those arguments that can have one; gives
            the results, and the tangents of those results that can have one.
        n_consts: how many operands are consts: the rule says nothing about their tangents.
        of: what messages call the function.
    """

    primal: Program
    rule: Program
    n_consts: int
    of: str

    def validate(self) -> None:
        ins, outs = self.primal.in_types, self.primal.out_types
        moved = moving(ins[self.n_consts :])
        agree(f"custom: the rule of {self.of} takes", (*ins, *moved), self.rule.in_types)
        agree(f"custom: the rule of {self.of} gives", (*outs, *moving(outs)), self.rule.out_types)

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("custom", self.primal.in_types, ts)
        return self.primal.out_types

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        if any(given(ts[: self.n_consts])):
            raise DerivativeError(
                f"{self.of} has a derivative rule of its own, which says nothing about an array"
                " that it closes over, and the derivative along that array is needed",
                fix="make the array an argument of the function; or stop it:"
                " vx.stop_gradient(array)",
                places=places(b.span),
            )
        args = self.primal.in_types[self.n_consts :]
        along = [t for x, t in zip(args, ts[self.n_consts :]) if has_tangent(x)]
        p, moved = _moved(self, given(along))
        ys = b.inline(p, [*xs, *present(along)])
        n = len(self.primal.outs)
        tangents = iter(spread(ys[n:], [not m for m in moved]))
        return ys[:n], [next(tangents) if has_tangent(t) else None for t in self.primal.out_types]

    # where its operands are tangents themselves it is its primal

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return Call(self.primal).linear(n)

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        return Call(self.primal).split(b, xs, again)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return Call(self.primal).transpose(b, cts, xs, xts, again)

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        want: Mask = tuple(mapped)
        while True:  # a rule that uses the function may do so with more of its operands mapped
            op, met = self._mapped(n, want, again)
            if met == want:
                break
            want = met
        ins = [repeated(b, n, x) if w and not m else x for x, w, m in zip(xs, want, mapped)]
        return b.emit_all(op, *ins), (True,) * len(self.primal.outs)

    def _mapped(self, n: Size, mapped: Mask, again: Again) -> tuple[Custom, Mask]:
        """The op with these operands mapped, and which operands its rule maps when it recurs."""
        ins = self.primal.in_types
        primal, _ = again(self.primal, mapped, n, (True,) * len(self.primal.outs))
        args = zip(ins[self.n_consts :], mapped[self.n_consts :])
        along = [m for t, m in args if has_tangent(t)]
        noted = _refer(self.rule, lambda r, up: r.noting(mapped) if r.up == up else r)
        rule, _ = again(noted, (*mapped, *along), n, (True,) * len(self.rule.outs))
        met = [r.mapped or () for r in _references(rule) if r.ins != ins]

        def settled(r: Recur, up: int) -> Op:
            if r.up != up:
                return r
            return _shifted(self, up + 1) if r.ins == ins else r.noting(None)

        op = Custom(primal, _refer(rule, settled), self.n_consts, self.of)
        return op, any_of([mapped, *met])

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return e.inline(self.primal, xs)


class LinearMap(Control, name="linear_map"):
    """A linear map that is known in both directions, or in one.

    Args:
        push: takes residuals and tangents, gives tangents; linear in the tangents.
        pull: takes residuals and cotangents of what push gives, gives those of the tangents.
        n_residuals: how many operands are residuals.
        why: where one direction is missing, the message of the error that says so.
    """

    push: Program | None
    pull: Program | None
    n_residuals: int
    why: str = ""

    def validate(self) -> None:
        if self.push is None and self.pull is None:
            raise InternalError("a linear map needs one direction")
        if self.push is not None and self.pull is not None:
            n = self.n_residuals
            known = self.push.in_types[:n]
            ins, outs = (*known, *self.push.out_types), self.push.in_types[n:]
            agree("linear_map: pull takes", ins, self.pull.in_types)
            agree("linear_map: pull gives", outs, self.pull.out_types)

    @property
    def in_types(self) -> tuple[Type, ...]:
        """The types of residuals and tangents."""
        if self.push is not None:
            return self.push.in_types
        assert self.pull is not None
        return (*self.pull.in_types[: self.n_residuals], *self.pull.out_types)

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("linear_map", self.in_types, ts)
        if self.push is not None:
            return self.push.out_types
        assert self.pull is not None
        return self.pull.in_types[self.n_residuals :]

    def forward(self, span: Span | None) -> Program:
        """The map itself; a DerivativeError where it is not known."""
        if self.push is None:
            raise DerivativeError(
                self.why,
                fix="take the derivative in reverse mode (vx.grad, vx.vjp, vx.jacrev), or declare"
                " it forward: vx.custom_jvp",
                places=places(span),
            )
        return self.push

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        n = self.n_residuals
        ys = b.emit_all(self, *xs)
        moved: MaybeSlots = [None] * len(ys)
        if any(given(ts[:n])):
            push = self.forward(b.span)
            (op, *_), *more = push.equations or ((None,),)
            own = isinstance(op, Custom) and not more  # its rule says all, in one
            along = ts if own else [*ts[:n], *[None] * (len(ts) - n)]
            p, out = again(push, given(along))
            moved = with_tangents(b.inline(p, [*xs, *present(along)]), out)[1]
            if own:
                return ys, moved
        if any(given(ts[n:])):
            along = filled(b, ts[n:], [b.types[x] for x in xs[n:]])
            straight = b.emit_all(self, *xs[:n], *along)
            moved = [add_any(b, m, s) for m, s in zip(moved, straight)]
        return ys, moved

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(self.n_residuals, n)),)

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        n = len(self.types(*self.in_types))
        operands = [~i if x is None else x for i, x in enumerate(xs)]
        return Halves([None] * n, self, operands, list(range(n)))

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        if self.pull is None:
            raise DerivativeError(
                self.why,
                fix="give the transpose too, or take the derivative in forward mode: vx.jvp,"
                " vx.jacfwd",
                places=places(b.span),
            )
        n = self.n_residuals
        ct = filled(b, cts, self.types(*xts))
        ds = b.inline(self.pull, [*present(xs[:n]), *ct])
        return [None] * n + [d if x is None else None for d, x in zip(ds, xs[n:])]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        k = self.n_residuals
        known, every = tuple(mapped[:k]), (True,) * (len(xs) - k)
        ts = [x if m else repeated(b, n, x) for x, m in zip(xs[k:], mapped[k:])]
        outs = (True,) * len(self.types(*self.in_types))
        push = pull = None
        if self.push is not None:
            push, _ = again(self.push, (*known, *every), n, outs)
        if self.pull is not None:
            pull, _ = again(self.pull, (*known, *outs), n, every)
        return b.emit_all(LinearMap(push, pull, k, self.why), *xs[:k], *ts), outs

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return e.inline(self.forward(None), xs)


class Recur(Op, name="recur"):
    """In a rule: the custom op whose rule it is, ``up`` rules further out.

    Args:
        up: how many rules stand between: 0 is the rule that it stands in.
        ins, outs: what that op takes and gives.
        of: what messages call it.
        mapped: while that op is being mapped, which of its operands are.
    """

    up: int
    ins: tuple[Type, ...]
    outs: tuple[Type, ...]
    of: str
    mapped: Mask | None = None

    @classmethod
    def programs_only(cls) -> bool:
        return True

    def noting(self, mapped: Mask | None) -> Recur:
        """The same reference with another note."""
        return Recur(self.up, self.ins, self.outs, self.of, mapped)

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("recur", self.ins, ts)
        return self.outs

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        raise DerivativeError(
            f"the derivative rule of {self.of} takes the derivative of {self.of} itself",
            fix="write the derivative down with the function's results",
            places=places(b.span),
        )

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> NoReturn:
        raise InternalError("recur stands in rules only")

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        if self.mapped is None:
            raise DerivativeError(
                f"the derivative rule of {self.of} maps {self.of} itself",
                fix=f"use vx.map in the rule, or let {self.of} take the mapped axis",
                places=places(b.span),
            )
        want = any_of([self.mapped, mapped])
        ins = [repeated(b, n, x) if w and not m else x for x, w, m in zip(xs, want, mapped)]
        outs = tuple([t.stacked(n) for t in self.outs])
        op = Recur(self.up, tuple([b.types[x] for x in ins]), outs, self.of, want)
        return b.emit_all(op, *ins), (True,) * len(outs)

    def factors(self, *shapes: Shape) -> Factors:
        raise InternalError("recur stands in rules only")

    def local(self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]) -> Op:
        raise InternalError("recur stands in rules only")

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Any], yts: Sequence[Any]
    ) -> list[str]:
        raise InternalError("recur stands in rules only")


# references --------------------------------------------------------------------------------------

Rewrite: TypeAlias = Callable[[Recur, int], Op]
"""What becomes of a reference; the number is how many rules stand around it."""


@lru_cache(4096)
def _refers(p: Program) -> bool:
    """Whether a reference stands anywhere in p."""
    return any(isinstance(op, Recur) or any(map(_refers, op.programs)) for op, *_ in p.equations)


def _refer(p: Program, f: Rewrite, depth: int = 0) -> Program:
    """The program with every reference rewritten."""
    if not _refers(p):
        return p
    equations = [eq._replace(op=_refer_op(eq.op, f, depth)) for eq in p.equations]
    return Program(p.n_in, p.types, tuple(equations), p.outs)


def _refer_op(op: Op, f: Rewrite, depth: int) -> Op:
    if isinstance(op, Recur):
        return f(op, depth)
    if not any(map(_refers, op.programs)):
        return op

    def inside(value: Any, depth: int) -> Any:
        if isinstance(value, Program):
            return _refer(value, f, depth)
        return tuple([inside(v, depth) for v in value]) if type(value) is tuple else value

    binder = "rule" if isinstance(op, Custom) else None
    return type(op)(*[inside(getattr(op, n), depth + (n == binder)) for n in op.fields])


def _shifted(op: Op, by: int) -> Op:
    """The op as it is ``by`` rules further in: what it refers to outside is further away."""

    def shift(r: Recur, depth: int) -> Op:
        away = r.up + by if r.up >= depth else r.up
        return Recur(away, r.ins, r.outs, r.of, r.mapped)

    return _refer_op(op, shift, 0)


def _references(p: Program, depth: int = 0) -> Iterator[Recur]:
    """The references to the op whose rule p is."""
    for op, *_ in p.equations:
        if isinstance(op, Recur) and op.up == depth:
            yield op
        for i, inner in enumerate(op.programs):
            yield from _references(inner, depth + (isinstance(op, Custom) and i == 1))


@lru_cache(4096)
def opened(op: Custom) -> Program:
    """The rule as a program of the place where op stands: it refers to op no more."""

    def replaced(r: Recur, depth: int) -> Op:
        if r.up == depth:
            return _shifted(op, depth)
        away = r.up - 1 if r.up > depth else r.up
        return Recur(away, r.ins, r.outs, r.of, r.mapped)

    return _refer(op.rule, replaced)


# tangents that are zero --------------------------------------------------------------------------


class _Moved(NamedTuple):
    """The rule for some tangents alone, and which tangents of results it gives."""

    program: Program
    moved: Mask


@lru_cache(4096)
def _moved(op: Custom, active: Mask) -> _Moved:
    """The rule where the other tangents are zero: what is linear in those is left out."""
    rule, n = opened(op), op.primal.n_in
    b = Builder()
    env: list[int | None] = [b.input(t) for t in rule.in_types[:n]]
    env += [b.input(t) if a else None for t, a in zip(rule.in_types[n:], active)]
    nothing: set[int] = set()  # the constants that are zero
    for eq in rule.equations:
        b.span = eq.span
        xs = [env[x] for x in eq.operands]
        if _vanishes(eq.op, xs, nothing):
            env += [None] * eq.n_out
            continue
        if eq.op is ADD and None in xs:
            env += present(xs)
            continue
        ins = [zeros(b, rule.types[i]) if x is None else x for x, i in zip(xs, eq.operands)]
        ys = b.emit_all(eq.op, *ins)
        env += ys
        if isinstance(eq.op, Constant) and eq.op.value == 0:
            nothing.update(ys)
    own = len(op.primal.outs)
    outs = [env[o] for o in rule.outs]
    results = [zeros(b, t) if y is None else y for t, y in zip(rule.out_types, outs[:own])]
    tangents = [None if t in nothing else t for t in outs[own:]]
    return _Moved(b.finish([*results, *present(tangents)]), given(tangents))


def _vanishes(op: Op, xs: MaybeSlots, nothing: Container[int]) -> bool:
    """Whether the op is linear in operands of which none is left; None is a zero tangent."""
    if None not in xs or (op.programs and not isinstance(op, LinearMap)):
        return False
    gone = {i for i, x in enumerate(xs) if x is None}
    null = gone | {i for i, x in enumerate(xs) if x in nothing}
    return any(s & gone and s <= null for s in op.linear(len(xs)))
