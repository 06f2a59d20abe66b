"""Checkpoints: layers that are computed again, names that are kept, scans with segments."""

from __future__ import annotations

from collections.abc import Sequence

import verax as vx
from tests.typed.data import floats
from verax import F32


class Batch(vx.Dim): ...


class Width(vx.Dim): ...


class Inner(vx.Dim): ...


class Time(vx.Dim): ...


@vx.struct
class Block:
    up: F32[Width, Inner]
    down: F32[Inner, Width]

    def __call__(self, x: F32[Batch, Width]) -> F32[Batch, Width]:
        return x + vx.gelu(x @ self.up) @ self.down


def apply(block: Block, x: F32[Batch, Width]) -> F32[Batch, Width]:
    return block(x)


@vx.checkpoint
def recomputed(block: Block, x: F32[Batch, Width]) -> F32[Batch, Width]:
    return block(x)


def named(block: Block, x: F32[Batch, Width]) -> F32[Batch, Width]:
    h = vx.checkpoint_name(x @ block.up, "hidden")
    return x + vx.gelu(h) @ block.down


def stack(blocks: Sequence[Block], x: F32[Batch, Width]) -> F32[Batch, Width]:
    keep = vx.save_only_these_names("hidden")
    for block in blocks:
        x = vx.checkpoint(apply)(block, x)
        x = recomputed(block, x)
        x = vx.checkpoint(named, policy=keep)(block, x)
    return x


def loss(blocks: list[Block], x: F32[Batch, Width]) -> F32[()]:
    return (stack(blocks, x) ** 2).mean()


def rolled(block: Block, x: F32[Batch, Width], rows: F32[Time, Batch, Width]) -> F32[()]:
    def step(h: F32[Batch, Width], row: F32[Batch, Width]) -> tuple[F32[Batch, Width], F32[()]]:
        h = vx.tanh(block(h) + row)
        return h, h.mean()

    h, means = vx.scan(step, x, rows, checkpoint_every=2)
    return h.sum() + means.sum()


def in_budget(block: Block, x: F32[Batch, Width]) -> Block:
    def squared(b: Block) -> F32[()]:
        return (b(b(x)) ** 2).sum()

    return vx.grad(squared, memory="1 MB")(block)


def example() -> vx.AnyArray:
    blocks = [Block(floats(3, 4, seed=i), floats(4, 3)) for i in range(2)]
    x = 0.1 * floats(2, 3)
    g = vx.grad(loss)(blocks, x)
    rows = floats(4, 2, 3)
    return (
        g[0].up.sum()
        + vx.grad(rolled)(blocks[0], x, rows).up.sum()
        + in_budget(blocks[1], x).down.sum()
    )
