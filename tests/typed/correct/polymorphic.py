"""Layers of any rank: what stands before the last dimension is kept, whatever it is."""

from __future__ import annotations

from typing import Generic, TypeVar, TypeVarTuple, overload

import verax as vx
from tests.typed.data import floats
from verax import F32

Ds = TypeVarTuple("Ds")
D = TypeVar("D", bound=vx.AnyDim)
In = TypeVar("In", bound=vx.AnyDim)
Out = TypeVar("Out", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Seq(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


def rms_norm(x: F32[*Ds, D], scale: F32[D]) -> F32[*Ds, D]:
    return x * vx.rsqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6) * scale


def layer_norm(x: F32[*Ds, D], eps: float = 1e-5) -> F32[*Ds, D]:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred * vx.rsqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


def scores(x: F32[*Ds, D], q: F32[D]) -> F32[*Ds]:
    return (x * q).sum(axis=-1)


def log_normalizer(x: F32[*Ds, D]) -> F32[*Ds]:
    return vx.logsumexp(x, axis=-1)


def elu(x: F32[*Ds]) -> F32[*Ds]:
    return vx.where(x > 0.0, x, vx.expm1(vx.minimum(x, 0.0)))


@vx.struct
class Dense(Generic[In, Out]):
    w: F32[In, Out]
    b: F32[Out]

    def __call__(self, x: F32[*Ds, In]) -> F32[*Ds, Out]:
        return x @ self.w + self.b


@overload
def totals(x: F32[Batch, Feat]) -> F32[Batch]: ...
@overload
def totals(x: F32[Batch, Seq, Feat]) -> F32[Batch, Seq]: ...
def totals(x: vx.AnyArray) -> vx.AnyArray:
    return x.sum(axis=-1)


def rows(x: F32[Batch, Feat], y: F32[Batch, Seq, Feat]) -> F32[Batch]:
    return totals(x) + totals(y).sum(axis=1)


def tokens(
    first: Dense[Feat, Hid], second: Dense[Hid, Feat], x: F32[Batch, Seq, Feat]
) -> F32[Batch, Seq, Feat]:
    h = elu(first(layer_norm(x)))
    return x + second(h)


def vectors(first: Dense[Feat, Hid], x: F32[Batch, Feat], scale: F32[Hid]) -> F32[Batch, Hid]:
    return rms_norm(first(x), scale)


def mean_pool(x: F32[Batch, Seq, Feat], q: F32[Feat]) -> F32[Batch, Feat]:
    weight = vx.softmax(scores(x, q))
    return vx.einsum("bs,bsf->bf", weight, x)


def example() -> vx.AnyArray:
    first: Dense[Feat, Hid] = Dense(floats(3, 4), floats(4))
    second: Dense[Hid, Feat] = Dense(floats(4, 3), floats(3))
    x = floats(2, 5, 3)
    pooled = mean_pool(tokens(first, second, x), floats(3))
    total = vectors(first, pooled, floats(4)).sum() + rows(pooled, x).sum()
    return total + log_normalizer(x)
