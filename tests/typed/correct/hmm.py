"""Hidden Markov models: forward algorithm, most likely path, posterior, all in the log domain."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32


class Time(vx.Dim): ...


class States(vx.Dim): ...


class Symbols(vx.Dim): ...


@vx.struct
class HMM:
    start: F32[States]
    trans: F32[States, States]
    emit: F32[States, Symbols]

    def normalized(self) -> HMM:
        return HMM(
            vx.log_softmax(self.start), vx.log_softmax(self.trans), vx.log_softmax(self.emit)
        )


def forward(m: HMM, xs: I32[Time]) -> tuple[F32[Time, States], F32[()]]:
    scores: F32[Time, States] = m.emit.T[xs]

    def step(alpha: F32[States], row: F32[States]) -> tuple[F32[States], F32[States]]:
        alpha = vx.logsumexp(alpha[:, None] + m.trans, axis=0) + row
        return alpha, alpha

    first = m.start + scores[0]
    last, rest = vx.scan(step, first, scores[1:])
    return vx.concat([first[None], rest]), vx.logsumexp(last)


def backward(m: HMM, xs: I32[Time]) -> F32[Time, States]:
    scores: F32[Time, States] = m.emit.T[xs]

    def step(beta: F32[States], row: F32[States]) -> tuple[F32[States], F32[States]]:
        before = vx.logsumexp(m.trans + row + beta, axis=1)
        return before, beta

    _, betas = vx.scan(step, vx.zeros_like(m.start), scores, reverse=True)
    return betas


def posterior(m: HMM, xs: I32[Time]) -> F32[Time, States]:
    alphas, _ = forward(m, xs)
    return vx.softmax(alphas + backward(m, xs), axis=-1)


def best_score(m: HMM, xs: I32[Time]) -> tuple[F32[()], I32[Time, States]]:
    scores: F32[Time, States] = m.emit.T[xs]

    def step(best: F32[States], row: F32[States]) -> tuple[F32[States], I32[States]]:
        ways = best[:, None] + m.trans
        return ways.max(axis=0) + row, ways.argmax(axis=0)

    last, back = vx.scan(step, m.start, scores)
    return last.max(), back


def example() -> vx.AnyArray:
    m = HMM(floats(3), floats(3, 3), floats(3, 4)).normalized()
    xs = ints(4, 6)
    _, log_prob = forward(m, xs)
    best, back = best_score(m, xs)
    return log_prob + best + back.sum().astype(vx.float32) + posterior(m, xs).sum()
