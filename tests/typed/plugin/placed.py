"""Layouts that ``vx.shard`` makes, under the plugin; what mypy says is in placed.txt."""

from typing import Literal, TypeAlias, reveal_type

import verax as vx
from verax import F32, P, Sharded

Data: TypeAlias = Literal["data"]
Model: TypeAlias = Literal["model"]


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


MESH = vx.Mesh(data=2, model=2)
ROWS = P("data")


def placed(x: F32[Batch, Feat], mesh: vx.Mesh, odd: F32[Literal[3], Literal[4]]) -> None:
    reveal_type(vx.shard(x, MESH, P("data")))
    reveal_type(vx.shard(x, mesh, P(None, ("data", "model"))))
    reveal_type(vx.shard({"x": x, "y": (x, odd)}, mesh, P(None, "model")))
    reveal_type(vx.shard(x, MESH, ROWS))
    vx.shard(x, MESH, P("data", "data"))
    vx.shard(x, MESH, P("data", None, "model"))


def moved(x: F32[Sharded[Batch, Data], Feat]) -> F32[Batch, Sharded[Feat, Model]]:
    return vx.shard(x, MESH, P(None, "model"))


def forgotten(x: F32[Batch, Feat]) -> F32[Sharded[Batch, Data], Feat]:
    return vx.shard(x, MESH, P("model"))


@vx.jit
def step(
    layer: vx.nn.Linear[Feat, Sharded[Feat, Model]], x: F32[Sharded[Batch, Data], Feat]
) -> F32[Sharded[Batch, Data], Sharded[Feat, Model]]:
    return layer(x)


def bound(
    layer: vx.nn.Linear[Literal[3], Sharded[Literal[3], Model]],
    x: F32[Sharded[Literal[4], Data], Literal[3]],
) -> None:
    reveal_type(step(layer, x))


def odd_sizes(x: F32[Sharded[Literal[3], Data], Feat], v: F32[Literal[5]]) -> None:
    reveal_type(2 * x)
    reveal_type(x.sum(axis=0))
    reveal_type(vx.shard(v, MESH, P("data")))
