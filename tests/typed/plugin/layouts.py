"""Dims that mesh axes cut, under the plugin; what mypy says is in layouts.txt."""

from typing import Literal, TypeAlias, reveal_type

import verax as vx
from verax import F32, Sharded

Data: TypeAlias = Literal["data"]
Model: TypeAlias = Literal["model"]


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hidden(vx.Dim): ...


X: TypeAlias = F32[Sharded[Batch, Data], Feat]


def layer(
    x: X, up: F32[Feat, Sharded[Hidden, Model]], down: F32[Sharded[Hidden, Model], Feat]
) -> X:
    h = vx.relu(x @ up)
    reveal_type(h)
    reveal_type(h @ down)
    reveal_type(h.T)
    reveal_type(h.sum(axis=0))
    reveal_type(x + 1)
    reveal_type(vx.grad(lambda w: vx.sum(x @ w))(up))
    return x + h @ down


def conflict(x: X, y: F32[Sharded[Batch, Model], Feat]) -> X:
    return x + y


def forgotten(x: X) -> F32[Batch, Feat]:
    return vx.tanh(x)
