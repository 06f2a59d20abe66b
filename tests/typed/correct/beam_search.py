"""Decoding: a step of beam search, nucleus filtering, greedy decoding by scan."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32, Add

Beams: TypeAlias = Literal[3]
Words: TypeAlias = Literal[7]


class Batch(vx.Dim): ...


class Time(vx.Dim): ...


class State(vx.Dim): ...


class Beam(NamedTuple):
    score: F32[Batch, Beams]
    tokens: I32[Batch, Beams, Time]


def advance(
    beam: Beam, logits: F32[Batch, Beams, Words]
) -> tuple[F32[Batch, Beams], I32[Batch, Beams, Add[Time, Literal[1]]]]:
    total = beam.score[..., None] + vx.log_softmax(logits)
    flat = total.reshape(total.shape[0], 21)
    score, at = vx.top_k(flat, 3)
    parent, word = at // 7, at % 7
    history = vx.take_along_axis(beam.tokens, parent[..., None], axis=1)
    return score, vx.concat([history, word[..., None]], axis=2)


def nucleus(logits: F32[Batch, Words], mass: float) -> F32[Batch, Words]:
    ordered = vx.sort(logits, axis=-1, descending=True)
    p = vx.softmax(ordered)
    inside = vx.cumulative_sum(p, axis=-1) - p < mass
    least = vx.where(inside, ordered, 1e9).min(axis=-1, keepdims=True)
    return vx.where(logits >= least, logits, -1e9)


@vx.struct
class Decoder:
    embed: F32[Words, State]
    w: F32[State, State]

    def greedy(self, h: F32[Batch, State], first: I32[Batch], steps: int) -> I32[Batch]:
        def step(
            carry: tuple[F32[Batch, State], I32[Batch]], _: None
        ) -> tuple[tuple[F32[Batch, State], I32[Batch]], None]:
            h, token = carry
            h = vx.tanh(h @ self.w + self.embed[token])
            return (h, vx.argmax(h @ self.embed.T, axis=-1)), None

        (_, token), _ = vx.scan(step, (h, first), None, length=steps)
        return token


def sampled(logits: F32[Batch, Words], key: vx.random.Key) -> I32[Batch]:
    return vx.random.categorical(key, nucleus(logits, 0.9))


def example() -> vx.AnyArray:
    beam = Beam(floats(2, 3), ints(7, 2, 3, 4))
    score, tokens = advance(beam, floats(2, 3, 7))
    d = Decoder(floats(7, 5), floats(5, 5))
    last = d.greedy(floats(2, 5), ints(7, 2), 3)
    drawn = sampled(floats(2, 7), vx.random.key(0))
    return score.sum(axis=1) + (last + drawn + tokens[:, 0, -1]).astype(vx.float32)
