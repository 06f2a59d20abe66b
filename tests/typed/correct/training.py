"""A training loop that is generic in the parameters, with optimisers of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32

P = TypeVar("P")


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Cls(vx.Dim): ...


class Params(NamedTuple):
    w: F32[Feat, Cls]
    b: F32[Cls]


@vx.struct
class Deep:
    up: F32[Feat, Hid]
    down: F32[Hid, Cls]


def linear_loss(p: Params, x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(x @ p.w + p.b, y).mean()


def deep_loss(p: Deep, x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(vx.relu(x @ p.up) @ p.down, y).mean()


def fit(
    loss: Callable[[P, F32[Batch, Feat], I32[Batch]], F32[()]],
    params: P,
    x: F32[Batch, Feat],
    y: I32[Batch],
    optimizer: vx.optim.Transform,
) -> tuple[P, F32[Literal[3]]]:
    def step(carry: tuple[P, Any], _: None) -> tuple[tuple[P, Any], F32[()]]:
        params, state = carry
        value, grads = vx.value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return (vx.optim.apply_updates(params, updates), state), value

    (params, _), values = vx.scan(step, (params, optimizer.init(params)), None, length=3)
    return params, values


def averaged(old: Params, new: Params, rate: float = 0.9) -> Params:
    return Params(rate * old.w + (1.0 - rate) * new.w, rate * old.b + (1.0 - rate) * new.b)


def momentum(w: F32[Feat], g: F32[Feat], m: F32[Feat]) -> tuple[F32[Feat], F32[Feat]]:
    m = 0.9 * m + g
    return w - 0.1 * m, m


def adam(
    w: F32[Feat], g: F32[Feat], m: F32[Feat], v: F32[Feat], t: int
) -> tuple[F32[Feat], F32[Feat], F32[Feat]]:
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    scale = vx.sqrt(v / (1.0 - 0.999**t)) + 1e-8
    return w - 1e-3 * (m / (1.0 - 0.9**t)) / scale, m, v


def clipped(g: Params, limit: float) -> Params:
    norm = vx.sqrt((g.w * g.w).sum() + (g.b * g.b).sum())
    scale = vx.minimum(1.0, limit / norm)
    return Params(g.w * scale, g.b * scale)


def example() -> vx.AnyArray:
    x, y = floats(6, 3), ints(2, 6)
    start = Params(floats(3, 2), floats(2))
    p, values = fit(linear_loss, start, x, y, vx.optim.adam(0.1))
    deep, more = fit(deep_loss, Deep(floats(3, 4), floats(4, 2)), x, y, vx.optim.sgd(0.1))
    w, m = momentum(x[0], x[1], x[2])
    w, m, _ = adam(w, x[0], m, vx.abs(x[1]), 3)
    small = clipped(averaged(start, p), 1.0)
    return values + more + deep.up.sum() + small.w.sum() + w.sum() + m.sum()
