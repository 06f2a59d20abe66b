"""A convolutional network with pooling: sizes of images are literals, the batch has a name."""

from __future__ import annotations

from typing import Literal, TypeAlias

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32

L1: TypeAlias = Literal[1]
L2: TypeAlias = Literal[2]
L3: TypeAlias = Literal[3]
L4: TypeAlias = Literal[4]
L8: TypeAlias = Literal[8]
LAYOUT = ("NHWC", "HWIO", "NHWC")


class Batch(vx.Dim): ...


class Cls(vx.Dim): ...


@vx.struct
class ConvNet:
    first: F32[L3, L3, L1, L2]
    first_bias: F32[L2]
    second: F32[L3, L3, L2, L4]
    second_bias: F32[L4]
    head: F32[Literal[16], Cls]

    def features(self, x: F32[Batch, L8, L8, L1]) -> F32[Batch, L2, L2, L4]:
        h = vx.conv_general_dilated(x, self.first, (1, 1), "SAME", dimension_numbers=LAYOUT)
        h = vx.nn.max_pool(vx.relu(h + self.first_bias), (2, 2), 2)
        h = vx.conv_general_dilated(h, self.second, (1, 1), "SAME", dimension_numbers=LAYOUT)
        return vx.nn.max_pool(vx.relu(h + self.second_bias), (2, 2), 2)

    def __call__(self, x: F32[Batch, L8, L8]) -> F32[Batch, Cls]:
        h = self.features(x[..., None])
        return h.reshape(x.shape[0], -1) @ self.head


def loss(m: ConvNet, x: F32[Batch, L8, L8], y: I32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(m(x), y).mean()


def flipped(x: F32[Batch, L8, L8]) -> F32[Batch, L8, L8]:
    return vx.flip(x, axis=2)


def cropped(x: F32[Batch, L8, L8]) -> F32[Batch, L4, L4]:
    return x[:, 2:6, 2:6]


def patches(x: F32[Batch, L8, L8]) -> F32[Batch, L4, Literal[16]]:
    tiles = x.reshape(x.shape[0], 2, 4, 2, 4).transpose((0, 1, 3, 2, 4))
    return tiles.reshape(x.shape[0], 4, 16)


def example() -> vx.AnyArray:
    m = ConvNet(floats(3, 3, 1, 2), floats(2), floats(3, 3, 2, 4), floats(4), floats(16, 3))
    x, y = floats(2, 8, 8), ints(3, 2)
    value, g = vx.value_and_grad(loss)(m, flipped(x), y)
    return value + g.head.sum() + cropped(x).mean() + patches(x).mean()
