"""Subscripts: what stands between the brackets of ``x[...]``, resolved against the type of x.

``resolve`` turns an index expression into a ``Subscript``, plain hashable data, and the arrays that
it names. Reading (indexing.py) and writing (updates.py) follow the same data.

Laws are NumPy's: ints drop a dimension, slices keep it, ``None`` adds one, ``...`` stands for what
is left; integer arrays are broadcast together, and their dimensions stand where the first of them
stood, or in front where a slice, ``None`` or ``...`` parts them. A mask is its nonzero positions.
A literal out of range is an error. An index that is only computed wraps where it is negative, and
is otherwise clipped by reads and dropped by writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as integer
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.errors import IndexingError
from verax.compiler.ir.sizes import Poly, Shape, Size, at_most, known_negative
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.slicing import ceil_div
from verax.dsl.lang.host import is_numpy, to_numpy
from verax.dsl.lang.promotion import asarray, broadcast_shapes, is_array
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import AnyArray
from verax.dsl.lang.value import wrap

if TYPE_CHECKING:
    import numpy as np

Index: TypeAlias = Any
"""An int, a slice, None, ``...``, an integer array or list, a mask, or a tuple of these."""

Part: TypeAlias = tuple[Size, Size, int]
"""start, limit and a positive stride, in range."""

NEW, PICKED = -1, -2  # in a layout: a new dimension; the dimensions of the index arrays
_INT32_SIZES = 2**31


class Subscript(NamedTuple):
    """An index expression for one type.

    Attributes:
        parts: per dimension the part that is read, or None for all of it.
        flips: the dimensions that are read backwards.
        dynamic: (dimension, size) of the parts whose start is an operand.
        picked: the dimensions that index arrays pick from, an operand each, after the starts.
        dropped: the dimensions, of size 1 by then, that ints take away.
        known: per operand, whether it is surely in range and not negative.
        layout: the dimensions of the result in order: a dimension of x, NEW or PICKED.
    """

    parts: tuple[Part | None, ...]
    flips: tuple[int, ...]
    dynamic: tuple[tuple[int, Size], ...]
    picked: tuple[int, ...]
    dropped: tuple[int, ...]
    known: tuple[bool, ...]
    layout: tuple[int, ...]

    def view_shape(self, shape: Shape) -> Shape:
        """The shape of the part of x that is looked at: of the rank of x, whole where picked."""
        sizes = dict(self.dynamic)
        return tuple(
            [
                sizes.get(i, n) if part is None else length(part)
                for i, (n, part) in enumerate(zip(shape, self.parts))
            ]
        )

    def result_shape(self, shape: Shape, picks: Sequence[Shape]) -> Shape:
        """The shape of ``x[...]``, for index arrays of these shapes."""
        view = self.view_shape(shape)
        out: list[Size] = []
        for d in self.layout:
            if d == PICKED:
                out += broadcast_shapes(*picks, name="index")
            else:
                out.append(1 if d == NEW else view[d])
        return tuple(out)


def length(part: Part) -> Size:
    """The number of elements of a part."""
    start, limit, stride = part
    return ceil_div(limit - start, stride)


class _Pick(NamedTuple):
    """An integer array that stands on one dimension."""

    array: AnyArray
    known: bool


class _Advanced(NamedTuple):
    """An index that NumPy's placement rule asks for: its position, and the layout before it."""

    position: int
    at: int


class _Rest(NamedTuple):
    """What ``...`` stands for: this many whole dimensions, possibly none."""

    dims: int


_Item: TypeAlias = Size | slice | _Pick | _Rest | None


def resolve(
    t: ArrayType, index: Index, *, spread: bool = False
) -> tuple[Subscript, list[AnyArray]]:
    """What an index expression means for arrays of type t, and its operands.

    Args:
        spread: computed scalars count as index arrays, since they may be out of range.

    Raises:
        IndexingError: a literal is out of range, or something cannot index.
    """
    r = _Reader(t, spread)
    for position, item in enumerate(_items(t, index if isinstance(index, tuple) else (index,))):
        r.read(item, position)
    layout = r.layout
    if r.picks:
        first, last = r.advanced[0], r.advanced[-1]
        together = last.position - first.position == len(r.advanced) - 1
        layout.insert(first.at if together else 0, PICKED)
    subscript = Subscript(
        tuple(r.parts),
        tuple(r.flips),
        tuple(r.dynamic),
        tuple(r.picked),
        tuple(r.dropped),
        tuple([k.known for k in (*r.starts, *r.picks)]),
        tuple(layout),
    )
    return subscript, [k.array for k in (*r.starts, *r.picks)]


class _Reader:
    """Reads the items of an index expression from left to right."""

    def __init__(self, t: ArrayType, spread: bool) -> None:
        self.t, self.spread, self.dim = t, spread, 0
        self.parts: list[Part | None] = [None] * t.ndim
        self.flips: list[int] = []
        self.dynamic: list[tuple[int, Size]] = []
        self.picked: list[int] = []
        self.dropped: list[int] = []
        self.layout: list[int] = []
        self.starts: list[_Pick] = []
        self.picks: list[_Pick] = []
        self.advanced: list[_Advanced] = []

    def read(self, item: _Item, position: int) -> None:
        if item is None:
            self.layout.append(NEW)
        elif isinstance(item, _Rest):
            self.layout += range(self.dim, self.dim + item.dims)
            self.dim += item.dims
        elif isinstance(item, slice):
            self.parts[self.dim], backwards = _part(item, self.t.shape[self.dim], self.t)
            self.flips += [self.dim] * backwards
            self.layout.append(self.dim)
            self.dim += 1
        else:
            self.advanced.append(_Advanced(position, len(self.layout)))
            self.take(item)
            self.dim += 1

    def take(self, item: Size | _Pick) -> None:
        """An int or an integer array on the dimension at hand."""
        if not isinstance(item, _Pick):
            i = _literal(item, self.t, self.dim)
            if self.t.shape[self.dim] != 1:
                self.parts[self.dim] = (i, i + 1, 1)
            self.dropped.append(self.dim)
        elif item.array.ndim or self.spread:
            self.picks.append(item)
            self.picked.append(self.dim)
        else:
            self.starts.append(item)
            self.dynamic.append((self.dim, 1))
            self.dropped.append(self.dim)


# items: masks become index arrays, the ellipsis a number of dimensions


def _items(t: ArrayType, index: tuple[Any, ...]) -> list[_Item]:
    """The items of an index expression, each understood."""
    index = tuple([_from_list(x) if isinstance(x, (list, tuple)) else x for x in index])
    used = sum([_dims_of(x) for x in index])
    if used > t.ndim:
        raise IndexingError(
            f"{used} indices for {t}, which has {t.ndim} dimension{'s' * (t.ndim != 1)}",
            fix=f"give {t.ndim} at most" if t.ndim else "a scalar has none: take it as it is",
        )
    rests = [k for k, x in enumerate(index) if x is Ellipsis]
    if len(rests) > 1:
        raise IndexingError("an index holds ... at most once", fix="write : for the others")
    if not rests:
        index = (*index, Ellipsis)
    items: list[_Item] = []
    dim = 0
    for x in index:
        if x is Ellipsis:
            items.append(_Rest(t.ndim - used))
            dim += t.ndim - used
        else:
            items += _understand(x, t, dim)
            dim += _dims_of(x)
    return items


def _from_list(x: Sequence[Any]) -> np.ndarray[Any, Any]:
    """A list of ints or bools as a NumPy array."""
    if any(is_array(i) for i in x):
        raise IndexingError(
            "a list that indexes holds ints or bools, not arrays",
            fix="make one array of it: vx.stack([i, j])",
        )
    return to_numpy(x, None if x else int32)


def _dims_of(x: object) -> int:
    """How many dimensions an item takes up."""
    if x is None or x is Ellipsis:
        return 0
    if is_array(x):
        return x.ndim if x.dtype is bool_ else 1
    if is_numpy(x):
        return x.ndim if x.dtype.kind == "b" else 1
    return 1


def _understand(x: Any, t: ArrayType, dim: int) -> list[_Item]:
    """One item: itself, or the positions of a mask."""
    if x is None or isinstance(x, (slice, Poly)):
        return [x]
    if is_array(x):
        return _from_array(x, t, dim)
    if is_numpy(x):
        return _from_numpy(x, t, dim)
    if hasattr(x, "__index__") and not isinstance(x, bool):
        return [integer(x)]
    raise _no_index(x)


def _no_index(x: object) -> IndexingError:
    if isinstance(x, bool):
        return IndexingError(
            f"{x} cannot index: a bool is no position",
            fix="x[None] adds a dimension, vx.where(condition, x, y) chooses",
        )
    got = str(x.type) if is_array(x) else f"an object of class {type(x).__name__}"
    if is_numpy(x):
        got = f"a NumPy array of {x.dtype}"
    return IndexingError(
        f"an index is an int, a slice, None, ... or an array of ints or bools, got {got}",
        fix="convert it first: i.astype(vx.int32)"
        if is_array(x) or is_numpy(x)
        else "fields of a tree are picked before: params['w'][i]; int(i) makes an int of a number",
    )


def _from_array(x: AnyArray, t: ArrayType, dim: int) -> list[_Item]:
    if x.dtype is bool_:
        return _mask(_worth(x), t, dim) if x.ndim else _refuse(x)
    if not x.dtype.is_integer:
        raise _no_index(x)
    return [_Pick(x, False)]


def _refuse(x: object) -> list[_Item]:
    raise _no_index(True if is_array(x) else x)


def _worth(mask: AnyArray) -> np.ndarray[Any, Any]:
    """The value of a mask: the number of its elements is a shape, so it must be known."""
    scope = STACK.scope
    if scope is not None:  # what is captured is an input: only a scope that looks may read it
        if not scope.looks:
            raise IndexingError(
                f"a mask must be known, since what it selects is a shape, but {mask.type} has no"
                f" value while {scope.where} is being staged",
                fix="vx.where(mask, x, 0) keeps the shape; vx.nonzero(mask, size=n) gives n"
                " positions; a NumPy array is a constant",
            )
        mask = wrap(mask.type.bare, scope.lift(mask), scope)
    return mask.numpy()


def _from_numpy(x: Any, t: ArrayType, dim: int) -> list[_Item]:
    kind = x.dtype.kind
    if x.ndim == 0:
        return [int(x)] if kind in "iu" else _refuse(x)
    if kind == "b":
        return _mask(x, t, dim)
    if kind not in "iu":
        return _refuse(x)
    n = t.shape[dim]
    if isinstance(n, Poly):
        return [_Pick(asarray(x), False)]
    if x.size:
        low, high = int(x.min()), int(x.max())
        _literal(low, t, dim)
        _literal(high, t, dim)
        if low < 0:
            x = x % n
    return [_Pick(asarray(x.astype("int32") if n <= _INT32_SIZES else x), True)]


def _mask(x: Any, t: ArrayType, dim: int) -> list[_Item]:
    """The positions where a NumPy mask holds, per dimension."""
    _check_mask(tuple(x.shape), t, dim)
    return [_Pick(asarray(i.astype("int32")), True) for i in x.nonzero()]


def _check_mask(shape: tuple[int, ...], t: ArrayType, dim: int) -> None:
    here = t.shape[dim : dim + len(shape)]
    if here != shape:
        at = str(dim) if len(shape) == 1 else f"{dim} to {dim + len(shape) - 1}"
        raise IndexingError(
            f"a mask of shape {list(shape)} does not fit dimension{'s' * (len(shape) != 1)} {at}"
            f" of {t}",
            fix="a mask has the sizes of the dimensions that it selects from",
        )


# ints and slices


def _literal(i: Size, t: ArrayType, dim: int) -> Size:
    """An int as a position from the start; IndexingError where it is out of range."""
    n = t.shape[dim]
    if isinstance(i, int) and isinstance(n, int):
        at: Size = i + n if i < 0 else i
        outside: bool | None = not -n <= i < n
    else:
        at = n + i if (i < 0 if isinstance(i, int) else at_most(i, 0)) else i
        outside = known_negative(at) or at_most(n, at)
    if outside:
        raise IndexingError(
            f"index {i} is out of range for dimension {dim} of {t}, which has"
            f" {n} element{'s' * (n != 1)}",
            fix=f"it has the positions 0 to {n - 1}, or {-n} to -1 from the end"
            if n
            else "check the size before: x.size > 0",
        )
    return at


def _part(s: slice, n: Size, t: ArrayType) -> tuple[Part | None, bool]:
    """The part that a slice reads of a dimension of size n, and whether it reads backwards."""
    if s == slice(None):
        return None, False
    step = 1 if s.step is None else integer(s.step)
    if step == 0:
        raise IndexingError(
            f"a slice of {t} has step 0", fix="1 takes every element, -1 goes backwards"
        )
    if isinstance(n, Poly) or isinstance(s.start, Poly) or isinstance(s.stop, Poly):
        start, stop = _bounds(s, n, step)
        count = stop - start if step > 0 else start - stop
        count = 0 if known_negative(count) else ceil_div(count, abs(step))
    else:
        start, stop, _ = s.indices(n)
        count = len(range(start, stop, step))
    if count == 0:
        return (0, 0, 1), False
    stride = abs(step) if count != 1 else 1
    reach = (count - 1) * stride
    low = start if step > 0 else start - reach
    part = None if (low, reach + 1, stride) == (0, n, 1) else (low, low + reach + 1, stride)
    return part, step < 0 and count != 1


def _bounds(s: slice, n: Size, step: int) -> tuple[Size, Size]:
    """The ends of a slice where a size is not known: what may lie within is taken to."""

    def bound(x: Any, default: Size) -> Size:
        if x is None:
            return default
        i: Size = x if isinstance(x, Poly) else integer(x)
        if i != 0 and at_most(i, 0):
            i = n + i
            return (0 if step > 0 else -1) if known_negative(i) else i
        return (n if step > 0 else n - 1) if at_most(n, i) else i

    if step > 0:
        return bound(s.start, 0), bound(s.stop, n)
    return bound(s.start, n - 1), bound(s.stop, -1)
