"""Keys and arrays of keys under the plugin; what mypy says is in keys.txt."""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar, reveal_type

import verax as vx
from verax import F32


class Batch(vx.Dim): ...


class Time(vx.Dim): ...


class Obs(vx.Dim): ...


N = TypeVar("N", bound=vx.AnyDim)


def noisy(x: F32[Obs], key: vx.random.Key[()]) -> F32[Obs]:
    return x + vx.random.normal(key, x.shape)


def step(y: F32[Obs], given: tuple[F32[Obs], vx.random.Key[()]]) -> tuple[F32[Obs], F32[Obs]]:
    x, key = given
    return noisy(x + y, key), y


def each(keys: vx.random.Key[N], x: F32[N, Obs]) -> F32[N, Obs]:
    return vx.vmap(noisy)(x, keys)


def making(seed: int, n: int, x: F32[Batch, Obs]) -> None:
    key = vx.random.key(seed)
    reveal_type(key)
    reveal_type(vx.random.fold_in(key, 3))
    a, b, c, d = vx.random.split(key, 4)
    reveal_type(a)
    reveal_type(vx.random.split(b, x.shape[0]))
    reveal_type(vx.random.split(c, n))
    keys = vx.random.split(d, x.shape)
    reveal_type(keys)
    reveal_type(keys.shape)
    reveal_type(len(keys))
    reveal_type(keys[0])
    reveal_type(keys[0, 1])
    reveal_type(keys[1:])
    reveal_type(keys.reshape(-1))
    reveal_type(vx.random.key_data(keys))


def parts(key: vx.random.Key, keys: vx.random.Key[Batch]) -> None:
    reveal_type(key)
    reveal_type(key[0])
    first, second = vx.random.split(key)
    reveal_type(first)
    three = vx.random.split(second, 3)
    reveal_type(three)
    reveal_type(three[2])
    reveal_type(three[:2])
    reveal_type(three.shape)
    for k in three:
        reveal_type(k)
    reveal_type([k.ndim for k in three])
    for k in keys:
        reveal_type(k)
    four, five = vx.random.split(first)
    three[3]


def unpacked(key: vx.random.Key[()], x: F32[Literal[2], Obs], y: F32[Batch, Obs]) -> None:
    a, b, c = vx.random.split(key)
    x0, x1 = x
    first, *others = x
    one, two, three, *rest = x
    left, right = y
    for pair in (x, vx.zeros((3,))):
        _, _ = pair
    (_, _), [_, *_], ((_,), _) = x, y, (x, 3)
    _ = [_, _] = x


def uses(key: vx.random.Key[()], x: F32[Batch, Obs]) -> None:
    keys = vx.random.split(key, x.shape[0])
    reveal_type(each(keys, x))
    reveal_type(vx.vmap(noisy)(x, keys))
    reveal_type(vx.vmap(lambda k: vx.random.normal(k, (3,)))(keys))
    few = vx.random.split(vx.random.key(0))
    reveal_type(each(few, vx.zeros((2, 7))))


def scanned(key: vx.random.Key[()], x: F32[Obs], ys: F32[Time, Obs]) -> None:
    reveal_type(vx.scan(step, x, (ys, vx.random.split(key, ys.shape[0]))))


def wrong(
    one: Callable[[], vx.random.Key[()]],
    many: Callable[[], vx.random.Key[Time]],
    x: F32[Batch, Obs],
    ys: F32[Time, Obs],
) -> None:
    vx.random.normal(many(), (3,))
    vx.random.uniform(many(), 3)
    vx.random.split(many())
    vx.vmap(noisy)(x, one())
    vx.vmap(noisy)(x, many())
    vx.scan(step, x[0], (ys, vx.random.split(one(), ys.shape[1])))
    each(many(), x)
    noisy(x[0], many())
    one()[0]


@vx.struct
class State(Generic[N]):
    x: F32[N, Obs]
    keys: vx.random.Key[N]


def carried(s: State[Batch], key: vx.random.Key[()]) -> None:
    reveal_type(s.keys)
    reveal_type(vx.jit(lambda t: t.keys)(s))


def literal(keys: vx.random.Key[Literal[2]]) -> vx.random.Key[Literal[3]]:
    a, b = keys
    reveal_type(a)
    return vx.random.split(b, 3)
