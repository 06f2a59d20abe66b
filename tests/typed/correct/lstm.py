"""An LSTM and a GRU as scans over time, with states as named tuples and structs."""

from __future__ import annotations

from typing import Literal, NamedTuple

import verax as vx
from tests.typed.data import floats
from verax import F32, Mul


class Batch(vx.Dim): ...


class Time(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class State(NamedTuple):
    h: F32[Batch, Hid]
    c: F32[Batch, Hid]


@vx.struct
class LSTM:
    w: F32[Feat, Mul[Literal[4], Hid]]
    u: F32[Hid, Mul[Literal[4], Hid]]
    b: F32[Mul[Literal[4], Hid]]

    def step(self, state: State, x: F32[Batch, Feat]) -> tuple[State, F32[Batch, Hid]]:
        gates = x @ self.w + state.h @ self.u + self.b
        i, f, g, o = vx.split(gates, 4, axis=-1)
        c = vx.sigmoid(f) * state.c + vx.sigmoid(i) * vx.tanh(g)
        h = vx.sigmoid(o) * vx.tanh(c)
        return State(h, c), h

    def __call__(self, x: F32[Time, Batch, Feat]) -> tuple[State, F32[Time, Batch, Hid]]:
        zero = vx.zeros((x.shape[1], self.u.shape[0]), vx.float32)
        return vx.scan(self.step, State(zero, zero), x)


@vx.struct
class GRU:
    reset: F32[Feat, Hid]
    update: F32[Feat, Hid]
    new: F32[Feat, Hid]
    hidden: F32[Literal[3], Hid, Hid]

    def __call__(self, h: F32[Batch, Hid], x: F32[Batch, Feat]) -> F32[Batch, Hid]:
        r = vx.sigmoid(x @ self.reset + h @ self.hidden[0])
        z = vx.sigmoid(x @ self.update + h @ self.hidden[1])
        n = vx.tanh(x @ self.new + (r * h) @ self.hidden[2])
        return (1.0 - z) * n + z * h


def encode(cell: GRU, x: F32[Batch, Time, Feat]) -> F32[Batch, Hid]:
    def step(h: F32[Batch, Hid], row: F32[Batch, Feat]) -> tuple[F32[Batch, Hid], None]:
        return cell(h, row), None

    start = vx.zeros((x.shape[0], cell.reset.shape[1]), vx.float32)
    last, _ = vx.scan(step, start, x.transpose((1, 0, 2)))
    return last


def bidirectional(cell: GRU, x: F32[Batch, Time, Feat]) -> F32[Batch, Mul[Literal[2], Hid]]:
    return vx.concat([encode(cell, x), encode(cell, vx.flip(x, axis=1))], axis=1)


def example() -> vx.AnyArray:
    lstm = LSTM(floats(3, 8), floats(2, 8), floats(8))
    state, ys = lstm(floats(5, 4, 3))
    cell = GRU(floats(3, 2), floats(3, 2, seed=1), floats(3, 2, seed=2), floats(3, 2, 2))
    return state.h.sum() + ys.mean() + bidirectional(cell, floats(4, 5, 3)).sum()
