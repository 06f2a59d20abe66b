"""Programs from physics: waves, fields on grids, lattices of spins and rays."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import scipy.linalg

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(6)


def damped_wave(u: Any, v: Any, damping: Any) -> Any:
    """A string with fixed ends that loses energy; the heights over time."""

    def step(state: Any, _: None) -> Any:
        u, v = state
        walls = vx.pad(u, (1, 1))
        bend = walls[2:] - 2.0 * u + walls[:-2]
        v = (v + 0.1 * bend) * (1.0 - 0.1 * damping)
        u = u + 0.1 * v
        return (u, v), u

    return vx.scan(step, (u, v), None, length=10)[1]


def damped_wave_reference(u: Any, v: Any, damping: Any) -> Any:
    """By the powers of the matrix of one step."""
    n, one = len(u), np.eye(len(u))
    bend = scipy.linalg.toeplitz(np.r_[-2, 1, np.zeros(n - 2)])
    keep = 1 - 0.1 * damping
    speed = np.c_[0.1 * keep * bend, keep * one]
    matrix = np.r_[np.c_[one, 0 * one] + 0.1 * speed, speed]
    powers = [np.linalg.matrix_power(matrix, k + 1) for k in range(10)]
    return np.stack([(p @ np.r_[u, v])[:n] for p in powers])


def heat(u: Any, conductivity: Any) -> Any:
    """Implicit Euler steps of heat in a rod of varying material: a tridiagonal system each."""
    flux = vx.exp(conductivity)
    diagonal = 1.0 + flux[:-1] + flux[1:]
    lower, upper = -flux[:-1].at[0].set(0.0), -flux[1:].at[-1].set(0.0)

    def step(u: Any, _: None) -> Any:
        u = vx.linalg.tridiagonal_solve(lower, diagonal, upper, u[:, None])[:, 0]
        return u, vx.sum(u)

    return vx.scan(step, u, None, length=5)


def heat_reference(u: Any, conductivity: Any) -> Any:
    flux, totals = np.exp(conductivity), []
    middle = -flux[1:-1]
    matrix = np.diag(1 + flux[:-1] + flux[1:]) + np.diag(middle, 1) + np.diag(middle, -1)
    for _ in range(5):
        u = np.linalg.solve(matrix, u)
        totals.append(u.sum())
    return u, np.array(totals)


def schroedinger(real: Any, imaginary: Any, potential: Any) -> Any:
    """A wave packet by split steps: half in space, one in momentum, half in space."""
    k = 2.0 * np.pi * vx.fft.fftfreq(potential.shape[0], dtype=vx.float64)
    half = vx.exp(vx.make_complex(vx.zeros_like(potential), -0.05 * potential))
    whole = vx.exp(vx.make_complex(vx.zeros_like(k), -0.05 * k * k))

    def step(psi: Any, _: None) -> Any:
        psi = half * vx.fft.ifft(whole * vx.fft.fft(half * psi))
        return psi, vx.real(psi * vx.conj(psi))

    return vx.scan(step, vx.make_complex(real, imaginary), None, length=6)[1]


def schroedinger_reference(real: Any, imaginary: Any, potential: Any) -> Any:
    """By the matrix exponential of the kinetic energy."""
    n, psi, out = len(real), real + 1j * imaginary, []
    waves = np.exp(2j * np.pi * np.outer(range(n), range(n)) / n) / np.sqrt(n)
    kinetic = waves @ np.diag((2 * np.pi * np.fft.fftfreq(n)) ** 2) @ waves.conj().T
    turn = scipy.linalg.expm(-0.05j * kinetic)
    for _ in range(6):
        psi = np.exp(-0.05j * potential) * (turn @ (np.exp(-0.05j * potential) * psi))
        out.append(abs(psi) ** 2)
    return np.stack(out)


def poisson(charge: Any, edge: Any) -> Any:
    """The potential of charges in a box, by Jacobi iterations until they stand still."""

    def relaxed(u: Any) -> Any:
        u = vx.pad(u, 1, constant_values=0.0)
        around = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]
        return (around.at[0].add(edge) + charge) / 4.0

    def body(state: Any) -> Any:
        u, _ = state
        new = relaxed(u)
        return new, vx.max(vx.abs(new - u))

    start = (vx.zeros_like(charge), vx.ones((), dtype=charge.dtype))
    return vx.while_loop(lambda s: s[1] > 1e-14, body, start, max_steps=150)[0]


def poisson_reference(charge: Any, edge: Any) -> Any:
    rows, columns = charge.shape
    bend = [scipy.linalg.toeplitz(np.r_[2, -1, np.zeros(n - 2)]) for n in (rows, columns)]
    matrix = np.kron(bend[0], np.eye(columns)) + np.kron(np.eye(rows), bend[1])
    source = charge + np.outer(np.eye(rows)[0], edge)
    return np.linalg.solve(matrix, source.ravel()).reshape(charge.shape)


def shallow_water(height: Any, flow: Any) -> Any:
    """A periodic channel by the Lax-Friedrichs scheme."""

    def flux(q: Any) -> Any:
        h, hu = q
        return vx.stack([hu, hu * hu / h + 0.5 * 9.81 * h * h])

    def step(q: Any, _: None) -> Any:
        right, left = vx.roll(q, -1, axis=1), vx.roll(q, 1, axis=1)
        return 0.5 * (left + right) - 0.05 * (flux(right) - flux(left)), None

    return vx.scan(step, vx.stack([height, flow]), None, length=6)[0]


def shallow_water_reference(height: Any, flow: Any) -> Any:
    h, m, n = height, flow, len(height)
    for _ in range(6):
        f = m * m / h + 9.81 * h * h / 2
        pairs = [((i - 1) % n, (i + 1) % n) for i in range(n)]
        h, m = (
            np.array([(h[a] + h[b]) / 2 - 0.05 * (m[b] - m[a]) for a, b in pairs]),
            np.array([(m[a] + m[b]) / 2 - 0.05 * (f[b] - f[a]) for a, b in pairs]),
        )
    return np.stack([h, m])


def ising_ring(couplings: Any, fields: Any) -> Any:
    """A ring of spins by its transfer matrices; the magnetisations are a gradient."""
    spins = vx.asarray([1.0, -1.0], dtype=vx.float64)

    def log_partition(fields: Any) -> Any:
        weights = vx.exp(
            couplings[:, None, None] * spins[:, None] * spins + fields[:, None, None] * spins
        )
        return vx.log(
            vx.trace(vx.scan(lambda a, t: (a @ t, None), vx.eye(2, dtype=vx.float64), weights)[0])
        )

    return vx.value_and_grad(log_partition)(fields)


def ising_ring_reference(couplings: Any, fields: Any) -> Any:
    """By all configurations; the field of a bond acts on the spin at its end."""
    states = np.array(list(product([1.0, -1.0], repeat=len(fields))))
    energies = states * fields + couplings * states * np.roll(states, 1, axis=1)
    weights = np.exp(energies.sum(axis=1))
    return np.log(weights.sum()), weights @ states / weights.sum()


def mean_field(beta: Any, couplings: Any, fields: Any) -> Any:
    """The magnetisations of a spin glass that agree with the fields which they make."""

    def gap(m: Any) -> Any:
        return m - vx.tanh(beta * (couplings @ m + fields))

    def iterate(f: Any, m: Any) -> Any:
        return vx.while_loop(lambda m: vx.max(vx.abs(f(m))) > 1e-13, lambda m: m - f(m), m)

    def invert(g: Any, y: Any) -> Any:
        return vx.linalg.solve(vx.jacfwd(g)(vx.zeros_like(y)), y)

    return vx.custom_root(gap, vx.zeros_like(fields), iterate, invert)


def mean_field_reference(beta: Any, couplings: Any, fields: Any) -> Any:
    m = np.zeros_like(fields)
    for _ in range(200):
        m = m + 0.5 * (np.tanh(beta * (couplings @ m + fields)) - m)
    return m


def ray_marcher(pixels: Any, centre: Any, light: Any) -> Any:
    """Rays that step as far as the nearest surface; a ball on a floor, lit by its normals."""

    def distance(x: Any) -> Any:
        return vx.minimum(vx.norm(x - centre) - 1.0, x[1] + 1.0)

    def shade(pixel: Any) -> Any:
        towards = vx.concat([pixel, vx.ones((1,), dtype=pixel.dtype)])
        towards = towards / vx.norm(towards)

        def going(t: Any) -> Any:
            return vx.abs(distance(t * towards)) > 1e-13

        zero = vx.zeros((), dtype=pixel.dtype)
        t = vx.while_loop(going, lambda t: t + distance(t * towards), zero, max_steps=128)
        normal = vx.grad(distance)(t * towards)
        return vx.maximum(vx.vdot(normal, light) / vx.norm(light), 0.1) * vx.exp(-0.1 * t)

    return vx.vmap(shade)(pixels)


def ray_marcher_reference(pixels: Any, centre: Any, light: Any) -> Any:
    """By the intersections in closed form."""
    light, out = light / np.linalg.norm(light), []
    for pixel in pixels:
        d = np.r_[pixel, 1] / np.linalg.norm(np.r_[pixel, 1])
        b, floor = d @ centre, -1 / d[1] if d[1] < 0 else np.inf
        inside = b * b - centre @ centre + 1
        ball = b - np.sqrt(inside) if inside > 0 else np.inf
        t = min(ball, floor)
        normal = t * d - centre if ball < floor else np.array([0, 1, 0])
        out.append(max(normal @ light, 0.1) * np.exp(-0.1 * t))
    return np.array(out)


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


COUPLINGS = _normal(4, 4, scale=0.2)
CASES = (
    Case(
        "damped wave",
        damped_wave,
        (_normal(6), _normal(6), np.array(0.4)),
        (0, 1, 2),
        damped_wave_reference,
    ),
    Case("implicit heat", heat, (_normal(5), _normal(6)), (0, 1), heat_reference),
    Case(
        "Schroedinger equation",
        schroedinger,
        (_normal(8), _normal(8), _normal(8)),
        (0, 1, 2),
        schroedinger_reference,
    ),
    Case("Poisson equation", poisson, (_normal(4, 3), _normal(3)), (0, 1), poisson_reference),
    Case(
        "shallow water",
        shallow_water,
        (RNG.uniform(1, 2, 6), _normal(6)),
        (0, 1),
        shallow_water_reference,
    ),
    Case("Ising ring", ising_ring, (_normal(5), _normal(5)), (0, 1), ising_ring_reference),
    Case(
        "mean field",
        mean_field,
        (np.array(0.7), COUPLINGS + COUPLINGS.T, _normal(4)),
        (0, 1, 2),
        mean_field_reference,
    ),
    Case(
        "ray marcher",
        ray_marcher,
        (
            np.array([[0.1, 0.1], [0.4, -0.6], [-0.15, 0.05]]),
            np.array([0.1, 0.2, 4.0]),
            np.array([-1.0, 2.0, -1.5]),
        ),
        (0, 1, 2),
        ray_marcher_reference,
    ),
)
