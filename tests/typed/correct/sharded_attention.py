"""Attention over a mesh: heads are cut by the model axis, batches by the data axis."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import verax as vx
from tests.typed.data import floats
from verax import F32, Bool, Sharded

Data: TypeAlias = Literal["data"]
Model: TypeAlias = Literal["model"]


class Batch(vx.Dim): ...


class Seq(vx.Dim): ...


class Width(vx.Dim): ...


class Heads(vx.Dim): ...


class Size(vx.Dim): ...


Rows: TypeAlias = Sharded[Batch, Data]
Cut: TypeAlias = Sharded[Heads, Model]


@vx.struct
class Attention:
    query: F32[Width, Cut, Size]
    key: F32[Width, Cut, Size]
    value: F32[Width, Cut, Size]
    out: F32[Cut, Size, Width]

    def scores(self, x: F32[Rows, Seq, Width]) -> F32[Rows, Cut, Seq, Seq]:
        q = vx.einsum("btw,whd->bthd", x, self.query)
        k = vx.einsum("bsw,whd->bshd", x, self.key)
        return vx.einsum("bthd,bshd->bhts", q, k) / math.sqrt(8.0)

    def __call__(self, x: F32[Rows, Seq, Width], mask: Bool[Seq, Seq]) -> F32[Rows, Seq, Width]:
        weights = vx.softmax(vx.where(mask, self.scores(x), -1e9))
        v = vx.einsum("bsw,whd->bshd", x, self.value)
        mixed = vx.einsum("bhts,bshd->bthd", weights, v)
        return vx.einsum("bthd,hdw->btw", mixed, self.out)


def block(layer: Attention, x: F32[Rows, Seq, Width]) -> F32[Rows, Seq, Width]:
    at = vx.arange(x.shape[1])
    return x + layer(x, at[:, None] >= at)


def pooled(x: F32[Rows, Seq, Width]) -> F32[Rows, Width]:
    return x.mean(axis=1)


def entropy(layer: Attention, x: F32[Rows, Seq, Width]) -> F32[Rows, Cut]:
    p = vx.softmax(layer.scores(x))
    return -(p * vx.log(p + 1e-9)).sum(axis=-1).mean(axis=-1)


def loss(layer: Attention, x: F32[Rows, Seq, Width], y: F32[Rows, Width]) -> F32[()]:
    return ((pooled(block(layer, x)) - y) ** 2).mean()


def example() -> vx.AnyArray:
    into = (4, 2, 3)
    layer = Attention(floats(*into), floats(*into, seed=1), floats(*into, seed=2), floats(2, 3, 4))
    x = floats(2, 5, 4)
    g = vx.grad(loss)(layer, x, floats(2, 4))
    return g.out.sum() + entropy(layer, x)
