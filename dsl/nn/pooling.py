"""Pooling: the maximum, minimum or mean of windows that slide over the spatial dimensions.

The last dimension holds the features, the window slides over those before it, and what stands in
front of them are batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from verax.compiler.ir.errors import ShapeError
from verax.dsl.lang.array import AnyArray
from verax.dsl.lang.creation import ones
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.signatures import DT, ArrayLike, Like
from verax.dsl.lang.sliding import Padding, Steps, steps
from verax.dsl.lang.value import shape_of
from verax.dsl.lang.windows import reduced

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array


def max_pool(
    x: Like[DT],
    window_shape: Sequence[int],
    strides: Steps | None = None,
    padding: Padding = "VALID",
) -> Array[DT, *tuple[Any, ...]]:
    """The maximum of each window: ``[..., *space, C] -> [..., *positions, C]``.

    Args:
        window_shape: the size of the window along each spatial dimension.
        strides: from one position of the window to the next, by default 1.
        padding: SAME, VALID, or (low, high) for each; it is less than any element.

    >>> import verax as vx
    >>> vx.nn.max_pool(vx.arange(16.0).reshape((4, 4, 1)), (2, 2), 2)[..., 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]

    Raises:
        ShapeError: a window that does not fit the array.
    """
    return _pooled("max_pool", "max", x, window_shape, strides, padding)


def min_pool(
    x: Like[DT],
    window_shape: Sequence[int],
    strides: Steps | None = None,
    padding: Padding = "VALID",
) -> Array[DT, *tuple[Any, ...]]:
    """The minimum of each window; arguments as those of ``max_pool``."""
    return _pooled("min_pool", "min", x, window_shape, strides, padding)


def avg_pool(
    x: Like[DT],
    window_shape: Sequence[int],
    strides: Steps | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
) -> Array[DT, *tuple[Any, ...]]:
    """The mean of each window; arguments as those of ``max_pool``.

    Args:
        count_include_pad: whether padding counts, as zeros; otherwise the mean is that of the
            elements that are there.

    >>> import verax as vx
    >>> vx.nn.avg_pool(vx.ones((3, 1)), (2,), padding="SAME", count_include_pad=False).tolist()
    [[1.0], [1.0], [1.0]]
    """
    total = _pooled("avg_pool", "add", x, window_shape, strides, padding)
    if count_include_pad:
        return total / math.prod(window_shape)
    n = len(window_shape)
    space = shape_of(asarray(x))[-n - 1 : -1]
    count = _pooled(
        "avg_pool", "add", ones((*space, 1), dtype=total.dtype), window_shape, strides, padding
    )
    return total / count


def _pooled(
    name: str,
    kind: str,
    x: ArrayLike,
    window: Sequence[int],
    strides: Steps | None,
    padding: Padding,
) -> AnyArray:
    y, n = asarray(x, name=name), len(window)
    if y.ndim < n + 1:
        raise ShapeError(
            f"{name}: the window {tuple(window)} slides over {n} dimensions before the features,"
            f" but {y.type} has {y.ndim}",
            fix="the array is [..., *space, features]: add a last dimension with x[..., None]",
        )
    lead = y.ndim - n - 1
    every = (*(1,) * lead, *steps(name, "strides", strides, n), 1)
    if not isinstance(padding, str):
        rows = [padding] * n if isinstance(padding, int) else list(padding)
        padding = [*[0] * lead, *rows, 0]
    return reduced(name, y, None, kind, (*(1,) * lead, *window, 1), every, padding)
