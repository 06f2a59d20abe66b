"""Dimensions that mesh axes cut in ways that do not go together."""

from __future__ import annotations

import verax as vx
from tests.typed.dims import Batch, Cls, Data, Feat, Hid, Model, Seq
from verax import F32, Sharded


def cut_twice(
    x: F32[Sharded[Batch, Data], Feat], w: F32[Feat, Sharded[Hid, Data]]
) -> F32[Sharded[Batch, Data], Sharded[Hid, Data]]:
    return x @ w  # bug: sharding


def cut_differently(
    x: F32[Sharded[Batch, Data], Feat], y: F32[Sharded[Batch, Model], Feat]
) -> F32[Sharded[Batch, Data], Feat]:
    return x + y  # bug: sharding


def declared_whole(x: F32[Sharded[Batch, Data], Feat]) -> F32[Batch, Feat]:
    return vx.tanh(x)  # bug: sharding


def declared_elsewhere(
    x: F32[Sharded[Batch, Data], Feat], w: F32[Feat, Sharded[Hid, Model]]
) -> F32[Sharded[Batch, Model], Sharded[Hid, Data]]:
    return x @ w  # bug: sharding


def lost_column(x: F32[Batch, Feat], w: F32[Feat, Sharded[Hid, Model]]) -> F32[Batch, Hid]:
    return vx.relu(x @ w)  # bug: sharding


def contraction(
    x: F32[Batch, Sharded[Feat, Data]], w: F32[Sharded[Feat, Model], Hid]
) -> F32[Batch, Hid]:
    return x @ w  # bug: sharding


def transposed(x: F32[Sharded[Batch, Data], Feat]) -> F32[Sharded[Feat, Data], Batch]:
    return x.T  # bug: sharding


def kept_after_sum(x: F32[Batch, Sharded[Feat, Model]]) -> F32[Sharded[Batch, Model]]:
    return x.sum(axis=1)  # bug: sharding


def rows_and_columns(
    x: F32[Sharded[Batch, Data], Feat], y: F32[Batch, Sharded[Feat, Data]]
) -> F32[Sharded[Batch, Data], Feat]:
    return x * y  # bug: sharding


def scores(
    q: F32[Batch, Sharded[Seq, Data], Feat], k: F32[Batch, Sharded[Seq, Data], Feat]
) -> F32[Batch, Sharded[Seq, Data], Sharded[Seq, Data]]:
    return vx.einsum("btd,bsd->bts", q, k)  # bug: sharding


def head(
    x: F32[Sharded[Batch, Data], Sharded[Hid, Model]], w: F32[Sharded[Hid, Model], Cls]
) -> F32[Sharded[Batch, Data], Sharded[Cls, Model]]:
    return x @ w  # bug: sharding


def passed(x: F32[Batch, Sharded[Feat, Model]]) -> F32[Batch, Feat]:
    return declared_whole(x)  # bug: sharding
