"""Losses of generative adversarial networks, and a gradient penalty."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats
from verax import F32


class Batch(vx.Dim): ...


class Noise(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


@vx.struct
class Generator:
    up: F32[Noise, Hid]
    out: F32[Hid, Feat]

    def __call__(self, z: F32[Batch, Noise]) -> F32[Batch, Feat]:
        return vx.relu(z @ self.up) @ self.out


@vx.struct
class Critic:
    up: F32[Feat, Hid]
    out: F32[Hid]

    def __call__(self, x: F32[Batch, Feat]) -> F32[Batch]:
        return vx.leaky_relu(x @ self.up, 0.2) @ self.out

    def one(self, x: F32[Feat]) -> F32[()]:
        return vx.leaky_relu(x @ self.up, 0.2) @ self.out


def critic_loss(c: Critic, real: F32[Batch, Feat], fake: F32[Batch, Feat]) -> F32[()]:
    return vx.softplus(-c(real)).mean() + vx.softplus(c(fake)).mean()


def generator_loss(g: Generator, c: Critic, z: F32[Batch, Noise]) -> F32[()]:
    return vx.softplus(-c(g(z))).mean()


def penalty(c: Critic, real: F32[Batch, Feat], fake: F32[Batch, Feat], mix: F32[Batch]) -> F32[()]:
    between = mix[:, None] * real + (1.0 - mix[:, None]) * fake
    slopes: F32[Batch, Feat] = vx.vmap(vx.grad(c.one))(between)
    norms = vx.sqrt((slopes**2).sum(axis=1) + 1e-12)
    return ((norms - 1.0) ** 2).mean()


def wasserstein(
    c: Critic, g: Generator, real: F32[Batch, Feat], z: F32[Batch, Noise], mix: F32[Batch]
) -> F32[()]:
    fake = vx.stop_gradient(g(z))
    return c(fake).mean() - c(real).mean() + 10.0 * penalty(c, real, fake, mix)


def step(
    c: Critic, g: Generator, real: F32[Batch, Feat], z: F32[Batch, Noise], mix: F32[Batch]
) -> tuple[Critic, Generator]:
    to_c = vx.grad(wasserstein)(c, g, real, z, mix)
    to_g = vx.grad(generator_loss)(g, c, z)
    c = Critic(c.up - 0.1 * to_c.up, c.out - 0.1 * to_c.out)
    return c, Generator(g.up - 0.1 * to_g.up, g.out - 0.1 * to_g.out)


def example() -> vx.AnyArray:
    g, c = Generator(floats(2, 4), floats(4, 3)), Critic(floats(3, 4), floats(4))
    real, z, mix = floats(5, 3), floats(5, 2), floats(5)
    c, g = step(c, g, real, z, mix)
    return critic_loss(c, real, g(z)) + generator_loss(g, c, z)
