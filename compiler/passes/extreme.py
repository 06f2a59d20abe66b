"""argmax and argmin over a cut dimension: pairs of a value and its place are a monoid.

Each device finds the extreme of its part and where it stands in the whole; all gather these pairs,
one per device, and the first extreme among them wins. What is communicated are two numbers per
device and result instead of the operand.

Law: ties and NaN go as on one device: the first extreme wins, and a NaN is one.
"""

from __future__ import annotations

from typing import cast

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.op import Factors, Op
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.collective import AllGather
from verax.compiler.ops.contract import broadcast, permute
from verax.compiler.ops.indexing import Gather
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import ADD
from verax.compiler.ops.reduce import ArgReduce, Reduce
from verax.compiler.passes.window import window_start
from verax.sharding.cuts import Axes
from verax.sharding.mesh import Mesh

EXTREME = "extreme"
"""The monoid of such pairs, as the kind of a reduced factor."""


def paired_factors(op: Op, f: Factors) -> Factors:
    """The factors of an argmax or argmin whose axis may be cut."""
    if not isinstance(op, ArgReduce):
        return f
    return f._replace(whole=f.whole - {op.axis}, reduce={**f.reduce, op.axis: EXTREME})


def first_extreme(b: Builder, mesh: Mesh, axes: Axes, op: ArgReduce, x: int, y: int) -> int:
    """The index in the whole, from this device's part ``x`` and the index ``y`` in it."""
    part = cast(ArrayType, b.types[x])
    t = cast(ArrayType, b.types[y])
    n = cast(int, part.shape[op.axis]) * mesh.parts(axes)
    start = window_start(b, mesh, axes, n, op.out_dtype)
    place = b.emit(ADD, y, b.emit(broadcast(t.shape, ()), start))
    value = b.emit(Reduce(op.kind.removeprefix("arg"), (op.axis,)), x)
    places, values = (_gathered(b, mesh, axes, z) for z in (place, value))
    winner = b.emit(ArgReduce(op.kind, 0, int32), values)
    last = b.emit(permute((*range(1, t.ndim + 1), 0)), places)
    return b.emit(Gather(t.ndim, 1, "clip"), last, winner)


def _gathered(b: Builder, mesh: Mesh, axes: Axes, x: int) -> int:
    """What all devices along the axes have, along a new first dimension."""
    t = cast(ArrayType, b.types[x])
    return b.emit(AllGather(mesh, axes, 0), b.emit(Reshape((1, *t.shape)), x))
