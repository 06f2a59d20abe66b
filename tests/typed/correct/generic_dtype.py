"""Functions that are generic in the dtype, and integer programs."""

from __future__ import annotations

from typing import TypeVar

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32, U32, Array, Bool

N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
D = TypeVar("D", vx.float32, vx.float64, vx.bfloat16)


class Words(vx.Dim): ...


class Docs(vx.Dim): ...


def swish(x: Array[D, N, M], beta: float = 1.0) -> Array[D, N, M]:
    return x * vx.sigmoid(x * beta)


def normalized(x: Array[D, N, M]) -> Array[D, N, M]:
    return x / x.sum(axis=-1, keepdims=True)


def lerp(a: Array[D, N], b: Array[D, N], t: float) -> Array[D, N]:
    return a + (b - a) * t


def gram(x: Array[D, N, M]) -> Array[D, M, M]:
    return x.T @ x


def histogram(ids: I32[Docs, Words], n: int) -> I32[Docs]:
    hit = vx.one_hot(ids, n, dtype=vx.int32)
    return hit.sum(axis=1).max(axis=-1)


def hashed(x: U32[N]) -> U32[N]:
    x = x ^ (x >> 16)
    x = x * 0x45D9F3B
    return x ^ (x >> 16)


def parity(x: I32[N]) -> Bool[N]:
    return (x & 1) == 0


def collatz(n: I32[()]) -> I32[()]:
    def step(state: tuple[I32[()], I32[()]]) -> tuple[I32[()], I32[()]]:
        n, count = state
        return vx.where(n % 2 == 0, n // 2, 3 * n + 1), count + 1

    def running(state: tuple[I32[()], I32[()]]) -> Bool[()]:
        return state[0] > 1

    return vx.while_loop(running, step, (n, vx.zeros((), vx.int32)))[1]


def ranks(x: F32[N]) -> I32[N]:
    return vx.argsort(vx.argsort(x))


def example() -> vx.AnyArray:
    x = floats(3, 2)
    total = swish(x).sum() + gram(normalized(x * x)).sum() + lerp(x[0], x[1], 0.5).sum()
    counts = histogram(ints(4, 3, 5), 4).sum() + ranks(floats(5)).sum()
    counts += parity(ints(9, 4)).astype(vx.int32).sum() + collatz(vx.asarray(6))
    bits = hashed(ints(100, 3).astype(vx.uint32)) % 10
    return total + counts.astype(vx.float32) + bits.astype(vx.float32).sum()
