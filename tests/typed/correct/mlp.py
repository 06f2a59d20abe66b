"""A perceptron of two layers, generic in its sizes, trained by gradient descent."""

from __future__ import annotations

from typing import Generic, TypeVar

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32, Size

In = TypeVar("In", bound=vx.AnyDim)
H = TypeVar("H", bound=vx.AnyDim)
Out = TypeVar("Out", bound=vx.AnyDim)
N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Cls(vx.Dim): ...


@vx.struct
class Linear(Generic[In, Out]):
    w: F32[In, Out]
    b: F32[Out]

    def __call__(self, x: F32[N, In]) -> F32[N, Out]:
        return x @ self.w + self.b


@vx.struct
class MLP(Generic[In, H, Out]):
    up: Linear[In, H]
    down: Linear[H, Out]

    def __call__(self, x: F32[N, In]) -> F32[N, Out]:
        return self.down(vx.relu(self.up(x)))


def linear(key: vx.random.Key, n_in: Size[In], n_out: Size[Out]) -> Linear[In, Out]:
    w = vx.random.normal(key, (n_in, n_out)) / n_in**0.5
    return Linear(w, vx.zeros((n_out,), vx.float32))


def loss(m: MLP[Feat, Hid, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    logits = m(x)
    hit = vx.one_hot(y, logits.shape[1], dtype=vx.float32)
    return -(hit * vx.log_softmax(logits)).sum(axis=-1).mean()


@vx.jit
def step(
    m: MLP[Feat, Hid, Cls], x: F32[Batch, Feat], y: I32[Batch], rate: float = 0.1
) -> MLP[Feat, Hid, Cls]:
    g = vx.grad(loss)(m, x, y)
    return vx.tree.map(lambda p, d: p - rate * d, m, g)


def accuracy(m: MLP[Feat, Hid, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    return (vx.argmax(m(x), axis=-1) == y).astype(vx.float32).mean()


def example() -> vx.AnyArray:
    k1, k2 = vx.random.split(vx.random.key(0))
    m: MLP[Feat, Hid, Cls] = MLP(linear(k1, Size(4), Size(5)), linear(k2, Size(5), Size(3)))
    x, y = floats(6, 4), ints(3, 6)
    for _ in range(3):
        m = step(m, x, y)
    return accuracy(m, x, y) + loss(m, x, y)
