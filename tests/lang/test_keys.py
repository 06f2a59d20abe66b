"""Keys are consumed once: eagerly, staged, through every kind of inner function, and in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import verax as vx
from tests.lang.messages import message
from verax.prng import fold_in, key, normal, split, uniform

X = vx.ones((3,))


def twice(k: Any) -> Any:
    return normal(k), uniform(k)


def once(k: Any) -> Any:
    return normal(k)


def scaled(x: Any, k: Any) -> Any:
    return x * once(k)


def reuse(make: Callable[[], Any]) -> str:
    """The first line of the error."""
    return message(vx.KeyReuseError, make).split("\n")[0]


def test_an_eager_key_remembers_where_it_was_consumed() -> None:
    k = key(0)
    normal(k)
    assert message(vx.KeyReuseError, lambda: uniform(k)) == (
        "[verax-key] a random key (key<threefry2x32>[]) is consumed by uniform, but normal consumed"
        " it before\n"
        "  at test_keys.py:L: normal(k)\n"
        "  at test_keys.py:L: assert message(vx.KeyReuseError, lambda: uniform(k)) == (\n"
        "  fix: split it first, and use each part once: a, b = vx.random.split(key)"
    )


def test_a_staged_key_names_both_lines() -> None:
    def f(k: Any) -> Any:
        a = normal(k)
        b = uniform(k)
        return a + b

    assert message(vx.KeyReuseError, lambda: vx.jit(f)(key(0))).split("\n")[1:3] == [
        "  at test_keys.py:L: a = normal(k)",
        "  at test_keys.py:L: b = uniform(k)",
    ]


@pytest.mark.parametrize(
    "f",
    [
        twice,
        vx.jit(twice),
        lambda k: (vx.jit(once)(k), once(k)),
        lambda k: (once(k), vx.jit(once)(k)),
        vx.jit(lambda k: (vx.jit(once)(k), once(k))),
        lambda k: vx.vmap(twice)(split(k, 2)),
        lambda k: (vx.vmap(once)(split(k, 2)), once(k)),
        lambda k: vx.grad(lambda x: x * once(k) * once(k))(1.0),
        lambda k: (vx.grad(lambda x: x * once(k))(1.0), once(k)),
        lambda k: (vx.jvp(lambda x: x * once(k), (1.0,), (1.0,)), once(k)),
        lambda k: (vx.cond(True, lambda: once(k), lambda: 0.0), once(k)),
        lambda k: (once(k), vx.cond(True, lambda: once(k), lambda: 0.0)),
        lambda k: (vx.scan(lambda c, k: (c, once(k)), 0.0, s := split(k, 3)), once(s[0])),
        lambda k: vx.scan(lambda k, _: (k, once(k)), k, X),
        lambda k: vx.while_loop(
            lambda s: s[1] < 3.0, lambda s: (s[0], s[1] + once(s[0])), (k, 0.0)
        ),
    ],
)
def test_reuse_is_found_everywhere(f: Any) -> None:
    for g in (f, vx.jit(f)):
        with pytest.raises(vx.KeyReuseError):
            g(key(0))


@pytest.mark.parametrize(
    "f",
    [
        lambda k: [once(x) for x in split(k, 3)],
        lambda k: vx.cond(True, once, uniform, k),
        lambda k: vx.cond(True, lambda: once(k), lambda: uniform(k)),
        lambda k: vx.switch(1, [once, lambda k: 0.0, uniform], k),  # type: ignore[arg-type]
        lambda k: vx.vmap(once)(split(k, 3)),
        lambda k: vx.vmap(lambda x: x + once(k))(X),
        lambda k: vx.scan(lambda c, k: (c + once(k), None), 0.0, split(k, 3))[0],
        lambda k: vx.scan(lambda k, _: (lambda a, b: (a, once(b)))(*split(k)), k, X)[1],
        lambda k: vx.fori_loop(0, 3, lambda i, x: x + once(fold_in(k, i)), 0.0),
        lambda k: [once(fold_in(k, i)) for i in range(3)],
        lambda k: vx.grad(lambda x: vx.sum(x * normal(k, (3,))))(X),
        lambda k: vx.jit(vx.vmap(vx.grad(scaled)))(X, split(k, 3)),
        lambda k: (lambda s: (once(s[0]), once(s[1]), vx.vmap(once)(s[2:])))(split(k, 4)),
        lambda k: (lambda s: (once(s[0, 1]), once(s[1, 0])))(split(k, 4).reshape(2, 2)),
    ],
)
def test_right_uses_are_let_alone(f: Any) -> None:
    f(key(0))
    vx.jit(f)(key(0))


def test_a_call_of_a_kept_function_consumes_too() -> None:
    f = vx.jit(once)
    f(key(0))
    k = key(1)
    f(k)
    assert reuse(lambda: f(k)).endswith("is consumed by normal, but normal consumed it before")
    captured = key(2)
    g = vx.jit(lambda x: x + once(captured))
    g(X)
    with pytest.raises(vx.KeyReuseError):
        g(X)


def test_staging_without_running_consumes_nothing() -> None:
    k = key(0)
    vx.jit(once).stage(k)
    vx.jit(once).lower(k)
    compiled = vx.jit(once).compile(k)
    compiled(k)
    with pytest.raises(vx.KeyReuseError):
        compiled(k)


def test_parts_of_an_array_of_keys() -> None:
    keys = split(key(0), 3)
    once(keys[0])
    assert reuse(lambda: once(keys[0])).endswith("but normal consumed it before")
    assert reuse(lambda: once(keys[-3])).endswith("but normal consumed it before")
    once(keys[1])
    assert reuse(lambda: vx.vmap(once)(keys)).endswith("but normal consumed a part of it before")
    other = split(key(1), 3)
    vx.vmap(once)(other)
    assert reuse(lambda: once(other[2])).endswith(
        "but normal consumed the whole array that it is part of before"
    )
    more = split(key(2), 3)
    vx.jit(lambda ks: once(ks[0]))(more)
    once(more[1])
    with pytest.raises(vx.KeyReuseError):
        once(more[0])


def test_keys_that_pass_through_a_function_are_the_same_keys() -> None:
    k = key(0)
    out = vx.jit(lambda k: (k, 1.0))(k)[0]
    once(out)
    with pytest.raises(vx.KeyReuseError):
        once(k)
    spent = vx.jit(lambda k: (once(k), k))(key(1))[1]
    with pytest.raises(vx.KeyReuseError):
        once(spent)


def test_derived_keys() -> None:
    k = key(0)
    fold_in(k, 1)
    fold_in(k, 2)
    assert reuse(lambda: fold_in(k, 1)).endswith("fold_in with 1 consumed it before")
    assert reuse(lambda: once(k)).endswith("but fold_in with 1 consumed a part of it before")
    assert reuse(lambda: vx.scan(lambda c, _: (c + once(fold_in(k, 7)), None), 0.0, X)) == (
        "[verax-key] a random key (key<threefry2x32>[]) from outside is consumed by fold_in with 7"
        " in the body test_derived_keys.<lambda>.<lambda> (test_keys.py:L), which runs many times"
    )


def test_loops_consume_no_key_from_outside() -> None:
    k = key(0)
    loops: list[Callable[[], Any]] = [
        lambda: vx.scan(lambda c, _: (c + once(k), None), 0.0, X),
        lambda: vx.fori_loop(0, 3, lambda i, c: c + once(k), 0.0),
        lambda: vx.while_loop(lambda c: c < once(k), lambda c: c + 1.0, 0.0),
        lambda: vx.map(lambda x: x + once(k), X),
    ]
    for loop in loops:
        assert "from outside is consumed by normal in" in reuse(loop)
    got = reuse(lambda: vx.scan(lambda k, _: (k, once(k)), key(1), X))
    assert got == (
        "[verax-key] scan: the key that test_loops_consume_no_key_from_outside.<lambda>.<lambda>"
        " (test_keys.py:L) gives as its next carry was consumed by normal in the same step"
    )


def test_keys_are_arrays_of_keys() -> None:
    keys = split(key(0), 6)
    assert (keys.shape, keys.ndim, keys.size, len(keys)) == ((6,), 1, 6, 6)
    assert keys.reshape(2, 3).shape == keys.reshape((2, 3)).shape == (2, 3)
    assert keys[..., 0].shape == ()
    assert [k.shape for k in keys] == [()] * 6
    assert repr(key(0)) == "Key(key<threefry2x32>[], [0, 0])"
    assert repr(keys.reshape(2, 3)[1:]).startswith("Key(key<threefry2x32>[1,3], [[[")
    columns = split(key(1), 3).reshape(1, 3)
    assert vx.vmap(vx.vmap(once), in_axes=1, out_axes=1)(columns).shape == (1, 3)
    assert vx.vmap(lambda k: k, in_axes=1)(columns).shape == (3, 1)
    with pytest.raises(vx.IndexingError, match="is one key and has no elements"):
        key(0)[0]


def test_staged_and_eager_bits_are_equal() -> None:
    keys = split(key(3), 3)
    eager = [once(k).item() for k in keys]
    assert vx.vmap(once)(split(key(3), 3)).tolist() == eager
    assert vx.scan(lambda c, k: (c, once(k)), 0, split(key(3), 3))[1].tolist() == eager
    assert vx.jit(lambda k: [once(x) for x in split(k, 3)])(key(3))[2].item() == eager[2]
