"""Transformations and control flow under the plugin; what mypy says is in transformed.txt."""

import functools
from typing import Any, Literal, reveal_type

import verax as vx
from verax import F32, I32


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Time(vx.Dim): ...


def loss(w: F32[Feat], x: F32[Feat]) -> F32[()]:
    return vx.sum((x @ w) ** 2)


def scores(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Batch]:
    return x @ w


def mapped(w: F32[Feat], x: F32[Batch, Feat], ws: F32[Literal[3], Feat]) -> None:
    reveal_type(vx.vmap(loss, in_axes=(None, 0))(w, x))
    reveal_type(vx.vmap(vx.vmap(loss, in_axes=(0, None)), in_axes=(None, 0))(ws, x))
    reveal_type(vx.vmap(lambda row: row * w)(x))
    reveal_type(vx.vmap(vx.dot, in_axes=(0, None))(x, w))
    reveal_type(vx.vmap(functools.partial(loss, w))(x))
    reveal_type(vx.vmap(scores, in_axes=(0, None), out_axes=1)(ws, x))
    reveal_type(vx.vmap(lambda v: v - vx.pmean(v, "i"), axis_name="i")(x))


def derivatives(w: F32[Feat], x: F32[Batch, Feat]) -> None:
    reveal_type(vx.grad(loss)(w, x[0]))
    reveal_type(vx.grad(lambda w: vx.mean(scores(w, x)))(w))
    reveal_type(vx.value_and_grad(loss, argnums=(0, 1))(w, x[0]))
    reveal_type(vx.vmap(vx.grad(loss), in_axes=(None, 0))(w, x))
    reveal_type(vx.jacrev(scores)(w, x))
    reveal_type(vx.hessian(loss)(w, x[0]))
    reveal_type(vx.jvp(scores, (w, x), (w, x)))
    y, pull = vx.vjp(scores, w, x)
    reveal_type(pull(y))
    reveal_type(vx.grad(vx.grad(lambda s: s * s))(w[0]))


def control(x: F32[Time, Feat], b: F32[Batch, Feat], n: int) -> None:
    reveal_type(vx.scan(lambda c, row: (c + row, c @ row), x[0], x))
    reveal_type(vx.cond(n > 3, lambda a: a, lambda a: 2 * a, x))
    reveal_type(vx.fori_loop(0, n, lambda i, a: a * 2, x))
    reveal_type(vx.while_loop(lambda a: vx.sum(a) < 9.0, lambda a: a + 1, x))
    reveal_type(vx.map(vx.sum, x))
    reveal_type(vx.tree.map(lambda a: a.sum(), {"x": x}))
    reveal_type(vx.checkpoint(scores)(x[0], b))
    turned = vx.jit(lambda a: a.T)
    reveal_type(turned(x))
    reveal_type(turned.stage(x))


def mistakes(w: F32[Feat], x: F32[Batch, Feat], labels: I32[Batch], xs: F32[Time, Feat]) -> Any:
    vx.grad(scores)(w, x)
    vx.vmap(loss)(w, x)
    vx.vmap(scores)(x, xs)
    vx.grad(lambda v: vx.sum(v))(labels)
    vx.scan(lambda c, row: (c[1:], row), x[0], x)
    vx.cond(labels[0] > 0, lambda a: a, lambda a: a.sum(), x)
    vx.vmap(lambda a, b: a + b)(x)
    vx.grad(loss, argnums=2)(w, x[0])
    vx.vmap(lambda row: row @ x)(x)
    vx.vmap(lambda row: row * 2).stage(x)
