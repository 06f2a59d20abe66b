"""Random keys that are used twice: in a line, a branch, a loop, a comprehension, a closure."""

from __future__ import annotations

from typing import TypeAlias

import verax as vx
from tests.typed.dims import Batch, Feat, Hid
from verax import F32

Key: TypeAlias = vx.random.Key


def straight(key: Key) -> vx.AnyArray:
    a = vx.random.normal(key, (3,))
    b = vx.random.uniform(key, (3,))  # bug: key
    return a + b


def one_line(key: Key) -> vx.AnyArray:
    return vx.random.normal(key, (3,)) * vx.random.normal(key, (3,))  # bug: key


def split_and_use(key: Key) -> vx.AnyArray:
    first, second = vx.random.split(key)
    noise = vx.random.normal(key, (4,))  # bug: key
    return noise + vx.random.normal(first, (4,)) + vx.random.normal(second, (4,))


def split_twice(key: Key) -> vx.AnyArray:
    a, b = vx.random.split(key)
    c, d = vx.random.split(key)  # bug: key
    return (
        vx.random.normal(a, (2,))
        + vx.random.normal(b, (2,))
        + vx.random.normal(c, (2,))
        + vx.random.normal(d, (2,))
    )


def one_part_twice(key: Key) -> vx.AnyArray:
    a, _ = vx.random.split(key)
    x = vx.random.normal(a, (2,))
    return x + vx.random.exponential(a, (2,))  # bug: key


def in_loop(key: Key, x: F32[Feat]) -> F32[Feat]:
    for _ in range(3):
        x = x + vx.random.normal(key, x.shape)  # bug: key
    return x


def in_comprehension(key: Key) -> list[vx.AnyArray]:
    return [vx.random.normal(key, (n, 2)) for n in (2, 3, 4)]  # bug: key


def after_branch(key: Key, deep: bool) -> vx.AnyArray:
    x = vx.zeros((3,))
    if deep:
        x = vx.random.normal(key, (3,))
    return x + vx.random.uniform(key, (3,))  # bug: key


def in_both(key: Key, deep: bool = True) -> vx.AnyArray:
    if deep:
        x = vx.random.normal(key, (3,))
    else:
        x = vx.random.uniform(key, (3,))
    mask = vx.random.bernoulli(key, 0.5, (3,))  # bug: key
    return vx.where(mask, x, 0.0)


def through_function(key: Key) -> vx.AnyArray:
    def layer(k: Key) -> vx.AnyArray:
        return vx.random.normal(k, (4, 4))

    w = layer(key)
    return w @ layer(key)  # bug: key


def captured(key: Key) -> vx.AnyArray:
    def noise() -> vx.AnyArray:
        return vx.random.normal(key, (4,))

    x = noise()
    return x + vx.random.normal(key, (4,))  # bug: key


def in_scan(key: Key, x: F32[Batch, Feat]) -> F32[Feat]:
    def step(total: F32[Feat], row: F32[Feat]) -> tuple[F32[Feat], None]:
        noisy = row + vx.random.normal(key, row.shape)  # bug: key
        return total + noisy, None

    total, _ = vx.scan(step, vx.zeros_like(x[0]), x)
    return total


def alias(key: Key) -> vx.AnyArray:
    again = key
    x = vx.random.normal(key, (3,))
    return x + vx.random.normal(again, (3,))  # bug: key


def folded_and_used(key: Key) -> vx.AnyArray:
    child = vx.random.fold_in(key, 1)
    x = vx.random.normal(child, (3,))
    return x + vx.random.normal(key, (3,))  # bug: key


def folded_alike(key: Key) -> vx.AnyArray:
    a = vx.random.fold_in(key, 1)
    b = vx.random.fold_in(key, 1)  # bug: key
    return vx.random.normal(a, (3,)) + vx.random.normal(b, (3,))


def rebound_late(key: Key) -> vx.AnyArray:
    x = vx.random.normal(key, (3,))
    key, sub = vx.random.split(key)  # bug: key
    return x + vx.random.normal(sub, (3,)) + vx.random.normal(key, (3,))


def layers(key: Key, x: F32[Batch, Feat]) -> vx.AnyArray:
    first = vx.nn.Linear.init(8, 8, key=key)
    second = vx.nn.Linear.init(8, 8, key=key)  # bug: key
    return first.weight + second.weight


def dropped(key: Key, x: F32[Batch, Hid]) -> F32[Batch, Hid]:
    h = vx.nn.dropout(x, 0.5, key=key)
    return vx.nn.dropout(h, 0.1, key=key)  # bug: key


def in_while(key: Key) -> vx.AnyArray:
    total, n = vx.zeros(()), 0
    while n < 4:
        total = total + vx.random.normal(key)  # bug: key
        n += 1
    return total
