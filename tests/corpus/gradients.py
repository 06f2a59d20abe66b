"""Programs that are made of derivatives: inner steps, implicit layers, densities, rules."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import fsolve

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(6)


def continuous_flow(params: Any, x: Any) -> Any:
    """A neural ODE by midpoint steps, and the change of density along it."""

    def field(x: Any, t: Any) -> Any:
        return params["out"] @ vx.tanh(params["into"] @ x + t * params["time"])

    def rate(x: Any, t: Any) -> Any:
        return field(x, t), -vx.trace(vx.jacfwd(field)(x, t))

    def step(i: Any, state: Any) -> Any:
        x, density = state
        t, h = 0.25 * vx.astype(i, x.dtype), 0.25
        middle = x + h / 2 * field(x, t)
        velocity, spread = rate(middle, t + h / 2)
        return x + h * velocity, density + h * spread

    return vx.fori_loop(0, 4, step, (x, vx.zeros((), dtype=x.dtype)))


def continuous_reference(params: Any, x: Any) -> Any:
    def rate(s: Any, t: float) -> Any:
        h = np.tanh(params["into"] @ s[:-1] + t * params["time"])
        trace = np.trace(params["out"] * (1 - h**2) @ params["into"])
        return np.r_[params["out"] @ h, -trace]

    s, h = np.r_[x, 0.0], 0.25
    for t in np.arange(4) * h:
        s = s + h * rate(s + h / 2 * rate(s, t), t + h / 2)
    return s[:-1], s[-1]


def meta_learning(weights: Any, tasks: Any) -> Any:
    """MAML: the loss after one inner step on each task, and its gradient."""

    def loss(w: Any, xs: Any, ys: Any) -> Any:
        return vx.mean((xs @ w - ys) ** 2)

    def adapted(w: Any, task: Any) -> Any:
        inner = w - 0.1 * vx.grad(loss)(w, task["x"], task["y"])
        return loss(inner, task["x_test"], task["y_test"])

    def outer(w: Any) -> Any:
        return vx.mean(vx.vmap(adapted, in_axes=(None, 0))(w, tasks))

    return vx.value_and_grad(outer)(weights)


def meta_reference(weights: Any, tasks: Any) -> Any:
    value, gradient = 0.0, np.zeros_like(weights)
    names = ("x", "y", "x_test", "y_test")
    for x, y, x_test, y_test in zip(*[tasks[name] for name in names]):
        n = len(y)
        inner = weights - 0.2 / n * x.T @ (x @ weights - y)
        error = x_test @ inner - y_test
        value += error @ error / n
        moved = np.eye(len(weights)) - 0.2 / n * x.T @ x
        gradient += moved @ x_test.T @ error * 2 / n
    return value / len(tasks["y"]), gradient / len(tasks["y"])


@vx.custom_jvp
def rounded(x: Any) -> Any:
    """Rounded to quarters; its derivative passes straight through."""
    return vx.round(4.0 * x) / 4.0


@rounded.defjvp
def _rounded_jvp(primals: Any, tangents: Any) -> Any:
    return rounded(primals[0]), tangents[0]


def quantised_training(weights: Any, xs: Any, ys: Any) -> Any:
    """A step of gradient descent through weights that are rounded."""

    def loss(w: Any) -> Any:
        return vx.mean((xs @ rounded(w) - ys) ** 2)

    return weights - 0.1 * vx.grad(loss)(weights)


def quantised_reference(weights: Any, xs: Any, ys: Any) -> Any:
    error = xs @ (np.round(4 * weights) / 4) - ys
    return weights - 0.2 / len(ys) * xs.T @ error


def _iterated(weight: Any, x: Any) -> Any:
    """The z for which ``z = tanh(weight @ z + x)``."""

    def body(state: Any) -> Any:
        z, _ = state
        new = vx.tanh(weight @ z + x)
        return new, vx.max(vx.abs(new - z))

    start = (vx.zeros_like(x), vx.ones((), dtype=x.dtype))
    return vx.while_loop(lambda s: s[1] > 1e-14, body, start)[0]


@vx.custom_vjp
def equilibrium(weight: Any, x: Any) -> Any:
    """A layer at its fixed point, whose derivative is one linear system."""
    return _iterated(weight, x)


def _equilibrium_fwd(weight: Any, x: Any) -> Any:
    z = equilibrium(weight, x)
    return z, (weight, z)


def _equilibrium_bwd(residuals: Any, cotangent: Any) -> Any:
    weight, z = residuals
    slope = 1.0 - z * z
    system = vx.eye(z.shape[0], dtype=z.dtype) - weight.mT * slope
    u = slope * vx.linalg.solve(system, cotangent)
    return vx.outer(u, z), u


equilibrium.defvjp(_equilibrium_fwd, _equilibrium_bwd)


def equilibrium_model(weight: Any, x: Any, readout: Any) -> Any:
    """A readout of a deep equilibrium layer."""
    return vx.softplus(readout @ equilibrium(weight, x))


def equilibrium_reference(weight: Any, x: Any, readout: Any) -> Any:
    z = fsolve(lambda z: z - np.tanh(weight @ z + x), np.zeros_like(x), xtol=1e-14)
    return np.log1p(np.exp(readout @ z))


def private_gradient(weights: Any, xs: Any, ys: Any, noise: Any) -> Any:
    """The mean of clipped gradients, one per example, with noise on it."""

    def loss(w: Any, x: Any, y: Any) -> Any:
        return vx.softplus(-y * (x @ w))

    grads = vx.vmap(vx.grad(loss), in_axes=(None, 0, 0))(weights, xs, ys)
    lengths = vx.norm(grads, axis=1, keepdims=True)
    clipped = grads * vx.minimum(1.0, 0.5 / lengths)
    return vx.mean(clipped, axis=0) + 0.1 * noise


def private_reference(weights: Any, xs: Any, ys: Any, noise: Any) -> Any:
    total = 0.1 * noise
    for x, y in zip(xs, ys):
        g = -y * x / (1 + np.exp(y * x @ weights))
        total = total + g * min(1, 0.5 / np.sqrt(g @ g)) / len(xs)
    return total


def coupling_flow(params: Any, x: Any) -> Any:
    """Affine couplings; the density by the determinant of the whole Jacobian."""

    def flow(x: Any) -> Any:
        for p in params:
            a, b = vx.split(x, 2)
            scale, shift = vx.split(p["out"] @ vx.tanh(p["into"] @ a), 2)
            x = vx.concat([b * vx.exp(scale) + shift, a])
        return x

    z = flow(x)
    log_det = vx.linalg.slogdet(vx.jacrev(flow)(x))[1]
    return z, log_det - vx.sum(z * z) / 2.0


def coupling_reference(params: Any, x: Any) -> Any:
    total = 0.0
    for p in params:
        a, b = np.split(x, 2)
        scale, shift = np.split(p["out"] @ np.tanh(p["into"] @ a), 2)
        x, total = np.r_[b * np.exp(scale) + shift, a], total + scale.sum()
    return x, total - x @ x / 2


def newton_step(weights: Any, xs: Any, ys: Any) -> Any:
    """Logistic regression: a Newton step by conjugate gradients on products with the Hessian."""

    def loss(w: Any) -> Any:
        return vx.mean(vx.softplus(-ys * (xs @ w))) + 0.1 * vx.vdot(w, w)

    def curvature(v: Any) -> Any:
        return vx.jvp(vx.grad(loss), (weights,), (v,))[1]

    def conjugate_gradients(matvec: Any, b: Any) -> Any:
        def body(state: Any) -> Any:
            x, r, p, size = state
            step = matvec(p)
            length = size / vx.vdot(p, step)
            x, r = x + length * p, r - length * step
            now = vx.vdot(r, r)
            return x, r, r + now / size * p, now

        start = (vx.zeros_like(b), b, b, vx.vdot(b, b))
        return vx.while_loop(lambda s: s[3] > 1e-28, body, start)[0]

    slope = vx.grad(loss)(weights)
    step = vx.custom_linear_solve(curvature, slope, conjugate_gradients, symmetric=True)
    return weights - step, loss(weights - step)


def newton_reference(weights: Any, xs: Any, ys: Any) -> Any:
    p = 1 / (1 + np.exp(ys * (xs @ weights)))
    slope = -xs.T @ (p * ys) / len(ys) + 0.2 * weights
    hessian = xs.T * (p * (1 - p)) @ xs / len(ys) + 0.2 * np.eye(len(weights))
    w = weights - np.linalg.solve(hessian, slope)
    return w, np.mean(np.log1p(np.exp(-ys * (xs @ w)))) + 0.1 * w @ w


def physics_informed(params: Any, points: Any) -> Any:
    """How far a network is from solving the heat equation: its derivatives inside of a loss."""

    def network(t: Any, x: Any) -> Any:
        return params["out"] @ vx.tanh(params["t"] * t + params["x"] * x + params["b"])

    def residual(point: Any) -> Any:
        t, x = vx.unstack(point)
        return vx.grad(network)(t, x) - vx.grad(vx.grad(network, argnums=1), argnums=1)(t, x)

    return vx.mean(vx.vmap(residual)(points) ** 2)


def physics_reference(params: Any, points: Any) -> Any:
    t, x = points.T
    h = np.tanh(np.outer(t, params["t"]) + np.outer(x, params["x"]) + params["b"])
    slope = 1 - h**2
    first, second = slope * params["t"], -2 * h * slope * params["x"] ** 2
    return np.mean(((first - second) @ params["out"]) ** 2)


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


FLOW = {"into": _normal(4, 2), "out": _normal(2, 4), "time": _normal(4)}
COUPLING = [{"into": _normal(3, 2), "out": _normal(4, 3, scale=0.5)} for _ in range(2)]
TASKS = {
    "x": _normal(2, 4, 3),
    "y": _normal(2, 4),
    "x_test": _normal(2, 4, 3),
    "y_test": _normal(2, 4),
}
NETWORK = {name: _normal(4) for name in ("out", "t", "x", "b")}
LABELS = np.array([1.0, -1.0, -1.0, 1.0])
CASES = (
    Case("continuous flow", continuous_flow, (FLOW, _normal(2)), (0, 1), continuous_reference),
    Case("meta-learning", meta_learning, (_normal(3), TASKS), (0, 1), meta_reference),
    Case(
        "quantised training",
        quantised_training,
        (_normal(3), _normal(4, 3), _normal(4)),
        (0, 1, 2),
        quantised_reference,
        orders=0,  # its derivative passes through the rounding, on purpose
    ),
    Case(
        "equilibrium model",
        equilibrium_model,
        (_normal(3, 3, scale=0.3), _normal(3), _normal(2, 3)),
        (0, 1, 2),
        equilibrium_reference,
    ),
    Case(
        "private gradient",
        private_gradient,
        (_normal(3), _normal(4, 3), LABELS, _normal(3)),
        (0, 1),
        private_reference,
    ),
    Case("coupling flow", coupling_flow, (COUPLING, _normal(4)), (0, 1), coupling_reference),
    Case("Newton step", newton_step, (_normal(3), _normal(4, 3), LABELS), (0, 1), newton_reference),
    Case(
        "physics-informed loss",
        physics_informed,
        (NETWORK, _normal(3, 2)),
        (0,),
        physics_reference,
    ),
)
