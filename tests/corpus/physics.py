"""Programs from physics: bodies and particles that move."""

from __future__ import annotations

from itertools import product
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


def double_pendulum(angles: Any, velocities: Any, lengths: Any) -> Any:
    """The motion that follows from a Lagrangian alone, by one Runge-Kutta step."""

    def lagrangian(q: Any, v: Any) -> Any:
        heights = vx.cumulative_sum(-lengths * vx.cos(q))
        across = vx.cumulative_sum(lengths * vx.cos(q) * v)
        upward = vx.cumulative_sum(lengths * vx.sin(q) * v)
        return 0.5 * vx.sum(across**2 + upward**2) - 9.81 * vx.sum(heights)

    def derivative(q: Any, v: Any) -> Any:
        force = vx.grad(lagrangian)(q, v)
        momentum = vx.grad(lagrangian, argnums=1)
        mass = vx.jacfwd(lambda v: momentum(q, v))(v)
        carried = vx.jvp(lambda q: momentum(q, v), (q,), (v,))[1]
        return v, vx.linalg.solve(mass, force - carried)

    def moved(h: float, a: Any, b: Any) -> Any:
        return angles + h * a, velocities + h * b

    h = 0.05
    k1 = derivative(angles, velocities)
    k2 = derivative(*moved(h / 2, *k1))
    k3 = derivative(*moved(h / 2, *k2))
    k4 = derivative(*moved(h, *k3))
    mean = vx.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
    return moved(h, *mean)


def double_pendulum_reference(angles: Any, velocities: Any, lengths: Any) -> Any:
    """By the equations of motion of the textbook, for equal masses."""
    (l1, l2), g = lengths, 9.81

    def derivative(y: Any) -> Any:
        p, q, v, w = y
        c, s = np.cos(p - q), np.sin(p - q)
        low = 2 - c * c
        dv = (-g * (2 * np.sin(p) - c * np.sin(q)) - s * (l2 * w * w + l1 * v * v * c)) / l1 / low
        dw = (
            (2 * g * (np.sin(p) * c - np.sin(q)) + s * (2 * l1 * v * v + l2 * w * w * c)) / l2 / low
        )
        return np.array([v, w, dv, dw])

    y, h = np.r_[angles, velocities], 0.05
    k1 = derivative(y)
    k2 = derivative(y + h / 2 * k1)
    k3 = derivative(y + h / 2 * k2)
    k4 = derivative(y + h * k3)
    y = y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return y[:2], y[2:]


def lorenz(state: Any, constants: Any) -> Any:
    """A path of the Lorenz system, and how fast its neighbours leave it."""

    def flow(y: Any) -> Any:
        s, r, b = constants
        d = vx.stack([s * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - b * y[2]])
        return y + 0.01 * d

    def step(carry: Any, _: None) -> Any:
        y, near = carry
        y, near = vx.jvp(flow, (y,), (near,))
        size = vx.norm(near)
        return (y, near / size), (y, vx.log(size))

    _, (path, rates) = vx.scan(step, (state, vx.ones_like(state)), None, length=8)
    return path, vx.mean(rates)


def lorenz_reference(state: Any, constants: Any) -> Any:
    (s, r, b), y, near, path = constants, state, np.ones(3), []
    for _ in range(8):
        x, _, z = y
        turned = np.array([[-s, s, 0], [r - z, -1, -x], [y[1], x, -b]]) @ near
        d = np.array([s * (y[1] - x), x * (r - z) - y[1], x * y[1] - b * z])
        y, near = y + 0.01 * d, near + 0.01 * turned
        path.append(y)
    return np.stack(path), np.log(np.linalg.norm(near)) / 8


def kepler_orbit(position: Any, velocity: Any) -> Any:
    """Symplectic steps around the sun; what is conserved at each of them."""

    def potential(x: Any) -> Any:
        return -1.0 / vx.norm(x)

    def step(state: Any, _: None) -> Any:
        x, v = state
        x = x + 0.05 * v
        v = v - 0.1 * vx.grad(potential)(x)
        x = x + 0.05 * v
        return (x, v), (0.5 * vx.vdot(v, v) + potential(x), vx.cross(x, v))

    return vx.scan(step, (position, velocity), None, length=6)


def kepler_orbit_reference(position: Any, velocity: Any) -> Any:
    x, v, energies = position, velocity, []
    for _ in range(6):
        x = x + 0.05 * v
        v = v - 0.1 * x / np.linalg.norm(x) ** 3
        x = x + 0.05 * v
        energies.append(v @ v / 2 - 1 / np.linalg.norm(x))
    momentum = np.cross(position, velocity)
    return (x, v), (np.array(energies), np.tile(momentum, (6, 1)))


def lennard_jones(x: Any, v: Any, box: Any) -> Any:
    """Velocity Verlet steps of atoms in a periodic box; forces are gradients of the energy."""
    one, other = vx.triu_indices(x.shape[0], 1)

    def energy(x: Any) -> Any:
        d = x[one] - x[other]
        d = d - box * vx.stop_gradient(vx.round(d / box))
        s = vx.sum(d * d, axis=1) ** -3
        return vx.sum(4.0 * (s * s - s))

    def step(state: Any, _: None) -> Any:
        x, v, force = state
        v = v + 0.005 * force
        x = x + 0.01 * v
        potential, slope = vx.value_and_grad(energy)(x)
        return (x, v - 0.005 * slope, -slope), potential + 0.5 * vx.sum((v - 0.005 * slope) ** 2)

    (x, v, _), energies = vx.scan(step, (x, v, -vx.grad(energy)(x)), None, length=4)
    return x, v, energies


def lennard_jones_reference(x: Any, v: Any, box: Any) -> Any:
    def forces(x: Any) -> Any:
        f, energy = np.zeros_like(x), np.zeros(())
        for i, j in product(range(len(x)), repeat=2):
            if i != j:
                d = x[i] - x[j]
                d = d - box * np.round(d / box)
                r = np.linalg.norm(d)
                energy = energy + 2 * (r**-12 - r**-6)
                f[i] += (48 * r**-13 - 24 * r**-7) * d / r
        return f, energy

    energies = []
    force, _ = forces(x)
    for _ in range(4):
        x = x + 0.01 * v + 0.00005 * force
        last, (force, potential) = force, forces(x)
        v = v + 0.005 * (last + force)
        energies.append(potential + (v**2).sum() / 2)
    return x, v, np.array(energies)


def sph(x: Any, masses: Any) -> Any:
    """Smoothed particles: the density by a cubic spline, and the pressure force from it."""

    def density(x: Any) -> Any:
        d = x[:, None] - x[None, :]
        r2 = vx.sum(d * d, axis=-1)
        apart = r2 > 0.0
        q = vx.where(apart, vx.sqrt(r2), 0.0)
        near, far = 1.0 - 1.5 * q**2 + 0.75 * q**3, 0.25 * (2.0 - q) ** 3
        return vx.where(q < 1.0, near, vx.where(q < 2.0, far, 0.0)) @ masses

    def energy(x: Any) -> Any:
        return vx.sum(masses * density(x) ** 1.4)

    return density(x), -vx.grad(energy)(x)


def sph_reference(x: Any, masses: Any) -> Any:
    """The force by hand, from the derivative of the kernel."""
    n = len(masses)
    d = x[:, None] - x[None, :]
    q = np.linalg.norm(d, axis=-1)
    w = np.select([q < 1, q < 2], [1 - 1.5 * q**2 + 0.75 * q**3, (2 - q) ** 3 / 4], 0)
    slope = np.select([q < 1, q < 2], [-3 * q + 2.25 * q**2, -0.75 * (2 - q) ** 2], 0)
    rho, force = w @ masses, np.zeros_like(x)
    for i, j in product(range(n), repeat=2):
        if i != j:
            weight = 1.4 * (rho[i] ** 0.4 + rho[j] ** 0.4) * masses[i] * masses[j]
            force[i] -= weight * slope[i, j] * d[i, j] / q[i, j]
    return rho, force


def normal_modes(x: Any, stiffness: Any) -> Any:
    """The frequencies of a molecule of springs: eigenvalues of the Hessian of its energy."""
    one, other = vx.triu_indices(x.shape[0] // 2, 1)

    def energy(moved: Any) -> Any:
        before, now = x.reshape(-1, 2), moved.reshape(-1, 2)
        rest = vx.norm(before[one] - before[other], axis=1)
        return 0.5 * vx.sum(stiffness * (vx.norm(now[one] - now[other], axis=1) - rest) ** 2)

    return vx.sqrt(vx.linalg.eigvalsh(vx.hessian(energy)(x))[3:])


def normal_modes_reference(x: Any, stiffness: Any) -> Any:
    points, matrix = x.reshape(-1, 2), np.zeros((len(x), len(x)))
    for k, (i, j) in zip(stiffness, zip(*np.triu_indices(len(points), 1))):
        d = (points[i] - points[j]) / np.linalg.norm(points[i] - points[j])
        stretch = np.zeros((len(points), 2))
        stretch[i], stretch[j] = d, -d
        matrix += k * np.outer(stretch, stretch)
    return np.sqrt(np.linalg.eigvalsh(matrix)[3:])


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


SPREAD = np.array([[0.2, 0.1], [2.0, 1.8], [4.1, 0.3]])
TRIANGLE = np.array([0.0, 0.1, 1.1, 0.0, 0.4, 0.9])
CASES = (
    Case(
        "n-body",
        n_body,
        (RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3)), RNG.uniform(1, 2, 4)),
        vary=(0, 1, 2),
    ),
    Case("adaptive ODE solver", pendulum, (np.array([1.0, 0.0]), np.array(0.3)), vary=(0, 1)),
    Case(
        "double pendulum",
        double_pendulum,
        (np.array([1.0, 2.0]), np.array([0.5, -0.3]), np.array([1.0, 0.7])),
        (0, 1, 2),
        double_pendulum_reference,
    ),
    Case(
        "Lorenz system",
        lorenz,
        (np.array([1.0, 2.0, 20.0]), np.array([10.0, 28.0, 8 / 3])),
        (0, 1),
        lorenz_reference,
    ),
    Case(
        "Kepler orbit",
        kepler_orbit,
        (np.array([1.0, 0.1, 0.2]), np.array([0.1, 0.9, 0.3])),
        (0, 1),
        kepler_orbit_reference,
    ),
    Case(
        "Lennard-Jones atoms",
        lennard_jones,
        (SPREAD, _normal(3, 2), np.array([5.0, 5.5])),
        (0, 1, 2),
        lennard_jones_reference,
    ),
    Case("SPH", sph, (_normal(5, 2), RNG.uniform(1, 2, 5)), (0, 1), sph_reference),
    Case(
        "normal modes",
        normal_modes,
        (TRIANGLE, RNG.uniform(1, 2, 3)),
        (0, 1),
        normal_modes_reference,
    ),
)
