"""Sizes of which nothing is known, under the plugin; what mypy says is in guesses.txt."""

from typing import Any, TypeVarTuple, reveal_type

import verax as vx
from verax import F32

Ds = TypeVarTuple("Ds")


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


@vx.struct
class Net:
    mlp: vx.nn.MLP[Feat, Any]  # its activation is no leaf

    def __call__(self, x: F32[Batch, Feat]) -> F32[Batch, Feat]:
        return self.mlp(x)


def loss(net: Net, x: F32[Batch, Feat]) -> F32[()]:
    return net(x).sum()


def unknown(x: F32[Batch, Feat], n: int, m: int, y: F32[Any, Any]) -> None:
    some = x.ravel()[: n * m]
    reveal_type(some.reshape((n, m)))
    reveal_type(some.reshape((n, 8)))
    reveal_type(y + x)
    reveal_type(y @ x)
    reveal_type(vx.concat([y, x], axis=1))


def gradients(net: Net, x: F32[Batch, Feat]) -> None:
    reveal_type(vx.grad(loss)(net, x))
    reveal_type(vx.nn.MLP.init(x.shape[1], 8, key=vx.random.key(0)))


def values(x: F32[Batch, Feat], rate: float, key: vx.random.Key) -> None:
    reveal_type(vx.nn.dropout(x, rate, key=key))  # which looks at the rate
    reveal_type(x.numpy())
    reveal_type(x.tolist())


def same_unknown(y: F32[Any, Any], b: vx.Bool[Batch, Feat]) -> None:
    reveal_type(vx.concat([y, y, y], axis=-1))
    reveal_type(vx.vmap(lambda r, s: r + s)(b, abs(b)))


def captured(x: F32[Batch, *Ds, Feat], y: F32[*tuple[Any, ...]]) -> None:
    reveal_type(vx.vmap(lambda row: row + y)(x))
