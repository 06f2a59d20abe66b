"""``associative_scan`` is the loop, for any length, tree, axis and under every transformation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.functions.oracle import check_gradient, close, told
from verax.compiler.ir.sizes import dim

RNG = np.random.default_rng(3)


def product(x: Any, y: Any) -> Any:
    return x @ y


def affine(x: Any, y: Any) -> Any:
    """``y after x`` of the maps ``h -> a h + b``."""
    (a, b), (c, d) = x, y
    return a * c, b * c + d


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 13])
def test_it_is_the_loop(n: int) -> None:
    x = RNG.normal(size=(n, 2, 2)).astype(np.float32)
    forward, backward, inside = vx.jit(
        lambda x: (
            vx.associative_scan(product, x),
            vx.associative_scan(product, x, reverse=True),
            vx.associative_scan(vx.add, x, axis=1),
        )
    )(x)
    want, back = x.copy(), x.copy()
    for i in range(1, n):
        want[i] = want[i - 1] @ x[i]
        back[-1 - i] = back[-i] @ x[-1 - i]
    close(forward, want, 1e-4)
    close(backward, back, 1e-4)
    close(inside, np.cumsum(x, 1))


def test_trees() -> None:
    a, b = RNG.uniform(0.5, 1, (7, 3)), RNG.normal(size=(7, 3))
    h = np.zeros(3)
    want = []
    for i in range(7):
        h = a[i] * h + b[i]
        want.append(h)
    found = vx.associative_scan(affine, (vx.asarray(a), vx.asarray(b)))
    close(found[1], want, 1e-12)
    turned = vx.associative_scan(affine, (vx.asarray(a.T), vx.asarray(b.T)), axis=-1)
    close(turned[1], np.transpose(want), 1e-12)
    assert vx.associative_scan(affine, ()) == ()


def test_under_transformations() -> None:
    a, b = RNG.uniform(0.5, 1, 6), RNG.normal(size=6)

    def last(a: Any, b: Any) -> Any:
        return vx.associative_scan(affine, (a, b), reverse=True)[1]

    check_gradient(last, a, b)
    rows = RNG.normal(size=(3, 6))
    mapped = vx.vmap(last, in_axes=(None, 0))(vx.asarray(a), vx.asarray(rows))
    close(mapped[1], last(vx.asarray(a), vx.asarray(rows[1])), 1e-12)
    hessian = vx.hessian(lambda a: vx.sum(last(a, b) ** 2))(vx.asarray(a))
    close(hessian, np.transpose(hessian), 1e-10)


def test_few_calls() -> None:
    f = vx.jit(lambda x: vx.associative_scan(vx.add, x))
    equations = f.stage(vx.ArrayType((1000,), vx.float32)).equations
    assert sum(str(eq.op) == "add" for eq in equations) < 2 * 10
    assert len(equations) < 200


def first_sum(x: Any, y: Any) -> Any:
    return (x + y)[0]


A = vx.zeros((3, 2))
ERRORS: tuple[tuple[Callable[[], Any], type[vx.VeraxError], str], ...] = (
    (
        lambda: vx.associative_scan(affine, (A, vx.zeros(4))),
        vx.ShapeError,
        (
            "[verax-shape] associative_scan: the lengths 3, 4 along the scanned axis "
            "differ\n"
            "    elems[0]  float32[3, 2]\n"
            "    elems[1]  float32[4   ]\n"
            "                      ^\n"
            "  fix: all leaves are scanned together: cut or pad them to one length"
        ),
    ),
    (
        lambda: vx.jit(lambda x: vx.associative_scan(vx.add, x)).stage(
            vx.ArrayType((dim("n"),), vx.float32)
        ),
        vx.UnknownSizeError,
        "[verax-size] associative_scan: its steps depend on the size n, which must be known\n"
        "  fix: vx.scan, or vx.cumulative_sum and its kin, take any size",
    ),
    (
        lambda: vx.associative_scan(first_sum, A),
        vx.ShapeError,
        (
            "[verax-shape] associative_scan: first_sum "
            "(tests/functions/test_scans.py:L) gives something else than it takes\n"
            "    takes  float32[1, 2]\n"
            "    gives  float32[   2]\n"
            "                   ^\n"
            "  fix: give what comes in, float32[1,2], or start with the type that "
            "comes out, float32[2]"
        ),
    ),
    (
        lambda: vx.associative_scan(vx.add, vx.asarray(1.0)),
        vx.ShapeError,
        (
            "[verax-shape] associative_scan: float32[] has no axes, got axis 0\n"
            "  fix: leave the axis out, or give x an axis"
        ),
    ),
)


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_errors(call: Callable[[], Any], kind: type[vx.VeraxError], text: str) -> None:
    with pytest.raises(kind):
        call()
    assert re.sub(r"\.py:\d+", ".py:L", told(call)) == text
