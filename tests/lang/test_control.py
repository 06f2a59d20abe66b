"""cond, switch, while_loop, fori_loop, scan, map: what they compute, and what does not agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

# what the signatures refuse, or say too narrowly for Python scalars, is tried as well
cond: Any = vx.cond
switch: Any = vx.switch
scan: Any = vx.scan
while_loop: Any = vx.while_loop
fori_loop: Any = vx.fori_loop

X = vx.asarray([1.0, 2.0, 3.0])
ROWS = vx.asarray(np.arange(12.0, dtype=np.float32).reshape(4, 3))
HALF = vx.ones((3,), dtype=vx.bfloat16)


def text(kind: type[vx.VeraxError], make: Callable[[], Any]) -> str:
    """The message without the line of the call."""
    lines = message(kind, make).split("\n")
    return "\n".join(line for line in lines if not line.startswith("  at "))


# branches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda f: f, vx.jit], ids=["eager", "jit"])
def test_cond_and_switch_choose(wrap: Any) -> None:
    f = wrap(lambda p, x: cond(p, lambda x: x + 1.0, lambda x: x - 1.0, x))
    assert f(True, X).tolist() == [2.0, 3.0, 4.0]
    assert f(X[0] > 1.0, X).tolist() == [0.0, 1.0, 2.0]
    g = wrap(lambda i, x: switch(i, [lambda x: x, lambda x: x * 2.0, lambda x: -x], x))
    got = [g(i, 3.0).item() for i in (-1, 0, 1, 2, 7)]
    assert got == [3.0, 3.0, 6.0, -3.0, -3.0]
    assert switch(vx.asarray(0), [lambda: 1.0]).item() == 1.0


def test_branches_capture_and_give_trees() -> None:
    c = X * 2.0

    def f(p: Any) -> Any:
        y = vx.sin(X)
        return cond(p, lambda: {"a": y, "b": (c, 1)}, lambda: {"a": c, "b": (y, 2)})

    for p in (True, False):
        got = vx.jit(f)(p)
        assert got["a"].tolist() == (vx.sin(X) if p else c).tolist()
        assert got["b"][1].item() == 2 - p


def test_python_scalars_take_the_dtype_of_the_other_branch() -> None:
    def dtype(yes: Any, no: Any) -> Any:
        return cond(True, lambda: yes, lambda: no).dtype

    half = vx.asarray(1.0, dtype=vx.bfloat16)
    assert dtype(half, 0.0) is dtype(0, half) is vx.bfloat16
    assert dtype(1, 2.0) is vx.float32
    assert dtype(1, 2) is vx.int32
    assert dtype(True, 2) is vx.int32
    got = vx.jit(lambda p, s: cond(p, lambda s: HALF * s, lambda s: HALF, s))(True, 0.5)
    assert got.dtype is vx.bfloat16


def yes(x: Any) -> Any:
    return {"a": x, "b": 1.0, "c": x}


def no(x: Any) -> Any:
    return {"a": x[:2], "b": 1, "c": x}


def test_branches_that_disagree() -> None:
    assert text(vx.ShapeError, lambda: cond(True, yes, no, X)) == (
        "[verax-shape] cond: the branches no (test_control.py:L) and yes (test_control.py:L) give"
        " different results\n"
        "    ['a']  false_fun  float32[2]\n"
        "    ['a']  true_fun   float32[3]\n"
        "                              ^\n"
        "    (2 other leaves agree)\n"
        "  fix: give at ['a'] float32[2] in both: reduce, broadcast or slice one of them"
    )
    assert text(vx.DTypeError, lambda: cond(True, lambda: 1.5, lambda: vx.asarray(1))).split("\n")[
        1:
    ] == [
        "    false_fun         int32[]",
        "    true_fun   Python float[]",
        "  fix: convert what true_fun returns: .astype(vx.int32)",
    ]
    assert text(vx.StructureError, lambda: cond(True, yes, lambda x: (x, x), X)).split("\n")[0] == (
        "[verax-structure] cond: the branches give different results: the trees"
        " differ at the root: a tuple of 2, and a dict of 3"
    )


def test_predicates_that_are_none() -> None:
    assert text(vx.ShapeError, lambda: cond(X > 0, yes, yes, X)) == (
        "[verax-shape] cond: pred is bool[3], not a scalar\n"
        "  fix: reduce it (vx.all, vx.any), choose by element (vx.where), or map: vx.vmap"
    )
    assert text(vx.DTypeError, lambda: cond(1, yes, yes, X)) == (
        "[verax-dtype] cond: pred is int32[], not a bool\n  fix: compare: pred != 0"
    )
    assert text(vx.DTypeError, lambda: switch(1.0, [yes], X)) == (
        "[verax-dtype] switch: index is float32[], not an integer\n  fix: index.astype(vx.int32)"
    )
    assert text(vx.StructureError, lambda: switch(1, [])) == (
        "[verax-structure] switch needs at least one branch, got none\n"
        "  fix: vx.switch(i, [f, g], x)"
    )


# loops -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unroll", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_loop(unroll: int, reverse: bool) -> None:
    def step(c: Any, r: Any) -> Any:
        return {"s": c["s"] * 0.5 + r["x"]}, (c["s"], r["x"][0])

    start = {"s": X}
    got = scan(step, start, {"x": ROWS}, reverse=reverse, unroll=unroll)
    c, ys = start, []
    for i in reversed(range(4)) if reverse else range(4):
        c, y = step(c, {"x": ROWS[i]})
        ys.append(y)
    if reverse:
        ys.reverse()
    np.testing.assert_allclose(got[0]["s"], c["s"])
    np.testing.assert_allclose(got[1][0], np.stack([y[0] for y in ys]))
    np.testing.assert_allclose(got[1][1], np.stack([y[1] for y in ys]))


def test_scan_without_rows_and_with_other_scans_inside() -> None:
    c, ys = scan(lambda c, _: (c * 2, None), 1, length=5)
    assert (c.item(), ys) == (32, None)
    assert scan(lambda c, _: (c, c), 1, length=0)[1].shape == (0,)

    def outer(c: Any, r: Any) -> Any:
        return scan(lambda c, e: (c + e * r[0], None), c, r)[0], None

    got = scan(outer, 0.0, ROWS)[0].item()
    assert got == float(np.sum(ROWS.numpy() * ROWS.numpy()[:, :1]))


def test_carries_that_are_python_scalars_take_the_dtype_of_the_body() -> None:
    c, ys = scan(lambda c, r: (c + vx.sum(r), c), 0.0, HALF)
    assert c.dtype is ys.dtype is vx.bfloat16
    assert scan(lambda c, r: (c + 1, 0.5), 0, X)[0].dtype is vx.int32
    assert scan(lambda c, r: (c + 0.5, c), 0, X)[1].dtype is vx.float32
    n, s = while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * HALF[0]), (0, 1.0))
    assert (n.dtype, s.dtype) == (vx.int32, vx.bfloat16)
    assert fori_loop(0, 3, lambda i, x: x * i, HALF).dtype is vx.bfloat16
    i8 = vx.ones((), dtype=vx.int8)
    assert fori_loop(0, 3, lambda i, x: x + i, i8).dtype is vx.int8


def test_loops_with_bounds_that_are_values() -> None:
    f = vx.jit(lambda n: fori_loop(0, n, lambda i, s: s + i, 0))
    assert [f(n).item() for n in (0, 1, 5)] == [0, 0, 10]
    assert f.cache_info().staged == 1
    assert fori_loop(2, 5, lambda i, s: s + i, 0).item() == 9
    assert fori_loop(5, 2, lambda i, s: s + i, 7).item() == 7
    assert fori_loop(vx.asarray(1), vx.asarray(4), lambda i, s: s * i, 1).item() == 6
    g = vx.grad(lambda x: fori_loop(0, 3, lambda i, y: y * x, 1.0))
    assert g(2.0).item() == 12.0


def test_while_in_reverse_needs_its_bound() -> None:
    def f(x: Any, bound: int | None) -> Any:
        return while_loop(lambda y: y < 10.0, lambda y: y * x, x, max_steps=bound)

    assert vx.grad(lambda x: f(x, 8))(3.0).item() == 27.0
    assert vx.jvp(lambda x: f(x, None), (3.0,), (1.0,))[1].item() == 27.0
    with pytest.raises(vx.DerivativeError, match="max_steps=100"):
        vx.grad(lambda x: f(x, None))(3.0)


def test_map() -> None:
    got = vx.map(lambda t: {"y": t["x"] * 2.0}, {"x": ROWS})
    assert got["y"].tolist() == (ROWS * 2.0).tolist()


def test_recreated_bodies_are_staged_once() -> None:
    from verax.dsl.lang.cache import TOTAL

    def run(k: Any) -> Any:
        return scan(lambda c, r: (c + r * k, None), X, ROWS)[0]

    before = TOTAL.staged
    for k in (1.0, 2.0, 3.0):
        run(vx.asarray(k))
    assert TOTAL.staged == before + 1


def body(s: Any) -> Any:
    return {"i": s["i"] + 1, "x": s["x"][:2], "y": s["y"].astype(vx.int32)}


def test_carries_that_do_not_fit() -> None:
    state = {"i": 0, "x": X, "y": X}
    assert text(vx.ShapeError, lambda: while_loop(lambda s: s["i"] < 3, body, state)) == (
        "[verax-shape] while_loop: body (test_control.py:L) gives another carry than it takes\n"
        "    ['x']  takes  float32[3]\n"
        "    ['x']  gives  float32[2]\n"
        "                          ^\n"
        "    ['y']  takes  float32[3]\n"
        "    ['y']  gives    int32[3]\n"
        "    (1 other leaf agrees)\n"
        "  fix: give at ['x'] what comes in, float32[3], or start with the type that comes out,"
        " float32[2]"
    )
    assert text(vx.DTypeError, lambda: scan(lambda c, r: (c + r[0], c), vx.asarray(0), ROWS)) == (
        "[verax-dtype] scan: test_carries_that_do_not_fit.<lambda>.<lambda> (test_control.py:L)"
        " gives another carry than it takes\n"
        "    takes    int32[]\n"
        "    gives  float32[]\n"
        "  fix: convert what comes out: .astype(vx.int32), or start with float32"
    )
    assert text(vx.StructureError, lambda: fori_loop(0, 3, lambda i, s: (s, s), X)).split("\n")[
        0
    ] == (
        "[verax-structure] fori_loop: test_carries_that_do_not_fit.<lambda>.<lambda>"
        " (test_control.py:L) gives another carry than it takes: the trees differ at the root: a"
        " leaf,"
        " and a tuple of 2"
    )
    assert text(vx.StructureError, lambda: scan(lambda c, r: c, X, ROWS)).split("\n")[-1] == (
        "  fix: return carry, y; y may be None"
    )


def test_lengths_and_options_that_do_not_fit() -> None:
    def step(c: Any, r: Any) -> Any:
        return c, None

    assert text(vx.ShapeError, lambda: scan(step, X, {"a": ROWS, "b": X}, length=5)) == (
        "[verax-shape] scan: the lengths differ, xs['a'] has 4 rows and xs['b'] has 3\n"
        "    xs['a']  float32[4, 3]\n"
        "    xs['b']  float32[3   ]\n"
        "    length          [5   ]\n"
        "                     ^\n"
        "  fix: all xs are cut along their first axis: bring the rows there, vx.moveaxis, or cut"
        " what is longer"
    )
    assert text(vx.ShapeError, lambda: scan(step, X)) == (
        "[verax-shape] scan: without xs the length is not known\n  fix: length=10"
    )
    assert text(vx.ShapeError, lambda: scan(step, X, 3.0)) == (
        "[verax-shape] scan: xs is a Python float, which has no axis to go over\n"
        "  fix: close over it, or put it into the carry"
    )
    assert text(vx.ShapeError, lambda: scan(step, X, ROWS, unroll=0)) == (
        "[verax-shape] scan: unroll is 0, not an int >= 1\n"
        "  fix: give a number that Python knows: unroll=8"
    )
    assert text(vx.ShapeError, lambda: while_loop(lambda x: x, lambda x: x, X, max_steps=-1)) == (
        "[verax-shape] while_loop: max_steps is -1, not an int >= 0\n"
        "  fix: give a number that Python knows: max_steps=8"
    )
    assert text(vx.DTypeError, lambda: while_loop(lambda x: x[0], lambda x: x, X)) == (
        "[verax-dtype] while_loop: the condition is float32[], not a bool\n"
        "  fix: compare: the condition != 0"
    )
