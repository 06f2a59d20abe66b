"""Markov chain Monte Carlo: Metropolis, Langevin and Hamiltonian steps with split keys."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import verax as vx
from tests.typed.data import floats
from verax import F32


class Dims(vx.Dim): ...


class Chains(vx.Dim): ...


def log_prob(x: F32[Dims]) -> F32[()]:
    return -0.5 * (x * x).sum() - 0.1 * (x**4).sum()


def metropolis(x: F32[Dims], key: vx.random.Key, size: float = 0.5) -> F32[Dims]:
    propose, accept = vx.random.split(key)
    noise: F32[Dims] = vx.random.normal(propose, x.shape)
    new = x + size * noise
    ratio = vx.exp(log_prob(new) - log_prob(x))
    coin: F32[()] = vx.random.uniform(accept)
    return vx.where(coin < ratio, new, x)


def langevin(x: F32[Dims], key: vx.random.Key, size: float = 0.1) -> F32[Dims]:
    noise: F32[Dims] = vx.random.normal(key, x.shape)
    return x + size * vx.grad(log_prob)(x) + math.sqrt(2.0 * size) * noise


class Phase(NamedTuple):
    x: F32[Dims]
    p: F32[Dims]


def leapfrog(state: Phase, size: float, steps: int) -> Phase:
    def step(_: vx.AnyArray, s: Phase) -> Phase:
        p = s.p + 0.5 * size * vx.grad(log_prob)(s.x)
        x = s.x + size * p
        return Phase(x, p + 0.5 * size * vx.grad(log_prob)(x))

    return vx.fori_loop(0, steps, step, state)


def energy(s: Phase) -> F32[()]:
    return -log_prob(s.x) + 0.5 * (s.p @ s.p)


def hamiltonian(x: F32[Dims], key: vx.random.Key) -> F32[Dims]:
    momentum, accept = vx.random.split(key)
    before = Phase(x, vx.random.normal(momentum, x.shape))
    after = leapfrog(before, 0.1, 3)
    coin: F32[()] = vx.random.uniform(accept)
    return vx.where(vx.log(coin) < energy(before) - energy(after), after.x, x)


def chain(x: F32[Dims], key: vx.random.Key) -> F32[Literal[4], Dims]:
    def step(x: F32[Dims], key: vx.random.Key) -> tuple[F32[Dims], F32[Dims]]:
        x = metropolis(x, key)
        return x, x

    _, xs = vx.scan(step, x, vx.random.split(key, 4))
    return xs


def chains(x: F32[Chains, Dims], key: vx.random.Key) -> F32[Chains, Dims]:
    return vx.vmap(hamiltonian)(x, vx.random.split(key, x.shape[0]))


def example() -> vx.AnyArray:
    a, b, c = vx.random.split(vx.random.key(0), 3)
    xs = chain(floats(3), a)
    many = chains(floats(2, 3), b)
    return xs.mean(axis=0) + many.mean(axis=0) + langevin(floats(3), c)
