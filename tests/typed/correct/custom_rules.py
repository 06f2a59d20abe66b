"""Functions with derivatives of their own: custom_vjp, custom_jvp, straight-through, implicit."""

from __future__ import annotations

from typing import TypeVar

import verax as vx
from tests.typed.data import floats, positive
from verax import F32

N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


@vx.custom_vjp
def clipped_gradient(x: F32[Feat], limit: F32[()]) -> F32[Feat]:
    return x


def _clip_fwd(x: F32[Feat], limit: F32[()]) -> tuple[F32[Feat], F32[()]]:
    return x, limit


def _clip_bwd(limit: F32[()], g: F32[Feat]) -> tuple[F32[Feat], None]:
    return vx.clip(g, -limit, limit), None


clipped_gradient.defvjp(_clip_fwd, _clip_bwd)


@vx.custom_jvp
def softplus(x: F32[Feat]) -> F32[Feat]:
    return vx.log1p(vx.exp(-vx.abs(x))) + vx.maximum(x, 0.0)


@softplus.defjvp
def _softplus_jvp(
    primals: tuple[F32[Feat]], tangents: tuple[F32[Feat]]
) -> tuple[F32[Feat], F32[Feat]]:
    (x,), (t,) = primals, tangents
    return softplus(x), vx.sigmoid(x) * t


def straight_through(x: F32[N]) -> F32[N]:
    return x + vx.stop_gradient(vx.round(x) - x)


def square_root(a: F32[Feat]) -> F32[Feat]:
    def step(_: vx.AnyArray, x: F32[Feat]) -> F32[Feat]:
        return 0.5 * (x + a / x)

    return vx.fori_loop(0, 6, step, vx.ones_like(a))


def implicit_gradient(a: F32[Feat]) -> F32[Feat]:
    x = square_root(a)
    return 1.0 / (2.0 * x)


def loss(w: F32[Feat], x: F32[Batch, Feat]) -> F32[()]:
    h = softplus(clipped_gradient(w, vx.asarray(0.5)))
    return (straight_through(x @ h) ** 2).mean()


def per_example(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    def one(row: F32[Feat]) -> F32[()]:
        return softplus(row * w).sum()

    return vx.vmap(vx.grad(one))(x)


def example() -> vx.AnyArray:
    w, x = floats(3), floats(4, 3)
    a = positive(3)
    return (
        vx.grad(loss)(w, x) + per_example(w, x).sum(axis=0) + square_root(a) * implicit_gradient(a)
    )
