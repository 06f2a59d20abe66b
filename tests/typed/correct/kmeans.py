"""k-means: Lloyd's algorithm with distances by broadcasting, segments for the means, a scan."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats
from verax import F32, I32


class Points(vx.Dim): ...


class Clusters(vx.Dim): ...


class Dims(vx.Dim): ...


def distances(x: F32[Points, Dims], c: F32[Clusters, Dims]) -> F32[Points, Clusters]:
    difference = x[:, None] - c[None]
    return (difference * difference).sum(axis=-1)


def fast_distances(x: F32[Points, Dims], c: F32[Clusters, Dims]) -> F32[Points, Clusters]:
    squares = (x * x).sum(axis=1)[:, None] + (c * c).sum(axis=1)
    return squares - 2.0 * (x @ c.T)


def assign(x: F32[Points, Dims], c: F32[Clusters, Dims]) -> I32[Points]:
    return vx.argmin(distances(x, c), axis=1)


def means(x: F32[Points, Dims], c: F32[Clusters, Dims], at: I32[Points]) -> F32[Clusters, Dims]:
    k = c.shape[0]
    hit = vx.one_hot(at, k, dtype=vx.float32)
    count = hit.sum(axis=0)
    total = hit.T @ x
    return vx.where((count > 0.0)[:, None], total / vx.maximum(count, 1.0)[:, None], c)


def lloyd(
    x: F32[Points, Dims], c: F32[Clusters, Dims], steps: int
) -> tuple[F32[Clusters, Dims], F32[()]]:
    def step(c: F32[Clusters, Dims], _: None) -> tuple[F32[Clusters, Dims], F32[()]]:
        cost = distances(x, c).min(axis=1).sum()
        return means(x, c, assign(x, c)), cost

    c, costs = vx.scan(step, c, None, length=steps)
    return c, costs[-1]


def soft(x: F32[Points, Dims], c: F32[Clusters, Dims], beta: float) -> F32[Clusters, Dims]:
    weight = vx.softmax(-beta * fast_distances(x, c), axis=1)
    return vx.einsum("nk,nd->kd", weight, x) / weight.sum(axis=0)[:, None]


def example() -> vx.AnyArray:
    x, c = floats(9, 2), floats(3, 2)
    c, cost = lloyd(x, c, 3)
    return soft(x, c, 2.0) + cost
