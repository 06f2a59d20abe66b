"""reduce_window: loops over windows are the oracle; the first of equal extremes takes it all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import verax as vx
from tests.functions.oracle import check_gradient, close, told
from tests.laws.harness import program_of, run
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.slide import Slide
from verax.compiler.ops.window import ArgReduceWindow, GatherWindow, ReduceWindow, ScatterWindow

Array = npt.NDArray[Any]
RNG = np.random.default_rng(1)
X = RNG.normal(size=(5, 6)).astype(np.float32)


def windows(x: Array, size: tuple[int, int], strides: tuple[int, int]) -> Array:
    found = np.lib.stride_tricks.sliding_window_view(x, size)
    return np.asarray(found[:: strides[0], :: strides[1]])


def test_reductions_of_windows() -> None:
    size, strides = (2, 3), (1, 2)
    names: list[Any] = ["add", "max", "min", "mul"]
    functions: list[Any] = [vx.add, vx.maximum, vx.minimum, vx.multiply]

    def all_of(x: Any) -> list[Any]:
        return [vx.reduce_window(x, None, k, size, strides) for k in (*names, *functions)]

    got = vx.jit(all_of)(vx.asarray(X))
    seen, both = windows(X, size, strides), (2, 3)
    for y, want in zip(got, 2 * [seen.sum(both), seen.max(both), seen.min(both), seen.prod(both)]):
        close(y, want)


def test_long_windows_are_combined_by_doubling() -> None:
    x = RNG.normal(size=(70,)).astype(np.float32)
    seen = np.lib.stride_tricks.sliding_window_view(x, 53)[::3]
    close(vx.reduce_window(x, None, "add", (53,), 3), seen.sum(-1), 1e-4)
    close(vx.reduce_window(x, None, "max", (53,), 3), seen.max(-1))
    check_gradient(lambda x: vx.reduce_window(x, None, "max", (53,), 3), x)


def test_the_initial_value_counts_once() -> None:
    close(vx.reduce_window(X, 10.0, "add", (2, 2), 2), windows(X, (2, 2), (2, 2)).sum((2, 3)) + 10)
    close(vx.reduce_window(X, 0.0, "max", (2, 2), 2),
          np.maximum(windows(X, (2, 2), (2, 2)).max((2, 3)), 0))  # fmt: skip


def test_padding_counts_as_nothing() -> None:
    ones = np.ones(4, np.float32)
    got = [vx.reduce_window(-ones, None, "max", (3,), 1, p) for p in ("SAME", [(1, 1)], 1)]
    assert [y.tolist() for y in got] == [[-1.0] * 4] * 3
    assert vx.reduce_window(ones, None, "add", (3,), 1, "SAME").tolist() == [2.0, 3.0, 3.0, 2.0]


def test_of_equal_elements_the_first_one_takes_the_derivative() -> None:
    x = vx.asarray(np.array([1.0, 1.0, 0.0, 2.0, 2.0, 2.0]))
    pooled = vx.grad(lambda x: vx.sum(vx.reduce_window(x, None, "max", (3,), 3)))(x)
    assert pooled.tolist() == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    image = vx.zeros((2, 2))
    pooled = vx.grad(lambda x: vx.sum(vx.reduce_window(x, None, "max", (2, 2))))(image)
    assert pooled.tolist() == [[1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("kind", ["add", "max", "min", "mul"])
def test_derivatives(kind: str) -> None:
    def f(x: Any) -> Any:
        return vx.reduce_window(x, None, kind, (2, 3), (1, 2), [(1, 0), (2, 1)], 1, (2, 1))

    check_gradient(f, X)

    def slope(x: Any) -> Any:
        return vx.grad(lambda x: vx.sum(f(x) ** 2))(x)

    check_gradient(slope, X, tolerance=1e-5)


def test_vmap() -> None:
    x = vx.asarray(RNG.normal(size=(3, 5, 6)).astype(np.float32))

    def f(x: Any) -> Any:
        return vx.grad(lambda x: vx.sum(vx.reduce_window(x, None, "max", (2, 2)) ** 2))(x)

    mapped, single = vx.jit(lambda x: (vx.vmap(f)(x), vx.stack([f(y) for y in x])))(x)
    close(mapped, single.numpy())


@pytest.mark.parametrize("slide", [Slide(1, 2, 1), Slide(2, 1, 3, 2, 1), Slide(3, -1, 1, 1, 2)])
def test_large_windows_are_gathered_and_scattered_by_places(slide: Slide) -> None:
    """The ways for many elements and for few agree; a window of 60 has two halves of 30."""
    x = RNG.normal(size=(9, 80)).astype(np.float32)
    large, small = ((2, *Slide(2)), (30, *slide)), (None, (30, *slide))
    t = ArrayType(x.shape, vx.float32)
    p = program_of(GatherWindow(small), (t, ArrayType((9, slide_count(slide)), vx.int32)))
    index = RNG.integers(0, 30, size=(9, slide_count(slide))).astype(np.int32)
    (few,) = run(p, [x, index])
    rows = index[1:8:2] + 30  # the second row of every window of two
    at = ArrayType(rows.shape, vx.int32)
    q = program_of(GatherWindow(large), (t, at))
    (many,) = run(q, [x, rows])
    close(many, few[1:8:2])
    ct = RNG.normal(size=rows.shape).astype(np.float32)
    back = program_of(ScatterWindow(large, x.shape), (ArrayType(ct.shape, vx.float32), at))
    (spread,) = run(back, [ct, rows])
    np.testing.assert_allclose(np.sum(spread * x), np.sum(ct * many), rtol=1e-4)


def slide_count(slide: Slide) -> int:
    n = slide.positions(80, 30)
    assert isinstance(n, int)
    return n


def test_sizes_that_are_not_known_yet() -> None:
    n = dim("n")
    t = ArrayType((n, 2 * n), vx.float32)
    windows = (None, (2, *Slide(2)))
    assert str(ReduceWindow(windows, "max").infer((t,))[0]) == "float32[n,n]"
    assert str(ArgReduceWindow(windows, "argmax").infer((t,))[0]) == "int32[n,n]"
    at = ArrayType((n, n), vx.int32)
    back = ScatterWindow(windows, (None, 2 * n))
    assert str(back.infer((ArrayType((n, n), vx.float32), at))[0]) == "float32[n,2*n]"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: vx.reduce_window(X, 0.0, "avg", (2, 2)),
            "[verax-shape] reduce_window: 'avg' is no operation that windows are combined with\n"
            "  fix: use one of max, min, mul, and, or, add, or vx.add, vx.maximum...",
        ),
        (
            lambda: vx.reduce_window(X, 0.0, "max", (2,)),
            "[verax-shape] reduce_window: the window (2,) has 1 dimensions, float32[5,6] has 2\n"
            "  fix: give the window a 1 for each dimension in which it does not slide",
        ),
        (
            lambda: vx.reduce_window(X, 0.0, "max", (2, 0)),
            "[verax-shape] reduce_window: the window (2, 0) has a size below 1\n"
            "  fix: give it a 1 for each dimension in which it does not slide",
        ),
        (
            lambda: vx.reduce_window(X, 0.0, "max", (2, 2), -1),
            "[verax-shape] reduce_window: strides = (-1, -1), but each must be 1 or more\n"
            "  fix: give positive numbers: 1 is one element, the next one, or no holes",
        ),
        (
            lambda: vx.reduce_window(X, 0.0, "max", (2, 7)),
            "[verax-shape] reduce_window: along dimension 1 the window spans 7, but the padded"
            " operand has only 6 (6 + 0 + 0)\n  fix: pad more (padding='SAME'), or use a smaller"
            " window or dilation",
        ),
        (
            lambda: vx.reduce_window(X > 0, None, "add", (2, 2)),
            "[verax-dtype] reduce_window: add takes int or uint or float or complex operands, got"
            " bool[5,6]\n  fix: convert the operand first: x.astype(vx.int32)",
        ),
    ],
)
def test_messages(call: Any, text: str) -> None:
    assert told(call) == text
