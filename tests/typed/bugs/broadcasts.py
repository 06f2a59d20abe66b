"""Broadcasting that happens by accident, or cannot happen."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, Hid, M, N, Seq
from verax import F32, Bool


def residual(prediction: F32[Batch, Literal[1]], target: F32[Batch]) -> F32[Batch]:
    return prediction - target  # bug: broadcast


def squared_error(w: F32[Feat, Literal[1]], x: F32[Batch, Feat], y: F32[Batch]) -> F32[()]:
    error: F32[Batch] = x @ w - y  # bug: broadcast
    return (error * error).mean()


def centred(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return x - x.mean(axis=1)  # bug: broadcast


def normalized(p: F32[Batch, Cls]) -> F32[Batch, Cls]:
    return p / p.sum(axis=-1)  # bug: broadcast


def bias(x: F32[Batch, Hid], b: F32[Batch]) -> F32[Batch, Hid]:
    return x + b  # bug: broadcast


def gate(x: F32[Batch, Seq, Feat], g: F32[Batch, Seq]) -> F32[Batch, Seq, Feat]:
    return x * vx.sigmoid(g)  # bug: broadcast


def distances(x: F32[N, Feat], y: F32[M, Feat]) -> F32[N, M]:
    d = x[:, None] - y[:, None]  # bug: broadcast
    return (d * d).sum(axis=-1)


def masked(x: F32[Batch, Seq, Feat], mask: Bool[Batch, Seq]) -> F32[Batch, Seq, Feat]:
    return vx.where(mask, x, 0.0)  # bug: broadcast


def outer(a: F32[N], b: F32[M]) -> F32[N, M]:
    return a * b  # bug: broadcast


def advantage(reward: F32[Batch], value: F32[Batch, Literal[1]]) -> F32[Batch]:
    a = reward - value
    return a * 0.5 + reward  # bug: broadcast


def weighted(x: F32[Batch, Feat], w: F32[Batch]) -> F32[Feat]:
    return (w[None] * x).sum(axis=0)  # bug: broadcast


def clipped(x: F32[Batch, Feat], limit: F32[Hid]) -> F32[Batch, Feat]:
    return vx.minimum(x, limit)  # bug: broadcast
