"""How windows are lowered: as slices of the padded operand, combined as whole arrays.

XLA's own reduction of windows visits them one by one; slices become one loop over vectors, several
times faster. A small window is one slice per element. A larger one is reduced along one dimension
after the other, and a long one by doubling: two neighbours of j elements are one of 2j.

Law: an element comes before another if it stands before it in the window, the last dimension being
fastest; whatever is combined keeps that order, so that of equal extremes the first one is found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, reduce
from math import prod
from typing import TypeAlias, cast

from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import MAX, MIN, REM
from verax.compiler.ops.bits import AND, OR
from verax.compiler.ops.contract import broadcast, permute
from verax.compiler.ops.indexing import Gather, ScatterAdd
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.pointwise import ADD, DIV, MUL, Compare, Pointwise, Term, splat, zeros
from verax.compiler.ops.reduce import identity
from verax.compiler.ops.slicing import Pad, Part, Slice, spread
from verax.compiler.ops.slide import Slide, offsets

Slides: TypeAlias = Mapping[int, tuple[int, Slide]]
Known: TypeAlias = tuple[tuple[int, tuple[int, Slide]], ...]
"""Slides that can be a key."""
Terms: TypeAlias = tuple[Term, ...]
Combine: TypeAlias = Callable[[Terms, Terms, int], Terms]
"""What two neighbours give; the number says how much later the second one begins."""

COMBINE: Mapping[str, Pointwise] = {
    "add": ADD, "mul": MUL, "max": MAX, "min": MIN, "and": AND, "or": OR,
}  # fmt: skip
JOINT = 9  # elements of a window that are combined at once, not dimension by dimension
LINE = 8  # elements along a dimension that are combined one by one, not by doubling
UNROLLED = 50  # elements of a window that a gather or scatter looks at one by one


# reductions --------------------------------------------------------------------------------------


def reduce_text(e: Emitter, slides: Slides, kind: str, x: str, t: ArrayType, yt: ArrayType) -> str:
    """Write the reduction of every window."""
    if yt.size == 0:
        return e.constant(0, yt)
    zero = 0 if kind == "add" else identity(kind, t.dtype)
    x, t = padded(e, x, t, slides, zero)
    return e.inline(_reduced(kind, tuple(slides.items()), t, yt), [x])[0]


def arg_text(e: Emitter, slides: Slides, kind: str, x: str, t: ArrayType, yt: ArrayType) -> str:
    """Write which element of every window is the extreme."""
    if yt.size == 0:
        return e.constant(0, yt)
    x, t = padded(e, x, t, slides, identity(kind.removeprefix("arg"), t.dtype))
    return e.inline(_extremes(kind, tuple(slides.items()), t, yt), [x])[0]


def padded(
    e: Emitter, x: str, t: ArrayType, slides: Slides, value: bool | int | float
) -> tuple[str, ArrayType]:
    """The operand in the coordinates that windows start in."""
    parts = [slides[i][1].pad if i in slides else None for i in range(t.ndim)]
    if not any(parts):
        return x, t
    low, high, interior = (list(v) for v in zip(*[part or (0, 0, 0) for part in parts]))
    scalar = ArrayType((), t.dtype)
    shape = tuple(a + b + spread(n, c) for n, a, b, c in zip(t.shape, low, high, interior))
    out = ArrayType(shape, t.dtype)
    return e.op(
        f"stablehlo.pad {x}, {e.constant(value, scalar)}, low = {low}, high = {high}, "
        f"interior = {interior} : ({t.mlir}, {scalar.mlir}) -> {out.mlir}"
    ), out


@lru_cache(1024)
def _reduced(kind: str, slides: Known, t: ArrayType, yt: ArrayType) -> Program:
    b = Builder()

    def combine(u: Terms, v: Terms, later: int) -> Terms:
        return (u[0].apply(COMBINE[kind], v[0]),)

    return b.finish([y.slot for y in swept((Term(b, b.input(t)),), slides, yt, combine)])


@lru_cache(1024)
def _extremes(kind: str, slides: Known, t: ArrayType, yt: ArrayType) -> Program:
    b = Builder()
    x = Term(b, b.input(t))
    wins = Compare("GT" if kind == "argmax" else "LT")

    def combine(u: Terms, v: Terms, later: int) -> Terms:
        first = v[0].apply(wins, u[0])
        if t.dtype.is_float:
            nan = v[0].apply(Compare("NE"), v[0]).apply(AND, u[0].eq(u[0]))
            first = first.apply(OR, nan)
        return first.where(v[0], u[0]), first.where(v[1] + later, u[1])

    index = Term(b, b.emit(splat(0, ArrayType(t.shape, int32))))
    return b.finish([swept((x, index), slides, yt, combine)[1].slot])


def swept(xs: Terms, slides: Known, yt: ArrayType, combine: Combine) -> Terms:
    """The windows of the padded operand combined: all at once, or along each dimension."""
    sizes = [size for _, (size, _) in slides]
    if prod(sizes) <= JOINT:
        parts = [
            (k, cut(xs, {i: s.across(at, count(yt, i)) for (i, (_, s)), at in zip(slides, place)}))
            for k, place in enumerate(offsets(sizes))
        ]
        return reduce(lambda u, v: (0, combine(u[1], v[1], v[0])), parts)[1]
    weight = 1
    for i, (size, slide) in reversed(slides):
        xs = _along(xs, i, size, slide, count(yt, i), weight, combine)
        weight *= size
    return xs


def _along(
    xs: Terms, axis: int, size: int, slide: Slide, n: int, weight: int, combine: Combine
) -> Terms:
    """The windows along one dimension; its elements count ``weight`` each."""
    if size <= LINE:
        lines = [(k * weight, cut(xs, {axis: slide.across(k, n)})) for k in range(size)]
        return reduce(lambda u, v: (0, combine(u[1], v[1], v[0])), lines)[1]
    length, need = cast(int, xs[0].type.shape[axis]), (n - 1) * slide.stride + 1

    def moved(xs: Terms, by: int, length: int) -> Terms:
        return cut(xs, {axis: (by * slide.window, by * slide.window + length, 1)})

    runs, j = {1: xs}, 1
    while 2 * j <= size:
        left = length - (2 * j - 1) * slide.window
        runs[2 * j] = combine(moved(runs[j], 0, left), moved(runs[j], j, left), j * weight)
        j *= 2
    ys, done = moved(runs[j], 0, need), j
    while done < size:
        j //= 2
        if done + j <= size:
            ys, done = combine(ys, moved(runs[j], done, need), done * weight), done + j
    return cut(ys, {axis: (0, need, slide.stride)})


def cut(xs: Terms, parts: Mapping[int, Part]) -> Terms:
    """A part of all the values."""
    op = Slice(tuple(parts.get(i) for i in range(xs[0].type.ndim)))
    return tuple(x.apply(op) for x in xs)


def count(t: ArrayType, axis: int) -> int:
    return cast(int, t.shape[axis])


# gather and scatter ------------------------------------------------------------------------------


def gather_text(
    e: Emitter, slides: Slides, xs: Sequence[str], ts: Sequence[ArrayType], yt: ArrayType
) -> str:
    """Write the elements of the windows that the indices name."""
    if yt.size == 0:
        return e.constant(0, yt)
    key = tuple(slides.items())
    if prod(size for size, _ in slides.values()) > UNROLLED:
        return e.inline(_looked_up(key, *ts), xs)[0]
    x, t = padded(e, xs[0], ts[0], slides, 0)
    return e.inline(_selected(key, t, ts[1]), [x, xs[1]])[0]


def scatter_text(
    e: Emitter, slides: Slides, xs: Sequence[str], ts: Sequence[ArrayType], yt: ArrayType
) -> str:
    """Write the updates at the elements of the windows that the indices name."""
    if 0 in (ts[0].size, yt.size):
        return e.constant(0, yt)
    large = prod(size for size, _ in slides.values()) > UNROLLED
    return e.inline((_put if large else _spread)(tuple(slides.items()), *ts, yt), xs)[0]


@lru_cache(1024)
def _selected(slides: Known, t: ArrayType, at: ArrayType) -> Program:
    b = Builder()
    x, index = Term(b, b.input(t)), Term(b, b.input(at))
    out = Term(b, zeros(b, ArrayType(at.shape, t.dtype)))
    for k, place in enumerate(offsets([size for _, (size, _) in slides])):
        parts = {i: s.across(p, count(at, i)) for (i, (_, s)), p in zip(slides, place)}
        out = index.eq(k).where(cut((x,), parts)[0], out)
    return b.finish([out.slot])


@lru_cache(1024)
def _spread(slides: Known, t: ArrayType, at: ArrayType, yt: ArrayType) -> Program:
    """The sum over the window's elements of the updates that name them, spread by the strides."""
    b = Builder()
    x, index = Term(b, b.input(t)), Term(b, b.input(at))
    terms = []
    for k, place in enumerate(offsets([size for _, (size, _) in slides])):
        parts = {}
        for (i, (_, s)), p in zip(slides, place):
            start, limit, stride = cast("tuple[int, int, int]", s.across(p, count(t, i)))
            length = cast(int, s.low + s.high + spread(count(yt, i), s.base - 1))
            parts[i] = (start, length - limit, stride - 1)
        op = Pad(tuple(parts.get(i) for i in range(t.ndim)))
        terms.append(index.eq(k).where(x, 0).apply(op))
    total = reduce(lambda u, v: u + v, terms)
    crop = tuple(
        (-dict(slides)[i][1].low, -dict(slides)[i][1].high, 0) if i in dict(slides) else None
        for i in range(t.ndim)
    )
    total = total.apply(Pad(crop))
    return b.finish(
        [
            cut(
                (total,),
                {i: (0, spread(count(yt, i), s.base - 1), s.base) for i, (_, s) in slides},
            )[0].slot
        ]
    )


@lru_cache(1024)
def _looked_up(slides: Known, t: ArrayType, at: ArrayType) -> Program:
    b = Builder()
    x, index = b.input(t), Term(b, b.input(at))
    order, back = _sorted_dims(slides, t.ndim)
    places = [p.apply(permute(order)).slot for p in _places(index, slides, t)]
    op = Gather(t.ndim - len(slides), len(slides), "fill")
    y = b.emit(op, b.emit(permute(order), x), *places)
    return b.finish([b.emit(permute(back), y)])


@lru_cache(1024)
def _put(slides: Known, t: ArrayType, at: ArrayType, yt: ArrayType) -> Program:
    b = Builder()
    x, index = b.input(t), Term(b, b.input(at))
    order, back = _sorted_dims(slides, t.ndim)
    places = [p.apply(permute(order)).slot for p in _places(index, slides, yt)]
    sizes = tuple(yt.shape[i] for i, _ in slides)
    op = ScatterAdd(t.ndim - len(slides), sizes, "fill")
    y = b.emit(op, b.emit(permute(order), x), *places)
    return b.finish([b.emit(permute(back), y)])


def _sorted_dims(slides: Known, ndim: int) -> tuple[list[int], list[int]]:
    """The order with the windows last, and the way back."""
    slid = [i for i, _ in slides]
    order = [*[i for i in range(ndim) if i not in slid], *slid]
    return order, [order.index(i) for i in range(ndim)]


def _places(index: Term, slides: Known, t: ArrayType) -> list[Term]:
    """Per window dimension where in the array each index points; -1 where it is padding."""
    b, at = index.b, index.type
    total = prod(size for _, (size, _) in slides)
    known = index.ge(0).apply(AND, index.lt(total))
    out = []
    for i, (size, s) in reversed(slides):
        k = index.apply(REM, size)
        index = index.apply(DIV, size)
        p = Term(b, b.emit(broadcast(at.shape, (i,)), b.emit(Iota(at.shape[i], int32))))
        place = p * s.stride + k * s.window - cast(int, s.low)
        inside = known.apply(AND, place.ge(0))
        if s.base > 1:
            inside = inside.apply(AND, place.apply(REM, s.base).eq(0))
            place = place.apply(DIV, s.base)
        out.append(inside.where(place, -1))
    return out[::-1]


# the derivative of products -----------------------------------------------------------------------


def product_tangent(b: Builder, slides: Slides, x: int, t: int) -> int:
    """The tangent of the product of every window: by the product rule along a tree of products."""
    type_ = cast(ArrayType, b.types[x])
    pads = Pad(tuple(slides[i][1].pad if i in slides else None for i in range(type_.ndim)))
    inside = Term(b, b.emit(splat(True, ArrayType(type_.shape, bool_)))).apply(pads)
    both = (inside.where(Term(b, x).apply(pads), 1), Term(b, t).apply(pads))
    pairs = []
    for place in offsets([size for size, _ in slides.values()]):
        parts = {}
        for (i, (size, s)), k in zip(slides.items(), place):
            parts[i] = s.across(k, cast(int, s.positions(type_.shape[i], size)))
        pairs.append(cut(both, parts))
    while len(pairs) > 1:
        halves = [_multiplied(u, v) for u, v in zip(pairs[::2], pairs[1::2])]
        pairs = [*halves, *pairs[2 * len(halves) :]]
    return pairs[0][1].slot


def _multiplied(u: Terms, v: Terms) -> Terms:
    return u[0] * v[0], u[1] * v[0] + u[0] * v[1]
