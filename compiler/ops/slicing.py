"""Parts of arrays: slice and pad, concatenate, and slices that start where an operand says.

Slice and pad are each other's transpose, and so are dynamic slice and dynamic update. A dimension
that is not resized (None in the parameter) is a free factor; a resized one is whole.

A dynamic start is clamped so that the window lies inside. Where the start is mapped by vmap, the
window is read and written by gather and scatter at ``start + iota``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import DTypeError, ShapeError, UnknownSizeError
from verax.compiler.ir.op import (
    Again,
    Dims,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size, divide, known_negative
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import CLAMP
from verax.compiler.ops.contract import broadcast, permute, total
from verax.compiler.ops.indexing import Gather, ScatterSet
from verax.compiler.ops.layout import Iota, Movement, check_axes
from verax.compiler.ops.places import INDEX_DTYPES, all_mapped, given, greatest, move
from verax.compiler.ops.pointwise import ADD, Constant, fill, one_dtype, zeros

Part: TypeAlias = tuple[Size, Size, int] | None
"""What happens to one dimension: (start, limit, stride) or (low, high, interior), or nothing."""


# slice and pad -----------------------------------------------------------------------------------


class Resized(Movement):
    """What slice and pad share: each dimension stays, or gets the length that ``length`` tells."""

    parts: tuple[Part, ...]

    def length(self, axis: int, shape: Shape) -> Size:
        """The size of a resized dimension in the result; raises where the part does not fit."""
        raise NotImplementedError(f"{self.name}: length")

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        if len(shape) != len(self.parts):
            raise ShapeError(
                f"{self.name}: the operand {show_shape(shape)} has rank {len(shape)}, "
                f"but {len(self.parts)} parts are given"
            )
        resized = [i for i, part in enumerate(self.parts) if part is not None]
        return Factors(
            (tuple((i,) for i in range(len(shape))),),
            (tuple((f"o{i}",) if i in resized else (i,) for i in range(len(shape))),),
            whole=frozenset([*resized, *[f"o{i}" for i in resized]]),
            sizes={f"o{i}": self.length(i, shape) for i in resized},
        )

    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(type(self)((None, *self.parts)), *xs)], [True]


class Slice(Resized, name="slice"):
    """Per dimension ``(start, limit, stride)``, or None for all of it."""

    def validate(self) -> None:
        for part in self.parts:
            if part is not None and (part[2] < 1 or known_negative(part[0])):
                raise ShapeError(f"slice: {part} needs a start >= 0 and a stride >= 1")

    def length(self, axis: int, shape: Shape) -> Size:
        start, limit, stride = cast("tuple[Size, Size, int]", self.parts[axis])
        if known_negative(limit - start) or known_negative(shape[axis] - limit):
            raise ShapeError(
                f"slice: {start}:{limit} is not inside of dimension {axis} of {show_shape(shape)}"
            )
        return ceil_div(limit - start, stride)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,) = given(cts)
        parts: list[Part] = []
        for part, n, m in zip(self.parts, xts[0].shape, b.types[ct].shape):
            if part is not None:
                start, _, stride = part
                part = (start, n - start - spread(m, stride - 1), stride - 1)
            parts.append(part)
        return [b.emit(Pad(tuple(parts)), ct)]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        spans = [part or (0, n, 1) for part, n in zip(self.parts, xts[0].shape)]
        text = ", ".join(f"{start}:{limit}:{stride}" for start, limit, stride in spans)
        return [e.op(f"stablehlo.slice {xs[0]} [{text}] : ({xts[0].mlir}) -> {yts[0].mlir}")]


class Pad(Resized, name="pad"):
    """Zeros around and between: per dimension ``(low, high, interior)`` or None; negative crops."""

    def validate(self) -> None:
        for part in self.parts:
            if part is not None and part[2] < 0:
                raise ShapeError(f"pad: {part} has a negative number of zeros between elements")

    def length(self, axis: int, shape: Shape) -> Size:
        low, high, interior = cast("tuple[Size, Size, int]", self.parts[axis])
        n = low + high + spread(shape[axis], interior)
        if known_negative(n):
            raise ShapeError(
                f"pad: ({low}, {high}) crops more than dimension {axis} of {show_shape(shape)} has"
            )
        return n

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,) = given(cts)
        crops = any(
            p is not None and (known_negative(p[0]) or known_negative(p[1])) for p in self.parts
        )
        if crops:  # put zeros back where elements were cropped, and take the zeros away
            undone = tuple(None if p is None else (-p[0], -p[1], 0) for p in self.parts)
            ct = b.emit(Pad(undone), ct)
        parts: list[Part] = []
        for part, n in zip(self.parts, xts[0].shape):
            if part is not None:
                low = 0 if crops else part[0]
                part = (low, low + spread(n, part[2]), part[2] + 1)
            parts.append(part)
        return [b.emit(Slice(tuple(parts)), ct)]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if not self.parts:
            return [xs[0]]
        low, high, interior = zip(*[part or (0, 0, 0) for part in self.parts])
        scalar = ArrayType((), xts[0].dtype)
        zero = e.constant(0, scalar)
        return [
            e.op(
                f"stablehlo.pad {xs[0]}, {zero}, low = {list(low)}, high = {list(high)}, "
                f"interior = {list(interior)} : ({xts[0].mlir}, {scalar.mlir}) -> {yts[0].mlir}"
            )
        ]


def spread(n: Size, interior: int) -> Size:
    """The length of n elements with ``interior`` others between two of them."""
    return n if n == 0 or interior == 0 else n + (n - 1) * interior


def ceil_div(n: Size, stride: int) -> Size:
    """How many steps of this stride begin below n."""
    if isinstance(n, int):
        return -(-n // stride)
    for missing in range(stride):
        steps = divide(n + missing, stride)
        if steps is not None:
            return steps
    raise UnknownSizeError(
        f"slice: the size {n} is not known to be divisible by the stride {stride}",
        fix="slice with stride 1, or declare the dimension as a multiple of the stride",
    )


# concatenate -------------------------------------------------------------------------------------


class Concatenate(Op, name="concatenate"):
    """The operands one after the other along ``axis``."""

    axis: int
    aligned = True

    def factors(self, *shapes: Shape) -> Factors:
        if not shapes or not all(0 <= self.axis < len(s) for s in shapes):
            given_shapes = ", ".join(map(show_shape, shapes)) or "nothing"
            raise ShapeError(f"concatenate along axis {self.axis} takes arrays, got {given_shapes}")
        joined = [f"c{k}" for k in range(len(shapes))]
        length: Size = 0
        for shape in shapes:
            length = length + shape[self.axis]

        def dims(along: str, ndim: int) -> Dims:
            return tuple((along,) if i == self.axis else (i,) for i in range(ndim))

        return Factors(
            tuple(dims(f, len(shape)) for f, shape in zip(joined, shapes)),
            (dims("c", len(shapes[0])),),
            whole=frozenset(["c", *joined]),
            sizes={"c": length},
        )

    def dtype(self, *ts: ArrayType) -> DType:
        one_dtype(self.name, ts)
        return ts[0].dtype

    local = same_locally

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        if all(t is None for t in ts):
            return [None]
        return [b.emit(self, *[fill(b, 0, x) if t is None else t for x, t in zip(xs, ts)])]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(n)),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,) = given(cts)
        out: list[int | None] = []
        start: Size = 0
        for x, t in zip(xs, xts):
            limit = start + t.shape[self.axis]
            out.append(b.emit(self._part(start, limit, len(t.shape)), ct) if x is None else None)
            start = limit
        return out

    def _part(self, start: Size, limit: Size, ndim: int) -> Slice:
        return Slice(tuple((start, limit, 1) if i == self.axis else None for i in range(ndim)))

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(Concatenate(self.axis + 1), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        types = ", ".join(t.mlir for t in xts)
        return [
            e.op(
                f"stablehlo.concatenate {', '.join(xs)}, dim = {self.axis} : "
                f"({types}) -> {yts[0].mlir}"
            )
        ]


# dynamic slices ----------------------------------------------------------------------------------


class DynamicSlice(Movement, name="dynamic_slice"):
    """A window of known sizes; operands: the array, then a scalar start per sliced dimension.

    Args:
        sizes: per dimension the size of the window, or None for all of it.
    """

    sizes: tuple[Size | None, ...]

    @property
    def sliced(self) -> tuple[int, ...]:
        """The dimensions that have a start."""
        return tuple(i for i, n in enumerate(self.sizes) if n is not None)

    def factors(self, *shapes: Shape) -> Factors:
        shape = shapes[0]
        if len(shape) != len(self.sizes):
            raise ShapeError(
                f"dynamic_slice: the operand {show_shape(shape)} has rank {len(shape)}, "
                f"but {len(self.sizes)} sizes are given"
            )
        sizes: dict[Factor, Size]
        sizes = {f"o{i}": n for i, n in enumerate(self.sizes) if n is not None}
        check_window(self, [(i, sizes[f"o{i}"]) for i in self.sliced], shape)
        return Factors(
            (tuple((i,) for i in range(len(shape))), *[()] * len(self.sliced)),
            (tuple((i,) if n is None else (f"o{i}",) for i, n in enumerate(self.sizes)),),
            whole=frozenset([*self.sliced, *sizes]),
            sizes=sizes,
        )

    def dtype(self, *ts: ArrayType) -> DType:
        check_starts(self, ts[1:])
        return ts[0].dtype

    local = same_locally

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        op = DynamicUpdateSlice(self.sliced)
        out = b.emit(op, zeros(b, xts[0]), *given(cts), *given(xs[1:]))
        return [out, *[None] * len(self.sliced)]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        if not any(mapped[1:]):
            return [b.emit(DynamicSlice((None, *self.sizes)), *xs)], [True]
        batch = int(mapped[0])
        shape, dims = b.types[xs[0]].shape[batch:], self.sliced
        window = [cast(Size, self.sizes[i]) for i in dims]
        index = window_indices(b, n, xs[1:], mapped[1:], window, [shape[i] for i in dims])
        before = dims[0]
        x = together(b, xs[0], dims, batch)
        front = (0, before) if batch else (before, 0)
        y = b.emit(Gather(batch, len(dims), "clip", *front), x, *index)
        return [apart(b, move(b, y, front[0], 0), dims, 1)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if not self.sliced:
            return [xs[0]]
        starts, types = all_starts(e, self.sliced, xs[1:], xts[1], xts[0].ndim)
        return [
            e.op(
                f"stablehlo.dynamic_slice {', '.join([xs[0], *starts])}, "
                f"sizes = {list(yts[0].shape)} : ({', '.join([xts[0].mlir, *types])}) "
                f"-> {yts[0].mlir}"
            )
        ]


class DynamicUpdateSlice(Op, name="dynamic_update_slice"):
    """An array with a window replaced; operands: the array, the window, a scalar start per dim.

    Args:
        dims: the dimensions that have a start; in the others the window has the array's size.
    """

    dims: tuple[int, ...]

    def validate(self) -> None:
        check_axes(self.name, self.dims)

    def factors(self, *shapes: Shape) -> Factors:
        shape, window = shapes[:2]
        if len(shape) != len(window) or not all(i < len(shape) for i in self.dims):
            raise ShapeError(
                f"dynamic_update_slice along {self.dims}: the window {show_shape(window)} "
                f"does not fit the operand {show_shape(shape)}"
            )
        check_window(self, [(i, window[i]) for i in self.dims], shape)
        array = tuple((i,) for i in range(len(shape)))
        return Factors(
            (
                array,
                tuple((f"u{i}",) if i in self.dims else (i,) for i in range(len(shape))),
                *[()] * len(self.dims),
            ),
            (array,),
            whole=frozenset([*self.dims, *[f"u{i}" for i in self.dims]]),
        )

    def dtype(self, *ts: ArrayType) -> DType:
        one_dtype(self.name, ts[:2])
        check_starts(self, ts[2:])
        return ts[0].dtype

    local = same_locally

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        if ts[0] is None and ts[1] is None:
            return [None]
        both = [fill(b, 0, x) if t is None else t for x, t in zip(xs[:2], ts)]
        return [b.emit(self, *both, *xs[2:])]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0, 1}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,), starts = given(cts), given(xs[2:])
        out: list[int | None] = [None] * len(xs)
        if xs[0] is None:
            out[0] = b.emit(self, ct, zeros(b, xts[1]), *starts)
        if xs[1] is None:
            sizes = tuple(n if i in self.dims else None for i, n in enumerate(xts[1].shape))
            out[1] = b.emit(DynamicSlice(sizes), ct, *starts)
        return out

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        x, update = all_mapped(b, n, xs[:2], mapped[:2])
        if not any(mapped[2:]):
            op = DynamicUpdateSlice(tuple(i + 1 for i in self.dims))
            return [b.emit(op, x, update, *xs[2:])], [True]
        shape, window = b.types[x].shape[1:], b.types[update].shape[1:]
        sizes, limits = [window[i] for i in self.dims], [shape[i] for i in self.dims]
        index = window_indices(b, n, xs[2:], mapped[2:], sizes, limits)
        x, update = together(b, x, self.dims, 1), together(b, update, self.dims, 1)
        scatter = ScatterSet("set", 1, len(self.dims), 0, self.dims[0], unique=True)
        return [apart(b, b.emit(scatter, x, update, *index), self.dims, 1)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if not self.dims:
            return [xs[1]]
        starts, types = all_starts(e, self.dims, xs[2:], xts[2], xts[0].ndim)
        return [
            e.op(
                f"stablehlo.dynamic_update_slice {', '.join([*xs[:2], *starts])} : "
                f"({', '.join([xts[0].mlir, xts[1].mlir, *types])}) -> {yts[0].mlir}"
            )
        ]


def check_window(op: Op, window: Sequence[tuple[int, Size]], shape: Shape) -> None:
    """Raise where the window is larger than the array."""
    for i, size in window:
        if known_negative(shape[i] - size):
            raise ShapeError(
                f"{op.name}: a window of size {size} does not fit into "
                f"dimension {i} of {show_shape(shape)}"
            )


def check_starts(op: Op, ts: Sequence[ArrayType]) -> None:
    """Raise unless the starts are integers of one dtype."""
    if ts:
        one_dtype(f"{op.name} (starts)", ts)
        if ts[0].dtype not in INDEX_DTYPES:
            raise DTypeError(
                f"{op.name} takes starts of dtype int32, int64 or uint32, got {ts[0]}",
                fix="convert the start first: i.astype(vx.int32)",
            )


def all_starts(
    e: Emitter, dims: Sequence[int], starts: Sequence[str], t: ArrayType, ndim: int
) -> tuple[list[str], list[str]]:
    """A start for every dimension (zero where none is given), and their types."""
    known = dict(zip(dims, starts))
    zero = e.constant(0, t) if len(known) < ndim else ""
    return [known.get(i, zero) for i in range(ndim)], [t.mlir] * ndim


def together(b: Builder, x: int, dims: Sequence[int], batch: int) -> int:
    """x with ``dims`` (counted after the batch dimensions) together, where the first one stands."""
    return _permuted(b, x, _together(b, x, dims, batch))


def apart(b: Builder, x: int, dims: Sequence[int], batch: int) -> int:
    """The inverse of ``together``."""
    order = _together(b, x, dims, batch)
    return _permuted(b, x, [order.index(i) for i in range(len(order))])


def _together(b: Builder, x: int, dims: Sequence[int], batch: int) -> list[int]:
    first = [*range(batch + dims[0]), *[i + batch for i in dims]]
    return [*first, *[i for i in range(len(b.types[x].shape)) if i not in first]]


def _permuted(b: Builder, x: int, order: Sequence[int]) -> int:
    return x if list(order) == sorted(order) else b.emit(permute(order), x)


def window_indices(
    b: Builder,
    n: Size,
    starts: Slots,
    mapped: Sequence[bool],
    sizes: Sequence[Size],
    limits: Sequence[Size],
) -> list[int]:
    """Per sliced dimension the indices ``start + iota``, all of shape (n, *sizes), in range."""
    out = []
    for k, (start, m, size, limit) in enumerate(zip(starts, mapped, sizes, limits)):
        t = cast(ArrayType, b.types[start])
        last = b.emit(broadcast(t.shape, ()), size_value(b, limit - size, t.dtype))
        start = b.emit(CLAMP, fill(b, 0, start), start, last)
        index = b.emit(broadcast((n, *sizes), (0,) if m else ()), start)
        offset = b.emit(broadcast((n, *sizes), (k + 1,)), b.emit(Iota(size, t.dtype)))
        out.append(b.emit(ADD, index, offset))
    return out


def size_value(b: Builder, n: Size, dtype: DType) -> int:
    """A size as a scalar; one that is not known yet is the sum of so many ones."""
    if isinstance(n, int):
        return b.emit(Constant(min(n, greatest(dtype)), ArrayType((), dtype)))
    return b.emit(total(1, (0,)), b.emit(Constant(1, ArrayType((n,), dtype))))
