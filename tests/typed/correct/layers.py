"""Lists, dicts and tuples of layers, and what loops over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import verax as vx
from tests.typed.data import floats
from verax import F32

In = TypeVar("In", bound=vx.AnyDim)
Out = TypeVar("Out", bound=vx.AnyDim)
N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Cls(vx.Dim): ...


class Layers(vx.Dim): ...


@vx.struct
class Linear(Generic[In, Out]):
    w: F32[In, Out]
    b: F32[Out]

    def __call__(self, x: F32[N, In]) -> F32[N, Out]:
        return x @ self.w + self.b


Square: TypeAlias = Linear[Hid, Hid]


@vx.struct
class Net:
    first: Linear[Feat, Hid]
    hidden: list[Square]
    heads: dict[str, Linear[Hid, Cls]]
    activation: Callable[[F32[Batch, Hid]], F32[Batch, Hid]] = vx.field(
        static=True, default=vx.tanh
    )

    def body(self, x: F32[Batch, Feat]) -> F32[Batch, Hid]:
        h = self.activation(self.first(x))
        for layer in self.hidden:
            h = h + self.activation(layer(h))
        return h

    def __call__(self, x: F32[Batch, Feat]) -> dict[str, F32[Batch, Cls]]:
        h = self.body(x)
        return {name: head(h) for name, head in self.heads.items()}


def summed(net: Net, x: F32[Batch, Feat]) -> F32[Batch, Cls]:
    out = net(x)
    return out["first"] + out["second"]


def weights(net: Net) -> list[F32[Hid, Hid]]:
    return [layer.w for layer in net.hidden]


def decay(net: Net) -> F32[()]:
    total: F32[()] = vx.zeros((), vx.float32)
    for w in weights(net):
        total = total + (w * w).sum()
    return total


def stacked(w: F32[Layers, Hid, Hid], b: F32[Layers, Hid], x: F32[Batch, Hid]) -> F32[Batch, Hid]:
    def layer(
        h: F32[Batch, Hid], row: tuple[F32[Hid, Hid], F32[Hid]]
    ) -> tuple[F32[Batch, Hid], None]:
        w, b = row
        return vx.tanh(h @ w + b), None

    h, _ = vx.scan(layer, x, (w, b))
    return h


def pair(p: tuple[Linear[Feat, Hid], Linear[Hid, Cls]], x: F32[Batch, Feat]) -> F32[Batch, Cls]:
    first, second = p
    return second(vx.relu(first(x)))


def params(p: dict[str, F32[Feat, Feat]], x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    for name in sorted(p):
        x = vx.sin(x @ p[name])
    return x


def example() -> vx.AnyArray:
    first: Linear[Feat, Hid] = Linear(floats(3, 4), floats(4))
    hidden: list[Square] = [Linear(floats(4, 4, seed=i), floats(4)) for i in range(2)]
    heads: dict[str, Linear[Hid, Cls]] = {
        n: Linear(floats(4, 2), floats(2)) for n in ("first", "second")
    }
    net = Net(first, hidden, heads)
    x = floats(5, 3)
    out = summed(net, x) + pair((first, heads["first"]), params({"u": floats(3, 3)}, x))
    return out.sum() + decay(net) + stacked(floats(2, 4, 4), floats(2, 4), net.body(x)).sum()
