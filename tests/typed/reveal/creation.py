"""Arrays from scratch, and facts about dtypes."""

from __future__ import annotations

from typing import reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat
from verax import F32, I32


def filled(x: F32[Batch, Feat]) -> None:
    reveal_type(vx.zeros(()))
    reveal_type(vx.zeros(3))
    reveal_type(vx.zeros((3,)))
    reveal_type(vx.zeros((2, 3)))
    reveal_type(vx.zeros((2, 3, 4)))
    reveal_type(vx.zeros((2, 3, 4, 5)))
    reveal_type(vx.zeros((1, 1, 1, 1, 1)))
    reveal_type(vx.zeros([2, 3]))
    reveal_type(vx.zeros(x.shape))
    reveal_type(vx.zeros((2, 3), vx.bfloat16))
    reveal_type(vx.zeros((2, 3), dtype=vx.int32))
    reveal_type(vx.zeros((2, 3), int))
    reveal_type(vx.zeros((2, 3), "int8"))
    reveal_type(vx.zeros((2, 3), x.dtype))
    reveal_type(vx.ones((2, 3)))
    reveal_type(vx.empty((2, 3)))
    reveal_type(vx.full((2, 3), 1.0))
    reveal_type(vx.full((2, 3), 1, vx.int32))
    reveal_type(vx.zeros_like(x))
    reveal_type(vx.ones_like(x, vx.int32))
    reveal_type(vx.empty_like(x, shape=(2,)))
    reveal_type(vx.full_like(x, 1.0))
    reveal_type(vx.full_like(x, 1, vx.int32))


def converted(x: F32[Batch, Feat]) -> None:
    reveal_type(vx.array([1, 2]))
    reveal_type(vx.array(1.0))
    reveal_type(vx.array(x))
    reveal_type(vx.asarray(x, vx.int32))
    reveal_type(vx.asarray([1, 2], vx.float32))
    reveal_type(vx.astype(x, vx.float64))
    reveal_type(vx.from_numpy(x.numpy()))
    reveal_type(vx.from_dlpack(x.numpy()))


def patterns(v: F32[Feat], n: I32[Batch], sq: F32[Feat, Feat]) -> None:
    reveal_type(vx.arange(3))
    reveal_type(vx.arange(0, 6, 2))
    reveal_type(vx.arange(0.0, 1.0, 0.1))
    reveal_type(vx.arange(3, dtype=vx.float32))
    reveal_type(vx.linspace(0.0, 1.0, 5))
    reveal_type(vx.linspace(v, v, 5))
    reveal_type(vx.logspace(0.0, 1.0, 5))
    reveal_type(vx.eye(3))
    reveal_type(vx.eye(3, dtype=vx.int32))
    reveal_type(vx.identity(3))
    reveal_type(vx.tri(3))
    reveal_type(vx.tril(sq))
    reveal_type(vx.triu(sq))
    reveal_type(vx.diag(v))
    reveal_type(vx.diag(v, 1))
    reveal_type(vx.diag(sq))
    reveal_type(vx.diagflat(v))
    reveal_type(vx.diagonal(sq))
    reveal_type(vx.fill_diagonal(sq, 0.0))
    reveal_type(vx.meshgrid(v, v))
    reveal_type(vx.one_hot(n, 4))
    reveal_type(vx.one_hot(n, 4, dtype=vx.int32))
    reveal_type(vx.one_hot(n, 4, axis=0))
    reveal_type(vx.tril_indices(3))
    reveal_type(vx.triu_indices(3))
    reveal_type(vx.ix_(n, n))
    reveal_type(vx.unravel_index(n, (2, 3)))


def dtypes(x: F32[Batch, Feat], n: I32[Batch]) -> None:
    reveal_type(vx.promote_types(vx.int32, vx.float32))
    reveal_type(vx.result_type(x, n))
    reveal_type(vx.can_cast(vx.int32, vx.float32))
    reveal_type(vx.isdtype(vx.int32, vx.int32))
    reveal_type(vx.issubdtype(vx.int32, vx.int32))
    reveal_type(vx.finfo(vx.float32))
    reveal_type(vx.iinfo(vx.int32))
    reveal_type(vx.broadcast_shapes((2, 3), (3,)))
