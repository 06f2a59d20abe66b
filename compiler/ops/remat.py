"""remat: a program whose values are computed again where its derivative needs them.

Forward it is the program. When it is split, the known half gives the results and what the policy
lets it keep; the linear half takes the known operands and computes the rest again, behind a
barrier: it starts when its cotangents are there, and XLA does not merge it with the forward pass.
Where nothing is differentiated any more, ``simplify`` writes the program out.

Law: it computes what its program computes, and so do all its derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import Type
from verax.compiler.ops.barrier import Barrier
from verax.compiler.ops.control import (
    Control,
    Halves,
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
from verax.compiler.ops.policies import EVERYTHING, RULES, Policy


class Remat(Control, name="remat"):
    """The program, of which little is kept.

    Args:
        program: what it computes.
        policy, names: what may be kept (policies.py).
        guarded: what is computed again stands behind a barrier.
        late: this is the half that computes again.
    """

    program: Program
    policy: str = "nothing_saveable"
    names: tuple[str, ...] = ()
    guarded: bool = True
    late: bool = False

    def validate(self) -> None:
        if self.policy not in RULES:
            raise ShapeError(f"remat: {self.policy!r} is no policy")

    def holding(self, p: Program, *, late: bool | None = None) -> Remat:
        """The same with another program."""
        late = self.late if late is None else late
        return Remat(p, self.policy, self.names, self.guarded, late)

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("remat", self.program.in_types, ts)
        return self.program.out_types

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        p, active = again(self.program, given(ts))
        return with_tangents(b.emit_all(self.holding(p), *xs, *present(ts)), active)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(n)),)

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        unknown = tuple([x is None for x in xs])
        rule = Policy(self.policy, self.names)
        policy = None if rule == EVERYTHING else rule  # then the cheapest choice is allowed
        known, linear, unknown_out = again(self.program, unknown, (), (), policy)
        own = unknown_out.count(False)
        outs, sources = route(known, own)
        inputs = present(xs)
        ys = emit_some(b, self.holding(with_outs(known, outs)), inputs)
        operands = [inputs[i] if is_input else ys[i] for is_input, i in sources]
        operands += [~i for i in where(unknown)]
        late = self.holding(linear, late=True)
        return Halves(spread(ys[:own], unknown_out), late, operands, where(unknown_out))

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        linear = tuple([x is None for x in xs])
        ct = filled(b, cts, self.program.out_types)
        ds = b.emit_all(self.holding(again(self.program, linear)), *present(xs), *ct)
        return spread(ds, [not a for a in linear])

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        p, out = again(self.program, tuple(mapped), n)
        return b.emit_all(self.holding(p), *xs), out

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        if self.late and self.guarded and xs:
            xs = Barrier().lower(e, xs, xts, xts)
        return e.inline(self.program, xs)
