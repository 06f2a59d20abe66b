"""Nonlinear least squares by Gauss-Newton and Levenberg-Marquardt with Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import verax as vx
from tests.typed.data import floats, positive
from verax import F32


class Params(vx.Dim): ...


class Points(vx.Dim): ...


Residual: TypeAlias = Callable[[F32[Params]], F32[Points]]


def curve(w: F32[Params], t: F32[Points]) -> F32[Points]:
    powers = vx.arange(w.shape[0], dtype=vx.float32)
    return vx.exp(-t[:, None] * powers) @ w


def normal_step(j: F32[Points, Params], r: F32[Points], damping: float = 0.0) -> F32[Params]:
    gram = j.T @ j + damping * vx.eye(j.shape[1])
    return vx.linalg.solve(gram, j.T @ r)


def gauss_newton(residual: Residual, w: F32[Params], steps: int = 3) -> F32[Params]:
    for _ in range(steps):
        j: F32[Points, Params] = vx.jacfwd(residual)(w)
        w = w - normal_step(j, residual(w), 1e-3)
    return w


def damped(residual: Residual, w: F32[Params]) -> F32[Params]:
    def step(
        state: tuple[F32[Params], F32[()]], _: None
    ) -> tuple[tuple[F32[Params], F32[()]], F32[()]]:
        w, damping = state
        j: F32[Points, Params] = vx.jacrev(residual)(w)
        r = residual(w)
        gram = j.T @ j
        ridge = gram + damping * vx.diag(vx.diagonal(gram) + 1e-6)
        new = w - vx.linalg.solve(ridge, j.T @ r)
        better = (residual(new) ** 2).sum() < (r**2).sum()
        w = vx.where(better, new, w)
        damping = vx.where(better, damping * 0.5, damping * 2.0)
        return (w, damping), (r**2).sum()

    (w, _), _ = vx.scan(step, (w, vx.full((), 0.1, vx.float32)), None, length=4)
    return w


def covariance(residual: Residual, w: F32[Params]) -> F32[Params, Params]:
    j: F32[Points, Params] = vx.jacfwd(residual)(w)
    r = residual(w)
    return vx.linalg.inv(j.T @ j + 1e-3 * vx.eye(w.shape[0])) * (r @ r)


def example() -> vx.AnyArray:
    t = positive(7)
    y = floats(7)

    def residual(w: F32[Params]) -> F32[Points]:
        return curve(w, t) - y

    w = gauss_newton(residual, floats(3))
    return damped(residual, w) + covariance(residual, w)[0]
