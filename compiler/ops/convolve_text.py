"""How a convolution is lowered: as XLA's own, or as products of slices.

XLA's CPU has a fast convolution for float32 without groups, and slow loops for all else. There the
left operand is unfolded: along each window either the window's elements or its positions, whichever
are fewer, become a dimension of their own, slice by slice, and what is left is a contraction. Where
groups leave no matrices to multiply (depthwise), the slices are weighted and added instead.

Law: all ways give the same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from math import prod
from typing import TypeAlias, cast

from verax.compiler.ir.dtypes import float16, float32
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import Labels, broadcast, canonical, permute, total
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import ADD, MUL
from verax.compiler.ops.slicing import Concatenate, Pad, Part, Slice
from verax.compiler.ops.slide import Slide, offsets

SLICES = 64  # more than so many take too long to compile
NARROW = 4  # a group of no more features is no matrix worth a product
MEMORY = 1 << 28  # bytes that an unfolded operand may take
Slides: TypeAlias = tuple[tuple[int, Slide], ...]


class Sum:
    """A convolution of known sizes, and its factors by what they do.

    ``at`` names a factor's counterpart: f is the element of a window, ``at(f)`` its position.
    """

    def __init__(
        self, left: Labels, right: Labels, out: Labels, slides: Slides, ts: Sequence[ArrayType]
    ) -> None:
        self.left, self.right, self.out, self.slides = left, right, out, dict(slides)
        self.ts, (x, w) = ts, ts
        self.n = cast("dict[int, int]", dict(zip(left, x.shape)))
        self.m = cast("dict[int, int]", dict(zip(right, w.shape)))
        self.size = {**self.n, **self.m}
        for f, s in slides:
            self.size[at(f)] = cast(int, s.positions(self.n[f], self.m[f]))
        plain = [f for f in dict.fromkeys((*left, *right)) if f not in self.slides]
        self.group = tuple(f for f in plain if f in left and f in right and f in out)
        self.batch = tuple(f for f in plain if f not in right)
        self.feature = tuple(f for f in plain if f not in left)
        self.summed = tuple(f for f in plain if f not in out)

    def count(self, factors: Iterable[int]) -> int:
        """How many elements these factors have together."""
        return prod(self.size[f] for f in factors)

    @property
    def positions(self) -> Labels:
        """The factors of the result."""
        return tuple(at(f) if f in self.slides else f for f in self.out)

    @property
    def elements(self) -> bool:
        """Whether the windows have no more elements than positions."""
        return self.count(self.slides) <= self.count(map(at, self.slides))

    @property
    def slices(self) -> int:
        """Into how many slices the left operand is unfolded."""
        return min(self.count(self.slides), self.count(map(at, self.slides)))


def at(f: int) -> int:
    return ~f


def way(s: Sum) -> Callable[[Sum], Program] | None:
    """The program of slices that computes the sum best, or None for XLA's convolution."""
    if s.slices == 1:
        return unfolded  # no window at all: one contraction
    native = s.ts[0].dtype in (float32, float16) and len(s.slides) <= 3
    alone = s.count(s.group) == 1
    if s.slices > SLICES or s.slices * s.ts[0].nbytes > MEMORY:
        return None
    if native and (alone or not s.elements):
        return None
    narrow = s.count(s.summed) <= NARROW if s.elements else s.count(s.batch) == 1
    if not alone and narrow and s.slices * s.count(s.summed) <= SLICES:
        return weighted
    return unfolded


@lru_cache(1024)
def program(
    left: Labels, right: Labels, out: Labels, slides: Slides, ts: tuple[ArrayType, ...]
) -> Program | None:
    """The convolution without XLA's, or None where that is best."""
    s = Sum(left, right, out, slides, ts)
    write = way(s)
    return None if write is None else write(s)


# slices ------------------------------------------------------------------------------------------


def sliced(b: Builder, x: int, labels: Labels, s: Sum) -> list[int]:
    """The left operand, once for each element of the windows, or for each position."""
    pads = tuple(s.slides[f].pad if f in s.slides else None for f in labels)
    if any(pads):
        x = b.emit(Pad(pads), x)
    out = []
    for place in offsets([s.size[f if s.elements else at(f)] for f in s.slides]):
        parts = {f: _part(s, f, i) for f, i in zip(s.slides, place)}
        out.append(b.emit(Slice(tuple(parts.get(f) for f in labels)), x))
    return out


def _part(s: Sum, f: int, i: int) -> Part:
    """Element i of all windows along f, or all elements of window i."""
    if s.elements:
        return s.slides[f].across(i, s.size[at(f)])
    return s.slides[f].inside(i, s.m[f])


def side_by_side(b: Builder, xs: Sequence[int], axis: int) -> int:
    """The values along a new dimension."""
    shape = b.types[xs[0]].shape
    one = Reshape((*shape[:axis], 1, *shape[axis:]))
    ys = [b.emit(one, x) for x in xs]
    return ys[0] if len(ys) == 1 else b.emit(Concatenate(axis), *ys)


def unfolded(s: Sum) -> Program:
    """One product of matrices, for each group, of the unfolded operand and the right one.

    Dimensions are brought together by reshapes: where there are more of them, XLA copies.
    """
    b = Builder()
    x, w = (b.input(t) for t in s.ts)
    windows, places = tuple(s.slides), tuple(map(at, s.slides))
    lead, rest = (s.batch, s.summed) if s.elements else (s.summed, s.batch)
    labels = (*s.group, *lead, *windows, *rest)
    ys = sliced(b, ordered(b, x, s.left, labels), labels, s)
    y = side_by_side(b, ys, len(labels) - len(rest))
    kept = (*s.batch, *places) if s.elements else (*places, *s.batch)
    summed = (*windows, *s.summed) if s.elements else (*s.summed, *windows)
    g, m, k, n = map(s.count, (s.group, kept, summed, s.feature))
    y = b.emit(Reshape((g, m, k) if s.elements else (g, k, m)), y)
    w = b.emit(Reshape((g, k, n)), ordered(b, w, s.right, (*s.group, *summed, *s.feature)))
    z = b.emit(canonical([(0, 1, 2) if s.elements else (0, 2, 1), (0, 2, 3)], (0, 1, 3)), y, w)
    out = (*s.group, *kept, *s.feature)
    z = b.emit(Reshape(tuple(s.size[f] for f in out)), z)
    return b.finish([ordered(b, z, out, s.positions)])


def weighted(s: Sum) -> Program:
    """The slices times the elements of the window, added up or side by side."""
    b = Builder()
    x, w = (b.input(t) for t in s.ts)
    ys = sliced(b, x, s.left, s)
    if s.elements:
        return b.finish([_added(b, s, ys, w)])
    kept = tuple(f for f in s.out if f not in s.slides)
    terms = [_product(b, s, y, s.left, w, s.right, kept) for y in ys]
    out = (*map(at, s.slides), *kept)
    y = b.emit(Reshape(tuple(s.size[f] for f in out)), side_by_side(b, terms, 0))
    return b.finish([ordered(b, y, out, s.positions)])


def _added(b: Builder, s: Sum, ys: Sequence[int], w: int) -> int:
    """The sum over the slices, and over the summed factors as if they were windows too."""
    left, right = tuple(at(f) if f in s.slides else f for f in s.left), s.right
    terms = []
    for y, place in zip(ys, offsets([s.m[f] for f in s.slides])):
        for i in offsets([s.m[f] for f in s.summed]):
            here = dict(zip((*s.slides, *s.summed), (*place, *i)))
            x, v = _picked(b, y, left, here), _picked(b, w, right, here)
            terms.append(_product(b, s, *x, *v, s.positions))
    return reduce(lambda u, v: b.emit(ADD, u, v), terms)


def _picked(b: Builder, x: int, labels: Labels, here: Mapping[int, int]) -> tuple[int, Labels]:
    """x at one element of some factors, and the labels that are left."""
    shape = b.types[x].shape
    kept = [i for i, f in enumerate(labels) if f not in here]
    at_one = tuple((here[f], here[f] + 1, 1) if f in here else None for f in labels)
    y = b.emit(Reshape(tuple(shape[i] for i in kept)), b.emit(Slice(at_one), x))
    return y, tuple(labels[i] for i in kept)


def _product(b: Builder, s: Sum, x: int, left: Labels, y: int, right: Labels, out: Labels) -> int:
    """The sum of products as one loop: both operands are broadcast, multiplied and reduced."""
    full = (*out, *[f for f in dict.fromkeys((*left, *right)) if f not in out])
    size = {**dict(zip(left, b.types[x].shape)), **dict(zip(right, b.types[y].shape))}
    shape = tuple(size[f] for f in full)
    x, y = (
        b.emit(broadcast(shape, [full.index(f) for f in labels]), v)
        for v, labels in ((x, left), (y, right))
    )
    return b.emit(total(len(full), range(len(out), len(full))), b.emit(MUL, x, y))


def ordered(b: Builder, x: int, labels: Labels, wanted: Labels) -> int:
    """x with its dimensions in another order."""
    return x if labels == wanted else b.emit(permute([labels.index(f) for f in wanted]), x)


# XLA's own ---------------------------------------------------------------------------------------


def direct(
    e: Emitter,
    left: Labels,
    right: Labels,
    out: Labels,
    slides: Slides,
    xs: Sequence[str],
    ts: Sequence[ArrayType],
    yt: ArrayType,
) -> str:
    """XLA's convolution, whose operands have one dimension for each sort of factors."""
    s = Sum(left, right, out, slides, ts)
    windows = {str(i): (f,) for i, f in enumerate(s.slides)}
    x = Runs(s.left, {"b": s.batch, "f": (*s.group, *s.summed), **windows})
    w = Runs(s.right, {"i": s.summed, "o": (*s.group, *s.feature), **windows})
    places = {k: (at(f),) for k, (f,) in windows.items()}
    y = Runs(s.positions, {"b": s.batch, "f": (*s.group, *s.feature), **places})
    runs = [x.type(s.n, ts[0]), w.type(s.m, ts[1]), y.type(s.size, yt)]
    ins = [r.merged(e, v, t, to) for r, v, t, to in zip((x, w), xs, ts, runs)]

    def each(value: Callable[[Slide], object]) -> str:
        return ", ".join(str(value(slide)) for _, slide in slides)

    z = e.op(
        f"stablehlo.convolution({', '.join(ins)}) dim_numbers = {x}x{w}->{y}, "
        f"window = {{stride = [{each(lambda r: r.stride)}], "
        f"pad = [{each(lambda r: [r.low, r.high])}], lhs_dilate = [{each(lambda r: r.base)}], "
        f"rhs_dilate = [{each(lambda r: r.window)}]}} {{batch_group_count = 1 : i64, "
        f"feature_group_count = {s.count(s.group)} : i64}} : "
        f"({runs[0].mlir}, {runs[1].mlir}) -> {runs[2].mlir}"
    )
    return y.parted(e, z, runs[2], yt, s.size)


class Runs:
    """Dimensions merged by sorts, each sort where its first dimension stands."""

    def __init__(self, labels: Labels, sorts: Mapping[str, Labels]) -> None:
        first = {k: labels.index(run[0]) if run else -1 for k, run in sorts.items()}
        self.labels, self.sorts = labels, sorted(sorts.items(), key=lambda item: first[item[0]])
        self.order = tuple(f for _, run in self.sorts for f in run)

    def __str__(self) -> str:
        return f"[{', '.join(k for k, _ in self.sorts)}]"

    def type(self, size: Mapping[int, int], t: ArrayType) -> ArrayType:
        return ArrayType(tuple(prod(size[f] for f in run) for _, run in self.sorts), t.dtype)

    def merged(self, e: Emitter, x: str, t: ArrayType, to: ArrayType) -> str:
        if self.order != self.labels:
            perm = [self.labels.index(f) for f in self.order]
            turned = ArrayType(tuple(t.shape[i] for i in perm), t.dtype)
            x = e.op(f"stablehlo.transpose {x}, dims = {perm} : ({t.mlir}) -> {turned.mlir}")
            t = turned
        return x if t is to else e.op(f"stablehlo.reshape {x} : ({t.mlir}) -> {to.mlir}")

    def parted(
        self, e: Emitter, y: str, t: ArrayType, to: ArrayType, size: Mapping[int, int]
    ) -> str:
        apart = ArrayType(tuple(size[f] for f in self.order), t.dtype)
        if t is not apart:
            y = e.op(f"stablehlo.reshape {y} : ({t.mlir}) -> {apart.mlir}")
        if self.order != self.labels:
            perm = [self.order.index(f) for f in self.labels]
            y = e.op(f"stablehlo.transpose {y}, dims = {perm} : ({apart.mlir}) -> {to.mlir}")
        return y
