"""Classify scikit-learn's handwritten digits with an MLP, to 95% and more on held-out ones.

    python examples/digits.py

A whole epoch is one compiled program: a scan over shuffled batches.
"""

from __future__ import annotations

import sys
import time
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from sklearn.datasets import load_digits

import verax as vx
from verax import F32, I32

BATCH, EPOCHS = 64, 40
Rows: TypeAlias = Literal[64]
N = TypeVar("N", bound=vx.AnyDim)


class Images(vx.Dim): ...


class Pixels(vx.Dim): ...


class Features(vx.Dim): ...


class Hidden(vx.Dim): ...


class Digits(vx.Dim): ...


@vx.struct
class Classifier:
    first: vx.nn.Linear[Pixels, Features]
    mlp: vx.nn.MLP[Features, Hidden, Digits]

    @staticmethod
    def init(*, key: vx.random.Key) -> Classifier:
        a, b = vx.random.split(key)
        return Classifier(
            vx.nn.Linear.init(64, 128, key=a),
            vx.nn.MLP.init(128, 64, n_out=10, key=b, activation=vx.relu),
        )

    def __call__(self, x: F32[N, Pixels]) -> F32[N, Digits]:
        return self.mlp(vx.relu(self.first(x)))


def loss_of(model: Classifier, x: F32[N, Pixels], y: I32[N]) -> F32[()]:
    return vx.mean(vx.nn.cross_entropy(model(x), y))


OPTIMIZER = vx.optim.adamw(vx.optim.cosine(3e-3, warmup=50, steps=22 * EPOCHS), weight_decay=1e-3)


@vx.jit
def epoch(
    model: Classifier,
    state: vx.optim.State[Classifier],
    x: F32[Images, Pixels],
    y: I32[Images],
    key: vx.random.Key,
) -> tuple[Classifier, vx.optim.State[Classifier], F32[()]]:
    """One pass over the images in random order; the last incomplete batch is left out."""
    batches = x.shape[0] // BATCH
    order = vx.random.permutation(key, x.shape[0])[: batches * BATCH].reshape((batches, BATCH))

    def step(
        carry: tuple[Classifier, vx.optim.State[Classifier]], rows: I32[Rows]
    ) -> tuple[tuple[Classifier, vx.optim.State[Classifier]], F32[()]]:
        model, state = carry
        loss, grads = vx.value_and_grad(loss_of)(model, x[rows], y[rows])
        updates, state = OPTIMIZER.update(grads, state, model)
        return (vx.optim.apply_updates(model, updates), state), loss

    (model, state), losses = vx.scan(step, (model, state), order)
    return model, state, vx.mean(losses)


@vx.jit
def accuracy(model: Classifier, x: F32[Images, Pixels], y: I32[Images]) -> F32[()]:
    return vx.mean((vx.argmax(model(x), axis=-1) == y).astype(vx.float32))


def main() -> int:
    began = time.perf_counter()
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    x, y = (images[order] / 16).astype(np.float32), labels[order].astype(np.int32)
    held = len(x) // 5
    train_x, train_y = vx.asarray(x[held:]), vx.asarray(y[held:])
    test_x, test_y = vx.asarray(x[:held]), vx.asarray(y[:held])

    start, shuffle = vx.random.split(vx.random.key(0))
    model = Classifier.init(key=start)
    state = OPTIMIZER.init(model)
    for i, key in enumerate(vx.random.split(shuffle, EPOCHS), 1):
        model, state, loss = epoch(model, state, train_x, train_y, key)
        if i % 10 == 0:
            print(f"epoch {i:3}  loss {float(loss):.4f}")
    found = float(accuracy(model, test_x, test_y))
    print(f"final: accuracy={found:.4f} seconds={time.perf_counter() - began:.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
