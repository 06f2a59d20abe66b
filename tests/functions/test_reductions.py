"""Reductions, norms, softmax and statistics: NumPy and SciPy are the oracles."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import verax as vx
from tests.functions.oracle import agree, check_gradient, close, ops, told
from verax.compiler.ir.sizes import dim
from verax.dsl.lang import nan, statistics

NAN, INF = math.nan, math.inf
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 2)).astype(np.float32)
HOLES = np.where(X > 0.6, np.float32(NAN), X)


@st.composite
def reduced(draw: st.DrawFn) -> tuple[npt.NDArray[Any], Any, bool]:
    """An array with ties, axes of it, and whether to keep them."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    n = len(shape)
    some = st.lists(st.integers(0, n - 1), unique=True, max_size=n).map(tuple)
    axis = draw(st.none() | st.integers(-n, n - 1) | some)
    values = draw(st.lists(st.integers(-2, 2), min_size=1, max_size=6))
    x = np.resize(np.array(values, np.float32), shape)
    return x, axis, draw(st.booleans())


@given(reduced())
def test_reductions_are_numpys(case: tuple[npt.NDArray[Any], Any, bool]) -> None:
    x, axis, keepdims = case
    how = {"axis": axis, "keepdims": keepdims}
    names = ("sum", "prod", "mean", "max", "min", "any", "all", "var", "std", "count_nonzero")
    one = axis if isinstance(axis, int) else None
    mask = x > -1

    def calls(xp: Any, x: Any) -> list[Any]:
        library = xp if xp is np else vx
        out = [getattr(library if hasattr(library, f) else statistics, f)(x, **how) for f in names]
        out += [getattr(xp, f)(x, axis=one, keepdims=keepdims) for f in ("argmax", "argmin")]
        out += [xp.ptp(x, axis=axis, keepdims=keepdims)]
        out += [xp.sum(x, where=mask, **how), xp.max(x, where=mask, initial=-9, **how)]
        out += [xp.min(x, initial=-1.5, **how), xp.prod(x, where=mask, **how)]
        return out

    agree([calls], x)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64"])
def test_sums_of_integers(dtype: str) -> None:
    x = np.array([[1, 0, 1], [1, 1, 1]], dtype) * np.array(100 if dtype != "bool" else 1, dtype)
    s, p, c = vx.sum(vx.asarray(x)), vx.prod(vx.asarray(x), 1), vx.cumulative_sum(vx.asarray(x), 1)
    small = {"uint8": "uint32", "int64": "int64", "uint64": "uint64"}.get(dtype, "int32")
    assert {s.dtype.name, p.dtype.name, c.dtype.name} == {small}
    assert s.item() == x.sum()
    assert p.tolist() == x.prod(1).tolist()
    assert vx.mean(vx.asarray(x)).dtype is vx.float32


def test_sums_of_16_bit_floats_do_not_stall() -> None:
    for dtype in (vx.float16, vx.bfloat16):
        x: Any = vx.ones(10_000, dtype=dtype)
        assert vx.sum(x).dtype is vx.mean(x).dtype is dtype
        assert abs(float(vx.sum(x)) - 10_000) <= 16
        assert float(vx.mean(x)) == 1
        assert float(vx.cumulative_sum(x)[-1]) == float(vx.sum(x))
        assert float(statistics.var(x)) == 0
    assert ops(vx.sum, vx.spec((4,), vx.bfloat16)) == ["contract", "convert"]


def test_dtype_of_a_sum() -> None:
    x = vx.asarray([1.75, 2.75])
    assert vx.sum(x, dtype=vx.float64).dtype is vx.float64
    assert vx.sum(x, dtype=vx.int32).item() == 3
    assert vx.sum(x, dtype=vx.float16).dtype is vx.float16
    assert ops(lambda x: vx.sum(x, dtype=vx.float64), vx.spec((4,))) == ["contract"]
    assert vx.mean(vx.asarray([1, 2]), dtype=vx.float64).dtype is vx.float64


def test_nan_and_nothing() -> None:
    x = vx.asarray([1.0, NAN, 3.0])
    assert all(math.isnan(float(f(x))) for f in (vx.max, vx.min, vx.sum))
    assert vx.argmax(x).item() == vx.argmin(x).item() == 1
    empty = vx.zeros((0, 3))
    assert vx.sum(empty, 0).tolist() == [0, 0, 0]
    assert vx.max(empty, 1).shape == (0,)
    assert vx.max(empty, 0, initial=2).tolist() == [2, 2, 2]
    assert vx.all(empty).item() is True
    assert vx.any(empty).item() is False


def test_complex() -> None:
    z = np.array([[1 + 2j, -1j], [0.5, 3 - 1j]], np.complex64)
    agree(
        [
            lambda xp, z: xp.sum(z, axis=0),
            lambda xp, z: xp.prod(z),
            lambda xp, z: xp.mean(z),
            lambda xp, z: (statistics if xp is vx else np).var(z, axis=1),
            lambda xp, z: (vx if xp is vx else np.linalg).norm(z),
            lambda xp, z: (vx if xp is vx else np.linalg).norm(z, axis=1),
        ],
        z,
    )


@given(reduced())
def test_without_nan(case: tuple[npt.NDArray[Any], Any, bool]) -> None:
    x, axis, keepdims = case
    holes = np.where(x == 2, np.float32(NAN), x)
    names = ("nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd")
    found = vx.jit(lambda x: [getattr(nan, f)(x, axis=axis, keepdims=keepdims) for f in names])(
        vx.asarray(holes)
    )
    with warnings.catch_warnings(action="ignore"):
        for f, got in zip(names, found):
            close(got, getattr(np, f)(holes, axis=axis, keepdims=keepdims))


def test_positions_without_nan() -> None:
    x = np.array([[NAN, 2.0, 1.0], [3.0, NAN, 5.0]])
    close(nan.nanargmax(vx.asarray(x), 1), np.nanargmax(x, 1))
    close(nan.nanargmin(vx.asarray(x), 0), np.nanargmin(x, 0))
    assert nan.nanargmax(vx.asarray([NAN, NAN])).item() == -1


# softmax ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None])
def test_softmax(axis: Any) -> None:
    x, w = X * 30, np.abs(X)
    axis_or_all = tuple(range(3)) if axis is None else axis
    got = vx.jit(
        lambda x, w: (
            vx.softmax(x, axis_or_all),
            vx.log_softmax(x, axis_or_all),
            vx.logsumexp(x, axis),
            vx.logsumexp(x, axis, weights=w, keepdims=True),
            vx.logmeanexp(x, axis),
        )
    )(x, w)
    count = x.size if axis is None else np.prod([x.shape[a] for a in np.atleast_1d(axis)])
    close(got[0], special.softmax(x, axis))
    close(got[1], special.log_softmax(x, axis))
    close(got[2], special.logsumexp(x, axis))
    close(got[3], special.logsumexp(x, axis, b=w, keepdims=True))
    close(got[4], special.logsumexp(x, axis) - np.log(count), 1e-4)


def test_softmax_of_infinities() -> None:
    x = vx.asarray([[0.0, -INF, 0.0], [-INF, -INF, -INF], [INF, 0.0, 1.0]])
    close(vx.logsumexp(x, 1), [np.log(2.0), -INF, INF])
    close(vx.softmax(x)[0], [0.5, 0, 0.5])
    close(vx.log_softmax(x)[0], [-np.log(2.0), -INF, -np.log(2.0)])
    there = x > -INF
    masked = vx.softmax(vx.zeros((3, 3)), where=there)
    close(masked, [[0.5, 0, 0.5], [0, 0, 0], [1 / 3] * 3])
    slope = vx.grad(lambda x: (vx.softmax(x) * vx.asarray([1.0, 2.0, 3.0])).sum())(x[0])
    close(slope, [-0.5, 0, 0.5])
    close(vx.grad(vx.logsumexp)(x[0]), [0.5, 0, 0.5])
    slope = vx.grad(lambda z: (vx.softmax(z, where=there) ** 2).sum())(vx.zeros((3, 3)))
    assert np.isfinite(np.asarray(slope)).all()
    close(vx.logsumexp(vx.zeros((2, 2)), where=there[:2, :2]), np.log(1.0))


def test_gradients_of_softmax() -> None:
    x, w = X.astype(np.float64), np.abs(X.astype(np.float64)) + 0.1
    check_gradient(
        lambda x, w: [
            vx.softmax(x, 1),
            vx.log_softmax(x),
            vx.logsumexp(x, (0, 1), weights=w),
            vx.logmeanexp(x),
            vx.standardize(x),
            vx.glu(x, 1),
        ],
        x,
        w,
    )


def test_standardize_and_glu() -> None:
    want = (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-5)
    close(vx.standardize(X), want)
    close(vx.standardize(X, mean=0.0, variance=1.0), X / np.sqrt(1 + 1e-5))
    close(vx.glu(X, 1), X[:, :2] * special.expit(X[:, 2:]))
    assert vx.softmax(vx.zeros(3, dtype=vx.bfloat16)).dtype is vx.bfloat16
    assert vx.softmax(vx.asarray([1, 2])).dtype is vx.float32


# norms --------------------------------------------------------------------------------------------


def test_norms() -> None:
    orders: list[Any] = [None, 1, 2, 3, 0.5, 0, INF, -INF, -2]
    found = vx.jit(
        lambda x: [
            [vx.norm(x, o, axis=1, keepdims=True) for o in orders],
            [vx.norm(x, o, axis=(0, 2)) for o in (None, "fro", 1, -1, INF, -INF)],
            [vx.matrix_norm(x), vx.matrix_norm(x, ord=1, keepdims=True)],
            [vx.vector_norm(x, axis=(0, 1), ord=3), vx.norm(x), vx.norm(x[0], "fro")],
        ]
    )(X)
    for o, got in zip(orders, found[0]):
        close(got, np.linalg.norm(X, o, axis=1, keepdims=True), 1e-4)
    for o, got in zip((None, "fro", 1, -1, INF, -INF), found[1]):
        close(got, np.linalg.norm(X, o, axis=(0, 2)))  # type: ignore[arg-type]
    close(found[2][0], np.linalg.matrix_norm(X))
    close(found[2][1], np.linalg.matrix_norm(X, ord=1, keepdims=True))
    close(found[3][0], np.linalg.vector_norm(X, axis=(0, 1), ord=3))
    close(found[3][1], np.linalg.norm(X))
    close(found[3][2], np.linalg.norm(X[0]))


def test_the_gradient_of_a_norm_at_zero_is_zero() -> None:
    close(vx.grad(vx.norm)(vx.zeros(3)), np.zeros(3))
    rows = vx.asarray([[0.0, 0.0], [3.0, 4.0]])
    close(vx.grad(lambda x: vx.norm(x, axis=1).sum())(rows), [[0, 0], [0.6, 0.8]])
    x = X.astype(np.float64)
    check_gradient(lambda x: [vx.norm(x), vx.norm(x, 1, 0), vx.norm(x, 3, (0,))], x)


# statistics ---------------------------------------------------------------------------------------


def test_averages_and_covariances() -> None:
    x, w = X[:, :, 0], np.abs(X[:, :, 1])
    close(statistics.average(x), np.average(x))
    close(statistics.average(x, 1, w[0]), np.average(x, 1, w[0]))
    close(statistics.average(x, 0, w), np.average(x, 0, w))
    close(statistics.var(x, 1, ddof=1), np.var(x, 1, ddof=1))
    close(statistics.std(x, correction=1, keepdims=True), np.std(x, ddof=1, keepdims=True))
    close(statistics.cov(x), np.cov(x))
    close(statistics.cov(x[0], w[0]), np.cov(x[0], w[0]))
    close(statistics.cov(x, rowvar=False, correction=0), np.cov(x, rowvar=False, ddof=0))
    close(statistics.cov(x[0]), np.cov(x[0]))
    close(statistics.corrcoef(x), np.corrcoef(x))


@given(reduced(), st.sampled_from(["linear", "lower", "higher", "nearest", "midpoint"]))
def test_quantiles(case: tuple[npt.NDArray[Any], Any, bool], method: Any) -> None:
    x, axis, keepdims = case
    if axis == ():
        axis = None
    q = np.array([0.0, 0.25, 0.3, 1.0])
    how: Any = {"axis": axis, "keepdims": keepdims}
    got = statistics.quantile(x, q, method=method, **how)
    close(got, np.quantile(x, q, method=method, **how))
    wide = x.astype(np.float64)
    doubles = statistics.quantile(wide, q, method=method, **how)
    np.testing.assert_allclose(doubles, np.quantile(wide, q, method=method, **how), atol=1e-12)
    found = vx.jit(
        lambda x, q: (
            statistics.median(x, **how),
            statistics.percentile(x, 70, method=method, **how),
            statistics.quantile(x, q, **how),
            statistics.nanquantile(x, q[1:3], **how),
            statistics.nanmedian(x, **how),
        )
    )(x, q.astype(np.float32))
    close(found[0], np.median(x, **how))
    close(found[1], np.percentile(x, 70, method=method, **how))
    close(found[2], np.quantile(x, q, **how))
    close(found[3], np.quantile(x, q[1:3], **how))
    close(found[4], np.median(x, **how))


def test_quantiles_of_holes() -> None:
    assert math.isnan(float(statistics.median(HOLES)))
    got = statistics.nanquantile(HOLES, 0.3, axis=1)
    with warnings.catch_warnings(action="ignore"):
        close(got, np.nanquantile(HOLES, 0.3, axis=1))
    check_gradient(lambda x: statistics.quantile(x, 0.3, 0), X.astype(np.float64))


# derivatives, symbols, errors ---------------------------------------------------------------------


def test_gradients() -> None:
    x = X.astype(np.float64)
    check_gradient(
        lambda x: [
            vx.sum(x, 1),
            vx.mean(x, (0, 2)),
            vx.prod(x, 2),
            vx.max(x, 1),
            vx.min(x),
            vx.ptp(x, 0),
            statistics.var(x, 1),
            statistics.std(x, (0, 1), correction=1),
            nan.nanmean(x, 0),
        ],
        x,
    )
    y = x.copy()
    y[0, 1] = 0  # the product of the others is the derivative there
    check_gradient(lambda x: vx.prod(x, 1), y)


def test_symbolic_sizes() -> None:
    t = vx.spec((dim("n"), 4))
    over_rows: list[Any] = [vx.sum, vx.mean, vx.max, vx.logsumexp, vx.norm]
    for f in (*over_rows, statistics.var, statistics.median, statistics.nanmedian):
        assert str(vx.jit(lambda x, f=f: f(x, axis=0)).stage(t).out_types[0]) == "float32[4]"
    assert str(vx.jit(vx.softmax).stage(t).out_types[0]) == "float32[n,4]"
    assert str(vx.jit(lambda x: vx.argmax(x, 0)).stage(t).out_types[0]) == "int32[4]"


A = vx.zeros((2, 3))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: vx.sum(A, 2),
            "[verax-shape] sum: axis 2 is out of range for float32[2,3]\n  fix: its axes are 0 to"
            " 1, or -2 to -1 from the end",
        ),
        (
            lambda: vx.max(vx.zeros((0, 3)), 0),
            "[verax-shape] max: dimension 0 of float32[0,3] has no elements, and so no max\n  fix:"
            " give a value to start from: initial=...",
        ),
        (
            lambda: vx.argmin(vx.zeros((0, 3))),
            (
                "[verax-shape] argmin: dimension 0 of float32[0,3] has no elements, and so "
                "no argmin\n"
                "  fix: check the size before: x.size > 0"
            ),
        ),
        (
            lambda: vx.max(vx.zeros(2, dtype=vx.complex64)),
            "[verax-dtype] max: complex numbers have no order, got complex64[2]\n  fix: max of"
            " absolute values: vx.max(abs(x))",
        ),
        (
            lambda: vx.sum(A, where=A),
            "[verax-dtype] sum: where is a mask of bools, got float32[2,3]\n  fix: compare: w != 0",
        ),
        (
            lambda: vx.mean(A, dtype=vx.int32),
            "[verax-dtype] mean: the mean of float32[2,3] has no value in int32\n  fix: a floating"
            " dtype",
        ),
        (
            lambda: vx.norm(A, 3),
            "[verax-shape] norm: there is no matrix norm ord=3\n  fix: use 1, 2 or inf, their"
            ' negatives, "fro" or "nuc"',
        ),
        (
            lambda: vx.glu(A),
            "[verax-shape] glu: dimension 1 of float32[2,3] has no two halves",
        ),
        (
            lambda: statistics.quantile(A, 0.5, method="mean"),  # type: ignore[arg-type]
            "[verax-shape] quantile: 'mean' is no method\n  fix: one of linear, lower, higher,"
            " nearest, midpoint",
        ),
    ],
)
def test_errors(wrong: Any, text: str) -> None:
    assert told(wrong) == text


def test_softmax_stops_at_the_largest() -> None:
    assert "stop_gradient" in ops(vx.softmax, vx.spec((3,)))
