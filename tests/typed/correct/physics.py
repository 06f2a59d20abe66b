"""Simulations: heat and waves on grids, bodies under gravity, lattices, springs."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import verax as vx
from tests.typed.data import floats, positive
from verax import F32, Add

Two: TypeAlias = Literal[2]
Three: TypeAlias = Literal[3]


class X(vx.Dim): ...


class Y(vx.Dim): ...


class Bodies(vx.Dim): ...


class Steps(vx.Dim): ...


def laplacian(u: F32[Add[X, Two]]) -> F32[X]:
    return u[2:] - 2.0 * u[1:-1] + u[:-2]


def heat(u: F32[X], rate: float, steps: int) -> F32[X]:
    def step(_: vx.AnyArray, u: F32[X]) -> F32[X]:
        around: F32[Add[X, Two]] = vx.pad(u, 1)
        return u + rate * laplacian(around)

    return vx.fori_loop(0, steps, step, u)


def laplacian2(u: F32[X, Y]) -> F32[X, Y]:
    p = vx.pad(u, ((1, 1), (1, 1)))
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4.0 * u


class Wave(NamedTuple):
    now: F32[X, Y]
    before: F32[X, Y]


def waves(start: F32[X, Y], steps: int) -> F32[X, Y]:
    def step(w: Wave, _: None) -> tuple[Wave, F32[()]]:
        new = 2.0 * w.now - w.before + 0.1 * laplacian2(w.now)
        return Wave(new, w.now), (new * new).sum()

    last, _ = vx.scan(step, Wave(start, start), None, length=steps)
    return last.now


class System(NamedTuple):
    x: F32[Bodies, Three]
    v: F32[Bodies, Three]


def potential(x: F32[Bodies, Three], mass: F32[Bodies]) -> F32[()]:
    d = x[:, None] - x[None]
    r = vx.sqrt((d * d).sum(axis=-1) + 0.01)
    return -0.5 * ((mass[:, None] * mass) / r).sum()


def forces(x: F32[Bodies, Three], mass: F32[Bodies]) -> F32[Bodies, Three]:
    return -vx.grad(potential)(x, mass)


def energy(s: System, mass: F32[Bodies]) -> F32[()]:
    kinetic = 0.5 * (mass * (s.v**2).sum(axis=1)).sum()
    return kinetic + potential(s.x, mass)


def verlet(s: System, mass: F32[Bodies], dt: float) -> System:
    v = s.v + 0.5 * dt * forces(s.x, mass) / mass[:, None]
    x = s.x + dt * v
    return System(x, v + 0.5 * dt * forces(x, mass) / mass[:, None])


def angular(s: System, mass: F32[Bodies]) -> F32[Three]:
    return vx.cross(s.x, mass[:, None] * s.v).sum(axis=0)


def magnetization(spins: F32[X, Y]) -> F32[()]:
    near = vx.roll(spins, 1, axis=0) + vx.roll(spins, 1, axis=1)
    return -(spins * near).mean()


def example() -> vx.AnyArray:
    mass = positive(4)
    s = verlet(System(floats(4, 3), floats(4, 3, seed=1)), mass, 0.01)
    field = waves(floats(3, 5), 3)
    total = heat(floats(6), 0.1, 3).sum() + field.sum() + magnetization(vx.sign(field))
    return total + energy(s, mass) + angular(s, mass)
