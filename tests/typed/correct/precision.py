"""Mixed precision: bfloat16 products with float32 sums, loss scaling, casts of trees."""

from __future__ import annotations

from typing import TypeVar

import verax as vx
from tests.typed.data import floats, ints
from verax import BF16, F16, F32, I32

N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Cls(vx.Dim): ...


@vx.struct
class Params:
    up: F32[Feat, Hid]
    bias: F32[Hid]
    out: F32[Hid, Cls]


def forward(p: Params, x: BF16[Batch, Feat]) -> F32[Batch, Cls]:
    h = vx.relu(x @ p.up.astype(vx.bfloat16) + p.bias.astype(vx.bfloat16))
    logits = h @ p.out.astype(vx.bfloat16)
    return logits.astype(vx.float32)


def accumulated(x: BF16[Batch, Feat], w: BF16[Feat, Hid]) -> F32[Batch, Hid]:
    return vx.einsum("bf,fh->bh", x, w, out_dtype=vx.float32)


def normalized(x: BF16[Batch, Feat]) -> BF16[Batch, Feat]:
    wide = x.astype(vx.float32)
    centred = wide - wide.mean(axis=1, keepdims=True)
    return (centred * vx.rsqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)).astype(vx.bfloat16)


def loss(p: Params, x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    logits = forward(p, normalized(x.astype(vx.bfloat16)))
    return vx.nn.cross_entropy(logits, y).mean()


def scaled_step(p: Params, x: F32[Batch, Feat], y: I32[Batch], scale: F32[()]) -> Params:
    g = vx.grad(lambda p: loss(p, x, y) * scale)(p)
    finite = vx.isfinite(g.up).all() & vx.isfinite(g.out).all()
    rate = vx.where(finite, 0.1 / scale, 0.0)
    return Params(p.up - rate * g.up, p.bias - rate * g.bias, p.out - rate * g.out)


def half_norm(x: F16[N]) -> F32[()]:
    wide = x.astype(vx.float32)
    return vx.sqrt(wide @ wide)


def counted(x: F32[Batch, Feat], y: I32[Batch]) -> F32[Feat]:
    weight = y.astype(vx.float32)
    return weight @ x / vx.maximum(weight.sum(), 1.0)


def quantized(x: F32[N]) -> F32[N]:
    scale = vx.abs(x).max() / 127.0
    q = vx.clip(vx.round(x / scale), -127.0, 127.0).astype(vx.int8)
    return q.astype(vx.float32) * scale


def example() -> vx.AnyArray:
    p = Params(floats(3, 4), floats(4), floats(4, 2))
    x, y = floats(5, 3), ints(2, 5)
    p = scaled_step(p, x, y, vx.asarray(1024.0))
    wide = accumulated(x.astype(vx.bfloat16), p.up.astype(vx.bfloat16))
    half = half_norm(floats(4).astype(vx.float16))
    return loss(p, x, y) + counted(x, y).sum() + quantized(floats(6)).sum() + wide.sum() + half
