"""while and scan: loops over a carry. Operands stand in the order consts, carry, xs.

A while runs its body as long as ``cond`` holds, and at most ``bound`` times if it has a bound;
its reverse mode is replay.py. A scan runs its body ``length`` times, with row i of the xs in step
i, and stacks what the body gives beside the carry.

Law: each is what the Python loop of the same form computes. Rules look for the least fixed point
over the carry (carry.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from verax.compiler.ir.errors import DerivativeError, EffectError, InternalError, ShapeError
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder, Program, rearrange
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.span import places
from verax.compiler.ir.types import Type
from verax.compiler.ops import replay
from verax.compiler.ops.adjoint import Layout, adjoint, contract_later
from verax.compiler.ops.carry import (
    Mask,
    grouped,
    hoisted,
    only,
    pruned,
    repeated_starts,
    settle,
    started,
    widened,
)
from verax.compiler.ops.control import (
    Control,
    Halves,
    Source,
    agree,
    emit_some,
    filled,
    given,
    present,
    route,
    spread,
    takes,
    where,
    with_outs,
    with_tangents,
)
from verax.compiler.ops.loop_text import (
    CONDITION,
    INDEX,
    physical,
    set_row,
    write_less,
    write_loop,
    write_next,
    write_row,
)
from verax.compiler.ops.masked import guarded
from verax.compiler.ops.named import names
from verax.compiler.ops.pointwise import zeros
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.values import chosen, swapped

R = TypeVar("R")


class While(Control, name="while"):
    """``while cond(carry): carry = body(carry)``, at most ``bound`` times.

    Args:
        cond: takes consts and carry, gives one boolean.
        body: takes consts and carry, gives the next carry.
        n_consts: how many of the operands are consts; the rest are the carry.
        bound: the most steps that it takes, or None.
        recompute: whether reverse mode is allowed without a bound.
        linear_carry: how many of the carries, the first ones, are linear: those of the linear half
            that split gives. Its first consts are what is known of the run, which the loop itself
            does not need: the number of its steps, and the states that were kept.
    """

    cond: Program
    body: Program
    n_consts: int
    bound: int | None = None
    recompute: bool = False
    linear_carry: int = 0

    def validate(self) -> None:
        agree("while: cond takes", self.body.in_types, self.cond.in_types)
        agree("while: cond gives", (CONDITION,), self.cond.out_types)
        agree("while: body gives", self.body.in_types[self.n_consts :], self.body.out_types)
        if self.bound is not None and self.bound < 0:
            raise ShapeError(f"while: the bound is {self.bound}, expected a count of steps")

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("while", self.body.in_types, ts)
        return self.body.out_types

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        c, n = self.n_consts, len(xs)
        active = given(ts)
        body, carry = settle(lambda a: again(self.body, (*active[:c], *a), a), active[c:])
        consts = present(ts[:c])
        ins = [*xs[:c], *consts, *xs[c:], *started(b, xs[c:], ts[c:], carry)]
        order = grouped((c, n - c), (len(consts), sum(carry)))
        at = [*range(c), *range(c + len(consts), n + len(consts))]
        cond = widened(self.cond, [b.types[x] for x in ins], at)
        op = self.of(cond, rearrange(body, order), c + len(consts))
        return with_tangents(b.emit_all(op, *ins), carry)

    def of(self, cond: Program, body: Program, n_consts: int, linear_carry: int = 0) -> While:
        """The loop with other programs."""
        return While(cond, body, n_consts, self.bound, self.recompute, linear_carry)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(n)),)  # split has made sure

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        c = self.n_consts
        unknown = tuple([x is None for x in xs])
        h, carry = settle(lambda m: _both(again(self.body, (*unknown[:c], *m), m)), unknown[c:])
        inputs = (*unknown[:c], *carry)
        asked = again(self.cond, inputs)
        self._check_reverse(b, asked.unknown_out[0])
        own = carry.count(False)
        if self.linear_carry and where(carry) == list(range(self.linear_carry)):
            refs = [~i if x is None else x for i, x in enumerate(xs)]
            return Halves([None] * len(carry), self, refs, where(carry))
        known = replay.Known(
            While,
            pruned(asked.known, asked.known.outs[:1]),
            pruned(h.known, h.known.outs[:own]),
            unknown[:c].count(False),
            self.bound,
        )
        given = [x for x, u in zip(xs, inputs) if not u]
        done = replay.run(b, known, present(given))
        saved = [done.steps, *done.kept]
        order = [*range(c), *[c + i for i in (*where(carry), *where(carry, False))]]
        types = [*[b.types[x] for x in saved], *[self.body.in_types[i] for i in order]]
        at = [len(saved) + order.index(i) for i in range(len(order))]
        cond = widened(self.cond, types, at)
        op = self.of(cond, _in_halves(h, own, inputs, types, at), len(saved) + c, sum(carry))
        refs = [~i if (x := xs[i]) is None else x for i in order]
        return Halves(spread(done.state, carry), op, [*saved, *refs], where(carry))

    def _check_reverse(self, b: Builder, unknown: bool) -> None:
        """Raise where the loop has no reverse mode."""
        if unknown:
            raise DerivativeError(
                "which branch a cond takes, or how long a while loop runs, depends on the values "
                "in which the function should be linear",
                fix="let the condition depend on other values, or differentiate with vjp",
                places=places(b.span),
            )
        if self.bound is None and not self.recompute:
            raise DerivativeError(
                "reverse mode through a while loop without a bound on its steps: nobody knows how "
                "many states to keep",
                fix="while_loop(cond_fun, body_fun, init, max_steps=100), or reverse='recompute'",
                places=places(b.span),
            )
        if self.effects:
            raise EffectError(
                "reverse mode through a while loop computes its steps again: its effects "
                f"({', '.join(sorted(self.effects))}) would be repeated",
                fix="take the effect out of the loop, or use vx.scan, which keeps its states",
                places=places(b.span),
            )

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        c, n = self.n_consts, self.linear_carry
        if not n:
            raise InternalError("a while loop is split before it is transposed")
        ins = self.body.in_types
        states = len(ins) - c - n
        first = 1 + (states if self.bound is not None else 0)  # what stands there was kept
        linear = (*[x is None for x in xs[:c]], *(True,) * n, *(False,) * states)
        at = [i for i in range(first, len(ins)) if not linear[i]]
        known = replay.Known(
            While,
            only(self.cond, at, self.cond.outs),
            only(self.body, at, self.body.outs[n:]),
            len(at) - states,
            self.bound,
        )
        step = again(only(self.body, range(first, len(ins)), self.body.outs[:n]), linear[first:])
        sums = sum(linear[:c])
        ct = filled(b, cts, ins[c : c + n])
        kept, given = present(xs[:first]), present([xs[i] for i in at])
        ds = replay.back(b, known, replay.Back(step, sums), kept, given, ct)
        return [d if x is None else None for x, d in zip(xs, spread(ds, [not m for m in linear]))]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        c, consts = self.n_consts, tuple(mapped[: self.n_consts])

        def step(carry: Mask) -> tuple[tuple[Program, Program, bool], Mask]:
            cond, (each,) = again(self.cond, (*consts, *carry), n)
            carry = tuple([each or m for m in carry])
            body, out = again(self.body, (*consts, *carry), n, carry)
            return (cond, body, each), out

        (cond, body, each), carry = settle(step, tuple(mapped[c:]))
        xs = [*xs[:c], *repeated_starts(b, n, xs[c:], mapped[c:], carry)]
        if each:
            on = (*consts, *carry)
            cond, body = self._any_example(cond, body, b, n, on)
        return b.emit_all(self.of(cond, body, c), *xs), carry

    def _any_example(
        self, cond: Program, body: Program, b: Builder, n: Size, mapped: Mask
    ) -> tuple[Program, Program]:
        """Run while any example runs; those that are done keep their carry."""
        if self.effects:
            raise EffectError(
                "vmap of a while loop that runs a different number of steps for each example would "
                f"repeat its effects ({', '.join(sorted(self.effects))})",
                fix="take the effect out of the loop, or run the examples in turn: vx.map",
                places=places(b.span),
            )
        u = Builder()
        (each,) = u.inline(cond, [u.input(t) for t in cond.in_types])
        any_runs = u.finish([u.emit(Reduce("or", (0,)), each)])
        v = Builder()
        ins = [v.input(t) for t in body.in_types]
        (runs,) = v.inline(cond, ins)
        ys = v.inline(body, guarded(v, n, runs, ins, mapped, names(self.body)))
        kept = [chosen(v, runs, y, x) for y, x in zip(ys, ins[self.n_consts :])]
        return any_runs, v.finish(kept)

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        consts, carry = list(xs[: self.n_consts]), xs[self.n_consts :]
        if self.bound is None:
            return write_loop(
                e, carry, yts,
                lambda args: e.inline(self.cond, [*consts, *args])[0],
                lambda args: e.inline(self.body, [*consts, *args]),
            )  # fmt: skip
        end = e.constant(self.bound, INDEX)

        def go(args: list[str]) -> str:
            more = write_less(e, args[0], end)
            holds = e.inline(self.cond, [*consts, *args[1:]])[0]
            return e.op(f"stablehlo.and {more}, {holds} : {CONDITION.mlir}")

        def step(args: list[str]) -> list[str]:
            return [write_next(e, args[0]), *e.inline(self.body, [*consts, *args[1:]])]

        return write_loop(e, [e.constant(0, INDEX), *carry], [INDEX, *yts], go, step)[1:]


class Parts(NamedTuple):
    """Something per operand of a scan, in its three groups."""

    consts: tuple[bool, ...]
    carry: tuple[bool, ...]
    xs: tuple[bool, ...]

    @property
    def all(self) -> Mask:
        return (*self.consts, *self.carry, *self.xs)


class Scan(Control, name="scan"):
    """``for x in xs: carry, y = body(carry, x)``; gives the last carry and the stacked ys.

    Args:
        body: takes consts, carry and rows of the xs; gives the next carry and rows of the ys.
        n_consts, n_carry: how many of the operands are consts and carry; the rest are xs.
        length: the number of steps, and the first dimension of all xs and ys.
        reverse: whether the last row comes first.
    """

    body: Program
    n_consts: int
    n_carry: int
    length: Size
    reverse: bool = False

    def validate(self) -> None:
        carry = self.body.in_types[self.n_consts : self.n_consts + self.n_carry]
        agree("scan: body gives a carry of", carry, self.body.out_types[: self.n_carry])

    def types(self, *ts: Type) -> tuple[Type, ...]:
        c, k = self.n_consts + self.n_carry, self.n_carry
        ins, outs = self.body.in_types, self.body.out_types
        takes("scan", (*ins[:c], *[t.stacked(self.length) for t in ins[c:]]), ts)
        return (*outs[:k], *[t.stacked(self.length) for t in outs[k:]])

    def _parts(self, mask: Sequence[bool]) -> Parts:
        c, k = self.n_consts, self.n_consts + self.n_carry
        return Parts(tuple(mask[:c]), tuple(mask[c:k]), tuple(mask[k:]))

    def _settle(
        self, step: Callable[[Mask, Mask], tuple[R, Sequence[bool]]], mask: Sequence[bool]
    ) -> tuple[R, Mask, Parts]:
        """The fixed point of a pass over the body: its result, the mask of the outputs, the parts.

        ``step`` gets the mask of the inputs and that of the outputs that are forced to be so.
        """
        consts, start, xs = self._parts(mask)
        rest = (False,) * (len(self.body.outs) - self.n_carry)

        def once(carry: Mask) -> tuple[tuple[R, Mask], Mask]:
            result, out = step((*consts, *carry, *xs), (*carry, *rest))
            return (result, tuple(out)), tuple(out[: self.n_carry])

        (result, out), carry = settle(once, start)
        return result, out, Parts(consts, carry, xs)

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        c, k = self.n_consts, self.n_carry
        body, out, active = self._settle(lambda a, f: again(self.body, a, f), given(ts))
        c2, k2 = sum(active.consts), sum(active.carry)
        starts = started(b, xs[c : c + k], ts[c : c + k], active.carry)
        ins = [
            *xs[:c], *present(ts[:c]), *xs[c : c + k], *starts,
            *xs[c + k :], *present(ts[c + k :]),
        ]  # fmt: skip
        order = grouped((c, k, len(xs) - c - k), (c2, k2, sum(active.xs)))
        outs = grouped((k, len(out) - k), (k2, sum(out[k:])))
        op = Scan(rearrange(body, order, outs), c + c2, k + k2, self.length, self.reverse)
        ys = dict(zip(outs, b.emit_all(op, *ins)))
        return with_tangents([ys[i] for i in range(len(outs))], out)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(n)),)

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        def step(unknown: Mask, force: Mask) -> tuple[_Split, Sequence[bool]]:
            h = again(self.body, unknown, force, dear)
            return _Split(h.known, h.linear), h.unknown_out

        carried = range(self.n_consts, self.n_consts + self.n_carry)
        dear = tuple([i in carried for i in range(len(xs))])
        h, out, unknown = self._settle(step, [x is None for x in xs])
        known = self._known_half(b, h.known, xs, unknown, out.count(False))
        # the linear body takes residuals, then consts, carry and xs: a scan wants the consts first
        const = where([r.const for r in known.residuals])
        rows = where([r.const for r in known.residuals], False)
        late = range(len(known.residuals), h.linear.n_in)
        operands = [~i if (x := xs[i]) is None else x for i in where(unknown.all)]
        op = Scan(
            rearrange(h.linear, [*const, *late, *rows]),
            len(const) + sum(unknown.consts),
            sum(unknown.carry),
            self.length,
            self.reverse,
        )
        residuals = [r.slot for r in known.residuals]
        passed = [*[residuals[i] for i in const], *operands, *[residuals[i] for i in rows]]
        return Halves(spread(known.results, out), op, passed, where(out))

    def _known_half(
        self, b: Builder, body: Program, xs: MaybeSlots, unknown: Parts, own: int
    ) -> _Known:
        """Write the known half: the scan, and what its residuals need outside of it."""
        c, k = unknown.consts.count(False), unknown.carry.count(False)
        inputs = present([x for x, u in zip(xs, unknown.all) if not u])
        once = hoisted(b, body, own, inputs[:c])
        rest = [r for r in body.outs[own:] if r not in once]
        outs, sources = route(with_outs(body, [*body.outs[:own], *rest]), own, range(c, c + k))
        ys = emit_some(b, Scan(pruned(body, outs), c, k, self.length, self.reverse), inputs)
        routed = dict(zip(rest, sources))
        residuals = [
            _Residual(once[r], True) if r in once else _residual(routed[r], c, inputs, ys)
            for r in body.outs[own:]
        ]
        return _Known(list(ys[:own]), residuals)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        c, k = self.n_consts, self.n_consts + self.n_carry
        linear = self._parts([x is None or c <= i < k for i, x in enumerate(xs)])
        t = again(self.body, linear.all)
        layout = Layout(
            linear.consts.count(False), linear.xs.count(False), self.n_carry, sum(linear.consts)
        )
        back = adjoint(t, layout)
        ct = filled(b, cts, self.types(*xts))
        ins = [*present(xs[:c]), *present(xs[k:]), *ct]
        carry = [*[zeros(b, t.out_types[i]) for i in back.kept], *ct[: self.n_carry]]
        op = Scan(back.body, layout.consts, len(carry), self.length, not self.reverse)
        rows = [*ins[layout.consts : layout.carried.start], *ct[self.n_carry :]]
        ys = b.emit_all(op, *ins[: layout.consts], *carry, *rows)
        # the body of t numbers its inputs as ``ins`` does; what it stacked comes last
        outside = dict(enumerate(ins))
        outside.update(zip(back.stacked, ys[len(ys) - len(back.stacked) :]))
        kept = dict(zip(back.kept, ys))
        sums = [
            kept[i] if i in kept else contract_later(b, back.later[i], outside, layout.consts)
            for i in range(layout.sums)
        ]
        ds = spread([*sums, *ys[len(kept) :]], [not a for a in linear.all])
        return [d if x is None else None for x, d in zip(xs, ds)]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        c, k = self.n_consts, self.n_consts + self.n_carry
        body, out, on = self._settle(lambda m, f: again(self.body, m, n, f), mapped)
        starts = repeated_starts(b, n, xs[c:k], mapped[c:k], on.carry)
        rows = [swapped(b, x) if m else x for x, m in zip(xs[k:], on.xs)]
        op = Scan(body, c, self.n_carry, self.length, self.reverse)
        ys = b.emit_all(op, *xs[:c], *starts, *rows)
        stacked = zip(ys[self.n_carry :], out[self.n_carry :])
        return [*ys[: self.n_carry], *[swapped(b, y) if m else y for y, m in stacked]], out

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        if not isinstance(self.length, int):
            raise InternalError(f"a scan of {self.length} steps cannot be lowered")
        c, k, n = self.n_consts, self.n_consts + self.n_carry, self.n_carry
        stacks = [e.constant(0, physical(t)) for t in yts[n:]]
        if self.length == 0:
            return [*xs[c:k], *stacks]
        zero, end = e.constant(0, INDEX), e.constant(self.length, INDEX)
        last = e.constant(self.length - 1, INDEX) if self.reverse else ""

        def step(args: list[str]) -> list[str]:
            i, carry, out = args[0], args[1 : n + 1], args[n + 1 :]
            at = e.op(f"stablehlo.subtract {last}, {i} : {INDEX.mlir}") if last else i
            rows = [write_row(e, x, physical(t), at, zero) for x, t in zip(xs[k:], xts[k:])]
            ys = e.inline(self.body, [*xs[:c], *carry, *rows])
            out = [set_row(e, stack, y, physical(t), at, zero)
                   for stack, y, t in zip(out, ys[n:], yts[n:])]  # fmt: skip
            return [write_next(e, i), *ys[:n], *out]

        inits = [zero, *xs[c:k], *stacks]
        return write_loop(e, inits, [INDEX, *yts], lambda a: write_less(e, a[0], end), step)[1:]


# splitting ---------------------------------------------------------------------------------------


class _Halves(Protocol):
    """What the pass ``split`` gives."""

    known: Program
    linear: Program
    unknown_out: tuple[bool, ...]


def _both(h: _Halves) -> tuple[_Halves, Sequence[bool]]:
    return h, h.unknown_out


def _in_halves(
    h: _Halves, own: int, unknown: Mask, types: Sequence[Type], at: Sequence[int]
) -> Program:
    """The body of the linear half of a while loop: the linear carries, then the known ones.

    It is written in halves, so that nothing known stands in an equation with what is linear.
    """
    b = Builder()
    slots = [b.input(t) for t in types]
    known = b.inline(h.known, [slots[i] for i, u in zip(at, unknown) if not u])
    linear = b.inline(h.linear, [*known[own:], *[slots[i] for i, u in zip(at, unknown) if u]])
    return b.finish([*linear, *known[:own]])


# the known half of a scan ------------------------------------------------------------------------


class _Split(NamedTuple):
    known: Program
    linear: Program


class _Residual(NamedTuple):
    """A value that the linear loop takes: the same in every step, or row by row."""

    slot: int
    const: bool


class _Known(NamedTuple):
    results: list[int]
    residuals: list[_Residual]


def _residual(source: Source, n_consts: int, inputs: Sequence[int], ys: Sequence[int]) -> _Residual:
    if source.is_input:
        return _Residual(inputs[source.at], source.at < n_consts)
    return _Residual(ys[source.at], False)
