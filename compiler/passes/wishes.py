"""What the consumers of a value would like its layout to be.

Wishes flow backward, from the layouts that are asked of outputs and from the cuts of the operands
that a value meets. Several consumers are content with what all of them want; where one does not
care, the others decide.

Law: a wish is never an obligation. A value that lies otherwise is brought into the layout that each
consumer needs.
"""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from verax.sharding.cuts import Axes, Cuts, axes_of, common


class Want(NamedTuple):
    """How the consumers of a value would like it to lie.

    Args:
        dims: per dimension the axes that should cut it (none: it must be whole), or None where the
            consumer does not care.
        soft: some consumer would have to communicate if the value were cut so, but much less than
            the value. That is worth it where the cut saves a bigger sum, and not otherwise.
    """

    dims: tuple[Axes | None, ...]
    soft: bool = False

    @property
    def axes(self) -> frozenset[str]:
        """Every axis that is wanted somewhere."""
        return axes_of(axes for axes in self.dims if axes)


def both(a: Want | None, b: Want | None) -> Want | None:
    """What suits both consumers; None is no consumer."""
    if a is None or b is None:
        return b if a is None else a
    if a == b:
        return a
    dims = [_shared(x, y, a, b) for x, y in zip(a.dims, b.dims)]
    return Want(tuple(dims), a.soft or b.soft)


def _shared(x: Axes | None, y: Axes | None, a: Want, b: Want) -> Axes | None:
    """One dimension of what suits both: where one does not care, what the other wants, but for the
    axes that the first one wants on another dimension."""
    if x is None:
        return y if y is None else _before(y, a.axes)
    return _before(x, b.axes) if y is None else common(x, y)


def either(a: Axes | None, b: Axes | None) -> Axes | None:
    """What suits both for one dimension."""
    if a is None or b is None:
        return b if a is None else a
    return common(a, b)


def distinct(dims: tuple[Axes | None, ...]) -> tuple[Axes | None, ...]:
    """Without the axes that are wanted on two dimensions: consumers disagree about them."""
    named = [axis for axes in dims if axes for axis in axes]
    twice = {axis for axis in named if named.count(axis) > 1}
    if not twice:
        return dims
    return tuple([axes and _before(axes, twice) for axes in dims])


def _before(axes: Axes, ends: Set[str]) -> Axes:
    """The axes up to the first one of ``ends``."""
    stop = next((i for i, axis in enumerate(axes) if axis in ends), len(axes))
    return axes[:stop]


def goal_of(cuts: Cuts, want: Want | None) -> Cuts:
    """The wanted cuts; where nothing is wanted, those that are there and not wanted elsewhere."""
    if want is None:
        return cuts
    named = want.axes
    return tuple(
        [
            (() if named & set(have) else have) if wanted is None else wanted
            for have, wanted in zip(cuts, want.dims)
        ]
    )
