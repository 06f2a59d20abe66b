"""jit: static and donated arguments, methods, the steps on the way, dispatch."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

X = vx.asarray([1.0, 2.0, 3.0])


def test_the_decorator_with_and_without_arguments() -> None:
    @vx.jit
    def f(x: Any) -> Any:
        "doc"
        return x * 2.0

    @vx.jit(static_argnames="n")
    def g(x: Any, n: int) -> Any:
        return x * n

    assert f(X).tolist() == [2.0, 4.0, 6.0]
    assert g(X, n=3).tolist() == g(X, 3).tolist() == [3.0, 6.0, 9.0]
    assert (f.__name__, f.__doc__) == ("f", "doc")
    assert repr(f).startswith("<jit of test_the_decorator_with_and_without_arguments.f (")


def test_keywords_and_defaults() -> None:
    f = vx.jit(lambda x, *, scale=2.0, shift=None: x * scale + (0.0 if shift is None else shift))
    assert f(X).tolist() == [2.0, 4.0, 6.0]
    assert f(X, shift=1.0, scale=3.0).tolist() == [4.0, 7.0, 10.0]
    assert f(x=X, shift=X).tolist() == [3.0, 6.0, 9.0]


def test_static_arguments_are_known_by_value() -> None:
    @vx.jit(static_argnums=(1,), static_argnames=("power",))
    def f(x: Any, n: int, power: int = 1) -> Any:
        for _ in range(n):
            x = x * 2.0**power
        return x

    got = [f(X, n)[0].item() for n in (1, 2, 1)]
    assert got == [2.0, 4.0, 2.0]
    assert f.cache_info() == (1, 2, 0, None)
    assert f(X, 1, power=2)[0].item() == 4.0
    assert f(X, n=2, power=2)[0].item() == 16.0
    assert f(X, 1, 2)[0].item() == 4.0


def test_static_functions_count_by_what_they_read() -> None:
    f = vx.jit(lambda x, g: g(x), static_argnums=1)
    a, b = vx.asarray(2.0), vx.asarray(3.0)

    def times(k: Any) -> Any:
        return lambda x: x * k

    assert [f(X, times(k))[0].item() for k in (a, b, a)] == [2.0, 3.0, 2.0]
    assert f.cache_info().staged == 1
    assert f(X, vx.sin).tolist() == vx.sin(X).tolist()


def test_static_arguments_of_own_classes_count_by_their_equality() -> None:
    class Size:
        def __init__(self, n: int) -> None:
            self.n = n

        def __hash__(self) -> int:
            return hash(self.n)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Size) and self.n == other.n

    f = vx.jit(lambda x, s: x * s.n, static_argnums=1)
    assert [f(X, Size(n))[0].item() for n in (2, 3, 2)] == [2.0, 3.0, 2.0]
    assert f.cache_info().staged == 2


def test_static_and_donated_arguments_that_do_not_fit() -> None:
    def f(x: Any, sizes: Any) -> Any:
        return x

    name = "test_static_and_donated_arguments_that_do_not_fit.f (test_jit.py:L)"
    got = message(vx.StructureError, lambda: vx.jit(f, static_argnums=1)(X, Counter()))
    assert got.split("\n")[0::2] == [
        f"[verax-structure] the static argument 1 of {name} is a Counter, which has no hash",
        "  fix: pass a tuple instead of a list, a vx.struct instead of a dict",
    ]
    got = message(vx.StructureError, lambda: vx.jit(f, static_argnames="size"))
    assert got.split("\n")[0::2] == [
        f"[verax-structure] static arguments: {name} has no parameter size",
        "  fix: its parameters are x, sizes",
    ]
    got = message(vx.StructureError, lambda: vx.jit(f, donate_argnums=2))
    assert got.split("\n")[0] == f"[verax-structure] donated arguments: {name} has no argument 2"
    with pytest.raises(vx.StructureError, match="jit needs a function"):
        vx.jit(3)  # type: ignore[call-overload]


def test_donated_arrays_are_gone() -> None:
    def step(state: Any, x: Any) -> Any:
        return vx.tree.map(lambda s: s + x, state)

    f = vx.jit(step, donate_argnums=0)
    state = {"a": vx.ones((3,)), "b": vx.zeros((3,))}
    new = f(state, X)
    assert new["a"].tolist() == [2.0, 3.0, 4.0]
    assert f(new, x=X)["b"].tolist() == [2.0, 4.0, 6.0]
    assert message(vx.DonationError, lambda: state["a"] + 1.0) == (
        "[verax-donated] float32[3] was donated to test_donated_arrays_are_gone.step"
        " (test_jit.py:L), which took its buffer\n"
        '  at test_jit.py:L: assert message(vx.DonationError, lambda: state["a"] + 1.0) == (\n'
        "  at test_jit.py:L: new = f(state, X)\n"
        "  fix: use what that call returned, or do not donate this argument"
    )
    uses: list[Callable[[], Any]] = [
        lambda: state["a"].numpy().sum(),
        lambda: float(vx.sum(state["a"])),
        lambda: vx.jit(lambda s: s * 2.0)(state["a"]),
        lambda: vx.jit(lambda x: x * state["a"])(X),
        lambda: vx.grad(lambda x: vx.sum(x * state["a"]))(X),
        lambda: f(state, X),
    ]
    for use in uses:
        with pytest.raises(vx.DonationError, match="which took its buffer"):
            use()
    assert X.tolist() == [1.0, 2.0, 3.0]


def test_donation_by_name_and_of_one_array_twice() -> None:
    def add(a: Any, b: Any) -> Any:
        return a + b

    f = vx.jit(add, donate_argnames="b")
    a, b = vx.ones((3,)), vx.ones((3,))
    f(a, b=b)
    assert a.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(vx.DonationError):
        b.numpy()
    got = message(vx.DonationError, lambda: f(a, a))
    assert got.split("\n")[0] == (
        "[verax-donated] a and b are one array, which is donated to"
        " test_donation_by_name_and_of_one_array_twice.add (test_jit.py:L)"
    )
    both = vx.jit(add, static_argnums=0, donate_argnums=1)
    c = vx.ones((3,))
    assert both(1.0, c).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(vx.DonationError):
        c.numpy()
    assert f(vx.ones((3,)), 2.0).tolist() == [3.0, 3.0, 3.0]


@vx.struct
class Model:
    w: Any
    n: int = vx.field(default=2, static=True)

    @vx.jit
    def __call__(self, x: Any) -> Any:
        return self.w * x * self.n

    @vx.jit
    def method(self, x: Any, scale: float = 1.0) -> Any:
        return self(x) * scale


def test_methods() -> None:
    m = Model(vx.asarray(2.0))
    assert m(X).tolist() == [4.0, 8.0, 12.0]
    assert m.method(X, scale=0.5).tolist() == [2.0, 4.0, 6.0]
    assert Model.method(m, X).tolist() == [4.0, 8.0, 12.0]
    assert vx.vmap(m.method)(X).tolist() == [4.0, 8.0, 12.0]
    assert vx.jit(m.method)(X).tolist() == [4.0, 8.0, 12.0]
    assert float(vx.grad(lambda m: vx.sum(m.method(X)))(m).w) == 12.0
    assert "multiply" in m.method.lower(X).text  # type: ignore[attr-defined]


def test_the_steps() -> None:
    f = vx.jit(lambda p, x: {"y": vx.sin(p["w"] @ x)})
    types = ({"w": vx.spec((4, 3))}, vx.spec(3))
    program = f.stage(*types)
    assert program.out_types == (vx.spec(4),)
    assert program == f.stage({"w": np.ones((4, 3), np.float32)}, X)
    lowered = f.lower(*types)
    assert "stablehlo.sine" in str(lowered)
    compiled = f.compile(*types)
    assert compiled.out_types == (vx.spec(4),)
    assert compiled({"w": vx.ones((4, 3))}, X)["y"].tolist() == [np.float32(np.sin(6.0))] * 4
    assert compiled.cost().flops > 0
    assert compiled.memory().arguments >= 4 * 15
    assert compiled.optimized().startswith("HloModule")
    assert str(compiled.comm) == "no communication"
    got = message(vx.StructureError, lambda: compiled({"w": vx.ones((4, 4))}, X))
    assert got.split("\n")[0].endswith(
        "was compiled for float32[4,3] at [0]['w'], and is called with float32[4,4]"
    )
    with pytest.raises(vx.StructureError, match="the trees differ"):
        compiled((vx.ones((4, 3)),), X)


def test_the_table_of_communication() -> None:
    mesh = vx.Mesh(data=2)
    x = vx.shard(vx.ones((4, 3)), mesh, vx.P("data"))
    compiled = vx.jit(lambda x: vx.sum(x * 2.0)).compile(x)
    assert float(compiled(x)) == 24.0
    lines = str(compiled.comm).split("\n")
    assert lines[0].split() == ["op", "times", "bytes", "axes", "line"]
    assert lines[1].split()[:4] == ["all_reduce", "1", "4", "data"]
    assert lines[1].endswith("compiled = vx.jit(lambda x: vx.sum(x * 2.0)).compile(x)")
    assert lines[2].split() == ["total", "1", "4"]


def test_symbolic_sizes_and_keys_can_be_staged() -> None:
    program = vx.jit(lambda k, x: vx.random.normal(k, (2,)) + x).stage(
        vx.KeyType("threefry2x32", ()), vx.spec((2,))
    )
    assert program.out_types == (vx.spec((2,)),)


def test_inlined_in_another_staged_function() -> None:
    inner = vx.jit(lambda x, n: x * n, static_argnums=1)
    outer = vx.jit(lambda x: inner(x, 3) + inner(x, 3))
    assert len(outer.stage(X)) == 3  # the constant, one product and the sum


def test_an_error_in_the_function_leaves_nothing_open() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("mine")

    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            vx.jit(vx.grad(fails))(X)
    assert (X + 1.0).tolist() == [2.0, 3.0, 4.0]


def test_threads_stage_side_by_side() -> None:
    f = vx.jit(lambda x: vx.sum(vx.sin(x) * x))
    wanted, got = f(X).item(), []

    def work(k: int) -> None:
        for _ in range(5):
            got.append(vx.grad(lambda x: f(x) * k)(X).shape)
            got.append(f(X).item() == wanted)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got.count((3,)) == got.count(True) == 15


def test_a_repeated_call_sees_every_change() -> None:
    scale: vx.AnyArray = vx.ones(2)
    factor = 2.0

    @vx.jit
    def f(d: Any) -> Any:
        return {k: v * scale * factor for k, v in d.items()}

    def values(d: Any) -> dict[str, list[float]]:
        return {k: v.tolist() for k, v in f(d).items()}

    x, y = vx.ones(2), vx.full((2,), 3.0)
    for _ in range(3):
        assert values({"a": x, "b": y}) == {"a": [2, 2], "b": [6, 6]}
        assert values({"b": x, "a": y}) == {"b": [2, 2], "a": [6, 6]}
        assert values({"a": x, "c": y}) == {"a": [2, 2], "c": [6, 6]}
        assert values({"a": vx.ones(())}) == {"a": [2, 2]}
        assert values({"a": 1.0}) == {"a": [2, 2]}
        assert values({"a": 1.5}) == {"a": [3, 3]}
    scale = vx.full((2,), 2.0)
    assert values({"a": 1.5}) == {"a": [6, 6]}
    assert values({"a": x}) == values({"a": x}) == {"a": [4, 4]}
    factor = 3.0
    assert values({"a": x}) == values({"a": x}) == {"a": [6, 6]}
    scale = vx.ones(2, dtype=vx.float64)
    assert f({"a": x})["a"].dtype is vx.float64
