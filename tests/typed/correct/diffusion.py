"""A diffusion model: the noise schedule, a training step and ancestral sampling by a scan."""

from __future__ import annotations

import verax as vx
from tests.typed.data import floats
from verax import F32, I32


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Steps(vx.Dim): ...


@vx.struct
class Schedule:
    beta: F32[Steps]

    @property
    def alpha_bar(self) -> F32[Steps]:
        return vx.cumulative_prod(1.0 - self.beta)


@vx.struct
class Denoiser:
    w: F32[Feat, Hid]
    time: F32[Steps, Hid]
    out: F32[Hid, Feat]

    def __call__(self, x: F32[Batch, Feat], t: I32[Batch]) -> F32[Batch, Feat]:
        return vx.silu(x @ self.w + self.time[t]) @ self.out


def noised(
    s: Schedule, x: F32[Batch, Feat], t: I32[Batch], noise: F32[Batch, Feat]
) -> F32[Batch, Feat]:
    keep = s.alpha_bar[t][:, None]
    return vx.sqrt(keep) * x + vx.sqrt(1.0 - keep) * noise


def loss(
    m: Denoiser, s: Schedule, x: F32[Batch, Feat], t: I32[Batch], key: vx.random.Key
) -> F32[()]:
    noise: F32[Batch, Feat] = vx.random.normal(key, x.shape)
    found = m(noised(s, x, t, noise), t)
    return ((found - noise) ** 2).mean()


def sample(m: Denoiser, s: Schedule, x: F32[Batch, Feat], key: vx.random.Key) -> F32[Batch, Feat]:
    def back(
        x: F32[Batch, Feat], at: tuple[I32[()], vx.random.Key]
    ) -> tuple[F32[Batch, Feat], None]:
        i, key = at
        t: I32[Batch] = vx.full((x.shape[0],), i, vx.int32)
        beta, bar = s.beta[i], s.alpha_bar[i]
        mean = (x - beta / vx.sqrt(1.0 - bar) * m(x, t)) / vx.sqrt(1.0 - beta)
        noise: F32[Batch, Feat] = vx.random.normal(key, x.shape)
        return mean + vx.sqrt(beta) * noise * (i > 0).astype(vx.float32), None

    steps = vx.arange(s.beta.shape[0])
    keys = vx.random.split(key, s.beta.shape[0])
    last, _ = vx.scan(back, x, (steps, keys), reverse=True)
    return last


def example() -> vx.AnyArray:
    s = Schedule(vx.linspace(1e-2, 0.2, 4, dtype=vx.float32))
    m = Denoiser(floats(3, 5), floats(4, 5), floats(5, 3))
    first, second = vx.random.split(vx.random.key(0))
    t = vx.asarray([0, 3], dtype=vx.int32)
    value = loss(m, s, floats(2, 3), t, first)
    drawn = sample(m, s, floats(2, 3, seed=1), second)
    return value + drawn.sum()
