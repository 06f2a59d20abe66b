"""Conjugate gradients by while_loop, and linear solves with a derivative of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import verax as vx
from tests.typed.data import floats
from verax import F32, I32, Bool

N = TypeVar("N", bound=vx.AnyDim)


class State(NamedTuple):
    x: F32
    r: F32
    p: F32
    rr: F32[()]
    steps: I32[()]


def dot(a: F32[N], b: F32[N]) -> F32[()]:
    return a @ b


def solve(
    matvec: Callable[[F32[N]], F32[N]], b: F32[N], tolerance: float = 1e-6, most: int = 20
) -> F32[N]:
    def step(s: State) -> State:
        ap = matvec(s.p)
        alpha = s.rr / (dot(s.p, ap) + 1e-20)
        x = s.x + alpha * s.p
        r = s.r - alpha * ap
        rr = dot(r, r)
        return State(x, r, r + rr / (s.rr + 1e-20) * s.p, rr, s.steps + 1)

    def running(s: State) -> Bool[()]:
        return (s.rr > tolerance) & (s.steps < most)

    start = State(vx.zeros_like(b), b, b, dot(b, b), vx.zeros((), vx.int32))
    found: F32[N] = vx.while_loop(running, step, start).x
    return found


def ridge(x: F32[N, N], b: F32[N], rate: float = 1.0) -> F32[N]:
    return solve(lambda v: x.T @ (x @ v) + rate * v, b)


def residual_norm(x: F32[N, N], b: F32[N]) -> F32[()]:
    w = ridge(x, b)
    r = x.T @ (x @ w) + w - b
    return vx.sqrt(dot(r, r))


def jacobi(a: F32[N, N], b: F32[N], sweeps: int) -> F32[N]:
    d = vx.diagonal(a)
    off = a - vx.diag(d)
    return vx.fori_loop(0, sweeps, lambda _, x: (b - off @ x) / d, vx.zeros_like(b))


def power_iteration(a: F32[N, N], start: F32[N]) -> tuple[F32[()], F32[N]]:
    def step(v: F32[N], _: None) -> tuple[F32[N], F32[()]]:
        w = a @ v
        return w / vx.norm(w), dot(v, w)

    v, values = vx.scan(step, start / vx.norm(start), None, length=5)
    return values[-1], v


def example() -> vx.AnyArray:
    x, b = floats(4, 4), floats(4)
    a = x @ x.T + 10.0 * vx.eye(4)
    top, v = power_iteration(a, b)
    return ridge(x, b) + residual_norm(x, b) + jacobi(a, b, 4) + top * v
