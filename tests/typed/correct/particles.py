"""A particle filter: propagate, weigh, resample; one key per step."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats
from verax import F32, I32


class Time(vx.Dim): ...


class Particles(vx.Dim): ...


class State(vx.Dim): ...


class Obs(vx.Dim): ...


@vx.struct
class Model:
    a: F32[State, State]
    h: F32[Obs, State]


def propagate(m: Model, x: F32[Particles, State], key: vx.random.Key) -> F32[Particles, State]:
    noise: F32[Particles, State] = vx.random.normal(key, x.shape)
    return x @ m.a.T + 0.1 * noise


def weigh(m: Model, x: F32[Particles, State], y: F32[Obs]) -> F32[Particles]:
    error = y - x @ m.h.T
    return -0.5 * (error * error).sum(axis=1)


def resample(
    x: F32[Particles, State], log_weights: F32[Particles], key: vx.random.Key
) -> F32[Particles, State]:
    n = x.shape[0]
    offset: F32[()] = vx.random.uniform(key)
    at = (vx.arange(n, dtype=vx.float32) + offset) / n
    edges = vx.cumulative_sum(vx.softmax(log_weights))
    chosen: I32[Particles] = vx.searchsorted(edges, at)
    return x[vx.clip(chosen, 0, n - 1)]


def filtered(
    m: Model, x: F32[Particles, State], ys: F32[Time, Obs], key: vx.random.Key
) -> tuple[F32[Time, State], F32[()]]:
    def step(
        x: F32[Particles, State], row: tuple[F32[Obs], vx.random.Key]
    ) -> tuple[F32[Particles, State], tuple[F32[State], F32[()]]]:
        y, key = row
        move, choose = vx.random.split(key)
        x = propagate(m, x, move)
        weights = weigh(m, x, y)
        mean = vx.softmax(weights) @ x
        return resample(x, weights, choose), (mean, vx.logmeanexp(weights))

    _, (means, logs) = vx.scan(step, x, (ys, vx.random.split(key, ys.shape[0])))
    return means, logs.sum()


def effective(log_weights: F32[Particles]) -> F32[()]:
    w = vx.softmax(log_weights)
    return 1.0 / (w * w).sum()


def example() -> vx.AnyArray:
    m = Model(0.9 * vx.eye(2), floats(1, 2))
    means, log_prob = filtered(m, floats(8, 2), floats(4, 1), vx.random.key(0))
    return means + log_prob + effective(floats(8))
