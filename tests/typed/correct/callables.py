"""Functions as values: partials, lambdas, bound methods and callable modules, transformed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import verax as vx
from tests.typed.data import floats
from verax import F32

N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Mem(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


@vx.struct
class Layer:
    w: F32[Feat, Hid]

    def __call__(self, x: F32[Feat]) -> F32[Hid]:
        return vx.tanh(x @ self.w)

    def energy(self, x: F32[Feat]) -> F32[()]:
        return (self(x) ** 2).sum()


def dot(a: F32[N], b: F32[N]) -> F32[()]:
    return a @ b


def scaled(x: F32[Feat], scale: float, shift: F32[Feat]) -> F32[Feat]:
    return x * scale + shift


def twice(f: Callable[[F32[Feat]], F32[Feat]], x: F32[Feat]) -> F32[Feat]:
    return f(f(x))


def gram(x: F32[Batch, Feat], y: F32[Mem, Feat]) -> F32[Batch, Mem]:
    rows = vx.vmap(dot, in_axes=(None, 0))
    return vx.vmap(rows, in_axes=(0, None))(x, y)


def rows(layer: Layer, x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(layer)(x)


def slopes(layer: Layer, x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return vx.vmap(vx.grad(layer.energy))(x)


def by_partial(x: F32[Batch, Feat], q: F32[Feat]) -> F32[Batch]:
    return vx.vmap(functools.partial(dot, q))(x)


def by_lambda(x: F32[Batch, Feat], w: F32[Feat, Hid]) -> F32[Batch, Hid]:
    return vx.vmap(lambda v: vx.relu(v @ w))(x)


def by_columns(x: F32[Feat, Batch], layer: Layer) -> F32[Hid, Batch]:
    return vx.vmap(layer, in_axes=1, out_axes=1)(x)


def moved(x: F32[Feat], shift: F32[Feat]) -> F32[Feat]:
    return twice(functools.partial(scaled, scale=0.5, shift=shift), x)


def partial_gradient(layer: Layer, x: F32[Feat]) -> Layer:
    return vx.grad(lambda m: m.energy(x))(layer)


def compiled(layer: Layer) -> Callable[[F32[Batch, Feat]], F32[Batch, Hid]]:
    return vx.jit(lambda x: rows(layer, x))


def composed(layer: Layer, x: F32[Batch, Feat]) -> F32[()]:
    per_row = vx.vmap(lambda v: vx.value_and_grad(layer.energy)(0.5 * v))
    values, grads = per_row(x)
    return values.mean() + (grads**2).mean()


def example() -> vx.AnyArray:
    layer, x = Layer(floats(3, 4)), floats(5, 3)
    total = gram(x, floats(2, 3)).sum() + slopes(layer, x).sum() + by_partial(x, x[0]).sum()
    total += by_lambda(x, layer.w).sum() + by_columns(x.T, layer).sum() + composed(layer, x)
    total += compiled(layer)(x).sum() + partial_gradient(layer, x[0]).w.sum()
    return total + moved(x[0], x[1])
