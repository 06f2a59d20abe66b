"""Meta-learning: the gradient of a loss after a gradient step, mapped over tasks."""

from __future__ import annotations

from typing import NamedTuple

import verax as vx
from tests.typed.data import floats
from verax import F32


class Tasks(vx.Dim): ...


class Shots(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Net(NamedTuple):
    w: F32[Feat, Hid]
    out: F32[Hid]


def predict(net: Net, x: F32[Shots, Feat]) -> F32[Shots]:
    return vx.tanh(x @ net.w) @ net.out


def loss(net: Net, x: F32[Shots, Feat], y: F32[Shots]) -> F32[()]:
    return ((predict(net, x) - y) ** 2).mean()


def adapted(net: Net, x: F32[Shots, Feat], y: F32[Shots], rate: float = 0.1) -> Net:
    g = vx.grad(loss)(net, x, y)
    return Net(net.w - rate * g.w, net.out - rate * g.out)


def task_loss(net: Net, x: F32[Shots, Feat], y: F32[Shots]) -> F32[()]:
    return loss(adapted(net, x, y), x, y)


def meta_loss(net: Net, xs: F32[Tasks, Shots, Feat], ys: F32[Tasks, Shots]) -> F32[()]:
    losses: F32[Tasks] = vx.vmap(task_loss, in_axes=(None, 0, 0))(net, xs, ys)
    return losses.mean()


def meta_step(net: Net, xs: F32[Tasks, Shots, Feat], ys: F32[Tasks, Shots]) -> Net:
    g = vx.grad(meta_loss)(net, xs, ys)
    return Net(net.w - 0.01 * g.w, net.out - 0.01 * g.out)


def first_order(net: Net, xs: F32[Tasks, Shots, Feat], ys: F32[Tasks, Shots]) -> F32[Hid]:
    def one(x: F32[Shots, Feat], y: F32[Shots]) -> F32[Hid]:
        return vx.grad(loss)(adapted(net, x, y), x, y).out

    grads: F32[Tasks, Hid] = vx.vmap(one)(xs, ys)
    return grads.mean(axis=0)


def example() -> vx.AnyArray:
    net = Net(floats(2, 3), floats(3))
    xs, ys = floats(4, 5, 2), floats(4, 5)
    net = meta_step(net, xs, ys)
    return first_order(net, xs, ys) + net.w.sum(axis=0)
