"""What a plain type checker knows: this file is clean under ``mypy --strict``.

``assert_type`` fixes what is inferred. A line that must be an error has a ``type: ignore`` with its
code: were the error to go away, mypy would call the comment unused. Nothing here is run.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypeVar, TypeVarTuple, assert_type

import numpy as np

import verax as vx
from verax.dsl.lang.typing import BF16, C64, F32, I32, AnyArray, AnyDim, Array, Bool, Dim, Scalar


class Batch(Dim): ...


class Feat(Dim): ...


class Out(Dim): ...


N = TypeVar("N", bound=AnyDim)
M = TypeVar("M", bound=AnyDim)
D = TypeVar("D", bound=Scalar)
Shape = TypeVarTuple("Shape")
Matrix: TypeAlias = F32[N, M]
AnyF32: TypeAlias = Array[vx.float32, *tuple[Any, ...]]


# annotations are met by what functions give


def layer(x: F32[Batch, Feat], w: F32[Feat, Out], b: F32[Out]) -> F32[Batch, Out]:
    y: F32[Batch, Out] = vx.tanh(x) @ w + b
    y += b
    y = vx.relu(y) * 2.0 - 1
    y = vx.where(y > 0, y, 0.0)
    y = y / y.sum(axis=-1, keepdims=True)
    return vx.maximum(y, 0.0)


def scalars(x: F32[Batch, Feat]) -> F32[()]:
    return (x * x).mean()


def fixed(x: F32[Batch, Literal[128]]) -> F32[Literal[128], Batch]:
    return x.T


def rows(x: F32[Batch, Feat], i: I32[()]) -> F32[Feat]:
    return x[i]


def polymorphic(x: Matrix[N, M], y: Matrix[N, M]) -> F32[N, M]:
    return vx.exp(x + y) / 2


def of_any_shape(x: F32[*Shape]) -> F32[*Shape]:
    return vx.gelu(x) + 1.0


def of_any_dtype(x: Array[D, N], y: Array[D, N]) -> Array[D, N]:
    return vx.maximum(x, y) + x


def from_numpy(x: F32[Batch], a: np.ndarray[Any, Any]) -> F32[Batch]:
    return x + a


# what is inferred


def elementwise(x: F32[Batch, Feat], z: C64[Batch], n: I32[Batch]) -> None:
    assert_type(vx.tanh(x), F32[Batch, Feat])
    assert_type(-x, F32[Batch, Feat])
    assert_type(x + x, F32[Batch, Feat])
    assert_type(x + 1, F32[Batch, Feat])
    assert_type(x * 0.5, F32[Batch, Feat])
    assert_type(0.5 * x, F32[Batch, Feat])
    assert_type(1.0 / x, F32[Batch, Feat])
    assert_type(x > 0.0, Bool[Batch, Feat])
    assert_type(x == x, Bool[Batch, Feat])
    assert_type(x.astype(vx.bfloat16), BF16[Batch, Feat])
    assert_type(vx.zeros_like(x), F32[Batch, Feat])
    assert_type(vx.sigmoid(z), C64[Batch])
    assert_type(n + 1, I32[Batch])
    assert_type(n & n, I32[Batch])
    assert_type(vx.astype(x, x.dtype), Array[Any, Batch, Feat])


def dims(x: F32[Batch, Feat], w: F32[Feat, Out], b: F32[Feat]) -> None:
    assert_type(x @ w, F32[Batch, Out])
    assert_type(x + b, AnyF32)
    assert_type(x.sum(axis=0), F32[Feat])
    assert_type(x.sum(axis=(0,)), AnyF32)
    assert_type(x[0], F32[Feat])
    assert_type(vx.maximum(x, b), AnyF32)
    assert_type(vx.maximum(x, 0.0), AnyF32)
    assert_type(vx.zeros((3, 4), vx.float32), AnyF32)
    assert_type(x.argmax(0), I32[Feat])


def open_dtypes(q: AnyArray, x: F32[Batch], n: I32[Batch]) -> None:
    assert_type(vx.tanh(q), AnyArray)
    assert_type(q + q, AnyArray)
    assert_type(q + 1.0, AnyArray)
    assert_type(q @ q, AnyArray)
    assert_type(vx.tanh(1.0), AnyArray)
    assert_type(vx.zeros(3), F32[Any])
    assert_type(n + 1.0, Array[Any, Batch])
    assert_type(n / 2, Array[Any, Batch])
    assert_type(n / n, AnyArray)
    assert_type(n.mean(), AnyArray)
    assert_type(x.mean(), AnyF32)
    assert_type(q.mean(), AnyArray)


def none_is_any(q: AnyArray, x: F32[Batch]) -> F32[Batch, Feat]:
    """A function that returns what nobody knows is still no ``return Any``."""
    if q.ndim:
        return vx.tanh(q)
    if q.size:
        return q + x
    return vx.where(q > 0, q, x)


# mistakes


def mistakes(x: F32[Batch, Feat], n: I32[Batch], h: BF16[Batch, Feat]) -> F32[Batch]:
    a = x + n  # type: ignore[operator]
    b = x * h  # type: ignore[arg-type]
    c = x @ h  # type: ignore[operator]
    d = x < n  # type: ignore[operator]
    vx.maximum(x, n)  # type: ignore[misc]
    vx.tanh(n)  # type: ignore[type-var]
    y: I32[Batch] = x.sum(axis=1)  # type: ignore[assignment]
    z: F32[Batch] = vx.relu(x)  # type: ignore[arg-type]
    w: F32[Feat, Batch] = x + 1.0  # type: ignore[assignment]
    print(a, b, c, d, y, z, w)
    return n.sum()  # type: ignore[return-value]
