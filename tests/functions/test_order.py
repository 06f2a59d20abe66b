"""Cumulative functions, sorting, searching and binning: NumPy and SciPy are the oracles."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

import verax as vx
from tests.functions.oracle import agree, check_gradient, close, told
from verax.compiler.ir.sizes import dim
from verax.dsl.lang import cumulative, searching

Array = npt.NDArray[Any]
NAN = math.nan
RNG = np.random.default_rng(2)


@st.composite
def lines(draw: st.DrawFn) -> tuple[Array, int]:
    """An array with ties and an axis, which may be longer than a block."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    axis = draw(st.integers(0, len(shape) - 1))
    shape[axis] = draw(st.sampled_from([0, 1, 2, 5, 16, 17, 40]))
    values = draw(st.lists(st.integers(-2, 2), min_size=1, max_size=9))
    return np.resize(np.array(values, np.float32), shape), axis


# cumulative ---------------------------------------------------------------------------------------


CUMULATIVE: dict[str, Any] = {
    "cumulative_sum": np.cumsum,
    "cumulative_prod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "cumlogsumexp": np.logaddexp.accumulate,
}


@given(lines(), st.sampled_from(list(CUMULATIVE)), st.booleans())
def test_cumulative(case: tuple[Array, int], name: str, reverse: bool) -> None:
    x, axis = case
    want = CUMULATIVE[name](np.flip(x, axis) if reverse else x, axis)
    got = getattr(vx, name)(x, axis, reverse=reverse)
    close(got, np.flip(want, axis) if reverse else want)


def test_cumulative_with_a_start() -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    agree(
        [
            lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True),
            lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True),
        ],
        x,
    )
    assert vx.cumulative_sum(x[0], include_initial=True, reverse=True).tolist() == [6, 5, 3, 0]


def test_cumulative_of_a_long_line() -> None:
    x = RNG.normal(size=5000).astype(np.float32)
    close(vx.cumulative_sum(x), np.cumsum(x.astype(np.float64)), 1e-3)
    close(cumulative.cumsum(x.reshape(2, -1)), np.cumsum(x.astype(np.float64)), 1e-3)
    i = np.arange(-60, 60, dtype=np.int8)
    assert vx.cumulative_sum(i).tolist() == np.cumsum(i).tolist()
    assert vx.cummax(vx.asarray([False, True, False])).tolist() == [False, True, True]
    z = vx.asarray([1.0, 0.0, NAN, 2.0])
    close(vx.cummax(z), [1, 1, NAN, NAN])


def test_narrow_floats_are_accumulated_in_float32() -> None:
    ones = vx.full(512, 1.0, dtype=vx.bfloat16)
    assert vx.cumulative_sum(ones)[-1].item() == 512  # in bfloat16 it would stay at 256
    assert vx.cumulative_sum(ones).dtype is vx.bfloat16
    wide = vx.cumulative_sum(ones, dtype=vx.float32)
    assert (wide.dtype, wide[300].item()) == (vx.float32, 301)


def test_derivatives_stay_finite_at_the_edges() -> None:
    zeros = vx.asarray([2.0, 0.0, 3.0, 0.0, 5.0])
    products = vx.jacrev(vx.cumulative_prod)(zeros)
    close(products, [[1, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 6, 0, 0, 0], [0] * 5, [0] * 5])
    second = vx.hessian(lambda x: vx.cumulative_prod(x)[4])(zeros)
    close(second[1, 3], 2 * 3 * 5)
    below = vx.asarray([-math.inf, -math.inf, 0.0, -math.inf, 1.0])
    shares = vx.jacfwd(vx.cumlogsumexp)(below)
    e = math.e / (1 + math.e)
    close(shares[2:], [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1 - e, 0, e]])
    assert vx.all(vx.isfinite(shares))
    ties = vx.jacrev(lambda x: vx.cummin(x, reverse=True))(vx.asarray([2.0, 1.0, 1.0, 1.0]))
    close(ties, [[0, 1 / 3, 1 / 3, 1 / 3]] * 2 + [[0, 0, 0.5, 0.5], [0, 0, 0, 1]])


def test_gradients_of_cumulative_functions() -> None:
    x = RNG.normal(size=19)
    x[2] = 0
    check_gradient(
        lambda x: [
            vx.cumulative_sum(x),
            vx.cumulative_prod(x[:5], reverse=True),
            vx.cummax(x),
            vx.cumlogsumexp(x[:7]),
        ],
        x,
    )
    ties = vx.jit(vx.jacrev(vx.cummax))(vx.asarray([1.0, 1.0, 0.0]))
    close(ties, [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]])


def test_differences_and_integrals() -> None:
    x, t = RNG.normal(size=(3, 4)).astype(np.float32), np.array([0.0, 0.5, 2.0, 3.0], np.float32)
    agree(
        [
            lambda xp, x, t: xp.diff(x),
            lambda xp, x, t: xp.diff(x, 2, axis=0),
            lambda xp, x, t: xp.diff(x, 0),
            lambda xp, x, t: xp.diff(x, 7),
            lambda xp, x, t: xp.diff(x > 0),
            lambda xp, x, t: xp.diff(x, prepend=0.0, append=x[:, :2]),
            lambda xp, x, t: xp.trapezoid(x),
            lambda xp, x, t: xp.trapezoid(x, t),
            lambda xp, x, t: xp.trapezoid(x, dx=0.25, axis=0),
            lambda xp, x, t: xp.trapezoid(x, x + t, axis=1),
            lambda xp, x, t: xp.trapezoid(x.T, t, axis=0),
        ],
        x,
        t,
    )
    assert integrate.trapezoid(x[0], t) == pytest.approx(float(vx.trapezoid(x[0], t)), rel=1e-5)


# order --------------------------------------------------------------------------------------------


@given(lines())
def test_sorting_is_numpys(case: tuple[Array, int]) -> None:
    x, axis = case
    if x.shape[axis] == 0:
        return
    x = np.where(x == 2, np.float32(NAN), x)
    k = (x.shape[axis] + 1) // 2

    def all_of(x: Any) -> list[Any]:
        return [
            vx.sort(x, axis),
            vx.argsort(x, axis),
            vx.sort(x, None),
            vx.sort(x, axis, descending=True),
            vx.argsort(x, axis, descending=True),
            *vx.top_k(x, k, axis),
            vx.lexsort([vx.zeros_like(x), x], axis),
        ]

    down = np.flip(np.sort(x, axis), axis)
    order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    top = np.take(order, range(k), axis)
    up = np.argsort(x, axis, kind="stable")
    want = [np.sort(x, axis), up, np.sort(x, None), down, order]
    want += [np.take_along_axis(x, top, axis), top, up]
    for got, expected in zip(vx.jit(all_of)(x), want):
        close(got, expected)


def test_keys_and_values() -> None:
    a, b = np.array([2, 1, 2, 1]), np.array([0.5, 2.0, 0.25, 1.0])
    found = vx.sort([a, b, np.arange(4)], num_keys=2)
    assert [y.tolist() for y in found] == [[1, 1, 2, 2], [1.0, 2.0, 0.25, 0.5], [3, 1, 2, 0]]
    mixed = vx.sort((a, b, np.arange(4)), num_keys=2, descending=[True, False])
    assert mixed[2].tolist() == [2, 0, 3, 1]
    stable = vx.sort([a, np.arange(4)], descending=True)
    assert stable[1].tolist() == [0, 2, 1, 3]
    assert vx.lexsort([b, a]).tolist() == np.lexsort([b, a]).tolist()
    square = vx.sort([vx.asarray([[2, 1], [0, 3]]), vx.asarray([[1, 2], [3, 4]])], None)
    assert square[1].tolist() == [3, 2, 1, 4]


def test_gradients_of_orders() -> None:
    x = RNG.normal(size=(3, 5))
    keys = RNG.permutation(15).reshape(3, 5)
    check_gradient(
        lambda x: [
            vx.sort(x, 0),
            vx.sort(x, descending=True),
            vx.top_k(x, 2)[0],
            vx.top_k(x, 1, 0, largest=False)[0],
            vx.sort([keys, x * x], 0)[1],
            vx.median(x, 1),
            vx.partition(x, 2),
        ],
        x,
    )
    picked = vx.vmap(lambda x: vx.top_k(x, 2).values, in_axes=1, out_axes=1)(vx.asarray(x))
    close(picked, vx.top_k(x, 2, 0).values)
    square = vx.hessian(lambda x: vx.sum(vx.top_k(x**3, 2).values))(vx.asarray([1.0, 3.0, 2.0]))
    close(square, np.diag([0.0, 18.0, 12.0]))


def test_complex_numbers_are_ordered_by_their_parts() -> None:
    parts = [-1.0, -0.0, 0.0, 2.0, math.inf, NAN]
    x = np.array([a + 0j for a in parts for _ in parts], np.complex64)
    x.imag = parts * 6
    x = RNG.permutation(x)
    got, want = np.asarray(vx.sort(x)), np.sort(x, kind="stable")
    np.testing.assert_array_equal(got.real, want.real)
    np.testing.assert_array_equal(got.imag, want.imag)
    assert vx.argsort(x).tolist() == np.argsort(x, kind="stable").tolist()


EXTREMES: dict[Any, list[Any]] = {
    np.int32: [0, -1, 2**31 - 1, -(2**31), 0x7F800001, 0x7FC00000, -0x7FFFFF, 5],
    np.uint32: [0, 1, 2**32 - 1, 2**31, 0x7F800001, 0xFFC00000, 0x7FFFFFFF, 5],
    np.float32: [0.0, -0.0, NAN, -NAN, math.inf, -math.inf, 1e-40, -1e-40],
    np.float64: [0.0, -0.0, NAN, -NAN, math.inf, -math.inf, 5e-324, -5e-324],
    np.int8: [0, -1, 127, -128, 3, 3, 4, 5],
}


@pytest.mark.parametrize("dtype", list(EXTREMES))
def test_the_greatest_and_the_least(dtype: Any) -> None:
    row = RNG.permutation(np.array(EXTREMES[dtype] * 6, dtype))
    up, down = np.argsort(row, kind="stable"), vx.argsort(row, descending=True)
    many, few, least = vx.jit(
        lambda x: (vx.top_k(x, 40), vx.top_k(x, 5), vx.top_k(x, 6, largest=False))
    )(row)
    assert many.indices.tolist() == down[:40].tolist()
    assert few.indices.tolist() == down[:5].tolist()
    assert least.indices.tolist() == up[:6].tolist()
    close(few.values, row[np.asarray(few.indices)])


def test_partitions() -> None:
    x = RNG.normal(size=(4, 6))
    for kth, axis in ((2, -1), (-2, 0), (7, None)):
        want, along = np.partition(x, kth, axis), -1 if axis is None else axis
        close(np.take(vx.partition(x, kth, axis), kth, along), np.take(want, kth, along))
    at = vx.argpartition(x, 2)
    close(vx.take_along_axis(x, at), np.sort(x))


# search -------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=80),
    st.lists(st.integers(-6, 6), min_size=1, max_size=9),
    st.booleans(),
)
def test_searchsorted(a: list[int], v: list[int], floating: bool) -> None:
    x, y = (np.array(z, np.float32 if floating else np.int32) for z in (sorted(a), v))
    if floating:
        x, y = (np.sort(np.where(x > 3, NAN, x)).astype("f4"), np.where(y > 3, NAN, y).astype("f4"))
    agree(
        [
            lambda xp, x, y: xp.searchsorted(x, y),
            lambda xp, x, y: xp.searchsorted(x, y, side="right"),
            lambda xp, x, y: xp.searchsorted(x, y[0]),
            lambda xp, x, y: xp.searchsorted(x[::-1], y, "right", np.arange(x.size)[::-1].copy()),
            lambda xp, x, y: xp.isin(y, x),
            lambda xp, x, y: xp.isin(x, y, invert=True),
        ],
        x,
        y,
    )


@pytest.mark.parametrize("method", ["scan", "compare_all", "sort"])
def test_ways_to_search(method: Any) -> None:
    for n in (0, 1, 50):
        a, v = np.sort(RNG.integers(-9, 9, n)), RNG.integers(-11, 11, (3, 7))
        sides: tuple[Literal["left", "right"], ...] = ("left", "right")
        for side in sides:
            got = vx.searchsorted(a, v, side, method=method)
            close(got, np.searchsorted(a, v, side))


@given(lines())
def test_nonzero(case: tuple[Array, int]) -> None:
    x, _ = case
    want = np.nonzero(x)
    n = len(want[0])
    for got, expected in zip(vx.nonzero(x), want):
        close(got, expected)
    many, few = vx.jit(
        lambda x: (vx.nonzero(x, size=n + 3, fill_value=-1), vx.nonzero(x, size=n // 2))
    )(x)
    for a, b, expected in zip(many, few, want):
        close(a, np.concatenate([expected, [-1] * 3]))
        close(b, expected[: n // 2])


def test_positions_of_nonzero() -> None:
    x = np.array([[0, 2, 0], [3, 0, 4]])
    close(vx.argwhere(x), np.argwhere(x))
    close(vx.flatnonzero(x), np.flatnonzero(x))
    assert vx.flatnonzero(x, size=4, fill_value=9).tolist() == [1, 3, 5, 9]
    assert vx.argwhere(vx.asarray(x), size=1).tolist() == [[0, 1]]


@given(lines())
def test_unique(case: tuple[Array, int]) -> None:
    x, _ = case
    if not x.size:
        return
    x = np.where(x == 2, np.float32(NAN), x)
    want = np.unique(x, True, True, True)
    n = len(want[0])
    for got, expected in zip(vx.unique(x), want):
        close(got, np.reshape(expected, got.shape))
    more, one = vx.jit(
        lambda x: (tuple(vx.unique(x, size=n + 2, fill_value=7)), vx.unique(x, size=1).values)
    )(x)
    close(more[0], [*want[0], 7, 7])
    close(more[1][:n], want[1])
    close(more[2], want[2].reshape(x.shape))
    close(more[3], [*want[3], 0, 0])
    close(one, want[0][:1])


# bins ---------------------------------------------------------------------------------------------


def test_bins() -> None:
    x = RNG.normal(size=50).astype(np.float32)
    i, edges = RNG.integers(0, 6, 50), np.array([-1.0, 0.0, 0.5, 2.0], np.float32)
    x[:3] = edges[:3]
    agree(
        [
            lambda xp, x, i, e: xp.digitize(x, e),
            lambda xp, x, i, e: xp.digitize(x, e, right=True),
            lambda xp, x, i, e: xp.digitize(x, e[::-1]),
            lambda xp, x, i, e: xp.digitize(x, e[::-1], right=True),
            lambda xp, x, i, e: xp.interp(x, e, e * e),
            lambda xp, x, i, e: xp.interp(x, e, e * e, left=-1.0, right=5.0),
        ],
        x,
        i,
        edges,
    )
    close(vx.bincount(i, length=8), np.bincount(i, minlength=8))
    close(vx.bincount(i, x, length=6), np.bincount(i, x), 1e-5)
    assert vx.bincount(vx.asarray([-1, 0, 9, 1, 1]), length=3).tolist() == [1, 2, 0]
    assert vx.bincount(np.array([200, 3], "u1"), length=4).tolist() == [0, 0, 0, 1]
    for how in ({}, {"bins": 4}, {"bins": edges}, {"bins": 5, "range": (-1.0, 1.0)}):
        for more in ({}, {"density": True}, {"weights": np.abs(x)}):
            counts, at = vx.histogram(x, **how, **more)
            want, places = np.histogram(x, **how, **more)
            close(at, places)
            close(counts, want, 1e-4)


def test_gradient_of_interpolation() -> None:
    x, at, y = np.array([-2.0, 0.1, 0.7, 3.0]), np.array([-1.0, 0.0, 0.5, 2.0]), RNG.normal(size=4)
    check_gradient(vx.interp, x, at, y)


# symbols, errors ----------------------------------------------------------------------------------


def test_symbolic_sizes() -> None:
    t, v = vx.spec((dim("n"), 4)), vx.spec((dim("n"),))

    def shape(f: Any, t: Any) -> str:
        return str(vx.jit(f).stage(t).out_types[0])

    for f in (vx.cumulative_sum, vx.cummax, vx.cumlogsumexp, vx.sort):
        assert shape(lambda x, f=f: f(x, axis=0), t) == "float32[n,4]"
    assert shape(lambda x: vx.diff(x, axis=0), t) == "float32[n-1,4]"
    assert shape(lambda x: vx.searchsorted(x, x), v) == "int32[n]"
    assert shape(lambda x: vx.nonzero(x, size=3)[1], t) == "int32[3]"


A = vx.zeros((2, 3))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: vx.searchsorted(A, 1.0),
            "[verax-shape] searchsorted takes a sorted vector, got float32[2,3]\n  fix:"
            " vx.vmap(vx.searchsorted)",
        ),
        (
            lambda: vx.searchsorted(A[0], 1.0, method="tree"),  # type: ignore[arg-type]
            "[verax-shape] searchsorted: 'tree' is no method\n"
            '  fix: method="scan", "compare_all" or "sort"',
        ),
        (
            lambda: vx.sort([A, A[0]]),
            (
                "[verax-shape] sort: operand 0 and operand 1 differ in shape\n"
                "    operand 0  float32[2, 3]\n"
                "    operand 1  float32[3   ]\n"
                "                       ^  ^\n"
                "  fix: what is sorted together has one shape: vx.broadcast_arrays"
            ),
        ),
        (
            lambda: vx.sort([A, A], num_keys=3),
            "[verax-shape] sort: 3 of 2 operands cannot be the keys\n  fix: num_keys=2",
        ),
        (
            lambda: vx.sort([A, A], num_keys=2, descending=[True]),
            (
                "[verax-shape] sort: descending has 1 entries for 2 keys\n"
                "  fix: give one bool for all keys, or one per key"
            ),
        ),
        (
            lambda: vx.partition(A, 3),
            (
                "[verax-shape] partition: dimension 1 of float32[2,3] has no element 3\n"
                "  fix: kth is 0 to 2, or -3 to -1 from the end"
            ),
        ),
        (
            lambda: vx.top_k(A, 4),
            (
                "[verax-shape] top_k: dimension 1 of float32[2,3] has 3 elements, not 4\n"
                "  fix: k is 0 to 3: min(k, 3); axis= says which dimension"
            ),
        ),
        (
            lambda: vx.top_k(vx.zeros(2, dtype=vx.complex64), 1),
            "[verax-dtype] top_k: complex numbers have no order, got complex64[2]\n  fix: top_k of"
            " absolute values: vx.top_k(abs(x))",
        ),
        (
            lambda: vx.bincount(A, length=3),
            "[verax-dtype] bincount counts integers, got float32[6]\n  fix: x.astype(vx.int32)",
        ),
        (
            lambda: vx.diff(A, -1),
            (
                "[verax-shape] diff: the order -1 is negative\n"
                "  fix: n=1; vx.cumulative_sum goes the other way"
            ),
        ),
    ],
)
def test_errors(wrong: Any, text: str) -> None:
    assert told(wrong) == text


@pytest.mark.parametrize("name", ["nonzero", "unique", "flatnonzero", "argwhere"])
def test_a_size_that_depends_on_values(name: str) -> None:
    def f(x: Any) -> Any:
        return getattr(searching, name)(x)

    line = f.__code__.co_firstlineno
    asked = "nonzero" if name != "unique" else name
    got = "float32[6]" if name == "flatnonzero" else "float32[2,3]"
    assert told(lambda: vx.jit(f)(A)) == (
        f"[verax-concrete] {asked}: the size of the result depends on the values of {got}, which"
        f" has none while test_a_size_that_depends_on_values.f (tests/functions/test_order.py:"
        f"{line}) is being staged\n  fix: say how many there are: vx.{asked}(x, size=n)"
    )
