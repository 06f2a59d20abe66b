"""Cases of the ops whose windows slide: convolutions, and reductions of windows.

The references are loops over single elements and places of the window: slow, and plainly what the
op's docstring says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from tests.laws.cases_structural import EDGES, NUMBERS, ORDERABLE, STORED, WHOLE_NUMBERS, holds
from tests.laws.harness import Array, Case, Gen, Sample, type_of, widened
from verax.compiler.ir.dtypes import (
    DType,
    bfloat16,
    float16,
    float32,
    float64,
    int32,
)
from verax.compiler.ir.op import Op
from verax.compiler.ops.convolve import Convolve, convolution
from verax.compiler.ops.reduce import identity
from verax.compiler.ops.slide import Slide
from verax.compiler.ops.window import (
    ArgReduceWindow,
    GatherWindow,
    ReduceWindow,
    ScatterWindow,
    Window,
    Windowed,
)


def a_slide(g: Gen, n: int, size: int) -> Slide:
    """Any steps; padding on both sides or cropping, mostly so much that there is a position."""
    stride, base, window = (g.pick(steps) for steps in ((1, 2, 3), (1, 2), (1, 2)))
    slide = Slide(stride, g.pick((1, 0, 2, -1)), g.pick((1, 2, 0, -1)), base, window)
    if slide.positions(n, size) == 0 and g.pick((True, True, False)):
        return slide.ending(n, size, 2)
    return slide


def extent(g: Gen, most: int) -> int:
    """The size of a dimension along which something slides; rarely 0."""
    sizes: list[int] = [*range(2, most + 1), 1, 0]
    return g.pick(sizes)


def seen(s: Slide, n: int, size: int) -> Iterator[tuple[int, int, int | None]]:
    """Per position and element of the window the element of the operand, or None for padding."""
    for p in range(cast(int, s.positions(n, size))):
        for k in range(size):
            x, hole = divmod(p * s.stride + k * s.window - cast(int, s.low), s.base)
            yield p, k, x if not hole and 0 <= x < n else None


# convolve ----------------------------------------------------------------------------------------


def shuffled(g: Gen, factors: Sequence[int]) -> tuple[int, ...]:
    return tuple(factors[i] for i in g.permutation(len(factors)))


def any_convolution(dtypes: Sequence[DType], out_dtype: DType | None = None) -> Any:
    """Up to two windows; groups, batches, features and summed factors in any order."""

    def make(g: Gen) -> Sample:
        windows = list(range(g.pick((1, 2, 0))))
        f = iter(range(len(windows), 9))
        group, batch, feature, summed = ([next(f) for _ in range(g.pick((1, 0)))] for _ in range(4))
        n = {k: g.size() for k in (*group, *batch, *feature, *summed)}
        m = {**n, **{k: extent(g, 3) for k in windows}}
        n |= {k: extent(g, 5) for k in windows}
        left = shuffled(g, [*windows, *group, *batch, *summed])
        right = shuffled(g, [*windows, *group, *feature, *summed])
        out = shuffled(g, [*windows, *group, *batch, *feature])
        slides = {k: a_slide(g, n[k], m[k]) for k in windows}
        wide = None if g.smooth else out_dtype
        op = convolution((left, right), out, slides, flip=g.flag(), out_dtype=wide)
        dtype = g.dtype((*dtypes, float64) if g.smooth else dtypes)
        return Sample(
            op, [g.array([n[k] for k in left], dtype), g.array([m[k] for k in right], dtype)]
        )

    return make


def convolve_reference(op: Op, x: Array, w: Array) -> Array:
    """Unfold the left operand along every window; then it is an einsum."""
    one = holds(op, Convolve)
    (left, right), out = one.ins, one.out
    y, labels = widened(x), list(left)
    for f, s in one.slides.items():
        size = w.shape[right.index(f)]
        y = unfold_first(np.moveaxis(y, labels.index(f), 0), s, size)
        labels.remove(f)
        labels = [f + 20, f, *labels]  # position, element
        if one.flip:
            y = np.flip(y, 1)
    at = [f + 20 if f in one.slides else f for f in out]
    return np.asarray(np.einsum(y, labels, widened(w), list(right), at))


def unfold_first(x: Array, s: Slide, size: int, fill: Any = 0) -> Array:
    """Position, element of the window, and the rest."""
    out = np.full((cast(int, s.positions(len(x), size)), size, *x.shape[1:]), fill, x.dtype)
    for p, k, i in seen(s, len(x), size):
        if i is not None:
            out[p, k] = x[i]
    return out


CONVOLUTIONS = (
    Case(
        "convolve",
        any_convolution(NUMBERS),
        convolve_reference,
        ulps=64,
        ulps16=32,
        floor=16,
        weight=2,
    ),
    Case(
        "convolve in float32",
        any_convolution((bfloat16, float16), float32),
        convolve_reference,
        covers=("convolve",),
        ulps=64,
        floor=16,
        weight=2,
    ),
)

# windows -----------------------------------------------------------------------------------------


def a_shape(g: Gen) -> tuple[int, ...]:
    return tuple(g.pick((3, 4, 5, 2, 1, 0)) for _ in range(g.pick((2, 1, 3, 0))))


def some_windows(g: Gen, shape: Sequence[int], most: int = 3) -> tuple[Window, ...]:
    """A window along some dimensions, up to two; one of many elements now and then."""
    out: list[Window] = [None] * len(shape)
    for i in range(len(shape))[:2]:
        if g.pick((True, True, False)):
            size = g.pick((*range(2, most + 1), 1, 9))
            out[i] = (size, *a_slide(g, shape[i], size))
    return tuple(out)


def windowed(kind: str, dtypes: Sequence[DType]) -> Case:
    def make(g: Gen) -> Sample:
        shape = a_shape(g)
        dtype = g.dtype(dtypes)
        low, high = (0.5, 2) if kind == "mul" and dtype.is_inexact else (None, None)
        edges = EDGES if kind in ("max", "min") and dtype.is_float else ()
        x = g.array(shape, dtype, low, high, special=edges)
        windows = some_windows(g, shape)
        if g.smooth and kind in ("max", "min"):
            windows = tuple(w if filled(w, n) else None for w, n in zip(windows, shape))
        return Sample(ReduceWindow(windows, kind), [x])

    def reference(op: Op, x: Array) -> Any:
        y, last = in_windows(holds(op, ReduceWindow), widened(x), identity_of(kind, x))
        return FOLDS[kind](y, axis=last)

    return Case(
        f"reduce_window {kind}",
        make,
        reference,
        covers=("reduce_window",),
        ulps=64,
        ulps16=64,
        weight=2,
    )


def filled(w: Window, n: int) -> bool:
    """Whether no window holds padding only, of which the extreme is infinite."""
    if w is None:
        return False
    slide = Slide(*w[1:])
    found = {p for p, _, i in seen(slide, n, w[0]) if i is not None}
    return len(found) == slide.positions(n, w[0])


FOLDS: dict[str, Any] = {
    "add": np.sum,
    "mul": np.prod,
    "max": np.max,
    "min": np.min,
    "and": np.bitwise_and.reduce,
    "or": np.bitwise_or.reduce,
}


def identity_of(kind: str, x: Array) -> Any:
    """The value in any dtype; for integers the least or the greatest one."""
    return 0 if kind == "add" else identity(kind, type_of(x).dtype)


def in_windows(op: Windowed, x: Array, fill: Any) -> tuple[Array, tuple[int, ...]]:
    """The positions' dimensions, then those of the windows' elements; and where these stand."""
    slides = list(op.slides.items())
    for i, (size, slide) in slides:
        y = unfold_first(np.moveaxis(x, i, 0), slide, size, fill)
        x = np.moveaxis(np.moveaxis(y, 1, -1), 0, i)
    return x, tuple(range(x.ndim - len(slides), x.ndim))


def flat_windows(op: Windowed, x: Array, fill: Any) -> Array:
    """The elements of every window along one last dimension."""
    y, last = in_windows(op, x, fill)
    elements = int(np.prod([y.shape[i] for i in last]))
    return y.reshape((*y.shape[: y.ndim - len(last)], elements))


def arg_windowed(g: Gen) -> Sample:
    shape = a_shape(g)
    dtype = g.dtype(ORDERABLE)
    x = g.array(shape, dtype, special=EDGES if dtype.is_float else ())
    return Sample(ArgReduceWindow(some_windows(g, shape), g.pick(("argmax", "argmin"))), [x])


def arg_windowed_reference(op: Op, x: Array) -> Any:
    one = holds(op, ArgReduceWindow)
    fill = identity_of(one.kind.removeprefix("arg"), x)
    return getattr(np, one.kind)(flat_windows(one, widened(x), fill), axis=-1)


def indices(g: Gen, windows: Sequence[Window], shape: Sequence[int]) -> Array:
    """Some element for every position; now and then one that is out of range."""
    sizes = [w[0] for w in windows if w is not None]
    at = [n if w is None else Slide(*w[1:]).positions(n, w[0]) for n, w in zip(shape, windows)]
    return g.array(cast("list[int]", at), int32, -1, int(np.prod(sizes)))


def gather_windowed(g: Gen) -> Sample:
    shape = a_shape(g)
    windows = some_windows(g, shape)
    return Sample(
        GatherWindow(windows), [g.array(shape, g.dtype(STORED)), indices(g, windows, shape)]
    )


def gather_windowed_reference(op: Op, x: Array, index: Array) -> Array:
    y = flat_windows(holds(op, GatherWindow), x, 0)
    inside = (index >= 0) & (index < y.shape[-1])
    found = np.take_along_axis(y, np.where(inside, index, 0)[..., None], -1)[..., 0]
    return np.where(inside, found, np.zeros_like(found))


def scatter_windowed(g: Gen) -> Sample:
    shape = a_shape(g)
    windows = some_windows(g, shape)
    index = indices(g, windows, shape)
    sizes = tuple(None if w is None else n for w, n in zip(windows, shape))
    return Sample(ScatterWindow(windows, sizes), [g.array(index.shape, g.dtype(NUMBERS)), index])


def scatter_windowed_reference(op: Op, updates: Array, index: Array) -> Array:
    """Every update goes where the number of its element stands in a window of numbers."""
    one, u = holds(op, ScatterWindow), widened(updates)
    shape = tuple(m if n is None else n for n, m in zip(one.sizes, u.shape))
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    places = flat_windows(one, numbers, -1)
    out = np.zeros(shape, u.dtype).reshape(-1)
    for at in np.ndindex(u.shape):
        k = int(index[at])
        if 0 <= k < places.shape[-1] and places[at][k] >= 0:
            out[places[at][k]] += u[at]
    return out.reshape(shape)


WINDOWS = (
    windowed("add", NUMBERS),
    windowed("mul", NUMBERS),
    windowed("max", ORDERABLE),
    windowed("min", ORDERABLE),
    windowed("and", WHOLE_NUMBERS),
    windowed("or", WHOLE_NUMBERS),
    Case("arg_reduce_window", arg_windowed, arg_windowed_reference, derivative=False, weight=2),
    Case("gather_window", gather_windowed, gather_windowed_reference, weight=2),
    Case(
        "scatter_window",
        scatter_windowed,
        scatter_windowed_reference,
        ulps=64,
        ulps16=64,
        floor=8,
        weight=2,
    ),
)

CASES: tuple[Case, ...] = (*CONVOLUTIONS, *WINDOWS)
