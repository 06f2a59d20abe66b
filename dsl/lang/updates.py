"""``x.at[index].set(v)`` and its family: new arrays that differ from x at some positions.

What basic indices reach is read, combined and written back as one dynamic update slice, which XLA
does in place inside a loop. What index arrays reach is one scatter. Positions that occur twice are
added (multiplied, ...) twice.

Of several values for one position ``set`` keeps the last on CPU, and one of them elsewhere; its
derivative goes to the one that stayed. Extrema that are attained by several share it.

A computed position that is out of range is dropped, or moved to the nearest one by ``mode="clip"``.
The dtype of x never changes: a value that does not promote into it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar, Unpack

from verax.compiler.ir.aligned import differing, from_left
from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.errors import DTypeError, IndexingError, ShapeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.sizes import Shape, Size, known_negative
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.indexing import ScatterAdd, ScatterSet
from verax.compiler.ops.pointwise import ADD, MUL, SELECT, splat
from verax.compiler.ops.slicing import DynamicUpdateSlice, Pad
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.host import is_numpy
from verax.dsl.lang.indexing import (
    Mode,
    Number,
    align_lines,
    from_last,
    from_start,
    get,
    in_range,
    index_array,
    inverse,
    loosen,
    modulo,
    picked_apart,
    picked_together,
    positions,
    sliced,
    spot_of,
    starts_of,
    view,
)
from verax.dsl.lang.manipulation import permuted, reshaped, reversed_along
from verax.dsl.lang.promotion import (
    asarray,
    broadcast_to,
    common_dtype,
    is_array,
    scalar,
)
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.subscript import NEW, PICKED, Part, Subscript, resolve
from verax.dsl.lang.value import apply, shape_of

Kind: TypeAlias = Literal["set", "add", "mul", "min", "max"]
Drop: TypeAlias = Literal["drop", "clip", "wrap", "fill", "promise_in_bounds"]

_OF_BOOLS: dict[Kind, Kind] = {"add": "max", "mul": "min"}
_COMBINE: dict[str, Op] = {"add": ADD, "mul": MUL, "min": MIN, "max": MAX}


class How(TypedDict, total=False):
    """What the methods of ``x.at[index]`` take beside the value.

    Attributes:
        mode: what happens to a computed position out of range: ``"drop"`` (or ``"fill"``, or
            ``"promise_in_bounds"``, which means that there is none) leaves it out, ``"clip"``
            moves it to the nearest one, ``"wrap"`` goes round.
        unique_indices: a promise that no position occurs twice, which makes derivatives cheaper.
        indices_are_sorted: a promise that nothing makes use of.
    """

    mode: Drop
    unique_indices: bool
    indices_are_sorted: bool


class Ways(NamedTuple):
    """The same, with what is meant where nothing is said."""

    mode: Drop = "drop"
    unique_indices: bool = False
    indices_are_sorted: bool = False

    def checked(self) -> Ways:
        """With one name for each mode; IndexingError for an unknown one."""
        mode = _WRITING.get(self.mode)
        if mode is None:
            raise IndexingError(
                f"{self.mode!r} is no mode of writing", fix='mode="drop", "clip" or "wrap"'
            )
        return self._replace(mode=mode)


_WRITING: dict[str, Drop] = {
    "drop": "drop", "fill": "drop", "promise_in_bounds": "drop", "clip": "clip", "wrap": "wrap",
}  # fmt: skip


A = TypeVar("A", bound=AnyArray)
Where = TypeVar("Where")


class At(Generic[A]):
    """``x.at``: index it to name the positions, then say what happens there."""

    __slots__ = ("x",)
    x: A

    def __init__(self, x: A) -> None:
        self.x = x

    def __getitem__(self, index: Where) -> Place[A, Where]:
        return Place(self.x, index)


class Place(Generic[A, Where]):
    """``x.at[index]``. Every method returns a new array; x stays as it is.

    The arguments of ``How`` say what happens to a computed position out of range, and what is
    promised of the positions. Literals out of range are errors.
    """

    __slots__ = ("index", "x")
    x: A
    index: Where

    def __init__(self, x: A, index: Where) -> None:
        self.x, self.index = x, index

    def set(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """x with ``value`` there."""
        return _update("set", self, value, how)

    def add(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """x with ``value`` added there, once per occurrence of a position."""
        return _update("add", self, value, how)

    def subtract(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """x with ``value`` subtracted there."""
        return _update("add", self, -_typed("subtract", self.x, value), how)

    def multiply(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """x multiplied by ``value`` there."""
        return _update("mul", self, value, how)

    mul = multiply

    def divide(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """x divided by ``value`` there."""
        factor: Any = Place(_ones(self.x), self.index).multiply(value, **how)
        quotient: A = self.x / factor
        return quotient

    def power(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """x raised to the power of ``value`` there."""
        exponent: Any = Place(_ones(self.x), self.index).multiply(value, **how)
        power: A = self.x**exponent
        return power

    def min(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """The smaller of x and ``value`` there."""
        return _update("min", self, value, how)

    def max(self, value: ArrayLike, **how: Unpack[How]) -> A:
        """The larger of x and ``value`` there."""
        return _update("max", self, value, how)

    def apply(self, f: Callable[[AnyArray], ArrayLike], **how: Unpack[How]) -> A:
        """x with f of what stands there; a position that occurs twice is changed once."""
        old = get(self.x, self.index, "wrap" if how.get("mode") == "wrap" else "clip")
        return _update("set", self, f(old), how)

    def get(
        self,
        *,
        mode: Mode = "clip",
        fill_value: Number | None = None,
        unique_indices: bool = False,
        indices_are_sorted: bool = False,
    ) -> AnyArray:
        """What stands there: ``x[index]``, and ``fill_value`` out of range with mode="fill".

        Args:
            unique_indices, indices_are_sorted: promises that nothing makes use of.
        """
        return get(self.x, self.index, mode, fill_value)


def _ones(x: AnyArray) -> AnyArray:
    return scalar(1, x.dtype, shape_of(x))


def _typed(name: str, x: AnyArray, value: ArrayLike) -> AnyArray:
    """The value in the dtype of x; a DTypeError where it does not promote, or loses a value."""
    who = f"x.at[...].{name}"
    if not is_numpy(value) and common_dtype(who, [x, value]) is not x.dtype:
        got = value.type if is_array(value) else repr(value)
        raise DTypeError(
            f"{who}: {got} does not promote into {x.type}",
            fix=f"convert the value, value.astype(vx.{x.dtype.name}), or x before",
        )
    return asarray(value, x.dtype, name=who)


def _update(kind: Kind, place: Place[A, Any], value: ArrayLike, how: How) -> A:
    x, index, ways = place.x, place.index, Ways(**how).checked()
    v = _typed({"mul": "multiply"}.get(kind, kind), x, value)
    if is_array(index) and index.dtype is bool_ and index.ndim and v.ndim <= x.ndim - index.ndim:
        masked: Any = fused(_where, kind, x, v, index)
        return masked  # type: ignore[no-any-return]
    s, operands = resolve(x.type, index)
    if STACK.scope is None and x.type.spec is None:
        s, operands = loosen(s, operands)
    written: Any = fused(_write, (s, kind, ways), x, v, *operands)
    return written  # type: ignore[no-any-return]


def _where(kind: Kind, x: AnyArray, v: AnyArray, mask: AnyArray) -> AnyArray:
    """A mask needs no positions where the value does not depend on them."""
    shape = shape_of(x)
    if shape_of(mask) != shape[: mask.ndim]:
        rows = [("x", x.type), ("mask", mask.type)]
        wrong = differing([shape[: mask.ndim], shape_of(mask)])
        raise IndexingError(
            f"the mask {mask.type} does not fit the first dimensions of {x.type}\n"
            + from_left(rows, wrong),
            fix="a mask has the sizes of the dimensions that it selects from",
        )
    if mask.ndim < x.ndim:
        mask = apply(broadcast_op(shape, range(mask.ndim)), mask)
    v = broadcast_to(v, shape, name=f"x.at[mask].{kind}", labels=("value", "x"))
    return apply(SELECT, mask, _combined(kind, x, v), x)


def _combined(kind: Kind, old: AnyArray, v: AnyArray) -> AnyArray:
    return v if kind == "set" else apply(_COMBINE[kind], old, v)


def _write(
    static: tuple[Subscript, Kind, Ways], x: AnyArray, value: AnyArray, *operands: AnyArray
) -> AnyArray:
    s, kind, ways = static
    starts, picks = positions(s, x, operands, wrap=ways.mode == "wrap")
    v = _fitted(kind, value, s.result_shape(shape_of(x), [shape_of(i) for i in picks]))
    old = view(s, x, starts)
    if s.picked:
        new = _scattered(s, kind, ways, old, v, picks)
    else:
        new = _combined(kind, old, reshaped(v, shape_of(old)))
    if ways.mode == "drop":
        new = _guarded(s, x, old, new, starts)
    return _put_back(s, x, new, starts)


def _fitted(kind: Kind, value: AnyArray, shape: Shape) -> AnyArray:
    """The value in the shape of ``x[index]``; leading dimensions of size 1 may be too many."""
    own = shape_of(value)
    extra = len(own) - len(shape)
    if extra > 0 and own[:extra] == (1,) * extra:
        value = reshaped(value, own[extra:])
    return broadcast_to(value, shape, name=f"x.at[...].{kind}", labels=("value", "x[...]"))


def _scattered(
    s: Subscript, kind: Kind, ways: Ways, old: AnyArray, v: AnyArray, picks: list[AnyArray]
) -> AnyArray:
    """A view with v at the positions that the index arrays pick."""
    spot, n = spot_of(s, old.ndim), picks[0].ndim
    v = permuted(_without_new(s, v, n), inverse(spot.placement(n)))
    y = picked_together(s, old)
    if ways.mode == "clip":
        sizes = y.shape[spot.lead :]
        picks = [i.clip(0, m - 1) for i, m in zip(picks, sizes)]
    new = scatter(kind, y, v, picks, lead=spot.lead, unique=ways.unique_indices)
    return picked_apart(s, new, shape_of(old))


def _without_new(s: Subscript, v: AnyArray, n: int) -> AnyArray:
    """v, in the shape of ``x[index]``, without the dimensions that None added."""
    spread = [(d, i) for d in s.layout for i in range(n if d == PICKED else 1)]
    return reshaped(v, tuple([m for (d, _), m in zip(spread, shape_of(v)) if d != NEW]))


def scatter(
    kind: Kind,
    x: AnyArray,
    v: AnyArray,
    picks: Sequence[AnyArray],
    *,
    lead: int = 0,
    batch_dims: int = 0,
    unique: bool = False,
) -> AnyArray:
    """x with v at positions that have been counted from the start; those out of range dropped."""
    k, first = len(picks), lead + batch_dims
    if x.dtype is bool_:
        kind = _OF_BOOLS.get(kind, kind)
    if kind == "add":
        sizes = shape_of(x)[first : first + k]
        return apply(ADD, x, apply(ScatterAdd(batch_dims, sizes, "fill", lead), v, *picks))
    return apply(ScatterSet(kind, batch_dims, k, lead, 0, unique), x, v, *picks)


def _guarded(
    s: Subscript, x: AnyArray, old: AnyArray, new: AnyArray, starts: list[AnyArray]
) -> AnyArray:
    """The new view, or the old one where a computed start is out of range."""
    unknown = [(i, x.shape[d]) for i, (d, _), known in zip(starts, s.dynamic, s.known) if not known]
    if not unknown:
        return new
    inside = in_range([i for i, _ in unknown], [n for _, n in unknown])
    return apply(SELECT, broadcast_to(inside, shape_of(new)), new, old)


def _put_back(s: Subscript, x: AnyArray, new: AnyArray, starts: list[AnyArray]) -> AnyArray:
    """x with another view in place of its own."""
    new = reversed_along(new, s.flips)
    places = dict(zip([d for d, _ in s.dynamic], starts))
    if any(p is not None and p[2] != 1 for p in s.parts):
        base = sliced(x, dict(s.dynamic), starts)
        new = _interleaved(s.parts, base, new)
    else:
        fixed = {d: scalar(p[0], int32) for d, p in enumerate(s.parts) if p is not None}
        places |= fixed
    if not places:
        return new
    dims = tuple(sorted(places))
    return apply(DynamicUpdateSlice(dims), x, new, *[places[d] for d in dims])


def _interleaved(parts: Sequence[Part | None], x: AnyArray, new: AnyArray) -> AnyArray:
    """x with new at a regular stride: both padded to one shape, then one selection."""
    pads: list[tuple[Size, Size, int] | None] = []
    for part, n, m in zip(parts, shape_of(x), shape_of(new)):
        if part is None:
            pads.append(None)
        else:
            start, _, stride = part
            pads.append((start, n - start - (m - 1) * stride - 1, stride - 1))
    pad = Pad(tuple(pads))
    mask = apply(pad, apply(splat(True, ArrayType(shape_of(new), bool_))))
    return apply(SELECT, mask, apply(pad, new), x)


# functions


def put_along_axis(
    x: ArrayLike,
    indices: ArrayLike,
    values: ArrayLike,
    axis: int = -1,
    *,
    kind: Kind = "set",
    **how: Unpack[How],
) -> AnyArray:
    """A new array: x with ``values`` at the positions of each line along an axis.

    Args:
        kind: ``set``, or ``add``, ``mul``, ``min``, ``max`` to combine with what stands there.
        how: ``mode`` and the promises of ``x.at[index].set``.
    """
    x, indices = asarray(x, name="put_along_axis"), index_array("put_along_axis", indices)
    v = _typed("put_along_axis", x, values)
    axis = axis_of("put_along_axis", axis, x.type)
    return fused(_put_along, (axis, kind, Ways(**how).checked()), x, v, indices)


def _put_along(
    static: tuple[int, Kind, Ways], x: AnyArray, v: AnyArray, indices: AnyArray
) -> AnyArray:
    axis, kind, ways = static
    v = broadcast_to(v, shape_of(indices), name="put_along_axis")
    x, i = align_lines("put_along_axis", x, indices, axis)
    v, _ = align_lines("put_along_axis", v, indices, axis)
    v = broadcast_to(v, shape_of(i))
    n = x.shape[-1]
    i = modulo(i, n) if ways.mode == "wrap" else from_start(i, n)
    if ways.mode == "clip":
        i = i.clip(0, n - 1)
    out = scatter(kind, x, v, [i], batch_dims=x.ndim - 1, unique=ways.unique_indices)
    return permuted(out, from_last(x.ndim, axis))


def dynamic_update_slice(
    x: ArrayLike, update: ArrayLike, starts: ArrayLike | Sequence[ArrayLike]
) -> AnyArray:
    """x with ``update`` at computed starts, one per dimension; starts are clipped as JAX does.

    >>> import numpy as np
    >>> dynamic_update_slice(asarray(np.zeros(4)), asarray(np.ones(2)), [1]).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    x = asarray(x, name="dynamic_update_slice")
    v = _typed("dynamic_update_slice", x, update)
    places = starts_of("dynamic_update_slice", x, starts)
    own, part = shape_of(x), shape_of(v)
    fits = len(own) == len(part) and all(
        not (isinstance(m, int) and isinstance(n, int)) or m <= n for m, n in zip(part, own)
    )
    if not fits:
        raise ShapeError(
            f"dynamic_update_slice: the update {v.type} does not lie in x, {x.type}\n"
            + from_left(
                [("x", x.type), ("update", v.type)],
                [d for d, (m, n) in enumerate(zip(part, own)) if known_negative(n - m)],
            ),
            fix="the update has the rank of x, and no dimension larger than x has",
        )
    return fused(_dynamic_update, None, x, v, *places)


def _dynamic_update(_: None, x: AnyArray, v: AnyArray, *starts: AnyArray) -> AnyArray:
    own, part = x.shape, v.shape
    dims = tuple([d for d in range(x.ndim) if own[d] != part[d]])
    if not dims:
        return v
    return apply(DynamicUpdateSlice(dims), x, v, *[from_start(starts[d], own[d]) for d in dims])


def dynamic_update_slice_in_dim(
    x: ArrayLike, update: ArrayLike, start: ArrayLike, axis: int = 0
) -> AnyArray:
    """x with ``update`` along one axis from a computed start (clipped)."""
    x = asarray(x, name="dynamic_update_slice_in_dim")
    axis = axis_of("dynamic_update_slice_in_dim", axis, x.type)
    return dynamic_update_slice(x, update, [start if d == axis else 0 for d in range(x.ndim)])


def dynamic_update_index_in_dim(
    x: ArrayLike, update: ArrayLike, i: ArrayLike, axis: int = 0
) -> AnyArray:
    """x with ``update`` as the element of one axis at a computed position (clipped)."""
    x = asarray(x, name="dynamic_update_index_in_dim")
    axis = axis_of("dynamic_update_index_in_dim", axis, x.type)
    v = _typed("dynamic_update_index_in_dim", x, update)
    if v.ndim == x.ndim - 1:
        v = reshaped(v, (*shape_of(v)[:axis], 1, *shape_of(v)[axis:]))
    return dynamic_update_slice_in_dim(x, v, i, axis)
