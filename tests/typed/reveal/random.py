"""Keys and samplers."""

from __future__ import annotations

from typing import reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat
from verax import F32


def keys() -> None:
    reveal_type(vx.random.key(0))
    reveal_type(vx.random.key_data(vx.random.key(0)))
    reveal_type(vx.random.wrap_key_data(vx.random.bits(vx.random.key(0), (2,))))
    reveal_type(vx.random.split(vx.random.key(0)))
    reveal_type(list(vx.random.split(vx.random.key(0))))
    reveal_type(vx.random.split(vx.random.key(0), (2, 3)))
    reveal_type(vx.random.split(vx.random.key(0), 3)[0])
    reveal_type(vx.random.split(vx.random.key(0), 6)[1:])
    reveal_type(vx.random.split(vx.random.key(0), (2, 3))[0])
    reveal_type(vx.random.split(vx.random.key(0), 6).reshape(2, 3))
    reveal_type(vx.random.fold_in(vx.random.key(0), 1))


def samplers(x: F32[Batch, Feat]) -> None:
    reveal_type(vx.random.uniform(vx.random.key(0)))
    reveal_type(vx.random.uniform(vx.random.key(0), (3,)))
    reveal_type(vx.random.uniform(vx.random.key(0), (2, 3), minval=1.0))
    reveal_type(vx.random.normal(vx.random.key(0), (2, 3)))
    reveal_type(vx.random.normal(vx.random.key(0), (2, 3), vx.bfloat16))
    reveal_type(vx.random.normal(vx.random.key(0), (2, 3), x.dtype))
    reveal_type(vx.random.normal(vx.random.key(0), x.shape))
    reveal_type(vx.random.exponential(vx.random.key(0), 3))
    reveal_type(vx.random.gumbel(vx.random.key(0), (2, 3, 4)))
    reveal_type(vx.random.truncated_normal(vx.random.key(0), -1.0, 1.0, (3,)))
    reveal_type(vx.random.bernoulli(vx.random.key(0)))
    reveal_type(vx.random.bernoulli(vx.random.key(0), x))
    reveal_type(vx.random.bernoulli(vx.random.key(0), 0.5, shape=(2, 3)))
    reveal_type(vx.random.categorical(vx.random.key(0), x))
    reveal_type(vx.random.categorical(vx.random.key(0), x, shape=(4, 2)))
    reveal_type(vx.random.randint(vx.random.key(0), (2, 3), 0, 9))
    reveal_type(vx.random.randint(vx.random.key(0), (2, 3), 0, 9, vx.int64))
    reveal_type(vx.random.permutation(vx.random.key(0), 5))
    reveal_type(vx.random.permutation(vx.random.key(0), x))
    reveal_type(vx.random.choice(vx.random.key(0), 5, (2,)))
    reveal_type(vx.random.choice(vx.random.key(0), x, (2,)))
    reveal_type(vx.random.bits(vx.random.key(0)))
    reveal_type(vx.random.bits(vx.random.key(0), (2, 3)))
