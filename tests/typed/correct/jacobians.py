"""Jacobians and Hessians: forward, reverse, products without the matrix, batches of them."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats
from verax import F32


class Ins(vx.Dim): ...


class Outs(vx.Dim): ...


class Batch(vx.Dim): ...


def f(w: F32[Outs, Ins], x: F32[Ins]) -> F32[Outs]:
    return vx.sin(w @ x)


def energy(x: F32[Ins]) -> F32[()]:
    return (vx.cosh(x) * x).sum() + (x @ x) ** 2


def forward(w: F32[Outs, Ins], x: F32[Ins]) -> F32[Outs, Ins]:
    return vx.jacfwd(f, argnums=1)(w, x)


def reverse(w: F32[Outs, Ins], x: F32[Ins]) -> F32[Outs, Ins]:
    return vx.jacrev(f, argnums=1)(w, x)


def of_weights(w: F32[Outs, Ins], x: F32[Ins]) -> F32[Outs, Outs, Ins]:
    return vx.jacrev(f)(w, x)


def curvature(x: F32[Ins]) -> F32[Ins, Ins]:
    return vx.hessian(energy)(x)


def hvp(x: F32[Ins], v: F32[Ins]) -> F32[Ins]:
    return vx.grad(lambda y: vx.grad(energy)(y) @ v)(x)


def hvp_forward(x: F32[Ins], v: F32[Ins]) -> F32[Ins]:
    _, tangent = vx.jvp(vx.grad(energy), (x,), (v,))
    return tangent


def pushed(w: F32[Outs, Ins], x: F32[Ins], v: F32[Ins]) -> F32[Outs]:
    _, out = vx.jvp(lambda y: f(w, y), (x,), (v,))
    return out


def pulled(w: F32[Outs, Ins], x: F32[Ins], ct: F32[Outs]) -> F32[Ins]:
    _, back = vx.vjp(lambda y: f(w, y), x)
    (out,) = back(ct)
    return out


def batched(w: F32[Outs, Ins], xs: F32[Batch, Ins]) -> F32[Batch, Outs, Ins]:
    return vx.vmap(vx.jacfwd(lambda x: f(w, x)))(xs)


def laplacian(x: F32[Ins]) -> F32[()]:
    return vx.trace(curvature(x))


def newton(x: F32[Ins]) -> F32[Ins]:
    return x - vx.linalg.solve(curvature(x), vx.grad(energy)(x))


def example() -> vx.AnyArray:
    w, x, v = floats(2, 3), floats(3), floats(3, seed=1)
    parts = forward(w, x) - reverse(w, x) + batched(w, floats(4, 3)).mean(axis=0)
    products = hvp(x, v) - hvp_forward(x, v) + pulled(w, x, pushed(w, x, v))
    return parts.sum(axis=0) + products + newton(x) + laplacian(x) + of_weights(w, x).sum()
