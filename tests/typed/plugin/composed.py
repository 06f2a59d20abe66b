"""Layers under the plugin: they keep their dims, whatever they are called on; see composed.txt."""

from typing import Literal, reveal_type

import verax as vx
from verax import BF16, F32


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hidden(vx.Dim): ...


@vx.struct
class Net:
    mlp: vx.nn.MLP[Feat, Hidden]
    head: vx.nn.Linear[Feat, Literal[10]]


def composed(net: Net, x: F32[Batch, Feat], h: BF16[Batch, Feat], n: F32[Literal[4], Feat]) -> None:
    reveal_type(net.head(net.mlp(x)))
    reveal_type(net.head(n))
    net.mlp(net.head(x))
    net.mlp.down(x)
    net.head(h)


def made(x: F32[Batch, Feat], k: vx.random.Key) -> None:
    a, b, c = vx.random.split(k, 3)
    up = vx.nn.Linear.init(x.shape[1], 4, key=a)
    reveal_type(up(x))
    net = Net(vx.nn.MLP.init(3, 5, key=b), vx.nn.Linear.init(3, 10, key=c))
    reveal_type(net.head)
    up(up(x))
