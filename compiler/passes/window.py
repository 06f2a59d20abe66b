"""Indexing into a dimension that is cut: every device looks into its own window.

A gather, scatter-add or scatter-set over a cut dimension needs no copy of the whole: each device
takes the indices relative to where its part begins, and what falls outside is dropped. For a gather
the devices then hold terms of a sum, all but one of them zero; a scatter writes its own part.

Law: with a window of the whole dimension this is the op itself. Indices that the op would clip are
clipped before they are shifted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.op import Factor, Factors, Op
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import CLAMP
from verax.compiler.ops.collective import OwnPart
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet, front_of
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.pointwise import MUL, SUB, splat
from verax.sharding.cuts import Axes
from verax.sharding.mesh import Mesh


def indexed(op: Op, f: Factors) -> tuple[Factor, ...]:
    """The factors of the dimensions that the op's indices count in; none for other ops."""
    if isinstance(op, ScatterAdd):
        dims, k = f.outs[0], len(op.sizes)
    elif isinstance(op, Gather | ScatterSet):
        dims, k = f.ins[0], op.n_index
    else:
        return ()
    first = sum(front_of(op))
    return tuple([dim[0] for dim in dims[first : first + k]])


def shifted_factors(op: Op, f: Factors) -> Factors:
    """The factors of the op when each device may look into its window only."""
    found = indexed(op, f)
    if not found:
        return f
    reduce = {**f.reduce, **dict.fromkeys(found, "add")} if isinstance(op, Gather) else f.reduce
    return f._replace(whole=f.whole - set(found), reduce=reduce)


def shifts_of(op: Op, f: Factors, cutting: Mapping[Factor, Axes]) -> tuple[Axes, ...]:
    """Per operand, the axes that cut the dimension which it is an index into."""
    found = indexed(op, f)
    before = 2 if isinstance(op, ScatterSet) else 1
    axes = [cutting.get(factor, ()) for factor in found]
    return ((),) * before + tuple(axes) if found else ((),) * len(f.ins)


def shifted_local(op: Op, yts: Sequence[Type]) -> Op:
    """What a device runs on indices that are relative to its window."""
    if isinstance(op, Gather):
        return Gather(op.batch_dims, op.n_index, "fill", op.lead, op.inner)
    if isinstance(op, ScatterAdd):
        first = sum(front_of(op))
        sizes = yts[0].shape[first : first + len(op.sizes)]
        return ScatterAdd(op.batch_dims, sizes, "fill", op.lead, op.inner)
    return op


def shift(
    b: Builder, mesh: Mesh, op: Op, xts: Sequence[Type], xs: Sequence[int], shifts: Sequence[Axes]
) -> list[int]:
    """The operands with indices made relative to where this device's part begins.

    Args:
        xts: the global types of the operands.
        xs: the operands' slots in the local program.
    """
    sizes = _sizes(op, xts)
    first = len(xs) - len(sizes)
    out = list(xs[:first])
    for x, n, axes in zip(xs[first:], sizes, shifts[first:]):
        t = b.types[x]
        assert isinstance(t, ArrayType)
        if isinstance(op, Gather | ScatterAdd) and op.mode == "clip":
            x = b.emit(CLAMP, b.emit(splat(0, t)), x, b.emit(splat(n - 1, t)))
        if axes:
            start = b.emit(broadcast(t.shape, ()), window_start(b, mesh, axes, n, t.dtype))
            x = b.emit(SUB, x, start)
        out.append(x)
    return out


def _sizes(op: Op, xts: Sequence[Type]) -> list[int]:
    """The global sizes of the indexed dimensions."""
    assert isinstance(op, Gather | ScatterAdd | ScatterSet)
    if isinstance(op, ScatterAdd):
        sizes = op.sizes
    else:
        first = sum(front_of(op))
        sizes = xts[0].shape[first : first + op.n_index]
    return [n for n in sizes if isinstance(n, int)]


def window_start(b: Builder, mesh: Mesh, axes: Axes, n: int, dtype: DType) -> int:
    """Where this device's part begins of a dimension of size n that the axes cut: a scalar."""
    parts = mesh.parts(axes)
    mine = b.emit(Reshape(()), b.emit(OwnPart(mesh, axes, 0), b.emit(Iota(parts, dtype))))
    return b.emit(MUL, mine, b.emit(splat(n // parts, ArrayType((), dtype))))
