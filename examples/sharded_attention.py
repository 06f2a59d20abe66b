"""Attention on a mesh of four virtual devices: batches are cut over ``data``, heads over ``model``.

    python examples/sharded_attention.py

The cuts are part of the types: a checker refuses a layer whose heads lie elsewhere than its input
expects. One step of gradient descent is compiled, and the table of what it communicates printed;
the loss is that of the same step on one device.
"""

from __future__ import annotations

import sys
from typing import Literal, TypeAlias

import verax as vx
from verax import F32, Mesh, P, Sharded

Data: TypeAlias = Literal["data"]
Model: TypeAlias = Literal["model"]


class Batch(vx.Dim): ...


class Time(vx.Dim): ...


class Width(vx.Dim): ...


class Heads(vx.Dim): ...


class HeadSize(vx.Dim): ...


Rows: TypeAlias = Sharded[Batch, Data]
Cut: TypeAlias = Sharded[Heads, Model]
Attention: TypeAlias = vx.nn.MultiHeadAttention[Width, Cut, HeadSize]
Examples: TypeAlias = F32[Rows, Time, Width]


def loss_of(layer: Attention, x: Examples, y: Examples) -> F32[()]:
    mask = vx.nn.causal_mask(x.shape[1])
    return vx.mean((x + layer(x, mask) - y) ** 2)


OPTIMIZER = vx.optim.sgd(0.1)


@vx.jit
def step(layer: Attention, x: Examples, y: Examples) -> tuple[Attention, F32[()]]:
    """One step of gradient descent."""
    loss, grads = vx.value_and_grad(loss_of)(layer, x, y)
    updates, _ = OPTIMIZER.update(grads, OPTIMIZER.init(layer), layer)
    return vx.optim.apply_updates(layer, updates), loss


def place(layer: vx.nn.MultiHeadAttention[Width, Heads, HeadSize], mesh: Mesh) -> Attention:
    """The layer with its heads cut over the mesh axis ``model``."""
    return Attention(
        vx.shard(layer.query, mesh, P(None, "model")),
        vx.shard(layer.key, mesh, P(None, "model")),
        vx.shard(layer.value, mesh, P(None, "model")),
        vx.shard(layer.out, mesh, P("model")),
    )


def losses(mesh: Mesh, steps: int) -> tuple[list[float], str]:
    """The losses of a few steps, and the table of what one of them communicates."""
    start, inputs, wanted = vx.random.split(vx.random.key(0), 3)
    layer = place(vx.nn.MultiHeadAttention.init(64, 8, key=start), mesh)
    x = vx.shard(vx.random.normal(inputs, (16, 32, 64)), mesh, P("data"))
    y = vx.shard(vx.random.normal(wanted, (16, 32, 64)), mesh, P("data"))
    found = []
    for _ in range(steps):
        layer, loss = step(layer, x, y)
        found.append(float(loss))
    return found, str(step.compile(layer, x, y).comm)


def main() -> int:
    found, table = losses(Mesh(data=2, model=2), 5)
    alone, _ = losses(Mesh(data=1, model=1), 5)
    print(table)
    print("losses  ", *[f"{x:.5f}" for x in found])
    print("alone   ", *[f"{x:.5f}" for x in alone])
    return 0


if __name__ == "__main__":
    sys.exit(main())
