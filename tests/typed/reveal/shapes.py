"""Functions that arrange, join and pick."""

from __future__ import annotations

from typing import reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat, Out
from verax import F32, I32


def arranged(
    x: F32[Batch, Feat], v: F32[Feat], s: F32[()], c: F32[Batch, Feat, Out], o: F32
) -> None:
    reveal_type(vx.reshape(x, 6))
    reveal_type(vx.reshape(x, (3, 2)))
    reveal_type(vx.reshape(x, (1, 3, 2)))
    reveal_type(vx.reshape(s, ()))
    reveal_type(vx.reshape(x, [3, 2]))
    reveal_type(vx.ravel(x))
    reveal_type(vx.expand_dims(x))
    reveal_type(vx.expand_dims(x, -1))
    reveal_type(vx.expand_dims(x, 1))
    reveal_type(vx.expand_dims(o))
    reveal_type(vx.squeeze(x))
    reveal_type(vx.atleast_1d(s))
    reveal_type(vx.atleast_2d(v))
    reveal_type(vx.atleast_3d(x))
    reveal_type(vx.permute_dims(x, (1, 0)))
    reveal_type(vx.transpose(x))
    reveal_type(vx.transpose(x, (1, 0)))
    reveal_type(vx.transpose(c))
    reveal_type(vx.transpose(o))
    reveal_type(vx.matrix_transpose(c))
    reveal_type(vx.swapaxes(x, 0, 1))
    reveal_type(vx.moveaxis(x, 0, 1))
    reveal_type(vx.flip(x))
    reveal_type(vx.flipud(x))
    reveal_type(vx.fliplr(x))
    reveal_type(vx.rot90(x))
    reveal_type(vx.broadcast_to(v, (2, 3)))
    reveal_type(vx.broadcast_arrays(x, v))
    reveal_type(vx.roll(x, 1))


def joined(
    x: F32[Batch, Feat], v: F32[Feat], c: F32[Batch, Feat, Out], q: vx.AnyArray, o: F32
) -> None:
    reveal_type(vx.concat([x, x]))
    reveal_type(vx.concat([x, x], axis=-1))
    reveal_type(vx.concat([x, x], axis=1))
    reveal_type(vx.concat([o, o]))
    reveal_type(vx.concat([q, q]))
    reveal_type(vx.concatenate([x, x]))
    reveal_type(vx.stack([x, x]))
    reveal_type(vx.stack([x, x], -1))
    reveal_type(vx.stack([x, x], 1))
    reveal_type(vx.stack([q, q]))
    reveal_type(vx.vstack([x, x]))
    reveal_type(vx.hstack([x, x]))
    reveal_type(vx.dstack([x, x]))
    reveal_type(vx.column_stack([v, v]))
    reveal_type(vx.append(v, v))
    reveal_type(vx.unstack(x))
    reveal_type(vx.split(x, 2))
    reveal_type(vx.array_split(x, 2))
    reveal_type(vx.vsplit(x, 2))
    reveal_type(vx.hsplit(x, 3))
    reveal_type(vx.dsplit(c, 2))
    reveal_type(vx.tile(x, 2))
    reveal_type(vx.repeat(x, 2))
    reveal_type(vx.pad(x, 1))


def picked(x: F32[Batch, Feat], v: F32[Feat], n: I32[Batch], q: vx.AnyArray) -> None:
    reveal_type(vx.take(x, 0))
    reveal_type(vx.take(x, 0, 0))
    reveal_type(vx.take(x, n, 0))
    reveal_type(vx.take(x, n))
    reveal_type(vx.take(x, n, 1))
    reveal_type(vx.take(q, n, 0))
    reveal_type(vx.take(x, [0, 1], 0))
    reveal_type(vx.take_along_axis(x, vx.argsort(x)))
    reveal_type(vx.slice_in_dim(x, 0, 1))
    reveal_type(vx.index_in_dim(x, 0))
    reveal_type(vx.dynamic_slice(x, (0, 0), (1, 2)))
    reveal_type(vx.dynamic_slice_in_dim(x, 0, 1))
    reveal_type(vx.dynamic_index_in_dim(x, 0))
    reveal_type(vx.put_along_axis(x, vx.argsort(x), 0.0))
    reveal_type(vx.dynamic_update_slice(x, x, (0, 0)))
    reveal_type(vx.dynamic_update_slice_in_dim(x, x, 0))
    reveal_type(vx.dynamic_update_index_in_dim(x, v, 0))
