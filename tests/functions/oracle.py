"""NumPy as the oracle: the same calls on both sides, many of them in one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import verax as vx

Array = npt.NDArray[Any]
Call = Callable[..., Any]
"""A function of the library to call (verax's or NumPy's name space) and of the operands."""


def close(got: Any, want: Any, tolerance: float = 2e-5) -> None:
    """Same shape, and values that agree where they are floating point."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind in "fc":
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(got, want)


def rows(y: Any) -> list[Any]:
    """The results of one call: one, or several."""
    return list(y) if isinstance(y, (list, tuple)) else [y]


def agree(calls: Sequence[Call], *xs: Array, tolerance: float = 2e-5) -> None:
    """Every call gives what NumPy gives; all of them are one program."""

    def all_of(*arrays: Any) -> list[Any]:
        return [row for call in calls for row in rows(call(vx, *arrays))]

    found = vx.jit(all_of)(*[vx.asarray(x) for x in xs])
    expected = [row for call in calls for row in rows(call(np, *xs))]
    assert len(found) == len(expected)
    for got, want in zip(found, expected):
        close(got, want, tolerance)


def check_gradient(f: Callable[..., Any], *xs: Any, tolerance: float = 1e-6) -> None:
    """Differences, forward mode and reverse mode agree along a random direction, in float64."""
    rng = np.random.default_rng(0)
    points = [np.asarray(x, np.float64) for x in xs]
    arrays = tuple([vx.asarray(x) for x in points])
    ways = tuple([vx.asarray(np.asarray(rng.normal(size=x.shape))) for x in points])
    weights = [np.asarray(rng.normal(size=np.shape(y))) for y in rows(vx.jit(f)(*arrays))]

    def loss(*ys: Any) -> Any:
        return sum(vx.sum(y * w) for y, w in zip(rows(f(*ys)), weights))

    @vx.jit
    def slopes(xs: Any, ts: Any) -> Any:
        step = 1e-6
        up, down = ([x + h * t for x, t in zip(xs, ts)] for h in (step, -step))
        gradient = vx.grad(loss, tuple(range(len(xs))))(*xs)
        inner = sum(vx.sum(g * t) for g, t in zip(gradient, ts))
        return (loss(*up) - loss(*down)) / (2 * step), vx.jvp(loss, xs, ts)[1], inner

    difference, forward, reverse = map(float, slopes(arrays, ways))
    np.testing.assert_allclose(forward, difference, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-9)


def told(f: Callable[[], Any]) -> str:
    """The text of the error that f raises, without the user's line."""
    try:
        f()
    except vx.VeraxError as error:
        return "\n".join(line for line in str(error).split("\n") if not line.startswith("  at "))
    raise AssertionError("no error was raised")


def ops(f: Callable[..., Any], *types: Any) -> list[str]:
    """The names of the ops that a function becomes, for operands of these types."""
    return [str(eq.op).partition("{")[0] for eq in vx.jit(f).stage(*types).equations]
