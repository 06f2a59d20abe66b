"""Identities that say something to the compiler: stop the gradient, keep the order, do not fuse.

They move no element, so that every dimension is free and any type of value passes, keys too.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import Type


class Identity(Op):
    """What the three share: results of the operands' types, nothing whole, nothing to batch."""

    def types(self, *ts: Type) -> tuple[Type, ...]:
        if not ts:
            raise ShapeError(f"{self.name} takes at least one operand")
        return ts

    def factors(self, *shapes: Shape) -> Factors:
        dims = tuple(tuple((f"{k}.{i}",) for i in range(len(s))) for k, s in enumerate(shapes))
        return Factors(dims, dims)

    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return b.emit_all(self, *xs), mapped


class StopGradient(Identity, name="stop_gradient"):
    """Its operand, with a derivative that is zero; lowers to nothing."""

    tangent = no_tangent
    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return list(xs)


class Barrier(Identity, name="barrier"):
    """No result is computed before all operands are, and XLA neither merges nor moves across it.

    The tangents pass a barrier of their own: they are available together too, and do not hold up
    the results, which do not depend on them.
    """

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        return _through(self, b, ts)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(n)),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        back = _through(self, b, [ct if x is None else None for ct, x in zip(cts, xs)])
        return back

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        types = ", ".join(t.mlir for t in xts)
        return e.ops(f"stablehlo.optimization_barrier {', '.join(xs)} : {types}", len(xs))


class Cut(Barrier, name="cut"):
    """A barrier between two segments of a program whose memory is planned."""


def _through(op: Op, b: Builder, ts: MaybeSlots) -> list[int | None]:
    """op on those that are there; the others stay None."""
    there = [t for t in ts if t is not None]
    results = iter(b.emit_all(op, *there) if there else ())
    return [None if t is None else next(results) for t in ts]


class Fence(Identity, name="fence"):
    """Its operand, handed through a call that XLA does not inline: fusion stops here."""

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        return _through(self, b, ts)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return _through(self, b, cts)

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return e.outline("fence", xts, lambda args: args, yts, xs, inlineable=False)
