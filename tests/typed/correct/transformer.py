"""A transformer for tokens: embedding, blocks in a list, tied output, next-token loss."""

from __future__ import annotations

from typing import Literal, TypeAlias

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32, Add

One: TypeAlias = Literal[1]


class Batch(vx.Dim): ...


class Seq(vx.Dim): ...


class Width(vx.Dim): ...


class Inner(vx.Dim): ...


class Vocab(vx.Dim): ...


@vx.struct
class Norm:
    scale: F32[Width]

    def __call__(self, x: F32[Batch, Seq, Width]) -> F32[Batch, Seq, Width]:
        return x * vx.rsqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6) * self.scale


@vx.struct
class Block:
    before: Norm
    qkv: F32[Literal[3], Width, Width]
    out: F32[Width, Width]
    after: Norm
    up: F32[Width, Inner]
    down: F32[Inner, Width]

    def mix(self, x: F32[Batch, Seq, Width]) -> F32[Batch, Seq, Width]:
        q, k, v = vx.unstack(vx.einsum("btw,nwv->nbtv", x, self.qkv))
        scores = q @ k.mT / x.shape[2] ** 0.5
        allowed = vx.tril(vx.ones((x.shape[1], x.shape[1]), vx.bool))
        return vx.softmax(vx.where(allowed, scores, -1e9)) @ v @ self.out

    def __call__(self, x: F32[Batch, Seq, Width]) -> F32[Batch, Seq, Width]:
        x = x + self.mix(self.before(x))
        return x + vx.gelu(self.after(x) @ self.up) @ self.down


@vx.struct
class Transformer:
    embed: F32[Vocab, Width]
    position: F32[Seq, Width]
    blocks: list[Block]
    final: Norm

    def __call__(self, tokens: I32[Batch, Seq]) -> F32[Batch, Seq, Vocab]:
        x: F32[Batch, Seq, Width] = self.embed[tokens] + self.position
        for block in self.blocks:
            x = block(x)
        return self.final(x) @ self.embed.T


def loss(m: Transformer, tokens: I32[Batch, Add[Seq, One]]) -> F32[()]:
    logits = m(tokens[:, :-1])
    logs = vx.log_softmax(logits)
    chosen = vx.take_along_axis(logs, tokens[:, 1:, None], axis=-1)
    return -chosen.mean()


def step(m: Transformer, tokens: I32[Batch, Add[Seq, One]]) -> tuple[Transformer, F32[()]]:
    value, g = vx.value_and_grad(loss)(m, tokens)
    return vx.tree.map(lambda p, d: p - 0.01 * d, m, g), value


def make_block(seed: int) -> Block:
    return Block(
        Norm(vx.ones((4,), vx.float32)),
        floats(3, 4, 4, seed=seed),
        floats(4, 4, seed=seed),
        Norm(vx.ones((4,), vx.float32)),
        floats(4, 8, seed=seed),
        floats(8, 4, seed=seed),
    )


def example() -> vx.AnyArray:
    m = Transformer(
        floats(7, 4), floats(3, 4), [make_block(1), make_block(2)], Norm(vx.asarray(floats(4)))
    )
    m, value = step(m, ints(7, 2, 4))
    return value + loss(m, ints(7, 2, 4))
