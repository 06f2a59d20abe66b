"""Arithmetic of dims: concatenation adds, heads multiply, slices subtract, literals are sizes."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

import verax as vx
from tests.typed.data import floats
from verax import F32, Add, Mul, Size

N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
F = TypeVar("F", bound=vx.AnyDim)
One: TypeAlias = Literal[1]
Two: TypeAlias = Literal[2]


class Batch(vx.Dim): ...


class Seq(vx.Dim): ...


class Heads(vx.Dim): ...


def joined(a: F32[N, F], b: F32[M, F]) -> F32[Add[N, M], F]:
    return vx.concat([a, b], axis=0)


def joined_back(a: F32[N, F], b: F32[M, F]) -> F32[Add[M, N], F]:
    return joined(a, b)


def doubled(a: F32[N]) -> F32[Mul[N, Two]]:
    twice: F32[Add[N, N]] = vx.concat([a, a])
    return twice


def padded(a: F32[N]) -> F32[Add[N, Two]]:
    return vx.pad(a, 1)


def inner(a: F32[Add[N, Two]]) -> F32[N]:
    return a[1:-1]


def smoothed(a: F32[N]) -> F32[N]:
    p = padded(a)
    return (p[:-2] + 2.0 * inner(p) + p[2:]) / 4.0


def differences(a: F32[Add[N, One]]) -> F32[N]:
    return a[1:] - a[:-1]


def with_class(x: F32[Batch, Seq, F], token: F32[F]) -> F32[Batch, Add[Seq, One], F]:
    first = vx.broadcast_to(token, (x.shape[0], 1, x.shape[2]))
    return vx.concat([first, x], axis=1)


def split_heads(x: F32[Batch, Mul[Heads, Literal[4]]]) -> F32[Batch, Heads, Literal[4]]:
    return x.reshape(x.shape[0], -1, 4)


def merge_heads(x: F32[Batch, Heads, Literal[4]]) -> F32[Batch, Mul[Heads, Literal[4]]]:
    return x.reshape(x.shape[0], x.shape[1] * 4)


def outer(a: F32[N], b: F32[M]) -> F32[Mul[N, M]]:
    return (a[:, None] * b).ravel()


def seven(a: F32[Literal[3], F], b: F32[Literal[4], F]) -> F32[Literal[7], F]:
    return joined(a, b)


def repeated(a: F32[N]) -> F32[Mul[N, Literal[3]]]:
    return vx.tile(a, 3)


def grid(n: Size[N], m: Size[M]) -> F32[N, M]:
    rows = vx.arange(n, dtype=vx.float32)
    return rows[:, None] * vx.ones((m,), vx.float32)


def indices(x: F32[N, M]) -> F32[N, M]:
    return grid(x.shape[0], x.shape[1]) + x


def example() -> vx.AnyArray:
    a, b, v = floats(3, 2), floats(4, 2), floats(5)
    total = joined(a, b).sum() + joined_back(a, b).sum() + seven(a, b).sum()
    total += doubled(v).sum() + smoothed(v).sum() + differences(v).sum() + repeated(v).sum()
    total += with_class(floats(2, 3, 4), floats(4)).sum() + outer(v, v).sum()
    heads = split_heads(floats(2, 8))
    return total + merge_heads(heads).sum() + indices(heads[0]).sum()
