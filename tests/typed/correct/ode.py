"""Ordinary differential equations: Runge-Kutta by fori_loop and scan, adaptive by while_loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import verax as vx
from tests.typed.data import floats
from verax import F32, I32


class State(vx.Dim): ...


class Times(vx.Dim): ...


def rk4(f: Callable[[F32[State]], F32[State]], y: F32[State], dt: float | F32[()]) -> F32[State]:
    k1 = f(y)
    k2 = f(y + 0.5 * dt * k1)
    k3 = f(y + 0.5 * dt * k2)
    k4 = f(y + dt * k3)
    return y + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def end(a: F32[State, State], y: F32[State], steps: int) -> F32[State]:
    return vx.fori_loop(0, steps, lambda i, s: rk4(lambda v: a @ v, s, 0.1), y)


def path(a: F32[State, State], y: F32[State], ts: F32[Times]) -> F32[Times, State]:
    def step(s: F32[State], dt: F32[()]) -> tuple[F32[State], F32[State]]:
        new = rk4(lambda v: vx.tanh(a @ v), s, dt)
        return new, new

    _, states = vx.scan(step, y, ts)
    return states


class Progress(NamedTuple):
    t: F32[()]
    dt: F32[()]
    y: F32[State]
    steps: I32[()]


def adaptive(a: F32[State, State], y: F32[State], tolerance: float = 1e-3) -> F32[State]:
    def slope(v: F32[State]) -> F32[State]:
        return -(a @ v)

    def advance(p: Progress) -> Progress:
        dt = vx.minimum(p.dt, 1.0 - p.t)
        low = p.y + dt * slope(p.y)
        high = p.y + 0.5 * dt * (slope(p.y) + slope(low))
        error = vx.abs(high - low).max()
        good = error < tolerance
        factor = vx.clip(0.9 * vx.sqrt(tolerance / (error + 1e-12)), 0.2, 5.0)
        new = vx.where(good, high, p.y)
        return Progress(vx.where(good, p.t + dt, p.t), dt * factor, new, p.steps + 1)

    def running(p: Progress) -> vx.Bool[()]:
        return vx.logical_and(p.t < 1.0, p.steps < 100)

    start = Progress(
        vx.zeros((), vx.float32), vx.full((), 0.1, vx.float32), y, vx.zeros((), vx.int32)
    )
    return vx.while_loop(running, advance, start).y


def example() -> vx.AnyArray:
    a = 0.3 * floats(3, 3)
    y = floats(3)
    states = path(a, y, vx.full((4,), 0.1, vx.float32))
    return end(a, y, 5) + states[-1] + adaptive(a, y)
