"""A mesh is a value: named axes with sizes, over device ids 0..n-1 in row-major order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import prod
from typing import Any

from verax.sharding.errors import ShardingError


class Mesh:
    """Named axes of devices: ``Mesh(data=2, model=4)`` is eight devices.

    >>> mesh = Mesh(data=2, model=4)
    >>> mesh.count, mesh.size("model")
    (8, 4)
    """

    __slots__ = ("_hash", "_sizes", "axes")
    axes: tuple[tuple[str, int], ...]

    def __init__(self, **axes: int) -> None:
        for name, size in axes.items():
            if type(size) is not int or size < 1:
                raise ShardingError(
                    f"mesh axis {name!r} has size {size!r}, expected a positive int",
                    fix=f"Mesh({name}=2)",
                )
        self.axes = tuple(axes.items())
        self._sizes = dict(axes)
        self._hash = hash(self.axes)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Mesh) and self.axes == other.axes)

    def __repr__(self) -> str:
        return "Mesh(" + ", ".join(f"{name}={size}" for name, size in self.axes) + ")"

    def __reduce__(self) -> tuple[Any, ...]:
        return _mesh, (self.axes,)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._sizes)

    @property
    def count(self) -> int:
        """The number of devices."""
        return prod(self._sizes.values())

    def size(self, axis: str) -> int:
        """The size of one axis."""
        if axis not in self._sizes:
            known = ", ".join(map(repr, self._sizes)) or "none"
            raise ShardingError(f"{self} has no axis {axis!r}", fix=f"use one of its axes: {known}")
        return self._sizes[axis]

    def parts(self, axes: Iterable[str]) -> int:
        """How many parts a dimension has that these axes cut."""
        return prod(self.size(axis) for axis in axes)

    def coordinates(self) -> list[dict[str, int]]:
        """Per device id, its position on every axis."""
        ranges = [range(size) for _, size in self.axes]
        return [dict(zip(self.names, at, strict=True)) for at in product(*ranges)]

    def groups(self, axes: Iterable[str]) -> list[list[int]]:
        """Devices that differ on ``axes`` only, ordered along them, major first."""
        along = tuple(axes)
        found: dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]] = {}
        for device, at in enumerate(self.coordinates()):
            rest = tuple(i for name, i in at.items() if name not in along)
            found.setdefault(rest, []).append((tuple(at[a] for a in along), device))
        return [[device for _, device in sorted(group)] for group in found.values()]

    def offsets(self, axes: Iterable[str]) -> list[int]:
        """Per device id, its position along the product of the axes, major first."""
        along = tuple(axes)
        out = []
        for at in self.coordinates():
            i = 0
            for axis in along:
                i = i * self.size(axis) + at[axis]
            out.append(i)
        return out


def _mesh(axes: tuple[tuple[str, int], ...]) -> Mesh:
    return Mesh(**dict(axes))
