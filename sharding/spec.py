"""How an array lies on a mesh: which axes cut each dimension, and which sums are still pending.

``P`` is what users write; a ``Spec`` is a P that was checked against a mesh and a shape by
``spec``. The cuts themselves are plain tuples, with a small algebra in cuts.py.

Law: ``spec(mesh, s.p, shape) == s`` for every spec s of that mesh and shape with nothing pending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from verax.sharding.cuts import Cuts, axes_of, no_cuts
from verax.sharding.errors import IndivisibleError, ShardingError
from verax.sharding.mesh import Mesh

__all__ = ["Cuts", "Entry", "P", "Spec", "axes_of", "no_cuts", "p_of", "spec"]

Entry: TypeAlias = str | tuple[str, ...] | None


class P(tuple[Entry, ...]):
    """A partition spec: per dimension an axis, a tuple of axes (major first) or None.

    Trailing dimensions that are not named are not cut.

    >>> P("data", None, ("model", "expert"))
    P('data', None, ('model', 'expert'))
    """

    def __new__(cls, *entries: Entry) -> P:
        for i, entry in enumerate(entries):
            names = entry if isinstance(entry, tuple) else () if entry is None else (entry,)
            if not all(isinstance(name, str) for name in names):
                raise ShardingError(
                    f"entry {i} of a partition spec is {entry!r}, expected the name of a mesh "
                    "axis, a tuple of names, or None",
                    fix='P("data", None)',
                )
        return super().__new__(cls, entries)

    def __repr__(self) -> str:
        return f"P({', '.join(map(repr, self))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return P, tuple(self)


class Spec(NamedTuple):
    """cuts[i]: the mesh axes that cut dimension i, major first; pending: axes yet to be summed."""

    mesh: Mesh
    cuts: Cuts
    pending: frozenset[str] = frozenset()

    @property
    def p(self) -> P:
        """The shortest P that says the same.

        >>> spec(Mesh(data=2, model=2), P(("data",), None), (4, 4)).p
        P('data')
        """
        return p_of(self.cuts)

    @property
    def trivial(self) -> bool:
        """Whether every device holds the whole array."""
        return not any(self.cuts) and not self.pending

    def __str__(self) -> str:
        dims = ",".join("*".join(axes) or "-" for axes in self.cuts)
        pending = "+" + "+".join(sorted(self.pending)) if self.pending else ""
        return f"({dims}{pending})"


def p_of(cuts: Cuts) -> P:
    """The shortest P that says the same as these cuts."""
    entries = [_entry(axes) for axes in cuts]
    while entries and entries[-1] is None:
        entries.pop()
    return P(*entries)


def _entry(axes: tuple[str, ...]) -> Entry:
    if not axes:
        return None
    return axes[0] if len(axes) == 1 else axes


def spec(mesh: Mesh, p: P | Sequence[Entry], shape: Sequence[Any]) -> Spec:
    """The layout that ``p`` describes, checked against the mesh and the shape.

    Args:
        shape: sizes; one that is not an int is not known yet, and its division is not checked.

    Raises:
        ShardingError: more entries than dimensions, an unknown axis, an axis that is used twice, or
            a dimension that does not divide into its parts.

    >>> print(spec(Mesh(data=2, model=4), P("data", None, "model"), (6, 5, 8)))
    (data,-,model)
    """
    entries = tuple(p)
    if len(entries) > len(shape):
        raise ShardingError(
            f"{P(*entries)} has {len(entries)} entries, but an array of shape {_show(shape)} has "
            f"{len(shape)} dimensions",
            fix=f"leave out the last {len(entries) - len(shape)}",
        )
    named = tuple(_names(entry) for entry in entries)
    cuts = named + no_cuts(len(shape) - len(named))
    check_cuts(mesh, cuts, shape)
    return Spec(mesh, cuts)


def _names(entry: Entry) -> tuple[str, ...]:
    if entry is None:
        return ()
    return (entry,) if isinstance(entry, str) else tuple(entry)


def check_cuts(mesh: Mesh, cuts: Cuts, shape: Sequence[Any]) -> None:
    """Raise a ShardingError unless an array of this shape can lie on the mesh so."""
    seen: dict[str, int] = {}
    for i, (axes, n) in enumerate(zip(cuts, shape, strict=True)):
        for axis in axes:
            if axis not in mesh.names:
                raise ShardingError(
                    f"dimension {i} of an array of shape {_show(shape)} is cut over {axis!r}, "
                    f"which is no axis of {mesh}",
                    fix=mesh.known(),
                )
            if axis in seen:
                where = (
                    f"dimension {i} twice"
                    if seen[axis] == i
                    else f"dimensions {seen[axis]} and {i}"
                )
                raise ShardingError(
                    f"axis {axis!r} of {mesh} cuts {where} of an array of shape {_show(shape)}; "
                    "an axis cuts one dimension",
                    fix="cut each dimension over axes of its own",
                )
            seen[axis] = i
        if isinstance(n, int) and n % mesh.parts(axes):
            raise _indivisible(mesh, axes, i, n, shape)


def _indivisible(
    mesh: Mesh, axes: tuple[str, ...], i: int, n: int, shape: Sequence[Any]
) -> IndivisibleError:
    parts = mesh.parts(axes)
    over = " * ".join(f"{axis!r} (size {mesh.size(axis)})" for axis in axes)
    return IndivisibleError(
        f"dimension {i} of an array of shape {_show(shape)} has size {n}, which does not divide "
        f"into the {parts} parts of {over}",
        fix=f"pad dimension {i} to {-(-n // parts) * parts}, or leave it uncut",
    )


def _show(shape: Sequence[Any]) -> str:
    return f"[{','.join(map(str, shape))}]"
