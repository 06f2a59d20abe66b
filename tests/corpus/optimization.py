"""Programs from optimisation: descent, roots, constraints, control and search."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy import optimize

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(5)


def newton_descent(start: Any, target: Any) -> Any:
    """Newton's method with a line search inside, until the gradient is gone."""

    def loss(x: Any) -> Any:
        return vx.sum(vx.log(vx.cosh(x - target))) + 0.1 * vx.sum(x * x) + 0.1 * vx.prod(x)

    def step(x: Any) -> Any:
        slope = vx.grad(loss)(x)
        way = -vx.linalg.solve(vx.hessian(loss)(x), slope)

        def worse(t: Any) -> Any:
            return loss(x + t * way) > loss(x) + 0.1 * t * vx.vdot(slope, way)

        one = vx.ones((), dtype=x.dtype)
        return x + vx.while_loop(worse, lambda t: 0.5 * t, one, max_steps=8) * way

    def going(x: Any) -> Any:
        return vx.max(vx.abs(vx.grad(loss)(x))) > 1e-13

    x = vx.while_loop(going, step, start, max_steps=16)
    return x, loss(x)


def newton_reference(start: Any, target: Any) -> Any:
    def loss(x: Any) -> Any:
        return np.log(np.cosh(x - target)).sum() + 0.1 * x @ x + 0.1 * x.prod()

    def slope(x: Any) -> Any:
        return np.tanh(x - target) + 0.2 * x + 0.1 * x[::-1]

    x = optimize.root(slope, start, tol=1e-14).x
    return x, loss(x)


def curve_fit(start: Any, t: Any, y: Any) -> Any:
    """Levenberg-Marquardt: steps that are damped more when they fail."""

    def residuals(p: Any) -> Any:
        return p[0] * vx.exp(-p[1] * t) + p[2] - y

    def step(state: Any, _: None) -> Any:
        p, damping = state
        r, j = residuals(p), vx.jacfwd(residuals)(p)
        normal = j.T @ j
        new = p - vx.linalg.solve(normal + damping * vx.diag(vx.diagonal(normal)), j.T @ r)
        before, after = vx.sum(r * r), vx.sum(residuals(new) ** 2)
        better = after < (1.0 + 1e-9) * before  # rounding is no reason to stop
        p = vx.where(better, new, p)
        return (p, damping * vx.where(better, 0.1, 4.0)), vx.minimum(before, after)

    (p, _), losses = vx.scan(step, (start, vx.asarray(0.1, dtype=y.dtype)), None, length=10)
    return p, losses[-1]


def curve_fit_reference(start: Any, t: Any, y: Any) -> Any:
    def residuals(p: Any) -> Any:
        return p[0] * np.exp(-p[1] * t) + p[2] - y

    fit = optimize.least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return fit.x, 2 * fit.cost


def two_loops(slope: Any, moves: Any, changes: Any) -> Any:
    """The direction of L-BFGS, by its two loops over what is remembered."""
    weights = 1.0 / vx.vecdot(moves, changes)

    def newest_first(q: Any, memory: Any) -> Any:
        s, y, rho = memory
        alpha = rho * vx.vdot(s, q)
        return q - alpha * y, alpha

    def oldest_first(r: Any, memory: Any) -> Any:
        s, y, rho, alpha = memory
        return r + s * (alpha - rho * vx.vdot(y, r)), None

    q, alphas = vx.scan(newest_first, slope, (moves, changes, weights), reverse=True)
    scale = 1.0 / (weights[-1] * vx.vdot(changes[-1], changes[-1]))
    return -vx.scan(oldest_first, scale * q, (moves, changes, weights, alphas))[0]


def two_loops_reference(slope: Any, moves: Any, changes: Any) -> Any:
    """By the matrix which the updates of BFGS give."""
    one = np.eye(len(slope))
    h = moves[-1] @ changes[-1] / (changes[-1] @ changes[-1]) * one
    for s, y in zip(moves, changes):
        left = one - np.outer(s, y) / (s @ y)
        h = left @ h @ left.T + np.outer(s, s) / (s @ y)
    return -h @ slope


def bisection(coefficients: Any) -> Any:
    """A root between two places, whose derivative is that of the implicit function."""

    def polynomial(x: Any) -> Any:
        return vx.scan(lambda y, c: (y * x + c, None), vx.zeros_like(x), coefficients)[0]

    def halve(f: Any, _: Any) -> Any:
        def step(ends: Any) -> Any:
            low, high = ends
            middle = 0.5 * (low + high)
            left = f(low) * f(middle) <= 0.0
            return vx.where(left, low, middle), vx.where(left, middle, high)

        ends = (vx.zeros((), dtype=vx.float64), vx.full((), 2.0, dtype=vx.float64))
        low, high = vx.while_loop(lambda e: e[1] - e[0] > 1e-14, step, ends)
        return 0.5 * (low + high)

    guess = vx.ones((), dtype=coefficients.dtype)
    return vx.custom_root(polynomial, guess, halve, lambda g, y: y / g(vx.ones_like(y)))


def bisection_reference(coefficients: Any) -> Any:
    roots = np.roots(coefficients)
    (root,) = [r.real for r in roots if abs(r.imag) < 1e-9 and 0 < r.real < 2]
    return root


def simplex_descent(gains: Any, risks: Any) -> Any:
    """A portfolio by gradient steps, each projected onto the simplex."""

    def projected(v: Any) -> Any:
        u = vx.flip(vx.sort(v))
        excess = (vx.cumulative_sum(u) - 1.0) / vx.arange(1.0, v.size + 1.0, dtype=v.dtype)
        last = vx.count_nonzero(u > excess) - 1
        return vx.maximum(v - excess[last], 0.0)

    def step(w: Any, _: None) -> Any:
        return projected(w + 0.1 * (gains - risks.T @ (risks @ w))), None

    return vx.scan(step, vx.full_like(gains, 1 / gains.size), None, length=8)[0]


def simplex_reference(gains: Any, risks: Any) -> Any:
    """With the projection by a search for its threshold."""
    w = np.full(len(gains), 1 / len(gains))
    for _ in range(8):
        v = w + 0.1 * (gains - risks.T @ risks @ w)
        level = optimize.brentq(lambda t, v=v: np.maximum(v - t, 0).sum() - 1, -9, 9, xtol=1e-15)
        w = np.maximum(v - level, 0)
    return w


def lasso(design: Any, y: Any, penalty: Any) -> Any:
    """The lasso by alternating directions, whose system is factorized once."""
    n = design.shape[1]
    factor = vx.linalg.cho_factor(design.T @ design + vx.eye(n, dtype=y.dtype))
    target = design.T @ y

    def step(state: Any, _: None) -> Any:
        z, u = state
        x = vx.linalg.cho_solve(factor, target + z - u)
        z = vx.sign(x + u) * vx.maximum(vx.abs(x + u) - penalty, 0.0)
        return (z, u + x - z), None

    zero = vx.zeros((n,), dtype=y.dtype)
    return vx.scan(step, (zero, zero), None, length=150)[0][0]


def lasso_reference(design: Any, y: Any, penalty: Any) -> Any:
    """By all supports and signs: the one that satisfies the conditions."""
    for signs in product([-1, 0, 1], repeat=design.shape[1]):
        s = np.array(signs)
        on, x = s != 0, np.zeros(len(s))
        part = design[:, on]
        x[on] = np.linalg.solve(part.T @ part, part.T @ y - penalty * s[on])
        slack = abs(design.T @ (y - design @ x))
        if (np.sign(x) == s).all() and (slack <= penalty + 1e-9).all():
            return x
    raise AssertionError("no lasso")


def positive_least_squares(a: Any, b: Any) -> Any:
    """Accelerated proximal gradient under the constraint that nothing is negative."""
    rate = 1.0 / vx.sum(a * a)

    def step(state: Any, _: None) -> Any:
        x, z, t = state
        new = vx.relu(z - rate * a.T @ (a @ z - b))
        later = 0.5 * (1.0 + vx.sqrt(1.0 + 4.0 * t * t))
        momentum = vx.where(vx.vdot(z - new, new - x) > 0.0, 0.0, (t - 1.0) / later)
        later = vx.where(momentum > 0.0, later, 1.0)
        return (new, new + momentum * (new - x), later), None

    zero = vx.zeros((a.shape[1],), dtype=b.dtype)
    x = vx.scan(step, (zero, zero, vx.ones((), dtype=b.dtype)), None, length=200)[0][0]
    return x, vx.norm(a @ x - b)


def positive_reference(a: Any, b: Any) -> Any:
    return optimize.nnls(a, b)


def hypergradient(log_decay: Any, rate: Any, train: Any, check: Any) -> Any:
    """How a loss after training depends on the settings of the training, and that slope."""

    def trained(log_decay: Any, rate: Any) -> Any:
        x, y = train[:, :-1], train[:, -1]

        def loss(w: Any) -> Any:
            return vx.mean((vx.tanh(x @ w) - y) ** 2) + vx.sum(vx.exp(log_decay) * w * w)

        def step(w: Any, _: None) -> Any:
            return w - rate * vx.grad(loss)(w), None

        w = vx.scan(step, vx.full_like(log_decay, 0.1), None, length=5)[0]
        return vx.mean((vx.tanh(check[:, :-1] @ w) - check[:, -1]) ** 2)

    return vx.value_and_grad(trained, argnums=(0, 1))(log_decay, rate)


def hypergradient_reference(log_decay: Any, rate: Any, train: Any, check: Any) -> Any:
    """By complex steps, which are exact."""

    def trained(log_decay: Any, rate: Any) -> Any:
        x, y = train[:, :-1], train[:, -1]
        w = np.full(len(log_decay), 0.1 + 0j)
        for _ in range(5):
            p = np.tanh(x @ w)
            w = w - rate * (2 * x.T @ ((p - y) * (1 - p * p)) / len(y) + 2 * np.exp(log_decay) * w)
        return np.mean((np.tanh(check[:, :-1] @ w) - check[:, -1]) ** 2)

    h = 1e-30j
    along = [trained(log_decay + h * e, rate).imag / 1e-30 for e in np.eye(len(log_decay))]
    slopes = np.array(along), trained(log_decay, rate + h).imag / 1e-30
    return trained(log_decay, rate).real, slopes


def trust_region(x: Any, radius: Any) -> Any:
    """Steps of Powell's dogleg on Rosenbrock's function, with a radius that adapts."""

    def f(x: Any) -> Any:
        return (1.0 - x[0]) ** 2 + 5.0 * (x[1] - x[0] ** 2) ** 2

    def dogleg(slope: Any, bend: Any, radius: Any) -> Any:
        full = -vx.linalg.solve(bend, slope)
        down = -vx.vdot(slope, slope) / vx.vdot(slope, bend @ slope) * slope
        d = full - down
        a, b, c = vx.vdot(d, d), vx.vdot(down, d), vx.vdot(down, down) - radius**2
        share = (-b + vx.sqrt(b * b - a * c)) / a
        edge = vx.where(c < 0.0, down + share * d, -radius / vx.norm(slope) * slope)
        return vx.where(vx.norm(full) <= radius, full, edge)

    def step(state: Any, _: None) -> Any:
        x, radius = state
        slope, bend = vx.grad(f)(x), vx.hessian(f)(x)
        p = dogleg(slope, bend, radius)
        gain = (f(x) - f(x + p)) / -(vx.vdot(slope, p) + 0.5 * vx.vdot(p, bend @ p))
        radius = vx.where(gain > 0.75, 2.0 * radius, vx.where(gain < 0.25, radius / 4, radius))
        return (vx.where(gain > 0.1, x + p, x), radius), gain

    return vx.scan(step, (x, radius), None, length=5)


def trust_region_reference(x: Any, radius: Any) -> Any:
    """With the edge of the region found by a search."""

    def f(x: Any) -> Any:
        return (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2

    gains = []
    for _ in range(5):
        a, b = x
        slope = np.array([2 * a - 2 - 20 * a * (b - a * a), 10 * (b - a * a)])
        bend = np.array([[2 - 20 * b + 60 * a * a, -20 * a], [-20 * a, 10]])
        p = -np.linalg.solve(bend, slope)
        if np.linalg.norm(p) > radius:
            down = -(slope @ slope) / (slope @ bend @ slope) * slope
            if np.linalg.norm(down) >= radius:
                p = -radius * slope / np.linalg.norm(slope)
            else:
                d = p - down

                def outside(t: Any, down: Any = down, d: Any = d, radius: Any = radius) -> Any:
                    return np.linalg.norm(down + t * d) - radius

                p = down + optimize.brentq(outside, 0, 1, xtol=1e-15) * d
        gain = (f(x) - f(x + p)) / -(slope @ p + p @ bend @ p / 2)
        gains.append(gain)
        x = x + p if gain > 0.1 else x
        radius = 2 * radius if gain > 0.75 else radius / 4 if gain < 0.25 else radius
    return (x, radius), np.array(gains)


def water_filling(floors: Any, budget: Any) -> Any:
    """Power shared over channels by dual ascent: the price moves until the budget is spent."""

    def spent(price: Any) -> Any:
        return vx.maximum(1.0 / price - floors, 0.0)

    def step(state: Any) -> Any:
        price, _ = state
        gap, slope = vx.jvp(lambda p: vx.sum(spent(p)) - budget, (price,), (vx.ones_like(price),))
        return price - gap / slope, gap

    start = (0.5 / vx.max(floors), vx.ones_like(budget))
    price, _ = vx.while_loop(lambda s: vx.abs(s[1]) > 1e-13, step, start, max_steps=30)
    power = spent(price)
    return power, vx.sum(vx.log1p(power / floors))


def water_filling_reference(floors: Any, budget: Any) -> Any:
    order = np.sort(floors)
    for k in range(len(order), 0, -1):
        level = (budget + order[:k].sum()) / k
        if level > order[k - 1]:
            break
    power = np.maximum(level - floors, 0)
    return power, np.log1p(power / floors).sum()


def regulator(a: Any, b: Any, x: Any) -> Any:
    """The controls that steer a linear system at least cost, by Riccati's recursion."""
    one = vx.eye(x.size, dtype=x.dtype)

    def behind(p: Any, _: None) -> Any:
        gain = vx.linalg.solve(b.T @ p @ b + vx.eye(b.shape[1], dtype=x.dtype), b.T @ p @ a)
        return one + a.T @ p @ (a - b @ gain), gain

    def ahead(x: Any, gain: Any) -> Any:
        u = -gain @ x
        return a @ x + b @ u, u

    cost, gains = vx.scan(behind, one, None, length=4)
    last, controls = vx.scan(ahead, x, gains, reverse=True)
    return vx.vdot(x, cost @ x), controls, last


def regulator_reference(a: Any, b: Any, x: Any) -> Any:
    """By one least-squares problem for all controls at once."""
    n, k = b.shape
    powers = [np.linalg.matrix_power(a, t) for t in range(5)]
    free = np.concatenate([p @ x for p in powers])
    driven = np.zeros((5 * n, 4 * k))
    for t, s in product(range(5), range(4)):
        if s < t:
            driven[t * n : (t + 1) * n, s * k : (s + 1) * k] = powers[t - 1 - s] @ b
    u = np.linalg.lstsq(np.r_[driven, np.eye(4 * k)], np.r_[-free, np.zeros(4 * k)])[0]
    states = free + driven @ u
    return states @ states + u @ u, u.reshape(4, k)[::-1], states[-n:]


def constrained(x: Any, target: Any, radius: Any) -> Any:
    """Newton's steps on the conditions of Lagrange: the nearest point of an ellipse."""

    def lagrangian(x: Any, price: Any) -> Any:
        axes = vx.arange(1.0, x.size + 1.0, dtype=x.dtype)
        return 0.5 * vx.sum((x - target) ** 2) + price * (vx.sum(axes * x * x) - radius)

    def conditions(z: Any) -> Any:
        return vx.concat([vx.grad(lagrangian)(z[:-1], z[-1]), *_last(lagrangian, z)])

    def step(z: Any, _: None) -> Any:
        return z - vx.linalg.solve(vx.jacrev(conditions)(z), conditions(z)), None

    return vx.scan(step, vx.append(x, 0.5), None, length=8)[0]


def _last(lagrangian: Any, z: Any) -> list[Any]:
    return [vx.grad(lagrangian, argnums=1)(z[:-1], z[-1])[None]]


def constrained_reference(x: Any, target: Any, radius: Any) -> Any:
    """By the price alone: the point follows from it."""
    axes = np.arange(1.0, len(x) + 1)

    def point(price: Any) -> Any:
        return target / (1 + 2 * price * axes)

    price = optimize.brentq(lambda p: (axes * point(p) ** 2).sum() - radius, 0, 50, xtol=1e-15)
    return np.r_[point(price), price]


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


TIMES = np.linspace(0, 3, 6)
MOVES = _normal(3, 4)
CASES = (
    Case(
        "Newton's method",
        newton_descent,
        (np.array([3.0, -2.5]), np.array([0.5, -1.0])),
        (1,),
        newton_reference,
    ),
    Case(
        "Levenberg-Marquardt",
        curve_fit,
        (
            np.array([1.0, 1.0, 0.0]),
            TIMES,
            2 * np.exp(-0.7 * TIMES) + 0.5 + _normal(6, scale=0.02),
        ),
        (0, 2),
        curve_fit_reference,
    ),
    Case(
        "L-BFGS",
        two_loops,
        (_normal(4), MOVES, 2 * MOVES + _normal(3, 4, scale=0.3)),
        (0, 1, 2),
        two_loops_reference,
    ),
    Case("bisection", bisection, (np.array([1.0, 0.5, 1.0, -4.0]),), (0,), bisection_reference),
    Case(
        "projection on a simplex",
        simplex_descent,
        (_normal(4), _normal(3, 4)),
        (0, 1),
        simplex_reference,
    ),
    Case("lasso", lasso, (_normal(6, 3), _normal(6), np.array(0.9)), (0, 1, 2), lasso_reference),
    Case(
        "positive least squares",
        positive_least_squares,
        (_normal(6, 3), _normal(6)),
        (0, 1),
        positive_reference,
    ),
    Case(
        "hypergradient",
        hypergradient,
        (_normal(2), np.array(0.3), _normal(4, 3), _normal(3, 3)),
        (0, 1, 2, 3),
        hypergradient_reference,
    ),
    Case(
        "trust region",
        trust_region,
        (np.array([-0.8, 1.0]), np.array(0.5)),
        (0, 1),
        trust_region_reference,
    ),
    Case(
        "water filling",
        water_filling,
        (RNG.uniform(0.5, 2, 5), np.array(1.3)),
        (0, 1),
        water_filling_reference,
    ),
    Case(
        "linear regulator",
        regulator,
        (_normal(3, 3, scale=0.6), _normal(3, 2), _normal(3)),
        (0, 1, 2),
        regulator_reference,
    ),
    Case(
        "constrained point",
        constrained,
        (np.array([0.6, 0.5]), np.array([1.5, 1.0]), np.array(1.2)),
        (1, 2),
        constrained_reference,
    ),
)
