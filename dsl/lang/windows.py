"""Reductions of windows that slide over an array: ``reduce_window``.

Padding counts as nothing: it is the identity of the operation. Of equal extremes in a window the
first one takes the derivative, the last dimension being fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ops.slide import Slide
from verax.compiler.ops.sweep import COMBINE
from verax.compiler.ops.window import MONOIDS, ReduceWindow, Window
from verax.dsl.lang.arithmetic import add, maximum, minimum, multiply
from verax.dsl.lang.fused import fused
from verax.dsl.lang.logic import bitwise_and, bitwise_or
from verax.dsl.lang.promotion import asarray, broadcast_to, convert
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Like
from verax.dsl.lang.sliding import Padding, Steps, slides
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = ["reduce_window"]

KINDS: dict[Any, str] = {
    add: "add",
    multiply: "mul",
    maximum: "max",
    minimum: "min",
    bitwise_and: "and",
    bitwise_or: "or",
}


def reduce_window(
    operand: Like[DT],
    init_value: ArrayLike | None,
    computation: str | Callable[..., Any],
    window_dimensions: Sequence[int],
    window_strides: Steps | None = None,
    padding: Padding = "VALID",
    base_dilation: Steps | None = None,
    window_dilation: Steps | None = None,
) -> Array[DT, *tuple[Any, ...]]:
    """At each position of the window, its elements combined.

    Args:
        init_value: combined with each result once; None for nothing.
        computation: add, mul, max, min, and, or: the word, or a function such as ``vx.maximum``.
        window_dimensions: the size of the window along each dimension of the operand.
        window_strides: from one position to the next, by default 1.
        padding: SAME, VALID, SAME_LOWER, or (low, high) for each dimension; it counts as nothing.
        base_dilation: from one element of the operand to the next, with nothing between.
        window_dilation: from one element of the window to the next, with holes between.

    >>> import numpy as np
    >>> reduce_window(np.array([3, 1, 4, 1, 5]), None, "max", (2,), (2,)).tolist()
    [3, 4]

    Raises:
        ShapeError: a window that does not fit the operand. DTypeError: not an operand for it.
    """
    x = asarray(operand, name="reduce_window")
    return reduced(
        "reduce_window",
        x,
        init_value,
        kind_of(computation),
        window_dimensions,
        window_strides,
        padding,
        base_dilation,
        window_dilation,
    )


def kind_of(computation: str | Callable[..., Any]) -> str:
    """The word for a computation."""
    if isinstance(computation, str) and computation in MONOIDS:
        return computation
    found = KINDS.get(getattr(computation, "__wrapped__", computation))
    if found is None:
        raise ShapeError(
            f"reduce_window: {computation!r} is no operation that windows are combined with",
            fix=f"use one of {', '.join(MONOIDS)}, or vx.add, vx.maximum...",
        )
    return found


def reduced(
    name: str,
    x: AnyArray,
    init: ArrayLike | None,
    kind: str,
    window: Sequence[int],
    strides: Steps | None,
    padding: Padding,
    base: Steps | None = None,
    dilation: Steps | None = None,
) -> AnyArray:
    """reduce_window under the name of who asks."""
    if x.dtype.kind not in MONOIDS[kind]:
        raise DTypeError(
            f"{name}: {kind} takes {' or '.join(MONOIDS[kind])} operands, got {x.type}",
            fix="convert the operand first: x.astype(vx.int32)"
            if x.dtype.is_bool
            else "take a real number of each: abs(x), x.real or x.imag",
        )
    sizes = tuple(map(index, window))
    if len(sizes) != x.ndim:
        raise ShapeError(
            f"{name}: the window {sizes} has {len(sizes)} dimensions, {x.type} has {x.ndim}",
            fix="give the window a 1 for each dimension in which it does not slide",
        )
    if any(k < 1 for k in sizes):
        raise ShapeError(
            f"{name}: the window {sizes} has a size below 1",
            fix="give it a 1 for each dimension in which it does not slide",
        )
    how = slides(name, shape_of(x), sizes, strides, padding, base, dilation, what="dimension")
    plain = Slide()
    windows: tuple[Window, ...] = tuple(
        [None if k == 1 and s == plain else (k, *s) for k, s in zip(sizes, how)]
    )
    y = fused(_reduce, _Windows(windows, kind), x)
    if init is None:
        return y
    start = convert(asarray(init, name=name), x.dtype)
    return apply(COMBINE[kind], y, broadcast_to(start, shape_of(y), name=name))


class _Windows(NamedTuple):
    windows: tuple[Window, ...]
    kind: str


def _reduce(static: _Windows, x: AnyArray) -> AnyArray:
    return apply(ReduceWindow(*static), x)
