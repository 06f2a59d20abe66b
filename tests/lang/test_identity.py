"""What a function is: equal functions are staged once, changed ones anew, and results are right."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax.dsl.lang.cache import TOTAL
from verax.dsl.lang.identity import identity, why_unkeyed

ONE = vx.asarray(1.0)
GLOBAL: Any = 2.0
TABLE = {"k": 2.0}


class Config:
    scale = 2.0

    @staticmethod
    def scaled(x: Any) -> Any:
        return x * Config.scale


def set_global(value: Any) -> None:
    globals()["GLOBAL"] = value


def slope(f: Callable[[Any], Any]) -> float:
    return float(vx.grad(f)(ONE))


def slopes(make: Callable[[Any], Callable[[Any], Any]], *values: Any) -> tuple[list[float], int]:
    """The slope for each value, and how often something was staged."""
    before = TOTAL.staged
    return [slope(make(v)) for v in values], TOTAL.staged - before


def test_a_recreated_lambda_is_staged_once() -> None:
    assert slopes(lambda _: lambda x: x * 5.0, 0, 1, 2) == ([5.0, 5.0, 5.0], 1)


def test_captured_arrays_count_by_type() -> None:
    arrays = [vx.asarray(k) for k in (2.0, 3.0, 4.0)]
    assert slopes(lambda b: lambda x: x * b + 1.0, *arrays) == ([2.0, 3.0, 4.0], 1)
    wide = vx.asarray(np.float64(2.0))
    assert slopes(lambda b: lambda x: x * b + 1.0, wide) == ([2.0], 1)


def test_two_names_for_one_array_are_not_two_arrays() -> None:
    a, b = vx.asarray(2.0), vx.asarray(3.0)

    def of(p: Any, q: Any) -> Callable[[Any], Any]:
        return lambda x: x * p + x * p * q

    assert [slope(of(*pq)) for pq in ((a, a), (a, b), (b, a), (b, b))] == [6.0, 8.0, 9.0, 12.0]


def test_numbers_count_by_value_and_by_type() -> None:
    def of(k: Any) -> Callable[[Any], Any]:
        return lambda x: x * k - 7.0

    assert slopes(of, 2, 3, 2) == ([2.0, 3.0, 2.0], 2)
    n = vx.asarray(2)
    assert [vx.jit(lambda x, k=k: x * k)(n).dtype for k in (1, 1.0, True)] == [
        vx.int32,
        vx.float32,
        vx.int32,
    ]
    signs = [float(vx.jit(lambda x, k=k: vx.copysign(x, k))(ONE)) for k in (0.0, -0.0)]
    assert signs == [1.0, -1.0]


def test_defaults_partials_nested_functions_and_methods_count() -> None:
    ints = (2, 3, 2)

    def nested(k: Any) -> Callable[[Any], Any]:
        def inner(x: Any) -> Any:
            return x * k

        return lambda x: inner(x) * 1.0

    def times(k: Any, x: Any) -> Any:
        return x * k

    @vx.struct
    class Scale:
        k: Any
        n: int = vx.field(default=1, static=True)

        def __call__(self, x: Any) -> Any:
            return x * self.k * self.n

        def method(self, x: Any) -> Any:
            return self(x)

    def with_default(k: Any) -> Callable[[Any], Any]:
        def times_default(x: Any, k: Any = k) -> Any:
            return x * k

        return times_default

    assert slopes(with_default, *ints) == ([2.0, 3.0, 2.0], 2)
    assert slopes(nested, *ints) == ([2.0, 3.0, 2.0], 2)
    assert slopes(lambda k: functools.partial(times, k), *ints) == ([2.0, 3.0, 2.0], 2)
    pairs = [(vx.asarray(2.0), 1), (vx.asarray(3.0), 1), (vx.asarray(2.0), 2)]
    assert slopes(lambda kn: Scale(*kn).method, *pairs) == ([2.0, 3.0, 4.0], 2)
    assert slopes(lambda kn: Scale(*kn), *pairs)[0] == [2.0, 3.0, 4.0]


def test_globals_count_through_the_functions_that_are_called() -> None:
    def reads(x: Any) -> Any:
        return x * GLOBAL

    def calls(x: Any) -> Any:
        return reads(x)

    f = vx.jit(vx.grad(calls))
    got = []
    for value in (2.0, 3.0, 2.0):
        set_global(value)
        got += [slope(reads), slope(calls), float(f(ONE))]
    assert got == [2.0] * 3 + [3.0] * 3 + [2.0] * 3
    set_global(vx.asarray(5.0))
    assert slope(calls) == 5.0


def test_what_classes_and_modules_of_the_user_hold_counts() -> None:
    config = types.ModuleType("config_of_user")
    vars(config)["SCALE"] = 2.0
    f = vx.grad(lambda x: x * config.SCALE * Config.scale)
    g = vx.grad(lambda x: Config.scaled(x) * 1.0)
    got = []
    for scale in (2.0, 3.0):
        vars(config)["SCALE"] = scale
        Config.scale = scale
        got += [float(f(ONE)), float(g(ONE))]
    assert got == [4.0, 2.0, 9.0, 3.0]


def test_methods_of_structs_in_the_arguments_count() -> None:
    @vx.struct
    class Model:
        w: Any
        act: Any = vx.field(default=vx.sin, static=True)

        def __call__(self, x: Any) -> Any:
            return self.w * x * GLOBAL

    set_global(2.0)
    f = vx.jit(lambda m, x: m(x))
    m = Model(ONE)
    first = float(f(m, ONE))
    set_global(3.0)
    assert (first, float(f(m, ONE))) == (2.0, 3.0)


def test_functions_in_static_fields_count() -> None:
    k = [vx.asarray(2.0)]

    @vx.struct
    class Model:
        w: Any
        act: Any = vx.field(static=True)

    m = Model(ONE, lambda x: x * k[0])
    f = vx.jit(lambda m: m.act(m.w))
    first = float(f(m))
    k[0] = vx.asarray(3.0)
    assert (first, float(f(m))) == (2.0, 3.0)


def test_lists_dicts_and_small_numpy_arrays_count_by_content() -> None:
    items, table, array = [2], {"k": 2}, np.array([2.0], np.float32)
    f = vx.grad(lambda x: x * items[0] * table["k"] * TABLE["k"] * array[0])
    before = TOTAL.staged
    got = [float(f(ONE)), float(f(ONE))]
    assert TOTAL.staged == before + 1
    items[0] = 3
    got.append(float(f(ONE)))
    table["k"] = 3
    got.append(float(f(ONE)))
    array[0] = 3.0
    got.append(float(f(ONE)))
    items.append(1)
    got.append(float(f(ONE)))
    assert got == [16.0, 16.0, 24.0, 36.0, 54.0, 54.0]


def test_arrays_in_lists_are_inputs() -> None:
    params = [{"w": vx.asarray(2.0)}, {"w": vx.asarray(3.0)}]
    f = vx.grad(lambda x: x * params[0]["w"] * params[1]["w"])
    before = TOTAL.staged
    first = float(f(ONE))
    params[0] = {"w": vx.asarray(5.0)}
    assert (first, float(f(ONE)), TOTAL.staged - before) == (6.0, 15.0, 1)


def test_what_may_change_unseen_is_staged_each_time_and_said() -> None:
    thing = threading.local()
    thing.k = 2.0
    f = vx.jit(lambda x: x * thing.k)
    first = float(f(ONE))
    thing.k = 3.0
    assert (first, float(f(ONE))) == (2.0, 3.0)
    info = f.cache_info()
    assert (info.hits, info.staged, info.forced) == (0, 2, 0)
    assert info.unkeyed == (
        "thing, which <lambda> reads, is an object of class _local, which can change unseen:"
        " make the class a vx.struct, or pass what the function needs as arguments"
    )


def test_large_numpy_arrays_have_no_identity() -> None:
    data = np.ones(20_000)
    assert why_unkeyed(lambda x: x + data) == (
        "data, which <lambda> reads, is a NumPy array of 160000 bytes, which can change unseen:"
        " make it an array of verax once, vx.asarray(x)"
    )
    many = list(range(10_001))
    assert why_unkeyed(lambda x: x + many[0]) == (
        "many, which <lambda> reads, is a list of 10001 elements, too many to look at in each call"
    )


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Frozen:
    k: float


class Pair(tuple[Any, ...]):
    pass


@pytest.mark.parametrize(
    "value",
    [
        "text", b"bytes", None, 1j, range(3), ..., slice(1, 2), frozenset({1}), Color.RED, (1, 2),
        Frozen(2.0), np.float32(1), np.dtype("f4"), np.sin, math.sin, len, vx.float32, Frozen,
        vx.Mesh(data=2), vx.P("data"), vx.spec((3,)), functools.lru_cache(None)(lambda x: x),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_frozen_has_an_identity(value: Any) -> None:
    assert why_unkeyed(lambda: value) is None


def test_identities_of_equal_and_of_different_values() -> None:
    def of(v: Any) -> Any:
        return identity(lambda: v).key

    assert of(Frozen(2.0)) == of(Frozen(2.0)) != of(Frozen(3.0))
    assert of((1, "a")) == of((1, "a")) != of((1.0, "a"))
    assert of([1]) != of((1,)) != of([1, 1])
    assert of(np.float32(1)) != of(np.float64(1))


def test_decorators_of_one_code_are_told_apart() -> None:
    def twice(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(f)
        def wrapper(x: Any) -> Any:
            return f(f(x))

        return wrapper

    def base(x: Any) -> Any:
        return x * 3.0

    got = [slope(base)]
    once = twice(base)
    got.append(slope(once))
    got.append(slope(twice(once)))
    assert got == [3.0, 9.0, 81.0]


def test_recursion_and_functions_that_read_each_other() -> None:
    def even(n: int, x: Any) -> Any:
        return x if n == 0 else odd(n - 1, x) * 2.0

    def odd(n: int, x: Any) -> Any:
        return even(n - 1, x) * 3.0

    assert slope(lambda x: even(4, x)) == 36.0
    assert why_unkeyed(even) is None


def test_a_changed_code_is_seen() -> None:
    def helper(x: Any) -> Any:
        return x * 2.0

    def other(x: Any) -> Any:
        return x * 3.0

    def f(x: Any) -> Any:
        return helper(x)

    first = slope(f)
    helper.__code__ = other.__code__
    assert (first, slope(f)) == (2.0, 3.0)


def test_transformations_of_transformations_are_kept() -> None:
    def make(_: int) -> Callable[[Any], Any]:
        return vx.grad(vx.jit(vx.grad(vx.jit(lambda x: x * x * x))))

    before = TOTAL.staged
    assert [float(make(i)(ONE)) for i in range(3)] == [6.0, 6.0, 6.0]
    assert TOTAL.staged == before + 1
    vmapped = [vx.vmap(make(i))(vx.ones((2,))).tolist() for i in range(3)]
    assert vmapped == [[6.0, 6.0]] * 3
    assert TOTAL.staged == before + 2


def test_floats_that_change_become_inputs() -> None:
    def of(k: float) -> Callable[[Any], Any]:
        scale = k * 2.0
        return lambda x: x * scale + 11.0

    got, staged = slopes(of, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert (got, staged) == ([2.0, 4.0, 6.0, 8.0, 10.0], 2)


def test_floats_that_python_needs_stay_floats() -> None:
    def of(k: float) -> Callable[[Any], Any]:
        return vx.jit(lambda x: x * math.cos(k) if k > 0.5 else x)

    got = [float(of(k)(ONE)) for k in (1.0, 2.0, 0.25, 3.0)]
    assert got == pytest.approx([math.cos(1.0), math.cos(2.0), 1.0, math.cos(3.0)], rel=1e-6)


def test_lifted_floats_do_not_widen() -> None:
    x = vx.ones((2,), dtype=vx.bfloat16)

    def of(k: float) -> Any:
        return vx.jit(lambda x: x * k)(x)

    assert [of(k).dtype for k in (1.5, 2.5, 3.5)] == [vx.bfloat16] * 3


def test_a_value_that_python_reads_of_a_captured_array_is_seen() -> None:
    def of(n: Any) -> Any:
        return vx.jit(lambda x: x * int(n) + 0.5)(ONE)

    two = vx.asarray(2)
    assert [float(of(n)) for n in (two, vx.asarray(3), two)] == [2.5, 3.5, 2.5]


def test_python_scalars_of_unjitted_transformations_may_be_used_as_python_scalars() -> None:
    def repeated(x: Any, n: Any) -> Any:
        return sum([x * k for k in range(n)])

    f = vx.vmap(repeated, in_axes=(0, None))
    before = TOTAL.staged
    got = [f(vx.ones((2,)), n).tolist() for n in (2, 3, 4, 2)]
    assert got == [[1.0, 1.0], [3.0, 3.0], [6.0, 6.0], [1.0, 1.0]]
    assert TOTAL.staged == before + 3
    scaled = vx.vmap(lambda x, s: x * math.sin(s), in_axes=(0, None))
    assert [scaled(vx.ones((1,)), s).item() for s in (0.5, 1.5)] == pytest.approx(
        [math.sin(0.5), math.sin(1.5)]
    )


def test_integers_of_unjitted_transformations_that_change_become_inputs() -> None:
    g = vx.grad(lambda x, i: x * i + 13.0)
    before = TOTAL.staged
    assert [float(g(ONE, i)) for i in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert TOTAL.staged == before + 2
