"""Programs from numerical linear algebra: iterations, factorizations written out, spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(4)


def power_iteration(a: Any, start: Any) -> Any:
    """The largest eigenvalue of a symmetric matrix and its vector."""
    a = 0.5 * (a + a.T)

    def going(state: Any) -> Any:
        x, last = state
        return vx.max(vx.abs(x - last)) > 1e-13

    def step(state: Any) -> Any:
        x, _ = state
        y = a @ x
        return y / vx.norm(y), x

    x, _ = vx.while_loop(going, step, (start / vx.norm(start), vx.zeros_like(start)), max_steps=60)
    return vx.vdot(x, a @ x), x


def power_reference(a: Any, start: Any) -> Any:
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    return values[-1], vectors[:, -1] * np.sign(vectors[:, -1] @ start)


def conjugate_gradients(a: Any, b: Any) -> Any:
    """A system with a matrix that is only known by its products; the gradient is implicit."""

    def product(x: Any) -> Any:
        return a.T @ (a @ x) + x

    def solve(matvec: Any, b: Any) -> Any:
        def step(state: Any) -> Any:
            x, r, p, rr = state
            q = matvec(p)
            alpha = rr / vx.vdot(p, q)
            x, r = x + alpha * p, r - alpha * q
            new = vx.vdot(r, r)
            return x, r, r + new / rr * p, new

        start = (vx.zeros_like(b), b, b, vx.vdot(b, b))
        return vx.while_loop(lambda s: s[3] > 1e-28, step, start)[0]

    return vx.custom_linear_solve(product, b, solve, symmetric=True)


def conjugate_reference(a: Any, b: Any) -> Any:
    return np.linalg.solve(a.T @ a + np.eye(len(b)), b)


def taylor_flow(a: Any, x: Any, time: Any) -> Any:
    """The action of a matrix exponential by its series, which never makes a matrix."""

    def term(state: Any, k: Any) -> Any:
        y, total = state
        y = time / k * (a @ y)
        return (y, total + y), None

    return vx.scan(term, (x, x), vx.arange(1.0, 25.0, dtype=x.dtype))[0][1]


def taylor_reference(a: Any, x: Any, time: Any) -> Any:
    return scipy.linalg.expm(time * a) @ x


def gram_schmidt(a: Any) -> Any:
    """An orthonormal basis of the columns, one after the other, and their coordinates."""
    n = a.shape[1]

    def step(j: Any, q: Any) -> Any:
        column = a[:, j]
        rest = column - q @ (q.T @ column)
        return q.at[:, j].set(rest / vx.norm(rest))

    q = vx.fori_loop(0, n, step, vx.zeros_like(a))
    return q, q.T @ a


def gram_schmidt_reference(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    signs = np.sign(np.diag(r))
    return q * signs, r * signs[:, None]


def elimination(a: Any, b: Any) -> Any:
    """Gauss's elimination with pivots: the solution and the logarithm of the determinant."""
    n, rows = a.shape[0], vx.arange(a.shape[0])

    def step(m: Any, j: Any) -> Any:
        pivot = vx.argmax(vx.where(rows >= j, vx.abs(m[:, j]), -1.0))
        m = m[vx.where(rows == j, pivot, vx.where(rows == pivot, j, rows))]
        factors = vx.where(rows > j, m[:, j] / m[j, j], 0.0)
        return m - vx.outer(factors, m[j]), None

    m = vx.scan(step, vx.column_stack([a, b]), vx.arange(n))[0]

    def back(x: Any, j: Any) -> Any:
        return x.at[j].set((m[j, n] - vx.vdot(m[j, :n], x)) / m[j, j]), None

    x = vx.scan(back, vx.zeros_like(b), vx.arange(n), reverse=True)[0]
    return x, vx.sum(vx.log(vx.abs(vx.diagonal(m))))


def elimination_reference(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b), np.linalg.slogdet(a)[1]


def principal_components(x: Any) -> Any:
    """The projection on two components, what they explain, and the whitened coordinates."""
    centred = x - vx.mean(x, axis=0)
    values, vectors = vx.linalg.eigh(vx.cov(x.T))
    best = vectors[:, -2:]
    whitened = (centred @ best / vx.sqrt(values[-2:])) ** 2
    return centred @ best @ best.T, vx.sum(values[-2:]) / vx.sum(values), whitened


def components_reference(x: Any) -> Any:
    centred = x - x.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    low = u[:, :2] * s[:2] @ vt[:2]
    return low, (s[:2] ** 2).sum() / (s**2).sum(), (len(x) - 1) * u[:, 1::-1] ** 2


def newton_schulz(a: Any) -> Any:
    """The orthogonal polar factor by products alone, as optimisers orthogonalise updates."""

    def step(x: Any, _: None) -> Any:
        return 1.5 * x - 0.5 * x @ x.T @ x, None

    u = vx.scan(step, a / vx.norm(a), None, length=14)[0]
    h = u.T @ a
    return u, 0.5 * (h + h.T)


def newton_schulz_reference(a: Any) -> Any:
    return scipy.linalg.polar(a)


def lanczos(a: Any, start: Any) -> Any:
    """A Krylov basis of a symmetric matrix; the spectrum of the small matrix in it."""
    a = 0.5 * (a + a.T)
    k = a.shape[0]

    def step(state: Any, _: None) -> Any:
        q, last, beta = state
        w = a @ q - beta * last
        alpha = vx.vdot(q, w)
        w = w - alpha * q
        size = vx.norm(w)
        return (w / size, q, size), (alpha, size)

    begin = (start / vx.norm(start), vx.zeros_like(start), vx.zeros((), dtype=start.dtype))
    (last, before, beta), (alphas, betas) = vx.scan(step, begin, None, length=k - 1)
    alphas = vx.append(alphas, vx.vdot(last, a @ last - beta * before))
    small = vx.diag(alphas) + vx.diag(betas, 1) + vx.diag(betas, -1)
    return vx.linalg.eigvalsh(small), alphas[0]


def lanczos_reference(a: Any, start: Any) -> Any:
    a = (a + a.T) / 2
    return np.linalg.eigvalsh(a), start @ a @ start / (start @ start)


def low_rank(a: Any) -> Any:
    """The best matrix of rank two, how far it is, and the effective rank."""
    u, s, vt = vx.linalg.svd(a, full_matrices=False)
    shares = s / vx.sum(s)
    return (u[:, :2] * s[:2]) @ vt[:2], vx.norm(s[2:]), vx.exp(-vx.sum(vx.xlogy(shares, shares)))


def low_rank_reference(a: Any) -> Any:
    """By the spectrum of the Gram matrix."""
    values, vectors = np.linalg.eigh(a.T @ a)
    best = a @ vectors[:, -2:] @ vectors[:, -2:].T
    shares = np.sqrt(values) / np.sqrt(values).sum()
    return best, np.linalg.norm(a - best), np.exp(-(shares * np.log(shares)).sum())


def lyapunov(a: Any, noise: Any) -> Any:
    """The covariance of a stable system under noise, of continuous and of discrete time."""
    n = a.shape[0]
    stable = a - 2.0 * vx.eye(n, dtype=a.dtype)
    q = noise @ noise.T
    continuous = vx.linalg.solve_sylvester(stable, stable.T, -q)

    def doubled(state: Any, _: None) -> Any:
        x, m = state
        return (x + m @ x @ m.T, m @ m), None

    discrete = vx.scan(doubled, (q, 0.4 * a), None, length=7)[0][0]
    return continuous, discrete


def lyapunov_reference(a: Any, noise: Any) -> Any:
    q, stable = noise @ noise.T, a - 2 * np.eye(len(a))
    continuous = scipy.linalg.solve_continuous_lyapunov(stable, -q)
    return continuous, scipy.linalg.solve_discrete_lyapunov(0.4 * a, q)


def whitening(x: Any) -> Any:
    """Features without correlations, by Cholesky's factor and by the inverse root."""
    centred = x - vx.mean(x, axis=0)
    cov = centred.T @ centred / x.shape[0]
    by_factor = vx.linalg.solve_triangular(vx.linalg.cholesky(cov), centred.T, lower=True).T
    values, vectors = vx.linalg.eigh(cov)
    return by_factor, centred @ (vectors / vx.sqrt(values)) @ vectors.T


def whitening_reference(x: Any) -> Any:
    centred = x - x.mean(axis=0)
    cov = centred.T @ centred / len(x)
    root = scipy.linalg.inv(scipy.linalg.sqrtm(cov))
    return centred @ np.linalg.inv(np.linalg.cholesky(cov)).T, centred @ root


def householder_fit(a: Any, b: Any) -> Any:
    """Least squares by reflections that are written out; the weights and the residual."""
    m, n = a.shape
    rows = vx.arange(m)

    def reflect(r: Any, j: Any) -> Any:
        column = vx.where(rows >= j, r[:, j], 0.0)
        v = column.at[j].add(vx.copysign(vx.norm(column), r[j, j]))
        return r - 2.0 * vx.outer(v, v @ r) / vx.vdot(v, v), None

    r = vx.scan(reflect, vx.column_stack([a, b]), vx.arange(n))[0]
    return vx.linalg.solve_triangular(r[:n, :n], r[:n, n]), vx.norm(r[n:, n])


def householder_reference(a: Any, b: Any) -> Any:
    x = np.linalg.lstsq(a, b)[0]
    return x, np.linalg.norm(b - a @ x)


def page_rank(links: Any, damping: Any) -> Any:
    """The stationary distribution of a surfer, by steps until nothing moves."""
    moves = vx.softmax(links, axis=1)

    def step(state: Any) -> Any:
        p, _ = state
        new = damping * (p @ moves) + (1.0 - damping) / p.size
        return new, vx.sum(vx.abs(new - p))

    start = (vx.full_like(links[0], 1 / links.shape[0]), vx.ones((), dtype=links.dtype))
    return vx.while_loop(lambda s: s[1] > 1e-14, step, start, max_steps=60)[0]


def page_rank_reference(links: Any, damping: Any) -> Any:
    moves = np.exp(links) / np.exp(links).sum(axis=1, keepdims=True)
    values, vectors = np.linalg.eig((damping * moves + (1 - damping) / len(links)).T)
    first = vectors[:, np.argmax(values.real)].real
    return first / first.sum()


def log_determinant(a: Any, probes: Any) -> Any:
    """The logarithm of a determinant by a series of traces with fixed probes, and exactly."""
    one = vx.eye(a.shape[0], dtype=a.dtype)
    rest = a @ a.T / vx.trace(a @ a.T)

    def term(state: Any, k: Any) -> Any:
        y, total = state
        y = y - rest @ y
        return (y, total - vx.sum(probes * y) / k), None

    steps = vx.arange(1.0, 9.0, dtype=a.dtype)
    estimate = vx.scan(term, (probes, vx.zeros((), dtype=a.dtype)), steps)[0][1]
    return estimate / probes.shape[1], vx.linalg.slogdet(rest + one)


def log_determinant_reference(a: Any, probes: Any) -> Any:
    rest = a @ a.T / np.trace(a @ a.T)
    powers = [np.linalg.matrix_power(np.eye(len(a)) - rest, k) / k for k in range(1, 9)]
    estimate = -np.trace(probes.T @ sum(powers) @ probes) / probes.shape[1]
    return estimate, (np.array(1.0), np.sum(np.log1p(np.linalg.eigvalsh(rest))))


def eigenvalue_response(a: Any, coupling: Any) -> Any:
    """Resonances of a matrix without symmetry: complex inside, real outside."""
    values, vectors = vx.linalg.eig(a + coupling * a.T)
    projectors = vx.einsum("i k, k j -> k i j", vectors, vx.linalg.inv(vectors))
    weights = vx.exp(-values * values)
    function = vx.einsum("k, k i j -> i j", weights, projectors)
    return vx.real(function), vx.sort(vx.abs(values) ** 2)


def eigenvalue_reference(a: Any, coupling: Any) -> Any:
    m = a + coupling * a.T
    return scipy.linalg.expm(-m @ m), np.sort(abs(np.linalg.eigvals(m)) ** 2)


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


def _with_spectrum(*values: float) -> Any:
    q = np.linalg.qr(_normal(len(values), len(values)))[0]
    return q @ np.diag(values) @ q.T


CASES = (
    Case(
        "power iteration",
        power_iteration,
        (_with_spectrum(3.0, 1.0, 0.5, -0.7), _normal(4)),
        (0, 1),
        power_reference,
    ),
    Case(
        "conjugate gradients",
        conjugate_gradients,
        (_normal(4, 4), _normal(4)),
        (0, 1),
        conjugate_reference,
    ),
    Case(
        "exponential flow",
        taylor_flow,
        (_normal(4, 4, scale=0.5), _normal(4), np.array(0.8)),
        (0, 1, 2),
        taylor_reference,
    ),
    Case("Gram-Schmidt", gram_schmidt, (_normal(4, 3),), (0,), gram_schmidt_reference),
    Case(
        "Gauss elimination", elimination, (_normal(4, 4), _normal(4)), (0, 1), elimination_reference
    ),
    Case(
        "principal components",
        principal_components,
        (_normal(6, 3) * [1.0, 2.0, 4.0],),
        (0,),
        components_reference,
    ),
    Case(
        "polar factor",
        newton_schulz,
        (np.eye(3) + _normal(3, 3, scale=0.3),),
        (0,),
        newton_schulz_reference,
    ),
    Case(
        "Lanczos",
        lanczos,
        (_with_spectrum(1.0, 2.5, 4.0, -1.0), _normal(4)),
        (0, 1),
        lanczos_reference,
    ),
    Case("low rank", low_rank, (_normal(4, 3) * [1.0, 2.0, 4.0],), (0,), low_rank_reference),
    Case(
        "Lyapunov equations",
        lyapunov,
        (_normal(3, 3, scale=0.6), _normal(3, 2)),
        (0, 1),
        lyapunov_reference,
    ),
    Case("whitening", whitening, (_normal(5, 3) * [1.0, 2.0, 4.0],), (0,), whitening_reference),
    Case(
        "Householder fit",
        householder_fit,
        (_normal(5, 3), _normal(5)),
        (0, 1),
        householder_reference,
    ),
    Case("page rank", page_rank, (_normal(4, 4), np.array(0.6)), (0, 1), page_rank_reference),
    Case(
        "log determinant",
        log_determinant,
        (_normal(4, 4), RNG.choice([-1.0, 1.0], (4, 3))),
        (0,),
        log_determinant_reference,
    ),
    Case(
        "function of a matrix",
        eigenvalue_response,
        (_normal(3, 3), np.array(0.1)),
        (0, 1),
        eigenvalue_reference,
    ),
)
