"""f.cache, max_variants, strict promotion, and caches that stay bounded."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax.compiler.backend import backend
from verax.compiler.backend import cache as backend_cache
from verax.compiler.ir.errors import BackendError
from verax.dsl.lang.bounded import Bounded
from verax.dsl.lang.cache import TOTAL

X, Y = vx.ones((3,)), vx.ones((2, 2))


# f.cache -----------------------------------------------------------------------------------------


def test_the_cache_lists_types_and_static_values() -> None:
    @vx.jit(static_argnames="n")
    def f(params: Any, x: Any, n: int = 1, *, scale: Any = 1.0) -> Any:
        return params["w"] * x * n * scale

    f({"w": X}, X)
    f({"w": X}, X, n=2)
    f({"w": X}, X, 3, scale=0.5)
    f({"w": X}, X)
    assert len(f.cache) == 3
    assert [(v.types, v.static) for v in f.cache] == [
        ({"params['w']": "float32[3]", "x": "float32[3]"}, {}),
        ({"params['w']": "float32[3]", "x": "float32[3]"}, {"n": "2"}),
        (
            {"params['w']": "float32[3]", "x": "float32[3]", "scale": "a Python float"},
            {"n": "3"},
        ),
    ]
    lines = str(f.cache).split("\n")
    assert lines[0].startswith("test_the_cache_lists_types_and_static_values.f (")
    assert lines[0].endswith(": 3 variants")
    assert lines[2].startswith("  params['w']: float32[3], x: float32[3], n: static 2  (")
    assert lines[2].endswith(" ms)")
    first = next(iter(f.cache))
    assert first.seconds > 0.0
    assert first.memory().arguments == 24
    assert vx.cache_info(f).staged == 3


def test_static_arguments_in_front_do_not_shift_the_names() -> None:
    f = vx.jit(lambda n, x, y: x * n + y, static_argnums=0)
    f(2, X, 1)
    (v,) = f.cache
    assert (v.types, v.static) == ({"x": "float32[3]", "y": "a Python int"}, {"n": "2"})
    with pytest.raises(vx.StructureError, match="the argument x is an object of class str"):
        f(2, "text", 1)


def test_a_cleared_cache_is_filled_again() -> None:
    f = vx.jit(lambda x: x * 3.0 + 1.0)
    f(X), f(Y)
    runs = [v.entry.run for v in f.cache if v.entry is not None]
    f.cache.clear()
    assert len(f.cache) == 0
    assert all(run._loaded is None for run in runs)
    assert f(X).tolist() == [4.0] * 3
    assert (len(f.cache), f.cache_info().staged) == (1, 3)


def test_two_jitted_functions_of_one_share_programs_and_have_lists_of_their_own() -> None:
    def f(x: Any) -> Any:
        return x * 7.0

    a, b = vx.jit(f), vx.jit(f)
    a(X), a(Y), b(X)
    assert (len(a.cache), len(b.cache), b.cache_info().staged) == (2, 1, 0)
    a.cache.clear()
    assert b(X).tolist() == [7.0] * 3
    assert len(b.cache) == 1


def test_methods_have_a_cache() -> None:
    @vx.struct
    class Model:
        w: Any

        @vx.jit
        def apply(self, x: Any) -> Any:
            return self.w * x

    apply: Any = Model(X).apply
    apply(X)
    assert [v.types for v in apply.cache] == [{"self.w": "float32[3]", "x": "float32[3]"}]


# max_variants ------------------------------------------------------------------------------------


def test_one_variant_too_many_shows_what_differs() -> None:
    @vx.jit(static_argnames="n", max_variants=2)
    def f(params: Any, x: Any, n: int = 1) -> Any:
        return params["w"] * x * n

    name = "test_one_variant_too_many_shows_what_differs.f (test_variants.py:L)"
    f({"w": X}, X), f({"w": Y}, Y), f({"w": X}, X)
    assert message(vx.VariantError, lambda: f({"w": X}, X.astype("int32"))) == (
        f"[verax-variant] {name} has 2 variants, as many as max_variants allows, and this call"
        " needs another; from the nearest it differs in\n"
        "    x: float32[3] there, int32[3] here\n"
        "    (1 other leaf agrees)\n"
        '  at test_variants.py:L: assert message(vx.VariantError, lambda: f({"w": X},'
        ' X.astype("int32"))) == (\n'
        "  fix: call it with arguments of the same types (pad to a few sizes, convert dtypes, pass"
        " numbers that vary as arrays), or allow more"
    )
    differences: list[tuple[list[str], Callable[[], Any]]] = [
        (["n: absent there, static 2 here", "(2 other leaves agree)"], lambda: f({"w": X}, X, n=2)),
        (
            ["x: float32[2,2] there, a Python float here", "(1 other leaf agrees)"],
            lambda: f({"w": Y}, 2.0),
        ),
        (
            ["params['b']: absent there, float32[3] here", "(2 other leaves agree)"],
            lambda: f({"w": X, "b": X}, X),
        ),
    ]
    for lines, call in differences:
        text = message(vx.VariantError, call).split("\n")
        assert [line.strip() for line in text[1 : 1 + len(lines)]] == lines
    assert f({"w": Y}, Y).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert (len(f.cache), f.cache_info().staged) == (2, 2)
    f.cache.clear()
    assert f({"w": X}, X.astype("int32")).tolist() == [1.0] * 3


def test_what_the_function_reads_counts_too() -> None:
    n = 2
    f = vx.jit(lambda x: x * n, max_variants=1)
    f(X), f(X)
    n = 3
    text = message(vx.VariantError, lambda: f(X)).split("\n")
    assert text[1] == "    nothing: what the function reads has changed"


def test_another_function_may_have_staged_it_already() -> None:
    def g(x: Any) -> Any:
        return x * 9.0

    vx.jit(g)(X), vx.jit(g)(Y)
    f = vx.jit(g, max_variants=1)
    f(X)
    assert "float32[3] there, float32[2,2] here" in message(vx.VariantError, lambda: f(Y))


def test_a_function_that_is_staged_at_each_call_counts_by_types() -> None:
    thing = threading.local()
    thing.k = 2.0
    f = vx.jit(lambda x: x * thing.k, max_variants=1)
    assert [f(X)[0].item() for _ in range(3)] == [2.0] * 3
    assert len(f.cache) == 1
    with pytest.raises(vx.VariantError):
        f(Y)


def test_options_that_do_not_fit() -> None:
    assert message(vx.StructureError, lambda: vx.jit(vx.sin, max_variants=0)).split("\n")[0] == (
        "[verax-structure] jit: max_variants is 0, expected a positive number or None"
    )
    wrong: Any = "safe"
    assert message(vx.StructureError, lambda: vx.jit(vx.sin, promotion=wrong)).split("\n")[0] == (
        "[verax-structure] jit: promotion is 'safe', which is unknown"
    )


# strict promotion --------------------------------------------------------------------------------


def test_arrays_of_two_dtypes_do_not_meet_in_strict_functions() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y

    name = "test_arrays_of_two_dtypes_do_not_meet_in_strict_functions.f"
    g, n = vx.jit(f, promotion="strict"), vx.asarray([1, 2, 3])
    assert message(vx.DTypeError, lambda: g(X, n)) == (
        "[verax-dtype] multiply: float32[3] and int32[3] have different dtypes, and"
        f' {name} (test_variants.py:L) is staged with promotion="strict"\n'
        "  at test_variants.py:L: return x * y\n"
        "  fix: convert one of them: x.astype('float32')"
    )
    assert g(X, X).dtype == g(X, 2).dtype == g(X, 2.0).dtype == vx.float32
    assert vx.jit(f)(X, n).tolist() == [1.0, 2.0, 3.0]


def test_strictness_is_inherited_and_ends() -> None:
    half = X.astype("bfloat16")
    strict: Any = functools.partial(vx.jit, promotion="strict")
    inside: list[Callable[[Any], Any]] = [
        lambda x: vx.grad(lambda z: vx.sum(z * half))(x * 1.0),
        lambda x: vx.vmap(lambda z, h: z * h)(x, half),
        lambda x: vx.where(x > 0, x, half),
        lambda x: vx.concatenate([x, half]),
        lambda x: vx.matmul(x, half),
        lambda x: vx.cond(x[0] > 0, lambda z: z + half, lambda z: z, x),
    ]
    for f in inside:
        with pytest.raises(vx.DTypeError, match="different dtypes"):
            strict(f)(X)
    inner = strict(lambda x: x * 2.0)
    assert vx.jit(lambda x: inner(x) + half)(X).tolist() == [3.0] * 3
    mixed = strict(lambda x: x + half)
    with pytest.raises(vx.DTypeError, match="different dtypes"):
        vx.jit(lambda x: mixed(x))(X)  # noqa: PLW0108


# bounded caches ----------------------------------------------------------------------------------


class Fake:
    def __init__(self) -> None:
        self.used, self.asleep = False, 0

    def sleep(self) -> None:
        self.asleep += 1


def test_the_longest_unused_goes_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_cache, "limit", lambda: 3)
    cache: Any = backend_cache.Cache()
    fakes = [Fake() for _ in range(5)]
    for i in range(4):
        cache.keep(i, fakes[i])
    assert (sorted(cache), [x.asleep for x in fakes]) == ([1, 2, 3], [1, 0, 0, 0, 0])
    fakes[1].used = True
    cache.keep(4, fakes[4])
    assert sorted(cache) == [1, 3, 4]
    assert sorted(cache.asleep) == [0, 2]
    cache.keep(0, fakes[0])
    assert sorted(cache.asleep) == [2, 3]
    cache.rest_all([4, 7])
    assert sorted(cache) == [0, 1]
    cache.rest_all()
    assert (sorted(cache), sorted(cache.asleep)) == ([], [0, 1, 2, 3, 4])


def test_the_size_of_the_cache_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = backend_cache.limit.__wrapped__
    assert limit() == 2048
    monkeypatch.setenv("VERAX_CACHE_SIZE", "7")
    assert limit() == 7
    monkeypatch.setenv("VERAX_CACHE_SIZE", "many")
    assert message(BackendError, limit).split("\n")[0::2] == [
        "[verax-backend] VERAX_CACHE_SIZE is 'many', expected a positive number",
        "  fix: export VERAX_CACHE_SIZE=2048",
    ]


def test_a_program_that_sleeps_wakes_when_it_is_called() -> None:
    f = vx.jit(lambda x: x * 11.0)
    ran = f.compile(X)
    wanted = ran(X).tolist()
    run = ran._run
    for _ in range(2):
        backend().forget([run.key])
        assert run._loaded is None
        assert ran(X).tolist() == wanted
        assert run._loaded is not None
    backend().forget([run.key])
    assert backend().executable(*run.key) is run
    assert run._loaded is not None
    backend().forget([run.key])
    assert run.memory().arguments == 12


def test_programs_may_be_forgotten_while_other_threads_run_them() -> None:
    f = vx.jit(lambda x: x * 13.0)
    run = f.compile(X)._run
    wanted, wrong, done = f(X).tolist(), [], threading.Event()

    def work() -> None:
        try:
            for _ in range(50):
                if f(X).tolist() != wanted:
                    wrong.append("value")
        except Exception as error:
            wrong.append(repr(error))

    def forget() -> None:
        for _ in range(8):
            backend().forget([run.key])
            done.wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(3)]
    forgetter = threading.Thread(target=forget)
    for t in (*threads, forgetter):
        t.start()
    for t in threads:
        t.join()
    forgetter.join()
    assert wrong == []


def test_bounded_dicts_forget_the_oldest() -> None:
    kept: Bounded[int, int] = Bounded(8)
    for i in range(20):
        kept.keep(i, i)
        assert len(kept) <= 8
    assert 19 in kept
    assert 0 not in kept


def test_clear_caches_stages_anew() -> None:
    f, g = vx.jit(lambda x: x * 17.0), vx.grad(lambda x: vx.sum(x * 17.0))
    f(X), g(X)
    before = TOTAL.staged
    f(X), g(X)
    assert TOTAL.staged == before
    vx.clear_caches()
    assert f(X).tolist() == g(X).tolist() == [17.0] * 3
    assert (X + X).tolist() == [2.0] * 3
    assert TOTAL.staged > before


# what is made again in a loop --------------------------------------------------------------------


def test_functions_that_are_made_again_cost_no_staging() -> None:
    @vx.struct
    class Scale:
        k: Any
        n: int = vx.field(default=2, static=True)

        def of(self, x: Any) -> Any:
            return x * self.k * self.n

    def times(k: Any, x: Any) -> Any:
        return x * k

    def scaled(x: Any, k: Any) -> Any:
        return x * k

    numbers = np.array([1.0, 2.0, 3.0], np.float32)
    w, n, pair = vx.asarray(2.0), 3, (1, 2.0)

    def closes(_: int) -> Any:
        def inner(x: Any) -> Any:
            return x * w * n

        return lambda x: inner(x) * pair[1] + numbers

    makes: list[Callable[[int], Any]] = [
        lambda _: lambda x: x * 2.5,
        lambda _: functools.partial(times, w),
        lambda i: functools.partial(times, vx.asarray(float(i))),
        lambda _: functools.partial(scaled, k=2),
        lambda i: Scale(vx.asarray(float(i))).of,
        closes,
    ]
    for make in makes:
        for through in (vx.jit, lambda f: vx.grad(lambda x: vx.sum(f(x)))):
            got = [through(make(0))(X)]
            before = TOTAL.staged
            got += [through(make(i))(X) for i in range(1, 4)]
            assert TOTAL.staged == before
            assert len(got) == 4


def test_floats_that_vary_become_inputs() -> None:
    made = [vx.jit(lambda x, k=k: x * k) for k in (1.0, 2.0, 3.0, 4.0)]
    got = [f(X)[0].item() for f in made[:2]]
    before = TOTAL.staged
    got += [f(X)[0].item() for f in made[2:]]
    assert (got, TOTAL.staged) == ([1.0, 2.0, 3.0, 4.0], before)
