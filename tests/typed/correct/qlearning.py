"""Deep Q-learning: targets, a Huber loss, a target network that follows, greedy actions."""

from __future__ import annotations

from typing import NamedTuple

import verax as vx
from tests.typed.data import floats, ints, positive
from verax import F32, I32, Bool


class Batch(vx.Dim): ...


class Obs(vx.Dim): ...


class Hid(vx.Dim): ...


class Acts(vx.Dim): ...


class Transition(NamedTuple):
    obs: F32[Batch, Obs]
    action: I32[Batch]
    reward: F32[Batch]
    after: F32[Batch, Obs]
    done: Bool[Batch]


@vx.struct
class QNet:
    up: F32[Obs, Hid]
    value: F32[Hid]
    advantage: F32[Hid, Acts]

    def __call__(self, obs: F32[Batch, Obs]) -> F32[Batch, Acts]:
        h = vx.relu(obs @ self.up)
        a = h @ self.advantage
        return (h @ self.value)[:, None] + a - a.mean(axis=1, keepdims=True)


def targets(online: QNet, target: QNet, t: Transition, discount: float = 0.99) -> F32[Batch]:
    best = vx.argmax(online(t.after), axis=1)
    later = vx.take_along_axis(target(t.after), best[:, None], axis=1)[:, 0]
    return t.reward + discount * vx.where(t.done, 0.0, later)


def huber(x: F32[Batch]) -> F32[Batch]:
    size = vx.abs(x)
    return vx.where(size < 1.0, 0.5 * x * x, size - 0.5)


def loss(q: QNet, target: QNet, t: Transition) -> F32[()]:
    rows = vx.arange(t.action.shape[0])
    error = q(t.obs)[rows, t.action] - vx.stop_gradient(targets(q, target, t))
    return huber(error).mean()


def follow(target: QNet, online: QNet, rate: float = 0.01) -> QNet:
    return vx.tree.map(lambda a, b: (1.0 - rate) * a + rate * b, target, online)


def act(q: QNet, obs: F32[Batch, Obs], key: vx.random.Key, epsilon: float) -> I32[Batch]:
    explore, pick = vx.random.split(key)
    greedy = vx.argmax(q(obs), axis=-1)
    scores = q(obs)
    drawn: I32[Batch] = vx.random.categorical(pick, vx.zeros_like(scores))
    coin: Bool[Batch] = vx.random.bernoulli(explore, epsilon, greedy.shape)
    return vx.where(coin, drawn, greedy)


def example() -> vx.AnyArray:
    q = QNet(floats(3, 4), floats(4), floats(4, 2))
    done = positive(5) > 0.8
    t = Transition(floats(5, 3), ints(2, 5), floats(5), floats(5, 3, seed=1), done)
    value, g = vx.value_and_grad(loss)(q, follow(q, q), t)
    actions = act(q, t.obs, vx.random.key(0), 0.1)
    return value + g.up.sum() + actions.sum().astype(vx.float32)
