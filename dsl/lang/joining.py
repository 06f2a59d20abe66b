"""Arrays put together and taken apart: concat, stack, split, tile, repeat, roll, pad.

Everything is slices, concatenations and broadcasts; only ``repeat`` with several counts gathers.
Padding by ``edge``, ``reflect``, ``symmetric`` and ``wrap`` concatenates runs of the array, read
forwards, backwards or standing still, so its derivative needs no scatter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

from verax.compiler.ir.aligned import differing, from_left
from verax.compiler.ir.dtypes import bool_
from verax.compiler.ir.errors import ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import Poly, Shape, Size, known_negative
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.pointwise import SELECT, splat
from verax.compiler.ops.slicing import Concatenate, DynamicSlice, Pad, Slice
from verax.dsl.lang.axes import Axes, axis_of
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.indexing import getitem, index_array, modulo
from verax.dsl.lang.manipulation import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    reshaped,
    reversed_along,
)
from verax.dsl.lang.promotion import asarray, broadcast_to, common_dtype, convert, is_array
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Ds, Es, First, Last, Like, Open, Same
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

    Out: TypeAlias = Array[DT, *tuple[Any, ...]]

MOST_PARTS = 1 << 20
"""How many parts an array is cut into at most."""


# together


def _operands(name: str, xs: Sequence[ArrayLike] | AnyArray) -> list[AnyArray]:
    """The arrays to join, in the dtype in which they meet."""
    rows = list(xs)
    if not rows:
        raise ShapeError(
            f"{name} needs at least one array, got an empty list",
            fix="start from an array of no rows: vx.zeros((0, n))",
        )
    dtype = common_dtype(name, rows)
    return [convert(asarray(x, name=name), dtype) for x in rows]


@overload
def concat(xs: Sequence[Array[DT, Any, *Es]], axis: First = 0) -> Array[DT, Any, *Es]: ...
@overload
def concat(xs: Sequence[Array[DT, *Es, Any]], axis: Last) -> Array[DT, *Es, Any]: ...
@overload
def concat(xs: Sequence[Open[DT]], axis: int | None = 0) -> Open[DT]: ...
@overload
def concat(xs: Sequence[ArrayLike], axis: int | None = 0) -> AnyArray: ...
def concat(xs: Sequence[ArrayLike], axis: int | None = 0) -> Any:
    """The arrays one after the other along an axis that they have, or flattened (axis None).

    >>> import numpy as np
    >>> concat([np.zeros(1), np.ones(2)]).tolist()
    [0.0, 1.0, 1.0]
    """
    ys = _operands("concat", xs)
    if axis is None:
        ys = [reshaped(y, (y.type.size,)) for y in ys]
    return _joined("concat", ys, 0 if axis is None else axis)


concatenate = concat


def _joined(name: str, ys: Sequence[AnyArray], axis: int) -> AnyArray:
    axis = axis_of(name, axis, ys[0].type)
    first = shape_of(ys[0])
    for k, y in enumerate(ys[1:], 1):
        own = shape_of(y)
        if len(own) != len(first):
            raise ShapeError(
                f"{name}: operand 0 has {len(first)} dimensions and operand {k} has {len(own)}\n"
                + _rows(ys, ()),
                about=name,
                fix="vx.stack joins along a new axis; x[None] adds a dimension",
            )
        for d, (m, n) in enumerate(zip(first, own)):
            if d != axis and m != n:
                wrong = [i for i in differing([first, own]) if i != axis]
                raise ShapeError(
                    f"{name} along axis {axis}: dimension {d} is {m} in operand 0 and {n} in"
                    f" operand {k}\n" + _rows(ys, wrong),
                    fix=_join_fix(first, own, wrong),
                    about=name,
                )
    return ys[0] if len(ys) == 1 else apply(Concatenate(axis), *ys)


def _rows(ys: Sequence[AnyArray], marked: Sequence[int]) -> str:
    """The arrays to join, in columns; of many only the first few."""
    lines = from_left([(f"operand {k}", y.type) for k, y in enumerate(ys[:_SHOWN])], marked)
    return lines if len(ys) <= _SHOWN else f"{lines}\n    ... and {len(ys) - _SHOWN} more"


_SHOWN = 8  # operands in a message


def _join_fix(first: Shape, own: Shape, wrong: Sequence[int]) -> str:
    """What would make two arrays join."""
    if len(wrong) == 1:
        return f"join them along the axis in which they differ, axis={wrong[0]}, or cut or pad one"
    if len(first) == 2 and first == own[::-1]:
        return "transpose one of them: x.T"
    return "all dimensions but the one along which arrays are joined must agree: cut or pad one"


@overload
def stack(xs: Sequence[Array[DT, *Ds]], axis: First = 0) -> Array[DT, Any, *Ds]: ...
@overload
def stack(xs: Sequence[Array[DT, *Ds]], axis: Last) -> Array[DT, *Ds, Any]: ...
@overload
def stack(xs: Sequence[Open[DT]], axis: int = 0) -> Open[DT]: ...
@overload
def stack(xs: Sequence[ArrayLike], axis: int = 0) -> AnyArray: ...
def stack(xs: Sequence[ArrayLike], axis: int = 0) -> Any:
    """The arrays, all of one shape, along a new axis.

    >>> import numpy as np
    >>> stack([np.zeros(2), np.ones(2)], axis=1).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    ys = _operands("stack", xs)
    for k, y in enumerate(ys[1:], 1):
        if shape_of(y) != shape_of(ys[0]):
            raise ShapeError(
                f"stack takes arrays of one shape, and operand 0 and operand {k} differ\n"
                + _rows(ys, differing([shape_of(ys[0]), shape_of(y)])),
                fix="vx.concat joins along an axis that they have; pad the shorter one with vx.pad",
            )
    return fused(_stack, axis_of("stack", axis, ys[0].type, extra=1), *ys)


def _stack(axis: int, *ys: AnyArray) -> AnyArray:
    shape = shape_of(ys[0])
    one = (*shape[:axis], 1, *shape[axis:])
    return _joined("stack", [reshaped(y, one) for y in ys], axis)


@overload
def vstack(xs: Sequence[Open[DT]]) -> Open[DT]: ...
@overload
def vstack(xs: Sequence[ArrayLike]) -> AnyArray: ...
def vstack(xs: Sequence[ArrayLike]) -> Any:
    """The arrays below each other: along the first axis, rows where they have one dimension."""
    return concat([atleast_2d(x) for x in xs], 0)


@overload
def hstack(xs: Sequence[Open[DT]]) -> Open[DT]: ...
@overload
def hstack(xs: Sequence[ArrayLike]) -> AnyArray: ...
def hstack(xs: Sequence[ArrayLike]) -> Any:
    """The arrays side by side: along the second axis, or the first where they have only one."""
    ys = [atleast_1d(x) for x in xs]
    return concat(ys, 0 if not ys or ys[0].ndim == 1 else 1)


@overload
def dstack(xs: Sequence[Open[DT]]) -> Open[DT]: ...
@overload
def dstack(xs: Sequence[ArrayLike]) -> AnyArray: ...
def dstack(xs: Sequence[ArrayLike]) -> Any:
    """The arrays along the third axis."""
    return concat([atleast_3d(x) for x in xs], 2)


@overload
def column_stack(xs: Sequence[Open[DT]]) -> Open[DT]: ...
@overload
def column_stack(xs: Sequence[ArrayLike]) -> AnyArray: ...
def column_stack(xs: Sequence[ArrayLike]) -> Any:
    """Arrays of one dimension as the columns of a matrix; matrices side by side."""
    ys = [atleast_1d(x) for x in xs]
    return concat([reshaped(y, (*shape_of(y), 1)) if y.ndim == 1 else y for y in ys], 1)


def append(x: ArrayLike, values: ArrayLike, axis: int | None = None) -> AnyArray:
    """``concat([x, values], axis)``: a new array, both flattened where axis is None."""
    return concat([x, values], axis)


# apart


def unstack(x: Like[DT], axis: int = 0) -> list[Out[DT]]:
    """The elements of x along an axis, which must be known while staging."""
    y = asarray(x, name="unstack")
    axis = axis_of("unstack", axis, y.type)
    _known("unstack", y.type, axis)
    return fused_all(_unstack, axis, y)


def _unstack(axis: int, x: AnyArray) -> list[AnyArray]:
    shape = shape_of(x)
    row = (*shape[:axis], *shape[axis + 1 :])
    return [reshaped(cut(x, axis, i, i + 1), row) for i in range(x.shape[axis])]


def _known(name: str, t: ArrayType, axis: int) -> int:
    n = t.shape[axis]
    if isinstance(n, Poly):
        raise UnknownSizeError(
            f"{name}: the size {n} of dimension {axis} of {t} must be known",
            fix="stage for a known size: Literal[8] in the annotation, or an array of it",
        )
    return n


def cut(x: AnyArray, axis: int, start: Size, limit: Size) -> AnyArray:
    """The elements start to limit of one dimension."""
    if start == 0 and limit == shape_of(x)[axis]:
        return x
    return apply(Slice(tuple([(start, limit, 1) if d == axis else None for d in range(x.ndim)])), x)


def split(x: Like[DT], sections: int | Iterable[int], axis: int = 0) -> list[Out[DT]]:
    """x cut along an axis into equal parts, or at the given positions.

    Raises:
        ShapeError: the parts would not be equal (``array_split`` allows that).
    """
    y = asarray(x, name="split")
    axis = axis_of("split", axis, y.type)
    n = shape_of(y)[axis]
    if not isinstance(sections, Iterable) and (
        index(sections) < 1 or (isinstance(n, int) and n % index(sections))
    ):
        raise ShapeError(
            f"split: dimension {axis} of {y.type} does not fall into {sections} equal parts",
            fix="vx.array_split makes parts of nearly one size",
        )
    return array_split(y, sections, axis)


def array_split(x: Like[DT], sections: int | Iterable[int], axis: int = 0) -> list[Out[DT]]:
    """x cut along an axis into parts whose sizes differ by one at most, or at given positions."""
    y = asarray(x, name="array_split")
    axis = axis_of("array_split", axis, y.type)
    n = shape_of(y)[axis]
    ends: list[Size]
    if isinstance(sections, Iterable):
        ends = [_end(i, n) for i in sections]
    else:
        count = index(sections)
        if count < 1:
            raise ShapeError(
                f"array_split: {count} parts of dimension {axis} of {y.type}",
                fix="give a number of 1 or more, or the positions to cut at",
            )
        if count > MOST_PARTS:
            raise ShapeError(
                f"array_split: {count} parts would each be an array of the program",
                fix="use reshape, and index or map over the parts",
            )
        size, longer = divmod(n, count)
        ends = [k * size + min(k, longer) for k in range(1, count)]
    return fused_all(_split, (axis, tuple(ends)), y)


def _end(i: Size, n: Size) -> Size:
    """The position of a cut; where n is not known it is taken to lie within."""
    if isinstance(n, int) and not isinstance(i, Poly):
        return slice(index(i)).indices(n)[1]
    return n + i if known_negative(i) else i


def _split(static: tuple[int, tuple[Size, ...]], x: AnyArray) -> list[AnyArray]:
    axis, ends = static
    bounds = [0, *ends, shape_of(x)[axis]]
    pairs = itertools.pairwise(bounds)
    return [cut(x, axis, a, a if known_negative(b - a) else b) for a, b in pairs]


def vsplit(x: Like[DT], sections: int | Iterable[int]) -> list[Out[DT]]:
    """``split`` along the first axis."""
    return split(x, sections, 0)


def hsplit(x: Like[DT], sections: int | Iterable[int]) -> list[Out[DT]]:
    """``split`` along the second axis, or the first where there is only one."""
    y = asarray(x, name="hsplit")
    return split(y, sections, 0 if y.ndim == 1 else 1)


def dsplit(x: Like[DT], sections: int | Iterable[int]) -> list[Out[DT]]:
    """``split`` along the third axis."""
    return split(x, sections, 2)


# again


def _counts(name: str, x: Size | Iterable[Size]) -> list[Size]:
    """One count, or several: a sequence or a NumPy array."""
    several = isinstance(x, Iterable) and getattr(x, "ndim", 1) != 0
    rows: list[Any] = list(x) if several else [x]  # type: ignore[arg-type]
    counts: list[Size] = [r if isinstance(r, Poly) else index(r) for r in rows]
    if any(map(known_negative, counts)):
        raise ShapeError(
            f"{name}: a count is negative in {tuple(counts)}",
            fix="counts are 0 or more: max(n, 0); x[::-1] turns an axis round",
        )
    return counts


def tile(x: Like[DT], reps: Size | Iterable[Size]) -> Out[DT]:
    """x laid out ``reps`` times along each axis, the last axes first.

    >>> import numpy as np
    >>> tile(np.arange(2), (2, 2)).tolist()
    [[0, 1, 0, 1], [0, 1, 0, 1]]
    """
    y = asarray(x, name="tile")
    counts = _counts("tile", reps)
    ndim = max(y.ndim, len(counts))
    counts = [*[1] * (ndim - len(counts)), *counts]
    return fused(_tile, tuple(counts), reshaped(y, (1,) * (ndim - y.ndim) + shape_of(y)))


def _tile(counts: tuple[Size, ...], x: AnyArray) -> AnyArray:
    shape = shape_of(x)
    spread: list[Size] = []
    places = []
    for r, n in zip(counts, shape):
        if r != 1:
            spread.append(r)
        places.append(len(spread))
        spread.append(n)
    if len(spread) > len(shape):
        x = apply(broadcast_op(tuple(spread), places), x)
    return reshaped(x, tuple([r * n for r, n in zip(counts, shape)]))


def repeat(x: Like[DT], repeats: Size | Iterable[Size], axis: int | None = None) -> Out[DT]:
    """Each element of x along an axis (or of the flattened x) several times in a row.

    Args:
        repeats: one count, or one per element; counts are a shape, so they must be known.

    >>> import numpy as np
    >>> repeat(np.array([3, 4]), [1, 2]).tolist()
    [3, 4, 4]
    """
    y = asarray(x, name="repeat")
    if axis is None:
        y = reshaped(y, (y.type.size,))
    axis = axis_of("repeat", 0 if axis is None else axis, y.type)
    counts = _counts("repeat", repeats)
    if len(counts) == 1:
        return fused(_repeat, (axis, counts[0]), y)
    n = _known("repeat", y.type, axis)
    if len(counts) != n:
        raise ShapeError(
            f"repeat: {len(counts)} counts for the {n} elements of dimension {axis} of {y.type}",
            fix="give one count for all, or one per element",
        )
    places = [i for i, r in enumerate(counts) for _ in range(index(r))]
    return getitem(y, (slice(None),) * axis + (places,))


def _repeat(static: tuple[int, Size], x: AnyArray) -> AnyArray:
    axis, r = static
    shape = shape_of(x)
    spread = (*shape[: axis + 1], r, *shape[axis + 1 :])
    places = [d if d <= axis else d + 1 for d in range(x.ndim)]
    out = apply(broadcast_op(spread, places), x)
    return reshaped(out, (*shape[:axis], shape[axis] * r, *shape[axis + 1 :]))


Shift: TypeAlias = int | ArrayLike


def roll(x: Same[DT, *Ds], shift: Shift | Sequence[Shift], axis: Axes = None) -> Array[DT, *Ds]:
    """x shifted along axes, what falls out at the end coming in at the start.

    Args:
        shift: how far, per axis; an int, or a computed scalar.
        axis: an axis, several, or None: x is flattened, rolled and put back into shape.
    """
    y = asarray(x, name="roll")
    shape = shape_of(y)
    if axis is None:
        flat = reshaped(y, (y.type.size,))
        shifts = list(shift) if isinstance(shift, Sequence) else [shift]
        return reshaped(_rolled(flat, shifts, [0] * len(shifts)), shape)
    axes = [axis_of("roll", a, y.type) for a in (axis if isinstance(axis, Sequence) else [axis])]
    shifts = list(shift) if isinstance(shift, Sequence) else [shift] * len(axes)
    if len(shifts) != len(axes):
        if len(axes) != 1:
            raise ShapeError(
                f"roll: {len(shifts)} shifts for {len(axes)} axes",
                fix="give one shift for all axes, or one per axis",
            )
        axes = axes * len(shifts)
    return _rolled(y, shifts, axes)


def _rolled(x: AnyArray, shifts: Sequence[Shift], axes: Sequence[int]) -> AnyArray:
    for s, axis in zip(shifts, axes):
        if is_array(s):
            x = fused(_roll_computed, axis, x, index_array("roll", s))
        else:
            x = fused(_roll, (axis, index(s)), x)  # type: ignore[arg-type]
    return x


def _roll(static: tuple[int, int], x: AnyArray) -> AnyArray:
    axis, shift = static
    n = shape_of(x)[axis]
    if n == 0 or (isinstance(n, int) and shift % n == 0):
        return x
    at = n - (shift % n) if isinstance(n, int) else n - shift if shift >= 0 else -shift
    return apply(Concatenate(axis), cut(x, axis, at, n), cut(x, axis, 0, at))


def _roll_computed(axis: int, x: AnyArray, shift: AnyArray) -> AnyArray:
    n = x.shape[axis]
    if n == 0:
        return x
    start = modulo(-convert(shift, "int32"), n)
    sizes = tuple([n if d == axis else None for d in range(x.ndim)])
    return apply(DynamicSlice(sizes), apply(Concatenate(axis), x, x), start)


# pad

PadMode: TypeAlias = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
Widths: TypeAlias = Size | tuple[Size, Size] | Sequence[tuple[Size, Size]]
Pairs: TypeAlias = tuple[tuple[Size, Size], ...]


class _Run(NamedTuple):
    """``length`` elements from ``start`` on, in steps of 1, -1 or 0."""

    start: Size
    length: int
    step: int


def pad(
    x: Like[DT], widths: Widths, mode: PadMode = "constant", constant_values: ArrayLike = 0
) -> Out[DT]:
    """x with a border.

    Args:
        widths: elements before and after: one number or pair for all axes, or a pair per axis.
        mode: ``constant``; ``edge`` repeats the outermost element; ``reflect`` mirrors at it,
            ``symmetric`` beside it; ``wrap`` goes round.
        constant_values: the scalar that ``constant`` writes.

    >>> import numpy as np
    >>> pad(np.array([1, 2, 3]), (2, 1), mode="reflect").tolist()
    [3, 2, 1, 2, 3, 2]
    """
    y = asarray(x, name="pad")
    pairs = _widths(y.type, widths)
    if mode == "constant":
        if isinstance(constant_values, (bool, int, float)) and constant_values == 0:
            return fused(_pad_zeros, pairs, y)
        value = asarray(constant_values, None if is_array(constant_values) else y.dtype)
        return fused(_pad_constant, pairs, y, convert(value, y.dtype))
    if mode not in _POSITION:
        raise ShapeError(
            f"pad: {mode!r} is no mode", fix=f"one of constant, {', '.join(_POSITION)}"
        )
    return fused(_pad_runs, (pairs, mode), y)


def _widths(t: ArrayType, widths: Widths) -> Pairs:
    rows: Sequence[Any] = widths if isinstance(widths, Sequence) else [(widths, widths)]
    if rows and not isinstance(rows[0], Sequence):
        rows = [(rows[0], rows[-1])]
    pairs = [(_width(row[0]), _width(row[-1])) for row in rows]
    if len(pairs) == 1:
        pairs = pairs * t.ndim
    if len(pairs) != t.ndim or any(known_negative(w) for pair in pairs for w in pair):
        raise ShapeError(
            f"pad: the widths {widths} do not fit {t}",
            fix="give a width, a pair (before, after), or a pair per dimension, none negative",
        )
    return tuple(pairs)


def _width(w: Size) -> Size:
    return w if isinstance(w, Poly) else index(w)


def _pad_zeros(pairs: Pairs, x: AnyArray) -> AnyArray:
    if not any(map(any, pairs)):
        return x
    return apply(Pad(tuple([(*p, 0) if any(p) else None for p in pairs])), x)


def _pad_constant(pairs: Pairs, x: AnyArray, value: AnyArray) -> AnyArray:
    inside = _pad_zeros(pairs, apply(splat(True, ArrayType(shape_of(x), bool_))))
    out = _pad_zeros(pairs, x)
    return apply(SELECT, inside, out, broadcast_to(value, shape_of(out)))


_POSITION: dict[str, Any] = {
    "edge": lambda j, n: min(max(j, 0), n - 1),
    "reflect": lambda j, n: _mirrored(j, n, 2 * n - 2) if n > 1 else 0,
    "symmetric": lambda j, n: _mirrored(j, n, 2 * n, 1),
    "wrap": lambda j, n: j % n,
}


def _mirrored(j: int, n: int, period: int, beside: int = 0) -> int:
    k = j % period
    return k if k < n else period - beside - k


def _pad_runs(static: tuple[Pairs, str], x: AnyArray) -> AnyArray:
    pairs, mode = static
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            n, before, after = shape_of(x)[axis], index(before), index(after)
            if n == 0:
                raise ShapeError(
                    f"pad: dimension {axis} of {x.type} has no element to repeat",
                    fix='mode="constant" puts one value there',
                )
            if isinstance(n, int):
                places = [_POSITION[mode](j, n) for j in range(-before, n + after)]
                parts = [_run(x, axis, run) for run in _runs(places)]
            else:
                low, high = _borders(mode, n, before, after)
                parts = [_run(x, axis, low)] * (before > 0) + [x]
                parts += [_run(x, axis, high)] * (after > 0)
            x = _joined("pad", parts, axis)
    return x


def _borders(mode: str, n: Size, before: int, after: int) -> tuple[_Run, _Run]:
    """What is read before and after n elements, where n is not known and no border is longer."""
    if mode == "edge":
        return _Run(0, before, 0), _Run(n - 1, after, 0)
    if mode == "wrap":
        return _Run(n - before, before, 1), _Run(0, after, 1)
    beside = 1 if mode == "reflect" else 0
    return _Run(before - 1 + beside, before, -1), _Run(n - 1 - beside, after, -1)


def _runs(places: Sequence[int]) -> Iterator[_Run]:
    """The positions as runs of one step each, as long as they go."""
    i = 0
    while i < len(places):
        step = places[i + 1] - places[i] if i + 1 < len(places) else 1
        k = i + 1
        while k < len(places) and places[k] - places[k - 1] == step and abs(step) <= 1:
            k += 1
        yield _Run(places[i], k - i, step if k - i > 1 else 1)
        i = k


def _run(x: AnyArray, axis: int, run: _Run) -> AnyArray:
    if run.step == 0:
        one = cut(x, axis, run.start, run.start + 1)
        return broadcast_to(one, (*shape_of(x)[:axis], run.length, *shape_of(x)[axis + 1 :]))
    if run.step == 1:
        return cut(x, axis, run.start, run.start + run.length)
    return reversed_along(cut(x, axis, run.start - run.length + 1, run.start + 1), (axis,))
