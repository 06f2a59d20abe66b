"""Reading ``x[...]``, and the functions that read at computed positions.

A basic index is one slice and one reshape; a computed scalar is a dynamic slice; index arrays are
one gather, of the part that the slices leave. Concrete arrays are read by one executable per kind
of index, whatever the positions: a loop over ``x[i]`` or over ``x[i : i + 32]`` compiles once.

Positions that are computed count from the end where they are negative. Out of range they are
clipped (``mode="clip"``, or ``"promise_in_bounds"``, which means that there are none) or give
``fill_value`` (``mode="fill"``, or ``"drop"``); literals there are errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

from verax.compiler.ir.aligned import from_left, from_right
from verax.compiler.ir.dtypes import DType, int32, int64
from verax.compiler.ir.errors import DTypeError, IndexingError, ShapeError
from verax.compiler.ir.op import show_shape
from verax.compiler.ir.sizes import Poly, Shape, Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.indexing import Gather
from verax.compiler.ops.pointwise import SELECT, splat
from verax.compiler.ops.slicing import DynamicSlice, Slice
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.dtypes import integer_range
from verax.dsl.lang.fused import fused
from verax.dsl.lang.manipulation import permuted, reshaped, reversed_along
from verax.dsl.lang.promotion import (
    asarray,
    broadcast_shapes,
    broadcast_to,
    check_scalar,
    convert,
    scalar,
)
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import (
    DT,
    AnyArray,
    ArrayLike,
    Es,
    First,
    Like,
    M,
    N,
    Open,
    Unranked,
    Zero,
)
from verax.dsl.lang.subscript import PICKED, Index, Subscript, length, resolve
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

Mode: TypeAlias = Literal["clip", "fill", "wrap", "drop", "promise_in_bounds"]
Number: TypeAlias = bool | int | float | complex


def getitem(x: AnyArray, index: Index) -> AnyArray:
    """``x[index]``: NumPy's semantics, with computed positions clipped."""
    if type(index) is int and STACK.scope is None and x.scope is None:
        row = _row(x.type)
        if row is not None and -row.size <= index < row.size:
            start = _start(index if index >= 0 else index + row.size)
            return fused(_read, row.static, x, start)
    s, operands = resolve(x.type, index)
    return _get(x, s, operands, "clip", 0)


class _Row(NamedTuple):
    """How one element of the first dimension is read; its position is an operand."""

    size: int
    static: tuple[Subscript, Mode, Number]


@lru_cache(1024)
def _row(t: ArrayType) -> _Row | None:
    """The way to ``x[i]`` for concrete arrays, which loops take often; None where x has no row."""
    if not t.shape or t.spec is not None or isinstance(t.shape[0], Poly) or t.shape[0] < 2:
        return None
    return _Row(t.shape[0], (loosen(*resolve(t, 0))[0], "clip", 0))


def get(
    x: AnyArray, index: Index, mode: Mode = "clip", fill_value: Number | None = None
) -> AnyArray:
    """``x.at[index].get(...)``: what a computed position out of range gives is said by ``mode``."""
    mode = _mode(mode)
    s, operands = resolve(x.type, index, spread=mode != "clip")
    fill = fill_of(x.dtype, fill_value) if mode == "fill" else 0
    return _get(x, s, operands, mode, fill)


_READING: dict[str, Mode] = {
    "clip": "clip", "promise_in_bounds": "clip", "fill": "fill", "drop": "fill", "wrap": "wrap",
}  # fmt: skip


def _mode(mode: str) -> Mode:
    """The one name of a mode of reading."""
    if mode not in _READING:
        raise IndexingError(f"{mode!r} is no mode of reading", fix='mode="clip", "fill" or "wrap"')
    return _READING[mode]


def fill_of(dtype: DType, value: Number | None) -> Number:
    """What a position out of range gives: NaN, or the integer furthest from zero, unless told."""
    if value is not None:
        check_scalar(value, dtype, "fill_value")
        return value
    if dtype.is_inexact:
        return float("nan")
    if dtype.is_bool:
        return True
    low, high = integer_range(dtype)
    return low if dtype.kind == "int" else high


def _get(x: AnyArray, s: Subscript, operands: list[AnyArray], mode: Mode, fill: Number) -> AnyArray:
    if STACK.scope is None and x.type.spec is None:
        s, operands = loosen(s, operands)
    key = fill if fill == fill else "nan"  # NaN is not equal to itself, and so no key
    return fused(_read, (s, mode, key), x, *operands)


def _read(static: tuple[Subscript, Mode, Any], x: AnyArray, *operands: AnyArray) -> AnyArray:
    s, mode, fill = static
    starts, picks = positions(s, x, operands, wrap=mode == "wrap")
    y = view(s, x, starts)
    if s.picked:
        y = _pick(s, y, picks, mode, float("nan") if fill == "nan" else fill)
    return reshaped(y, s.result_shape(shape_of(x), [shape_of(p) for p in picks]))


def _pick(s: Subscript, y: AnyArray, picks: list[AnyArray], mode: Mode, fill: Number) -> AnyArray:
    """The elements that the index arrays pick from a view, their dimensions in their place."""
    spot = spot_of(s, y.ndim)
    out = gather(picked_together(s, y), picks, mode, fill, lead=spot.lead)
    return permuted(out, spot.placement(picks[0].ndim))


# the steps, shared with updates.py


def view(s: Subscript, x: AnyArray, starts: Sequence[AnyArray]) -> AnyArray:
    """The part of x that slices and scalars leave; every dimension is kept."""
    if any(s.parts):
        x = apply(Slice(s.parts), x)
    x = reversed_along(x, s.flips)
    return sliced(x, dict(s.dynamic), starts)


def sliced(x: AnyArray, sizes: dict[int, Size], starts: Sequence[AnyArray]) -> AnyArray:
    """x from computed starts: one per dimension of ``sizes``, in order."""
    if not sizes:
        return x
    return apply(DynamicSlice(tuple([sizes.get(d) for d in range(x.ndim)])), x, *starts)


def loosen(s: Subscript, operands: list[AnyArray]) -> tuple[Subscript, list[AnyArray]]:
    """The subscript with its literal starts as operands, so that one executable serves them all."""
    fixed = {d: p for d, p in enumerate(s.parts) if p is not None and p[2] == 1 and p[1] != p[0]}
    if not fixed:
        return s, operands
    n = len(s.dynamic)
    entries = [(d, size, i, k) for (d, size), i, k in zip(s.dynamic, operands, s.known)]
    entries += [(d, length(p), _start(p[0]), True) for d, p in fixed.items()]
    entries.sort(key=lambda e: e[0])
    s = s._replace(
        parts=tuple([None if d in fixed else p for d, p in enumerate(s.parts)]),
        dynamic=tuple([(d, size) for d, size, _, _ in entries]),
        known=(*[k for _, _, _, k in entries], *s.known[n:]),
    )
    return s, [*[i for _, _, i, _ in entries], *operands[n:]]


@lru_cache(4096)
def _start(i: int) -> AnyArray:
    return scalar(i, int32)


def positions(
    s: Subscript, x: AnyArray, operands: Sequence[AnyArray], *, wrap: bool = False
) -> tuple[list[AnyArray], list[AnyArray]]:
    """The starts, and the index arrays broadcast together; negative ones counted from the end."""
    dims = [*[d for d, _ in s.dynamic], *s.picked]
    found = [
        i if known else modulo(i, x.shape[d]) if wrap else from_start(i, x.shape[d])
        for i, d, known in zip(operands, dims, s.known)
    ]
    n = len(s.dynamic)
    if not s.picked:
        return found, []
    common = broadcast_shapes(*[shape_of(i) for i in found[n:]], name="index")
    return found[:n], [broadcast_to(i, common) for i in found[n:]]


def from_start(i: AnyArray, n: int) -> AnyArray:
    """Computed positions as int32, where negative ones count from the end of n elements."""
    if i.dtype.kind == "uint":
        return narrow(i, n)
    i = narrow(i, n)
    return apply(SELECT, i < 0, i + n, i)


def modulo(i: AnyArray, n: int) -> AnyArray:
    """Computed positions as int32, going round."""
    return narrow(i % n, n)


def narrow(i: AnyArray, n: int) -> AnyArray:
    """Positions as int32, wide ones kept out of range where they were."""
    if i.dtype.bits >= 32 and i.dtype is not int32 and not isinstance(n, Poly):
        if i.dtype is int64:
            i = i.clip(-n - 1, n)
        else:
            i = i.clip(0, n)
    return convert(i, int32)


class Spot(NamedTuple):
    """Where the picked dimensions of a view stand, once the dropped ones are gone.

    Attributes:
        perm: what brings them together, in the order of the index arrays.
        lead: the dimensions before them then.
        before: the dimensions before those of the index arrays in the result.
        kept: the dimensions that no index array picks from.
    """

    perm: tuple[int, ...]
    lead: int
    before: int
    kept: int

    def placement(self, n: int) -> list[int]:
        """The permutation that moves n dimensions of index arrays to their place."""
        others = [d for d in range(self.kept + n) if not self.lead <= d < self.lead + n]
        at = range(self.lead, self.lead + n)
        return [*others[: self.before], *at, *others[self.before :]]


@lru_cache(256)
def spot_of(s: Subscript, ndim: int) -> Spot:
    left = [d for d in range(ndim) if d not in s.dropped]
    at = [left.index(d) for d in s.picked]
    others = [d for d in range(len(left)) if d not in at]
    before = len([d for d in s.layout[: s.layout.index(PICKED)] if d >= 0])
    if at == list(range(at[0], at[0] + len(at))):
        return Spot(tuple(range(len(left))), at[0], before, len(others))
    return Spot((*at, *others), 0, before, len(others))


def picked_together(s: Subscript, view: AnyArray) -> AnyArray:
    """A view without the dropped dimensions, the picked ones together."""
    shape = shape_of(view)
    y = reshaped(view, tuple([n for d, n in enumerate(shape) if d not in s.dropped]))
    return permuted(y, spot_of(s, view.ndim).perm)


def picked_apart(s: Subscript, y: AnyArray, shape: Shape) -> AnyArray:
    """The inverse of ``picked_together``, for a view of this shape."""
    return reshaped(permuted(y, inverse(spot_of(s, len(shape)).perm)), shape)


def inverse(perm: Sequence[int]) -> list[int]:
    """The permutation that undoes another."""
    return [perm.index(i) for i in range(len(perm))]


def gather(
    x: AnyArray,
    picks: Sequence[AnyArray],
    mode: Mode,
    fill: Number = 0,
    *,
    lead: int = 0,
    batch_dims: int = 0,
) -> AnyArray:
    """Elements at positions that have been counted from the start."""
    k, first = len(picks), lead + batch_dims
    out = apply(Gather(batch_dims, k, "fill" if mode == "fill" else "clip", lead), x, *picks)
    if mode != "fill" or fill == 0:
        return out
    inside = in_range(picks, x.shape[first : first + k])
    dims = range(lead, lead + inside.ndim)
    inside = apply(broadcast_op(shape_of(out), dims), inside)
    return apply(SELECT, inside, out, apply(splat(fill, out.type.bare)))


def in_range(picks: Sequence[AnyArray], sizes: Sequence[int]) -> AnyArray:
    """Where every position lies within its dimension."""
    out: AnyArray | None = None
    for i, n in zip(picks, sizes):
        inside = (i >= 0) & (i < n)
        out = inside if out is None else out & inside
    assert out is not None
    return out


# functions


@overload
def take(
    x: Unranked[DT],
    indices: Index,
    axis: int | None = None,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Open[DT]: ...
@overload
def take(
    x: Open[DT],
    indices: Unranked[Any],
    axis: int | None = None,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Open[DT]: ...
@overload
def take(
    x: Open[DT],
    indices: int,
    axis: None = None,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Zero[DT]: ...
@overload
def take(
    x: Open[DT],
    indices: Array[int32, *Es],
    axis: None = None,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Array[DT, *Es]: ...
@overload
def take(
    x: Array[DT, N, *Es],
    indices: int,
    axis: First,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Array[DT, *Es]: ...
@overload
def take(
    x: Array[DT, N, *Es],
    indices: Array[int32, M],
    axis: First,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Array[DT, M, *Es]: ...
@overload
def take(
    x: Like[DT],
    indices: Index,
    axis: int | None = None,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Open[DT]: ...
def take(
    x: ArrayLike,
    indices: Index,
    axis: int | None = None,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Any:
    """The elements of x at ``indices`` along an axis, or of the flattened x.

    Args:
        mode: what a computed position out of range gives: ``"clip"`` the nearest element,
            ``"fill"`` the ``fill_value``, ``"wrap"`` the element modulo the size.
        fill_value: by default NaN, or the integer furthest from zero.

    >>> import numpy as np
    >>> take(asarray(np.arange(10.0, 15.0)), np.array([3, 0, -1])).tolist()
    [13.0, 10.0, 14.0]
    """
    x = asarray(x, name="take")
    if axis is None:
        x = reshaped(x, (x.type.size,))
    axis = axis_of("take", 0 if axis is None else axis, x.type)
    if mode == "clip":
        return getitem(x, (slice(None),) * axis + (indices,))
    return get(x, (slice(None),) * axis + (indices,), mode, fill_value)


def take_along_axis(
    x: Like[DT],
    indices: ArrayLike,
    axis: int | None = -1,
    *,
    mode: Mode = "clip",
    fill_value: Number | None = None,
) -> Open[DT]:
    """For each line of x along an axis, its elements at that line's positions.

    ``indices`` has the rank of x; other dimensions than the axis are broadcast. What ``argsort``
    and ``argmax(keepdims=True)`` return fits.
    """
    mode = _mode(mode)
    x, indices = asarray(x, name="take_along_axis"), index_array("take_along_axis", indices)
    if axis is None:
        x = reshaped(x, (x.type.size,))
        axis = 0
    axis = axis_of("take_along_axis", axis, x.type)
    fill = fill_of(x.dtype, fill_value) if mode == "fill" else 0
    return fused(_along, (axis, mode, fill if fill == fill else "nan"), x, indices)


def _along(static: tuple[int, Mode, Any], x: AnyArray, indices: AnyArray) -> AnyArray:
    axis, mode, fill = static
    x, i = align_lines("take_along_axis", x, indices, axis)
    n = x.shape[-1]
    i = modulo(i, n) if mode == "wrap" else from_start(i, n)
    fill = float("nan") if fill == "nan" else fill
    out = gather(x, [i], mode, fill, batch_dims=x.ndim - 1)
    return permuted(out, from_last(x.ndim, axis))


def align_lines(name: str, x: AnyArray, indices: AnyArray, axis: int) -> tuple[AnyArray, AnyArray]:
    """x and the positions with the axis last and the other dimensions broadcast together."""
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"{name}: x has {x.ndim} dimensions and the positions have {indices.ndim}\n"
            + from_right([("x", x.type), ("indices", indices.type)]),
            fix="positions for x[..., i] along one axis of x have all the axes of x;"
            " vx.take picks the same positions everywhere",
        )
    last = to_last(x.ndim, axis)
    x, i = permuted(x, last), permuted(indices, last)
    xs, ns = shape_of(x), shape_of(i)
    wrong = [d for d, (m, n) in enumerate(zip(xs[:-1], ns[:-1])) if m != n and 1 not in (m, n)]
    if wrong:
        at = last[wrong[0]]
        rows = [("x", permuted(x, from_last(x.ndim, axis)).type), ("indices", indices.type)]
        raise ShapeError(
            f"{name} along axis {axis}: dimension {at} is {xs[wrong[0]]} in x and {ns[wrong[0]]} in"
            " the positions\n" + from_left(rows, [last[d] for d in wrong]),
            fix="but for the axis the positions have the sizes of x, or 1; vx.take picks the same"
            " positions everywhere",
        )
    rest = broadcast_shapes(xs[:-1], ns[:-1], name=name)
    return broadcast_to(x, (*rest, xs[-1])), broadcast_to(i, (*rest, ns[-1]))


def to_last(ndim: int, axis: int) -> list[int]:
    """The permutation that moves one axis to the end."""
    return [*[d for d in range(ndim) if d != axis], axis]


def from_last(ndim: int, axis: int) -> list[int]:
    """The permutation that moves the last dimension to ``axis``."""
    return [*range(axis), ndim - 1, *range(axis, ndim - 1)]


def index_array(name: str, i: ArrayLike) -> AnyArray:
    """Positions as an integer array."""
    i = asarray(i, name=name)
    if not i.dtype.is_integer:
        raise DTypeError(
            f"{name}: positions are integers, got {i.type}", fix="i.astype(vx.int32)", about=name
        )
    return i


def slice_in_dim(
    x: Like[DT], start: int | None, limit: int | None, stride: int = 1, axis: int = 0
) -> Open[DT]:
    """The elements from ``start`` to ``limit`` of one axis, as ``x[start:limit:stride]``.

    >>> import numpy as np
    >>> slice_in_dim(np.arange(12).reshape(3, 4), 1, 4, 2, axis=1)[0].tolist()
    [1, 3]
    """
    x = asarray(x, name="slice_in_dim")
    axis = axis_of("slice_in_dim", axis, x.type)
    return getitem(x, (slice(None),) * axis + (slice(start, limit, stride),))


def index_in_dim(x: Like[DT], i: int, axis: int = 0, keepdims: bool = True) -> Open[DT]:
    """The element i of one axis, which stays with size 1 unless ``keepdims`` is False."""
    x = asarray(x, name="index_in_dim")
    axis = axis_of("index_in_dim", axis, x.type)
    y = getitem(x, (slice(None),) * axis + (i,))
    sizes = shape_of(x)
    return reshaped(y, (*sizes[:axis], 1, *sizes[axis + 1 :])) if keepdims else y


def dynamic_slice(
    x: Like[DT], starts: ArrayLike | Sequence[ArrayLike], sizes: Sequence[int]
) -> Open[DT]:
    """The part of x of these sizes that begins at computed starts, one per dimension.

    A part that would reach over the end begins earlier: starts are clipped, as JAX clips them.

    >>> import numpy as np
    >>> dynamic_slice(asarray(np.arange(6)), [4], [3]).tolist()
    [3, 4, 5]
    """
    x = asarray(x, name="dynamic_slice")
    places = starts_of("dynamic_slice", x, starts)
    if len(sizes) != x.ndim or any(not _within(m, n) for m, n in zip(sizes, shape_of(x))):
        wrong = [d for d, (m, n) in enumerate(zip(sizes, shape_of(x))) if not _within(m, n)]
        raise ShapeError(
            f"dynamic_slice: a part of sizes {show_shape(tuple(sizes))} does not lie in {x.type}\n"
            + from_left([("x", x.type), ("sizes", tuple(sizes))], wrong),
            fix="give one size per dimension, none larger than x",
        )
    return fused(_dynamic_slice, tuple(sizes), x, *places)


def _within(m: Size, n: Size) -> bool:
    return isinstance(m, Poly) or isinstance(n, Poly) or 0 <= m <= n


def _dynamic_slice(sizes: Shape, x: AnyArray, *starts: AnyArray) -> AnyArray:
    shape = shape_of(x)
    cut = {d: m for d, (m, n) in enumerate(zip(sizes, shape)) if m != n}
    return sliced(x, cut, [from_start(starts[d], x.shape[d]) for d in cut])


def starts_of(name: str, x: AnyArray, starts: ArrayLike | Sequence[ArrayLike]) -> list[AnyArray]:
    """One integer scalar per dimension of x, from a sequence or from an array of rank 1."""
    if isinstance(starts, Sequence):
        found = [index_array(name, i) for i in starts]
    else:
        rows = index_array(name, starts)
        found = [getitem(rows, k) for k in range(rows.shape[0])] if rows.ndim else [rows]
    if len(found) != x.ndim or any(i.ndim for i in found):
        raise ShapeError(
            f"{name}: {x.type} needs {x.ndim} scalar starts, got"
            f" {', '.join(str(i.type) for i in found) or 'none'}",
            fix="give one start per dimension, 0 where the whole of it is meant",
        )
    return found


def dynamic_slice_in_dim(x: Like[DT], start: ArrayLike, size: int, axis: int = 0) -> Open[DT]:
    """``size`` elements of one axis, from a computed start (clipped)."""
    x = asarray(x, name="dynamic_slice_in_dim")
    axis = axis_of("dynamic_slice_in_dim", axis, x.type)
    sizes = [size if d == axis else n for d, n in enumerate(x.shape)]
    return dynamic_slice(x, [start if d == axis else 0 for d in range(x.ndim)], sizes)


def dynamic_index_in_dim(
    x: Like[DT], i: ArrayLike, axis: int = 0, keepdims: bool = True
) -> Open[DT]:
    """The element of one axis at a computed position (clipped)."""
    y = dynamic_slice_in_dim(x, i, 1, axis)
    if keepdims:
        return y
    axis = axis_of("dynamic_index_in_dim", axis, y.type)
    return reshaped(y, tuple([n for d, n in enumerate(shape_of(y)) if d != axis]))
