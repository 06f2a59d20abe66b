"""vmap with wrong axes, gradients that do not exist, and calls of the wrong arity through jit."""

from __future__ import annotations

import functools

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, Hid, In, Mem, N, Seq
from verax import F32, I32


def dot(a: F32[In], b: F32[In]) -> F32[()]:
    return a @ b


def layer(w: F32[Feat, Hid], x: F32[Feat]) -> F32[Hid]:
    return vx.tanh(x @ w)


# vmap


def pairs(x: F32[Batch, Feat], y: F32[Mem, Feat]) -> F32[Batch]:
    return vx.vmap(dot)(x, y)  # bug: vmap


def one_too_many(x: F32[Batch, Feat], q: F32[Feat]) -> F32[Batch]:
    return vx.vmap(dot, in_axes=(0, None, 0))(x, q)  # bug: vmap


def shared_weights(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(layer)(w, x)  # bug: vmap


def swapped_axes(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(layer, in_axes=(0, None))(w, x)  # bug: vmap


def columns(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(layer, in_axes=(None, 1))(w, x)  # bug: vmap


def last(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(layer, in_axes=(None, 0), out_axes=1)(w, x)  # bug: vmap


def missing_axis(x: F32[Batch, Feat], q: F32[Feat]) -> F32[Batch]:
    return vx.vmap(dot, in_axes=(0, 1))(x, q)  # bug: vmap


def nested(x: F32[Batch, Feat], y: F32[Mem, Feat]) -> F32[Batch, Mem]:
    rows = vx.vmap(dot, in_axes=(0, None))
    return vx.vmap(rows, in_axes=(None, 0))(x, y)  # bug: vmap


def shared_result(x: F32[Batch, Feat], q: F32[Feat]) -> F32[Batch]:
    return vx.vmap(dot, in_axes=(0, None), out_axes=None)(x, q)  # bug: vmap


def by_lambda(w: F32[Feat, Hid], x: F32[Batch, Seq, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(lambda v: v @ w)(x)  # bug: vmap


def nothing_mapped(x: F32[Feat], q: F32[Feat]) -> F32[Batch]:
    return vx.vmap(dot, in_axes=None)(x, q)  # bug: vmap


def by_partial(w: F32[Feat, Hid], x: F32[Feat, Batch]) -> F32[Batch, Hid]:
    return vx.vmap(functools.partial(layer, w))(x)  # bug: vmap


# grad


def per_example(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Batch]:
    return (x @ w) ** 2


def loss(w: F32[Feat], x: F32[Batch, Feat]) -> F32[()]:
    return per_example(w, x).mean()


def hits(w: F32[Feat], n: I32[Feat]) -> I32[()]:
    return (n * (w > 0).astype(vx.int32)).sum()


def weighted(w: F32[Feat], n: I32[Feat]) -> F32[()]:
    return (w * n.astype(vx.float32)).sum()


def not_scalar(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.grad(per_example)(w, x)  # bug: grad


def not_scalar_value(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    _, g = vx.value_and_grad(per_example)(w, x)  # bug: grad
    return g


def of_int(w: F32[Feat], n: I32[Feat]) -> F32[Feat]:
    return vx.grad(weighted, argnums=1)(w, n)  # bug: grad


def int_result(w: F32[Feat], n: I32[Feat]) -> F32[Feat]:
    return vx.grad(hits)(w, n)  # bug: grad


def wrong_argument(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.grad(loss, argnums=1)(w, x)  # bug: grad


def no_argument(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.grad(loss, argnums=2)(w, x)  # bug: grad


def pair(w: F32[Feat], x: F32[Batch, Feat]) -> tuple[F32[()], F32[Batch]]:
    return loss(w, x), per_example(w, x)


def forgotten_aux(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.grad(pair)(w, x)  # bug: grad


def aux_not_taken_apart(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    g = vx.grad(pair, has_aux=True)(w, x)
    return w - 0.1 * g  # bug: grad


def step_on_value(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    value, g = vx.value_and_grad(loss)(w, x)
    return w - 0.1 * vx.outer(value, g)  # bug: grad


def jacobian(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat, Batch]:
    return vx.jacrev(per_example)(w, x)  # bug: grad


def curvature(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.hessian(loss)(w, x)  # bug: grad


# arity and arguments through jit


@vx.jit
def step(w: F32[Feat, Hid], x: F32[Batch, Feat], rate: float = 0.1) -> F32[Feat, Hid]:
    return w - rate * (x.T @ (x @ w))


@vx.jit
def forward(w: F32[Feat, Cls], x: F32[N, Feat]) -> F32[N, Cls]:
    return vx.softmax(x @ w)


def too_few(w: F32[Feat, Hid]) -> F32[Feat, Hid]:
    return step(w)  # bug: arity


def too_many(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Feat, Hid]:
    return step(w, x, 0.1, 3)  # bug: arity


def unknown_keyword(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Feat, Hid]:
    return step(w, x, learning_rate=0.1)  # bug: arity


def swapped_arguments(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Feat, Hid]:
    return step(x, w)  # bug: arity


def swapped_generic(w: F32[Feat, Cls], x: F32[Batch, Feat]) -> F32[Batch, Cls]:
    return forward(x, w)  # bug: arity


def gradient_arity(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.grad(loss)(w)  # bug: arity


def vmap_arity(w: F32[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return vx.vmap(layer, in_axes=(None, 0))(w)  # bug: arity


def checkpoint_arity(w: F32[Feat, Hid], x: F32[Feat]) -> F32[Hid]:
    return vx.checkpoint(layer)(w, x, x)  # bug: arity


def wrong_dtype(w: F32[Feat, Cls], tokens: I32[Batch, Feat]) -> F32[Batch, Cls]:
    return forward(w, tokens)  # bug: arity


def wrong_result(w: F32[Feat, Cls], x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return forward(w, x)  # bug: arity
