"""A mesh is a value: named axes with sizes, over device ids 0..n-1 in row-major order.

It is passed, never ambient, and interned: meshes with equal axes are one object. What collectives
need of it (which devices talk to each other, where a device stands) is worked out once.

Law: ``groups(axes)`` partitions the devices, and inside each group ``offsets(axes)`` counts
0, 1, 2, ...: the k-th device of a group holds the k-th part of what the axes cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from verax.sharding.errors import ShardingError


class Mesh:
    """Named axes of devices: ``Mesh(data=2, model=4)`` is eight devices.

    Raises:
        ShardingError: a size is not a positive int.

    >>> mesh = Mesh(data=2, model=4)
    >>> mesh.count, mesh.size("model"), mesh.parts(("data", "model"))
    (8, 4, 8)
    """

    __slots__ = ("_sizes", "axes")
    axes: tuple[tuple[str, int], ...]
    _sizes: dict[str, int]

    def __new__(cls, **axes: int) -> Mesh:
        key = tuple(axes.items())
        found = _MESHES.get(key)
        if found is not None:
            return found
        for name, size in axes.items():
            if type(size) is not int or size < 1:
                raise ShardingError(
                    f"mesh axis {name!r} has size {size!r}, expected a positive int",
                    fix=f"Mesh({name}=2)",
                )
        self = super().__new__(cls)
        self.axes, self._sizes = key, dict(axes)
        return _MESHES.setdefault(key, self)

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
        found = self._sizes.get(axis)
        if found is None:
            raise ShardingError(f"{self} has no axis {axis!r}", fix=self.known())
        return found

    def known(self) -> str:
        """What a message suggests instead of an unknown axis."""
        if not self.axes:
            return "make a mesh that has axes: Mesh(data=2)"
        return f"use one of its axes: {', '.join(map(repr, self._sizes))}"

    def parts(self, axes: Iterable[str]) -> int:
        """How many parts a dimension has that these axes cut."""
        n = 1
        for axis in axes:
            n *= self.size(axis)
        return n

    def coordinates(self) -> tuple[Mapping[str, int], ...]:
        """Per device id, its position on every axis.

        >>> Mesh(a=2, b=2).coordinates()[2]
        {'a': 1, 'b': 0}
        """
        return _coordinates(self)

    def groups(self, axes: Iterable[str]) -> tuple[tuple[int, ...], ...]:
        """Devices that differ on ``axes`` only, ordered along them, major first.

        >>> Mesh(a=2, b=2).groups(["a"])
        ((0, 2), (1, 3))
        """
        return _groups(self, tuple(axes))

    def offsets(self, axes: Iterable[str]) -> tuple[int, ...]:
        """Per device id, its position along the product of the axes, major first.

        >>> Mesh(a=2, b=2).offsets(["b", "a"])
        (0, 2, 1, 3)
        """
        return _offsets(self, tuple(axes))


_MESHES: dict[tuple[tuple[str, int], ...], Mesh] = {}


def _mesh(axes: tuple[tuple[str, int], ...]) -> Mesh:
    return Mesh(**dict(axes))


@lru_cache(64)
def _coordinates(mesh: Mesh) -> tuple[Mapping[str, int], ...]:
    ranges = [range(size) for _, size in mesh.axes]
    return tuple(dict(zip(mesh.names, at, strict=True)) for at in product(*ranges))


@lru_cache(1024)
def _groups(mesh: Mesh, axes: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    offsets = _offsets(mesh, axes)
    found: dict[tuple[int, ...], list[int]] = {}
    for device, at in enumerate(mesh.coordinates()):
        rest = tuple(i for name, i in at.items() if name not in axes)
        found.setdefault(rest, []).append(device)
    return tuple(tuple(sorted(group, key=offsets.__getitem__)) for group in found.values())


@lru_cache(1024)
def _offsets(mesh: Mesh, axes: tuple[str, ...]) -> tuple[int, ...]:
    sizes = [mesh.size(axis) for axis in axes]
    out = []
    for at in mesh.coordinates():
        i = 0
        for axis, size in zip(axes, sizes):
            i = i * size + at[axis]
        out.append(i)
    return tuple(out)
