"""Layers whose sizes do not compose: structs generic in dims, lists and dicts of them."""

from __future__ import annotations

from typing import Generic, Literal

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, H, Hid, In, N, Out, Seq
from verax import F32


@vx.struct
class Linear(Generic[In, Out]):
    w: F32[In, Out]
    b: F32[Out]

    def __call__(self, x: F32[N, In]) -> F32[N, Out]:
        return x @ self.w + self.b

    def backwards(self, x: F32[N, In]) -> F32[N, Out]:
        return x @ self.w + self.w  # bug: layers

    def tied(self, y: F32[N, Out]) -> F32[N, In]:
        return y @ self.w  # bug: layers


@vx.struct
class MLP(Generic[In, H, Out]):
    up: Linear[In, H]
    down: Linear[H, Out]

    def __call__(self, x: F32[N, In]) -> F32[N, Out]:
        return self.down(vx.relu(self.up(x)))

    def skipped(self, x: F32[N, In]) -> F32[N, Out]:
        h = vx.relu(self.up(x))
        return self.up(h)  # bug: layers

    def residual(self, x: F32[N, In]) -> F32[N, Out]:
        return x + self.down(vx.relu(self.up(x)))  # bug: layers

    def reversed(self, x: F32[N, In]) -> F32[N, Out]:
        return self.up(self.down(x))  # bug: layers


@vx.struct
class Norm(Generic[In]):
    scale: F32[In]

    def __call__(self, x: F32[N, In]) -> F32[N, In]:
        return vx.standardize(x) * self.scale


def chain(
    first: Linear[Feat, Hid], second: Linear[Feat, Cls], x: F32[Batch, Feat]
) -> F32[Batch, Cls]:
    return second(vx.gelu(first(x)))  # bug: layers


def fixed(
    first: Linear[Feat, Literal[64]], second: Linear[Literal[32], Cls], x: F32[Batch, Feat]
) -> F32[Batch, Cls]:
    return second(first(x))  # bug: layers


def stacked(layers: list[Linear[Hid, Hid]], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    h = x @ vx.ones_like(layers[0].w)  # bug: layers
    for layer in layers:
        h = layer(h)
    return h


def looped(
    layers: list[Linear[Hid, Hid]], head: Linear[Hid, Cls], x: F32[Batch, Feat]
) -> F32[Batch, Cls]:
    h = layers[0](x)  # bug: layers
    return head(h)


def named(params: dict[str, F32[Feat, Hid]], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    h = vx.tanh(x @ params["first"])
    return h @ params["second"]  # bug: layers


def normed(norm: Norm[Feat], layer: Linear[Feat, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
    return norm(layer(x))  # bug: layers


def built(w: F32[Feat, Hid], b: F32[Feat]) -> Linear[Feat, Hid]:
    return Linear(w, b)  # bug: layers


def deep(model: MLP[Feat, Hid, Cls], x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return model(x)  # bug: layers


def per_token(layer: Linear[Feat, Hid], x: F32[Batch, Seq, Feat]) -> F32[Batch, Seq, Hid]:
    return layer(x)  # bug: layers
