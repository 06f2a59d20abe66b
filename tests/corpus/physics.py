"""Programs from physics: equations of motion, fields and rays."""

from __future__ import annotations

from typing import Any

import numpy as np

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(1)


def n_body(positions: Any, velocities: Any, masses: Any) -> Any:
    """Ten leapfrog steps under softened gravity; also the energy at the end."""

    def forces(x: Any) -> Any:
        d = x[None, :, :] - x[:, None, :]
        r2 = vx.sum(d * d, axis=-1) + 0.1
        return vx.sum(masses[None, :, None] * d * (r2**-1.5)[..., None], axis=1)

    def step(state: Any, _: None) -> Any:
        x, v = state
        v = v + 0.005 * forces(x)
        x = x + 0.01 * v
        return (x, v + 0.005 * forces(x)), vx.sum(masses[:, None] * v * v)

    (x, v), energies = vx.scan(step, (positions, velocities), None, length=10)
    return {"x": x, "v": v, "energies": energies}


def pendulum(state: Any, rate: Any) -> Any:
    """A damped pendulum by the adaptive Heun-Euler pair: a loop that decides by the error."""

    def derivative(y: Any) -> Any:
        return vx.stack([y[1], -vx.sin(y[0]) - rate * y[1]])

    def body(s: Any) -> Any:
        t, h, y = s
        h = vx.minimum(h, 1.0 - t)
        k1 = derivative(y)
        k2 = derivative(y + h * k1)
        error = vx.max(vx.abs(h * (k2 - k1) / 2)) + 1e-12
        accept = error < 1e-3
        grow = vx.clip(0.9 * vx.sqrt(1e-3 / error), 0.3, 2.0)
        y = vx.where(accept, y + h * (k1 + k2) / 2, y)
        return vx.where(accept, t + h, t), h * grow, y

    zero = vx.zeros((), dtype=vx.float64)
    return vx.while_loop(lambda s: s[0] < 1.0, body, (zero, zero + 0.1, state), max_steps=64)[2]


CASES = (
    Case(
        "n-body",
        n_body,
        (RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3)), RNG.uniform(1, 2, 4)),
        vary=(0, 1, 2),
    ),
    Case("adaptive ODE solver", pendulum, (np.array([1.0, 0.0]), np.array(0.3)), vary=(0, 1)),
)
