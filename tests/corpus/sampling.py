"""Programs that sample: their noise is an argument or comes of a key, so that it stays the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(7)


def variational_bound(mean: Any, log_scale: Any, y: Any, noise: Any) -> Any:
    """The evidence lower bound of a funnel, by draws that are functions of fixed noise."""

    def log_joint(z: Any) -> Any:
        scale = vx.exp(0.5 * z[0])
        prior = -0.5 * z[0] ** 2 - 0.5 * vx.sum((z[1:] / scale) ** 2) - 0.5 * z[1:].size * z[0]
        return prior - 0.5 * vx.sum((y - z[1:]) ** 2)

    draws = mean + vx.exp(log_scale) * noise
    return vx.mean(vx.vmap(log_joint)(draws)) + vx.sum(log_scale)


def variational_reference(mean: Any, log_scale: Any, y: Any, noise: Any) -> Any:
    total = 0.0
    for e in noise:
        z = mean + np.exp(log_scale) * e
        total += norm.logpdf(z[0]) + norm.logpdf(z[1:], 0, np.exp(z[0] / 2)).sum()
        total += norm.logpdf(y, z[1:]).sum()
    constant = 0.5 * np.log(2 * np.pi) * (len(mean) + len(y))
    return total / len(noise) + constant + log_scale.sum()


def hamiltonian_step(x: Any, precision: Any, momentum: Any, threshold: Any) -> Any:
    """A step of Hamiltonian Monte Carlo in a double well, with fixed noise."""

    def energy(x: Any) -> Any:
        return 0.5 * vx.vdot(x, precision @ x) + 0.1 * vx.sum(x**4)

    def leap(state: Any, _: None) -> Any:
        x, p = state
        p = p - 0.1 * vx.grad(energy)(x)
        x = x + 0.2 * p
        return (x, p - 0.1 * vx.grad(energy)(x)), None

    (new, p), _ = vx.scan(leap, (x, momentum), None, length=5)
    gain = energy(x) - energy(new) + 0.5 * (vx.vdot(momentum, momentum) - vx.vdot(p, p))
    return vx.where(vx.log(threshold) < gain, new, x), gain


def hamiltonian_reference(x: Any, precision: Any, momentum: Any, threshold: Any) -> Any:
    both, new, p = (precision + precision.T) / 2, x, momentum

    def total(x: Any, p: Any) -> Any:
        return x @ both @ x / 2 + 0.1 * np.sum(x**4) + p @ p / 2

    for _ in range(5):
        p = p - 0.1 * (both @ new + 0.4 * new**3)
        new = new + 0.2 * p
        p = p - 0.1 * (both @ new + 0.4 * new**3)
    gain = total(x, momentum) - total(new, p)
    return new if np.log(threshold) < gain else x, gain


def bootstrap(x: Any, y: Any) -> Any:
    """The spread of a correlation over samples drawn again, with a key made inside."""
    keys = vx.random.split(vx.random.key(7), 5)

    def correlation(key: Any) -> Any:
        picks = vx.random.randint(key, (x.size,), 0, x.size)
        return vx.corrcoef(x[picks], y[picks])[0, 1]

    draws = vx.vmap(correlation)(keys)
    return draws, vx.std(draws, correction=1), vx.quantile(draws, 0.3)


def annealing(x: Any, temperature: Any, proposals: Any, thresholds: Any) -> Any:
    """Simulated annealing with fixed noise, and the best that it saw."""

    def energy(x: Any) -> Any:
        return vx.sum(x * x) + 2.0 * vx.sum(vx.sin(3.0 * x))

    def step(state: Any, noise: Any) -> Any:
        x, e, heat, best = state
        move, threshold = noise
        new = x + heat * move
        after = energy(new)
        accept = (after < e) | (threshold < vx.exp((e - after) / heat))
        x, e = vx.cond(accept, lambda: (new, after), lambda: (x, e))
        return (x, e, 0.8 * heat, vx.minimum(best, e)), accept

    first = energy(x)
    (x, _, _, best), accepted = vx.scan(
        step, (x, first, temperature, first), (proposals, thresholds)
    )
    return x, best, vx.count_nonzero(accepted)


def annealing_reference(x: Any, temperature: Any, proposals: Any, thresholds: Any) -> Any:
    def energy(x: Any) -> Any:
        return x @ x + 2 * np.sin(3 * x).sum()

    e, best, count = energy(x), energy(x), 0
    for move, threshold in zip(proposals, thresholds):
        new = x + temperature * move
        if energy(new) < e or threshold < np.exp((e - energy(new)) / temperature):
            x, e, count = new, energy(new), count + 1
        best, temperature = min(best, e), 0.8 * temperature
    return x, best, count


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


CASES = (
    Case(
        "variational bound",
        variational_bound,
        (_normal(3), _normal(3, scale=0.3), _normal(2), _normal(4, 3)),
        (0, 1, 2),
        variational_reference,
    ),
    Case(
        "Hamiltonian Monte Carlo",
        hamiltonian_step,
        (_normal(2), np.array([[1.0, 0.3], [0.2, 0.8]]), _normal(2), np.array(0.5)),
        (0, 1, 2),
        hamiltonian_reference,
    ),
    Case("bootstrap", bootstrap, (_normal(6), _normal(6)), (0, 1)),
    Case(
        "simulated annealing",
        annealing,
        (_normal(3), np.array(0.9), _normal(6, 3), RNG.uniform(size=6)),
        (0, 1, 2),
        annealing_reference,
    ),
)
