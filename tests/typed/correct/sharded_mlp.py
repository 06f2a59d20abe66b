"""An MLP over a mesh: batches cut by one axis, hidden features by the other."""

from __future__ import annotations

from typing import Literal, TypeAlias

import verax as vx
from tests.typed.data import floats
from verax import F32, Sharded

Data: TypeAlias = Literal["data"]
Model: TypeAlias = Literal["model"]


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


Rows: TypeAlias = Sharded[Batch, Data]
Inner: TypeAlias = Sharded[Hid, Model]


@vx.struct
class MLP:
    up: F32[Feat, Inner]
    bias: F32[Inner]
    down: F32[Inner, Feat]

    def hidden(self, x: F32[Rows, Feat]) -> F32[Rows, Inner]:
        return vx.gelu(x @ self.up + self.bias)

    def __call__(self, x: F32[Rows, Feat]) -> F32[Rows, Feat]:
        return self.hidden(x) @ self.down


def residual(m: MLP, x: F32[Rows, Feat]) -> F32[Rows, Feat]:
    return x + m(x) / x.shape[1] ** 0.5


def loss(m: MLP, x: F32[Rows, Feat], y: F32[Rows, Feat]) -> F32[()]:
    error = residual(m, x) - y
    return (error * error).mean()


def per_example(m: MLP, x: F32[Rows, Feat]) -> F32[Rows]:
    return (m(x) ** 2).sum(axis=1)


def usage(m: MLP, x: F32[Rows, Feat]) -> F32[Inner]:
    return (m.hidden(x) > 0.0).astype(vx.float32).mean(axis=0)


def tied(m: MLP, h: F32[Rows, Inner]) -> F32[Rows, Feat]:
    return h @ m.up.T


def step(m: MLP, x: F32[Rows, Feat], y: F32[Rows, Feat]) -> MLP:
    g = vx.grad(loss)(m, x, y)
    return MLP(m.up - 0.1 * g.up, m.bias - 0.1 * g.bias, m.down - 0.1 * g.down)


def example() -> vx.AnyArray:
    m = MLP(floats(3, 4), floats(4), floats(4, 3))
    x, y = floats(2, 3), floats(2, 3, seed=1)
    m = step(m, x, y)
    return loss(m, x, y) + per_example(m, x).sum() + usage(m, x).sum() + tied(m, m.hidden(x)).sum()
