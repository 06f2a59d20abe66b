"""Matrix products: operands swapped, weights transposed or not, factors of another contraction."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, Hid, In, M, N, Obs, Out, Seq, State
from verax import F32


def dense(x: F32[Batch, Feat], w: F32[Feat, Hid]) -> F32[Batch, Hid]:
    return w @ x  # bug: matmul


def affine(x: F32[Batch, Feat], w: F32[Feat, Hid], b: F32[Hid]) -> F32[Batch, Hid]:
    return vx.tanh(b + w @ x)  # bug: matmul


def generic(x: F32[N, In], w: F32[In, Out]) -> F32[N, Out]:
    return vx.matmul(w, x)  # bug: matmul


def two_layers(x: F32[Batch, Feat], w1: F32[Feat, Hid], w2: F32[Hid, Cls]) -> F32[Batch, Cls]:
    h = vx.relu(x @ w1)
    return w2 @ h  # bug: matmul


def quadratic(x: F32[State], a: F32[State, State], b: F32[State, Obs]) -> F32[()]:
    y = a @ x
    return x @ (b @ y)  # bug: matmul


def covariance(x: F32[Batch, Feat]) -> F32[Feat, Feat]:
    centred = x - x.mean(axis=0)
    return centred @ centred.T / 10.0  # bug: matmul


def predict(a: F32[State, State], p: F32[State, State], h: F32[Obs, State]) -> F32[Obs, Obs]:
    prior = a @ p @ a.T
    return h.T @ prior @ h  # bug: matmul


def normal_equations(x: F32[Batch, Feat], y: F32[Batch]) -> F32[Feat]:
    gram = x.T @ x
    return vx.linalg.solve(gram, x @ y)  # bug: matmul


def batched(x: F32[Batch, Seq, Feat], w: F32[Batch, Feat, Hid]) -> F32[Batch, Seq, Hid]:
    return vx.matmul(w, x)  # bug: matmul


def dotted(x: F32[N, Literal[8]], w: F32[Literal[8], Literal[3]]) -> F32[N, Literal[3]]:
    return vx.dot(w, x)  # bug: matmul


# transposed weights


def torch_weights(x: F32[Batch, Feat], w: F32[Hid, Feat]) -> F32[Batch, Hid]:
    return x @ w  # bug: transpose


def twice_transposed(x: F32[Batch, Feat], w: F32[Feat, Hid]) -> F32[Batch, Hid]:
    return x @ w.T  # bug: transpose


def tied(x: F32[Batch, Seq, Feat], table: F32[Cls, Feat]) -> F32[Batch, Seq, Cls]:
    return x @ table  # bug: transpose


def back(grad: F32[Batch, Hid], w: F32[Feat, Hid]) -> F32[Batch, Feat]:
    return grad @ w  # bug: transpose


def weight_gradient(x: F32[Batch, Feat], grad: F32[Batch, Hid]) -> F32[Feat, Hid]:
    return x.T @ grad.T  # bug: transpose


def literal(
    x: F32[Batch, Literal[784]], w: F32[Literal[10], Literal[784]]
) -> F32[Batch, Literal[10]]:
    return vx.softmax(x @ w)  # bug: transpose


def all_reversed(x: F32[Batch, Seq, Feat], w: F32[Batch, Hid, Feat]) -> F32[Batch, Seq, Hid]:
    return x @ w.T  # bug: transpose


def batch_of_matrices(x: F32[Batch, N, M], y: F32[Batch, N, M]) -> F32[Batch, N, N]:
    return x @ vx.swapaxes(y, 0, 1)  # bug: transpose


def moved(x: F32[Batch, Seq, Feat], w: F32[Feat, Hid]) -> F32[Seq, Batch, Hid]:
    return vx.moveaxis(x, 0, 2) @ w  # bug: transpose


def returned(x: F32[Batch, Feat], w: F32[Hid, Feat]) -> F32[Batch, Hid]:
    return w @ x.T  # bug: transpose
