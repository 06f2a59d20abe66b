"""Arrays that are joined, cut, indexed and sliced with sizes that do not add up."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Feat, Hid, In, M, Mem, N, Seq, Vocab
from verax import F32, I32, Add, Mul


def other_features(a: F32[N, Feat], b: F32[M, Hid]) -> F32[Add[N, M], Feat]:
    return vx.concatenate([a, b], axis=0)  # bug: join


def not_twice(a: F32[N], b: F32[M]) -> F32[Add[N, N]]:
    return vx.concat([a, b])  # bug: join


def wrong_axis(a: F32[Batch, Feat], b: F32[Batch, Hid]) -> F32[Batch, Add[Feat, Hid]]:
    return vx.concat([a, b], axis=0)  # bug: join


def forgotten_sum(x: F32[Seq, Feat], cls: F32[Literal[1], Feat]) -> F32[Seq, Feat]:
    return vx.concat([cls, x])  # bug: join


def rank(x: F32[Seq, Feat], token: F32[Feat]) -> F32[Add[Seq, Literal[1]], Feat]:
    return vx.concat([x, token])  # bug: join


def stacked(a: F32[Feat], b: F32[Hid]) -> F32[Literal[2], Feat]:
    return vx.stack([a, b])  # bug: join


def stacked_elsewhere(a: F32[Batch, Feat], b: F32[Batch, Feat]) -> F32[Batch, Literal[2], Feat]:
    return vx.stack([a, b], axis=0)  # bug: join


def stacked_three(a: F32[N], b: F32[N]) -> F32[Literal[3], N]:
    return vx.stack([a, b])  # bug: join


def thirds(x: F32[Batch, Literal[8]]) -> list[F32[Batch, Literal[3]]]:
    return vx.split(x, 3, axis=1)  # bug: join


def halves(x: F32[Batch, Mul[Literal[2], Feat]]) -> F32[Batch, Feat]:
    a, b = vx.split(x, 2, axis=1)
    return vx.concat([a, b], axis=1)  # bug: join


def cut_at(x: F32[Literal[10]]) -> F32[Literal[6]]:
    _, rest = vx.split(x, [6])
    return rest  # bug: join


def padded(x: F32[Seq, Feat]) -> F32[Add[Seq, Literal[1]], Feat]:
    return vx.pad(x, ((1, 1), (0, 0)))  # bug: join


def repeated(x: F32[N]) -> F32[Mul[N, Literal[3]]]:
    return vx.tile(x, 2)  # bug: join


def unpacked(x: F32[Literal[3], Feat]) -> F32[Feat]:
    _, _ = vx.unstack(x)  # bug: join
    return x[0]


# indices


def too_many(x: F32[Batch, Feat]) -> F32[()]:
    return x[0, 0, 0]  # bug: index


def out_of_range(x: F32[Literal[3], Feat]) -> F32[Feat]:
    return x[3]  # bug: index


def out_of_range_below(x: F32[Batch, Literal[4]]) -> F32[Batch]:
    return x[:, -5]  # bug: index


def one_column(x: F32[Batch, Feat]) -> F32[Batch]:
    return x[0]  # bug: index


def kept(x: F32[Batch, Feat]) -> F32[Batch]:
    return x[:, 0:1]  # bug: index


def embedded(tokens: I32[Batch, Seq], table: F32[Vocab, Feat]) -> F32[Batch, Feat]:
    return table[tokens]  # bug: index


def token_of_table(tokens: I32[Seq], table: F32[Vocab, Feat]) -> F32[Seq, Feat]:
    return table[:, tokens]  # bug: index


def pairs(x: F32[Batch, Feat], i: I32[Seq], j: I32[Mem]) -> F32[Seq]:
    return x[i, j]  # bug: index


def new_axis(x: F32[Batch, Feat]) -> F32[Batch, Literal[1], Feat]:
    return x[None]  # bug: index


def two_dots(x: F32[Batch, Seq, Feat]) -> F32[Batch]:
    return x[..., 0, ...]  # bug: index


def updated(x: F32[Batch, Feat], row: F32[Hid]) -> F32[Batch, Feat]:
    return x.at[0].set(row)  # bug: index


def by_float(x: F32[Batch, Feat]) -> F32[Feat]:
    return x[1.0]  # bug: index


def at_rank(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return x.at[:, 0, 0].add(1.0)  # bug: index


# slices


def differences(x: F32[Add[N, Literal[1]]]) -> F32[N]:
    return x[1:] - x[:-2]  # bug: slice


def shifted(x: F32[Add[Seq, Literal[1]], Feat]) -> F32[Seq, Feat]:
    return x[2:]  # bug: slice


def inputs_and_targets(tokens: I32[Batch, Add[Seq, Literal[1]]]) -> I32[Batch, Seq]:
    return tokens[:, :-1] - tokens  # bug: slice


def without_first(x: F32[Add[In, Literal[2]]]) -> F32[In]:
    return x[1:]  # bug: slice


def middle(x: F32[Add[N, Literal[2]]]) -> F32[N]:
    return x[1:-2]  # bug: slice


def literal(x: F32[Literal[10], Feat]) -> F32[Literal[4], Feat]:
    return x[3:8]  # bug: slice


def stepped(x: F32[Literal[10]]) -> F32[Literal[4]]:
    return x[::2]  # bug: slice


def laplacian(u: F32[Add[N, Literal[2]]]) -> F32[N]:
    return u[2:] - 2.0 * u[1:-1] + u[:-1]  # bug: slice


def diffed(x: F32[Add[N, Literal[1]]]) -> F32[Add[N, Literal[1]]]:
    return vx.diff(x)  # bug: slice


def wrong_dim(x: F32[Add[Seq, Literal[1]], Feat]) -> F32[Seq, Feat]:
    return x[:, 1:]  # bug: slice


def dynamic(x: F32[Seq, Feat], i: I32[()]) -> F32[Literal[4], Feat]:
    return vx.dynamic_slice_in_dim(x, i, 3)  # bug: slice
