"""Operators, indexing and functions of arrays under the plugin; what mypy says is in arrays.txt."""

from typing import Any, Literal, TypeVar, TypeVarTuple, reveal_type

import numpy as np

import verax as vx
from verax import F32, I32, Array


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hidden(vx.Dim): ...


N = TypeVar("N", bound=vx.AnyDim)
D = TypeVar("D", bound=vx.Scalar)
Ds = TypeVarTuple("Ds")


def operators(x: F32[Batch, Feat], w: F32[Feat, Hidden], b: F32[Hidden], scale: float) -> None:
    reveal_type(x @ w + b)
    reveal_type(1.0 - x)
    reveal_type(scale * x / 2)
    reveal_type(x > 0.5)
    reveal_type(-abs(x))
    reveal_type(x.T @ x)
    y = x
    y += 1
    reveal_type(y)


def indexing(x: F32[Batch, Feat], i: int, at: I32[Hidden], mask: vx.Bool[Batch]) -> None:
    reveal_type(x[0])
    reveal_type(x[i])
    reveal_type(x[:, None, 1:])
    reveal_type(x[..., -1])
    reveal_type(x[at])
    reveal_type(x[at, at])
    reveal_type(x[1:-1, ::1])
    reveal_type(x.at[0].set(1.0))
    reveal_type(x.at[at].add(x[0]))
    reveal_type(vx.where(mask[:, None], x, 0.0))


def functions(x: F32[Batch, Feat], w: F32[Feat, Hidden], key: vx.random.Key, n: int) -> None:
    reveal_type(vx.einsum("bf,fh->hb", x, w))
    reveal_type(vx.concat([x, x], axis=1))
    reveal_type(vx.stack([x, x]))
    reveal_type(vx.mean(x, axis=0, keepdims=True))
    reveal_type(x.argmax(axis=-1))
    reveal_type(vx.top_k(x, 3))
    reveal_type(vx.zeros((n, 3)))
    reveal_type(vx.zeros(x.shape, x.dtype))
    reveal_type(vx.eye(4, dtype=vx.bfloat16))
    reveal_type(vx.arange(x.shape[1]))
    reveal_type(vx.random.normal(key, (3, x.shape[0])))
    reveal_type(vx.linalg.svd(vx.zeros((5, 3))))
    reveal_type(vx.fft.fft(x))
    reveal_type(x.astype(vx.complex64).real)


def ranks(x: F32[*Ds, Feat], w: F32[Feat, Hidden]) -> F32[*Ds, Hidden]:
    reveal_type(vx.softmax(x))
    reveal_type(x.sum(axis=-1))
    reveal_type(vx.mean(x))
    reveal_type(x.ravel())
    return x @ w


def dtypes(x: Array[D, N], y: Array[Any, N]) -> Array[D, N]:
    reveal_type(x * 2)
    reveal_type(vx.sin(x))
    reveal_type(x > 0)
    reveal_type(y + 1.0)
    return x[::-1]


def open_shapes(x: F32, a: np.ndarray[Any, Any], q: vx.AnyArray) -> None:
    reveal_type(vx.tanh(x))
    reveal_type(vx.sum(x))
    reveal_type(x + a)
    reveal_type(q > 0)
    reveal_type(vx.reshape(q, (2, -1)))
    reveal_type(vx.asarray(a))


def array_likes(x: vx.ArrayLike, pair: tuple[F32[Batch], F32[Batch]]) -> None:
    reveal_type(vx.tanh(x))
    reveal_type(vx.maximum(*pair))


def lists(x: F32[Literal[6], Feat]) -> None:
    a, b = vx.split(x, 2)
    reveal_type(a)
    reveal_type(vx.split(x, [1]))
    reveal_type([row for row in x])
    first, *rest = vx.unstack(x)
    reveal_type(rest)
