"""convolve: contractions in which some factors slide.

The parameter is the dimension semantics, as contract's: a factor that stands on both operands and
the result is a group, one on the left operand and the result a batch, one on the right operand and
the result an output feature, and one on both operands only is summed. A ``window`` is a factor that
stands on all three with sizes of its own, which its Slide relates. So vmap adds a factor, and
transposition exchanges an operand with the result and turns the slides: both are edits of data, and
every derivative of a convolution is a convolution.

``flip`` reads the right operand backwards along its windows. Accumulation is in ``out_dtype``,
which is the operands' dtype unless it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias, cast

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Dim,
    Emitter,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.contract import Labels, widen
from verax.compiler.ops.convolve_text import direct, program
from verax.compiler.ops.kinds import check_kind
from verax.compiler.ops.layout import Reverse
from verax.compiler.ops.pointwise import NUMERIC, add_any, one_dtype
from verax.compiler.ops.slide import Slide

Window: TypeAlias = tuple[int, int, Size, Size, int, int]
"""A factor, and the fields of its Slide."""


class Convolve(Op, name="convolve"):
    """``out[.. p ..] = sum over k of left[.. stride*p + window*k - low ..] * right[.. k ..]``.

    Args:
        ins: per operand, the factor on each dimension.
        out: the factor on each dimension of the result; each factor stands on two of the three.
        windows: (factor, stride, low, high, base, window) of the factors that slide, in order.
        flip: whether the right operand is read backwards along the windows.
        out_dtype: the dtype of the result and of the accumulation, or None for the operands'.
    """

    ins: tuple[Labels, Labels]
    out: Labels
    windows: tuple[Window, ...]
    flip: bool = False
    out_dtype: DType | None = None

    def validate(self) -> None:
        for labels in (*self.ins, self.out):
            if len(set(labels)) != len(labels):
                raise ShapeError(f"convolve: a factor stands twice on one operand: {labels}")
        left, right, out = (set(labels) for labels in (*self.ins, self.out))
        alone = (left | right | out) - ((left & right) | (left & out) | (right & out))
        if alone:
            raise ShapeError(f"convolve: the factors {alone} stand on one of the three only")
        for f, slide in self.slides.items():
            if f not in left & right & out:
                raise ShapeError(f"convolve: the window {f} does not stand on all three")
            slide.check("convolve")

    @property
    def slides(self) -> dict[int, Slide]:
        return {w[0]: Slide(*w[1:]) for w in self.windows}

    def sizes(self, *shapes: Shape) -> dict[int, tuple[Size, Size]]:
        """Per window how many elements there are on the left and on the right."""
        left, right = (dict(zip(d, shape)) for d, shape in zip(self.ins, shapes))
        return {w[0]: (left[w[0]], right[w[0]]) for w in self.windows}

    def factors(self, *shapes: Shape) -> Factors:
        for d, shape in zip(self.ins, shapes):
            if len(d) != len(shape):
                raise ShapeError(
                    f"convolve: an operand {show_shape(shape)} has rank {len(shape)}, "
                    f"expected {len(d)}"
                )
        slides = self.slides

        def dims(side: str, labels: Labels) -> tuple[Dim, ...]:
            return tuple((f"{side}{f}",) if f in slides else (f,) for f in labels)

        summed = [f for f in self.ins[0] if f not in self.out]
        sizes = self.sizes(*shapes)
        return Factors(
            (dims("x", self.ins[0]), dims("k", self.ins[1])),
            (dims("p", self.out),),
            dict.fromkeys(summed, "add"),
            frozenset(f"{side}{f}" for side in "xkp" for f in slides),
            {f"p{f}": s.positions(*sizes[f]) for f, s in slides.items()},
        )

    def dtype(self, *ts: ArrayType) -> DType:
        one_dtype("convolve", ts)
        check_kind(self.name, NUMERIC, ts[0])
        return self.out_dtype or ts[0].dtype

    local = same_locally

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        if not has_tangent(b.types[ys[0]]):
            return [None]
        out = None
        for i, t in enumerate(ts):
            if t is not None:
                terms = [t if k == i else x for k, x in enumerate(xs)]
                out = add_any(b, out, b.emit(self, *terms))
        return [out]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}), frozenset({1}))

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        i = 0 if xs[0] is None else 1
        ct, other, dtype = cts[0], xs[1 - i], cast(ArrayType, xts[i]).dtype
        assert ct is not None
        assert other is not None
        if self.out_dtype not in (None, dtype):  # the other operand meets a wider cotangent
            other, ct = widen(b, other, self.out_dtype), widen(b, ct, self.out_dtype)
        sizes = self.sizes(*[t.shape for t in xts])
        out = widen(b, self._pulled(b, i, ct, other, sizes), dtype)
        return [out if k == i else None for k in range(2)]

    def _pulled(
        self, b: Builder, i: int, ct: int, other: int, sizes: Mapping[int, tuple[Size, Size]]
    ) -> int:
        """The cotangent of operand i."""
        left, right = self.ins
        if i == 0:
            slides = {f: s.to_base(*sizes[f]) for f, s in self.slides.items()}
            op = convolution((self.out, right), left, slides, flip=not self.flip)
            return b.emit(op, ct, other)
        if self.flip:
            slides = {f: s.to_reversed_window(*sizes[f]) for f, s in self.slides.items()}
            return b.emit(convolution((self.out, left), right, slides), ct, other)
        slides = {f: s.to_window(*sizes[f]) for f, s in self.slides.items()}
        return b.emit(convolution((left, self.out), right, slides), other, ct)

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        new = -1
        left, right = ((new, *d) if m else d for d, m in zip(self.ins, mapped))
        op = convolution(
            (left, right), (new, *self.out), self.slides, flip=self.flip, out_dtype=self.out_dtype
        )
        return [b.emit(op, *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if 0 in (xts[0].size, xts[1].size, yts[0].size):
            return [e.constant(0, yts[0])]
        if self.flip or yts[0].dtype is not xts[0].dtype:
            return e.inline(_plain(self, tuple(xts)), xs)
        slides = tuple(self.slides.items())
        p = program(*self.ins, self.out, slides, tuple(xts))
        if p is not None:
            return e.inline(p, xs)
        return [direct(e, *self.ins, self.out, slides, xs, xts, yts[0])]


@lru_cache(1024)
def _plain(op: Convolve, ts: tuple[ArrayType, ...]) -> Program:
    """The same in the dtype of the accumulation, and with the right operand turned round."""
    b = Builder()
    out_dtype = op.dtype(*ts)
    wide = max(ts[0].dtype, out_dtype, key=lambda d: d.bits)
    x, w = (widen(b, b.input(t), wide) for t in ts)
    if op.flip:
        w = b.emit(Reverse(tuple(i for i, f in enumerate(op.ins[1]) if f in op.slides)), w)
    y = b.emit(Convolve(op.ins, op.out, op.windows), x, w)
    return b.finish([widen(b, y, out_dtype)])


def convolution(
    ins: tuple[Labels, Labels],
    out: Labels,
    slides: Mapping[int, Slide],
    *,
    flip: bool = False,
    out_dtype: DType | None = None,
) -> Convolve:
    """The convolution with its factors numbered in order of first appearance."""
    windows = tuple((f, *s) for f, s in slides.items())
    return _numbered(ins, tuple(out), windows, flip, out_dtype)


@lru_cache(65536)
def _numbered(
    ins: tuple[Labels, Labels],
    out: Labels,
    windows: tuple[Window, ...],
    flip: bool,
    out_dtype: DType | None,
) -> Convolve:
    number: dict[int, int] = {}
    for f in (*ins[0], *ins[1], *out):
        number.setdefault(f, len(number))

    def renamed(labels: Iterable[int]) -> Labels:
        return tuple(number[f] for f in labels)

    ordered = tuple(sorted((number[w[0]], *w[1:]) for w in windows))
    return Convolve((renamed(ins[0]), renamed(ins[1])), renamed(out), ordered, flip, out_dtype)
