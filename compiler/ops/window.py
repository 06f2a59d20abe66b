"""Windows that slide over an array: their reductions, and the places of their extremes.

Every op has a Window per dimension, or None where no window runs: that dimension is a free factor.
A sum of windows is linear, and its transpose is a sum of windows again. The derivative of a maximum
is a gather: ``arg_reduce_window`` says where in each window the extreme stands, the first one where
several are equal, ``gather_window`` reads there, and ``scatter_window`` is the transpose of that.
So every derivative of every order stays among these ops. What is padding counts as the monoid's
identity, and has no place: it is read as zero and written to by nobody.

Law: a NaN in a window is its maximum and its minimum, and the first one is where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.kinds import check_kind
from verax.compiler.ops.layout import Movement
from verax.compiler.ops.places import given
from verax.compiler.ops.pointwise import NUMERIC, ORDERED
from verax.compiler.ops.reduce import TAKES
from verax.compiler.ops.slide import Slide
from verax.compiler.ops.sweep import (
    arg_text,
    gather_text,
    product_tangent,
    reduce_text,
    scatter_text,
)

Window: TypeAlias = tuple[int, int, Size, Size, int, int] | None
"""The size of the window along a dimension, and the fields of its Slide."""
MONOIDS: Mapping[str, tuple[str, ...]] = {**TAKES, "add": NUMERIC}


class Windowed(Op):
    """What the ops with windows share; ``windows`` has one for each dimension."""

    windows: tuple[Window, ...]

    def validate(self) -> None:
        for w in self.windows:
            if w is not None:
                if w[0] < 1:
                    raise ShapeError(f"{self.name}: a window of size {w[0]} has no element")
                Slide(*w[1:]).check(self.name)

    @property
    def slides(self) -> dict[int, tuple[int, Slide]]:
        """Per dimension that has one, the size of the window and how it slides."""
        return {i: (w[0], Slide(*w[1:])) for i, w in enumerate(self.windows) if w is not None}

    def dims(self, side: str) -> tuple[tuple[Factor], ...]:
        """The factors of the operand (side x) or of the positions (side p)."""
        return tuple((i,) if w is None else (f"{side}{i}",) for i, w in enumerate(self.windows))

    def whole(self, *sides: str) -> frozenset[Factor]:
        return frozenset(f"{side}{i}" for side in sides for i in self.slides)

    def counts(self, shape: Shape) -> dict[Factor, Size]:
        """The numbers of positions over an operand of this shape."""
        if len(shape) != len(self.windows):
            raise ShapeError(
                f"{self.name}: the operand {show_shape(shape)} has rank {len(shape)}, "
                f"but {len(self.windows)} windows are given"
            )
        return {f"p{i}": s.positions(shape[i], size) for i, (size, s) in self.slides.items()}

    local = same_locally


class ReduceWindow(Windowed, name="reduce_window"):
    """Per position, the elements of the window combined: by add, mul, max, min, and, or."""

    kind: str

    def validate(self) -> None:
        super().validate()
        assert self.kind in MONOIDS, self.kind

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        sizes = self.counts(shape)
        return Factors((self.dims("x"),), (self.dims("p"),), {}, self.whole("x", "p"), sizes)

    def dtype(self, *ts: ArrayType) -> DType:
        check_kind(f"reduce_window {self.kind}", MONOIDS[self.kind], ts[0])
        return ts[0].dtype

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        (t,) = ts
        if t is None or not has_tangent(b.types[ys[0]]) or 0 in b.types[ys[0]].shape:
            return [None]
        if self.kind == "add":
            return [b.emit(self, t)]
        if self.kind == "mul":
            return [product_tangent(b, self.slides, xs[0], t)]
        index = b.emit(ArgReduceWindow(self.windows, f"arg{self.kind}"), xs[0])
        return [b.emit(GatherWindow(self.windows), t, index)]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),) if self.kind == "add" else ()

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        windows = list(self.windows)
        for i, (size, slide) in self.slides.items():
            windows[i] = (size, *slide.to_base(xts[0].shape[i], size))
        return [b.emit(ReduceWindow(tuple(windows), "add"), *given(cts))]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(ReduceWindow((None, *self.windows), self.kind), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [reduce_text(e, self.slides, self.kind, xs[0], xts[0], yts[0])]


class ArgReduceWindow(Windowed, name="arg_reduce_window"):
    """Per position, which element of the window is the extreme, as int32: argmax or argmin.

    The elements of a window are counted with the last dimension fastest.
    """

    kind: str

    def validate(self) -> None:
        super().validate()
        assert self.kind in ("argmax", "argmin"), self.kind

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        sizes = self.counts(shape)
        return Factors((self.dims("x"),), (self.dims("p"),), {}, self.whole("x", "p"), sizes)

    def dtype(self, *ts: ArrayType) -> DType:
        check_kind(self.name, ORDERED, ts[0])
        return int32

    tangent = no_tangent
    transpose = not_linear

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(ArgReduceWindow((None, *self.windows), self.kind), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [arg_text(e, self.slides, self.kind, xs[0], xts[0], yts[0])]


class GatherWindow(Windowed, Movement, name="gather_window"):
    """Per position, the element of the window that an index names; zero where that is padding.

    Operands: the array, and the indices as ``arg_reduce_window`` counts them.
    """

    aligned = True

    def factors(self, *shapes: Shape) -> Factors:
        shape, _ = shapes
        sizes, positions = self.counts(shape), self.dims("p")
        return Factors((self.dims("x"), positions), (positions,), {}, self.whole("x", "p"), sizes)

    def dtype(self, *ts: ArrayType) -> DType:
        check_index(self, ts[1])
        return ts[0].dtype

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        sizes = tuple(None if w is None else n for w, n in zip(self.windows, xts[0].shape))
        return [b.emit(ScatterWindow(self.windows, sizes), *given(cts), *given(xs[1:])), None]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(GatherWindow((None, *self.windows)), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [gather_text(e, self.slides, xs, xts, yts[0])]


class ScatterWindow(Windowed, Movement, name="scatter_window"):
    """Zeros, with each update added to the element of its window that an index names.

    Operands: the updates, one for each position, and the indices.

    Args:
        sizes: the sizes of the result along the windows, which no operand tells.
    """

    sizes: tuple[Size | None, ...]
    aligned = True

    def validate(self) -> None:
        super().validate()
        assert [n is None for n in self.sizes] == [w is None for w in self.windows]

    def factors(self, *shapes: Shape) -> Factors:
        updates, _ = shapes
        n = tuple(u if n is None else n for u, n in zip(updates, self.sizes))
        sizes: dict[Factor, Size] = {f"x{i}": n[i] for i in self.slides}
        positions, whole = self.dims("p"), self.whole("x", "p")
        return Factors(
            (positions, positions), (self.dims("x"),), {}, whole, {**sizes, **self.counts(n)}
        )

    def dtype(self, *ts: ArrayType) -> DType:
        check_index(self, ts[1])
        check_kind(self.name, NUMERIC, ts[0])
        return ts[0].dtype

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return [b.emit(GatherWindow(self.windows), *given(cts), *given(xs[1:])), None]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        op = ScatterWindow((None, *self.windows), (None, *self.sizes))
        return [b.emit(op, *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [scatter_text(e, self.slides, xs, xts, yts[0])]


def check_index(op: Op, t: ArrayType) -> None:
    """Raise unless the indices are those that ``arg_reduce_window`` gives."""
    if t.dtype is not int32:
        raise DTypeError(f"{op.name} takes indices of dtype int32, got {t}")
