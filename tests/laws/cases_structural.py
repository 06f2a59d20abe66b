"""Cases of the ops that move, reduce and contract.

References are NumPy's own functions where there is one, else loops over single elements: slow, and
plainly what the op's docstring says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.laws.harness import Array, Case, Gen, Sample, numpy_dtype, widened
from verax.compiler.ir.dtypes import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float8_e4m3fn,
    float8_e5m2,
    float16,
    float32,
    float64,
    int4,
    int8,
    int16,
    int32,
    int64,
    uint4,
    uint8,
    uint16,
    uint32,
    uint64,
)
from verax.compiler.ir.op import Op
from verax.compiler.ir.types import KeyType
from verax.compiler.ops.barrier import Barrier, Cut, Fence, StopGradient
from verax.compiler.ops.contract import Contract, canonical
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet, front_of
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.pointwise import NUMERIC, ORDERED
from verax.compiler.ops.policies import Named
from verax.compiler.ops.reduce import ArgReduce, Reduce
from verax.compiler.ops.slicing import (
    Concatenate,
    DynamicSlice,
    DynamicUpdateSlice,
    Pad,
    Part,
    Slice,
)

NARROW: tuple[DType, ...] = (float8_e4m3fn, int4, float8_e5m2, uint4)
"""Dtypes for storage; arithmetic on them rounds, or wraps, after each operation."""
STORED: tuple[DType, ...] = (
    float64,
    float32,
    int32,
    bool_,
    complex128,
    bfloat16,
    float16,
    uint8,
    int64,
    complex64,
    *NARROW,
    int8,
    uint32,
    int16,
    uint16,
    uint64,
)
NUMBERS = tuple(d for d in STORED if d.kind in NUMERIC)
ORDERABLE = tuple(d for d in STORED if d.kind in ORDERED)
WHOLE_NUMBERS = (int32, bool_, int8, uint32, int64)
INDICES: tuple[DType, ...] = (int32, int64, uint32)
EDGES = (0.0, -0.0, np.inf, -np.inf, np.nan)


def holds(op: Op, kind: type[Op]) -> Any:
    """The op, which a case has made of this class."""
    assert isinstance(op, kind)
    return op


# layout ------------------------------------------------------------------------------------------


def grouped(g: Gen, sizes: Sequence[int]) -> tuple[int, ...]:
    """A shape whose dimensions are products of neighbours among the sizes, with some ones."""
    shape = [1] if g.flag() else []
    for k, n in enumerate(sizes):
        if k and g.flag():
            shape[-1] *= n
        else:
            shape.append(n)
    return (*shape, 1) if g.flag() else tuple(shape)


def reshape(g: Gen) -> Sample:
    sizes = g.shape(g.integer(0, 4))
    order = g.permutation(len(sizes)) if g.flag() else range(len(sizes))
    x = g.array(grouped(g, sizes), g.dtype(STORED))
    return Sample(Reshape(grouped(g, [sizes[i] for i in order])), [x])


def reverse(g: Gen) -> Sample:
    x = g.array(g.shape(), g.dtype(STORED))
    return Sample(Reverse(g.subset(range(x.ndim))), [x])


def iota(g: Gen) -> Sample:
    return Sample(Iota(g.size(), g.dtype(NUMBERS)), [])


LAYOUT = (
    Case("reshape", reshape, lambda op, x: x.reshape(holds(op, Reshape).shape)),
    Case("reverse", reverse, lambda op, x: np.flip(x, holds(op, Reverse).axes)),
    Case("iota", iota, lambda op: np.arange(holds(op, Iota).n)),
)


# slicing -----------------------------------------------------------------------------------------


def a_slice(g: Gen) -> Sample:
    shape = g.shape()
    parts: list[Part] = []
    for n in shape:
        start = g.integer(0, n)
        part = (start, g.integer(start, n), g.integer(1, 3))
        parts.append(part if g.flag() else None)
    return Sample(Slice(tuple(parts)), [g.array(shape, g.dtype(STORED))])


def slice_reference(op: Op, x: Array) -> Array:
    parts = holds(op, Slice).parts
    return x[tuple(slice(None) if p is None else slice(*p) for p in parts)]


def pad(g: Gen) -> Sample:
    shape = g.shape()
    parts: list[Part] = []
    for n in shape:
        interior = g.integer(0, 2)
        length = n + max(n - 1, 0) * interior
        low = g.integer(-length, 2)
        high = g.integer(-min(length, length + low), 2)
        parts.append((low, high, interior) if g.flag() else None)
    return Sample(Pad(tuple(parts)), [g.array(shape, g.dtype(STORED))])


def pad_reference(op: Op, x: Array) -> Array:
    for axis, part in enumerate(holds(op, Pad).parts):
        if part is not None:
            x = np.swapaxes(pad_first(np.swapaxes(x, 0, axis), *part), 0, axis)
    return x


def pad_first(x: Array, low: int, high: int, interior: int) -> Array:
    spread = np.zeros((len(x) + max(len(x) - 1, 0) * interior, *x.shape[1:]), x.dtype)
    spread[:: interior + 1] = x
    around = [np.zeros((max(n, 0), *x.shape[1:]), x.dtype) for n in (low, high)]
    crop = spread[max(-low, 0) : len(spread) - max(-high, 0)]
    return np.concatenate([around[0], crop, around[1]])


def concatenate(g: Gen) -> Sample:
    shape, dtype = g.shape(g.integer(1, 3)), g.dtype(STORED)
    axis = g.integer(0, len(shape) - 1)
    sizes = [g.size() for _ in range(g.integer(1, 3))]
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    return Sample(Concatenate(axis), [g.array(s, dtype) for s in shapes])


def starts(g: Gen, shape: Sequence[int], count: int, dtype: DType) -> list[Array]:
    """Starts of windows, some of them out of range."""
    return [g.array((), dtype, -3, max(shape, default=0) + 2) for _ in range(count)]


def dynamic_slice(g: Gen) -> Sample:
    shape, dtype = g.shape(), g.dtype(STORED)
    sizes = tuple(g.integer(0, n) if g.flag() else None for n in shape)
    count = sum(n is not None for n in sizes)
    return Sample(
        DynamicSlice(sizes), [g.array(shape, dtype), *starts(g, shape, count, g.pick(INDICES))]
    )


def window(shape: Sequence[int], sizes: Sequence[int | None], at: Sequence[Array]) -> Any:
    """The slices of a window whose start is clamped."""
    left = iter(at)
    out = []
    for n, size in zip(shape, sizes):
        start = 0 if size is None else min(max(int(next(left)), 0), n - size)
        out.append(slice(start, start + (n if size is None else size)))
    return tuple(out)


def dynamic_update_slice(g: Gen) -> Sample:
    shape, dtype = g.shape(), g.dtype(STORED)
    dims = g.subset(range(len(shape)))
    sizes = tuple(g.integer(0, n) if i in dims else n for i, n in enumerate(shape))
    operands = [g.array(shape, dtype), g.array(sizes, dtype)]
    return Sample(
        DynamicUpdateSlice(dims), [*operands, *starts(g, shape, len(dims), g.pick(INDICES))]
    )


def update_reference(op: Op, x: Array, update: Array, *at: Array) -> Array:
    dims = holds(op, DynamicUpdateSlice).dims
    sizes = [n if i in dims else None for i, n in enumerate(update.shape)]
    out = x.copy()
    out[window(x.shape, sizes, at)] = update
    return out


SLICING = (
    Case("slice", a_slice, slice_reference),
    Case("pad", pad, pad_reference),
    Case(
        "concatenate",
        concatenate,
        lambda op, *xs: np.concatenate(xs, holds(op, Concatenate).axis),
    ),
    Case(
        "dynamic_slice",
        dynamic_slice,
        lambda op, x, *at: x[window(x.shape, holds(op, DynamicSlice).sizes, at)],
    ),
    Case("dynamic_update_slice", dynamic_update_slice, update_reference),
)


# reductions --------------------------------------------------------------------------------------


def reduction(kind: str, dtypes: Sequence[DType], reference: Callable[..., Any]) -> Case:
    extreme = kind in ("max", "min")

    def make(g: Gen) -> Sample:
        shape, dtype = g.shape(least=int(extreme)), g.dtype(dtypes)
        nan = not (extreme and g.flag())  # without it, a NaN may be lost
        low, high = (0.5, 2) if kind == "mul" and dtype.is_inexact else (None, None)
        special = EDGES if extreme and nan and dtype.is_float else ()
        x = g.array(shape, dtype, low, high, special=special)
        return Sample(Reduce(kind, g.subset(range(x.ndim)), nan), [x])

    def wide(op: Op, x: Array) -> Any:
        return reference(widened(x), axis=holds(op, Reduce).axes)

    return Case(f"reduce {kind}", make, wide, covers=("reduce",), ulps=64, ulps16=16)


def arg_reduce(g: Gen) -> Sample:
    shape, dtype = g.shape(g.integer(1, 3), least=1), g.dtype(ORDERABLE)
    x = g.array(shape, dtype, special=EDGES if dtype.is_float else ())
    kind, axis = g.pick(("argmax", "argmin")), g.integer(0, len(shape) - 1)
    return Sample(ArgReduce(kind, axis, g.pick((int32, int64, uint8))), [x])


def arg_reference(op: Op, x: Array) -> Any:
    one = holds(op, ArgReduce)
    return getattr(np, one.kind)(widened(x), axis=one.axis)


REDUCTIONS = (
    reduction("max", ORDERABLE, np.max),
    reduction("min", ORDERABLE, np.min),
    reduction("mul", NUMBERS, np.prod),
    reduction("and", WHOLE_NUMBERS, np.bitwise_and.reduce),
    reduction("or", WHOLE_NUMBERS, np.bitwise_or.reduce),
    Case("arg_reduce", arg_reduce, arg_reference, derivative=False),
)


# gather and scatter ------------------------------------------------------------------------------


class Places:
    """Shapes of a gather or scatter, and indices into it."""

    def __init__(self, g: Gen, least: int) -> None:
        lead, self.batch = g.shape(g.integer(0, 1)), g.shape(g.integer(0, 1))
        inner, self.sizes = g.shape(g.integer(0, 1)), g.shape(g.integer(1, 2), least)
        self.at, rest = g.shape(g.integer(0, 2)), g.shape(g.integer(0, 1))
        self.dtype = g.pick(INDICES)
        self.around = (len(lead), len(inner))
        self.array = (*lead, *self.batch, *inner, *self.sizes, *rest)
        self.window = (*lead, *self.batch, *inner, *self.at, *rest)

    def indices(self, g: Gen) -> list[Array]:
        """Any indices, some of them out of range."""
        shape = (*self.batch, *self.at)
        return [g.array(shape, self.dtype, -2, n + 1) for n in self.sizes]

    def distinct(self, g: Gen) -> list[Array]:
        """Indices that name each place at most once, and some that name none."""
        shape, count = (*self.batch, *self.at), int(np.prod(self.at))
        places = int(np.prod(self.sizes))
        some = range(max(places, count))
        rows = [g.rng.permutation(some)[:count] for _ in np.ndindex(*self.batch)]
        flat = np.reshape(rows, shape).astype(np.int64)
        inside = flat < places
        unraveled = np.unravel_index(np.where(inside, flat, 0), [max(n, 1) for n in self.sizes])
        outside = np.iinfo(numpy_dtype(self.dtype)).max
        return [np.where(inside, i, outside).astype(numpy_dtype(self.dtype)) for i in unraveled]


def pairs(
    op: Gather | ScatterAdd | ScatterSet, sizes: Sequence[int], indices: Sequence[Array]
) -> Iterator[tuple[Any, Any]]:
    """Where each element of a window stands in the windows, and where in the array."""
    lead, inner = (slice(None),) * op.lead, (slice(None),) * op.inner
    for at in np.ndindex(indices[0].shape):
        place = [int(i[at]) for i in indices]
        if getattr(op, "mode", "fill") == "clip":
            place = [min(max(i, 0), n - 1) for i, n in zip(place, sizes)]
        if all(0 <= i < n for i, n in zip(place, sizes)):
            shared, own = at[: op.batch_dims], at[op.batch_dims :]
            yield (*lead, *shared, *inner, *own), (*lead, *shared, *inner, *place)


def gather(g: Gen) -> Sample:
    mode = g.pick(("clip", "fill"))
    p = Places(g, least=int(mode == "clip"))
    op = Gather(len(p.batch), len(p.sizes), mode, *p.around)
    return Sample(op, [g.array(p.array, g.dtype(STORED)), *p.indices(g)])


def gather_reference(op: Op, x: Array, *indices: Array) -> Array:
    one = holds(op, Gather)
    first = sum(front_of(one))
    sizes, rest = x.shape[first : first + one.n_index], x.shape[first + one.n_index :]
    out = np.zeros((*x.shape[:first], *indices[0].shape[one.batch_dims :], *rest), x.dtype)
    for at, place in pairs(one, sizes, indices):
        out[at] = x[place]
    return out


def scatter_add(g: Gen) -> Sample:
    mode = g.pick(("clip", "fill"))
    p = Places(g, least=int(mode == "clip"))
    op = ScatterAdd(len(p.batch), p.sizes, mode, *p.around)
    return Sample(op, [g.array(p.window, g.dtype(NUMBERS)), *p.indices(g)])


def scatter_add_reference(op: Op, updates: Array, *indices: Array) -> Array:
    one, u = holds(op, ScatterAdd), widened(updates)
    first, n = sum(front_of(one)), indices[0].ndim - one.batch_dims
    out = np.zeros((*u.shape[:first], *one.sizes, *u.shape[first + n :]), u.dtype)
    for at, place in pairs(one, one.sizes, indices):
        out[place] += u[at]
    return out


def scatter(kind: str, dtypes: Sequence[DType], *, distinct: bool, name: str) -> Case:
    """Of several updates at one place, XLA on CPU keeps the last."""
    combines: dict[str, Callable[[Any, Any], Any]] = {
        "set": lambda old, new: new,
        "mul": np.multiply,
        "min": np.minimum,
        "max": np.maximum,
    }
    combine = combines[kind]

    def make(g: Gen) -> Sample:
        p = Places(g, least=0)
        unique = distinct and g.flag()
        op = ScatterSet(kind, len(p.batch), len(p.sizes), *p.around, unique)
        dtype = g.dtype(dtypes)
        indices = p.distinct(g) if distinct else p.indices(g)
        return Sample(op, [g.array(p.array, dtype), g.array(p.window, dtype), *indices])

    def reference(op: Op, x: Array, updates: Array, *indices: Array) -> Array:
        one, out, u = holds(op, ScatterSet), widened(x).copy(), widened(updates)
        first = sum(front_of(one))
        for at, place in pairs(one, x.shape[first : first + one.n_index], indices):
            out[place] = combine(out[place], u[at])
        return out

    return Case(name, make, reference, covers=("scatter_set",), ulps=32)


INDEXING = (
    Case("gather", gather, gather_reference),
    Case("scatter_add", scatter_add, scatter_add_reference, ulps=32, floor=16),
    scatter("set", STORED, distinct=True, name="scatter_set"),
    scatter("set", STORED, distinct=False, name="scatter_set at equal places"),
    scatter("mul", NUMBERS, distinct=False, name="scatter_set mul"),
    scatter("min", ORDERABLE, distinct=False, name="scatter_set min"),
    scatter("max", ORDERABLE, distinct=False, name="scatter_set max"),
)


# barriers ----------------------------------------------------------------------------------------


def one_of_any_type(op: Op) -> Callable[[Gen], Sample]:
    def make(g: Gen) -> Sample:
        if not g.smooth and g.flag():
            shape = g.shape()
            bits = g.array((*shape, 2), uint32, 0, 2**32 - 1)
            return Sample(op, [bits], types=(KeyType("threefry2x32", shape),))
        return Sample(op, [g.array(g.shape(), g.dtype(STORED))])

    return make


BARRIER = Barrier()


def barrier(g: Gen, op: Op = BARRIER) -> Sample:
    count = g.integer(1, 3)
    return Sample(op, [g.array(g.shape(), g.dtype(STORED)) for _ in range(count)])


BARRIERS = (
    Case("stop_gradient", one_of_any_type(StopGradient()), lambda op, x: x, derivative=False),
    Case("fence", one_of_any_type(Fence()), lambda op, x: x),
    Case("barrier", barrier, lambda op, *xs: xs),
    Case("cut", lambda g: barrier(g, Cut()), lambda op, *xs: xs),
    Case("named", one_of_any_type(Named("a")), lambda op, x: x),
)


# contract ----------------------------------------------------------------------------------------


def contraction(
    name: str,
    ins: Sequence[tuple[int, ...]],
    out: tuple[int, ...],
    new: tuple[int, ...] = (),
    dtypes: Sequence[DType] = NUMBERS,
    out_dtype: DType | None = None,
) -> Case:
    """The case of one contraction; ``new`` are the factors that no operand has.

    Where there is an ``out_dtype``, its derivative is tested in float64, which is then that too.
    """

    def make(g: Gen) -> Sample:
        size = {f: g.size() for f in sorted({*out, *[f for d in ins for f in d]})}
        wide = float64 if g.smooth and out_dtype else out_dtype
        dtype = g.dtype((float64,) if g.smooth and out_dtype else dtypes)
        op = canonical(ins, out, [(f, size[f]) for f in new], wide)
        return Sample(op, [g.array([size[f] for f in d], dtype) for d in ins])

    return Case(
        f"contract {name}",
        make,
        contract_reference,
        covers=("contract",),
        ulps=32,
        floor=16,
    )


def any_contraction(g: Gen) -> Sample:
    """Factors on any operands, in any order, on the result or not."""
    size = {f: g.size() for f in range(4)}

    def some(factors: Sequence[int]) -> tuple[int, ...]:
        chosen = g.subset(factors)
        return tuple(chosen[i] for i in g.permutation(len(chosen)))

    ins = [some(range(4)) for _ in range(g.integer(1, 2))]
    out = some(range(4))
    told = {f for d in ins for f in d}
    op = canonical(ins, out, [(f, n) for f, n in size.items() if f in out and f not in told])
    dtype = g.dtype(NUMBERS)
    return Sample(op, [g.array([size[f] for f in d], dtype) for d in ins])


def contract_reference(op: Op, *xs: Array) -> Array:
    one = holds(op, Contract)
    operands: list[Any] = []
    for x, d in zip(xs, one.ins):
        operands += [widened(x), list(d)]
    for f, n in one.sizes:
        operands += [np.ones(n, widened(xs[0]).dtype), [f]]
    return np.asarray(np.einsum(*operands, list(one.out)))


CONTRACTIONS = (
    contraction("matmul", [(0, 1), (1, 2)], (0, 2)),
    contraction("batched matmul", [(0, 1, 2), (0, 2, 3)], (0, 1, 3)),
    contraction("outer", [(0,), (1,)], (1, 0)),
    contraction("transpose", [(0, 1, 2)], (2, 0, 1), dtypes=STORED),
    contraction("broadcast", [(1,)], (0, 1, 2), (0, 2), dtypes=STORED),
    contraction("sum", [(0, 1, 2)], (1,)),
    contraction("matmul in float32", [(0, 1), (1, 2)], (0, 2), (), (bfloat16, float16), float32),
    contraction("sum in float32", [(0, 1)], (0,), (), (bfloat16, float16), float32),
    Case(
        "contract any", any_contraction, contract_reference, covers=("contract",), ulps=64, floor=16
    ),
)


CASES: tuple[Case, ...] = (
    *LAYOUT,
    *SLICING,
    *REDUCTIONS,
    *INDEXING,
    *BARRIERS,
    *CONTRACTIONS,
)
