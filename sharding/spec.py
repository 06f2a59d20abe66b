"""How an array lies on a mesh: which axes cut each dimension, and which sums are still pending.

``P`` is what users write; ``Spec`` is a P that was checked against a mesh and a shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from verax.sharding.mesh import Mesh

Cuts: TypeAlias = tuple[tuple[str, ...], ...]
Entry: TypeAlias = str | tuple[str, ...] | None


class P(tuple[Entry, ...]):
    """A partition spec: per dimension an axis, a tuple of axes (major first) or None.

    Trailing dimensions that are not named are not cut.

    >>> P("data", None, ("model", "expert"))
    P('data', None, ('model', 'expert'))
    """

    def __new__(cls, *entries: Entry) -> P:
        return super().__new__(cls, entries)

    def __repr__(self) -> str:
        return f"P({', '.join(map(repr, self))})"


class Spec(NamedTuple):
    """cuts[i]: the mesh axes that cut dimension i, major first; pending: axes yet to be summed."""

    mesh: Mesh
    cuts: Cuts
    pending: frozenset[str] = frozenset()

    def __str__(self) -> str:
        dims = ",".join("*".join(axes) or "-" for axes in self.cuts)
        pending = "+" + "+".join(sorted(self.pending)) if self.pending else ""
        return f"({dims}{pending})"


def no_cuts(ndim: int) -> Cuts:
    """The cuts of an array that every device holds whole."""
    return ((),) * ndim


def axes_of(cuts: Iterable[tuple[str, ...]]) -> frozenset[str]:
    """Every mesh axis that cuts something."""
    return frozenset(axis for axes in cuts for axis in axes)
