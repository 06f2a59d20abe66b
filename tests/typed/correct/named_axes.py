"""Mapped axes with names: means over the batch, normalization over devices, ring shifts."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import verax as vx
from tests.typed.data import floats, positive
from verax import F32, Bool

N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


def batch_norm(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    def one(row: F32[Feat]) -> F32[Feat]:
        mean = vx.pmean(row, "batch")
        var = vx.pmean((row - mean) ** 2, "batch")
        return (row - mean) * vx.rsqrt(var + 1e-5)

    return vx.vmap(one, axis_name="batch")(x)


def synchronized(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Feat, Hid]:
    def gradient(row: F32[Feat]) -> F32[Feat, Hid]:
        g = vx.grad(lambda w: (vx.tanh(row @ w) ** 2).sum())(w)
        return vx.pmean(g, "data")

    return vx.vmap(gradient, axis_name="data")(x)


class Stats(NamedTuple):
    n: F32[()]
    mean: F32[Feat]
    m2: F32[Feat]


def merged(a: Stats, b: Stats) -> Stats:
    n = a.n + b.n
    delta = b.mean - a.mean
    mean = a.mean + delta * (b.n / n)
    return Stats(n, mean, a.m2 + b.m2 + delta**2 * (a.n * b.n / n))


def observed(x: F32[Batch, Feat]) -> Stats:
    mean = x.mean(axis=0)
    return Stats(vx.full((), 4.0, vx.float32), mean, ((x - mean) ** 2).sum(axis=0))


def variance(parts: list[F32[Batch, Feat]]) -> F32[Feat]:
    total = observed(parts[0])
    for part in parts[1:]:
        total = merged(total, observed(part))
    return total.m2 / (total.n - 1.0)


def prefix_any(mask: Bool[Batch]) -> Bool[Batch]:
    return vx.associative_scan(vx.logical_or, mask)


def linear_recurrence(a: F32[Batch, Feat], b: F32[Batch, Feat]) -> F32[Batch, Feat]:
    def combine(
        left: tuple[F32[N, Feat], F32[N, Feat]], right: tuple[F32[N, Feat], F32[N, Feat]]
    ) -> tuple[F32[N, Feat], F32[N, Feat]]:
        return left[0] * right[0], right[0] * left[1] + right[1]

    _, out = vx.associative_scan(combine, (a, b))
    return out


def dropped(x: F32[Batch, Feat], key: vx.random.Key) -> F32[Batch, Feat]:
    def one(row: F32[Feat], key: vx.random.Key) -> F32[Feat]:
        keep = vx.random.bernoulli(key, 0.9, row.shape)
        return vx.where(keep, row / 0.9, 0.0)

    return vx.vmap(one)(x, vx.random.split(key, x.shape[0]))


def example() -> vx.AnyArray:
    x = floats(4, 3)
    g = synchronized(floats(3, 2), x).sum(axis=(0, 2))
    seen = prefix_any(positive(4) > 0.9).astype(vx.float32).sum()
    noisy = dropped(x, vx.random.key(0)).sum(axis=0)
    recurrence = linear_recurrence(0.5 * vx.ones_like(x), x)[-1]
    return batch_norm(x)[0] + g + variance([x, 2.0 * x]) + seen + noisy + recurrence
