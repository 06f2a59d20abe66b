"""shard: the identity that fixes how its operand lies on a mesh.

It is how a program says a layout in its middle. Partition obeys it, passes it backward as a wish
and leaves nothing of it; a program that is not partitioned runs as if it were not there.

Law: it is linear, and the cotangent lies as the value does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Cuts, check_cuts


class Shard(Op, name="shard"):
    """``cuts[i]``: the axes of ``mesh`` that cut dimension i, major first."""

    mesh: Mesh
    cuts: Cuts

    def factors(self, *shapes: Shape) -> Factors:
        dims = tuple((i,) for i in range(len(shapes[0])))
        return Factors((dims,), (dims,))

    def types(self, t: Type) -> tuple[Type, ...]:
        if not isinstance(t, ArrayType):
            raise ShapeError(f"shard takes an array, got {t}")
        if t.ndim != len(self.cuts):
            raise ShapeError(f"shard cuts {len(self.cuts)} dimensions, got {t}")
        check_cuts(self.mesh, self.cuts, t.shape)
        return (t,)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        t = ts[0]
        return [b.emit(self, t) if t is not None and has_tangent(b.types[t]) else None]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        assert cts[0] is not None
        return [b.emit(self, cts[0])]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(Shard(self.mesh, ((), *self.cuts)), *xs)], [True]

    def local(self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]) -> Op:
        return Shard(self.mesh, ((),) * len(self.cuts))

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return [xs[0]]
