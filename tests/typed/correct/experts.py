"""A mixture of experts with a router, and a hypernetwork: contractions over named dims."""

from __future__ import annotations

from typing import Literal, TypeAlias

import verax as vx
from tests.typed.data import floats
from verax import F32, I32, Mul

Top: TypeAlias = Literal[2]


class Tokens(vx.Dim): ...


class Experts(vx.Dim): ...


class Width(vx.Dim): ...


class Inner(vx.Dim): ...


class Cond(vx.Dim): ...


@vx.struct
class Router:
    w: F32[Width, Experts]

    def __call__(self, x: F32[Tokens, Width]) -> F32[Tokens, Experts]:
        return vx.softmax(x @ self.w)

    def top(self, x: F32[Tokens, Width]) -> tuple[F32[Tokens, Top], I32[Tokens, Top]]:
        weight, at = vx.top_k(self(x), 2)
        return weight / weight.sum(axis=1, keepdims=True), at


@vx.struct
class Mixture:
    router: Router
    up: F32[Experts, Width, Inner]
    down: F32[Experts, Inner, Width]

    def every(self, x: F32[Tokens, Width]) -> F32[Experts, Tokens, Width]:
        h = vx.gelu(vx.einsum("tw,ewi->eti", x, self.up))
        return vx.einsum("eti,eiw->etw", h, self.down)

    def soft(self, x: F32[Tokens, Width]) -> F32[Tokens, Width]:
        return vx.einsum("te,etw->tw", self.router(x), self.every(x))

    def sparse(self, x: F32[Tokens, Width]) -> F32[Tokens, Width]:
        weight, at = self.router.top(x)
        h = vx.gelu(vx.einsum("tw,tkwi->tki", x, self.up[at]))
        out = vx.einsum("tki,tkiw->tkw", h, self.down[at])
        return (weight[..., None] * out).sum(axis=1)


def balance(r: Router, x: F32[Tokens, Width]) -> F32[()]:
    p = r(x)
    hard = vx.one_hot(vx.argmax(p, axis=1), p.shape[1], dtype=vx.float32)
    return p.shape[1] * (hard.mean(axis=0) * p.mean(axis=0)).sum()


@vx.struct
class Hyper:
    make: F32[Cond, Mul[Width, Inner]]

    def weights(self, c: F32[Cond], like: F32[Width, Inner]) -> F32[Width, Inner]:
        return (c @ self.make).reshape(like.shape)

    def __call__(
        self, c: F32[Cond], like: F32[Width, Inner], x: F32[Tokens, Width]
    ) -> F32[Tokens, Inner]:
        return x @ self.weights(c, like)


def loss(m: Mixture, x: F32[Tokens, Width], y: F32[Tokens, Width]) -> F32[()]:
    return ((m.sparse(x) + m.soft(x) - y) ** 2).mean() + 0.01 * balance(m.router, x)


def example() -> vx.AnyArray:
    m = Mixture(Router(floats(3, 4)), floats(4, 3, 5), floats(4, 5, 3))
    x = floats(6, 3)
    g = vx.grad(loss)(m, x, x)
    hyper = Hyper(floats(2, 15))
    return g.router.w.sum() + hyper(floats(2), floats(3, 5), x)
