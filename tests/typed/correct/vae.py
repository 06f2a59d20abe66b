"""A variational autoencoder: reparameterized samples and the evidence bound."""

from __future__ import annotations

from typing import NamedTuple

import verax as vx
from tests.typed.data import floats, positive
from verax import F32


class Batch(vx.Dim): ...


class Pixels(vx.Dim): ...


class Hid(vx.Dim): ...


class Latent(vx.Dim): ...


class Gaussian(NamedTuple):
    mean: F32[Batch, Latent]
    log_var: F32[Batch, Latent]


@vx.struct
class Encoder:
    w: F32[Pixels, Hid]
    to_mean: F32[Hid, Latent]
    to_log_var: F32[Hid, Latent]

    def __call__(self, x: F32[Batch, Pixels]) -> Gaussian:
        h = vx.tanh(x @ self.w)
        return Gaussian(h @ self.to_mean, h @ self.to_log_var)


@vx.struct
class Decoder:
    w: F32[Latent, Hid]
    out: F32[Hid, Pixels]

    def __call__(self, z: F32[Batch, Latent]) -> F32[Batch, Pixels]:
        return vx.tanh(z @ self.w) @ self.out


def sample(q: Gaussian, key: vx.random.Key) -> F32[Batch, Latent]:
    noise: F32[Batch, Latent] = vx.random.normal(key, q.mean.shape)
    return q.mean + vx.exp(0.5 * q.log_var) * noise


def divergence(q: Gaussian) -> F32[Batch]:
    return -0.5 * (1.0 + q.log_var - q.mean**2 - vx.exp(q.log_var)).sum(axis=-1)


def log_likelihood(logits: F32[Batch, Pixels], x: F32[Batch, Pixels]) -> F32[Batch]:
    return (x * vx.log_sigmoid(logits) + (1.0 - x) * vx.log_sigmoid(-logits)).sum(axis=1)


def bound(model: tuple[Encoder, Decoder], x: F32[Batch, Pixels], key: vx.random.Key) -> F32[()]:
    encoder, decoder = model
    q = encoder(x)
    z = sample(q, key)
    return (log_likelihood(decoder(z), x) - divergence(q)).mean()


def importance_bound(
    model: tuple[Encoder, Decoder], x: F32[Batch, Pixels], key: vx.random.Key
) -> F32[()]:
    keys = vx.random.split(key, 4)
    samples = vx.vmap(lambda k: bound(model, x, k))(keys)
    return vx.logmeanexp(samples)


def example() -> vx.AnyArray:
    encoder = Encoder(floats(6, 4), floats(4, 2), floats(4, 2, seed=1))
    decoder = Decoder(floats(2, 4), floats(4, 6))
    first, second = vx.random.split(vx.random.key(0))
    x = positive(3, 6)
    value, (g, _) = vx.value_and_grad(bound)((encoder, decoder), x, first)
    return value + g.w.sum() + importance_bound((encoder, decoder), x, second)
