"""Contrastive losses: InfoNCE of two views, triplets, supervised by labels."""

from __future__ import annotations

from typing import Literal, TypeVar

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32, Mul

N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Embed(vx.Dim): ...


def normalized(x: F32[N, Embed]) -> F32[N, Embed]:
    return x * vx.rsqrt((x * x).sum(axis=-1, keepdims=True) + 1e-8)


def similarity(a: F32[N, Embed], b: F32[M, Embed]) -> F32[N, M]:
    return normalized(a) @ normalized(b).T


def info_nce(a: F32[Batch, Embed], b: F32[Batch, Embed], heat: float = 0.1) -> F32[()]:
    scores = similarity(a, b) / heat
    rows = vx.diagonal(vx.log_softmax(scores, axis=1))
    columns = vx.diagonal(vx.log_softmax(scores, axis=0))
    return -0.5 * (rows + columns).mean()


def nt_xent(a: F32[Batch, Embed], b: F32[Batch, Embed]) -> F32[()]:
    both: F32[Mul[Literal[2], Batch], Embed] = vx.concat([a, b])
    scores = similarity(both, both)
    n = both.shape[0]
    scores = vx.where(vx.eye(n, dtype=vx.bool), -1e9, scores)
    partner = vx.roll(vx.arange(n), a.shape[0])
    logs = vx.log_softmax(scores)
    return -vx.take_along_axis(logs, partner[:, None], axis=1).mean()


def triplet(anchor: F32[Batch, Embed], near: F32[Batch, Embed], far: F32[Batch, Embed]) -> F32[()]:
    to_near = ((anchor - near) ** 2).sum(axis=1)
    to_far = ((anchor - far) ** 2).sum(axis=1)
    return vx.relu(to_near - to_far + 1.0).mean()


def supervised(x: F32[Batch, Embed], labels: I32[Batch]) -> F32[()]:
    same = (labels[:, None] == labels[None]).astype(vx.float32)
    logs = vx.log_softmax(similarity(x, x))
    return -((same * logs).sum(axis=1) / same.sum(axis=1)).mean()


def loss(w: F32[Feat, Embed], x: F32[Batch, Feat], y: F32[Batch, Feat]) -> F32[()]:
    return info_nce(x @ w, y @ w) + nt_xent(x @ w, y @ w)


def example() -> vx.AnyArray:
    w, x, y = floats(3, 4), floats(5, 3), floats(5, 3, seed=1)
    g = vx.grad(loss)(w, x, y)
    return g.sum() + supervised(x @ w, ints(2, 5)) + triplet(x @ w, y @ w, x[::-1] @ w)
