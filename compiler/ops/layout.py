"""Ops that move elements and compute nothing: reshape, reverse; and iota, whose values are places.

A reshape is a list of runs of dimensions whose products agree. Inside a run only the factor that
both sides have in common at the major end may be cut: a minor factor, cut, is no longer contiguous.

Law: what depends on the global position of an element (reverse, iota) has whole factors.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from math import gcd

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import (
    Again,
    Dim,
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
from verax.compiler.ir.sizes import Shape, Size, divide, product
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.pointwise import NUMERIC


class Movement(Op):
    """What ops share that move the elements of their first operand; further operands say where."""

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        return [None if ts[0] is None else b.emit(self, ts[0], *xs[1:])]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),)


class Reshape(Movement, name="reshape"):
    """The same elements, in row-major order, as an array of another shape."""

    shape: Shape

    def validate(self) -> None:
        if any(isinstance(n, int) and n < 0 for n in self.shape):
            raise ShapeError(f"reshape: {show_shape(self.shape)} has a negative size")

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        if product(shape) != product(self.shape):
            raise ShapeError(
                f"reshape: {show_shape(shape)} has {product(shape)} elements, "
                f"{show_shape(self.shape)} has {product(self.shape)}"
            )
        return _reshape_factors(shape, self.shape)

    def local(
        self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]
    ) -> Reshape:
        return Reshape(yts[0].shape)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        assert cts[0] is not None
        return [b.emit(Reshape(xts[0].shape), cts[0])]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(Reshape((n, *self.shape)), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if xts[0] is yts[0]:
            return [xs[0]]
        return [e.op(f"stablehlo.reshape {xs[0]} : ({xts[0].mlir}) -> {yts[0].mlir}")]


def _reshape_factors(source: Shape, target: Shape) -> Factors:
    """Per run, the common major factor (free) and what is left of each dimension (whole)."""
    sizes: dict[Factor, Size] = {}
    ins: list[Dim] = [()] * len(source)
    outs: list[Dim] = [()] * len(target)
    for k, (run, other) in enumerate(_runs(source, target)):
        major = _common(source[run[0]], target[other[0]]) if run and other else 1
        if major != 1:
            sizes[k] = major
            ins[run[0]] = outs[other[0]] = (k,)
        _add_minor("i", ins, source, run, major, sizes)
        _add_minor("o", outs, target, other, major, sizes)
    whole = frozenset(f for f in sizes if isinstance(f, str))
    return Factors((tuple(ins),), (tuple(outs),), {}, whole, sizes)


def _add_minor(
    side: str,
    dims: list[Dim],
    shape: Shape,
    run: Sequence[int],
    major: Size,
    sizes: dict[Factor, Size],
) -> None:
    """Give every dimension of a run a factor of its own for what the major one leaves."""
    for i in run:
        rest = divide(shape[i], major) if i == run[0] else shape[i]
        assert rest is not None
        if rest != 1:
            f = f"{side}{i}"
            sizes[f] = rest
            dims[i] = (*dims[i], f)


def _runs(source: Shape, target: Shape) -> list[tuple[list[int], list[int]]]:
    """The shortest runs of dimensions with equal products; a dimension of size 1 is in none."""
    if product(source) == 0:
        return [(list(range(len(source))), list(range(len(target))))]
    ends = set(_products(source)) & set(_products(target))
    return list(zip(_split(source, ends), _split(target, ends)))


def _products(shape: Shape) -> list[Size]:
    return [product(shape[: i + 1]) for i, n in enumerate(shape) if n != 1]


def _split(shape: Shape, ends: Container[Size]) -> list[list[int]]:
    runs: list[list[int]] = [[]]
    for i, n in enumerate(shape):
        if n != 1:
            runs[-1].append(i)
            if product(shape[: i + 1]) in ends:
                runs.append([])
    return runs[:-1]


def _common(n: Size, m: Size) -> Size:
    """The largest known common divisor that is an int, n or m."""
    if 0 in (n, m):
        return 1
    if isinstance(n, int) and isinstance(m, int):
        return gcd(n, m)
    if divide(m, n) is not None:
        return n
    return 1 if divide(n, m) is None else m


class Reverse(Movement, name="reverse"):
    """The elements along ``axes`` in the opposite order."""

    axes: tuple[int, ...]

    def validate(self) -> None:
        check_axes(self.name, self.axes)

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        within(self.name, self.axes, shape)
        dims = tuple((i,) for i in range(len(shape)))
        return Factors((dims,), (dims,), whole=frozenset(self.axes))

    local = same_locally

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        assert cts[0] is not None
        return [b.emit(self, cts[0])]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(Reverse(tuple(a + 1 for a in self.axes)), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.op(f"stablehlo.reverse {xs[0]}, dims = {list(self.axes)} : {yts[0].mlir}")]


class Iota(Op, name="iota"):
    """``[0, 1, ..., n - 1]``; recomputed wherever it is needed, never mapped."""

    n: Size
    out_dtype: DType

    def validate(self) -> None:
        if isinstance(self.n, int) and self.n < 0:
            raise ShapeError(f"iota: the size {self.n} is negative")
        if self.out_dtype.kind not in NUMERIC:
            raise DTypeError(f"iota has no values in {self.out_dtype}", fix="dtype=vx.int32")

    def dtype(self, *ts: ArrayType) -> DType:
        return self.out_dtype

    def factors(self, *shapes: Shape) -> Factors:
        return Factors((), (((0,),),), whole=frozenset({0}), sizes={0: self.n})

    tangent = no_tangent
    transpose = not_linear
    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self)], [False]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.op(f"stablehlo.iota dim = 0 : {yts[0].mlir}")]


def check_axes(name: str, axes: Sequence[int]) -> None:
    """Raise unless the axes are in increasing order, each once: equal ops are then one op."""
    if list(axes) != sorted(set(axes)) or any(a < 0 for a in axes):
        raise ShapeError(
            f"{name}: the axes {tuple(axes)} are not distinct, non-negative and in order"
        )


def within(name: str, axes: Sequence[int], shape: Shape) -> None:
    """Raise unless every axis is one of the shape's."""
    if any(not 0 <= a < len(shape) for a in axes):
        raise ShapeError(
            f"{name}: the axes {tuple(axes)} are not all axes of {show_shape(shape)}",
            fix=f"use axes from 0 to {len(shape) - 1}" if shape else None,
        )
