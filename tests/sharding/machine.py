"""All devices of a mesh in NumPy, in lockstep: the oracle of what local programs mean.

A value is the list of what each device holds. Collectives are taken by their definition; every
other equation runs on each device by itself. It shares nothing with the partitioner but the meshes
and the classes of the ops, and compiles nothing, so that laws can be tested on many programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tests.passes.evaluator import evaluate, random_inputs
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Equation, Program
from verax.compiler.ir.types import KeyType, Type
from verax.compiler.ops.barrier import Barrier, Cut, StopGradient
from verax.compiler.ops.collective import (
    AllGather,
    AllReduce,
    AllToAll,
    Collective,
    OwnPart,
    ReduceScatter,
)
from verax.compiler.ops.control import Call, Cond, Control
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import Pointwise
from verax.compiler.ops.random import ROTATIONS, Threefry
from verax.compiler.ops.reduce import ArgReduce
from verax.compiler.ops.shard import Shard
from verax.compiler.ops.slicing import DynamicSlice, DynamicUpdateSlice
from verax.compiler.ops.sort import Sort
from verax.sharding.cuts import Cuts, no_cuts, shard_slices
from verax.sharding.mesh import Mesh

__all__ = ["random_inputs", "run", "run_cut"]

Array: TypeAlias = npt.NDArray[Any]
Shards: TypeAlias = list[Array]  # what each device holds


def run(p: Program, xs: Iterable[Any]) -> list[Array]:
    """The outputs of a global program: the machine with one device."""
    return [y[0] for y in lockstep(p, Mesh(), [[np.asarray(x)] for x in xs])]


def run_cut(
    p: Program, mesh: Mesh, xs: Sequence[Any], in_cuts: Sequence[Cuts], out_cuts: Sequence[Cuts],
    out_types: Sequence[Type],
) -> list[Array]:  # fmt: skip
    """Cut the inputs, run the local program, glue its outputs; copies of a part must agree."""
    shards = [cut(np.asarray(x), mesh, cuts) for x, cuts in zip(xs, in_cuts)]
    outs = lockstep(p, mesh, shards)
    return [glue(y, mesh, cuts, t) for y, cuts, t in zip(outs, out_cuts, out_types)]


def cut(x: Array, mesh: Mesh, cuts: Cuts) -> Shards:
    full = (*cuts, *no_cuts(x.ndim - len(cuts)))  # a key has one dimension more than its type
    return [x[part] for part in shard_slices(mesh, full, x.shape)]


def glue(shards: Shards, mesh: Mesh, cuts: Cuts, t: Type) -> Array:
    shape = cast(Any, t.physical.shape if isinstance(t, KeyType) else t.shape)
    full = (*cuts, *no_cuts(len(shape) - len(cuts)))
    y = np.zeros(shape, shards[0].dtype)
    seen = np.zeros(shape, bool)
    for part, shard in zip(shard_slices(mesh, full, shape), shards):
        if seen[part].all() and shard.size:
            np.testing.assert_array_equal(y[part], shard, "devices hold different copies")
        y[part], seen[part] = shard, True
    assert seen.all()
    return y


def lockstep(p: Program, mesh: Mesh, inputs: Sequence[Shards]) -> list[Shards]:
    """Run p on every device."""
    env = [list(x) for x in inputs]
    for eq in p.equations:
        xs = [env[x] for x in eq.operands]
        if isinstance(eq.op, Collective):
            env.append(_collective(eq.op, mesh, xs[0]))
        elif isinstance(eq.op, Control):
            env += _control(eq.op, mesh, xs)
        else:
            each = [_apply(p, eq, [x[d] for x in xs]) for d in range(mesh.count)]
            env += [list(y) for y in zip(*each)]
    return [env[o] for o in p.outs]


# collectives -------------------------------------------------------------------------------------

_REDUCERS: dict[str, Any] = {
    "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
    "and": np.bitwise_and, "or": np.bitwise_or,
}  # fmt: skip


def _collective(op: Collective, mesh: Mesh, x: Shards) -> Shards:
    assert op.mesh == mesh
    out: list[Any] = [None] * mesh.count
    for group in mesh.groups(op.axes):
        for device, y in zip(group, _COLLECTIVES[type(op)](op, [x[d] for d in group])):
            out[device] = y
    return out


def _reduced(op: AllReduce, xs: Shards) -> Shards:
    y = xs[0]
    for x in xs[1:]:
        y = _REDUCERS[op.kind](y, x)
    return [y] * len(xs)


def _gathered(op: AllGather, xs: Shards) -> Shards:
    return [np.concatenate(xs, op.dim)] * len(xs)


def _scattered(op: ReduceScatter, xs: Shards) -> Shards:
    y = xs[0]
    for x in xs[1:]:
        y = y + x
    return np.split(y, len(xs), op.dim)


def _exchanged(op: AllToAll, xs: Shards) -> Shards:
    pieces = [np.split(x, len(xs), op.to) for x in xs]
    return [np.concatenate([p[k] for p in pieces], op.dim) for k in range(len(xs))]


def _own(op: OwnPart, xs: Shards) -> Shards:
    return [np.split(x, len(xs), op.dim)[k] for k, x in enumerate(xs)]


_COLLECTIVES: dict[type[Collective], Callable[..., Shards]] = {
    AllReduce: _reduced,
    AllGather: _gathered,
    ReduceScatter: _scattered,
    AllToAll: _exchanged,
    OwnPart: _own,
}


# control flow ------------------------------------------------------------------------------------


def _control(op: Control, mesh: Mesh, xs: list[Shards]) -> list[Shards]:
    if isinstance(op, Call):
        return lockstep(op.program, mesh, xs)
    if isinstance(op, Cond):
        index = min(max(int(_same(xs[0])), 0), len(op.branches) - 1)
        return lockstep(op.branches[index], mesh, xs[1:])
    if isinstance(op, While):
        return _while(op, mesh, xs)
    assert isinstance(op, Scan)
    return _scan(op, mesh, xs)


def _same(x: Shards) -> Array:
    """A value that decides where control goes: the same everywhere, or devices would part."""
    assert all(np.array_equal(y, x[0]) for y in x)
    return x[0]


def _while(op: While, mesh: Mesh, xs: list[Shards]) -> list[Shards]:
    consts, carry = xs[: op.n_consts], xs[op.n_consts :]
    steps = 0
    while op.bound is None or steps < op.bound:
        if not _same(lockstep(op.cond, mesh, [*consts, *carry])[0]):
            break
        carry = lockstep(op.body, mesh, [*consts, *carry])
        steps += 1
    return carry


def _scan(op: Scan, mesh: Mesh, xs: list[Shards]) -> list[Shards]:
    c, k, n = op.n_consts, op.n_consts + op.n_carry, cast(int, op.length)
    carry, rows = xs[c:k], [[] for _ in op.body.outs[op.n_carry :]]  # type: list[Shards], list[Any]
    for i in reversed(range(n)) if op.reverse else range(n):
        each = [[x[i] for x in stack] for stack in xs[k:]]
        ys = lockstep(op.body, mesh, [*xs[:c], *carry, *each])
        carry = ys[: op.n_carry]
        for stack, y in zip(rows, ys[op.n_carry :]):
            stack.append(y)
    order = -1 if op.reverse else 1
    stacked = [[np.stack(list(y)[::order]) for y in zip(*stack)] for stack in rows]
    return [*carry, *stacked]


# what the NumPy oracle of the passes does not know ------------------------------------------------


def _apply(p: Program, eq: Equation, xs: list[Array]) -> list[Array]:
    rule = _RULES.get(type(eq.op))
    if isinstance(eq.op, Pointwise) and eq.op.fn in _FUNCTIONS:
        return [np.asarray(_FUNCTIONS[eq.op.fn](*xs))]
    if rule is not None:
        return [np.asarray(y) for y in rule(eq.op, *xs)]
    n = len(xs)
    types = tuple(p.types[x] for x in eq.operands) + tuple(p.types[y] for y in eq.results)
    results = tuple(range(n, n + eq.n_out))
    one = Equation(eq.op, tuple(range(n)), n, eq.n_out, None)
    ys: list[Array] = evaluate(Program(n, types, (one,), results), xs)
    return ys


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "clamp": lambda lo, x, hi: np.minimum(np.maximum(x, lo), hi),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "shift_right_logical": lambda x, n: x >> n,
}


def _places(op: Any, x_shape: tuple[int, ...], sizes: tuple[int, ...], index: Sequence[Array]) -> (
    tuple[tuple[Any, ...], Array, Array]
):  # fmt: skip
    """Indices into [lead, batch, indexed, rest] for [lead, batch, n, rest], the mask of those in
    range, and the flat window shape."""
    lead, batch, k = op.lead, op.batch_dims, len(sizes)
    at_shape = index[0].shape[batch:]
    rest = x_shape[lead + batch + k :]
    window = (*x_shape[: lead + batch], *at_shape, *rest)
    grid = np.indices(window)
    where = [grid[i] for i in range(lead + batch)]
    ok = np.ones(window, bool)
    expand = (None,) * lead + (slice(None),) * index[0].ndim + (None,) * len(rest)
    clip = getattr(op, "mode", "fill") == "clip"
    for i, n in zip(index, sizes):
        full = np.broadcast_to(i[expand], window).astype(np.int64)
        ok &= clip | ((full >= 0) & (full < n))
        where.append(np.clip(full, 0, max(n - 1, 0)))
    where += [grid[len(window) - len(rest) + j] for j in range(len(rest))]
    return tuple(where), ok, np.empty(window)


def _gather(op: Gather, x: Array, *index: Array) -> list[Any]:
    first = op.lead + op.batch_dims
    where, ok, _ = _places(op, x.shape, x.shape[first : first + op.n_index], index)
    return [np.where(ok, x[where], np.zeros((), x.dtype))]


def _scatter_add(op: ScatterAdd, updates: Array, *index: Array) -> list[Any]:
    sizes = cast("tuple[int, ...]", op.sizes)
    n = index[0].ndim - op.batch_dims
    head = updates.shape[: op.lead + op.batch_dims]
    shape = (*head, *sizes, *updates.shape[op.lead + op.batch_dims + n :])
    where, ok, _ = _places(op, shape, sizes, index)
    y = np.zeros(shape, updates.dtype)
    np.add.at(y, where, np.where(ok, updates, np.zeros((), updates.dtype)))
    return [y]


def _scatter_set(op: ScatterSet, x: Array, updates: Array, *index: Array) -> list[Any]:
    first = op.lead + op.batch_dims
    where, ok, _ = _places(op, x.shape, x.shape[first : first + op.n_index], index)
    y = x.copy()
    chosen = tuple(w[ok] for w in where)
    if op.kind == "set":
        y[chosen] = updates[ok]
    else:
        {"mul": np.multiply, "min": np.minimum, "max": np.maximum}[op.kind].at(
            y, chosen, updates[ok]
        )
    return [y]


def _threefry(op: Threefry, k0: Array, k1: Array, x0: Array, x1: Array) -> list[Any]:
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    with np.errstate(over="ignore"):
        return _rounds(keys, x0 + k0, x1 + k1)


def _rounds(keys: tuple[Array, ...], x0: Array, x1: Array) -> list[Any]:
    for group in range(5):
        for by in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = ((x1 << np.uint32(by)) | (x1 >> np.uint32(32 - by))) ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return [x0, x1]


def _starts(
    dims: Sequence[int], shape: Sequence[int], window: Sequence[int], starts: Sequence[Array]
) -> tuple[slice, ...]:
    at = [slice(None)] * len(shape)
    for i, start in zip(dims, starts):
        low = min(max(int(start), 0), shape[i] - window[i])
        at[i] = slice(low, low + window[i])
    return tuple(at)


def _dynamic_slice(op: DynamicSlice, x: Array, *starts: Array) -> list[Any]:
    window = [n if m is None else cast(int, m) for n, m in zip(x.shape, op.sizes)]
    return [x[_starts(op.sliced, x.shape, window, starts)]]


def _dynamic_update(op: DynamicUpdateSlice, x: Array, y: Array, *starts: Array) -> list[Any]:
    out = x.copy()
    out[_starts(op.dims, x.shape, y.shape, starts)] = y
    return [out]


def _sort(op: Sort, *xs: Array) -> list[Any]:
    order = np.lexsort(xs[: op.n_keys][::-1], op.axis)
    return [np.take_along_axis(x, order, op.axis) for x in xs]


def _arg_reduce(op: ArgReduce, x: Array) -> list[Any]:
    f = np.argmax if op.kind == "argmax" else np.argmin
    return [f(x, op.axis).astype(op.out_dtype.name)]


_RULES: dict[type[Op], Callable[..., list[Any]]] = {
    Gather: _gather,
    ScatterAdd: _scatter_add,
    ScatterSet: _scatter_set,
    Threefry: _threefry,
    DynamicSlice: _dynamic_slice,
    DynamicUpdateSlice: _dynamic_update,
    Sort: _sort,
    ArgReduce: _arg_reduce,
    Barrier: lambda op, *xs: list(xs),
    Cut: lambda op, *xs: list(xs),
    StopGradient: lambda op, *xs: list(xs),
    Shard: lambda op, x: [x],
}
