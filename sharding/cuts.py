"""The algebra of cuts: per dimension the mesh axes that cut it, major first.

One cut refines another when each dimension is cut by the other's axes and then perhaps by more: a
device that holds the coarse shard finds the fine one inside of it, without communication. Under
this order ``meet`` is the finest cut that both refine and ``join`` the coarsest that refines both.

Law: the shards that ``shard_slices`` names tile the array, each part held by as many devices as
there are axes' positions that do not cut it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from verax.sharding.mesh import Mesh

Axes: TypeAlias = tuple[str, ...]
Cuts: TypeAlias = tuple[Axes, ...]


def no_cuts(ndim: int) -> Cuts:
    """The cuts of an array that every device holds whole."""
    return ((),) * ndim


def axes_of(cuts: Iterable[Axes]) -> frozenset[str]:
    """Every mesh axis that cuts something."""
    return frozenset(axis for axes in cuts for axis in axes)


def local_shape(mesh: Mesh, cuts: Cuts, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one shard.

    >>> local_shape(Mesh(data=2, model=2), (("data",), ()), (6, 5))
    (3, 5)
    """
    return tuple(n // mesh.parts(axes) for n, axes in zip(shape, cuts, strict=True))


def shard_slices(mesh: Mesh, cuts: Cuts, shape: Sequence[int]) -> list[tuple[slice, ...]]:
    """Per device id, which part of the array it holds.

    >>> shard_slices(Mesh(data=2), ((), ("data",)), (3, 4))[1]
    (slice(0, 3, None), slice(2, 4, None))
    """
    sizes = local_shape(mesh, cuts, shape)
    at = [mesh.offsets(axes) for axes in cuts]
    return [
        tuple(slice(o[device] * n, (o[device] + 1) * n) for o, n in zip(at, sizes))
        for device in range(mesh.count)
    ]


def refines(fine: Cuts, coarse: Cuts) -> bool:
    """Whether each device finds its fine shard inside of its coarse one.

    >>> refines((("data", "model"), ()), (("data",), ()))
    True
    """
    return all(f[: len(c)] == c for f, c in zip(fine, coarse, strict=True))


def common(a: Axes, b: Axes) -> Axes:
    """The longest common beginning."""
    n = 0
    while n < len(a) and n < len(b) and a[n] == b[n]:
        n += 1
    return a[:n]


def meet(a: Cuts, b: Cuts) -> Cuts:
    """The finest cuts that both a and b refine.

    >>> meet((("data", "model"), ("x",)), (("data",), ()))
    (('data',), ())
    """
    return tuple(common(x, y) for x, y in zip(a, b, strict=True))


def join(a: Cuts, b: Cuts) -> Cuts | None:
    """The coarsest cuts that refine a and b, or None where there are none.

    >>> join((("data",), ()), ((), ("model",)))
    (('data',), ('model',))
    >>> join((("data",), ()), ((), ("data",))) is None
    True
    """
    out = []
    for x, y in zip(a, b, strict=True):
        short, long = sorted((x, y), key=len)
        if long[: len(short)] != short:
            return None
        out.append(long)
    every = [axis for axes in out for axis in axes]
    return tuple(out) if len(set(every)) == len(every) else None
