"""A data pipeline: NumPy arrays at the border, standardized, batched and fed to jitted steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import verax as vx
from tests.typed.data import floats
from verax import F32, I32


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Cls(vx.Dim): ...


def batches(
    x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], size: int
) -> Iterator[tuple[F32[Batch, Feat], I32[Batch]]]:
    for start in range(0, len(x) - size + 1, size):
        rows = slice(start, start + size)
        yield vx.asarray(x[rows]), vx.asarray(y[rows])


@vx.struct
class Scaler:
    mean: F32[Feat]
    scale: F32[Feat]

    @staticmethod
    def fit(x: F32[Batch, Feat]) -> Scaler:
        return Scaler(x.mean(axis=0), x.std(axis=0) + 1e-6)

    def __call__(self, x: F32[Batch, Feat]) -> F32[Batch, Feat]:
        return (x - self.mean) / self.scale


@vx.jit
def step(w: F32[Feat, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[Feat, Cls]:
    def loss(w: F32[Feat, Cls]) -> F32[()]:
        return vx.nn.cross_entropy(x @ w, y).mean()

    return w - 0.5 * vx.grad(loss)(w)


def augmented(x: F32[Batch, Feat], key: vx.random.Key) -> F32[Batch, Feat]:
    noise, drop = vx.random.split(key)
    kept = vx.random.bernoulli(drop, 0.9, x.shape)
    shift: F32[Batch, Feat] = vx.random.normal(noise, x.shape)
    return vx.where(kept, x + 0.01 * shift, 0.0)


def train(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], w: F32[Feat, Cls]) -> F32[Feat, Cls]:
    scaler = Scaler.fit(vx.asarray(x))
    key = vx.random.key(0)
    for i, (rows, labels) in enumerate(batches(x, y, 4)):
        w = step(w, augmented(scaler(rows), vx.random.fold_in(key, i)), labels)
    return w


def accuracy(w: F32[Feat, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    return vx.mean((vx.argmax(x @ w, axis=1) == y).astype(vx.float32))


def example() -> vx.AnyArray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 3)).astype(np.float32)
    y = rng.integers(0, 2, 9).astype(np.int32)
    w = train(x, y, floats(3, 2))
    return accuracy(w, vx.asarray(x), vx.asarray(y)) + w
