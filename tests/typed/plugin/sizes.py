"""Sizes and arithmetic of dims under the plugin; what mypy says is in sizes.txt."""

from typing import Final, Literal, TypeVar, reveal_type

import verax as vx
from verax import F32, Add, Mul


class Batch(vx.Dim): ...


class Heads(vx.Dim): ...


N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
WIDTH: Final = 8


def counting(x: F32[Batch, Heads, Literal[4]]) -> None:
    b, h, _ = x.shape
    reveal_type(b)
    reveal_type(2 * b + 1)
    reveal_type(len(x) - 1)
    reveal_type(h * x.shape[2])
    reveal_type(x.shape[1] ** 0.5)
    reveal_type(x.size // b)
    reveal_type(x.shape[0] // 2)
    reveal_type(vx.zeros((b + 1, WIDTH * 2)))
    reveal_type(x.reshape(b, -1))
    reveal_type(x.reshape((-1, 4)))


def joined(x: F32[N], y: F32[M]) -> F32[Add[N, M]]:
    return vx.concat([x, y])


def swapped(x: F32[N], y: F32[M]) -> F32[Add[M, N]]:
    return joined(x, y)


def longer(x: F32[N]) -> F32[Add[N, Literal[1]]]:
    return vx.concat([x, vx.zeros((1,))])


def shorter(x: F32[Add[N, Literal[1]]]) -> F32[N]:
    return x[1:]


def merged(x: F32[N, M]) -> F32[Mul[N, M]]:
    return x.ravel()


def uses(x: F32[Batch], y: F32[Literal[5]], z: F32[Literal[2], Batch]) -> None:
    reveal_type(joined(x, y))
    reveal_type(longer(longer(x)))
    reveal_type(shorter(longer(x)))
    reveal_type(shorter(y))
    reveal_type(merged(z))


def wrong(x: F32[N], y: F32[M]) -> F32[Add[N, N]]:
    return joined(x, y)


def not_a_dim(x: F32[Add[N, str]]) -> None: ...


def no_dims(x: F32[Batch, int], y: F32[str]) -> None: ...
