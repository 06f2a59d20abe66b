"""Gaussian process regression: kernels as structs, posterior, marginal likelihood, its gradient."""

from __future__ import annotations

import math
from typing import TypeVar

import verax as vx
from tests.typed.data import floats
from verax import F32

N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)


class Train(vx.Dim): ...


class Test(vx.Dim): ...


class Dims(vx.Dim): ...


@vx.struct
class RBF:
    log_scale: F32[Dims]
    log_amplitude: F32[()]

    def __call__(self, x: F32[N, Dims], y: F32[M, Dims]) -> F32[N, M]:
        a, b = x / vx.exp(self.log_scale), y / vx.exp(self.log_scale)
        d = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        return vx.exp(self.log_amplitude - 0.5 * d)


@vx.struct
class GP:
    kernel: RBF
    log_noise: F32[()]

    def gram(self, x: F32[N, Dims]) -> F32[N, N]:
        return self.kernel(x, x) + vx.exp(self.log_noise) * vx.eye(x.shape[0])


def posterior(
    gp: GP, x: F32[Train, Dims], y: F32[Train], at: F32[Test, Dims]
) -> tuple[F32[Test], F32[Test, Test]]:
    factor = vx.linalg.cholesky(gp.gram(x))
    cross = gp.kernel(x, at)
    white = vx.linalg.solve_triangular(factor, cross, lower=True)
    mean = white.T @ vx.linalg.solve_triangular(factor, y, lower=True)
    return mean, gp.kernel(at, at) - white.T @ white


def log_likelihood(gp: GP, x: F32[Train, Dims], y: F32[Train]) -> F32[()]:
    factor = vx.linalg.cholesky(gp.gram(x))
    white = vx.linalg.solve_triangular(factor, y, lower=True)
    log_det = vx.log(vx.diagonal(factor)).sum()
    return -0.5 * (white @ white) - log_det - 0.5 * x.shape[0] * math.log(2.0 * math.pi)


def fit(gp: GP, x: F32[Train, Dims], y: F32[Train], rate: float = 0.01) -> GP:
    g = vx.grad(lambda p: -log_likelihood(p, x, y))(gp)
    scale = gp.kernel.log_scale - rate * g.kernel.log_scale
    amplitude = gp.kernel.log_amplitude - rate * g.kernel.log_amplitude
    return GP(RBF(scale, amplitude), gp.log_noise - rate * g.log_noise)


def example() -> vx.AnyArray:
    gp = GP(
        RBF(vx.zeros((2,), vx.float32), vx.zeros((), vx.float32)), vx.full((), -1.0, vx.float32)
    )
    x, y = floats(5, 2), floats(5)
    gp = fit(gp, x, y)
    mean, cov = posterior(gp, x, y, floats(3, 2))
    return mean + vx.diagonal(cov) + log_likelihood(gp, x, y)
