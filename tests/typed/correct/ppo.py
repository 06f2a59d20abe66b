"""Proximal policy optimization: generalized advantages by a scan and the clipped loss."""

from __future__ import annotations

from typing import Literal, NamedTuple

import verax as vx
from tests.typed.data import floats, ints, positive
from verax import F32, I32, Add


class Time(vx.Dim): ...


class Envs(vx.Dim): ...


class Obs(vx.Dim): ...


class Acts(vx.Dim): ...


class Rollout(NamedTuple):
    obs: F32[Time, Envs, Obs]
    action: I32[Time, Envs]
    log_prob: F32[Time, Envs]
    reward: F32[Time, Envs]
    alive: F32[Time, Envs]


@vx.struct
class Policy:
    actor: F32[Obs, Acts]
    critic: F32[Obs]

    def log_probs(self, obs: F32[Time, Envs, Obs]) -> F32[Time, Envs, Acts]:
        return vx.log_softmax(obs @ self.actor)

    def value(self, obs: F32[Time, Envs, Obs]) -> F32[Time, Envs]:
        return obs @ self.critic


def advantages(
    reward: F32[Time, Envs],
    alive: F32[Time, Envs],
    value: F32[Add[Time, Literal[1]], Envs],
    discount: float = 0.99,
    trace: float = 0.95,
) -> F32[Time, Envs]:
    delta = reward + discount * alive * value[1:] - value[:-1]

    def step(later: F32[Envs], row: tuple[F32[Envs], F32[Envs]]) -> tuple[F32[Envs], F32[Envs]]:
        d, on = row
        now = d + discount * trace * on * later
        return now, now

    _, found = vx.scan(step, vx.zeros_like(reward[0]), (delta, alive), reverse=True)
    return found


def loss(p: Policy, r: Rollout, advantage: F32[Time, Envs], target: F32[Time, Envs]) -> F32[()]:
    logs = p.log_probs(r.obs)
    chosen = vx.take_along_axis(logs, r.action[..., None], axis=-1)[..., 0]
    ratio = vx.exp(chosen - r.log_prob)
    standard = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    clipped = vx.clip(ratio, 0.8, 1.2)
    policy = -vx.minimum(ratio * standard, clipped * standard).mean()
    value = ((p.value(r.obs) - target) ** 2).mean()
    entropy = -(vx.exp(logs) * logs).sum(axis=-1).mean()
    return policy + 0.5 * value - 0.01 * entropy


def with_last(value: F32[Time, Envs]) -> F32[Add[Time, Literal[1]], Envs]:
    return vx.concat([value, vx.zeros_like(value[:1])])


def example() -> vx.AnyArray:
    p = Policy(floats(3, 2), floats(3))
    r = Rollout(floats(4, 5, 3), ints(2, 4, 5), floats(4, 5), floats(4, 5), positive(4, 5))
    values = with_last(p.value(r.obs))
    a = advantages(r.reward, r.alive, values)
    value, g = vx.value_and_grad(loss)(p, r, a, a + values[:-1])
    return value + g.actor.sum()
