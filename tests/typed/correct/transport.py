"""Optimal transport by Sinkhorn, logistic regression by Newton, isotonic and quantile losses."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats, positive
from verax import F32


class Left(vx.Dim): ...


class Right(vx.Dim): ...


class Dims(vx.Dim): ...


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Levels(vx.Dim): ...


def cost(x: F32[Left, Dims], y: F32[Right, Dims]) -> F32[Left, Right]:
    return ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=-1)


def sinkhorn(c: F32[Left, Right], heat: float, steps: int) -> F32[Left, Right]:
    def step(
        duals: tuple[F32[Left], F32[Right]], _: None
    ) -> tuple[tuple[F32[Left], F32[Right]], None]:
        f, g = duals
        f = -heat * vx.logmeanexp((g - c) / heat, axis=1)
        g = -heat * vx.logmeanexp((f[:, None] - c) / heat, axis=0)
        return (f, g), None

    start = vx.zeros_like(c[:, 0]), vx.zeros_like(c[0])
    (f, g), _ = vx.scan(step, start, None, length=steps)
    return vx.exp((f[:, None] + g - c) / heat) / (c.shape[0] * c.shape[1])


def distance(x: F32[Left, Dims], y: F32[Right, Dims]) -> F32[()]:
    c = cost(x, y)
    return (sinkhorn(c, 1.0, 4) * c).sum()


def barycentric(plan: F32[Left, Right], y: F32[Right, Dims]) -> F32[Left, Dims]:
    return plan @ y / plan.sum(axis=1)[:, None]


def logistic(w: F32[Feat], x: F32[Batch, Feat], y: F32[Batch]) -> F32[()]:
    return vx.softplus(-y * (x @ w)).mean() + 0.05 * (w @ w)


def newton(w: F32[Feat], x: F32[Batch, Feat], y: F32[Batch]) -> F32[Feat]:
    p = vx.sigmoid(x @ w)
    curvature = (x * (p * (1.0 - p))[:, None]).T @ x / x.shape[0]
    h = curvature + 0.1 * vx.eye(w.shape[0])
    return w - vx.linalg.solve(h, vx.grad(logistic)(w, x, y))


def irls(x: F32[Batch, Feat], y: F32[Batch], steps: int) -> F32[Feat]:
    return vx.fori_loop(0, steps, lambda _, w: newton(w, x, y), vx.zeros_like(x[0]))


def pinball(q: F32[Batch, Levels], y: F32[Batch], levels: F32[Levels]) -> F32[()]:
    error = y[:, None] - q
    return vx.maximum(levels * error, (levels - 1.0) * error).mean()


def coverage(q: F32[Batch, Levels], y: F32[Batch]) -> F32[Levels]:
    return (y[:, None] <= q).astype(vx.float32).mean(axis=0)


def example() -> vx.AnyArray:
    x, y = floats(4, 2), floats(3, 2)
    moved = x - vx.grad(distance)(x, y)
    plan = sinkhorn(cost(moved, y), 1.0, 4)
    w = irls(floats(6, 2), vx.sign(floats(6)), 3)
    q = vx.sort(floats(5, 3))
    quantiles = pinball(q, floats(5), positive(3)) + coverage(q, floats(5)).sum()
    return barycentric(plan, y) + w + quantiles
