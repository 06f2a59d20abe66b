"""A normalizing flow: affine couplings, their inverses and log-determinants."""

from __future__ import annotations

import math
from typing import Literal

import verax as vx
from tests.typed.data import floats
from verax import F32, Mul


class Batch(vx.Dim): ...


class Half(vx.Dim): ...


class Hid(vx.Dim): ...


@vx.struct
class Coupling:
    up: F32[Half, Hid]
    scale: F32[Hid, Half]
    shift: F32[Hid, Half]

    def terms(self, a: F32[Batch, Half]) -> tuple[F32[Batch, Half], F32[Batch, Half]]:
        h = vx.tanh(a @ self.up)
        return vx.tanh(h @ self.scale), h @ self.shift

    def forward(
        self, a: F32[Batch, Half], b: F32[Batch, Half]
    ) -> tuple[F32[Batch, Half], F32[Batch]]:
        log_scale, shift = self.terms(a)
        return b * vx.exp(log_scale) + shift, log_scale.sum(axis=1)

    def backward(self, a: F32[Batch, Half], b: F32[Batch, Half]) -> F32[Batch, Half]:
        log_scale, shift = self.terms(a)
        return (b - shift) * vx.exp(-log_scale)


def forward(
    layers: list[Coupling], x: F32[Batch, Mul[Literal[2], Half]]
) -> tuple[F32[Batch, Mul[Literal[2], Half]], F32[Batch]]:
    a, b = vx.split(x, 2, axis=1)
    total: F32[Batch] = vx.zeros((x.shape[0],), vx.float32)
    for layer in layers:
        moved, log_det = layer.forward(a, b)
        a, b = moved, a
        total = total + log_det
    return vx.concat([a, b], axis=1), total


def inverse(
    layers: list[Coupling], z: F32[Batch, Mul[Literal[2], Half]]
) -> F32[Batch, Mul[Literal[2], Half]]:
    a, b = vx.split(z, 2, axis=1)
    for layer in reversed(layers):
        a, b = b, layer.backward(b, a)
    return vx.concat([a, b], axis=1)


def log_prob(layers: list[Coupling], x: F32[Batch, Mul[Literal[2], Half]]) -> F32[Batch]:
    z, log_det = forward(layers, x)
    base = -0.5 * (z * z + math.log(2.0 * math.pi)).sum(axis=1)
    return base + log_det


def loss(layers: list[Coupling], x: F32[Batch, Mul[Literal[2], Half]]) -> F32[()]:
    return -log_prob(layers, x).mean()


def example() -> vx.AnyArray:
    layers = [Coupling(floats(2, 3, seed=i), floats(3, 2), floats(3, 2)) for i in range(2)]
    x = floats(5, 4)
    z, _ = forward(layers, x)
    grads = vx.grad(loss)(layers, x)
    return vx.abs(inverse(layers, z) - x).max() + grads[0].up.sum()
