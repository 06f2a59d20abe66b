"""Carries that change on the way, and branches that differ."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Feat, Hid, Seq, State
from verax import F32, I32


def wrong_shape(x: F32[Seq, Feat], w: F32[Feat, Hid]) -> F32[Feat]:
    def step(carry: F32[Feat], row: F32[Feat]) -> tuple[F32[Hid], F32[Feat]]:
        return (carry + row) @ w, row

    last, _ = vx.scan(step, vx.zeros_like(x[0]), x)  # bug: carry
    return last


def wrong_start(x: F32[Seq, Feat], w: F32[Hid, Hid], u: F32[Feat, Hid]) -> F32[Hid]:
    def step(h: F32[Hid], row: F32[Feat]) -> tuple[F32[Hid], F32[Hid]]:
        h = vx.tanh(row @ u + h @ w)
        return h, h

    last, _ = vx.scan(step, vx.zeros_like(x[0]), x)  # bug: carry
    return last


def wrong_dtype(x: F32[Seq, Feat]) -> I32[()]:
    def step(n: I32[()], row: F32[Feat]) -> tuple[F32[()], None]:
        return n.astype(vx.float32) + row.sum(), None

    n, _ = vx.scan(step, vx.zeros((), vx.int32), x)  # bug: carry
    return n


def not_a_pair(x: F32[Seq, Feat]) -> F32[Feat]:
    def step(total: F32[Feat], row: F32[Feat]) -> F32[Feat]:
        return total + row

    total, _ = vx.scan(step, vx.zeros_like(x[0]), x)  # bug: carry
    return total


def other_structure(x: F32[Seq, Feat]) -> F32[Feat]:
    def step(
        carry: tuple[F32[Feat], F32[()]], row: F32[Feat]
    ) -> tuple[tuple[F32[Feat], F32[()], F32[()]], None]:
        total, n = carry
        return (total + row, n + 1.0, n), None

    (total, _), _ = vx.scan(step, (vx.zeros_like(x[0]), vx.zeros(())), x)  # bug: carry
    return total


def swapped(x: F32[Seq, Feat], w: F32[Feat, Hid]) -> F32[Seq, Hid]:
    def step(carry: F32[Hid], row: F32[Feat]) -> tuple[F32[Hid], F32[Hid]]:
        return carry + row @ w, carry

    last, _ = vx.scan(step, vx.zeros_like(w[0]), x)
    return last  # bug: carry


def fori(x: F32[State], a: F32[State, State]) -> F32[State]:
    return vx.fori_loop(0, 10, lambda i, v: a @ v[:, None], x)  # bug: carry


def while_state(x: F32[State]) -> F32[State]:
    return vx.while_loop(lambda v: v.sum() < 10.0, lambda v: v[1:] * 2.0, x)  # bug: carry


def while_test(x: F32[State]) -> F32[State]:
    return vx.while_loop(lambda v: v < 10.0, lambda v: v * 2.0, x)  # bug: carry


def stacked_ys(x: F32[Seq, Feat]) -> F32[Feat]:
    def step(total: F32[Feat], row: F32[Feat]) -> tuple[F32[Feat], F32[Feat]]:
        return total + row, row

    _, ys = vx.scan(step, vx.zeros_like(x[0]), x)
    return ys  # bug: carry


def batch_in_scan(x: F32[Batch, Seq, Feat]) -> F32[Batch, Feat]:
    def step(total: F32[Batch, Feat], rows: F32[Batch, Feat]) -> tuple[F32[Batch, Feat], None]:
        return total + rows, None

    total, _ = vx.scan(step, vx.zeros_like(x[:, 0]), x)  # bug: carry
    return total


def two_lengths(x: F32[Seq, Feat], y: F32[Batch, Feat]) -> F32[Feat]:
    def step(total: F32[Feat], rows: tuple[F32[Feat], F32[Feat]]) -> tuple[F32[Feat], None]:
        return total + rows[0] * rows[1], None

    total, _ = vx.scan(step, vx.zeros_like(x[0]), (x, y))  # bug: carry
    return total


# branches


def branch_shapes(p: F32[()], x: F32[Batch, Feat]) -> F32[Batch]:
    return vx.cond(p > 0.0, lambda v: v.sum(axis=1), lambda v: v.sum(axis=0), x)  # bug: cond


def branch_ranks(p: F32[()], x: F32[Batch]) -> F32[Batch]:
    return vx.cond(p > 0.0, lambda v: v, lambda v: v.mean(), x)  # bug: cond


def branch_dtypes(p: F32[()], x: F32[Batch]) -> F32[Batch]:
    return vx.cond(p > 0.0, lambda v: v, lambda v: v.astype(vx.bfloat16), x)  # bug: cond


def branch_structures(p: F32[()], x: F32[Batch]) -> F32[Batch]:
    return vx.cond(p > 0.0, lambda v: (v, v), lambda v: v, x)[0]  # bug: cond


def predicate_of_array(x: F32[Batch]) -> F32[Batch]:
    return vx.cond(x > 0.0, lambda v: v, lambda v: -v, x)  # bug: cond


def predicate_of_floats(p: F32[()], x: F32[Batch]) -> F32[Batch]:
    return vx.cond(p, lambda v: v, lambda v: -v, x)  # bug: cond


def branch_arity(p: F32[()], x: F32[Batch]) -> F32[Batch]:
    return vx.cond(p > 0.0, lambda v: v, lambda v, w: v + w, x)  # bug: cond


def switched(i: I32[()], x: F32[Batch, Feat], w: F32[Feat, Hid]) -> F32[Batch, Feat]:
    return vx.switch(i, [lambda v: v, lambda v: v @ w], x)  # bug: cond


def cut_branch(p: F32[()], x: F32[Literal[8]]) -> F32[Literal[8]]:
    return vx.cond(p > 0.0, lambda v: v[:4], lambda v: v[1:], x)  # bug: cond


def expanded(p: F32[()], x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return vx.cond(p > 0.0, lambda v: v, lambda v: v.mean(axis=1), x)  # bug: cond


def declared_branches(p: F32[()], x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.cond(p > 0.0, lambda v: v.sum(axis=1), lambda v: v.max(axis=1), x)  # bug: cond
