"""Classify scikit-learn's handwritten digits with a small convolutional network, to 97% and more.

    python examples/convnet.py [EPOCHS]

Two convolutions with pooling between, and a linear layer; a whole epoch is one compiled program.
"""

from __future__ import annotations

import sys
import time
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from sklearn.datasets import load_digits

import verax as vx
from verax import F32, I32, Mul

BATCH, EPOCHS = 64, 12
Batch: TypeAlias = Literal[64]
Side: TypeAlias = Literal[8]  # of an image
N = TypeVar("N", bound=vx.AnyDim)


class Images(vx.Dim): ...


class Edges(vx.Dim): ...


class Shapes(vx.Dim): ...


class Digits(vx.Dim): ...


@vx.struct
class ConvNet:
    first: vx.nn.Conv[Literal[1], Edges]
    second: vx.nn.Conv[Edges, Shapes]
    head: vx.nn.Linear[Mul[Literal[4], Shapes], Digits]

    @staticmethod
    def init(*, key: vx.random.Key) -> ConvNet:
        a, b, c = vx.random.split(key, 3)
        return ConvNet(
            vx.nn.Conv.init(1, 16, (3, 3), key=a),
            vx.nn.Conv.init(16, 32, (3, 3), key=b),
            vx.nn.Linear.init(4 * 32, 10, key=c),
        )

    def __call__(self, x: F32[N, Side, Side]) -> F32[N, Digits]:
        y: F32[N, Side, Side, Edges] = vx.relu(self.first(x[..., None]))
        half: F32[N, Literal[4], Literal[4], Edges] = vx.nn.max_pool(y, (2, 2), 2)
        z: F32[N, Literal[4], Literal[4], Shapes] = vx.relu(self.second(half))
        quarter: F32[N, Literal[2], Literal[2], Shapes] = vx.nn.max_pool(z, (2, 2), 2)
        flat: F32[N, Mul[Literal[4], Shapes]] = quarter.reshape((x.shape[0], -1))
        return self.head(flat)


def loss_of(model: ConvNet, x: F32[N, Side, Side], y: I32[N]) -> F32[()]:
    return vx.mean(vx.nn.cross_entropy(model(x), y))


OPTIMIZER = vx.optim.adamw(vx.optim.cosine(3e-3, warmup=20, steps=22 * EPOCHS), weight_decay=1e-3)


@vx.jit
def epoch(
    model: ConvNet,
    state: vx.optim.State[ConvNet],
    x: F32[Images, Side, Side],
    y: I32[Images],
    key: vx.random.Key,
) -> tuple[ConvNet, vx.optim.State[ConvNet], F32[()]]:
    """One pass over the images in random order; the last incomplete batch is left out."""
    batches = x.shape[0] // BATCH
    order = vx.random.permutation(key, x.shape[0])[: batches * BATCH].reshape((batches, BATCH))

    def step(
        carry: tuple[ConvNet, vx.optim.State[ConvNet]], rows: I32[Batch]
    ) -> tuple[tuple[ConvNet, vx.optim.State[ConvNet]], F32[()]]:
        model, state = carry
        loss, grads = vx.value_and_grad(loss_of)(model, x[rows], y[rows])
        updates, state = OPTIMIZER.update(grads, state, model)
        return (vx.optim.apply_updates(model, updates), state), loss

    (model, state), losses = vx.scan(step, (model, state), order)
    return model, state, vx.mean(losses)


@vx.jit
def accuracy(model: ConvNet, x: F32[Images, Side, Side], y: I32[Images]) -> F32[()]:
    return vx.mean((vx.argmax(model(x), axis=-1) == y).astype(vx.float32))


def main(epochs: int = EPOCHS) -> int:
    began = time.perf_counter()
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    x = (images[order] / 16).astype(np.float32).reshape((-1, 8, 8))
    y = labels[order].astype(np.int32)
    held = len(x) // 5
    train_x, train_y = vx.asarray(x[held:]), vx.asarray(y[held:])
    test_x, test_y = vx.asarray(x[:held]), vx.asarray(y[:held])

    start, shuffle = vx.random.split(vx.random.key(0))
    model = ConvNet.init(key=start)
    state = OPTIMIZER.init(model)
    for i, key in enumerate(vx.random.split(shuffle, epochs), 1):
        model, state, loss = epoch(model, state, train_x, train_y, key)
        print(f"epoch {i:3}  loss {float(loss):.4f}")
    found = float(accuracy(model, test_x, test_y))
    print(f"final: accuracy={found:.4f} seconds={time.perf_counter() - began:.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
