"""Reshapes, transposes and results that are not the shape that is declared."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Feat, Heads, Hid, M, N, Seq
from verax import F32, Add, Mul, Size


def flat(x: F32[Batch, Seq, Feat]) -> F32[Batch, Mul[Seq, Seq]]:
    return x.reshape(x.shape[0], -1)  # bug: reshape


def not_divisible(x: F32[Literal[6], Literal[4]]) -> F32[Literal[5], Literal[5]]:
    return x.reshape(5, -1)  # bug: reshape


def wrong_product(x: F32[Literal[6], Literal[4]]) -> F32[Literal[8], Literal[4]]:
    return x.reshape(8, 4)  # bug: reshape


def two_unknown(x: F32[Literal[6], Literal[4]]) -> F32[Literal[6], Literal[4]]:
    return x.reshape((-1, -1))  # bug: reshape


def split_heads(
    x: F32[Batch, Seq, Mul[Heads, Literal[64]]],
) -> F32[Batch, Seq, Heads, Literal[32]]:
    return x.reshape(x.shape[0], x.shape[1], -1, 64)  # bug: reshape


def merge_heads(x: F32[Batch, Heads, Seq, Literal[64]]) -> F32[Batch, Seq, Mul[Heads, Literal[64]]]:
    return x.reshape(x.shape[0], x.shape[1], -1)  # bug: reshape


def flatten_images(x: F32[Batch, Literal[28], Literal[28]]) -> F32[Batch, Literal[748]]:
    return x.reshape(-1, 28 * 28)  # bug: reshape


def unflatten(x: F32[Batch, Literal[784]]) -> F32[Batch, Literal[28], Literal[28]]:
    return x.reshape(-1, 28, 26)  # bug: reshape


def raveled(x: F32[N, M]) -> F32[Add[N, M]]:
    return x.ravel()  # bug: reshape


def transposed(x: F32[Batch, Seq, Feat]) -> F32[Batch, Feat, Seq]:
    return x.transpose((0, 1, 2))  # bug: reshape


def not_a_permutation(x: F32[Batch, Seq, Feat]) -> F32[Seq, Batch, Feat]:
    return vx.permute_dims(x, (1, 0, 0))  # bug: reshape


def squeezed(x: F32[Batch, Literal[2], Feat]) -> F32[Batch, Feat]:
    return vx.squeeze(x, axis=1)  # bug: reshape


def expanded(x: F32[Batch, Feat]) -> F32[Batch, Literal[1], Feat]:
    return vx.expand_dims(x, axis=2)  # bug: reshape


def tiled(x: F32[Feat], batch: Size[Batch]) -> F32[Batch, Feat]:
    return vx.broadcast_to(x, (x.shape[0], batch))  # bug: reshape


# declared results


def loss(x: F32[Batch, Feat]) -> F32[()]:
    return (x * x).mean(axis=0)  # bug: declared


def order(x: F32[Batch, Feat], w: F32[Feat, Hid]) -> F32[Hid, Batch]:
    return x @ w  # bug: declared


def rank(x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.tanh(x)  # bug: declared


def pair(x: F32[Batch, Feat]) -> tuple[F32[Batch], F32[Feat]]:
    return x.mean(axis=0), x.mean(axis=1)  # bug: declared


def generic(x: F32[N, M]) -> F32[M, N]:
    return vx.exp(x) + 1.0  # bug: declared


def size(x: F32[Batch, Literal[10]]) -> F32[Batch, Literal[12]]:
    return vx.log_softmax(x)  # bug: declared


def variable(x: F32[Batch, Feat]) -> F32[Batch]:
    total: F32[Batch] = x.sum(axis=1, keepdims=True)  # bug: declared
    return total * 2.0


def listed(x: F32[Batch, Feat]) -> list[F32[Batch]]:
    return [x[0], x[1]]  # bug: declared


def mapped(x: F32[Batch, Feat]) -> dict[str, F32[Feat]]:
    return {"mean": x.mean(axis=0), "std": x.std(axis=1)}  # bug: declared


def ones(n: Size[N], m: Size[M]) -> F32[N, M]:
    return vx.ones((m, n), vx.float32)  # bug: declared


def square(x: F32[Batch, Feat]) -> F32[Batch, Batch]:
    return x.T @ x  # bug: declared


# sizes


def too_long(x: F32[Seq, Feat]) -> F32[Seq]:
    return vx.arange(x.shape[1], dtype=vx.float32)  # bug: size


def wrong_eye(x: F32[N, M]) -> F32[N, N]:
    return vx.eye(x.shape[1])  # bug: size


def added_eye(x: F32[N, M]) -> F32[N, N]:
    return x @ x.T + vx.eye(x.shape[1])  # bug: size


def wrong_zeros(x: F32[Batch, Feat], w: F32[Feat, Hid]) -> F32[Batch, Hid]:
    start = vx.zeros((x.shape[0], x.shape[1]), vx.float32)
    return start + x @ w  # bug: size


def one_more(x: F32[Seq, Feat]) -> F32[Seq, Feat]:
    return vx.zeros((x.shape[0] + 1, x.shape[1]), vx.float32)  # bug: size


def returned(x: F32[Batch, Feat]) -> Size[Batch]:
    return x.shape[1]  # bug: size


def passed(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return ones(x.shape[1], x.shape[0])  # bug: size


def product(x: F32[N, M]) -> F32[Mul[N, M]]:
    return vx.zeros((x.shape[0] * x.shape[0],), vx.float32)  # bug: size


def positions(x: F32[Batch, Seq, Feat]) -> F32[Batch, Seq, Feat]:
    at = vx.arange(x.shape[0], dtype=vx.float32)
    return x + at[:, None]  # bug: size
