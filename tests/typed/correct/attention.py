"""Multi-head attention with named heads, a causal mask and a residual stream."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, TypeVar

import verax as vx
from tests.typed.data import floats
from verax import F32, Bool, Mul

Size8: TypeAlias = Literal[8]
M = TypeVar("M", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Seq(vx.Dim): ...


class Heads(vx.Dim): ...


class Width(vx.Dim): ...


@vx.struct
class Attention:
    query: F32[Width, Heads, Size8]
    key: F32[Width, Heads, Size8]
    value: F32[Width, Heads, Size8]
    out: F32[Heads, Size8, Width]

    def scores(
        self, x: F32[Batch, Seq, Width], memory: F32[Batch, M, Width]
    ) -> F32[Batch, Heads, Seq, M]:
        q = vx.einsum("btw,whd->bthd", x, self.query)
        k = vx.einsum("bsw,whd->bshd", memory, self.key)
        return vx.einsum("bthd,bshd->bhts", q, k) / math.sqrt(8)

    def __call__(
        self, x: F32[Batch, Seq, Width], memory: F32[Batch, M, Width], mask: Bool[Seq, M]
    ) -> F32[Batch, Seq, Width]:
        scores = vx.where(mask, self.scores(x, memory), -1e9)
        v = vx.einsum("bsw,whd->bshd", memory, self.value)
        mixed = vx.einsum("bhts,bshd->bthd", vx.softmax(scores), v)
        return vx.einsum("bthd,hdw->btw", mixed, self.out)


def causal(x: F32[Batch, Seq, Width]) -> Bool[Seq, Seq]:
    at = vx.arange(x.shape[1])
    return at[:, None] >= at


def normalized(x: F32[Batch, Seq, Width]) -> F32[Batch, Seq, Width]:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred * vx.rsqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)


def merged(o: F32[Batch, Heads, Seq, Size8]) -> F32[Batch, Seq, Mul[Heads, Size8]]:
    return o.transpose((0, 2, 1, 3)).reshape(o.shape[0], o.shape[2], -1)


def separated(x: F32[Batch, Seq, Mul[Heads, Size8]]) -> F32[Batch, Heads, Seq, Size8]:
    heads = x.reshape(x.shape[0], x.shape[1], -1, 8)
    return vx.swapaxes(heads, 1, 2)


def block(layer: Attention, x: F32[Batch, Seq, Width]) -> F32[Batch, Seq, Width]:
    h = normalized(x)
    return x + layer(h, h, causal(h))


def example() -> vx.AnyArray:
    into = (6, 2, 8)
    layer = Attention(
        floats(*into), floats(*into, seed=1), floats(*into, seed=2), floats(2, 8, 6, seed=3)
    )
    x = floats(3, 5, 6)
    memory = floats(3, 4, 6)
    cross = layer(x, memory, vx.ones((5, 4), vx.bool))
    heads = merged(separated(floats(3, 5, 16)))
    return block(layer, x) + cross + heads.sum()
