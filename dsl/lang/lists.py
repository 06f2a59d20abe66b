"""Arrays from nested lists of scalars and arrays.

Lists of Python numbers alone are read by NumPy at once and take the default dtypes. Where arrays
stand among them, rows are made one by one and stacked, so that staged values may take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verax.compiler.ir.dtypes import float32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import show_shape
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.slicing import Concatenate
from verax.dsl.lang.dtypes import DTypeLike, dtype_of
from verax.dsl.lang.host import to_numpy
from verax.dsl.lang.promotion import asarray, common_dtype, convert, put, scalar_class
from verax.dsl.lang.signatures import AnyArray
from verax.dsl.lang.value import apply, shape_of

_PYTHON = frozenset({bool, int, float, complex})


def from_list(x: Sequence[Any], dtype: DTypeLike) -> AnyArray:
    kinds = _leaf_classes(x)
    if not all(kind in _PYTHON for kind in kinds):
        return _joined(x, dtype)
    host = _rectangular(x)
    own = dtype_of(host.dtype)
    if dtype is None:
        dtype = common_dtype("array", [kind() for kind in kinds]) if kinds else float32
    return asarray(host, dtype, name="array") if own is not dtype else put(host, own)


def _leaf_classes(x: Sequence[Any]) -> set[type]:
    """The classes of what stands at the bottom of nested lists."""
    classes = set(map(type, x))
    if not classes & {list, tuple}:
        return classes
    leaves = {type(v) for v in x if not isinstance(v, (list, tuple))}
    return leaves.union(*[_leaf_classes(v) for v in x if isinstance(v, (list, tuple))])


def _rectangular(x: Sequence[Any]) -> Any:
    try:
        host = to_numpy(x)
    except ValueError:
        raise ShapeError(
            "array: the lists have different lengths", fix="pad them to one length first"
        ) from None
    if host.dtype.name == "object":
        raise DTypeError(
            "array: an integer in the list does not fit 64 bits",
            fix="give floats, which round: vx.array([float(n) for n in numbers])",
        )
    return host


def _joined(x: Sequence[Any], dtype: DTypeLike) -> AnyArray:
    """Lists that hold arrays: each row is made, then they are stacked."""
    rows = [_row(v, None if scalar_class(v) is None else dtype) for v in x]
    common = common_dtype("array", _weakly(x, rows)) if dtype is None else dtype_of(dtype)
    shapes = {shape_of(row) for row in rows}
    if len(shapes) > 1:
        raise ShapeError(
            f"array: the list holds arrays of shapes {', '.join(map(show_shape, sorted(shapes)))}",
            fix="broadcast them to one shape first: vx.broadcast_arrays(...)",
        )
    lifted = [apply(Reshape((1, *shape_of(r))), convert(r, common)) for r in rows]
    return apply(Concatenate(0), *lifted) if len(lifted) > 1 else lifted[0]


def _weakly(x: Sequence[Any], rows: Sequence[AnyArray]) -> list[Any]:
    return [v if scalar_class(v) is not None else row for v, row in zip(x, rows)]


def _row(x: Any, dtype: DTypeLike) -> AnyArray:
    return from_list(x, dtype) if isinstance(x, (list, tuple)) else asarray(x, dtype, name="array")
