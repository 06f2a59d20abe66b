"""Layers and optimisers as a plain type checker sees them: clean under ``mypy --strict``.

A line that must be an error has a ``type: ignore`` with its code. Nothing here is run.
"""

from __future__ import annotations

from typing import Any, Literal, assert_type

import verax as vx
from verax import BF16, F32, I32, Array
from verax.dsl.nn import MLP, Conv, Embedding, LayerNorm, Linear, MultiHeadAttention, RMSNorm


class Batch(vx.Dim): ...


class Time(vx.Dim): ...


class Width(vx.Dim): ...


class Hid(vx.Dim): ...


class Vocab(vx.Dim): ...


@vx.struct
class Block:
    norm: RMSNorm[Width]
    attention: MultiHeadAttention[Width, Literal[4], Literal[8]]
    mlp: MLP[Width, Hid]

    def __call__(self, x: F32[Batch, Time, Width]) -> F32[Batch, Time, Width]:
        y = self.norm(x)
        y = self.attention(y, vx.nn.causal_mask(x.shape[1]))
        return x + vx.nn.dropout(self.mlp(y), 0.1, key=None)


@vx.struct
class Model:
    embed: Embedding[Vocab, Width]
    norm: LayerNorm[Width]
    block: Block
    head: Linear[Width, Vocab]

    def __call__(self, ids: I32[Batch, Time]) -> F32[Batch, Time, Vocab]:
        return self.head(self.block(self.norm(self.embed(ids))))


def what_layers_give(
    m: Model,
    x: F32[Batch, Width],
    ids: I32[Batch],
    y: I32[Batch],
    half: Linear[Width, Hid, vx.bfloat16],
) -> None:
    assert_type(m.head(x), F32[Batch, Vocab])
    assert_type(m.head.weight, F32[Width, Vocab])
    assert_type(m.head.bias, F32[Vocab] | None)
    assert_type(m.embed(ids), F32[Batch, Width])
    assert_type(m.embed.attend(x), F32[Batch, Vocab])
    assert_type(m.block.mlp.up(x), F32[Batch, Hid])
    assert_type(m.block.mlp(x), F32[Batch, Width])
    assert_type(half.weight, BF16[Width, Hid])
    assert_type(vx.nn.cross_entropy(m.head(x), y), F32[Batch])


def what_init_gives(n: vx.Size[Width], k: int, key: vx.random.Key) -> None:
    a: Linear[Width, Hid] = Linear.init(n, k, key=key)
    b: Linear[Width, Hid, vx.bfloat16] = Linear.init(3, k, key=key, dtype=vx.bfloat16)
    c: Linear = Linear.init(3, 4, key=key)
    assert_type(MLP.init(k, 4, key=key, dtype=vx.float64).up.weight, Array[vx.float64, Any, Any])
    print(a, b, c)


def trained(m: Model, ids: I32[Batch, Time]) -> tuple[Model, vx.optim.State[Model]]:
    optimizer = vx.optim.chain(vx.optim.clip_by_global_norm(1.0), vx.optim.adamw(1e-3))
    state = optimizer.init(m)
    assert_type(state, vx.optim.State[Model])
    grads = vx.grad(loss)(m, ids)
    updates, state = optimizer.update(grads, state, m)
    assert_type(updates, Model)
    return vx.optim.apply_updates(m, updates), state


def loss(m: Model, ids: I32[Batch, Time]) -> F32[()]:
    return vx.mean(m(ids))


def mistakes_of_optimisers(m: Model, b: Block, s: vx.optim.State[Block]) -> None:
    optimizer = vx.optim.sgd(0.1)
    updates, state = optimizer.update(m, optimizer.init(b), m)  # type: ignore[misc]
    of_another: vx.optim.State[Model] = s  # type: ignore[assignment]
    print(updates, state, of_another)


def mistakes(
    m: Model, x: F32[Batch, Width], h: BF16[Batch, Width], conv: Conv[Literal[3], Hid]
) -> None:
    m.head(m.head(x))  # type: ignore[arg-type]
    m.head(h)  # type: ignore[arg-type]
    m.block.mlp.down(m.norm(x))  # type: ignore[arg-type]
    m.block(x)  # type: ignore[arg-type]
    conv(x)  # type: ignore[arg-type]
    Model(m.embed, m.norm, m.block, m.block.mlp.up)  # type: ignore[arg-type]
    half: Linear[Width, Hid, vx.bfloat16] = m.head  # type: ignore[assignment]
    other: Linear[Width, Vocab] = m.block.mlp.up  # type: ignore[assignment]
    print(half, other)
