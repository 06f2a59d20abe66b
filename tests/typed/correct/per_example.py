"""Gradients of each example: vmap of grad, clipping and noise for private training."""

from __future__ import annotations

import functools

import verax as vx
from tests.typed.data import floats
from verax import F32


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


def loss(w: F32[Feat], x: F32[Feat], y: F32[()]) -> F32[()]:
    return vx.softplus(-y * (x @ w))


def gradients(w: F32[Feat], xs: F32[Batch, Feat], ys: F32[Batch]) -> F32[Batch, Feat]:
    return vx.vmap(vx.grad(loss), in_axes=(None, 0, 0))(w, xs, ys)


def norms(w: F32[Feat], xs: F32[Batch, Feat], ys: F32[Batch]) -> F32[Batch]:
    g = gradients(w, xs, ys)
    return vx.sqrt((g * g).sum(axis=-1))


def clipped(g: F32[Feat], limit: float) -> F32[Feat]:
    return g * vx.minimum(1.0, limit / (vx.sqrt(g @ g) + 1e-12))


def private(w: F32[Feat], xs: F32[Batch, Feat], ys: F32[Batch], key: vx.random.Key) -> F32[Feat]:
    g = gradients(w, xs, ys)
    small: F32[Batch, Feat] = vx.vmap(functools.partial(clipped, limit=1.0))(g)
    noise: F32[Feat] = vx.random.normal(key, w.shape)
    return (small.sum(axis=0) + 0.1 * noise) / xs.shape[0]


def fisher(w: F32[Feat], xs: F32[Batch, Feat], ys: F32[Batch]) -> F32[Feat, Feat]:
    g = gradients(w, xs, ys)
    return g.T @ g / xs.shape[0]


def influence(
    w: F32[Feat], xs: F32[Batch, Feat], ys: F32[Batch], x: F32[Feat], y: F32[()]
) -> F32[Batch]:
    h = fisher(w, xs, ys) + 0.1 * vx.eye(w.shape[0])
    direction = vx.linalg.solve(h, vx.grad(loss)(w, x, y))
    return -gradients(w, xs, ys) @ direction


def values_and_gradients(
    w: F32[Feat], xs: F32[Batch, Feat], ys: F32[Batch]
) -> tuple[F32[Batch], F32[Batch, Feat]]:
    return vx.vmap(lambda x, y: vx.value_and_grad(loss)(w, x, y))(xs, ys)


def example() -> vx.AnyArray:
    w, xs, ys = floats(3), floats(5, 3), floats(5)
    g = private(w, xs, ys, vx.random.key(0))
    values, grads = values_and_gradients(w, xs, ys)
    return g + influence(w, xs, ys, xs[0], ys[0]).sum() + values.sum() + grads.sum(axis=0)
