"""Principal components by eigh and svd, whitening and low-rank reconstruction."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.data import floats
from verax import F32


class Samples(vx.Dim): ...


class Feat(vx.Dim): ...


def centred(x: F32[Samples, Feat]) -> F32[Samples, Feat]:
    return x - x.mean(axis=0)


def covariance(x: F32[Samples, Feat]) -> F32[Feat, Feat]:
    c = centred(x)
    return c.T @ c / (x.shape[0] - 1)


def components(x: F32[Samples, Feat]) -> tuple[F32[Feat], F32[Feat, Feat]]:
    values, vectors = vx.linalg.eigh(covariance(x))
    return vx.flip(values), vx.flip(vectors, axis=1)


def projected(x: F32[Samples, Feat]) -> F32[Samples, Literal[2]]:
    _, vectors = components(x)
    return centred(x) @ vectors[:, :2]


def explained(x: F32[Samples, Feat]) -> F32[Feat]:
    values, _ = components(x)
    return vx.cumulative_sum(values) / values.sum()


def whitened(x: F32[Samples, Feat]) -> F32[Samples, Feat]:
    values, vectors = components(x)
    return centred(x) @ vectors / vx.sqrt(vx.maximum(values, 1e-6))


def low_rank(x: F32[Literal[6], Literal[4]]) -> F32[Literal[6], Literal[4]]:
    u, s, vt = vx.linalg.svd(x, full_matrices=False)
    return (u[:, :2] * s[:2]) @ vt[:2]


def nuclear_norm(x: F32[Literal[6], Literal[4]]) -> F32[()]:
    return vx.linalg.svdvals(x).sum()


def example() -> vx.AnyArray:
    x = floats(6, 4)
    error = ((low_rank(x) - x) ** 2).sum() + vx.grad(nuclear_norm)(x).sum()
    return projected(x).sum() + explained(x) + whitened(x)[0] + error
