"""Axes as users write them: negative, several, None for all; here they become dimensions.

Every function that takes ``axis`` reads it through this file, so that a wrong one is reported in
one form: with the function, the array's type and the axes that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TypeAlias

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.types import ArrayType

Axes: TypeAlias = int | Sequence[int] | None


def axis_of(name: str, axis: int, t: ArrayType, extra: int = 0) -> int:
    """The dimension that one axis means; ``extra`` dimensions are about to be added."""
    ndim = t.ndim + extra
    i = index(axis)
    if -ndim <= i < ndim:
        return i + ndim if i < 0 else i
    if not ndim:
        raise ShapeError(
            f"{name}: {t} has no axes, got axis {i}",
            fix="leave the axis out, or give x an axis",
            about=name,
        )
    raise ShapeError(
        f"{name}: axis {i} is out of range for {t}",
        fix=f"its axes are 0 to {ndim - 1}, or {-ndim} to -1 from the end",
        about=name,
    )


def axes_of(name: str, axis: Axes, t: ArrayType, extra: int = 0) -> tuple[int, ...]:
    """The dimensions that an axis, several, or None (all) mean, each once, in the order given."""
    if axis is None:
        return tuple(range(t.ndim + extra))
    if not isinstance(axis, Sequence):
        return (axis_of(name, axis, t, extra),)
    axes = tuple([axis_of(name, a, t, extra) for a in axis])
    if len(set(axes)) < len(axes):
        raise ShapeError(
            f"{name}: the axes {tuple(axis)} name a dimension of {t} twice",
            fix="name each once; negative axes count from the end",
            about=name,
        )
    return axes
