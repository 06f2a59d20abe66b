"""Python control flow on values, under every transformation that has the values.

Each program is compared with itself on plain NumPy floats, and its derivatives with differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.python_programs import PROGRAMS, Source
from verax.compiler.backend import compile as compiled

NAMES = list(PROGRAMS)
FIRST, SECOND = 1e-6, 1e-4  # steps of central differences


def on(s: Source) -> Callable[[Any], Any]:
    """The program as users write it."""
    return lambda x: s.f(vx, x)


def arg(x: Any) -> Any:
    return vx.asarray(np.asarray(x, np.float64))


def plain(s: Source, x: Any) -> float:
    return float(s.f(np, np.asarray(x, np.float64)[()]))


def units(x: Any, h: float) -> list[Any]:
    """A step along each coordinate."""
    shape = np.shape(x)
    return [h * e.reshape(shape) for e in np.eye(max(1, int(np.prod(shape))))]


def gradient(s: Source, x: Any) -> Any:
    """By differences of the plain program."""
    x = np.asarray(x, np.float64)
    d = [(plain(s, x + e) - plain(s, x - e)) / (2 * FIRST) for e in units(x, FIRST)]
    return np.reshape(d, np.shape(x))


def curvature(s: Source, x: Any) -> Any:
    """The Hessian by differences of the plain program."""
    x = np.asarray(x, np.float64)
    es = units(x, SECOND)
    d = [
        plain(s, x + a + b) - plain(s, x + a - b) - plain(s, x - a + b) + plain(s, x - a - b)
        for a in es
        for b in es
    ]
    return np.reshape(d, (*np.shape(x), *np.shape(x))) / (4 * SECOND**2)


def near(got: Any, want: Any, tolerance: float) -> None:
    scale = tolerance * (1 + np.max(np.abs(want)))
    np.testing.assert_allclose(np.asarray(got), want, rtol=0, atol=scale)


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 28


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name: str) -> None:
    """On both paths, in turns: what was staged for one is never used for the other."""
    s = PROGRAMS[name]
    f, points = vx.value_and_grad(on(s)), (s.here, s.there)
    wanted = [(plain(s, x), gradient(s, x)) for x in points]
    for i in (0, 1, 0):
        y, g = f(arg(points[i]))
        near(y, wanted[i][0], 1e-12)
        near(g, wanted[i][1], 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_jvp_and_vjp(name: str) -> None:
    """One forward, one in reverse: the same number."""
    s = PROGRAMS[name]
    f, x = on(s), arg(s.there)
    t = arg(np.cos(np.arange(x.size)).reshape(x.shape))
    y, dy = vx.jvp(f, (x,), (t,))
    z, back = vx.vjp(f, x)
    (ct,) = back(vx.asarray(np.float64(1.0)))
    near(y, plain(s, s.there), 1e-12)
    near(z, plain(s, s.there), 1e-12)
    near(dy, np.sum(gradient(s, s.there) * np.asarray(t)), 1e-6)
    near(vx.sum(ct * t), np.asarray(dy), 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_hessian(name: str) -> None:
    s = PROGRAMS[name]
    x = s.here
    if s.hessian:
        near(vx.hessian(on(s))(arg(x)), curvature(s, x), 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_jacobians(name: str) -> None:
    """Of two results that share the path."""
    s = PROGRAMS[name]

    def both(x: Any) -> Any:
        y = s.f(vx, x)
        return vx.stack([y, y * y])

    y, g = plain(s, s.here), gradient(s, s.here)
    jacobian = (vx.jacfwd, vx.jacrev)[NAMES.index(name) % 2]
    near(jacobian(both)(arg(s.here)), np.stack([g, 2 * y * g]), 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_path_is_compiled_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python runs in each call, for it decides; what it decides the same way is there already."""
    s = PROGRAMS[name]
    f = vx.grad(on(s))
    f(arg(s.here))
    built: list[object] = []
    build = compiled._build

    def counted(key: Any) -> Any:
        built.append(key)
        return build(key)

    monkeypatch.setattr(compiled, "_build", counted)
    f(arg(s.here))
    near(f(arg(s.near)), gradient(s, s.near), 1e-6)
    assert built == []


# what is nested, closed over, and counted ---------------------------------------------------------


def ramp(x: Any) -> Any:
    return x**4 if x > 1.0 else x**3


def test_derivatives_of_derivatives() -> None:
    third = vx.grad(vx.grad(vx.grad(ramp)))
    assert [float(third(x)) for x in (2.0, 0.5, 3.0, 0.25)] == [48.0, 6.0, 72.0, 6.0]


def test_a_gradient_decides() -> None:
    """Python looks at an inner gradient, and both are right on each side."""

    def f(x: Any) -> Any:
        slope = vx.grad(ramp)(x)
        return slope * x if slope > 4.0 else slope

    got = [float(vx.grad(f)(x)) for x in (2.0, 0.5, 1.5)]
    assert got == [16 * 2.0**3, 3.0, 16 * 1.5**3]


def test_forward_over_reverse_and_back() -> None:
    def push(x: Any) -> Any:
        return vx.jvp(vx.grad(ramp), (x,), (1.0,))[1]

    def pull(x: Any) -> Any:
        return vx.grad(lambda x: vx.jvp(ramp, (x,), (1.0,))[1])(x)

    for x in (2.0, 0.5):
        want = 12 * x**2 if x > 1 else 6 * x
        assert float(push(x)) == float(pull(x)) == want


def test_what_a_closure_reads_is_never_stale() -> None:
    limit = [vx.asarray(1.0)]

    def f(x: Any) -> Any:
        return x * x if x > limit[0] else 3.0 * x

    slope = vx.grad(f)
    assert float(slope(2.0)) == 4.0
    limit[0] = vx.asarray(5.0)
    assert float(slope(2.0)) == 3.0
    limit[0] = vx.asarray(1.0)
    assert float(slope(2.0)) == 4.0


def test_a_closure_alone_decides() -> None:
    """What is closed over is known in every call: the program is kept, for this array."""
    switch = [vx.asarray(1.0)]

    def f(x: Any) -> Any:
        return x * x if switch[0] > 0 else -x

    slope = vx.grad(f)
    assert [float(slope(3.0)), float(slope(4.0))] == [6.0, 8.0]
    switch[0] = vx.asarray(-1.0)
    assert float(slope(3.0)) == -1.0


def test_what_is_counted() -> None:
    def looks(x: Any) -> Any:
        return x if x > 0 else -x

    def does_not(x: Any) -> Any:
        for _ in range(3):
            x = vx.sin(x)
        return x

    for f in (looks, does_not):
        for x in (1.0, 2.0, -1.0):
            vx.grad(f)(x)
    assert vx.cache_info(looks)[:3] == (0, 3, 3)
    assert vx.cache_info(does_not)[1:3] == (1, 0)


def test_has_aux_and_other_arguments() -> None:
    def f(x: Any, n: int, *, scale: float) -> Any:
        taken: list[float] = []
        while x < 10.0 and len(taken) < n:
            taken.append(float(x))
            x = x * x * scale
        return x, vx.asarray(len(taken))

    g, aux = vx.grad(f, has_aux=True)(2.0, 2, scale=1.0)
    assert (float(g), int(aux)) == (32.0, 2)
    g, aux = vx.grad(f, has_aux=True)(11.0, 2, scale=1.0)
    assert (float(g), int(aux)) == (1.0, 0)


def test_numbers_that_python_reads_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """``x > float(y)``: the number is put on the device as it is."""

    def f(x: Any) -> Any:
        return x * x if x > float(x * 0.5) else x

    vx.grad(f)(1.0)
    monkeypatch.setattr(compiled, "_build", None)
    assert [float(vx.grad(f)(x)) for x in (2.0, 3.0)] == [4.0, 6.0]
