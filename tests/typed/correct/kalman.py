"""A Kalman filter and its likelihood by a scan."""

from __future__ import annotations

import math
from typing import NamedTuple

import verax as vx
from tests.typed.data import floats
from verax import F32


class Time(vx.Dim): ...


class State(vx.Dim): ...


class Obs(vx.Dim): ...


class Belief(NamedTuple):
    mean: F32[State]
    cov: F32[State, State]


@vx.struct
class Model:
    a: F32[State, State]
    h: F32[Obs, State]
    q: F32[State, State]
    r: F32[Obs, Obs]


def predict(m: Model, b: Belief) -> Belief:
    return Belief(m.a @ b.mean, m.a @ b.cov @ m.a.T + m.q)


def update(m: Model, b: Belief, y: F32[Obs]) -> tuple[Belief, F32[()]]:
    innovation = y - m.h @ b.mean
    s = m.h @ b.cov @ m.h.T + m.r
    gain: F32[State, Obs] = vx.linalg.solve(s, m.h @ b.cov).T
    mean = b.mean + gain @ innovation
    cov = (vx.eye(b.cov.shape[0]) - gain @ m.h) @ b.cov
    _, log_det = vx.linalg.slogdet(s)
    distance = innovation @ vx.linalg.solve(s, innovation)
    log_prob = -0.5 * (distance + log_det + y.shape[0] * math.log(2.0 * math.pi))
    return Belief(mean, cov), log_prob


def filtered(m: Model, start: Belief, ys: F32[Time, Obs]) -> tuple[F32[Time, State], F32[()]]:
    def step(b: Belief, y: F32[Obs]) -> tuple[Belief, tuple[F32[State], F32[()]]]:
        b, log_prob = update(m, predict(m, b), y)
        return b, (b.mean, log_prob)

    _, (means, logs) = vx.scan(step, start, ys)
    return means, logs.sum()


def negative_log_likelihood(m: Model, start: Belief, ys: F32[Time, Obs]) -> F32[()]:
    return -filtered(m, start, ys)[1]


def example() -> vx.AnyArray:
    m = Model(0.9 * vx.eye(3), floats(2, 3), 0.1 * vx.eye(3, dtype=vx.float32), 0.5 * vx.eye(2))
    ys = floats(6, 2)
    start = Belief(floats(3), m.q)
    means, _ = filtered(m, start, ys)
    g = vx.grad(negative_log_likelihood)(m, start, ys)
    return means.sum() + g.a.sum()
