"""Spectral functions: NumPy and SciPy are the oracle, differences that of derivatives.

Vectors are compared by what does not depend on their phase. Where eigenvalues or singular values
coincide, derivatives are finite, and exact for what the docstrings say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg

import verax as vx
from tests.functions.oracle import check_gradient, close, told
from verax.compiler.ir.sizes import dim

Array = npt.NDArray[Any]
RNG = np.random.default_rng(3)
DTYPES = (np.float32, np.complex128)  # the laws take all four
la = vx.linalg


def normal(*shape: int, dtype: Any = np.float64) -> Array:
    x = RNG.normal(size=(2, *shape))
    return np.asarray(x[0] + 1j * x[1] if np.dtype(dtype).kind == "c" else x[0]).astype(dtype)


def hermitian(x: Array) -> Array:
    return np.asarray((x + adjoint(x)) / 2)


def adjoint(x: Any) -> Any:
    return np.conj(np.swapaxes(np.asarray(x), -1, -2))


def tolerance(x: Array) -> float:
    return 2e-5 if x.dtype.itemsize // (2 if x.dtype.kind == "c" else 1) == 4 else 1e-11


# values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_decompositions_rebuild_the_matrix(dtype: Any) -> None:
    @vx.jit
    def all_of(a: Any, h: Any, r: Any) -> Any:
        return (
            la.eigh(h), la.eigh(h, "U", symmetrize_input=False), la.eigvalsh(h),
            la.eig(a, left=True), la.eig(a), la.eigvals(a),
            la.svd(r), la.svd(r, False), la.svdvals(r), la.svd(r, compute_uv=False),
            la.schur(a), la.schur(a, "complex"), la.hessenberg(a, calc_q=True), la.hessenberg(a),
            la.tridiagonal(h), la.tridiagonal(h, lower=False),
            la.polar(r), la.polar(r, "left"), la.sqrtm(a), la.solve_sylvester(a, h, r.mT @ r @ a),
        )  # fmt: skip

    a, r = normal(2, 4, 4, dtype=dtype), normal(2, 3, 4, dtype=dtype)
    h = hermitian(a)
    out: list[Any] = [
        [np.asarray(y) for y in (x if isinstance(x, tuple) else (x,))] for x in all_of(a, h, r)
    ]
    near = tolerance(a)
    (w, v), (w_up, _), (w_only,) = out[:3]
    close(v * w[:, None, :] @ adjoint(v), h, near)
    for other in (w_up, w_only, np.linalg.eigvalsh(h)):
        close(w, other, near)
    (w, vl, vr), (_, vr_only), (w_only,) = out[3:6]
    close(a @ vr, vr * w[:, None, :], near)
    close(adjoint(vl) @ a, w[:, :, None] * adjoint(vl), near)
    close(vr_only, vr, near)
    close(np.sort_complex(w_only), np.sort_complex(w), 10 * near)
    (u, s, vh), (u_thin, s_thin, vh_thin), (s1,), (s2,) = out[6:10]
    close(u @ adjoint(u), np.broadcast_to(np.eye(3), (2, 3, 3)), near)
    close(vh @ adjoint(vh), np.broadcast_to(np.eye(4), (2, 4, 4)), near)
    close((u * s[:, None, :]) @ vh[:, :3], r, near)
    close((u_thin * s_thin[:, None, :]) @ vh_thin, r, near)
    for other in (s1, s2, np.linalg.svd(r, compute_uv=False)):
        close(s, other, near)
    for t, z in out[10:12]:
        close(z @ t @ adjoint(z), a, near)
    close(np.tril(out[11][0], -1), np.zeros_like(out[11][0]))
    (form, q), (form_only,) = out[12:14]
    close(q @ form @ adjoint(q), a, near)
    close(np.tril(form, -2), np.zeros_like(form))
    close(form_only, form, near)
    for _, d, e, _ in out[14:16]:
        for k in range(2):
            found = scipy.linalg.eigh_tridiagonal(d[k], e[k], eigvals_only=True)
            close(found, np.linalg.eigvalsh(h[k]), near)
    for k, side in enumerate(("right", "left")):
        for row in range(2):
            for got, want in zip(out[16 + k], scipy.linalg.polar(r[row], side)):
                close(got[row], want, 5 * near)
    (root,), (x,) = out[18:20]
    close(root @ root, a, 10 * near)
    close(a @ x + x @ h, np.swapaxes(r, -1, -2) @ r @ a, 50 * near)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_singular_values_decide(dtype: Any) -> None:
    def all_of(xp: Any, norm: Any, a: Any, q: Any, deficient: Any, b: Any) -> list[Any]:
        lin = xp.linalg
        x, _, rank, s = lin.lstsq(a, b, rcond=None)
        orders: Sequence[Any] = (None, 2, -2, "fro", 1, -1, np.inf, -np.inf)
        return [
            lin.pinv(a), lin.pinv(deficient, 1e-4), lin.pinv(q + q.mT.conj(), hermitian=True),
            lin.matrix_rank(a), lin.matrix_rank(deficient), x, rank, s,
            *[lin.cond(q, p) for p in orders], lin.cond(a), lin.cond(a, -2),
            *[norm(a, p) for p in (2, -2, "nuc")],
            norm(a[None], 2, axis=(2, 1), keepdims=True),
        ]  # fmt: skip

    a, q, b = normal(5, 3, dtype=dtype), normal(3, 3, dtype=dtype), normal(5, 2, dtype=dtype)
    deficient = (normal(5, 2, dtype=dtype) @ normal(2, 4, dtype=dtype)).astype(dtype)
    got = vx.jit(lambda *xs: all_of(vx, vx.norm, *xs))(a, q, deficient, b)
    for x, y in zip(got, all_of(np, np.linalg.norm, a, q, deficient, b)):
        close(x, y, 500 * tolerance(a))
    close(la.lstsq(a, b[:, 0]).x, np.linalg.lstsq(a, b[:, 0], rcond=None)[0], 100 * tolerance(a))
    want = np.linalg.lstsq(a, b, rcond=None)[1]
    close(la.lstsq(a, b).residuals, want, 100 * tolerance(a))


def test_small_and_empty_matrices() -> None:
    @vx.jit
    def all_of(x: Any, one: Any, tall: Any) -> Any:
        results = []
        for a in (x, one):
            results += [*la.eigh(a), *la.eig(a, left=True), *la.svd(a), *la.schur(a), la.sqrtm(a)]
            results += [*la.hessenberg(a, calc_q=True), *la.tridiagonal(a), *la.polar(a)]
            results += [la.pinv(a), la.matrix_rank(a), vx.norm(a, "nuc", axis=(-2, -1))]
        return results, la.svd(tall), la.svd(tall, False), la.pinv(tall)

    ins = vx.zeros((0, 0)), vx.full((1, 1), 4.0), vx.zeros((3, 0))
    results, full, thin, inverse = all_of(*ins)
    half = len(results) // 2
    assert [np.asarray(y).size for y in results[:half]].count(1) == 2  # the rank and the norm
    assert float(results[half][0]) == 4.0
    close(full[0], np.eye(3, dtype=np.float32))
    assert [y.shape for y in (*thin, inverse)] == [(3, 0), (0,), (0, 0), (0, 3)]
    grads = vx.grad(lambda x: sum(vx.sum(abs(y)) for y in la.eigh(x)))(vx.full((1, 1), 4.0))
    close(grads, np.ones((1, 1), np.float32))
    assert vx.grad(lambda x: vx.sum(la.eigh(x).eigenvalues))(vx.zeros((0, 0))).shape == (0, 0)
    assert vx.grad(lambda x: vx.sum(abs(la.eig(x)[1])))(vx.zeros((0, 0))).shape == (0, 0)


def test_nan_gives_nan() -> None:
    @vx.jit
    def all_of(a: Any) -> Any:
        return [
            *la.eigh(a), *la.eig(a, left=True), *la.svd(a), *la.schur(a), la.sqrtm(a), la.pinv(a),
            la.hessenberg(a), *la.tridiagonal(a), *la.polar(a), la.solve_sylvester(a, a, a),
            vx.norm(a, "nuc", axis=(-2, -1)), la.lstsq(a, a).x,
        ]  # fmt: skip

    good = normal(3, 3) + 5 * np.eye(3)
    for bad in (np.nan, np.inf):
        x = np.stack([good, good])
        x[0, 1, 0] = bad
        for y in all_of(x):
            got = np.asarray(y)
            off = got[0] if got.ndim < 3 or got.shape[-1] != 3 else np.tril(got[0])
            assert np.isnan(off[off != 0]).all()
            assert np.isfinite(got[1]).all()


def test_a_triangle_is_read() -> None:
    a = normal(3, 3)
    h, spoilt = hermitian(a), hermitian(a)
    spoilt[0, 2] = np.nan
    got = vx.jit(lambda x: la.eigh(x, symmetrize_input=False))(spoilt)
    close(got.eigenvalues, np.linalg.eigvalsh(h), 1e-12)


def test_staged_with_unknown_sizes() -> None:
    n = dim("n")
    for f, out in (
        (la.eigvalsh, "float32[n]"),
        (la.svdvals, "float32[n]"),
        (la.eigvals, "complex64[n]"),
        (lambda x: la.eigh(x)[1], "float32[n,n]"),
        (vx.grad(lambda x: vx.sum(la.eigvalsh(x))), "float32[n,n]"),
    ):
        assert str(vx.jit(f).stage(vx.spec((n, n))).out_types[0]) == out


# derivatives -------------------------------------------------------------------------------------


def trace_of_root(x: Any) -> Any:
    w, v = la.eigh(x)
    return vx.sum(vx.sqrt(w) * abs(v[0]) ** 2)


SPREAD = np.diag([1.0, 2.5, 4.5, 7.0])
SYMMETRIC = SPREAD + 0.3 * hermitian(normal(4, 4))
GENERAL = SPREAD + 0.4 * normal(4, 4)
ROTATING = GENERAL + np.array([[0, 3, 0, 0], [-3, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
TALL = np.eye(5, 3) @ np.diag([3.0, 2.0, 1.0]) + 0.2 * normal(5, 3)

SMOOTH: tuple[tuple[Array, tuple[Callable[[Any], Any], ...]], ...] = (
    (
        SYMMETRIC,
        (
            trace_of_root,
            lambda x: la.eigvalsh(x) ** 3,
        ),
    ),
    (
        GENERAL,
        (
            lambda x: la.eigh(x, "U", symmetrize_input=False)[1] ** 2,
            lambda x: la.hessenberg(x, calc_q=True)[1],
        ),
    ),
    (
        ROTATING,
        (
            lambda x: abs(la.eigvals(x)),
            lambda x: vx.imag(la.eig(x, left=True).left) + vx.real(la.eig(x).eigenvectors),
            lambda x: abs(la.schur(x, "complex").T) ** 2,
        ),
    ),
    (
        TALL,
        (
            la.svdvals,
            lambda x: la.svd(x, False)[0] ** 2,
            lambda x: la.svd(x).U[:, 3:] @ la.svd(x).U[:, 3:].mT,
            lambda x: la.svd(x.mT).Vh[3:].mT @ la.svd(x.mT).Vh[3:],
            lambda x: vx.norm(x, "nuc") + la.cond(x),
            lambda x: la.lstsq(x, x[:, ::-1] ** 2).x,
            lambda x: la.polar(x).u,
            lambda x: la.polar(x, "left").p,
        ),
    ),
)


@pytest.mark.parametrize(("x", "functions"), SMOOTH)
def test_gradient(x: Array, functions: Sequence[Callable[[Any], Any]]) -> None:
    check_gradient(lambda x: [f(x) for f in functions], x, tolerance=2e-6)


def slope(g: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of a function of one number."""
    return lambda h: vx.jvp(g, (h,), (vx.ones((), dtype=vx.float64),))[1]


def derivatives(f: Callable[[Any], Any], x: Array, order: int, step: float) -> tuple[Any, Any]:
    """The derivative of this order along a direction, and the difference of the one before."""
    t = RNG.normal(size=x.shape)

    def before(h: Any) -> Any:
        return f(x + h * t)

    g: Callable[[Any], Any] = before
    for _ in range(order - 1):
        g = slope(g)
    all_of = vx.jit(lambda h: (slope(g)(h), g(h + step), g(h - step)))
    got, up, down = map(np.asarray, all_of(vx.zeros((), dtype=vx.float64)))
    return got, (up - down) / (2 * step)


@pytest.mark.parametrize(
    ("f", "x", "order"),
    [
        (trace_of_root, SYMMETRIC, 2),
        (lambda x: vx.sum(la.eigvalsh(x) ** 4 * vx.asarray(np.arange(4.0))), SYMMETRIC, 3),
        (lambda x: vx.sum(abs(la.eigvals(x)) ** 3), ROTATING, 3),
        (lambda x: vx.norm(x, "nuc"), TALL, 3),
        (lambda x: vx.real(la.sqrtm(x))[0], np.eye(3) + 0.0, 3),
        (lambda x: la.polar(x).u, 2.0 * np.eye(4, 3), 3),
        (la.pinv, np.eye(4, 3), 3),
    ],
)
def test_higher_orders(f: Callable[[Any], Any], x: Array, order: int) -> None:
    got, want = derivatives(f, x, order, 1e-5)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_hessian_of_a_reverse_mode_gradient() -> None:
    def f(x: Any) -> Any:
        return vx.sum(vx.log(la.eigvalsh(x)) ** 2)

    h = np.asarray(vx.jit(vx.hessian(f))(vx.asarray(SYMMETRIC))).reshape(16, 16)
    np.testing.assert_allclose(h, h.T, atol=1e-10)
    t = hermitian(normal(4, 4))
    step = 1e-4

    def value(s: float) -> float:
        return float(np.sum(np.log(np.linalg.eigvalsh(SYMMETRIC + s * t)) ** 2))

    want = (value(step) - 2 * value(0.0) + value(-step)) / step**2
    np.testing.assert_allclose(t.ravel() @ h @ t.ravel(), want, rtol=1e-5, atol=2e-6)


def test_gradients_where_values_coincide() -> None:
    """Exact for functions of the spectrum as a set; finite for everything else."""
    one, t = np.eye(3), hermitian(normal(3, 3))
    deficient = np.outer([1.0, 2.0, 2.0], [3.0, 0.0, 4.0])

    @vx.jit
    def gradients(x: Any, low: Any) -> Any:
        return (
            vx.grad(lambda x: vx.sum(vx.log(1 + la.eigvalsh(x))))(x),
            vx.grad(lambda x: vx.sum(vx.real(la.eigvals(x)) ** 2))(x),
            vx.grad(lambda x: vx.norm(x, "nuc"))(low),
            vx.grad(lambda x: vx.norm(x, 2))(x),
            vx.grad(lambda x: la.polar(x).u[0, 1])(x),
            vx.jvp(la.eigh, (x,), (vx.asarray(t),))[1],
            vx.jvp(lambda x: la.eig(x, left=True), (x,), (vx.asarray(t),))[1],
            vx.grad(lambda x: vx.sum(la.svd(x)[0] ** 3) + vx.sum(la.svd(x)[2] ** 3))(low),
            vx.grad(lambda x: vx.sum(abs(la.eig(x)[1])))(low),
            vx.hessian(lambda x: vx.sum(vx.log(1 + la.eigvalsh(x))))(x),
            vx.grad(lambda x: vx.norm(x, "nuc"))(x * 0),
            vx.jvp(lambda x: la.schur(x, "complex"), (x,), (vx.asarray(t),))[1],
        )

    out = gradients(one, deficient)
    close(out[0], one / 2, 1e-12)
    close(out[1], 2 * one, 1e-12)
    u, _, vh = np.linalg.svd(deficient)
    got = np.asarray(out[2])
    close(u[:, :1].T @ got @ vh[:1].T, [[1.0]], 1e-12)
    assert np.linalg.norm(got, 2) <= 1 + 1e-12  # a subgradient
    close(out[3], one / 3, 1e-12)
    want = np.zeros((3, 3))
    want[0, 1], want[1, 0] = 0.5, -0.5
    close(out[4], want, 1e-12)
    close(out[5][0], np.diag(t), 1e-12)
    for y in out[6:]:
        for part in y if isinstance(y, tuple) else (y,):
            assert np.isfinite(np.asarray(part)).all()


def test_a_matrix_that_cannot_be_diagonalized_gives_something_finite() -> None:
    jordan = np.array([[0.0, 1.0], [0.0, 0.0]])

    def f(x: Any) -> Any:
        return vx.sum(vx.real(la.eigvals(x))) + vx.sum(abs(la.eig(x).eigenvectors))

    for y in vx.jit(lambda x: (vx.grad(f)(x), vx.hessian(f)(x)))(jordan):
        assert np.isfinite(np.asarray(y)).all()


def test_complex_gradients() -> None:
    """Along a direction, of real functions of complex matrices."""
    h, t = hermitian(normal(3, 3, dtype=np.complex128)), normal(3, 3, dtype=np.complex128)
    r, s = normal(4, 3, dtype=np.complex128), normal(4, 3, dtype=np.complex128)
    weights = normal(3, 3)

    def of_hermitian(x: Any) -> Any:
        w, v = la.eigh(x)
        return vx.sum(abs(v) ** 2 * vx.asarray(weights)) + vx.sum(w**3)

    def of_general(x: Any) -> Any:
        w, v = la.eig(x)
        return vx.sum(vx.real(v) * vx.asarray(weights)) + vx.sum(vx.imag(w) ** 2)

    def of_tall(x: Any) -> Any:
        u, values, vh = la.svd(x, False)
        parts = abs(u[:3] * vh.mT) ** 2 * vx.asarray(weights)
        return vx.sum(parts) + vx.sum(values**3) + vx.sum(abs(la.polar(x).u[0]) ** 2)

    for f, x, d in ((of_hermitian, h, t), (of_general, t, h), (of_tall, r, s)):
        got, want = derivatives_complex(f, x, d)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def derivatives_complex(f: Callable[[Any], Any], x: Array, t: Array) -> tuple[Any, Any]:
    step = 1e-6

    @vx.jit
    def all_of(x: Any, t: Any) -> Any:
        return vx.jvp(f, (x,), (t,))[1], (f(x + step * t) - f(x - step * t)) / (2 * step)

    got, want = all_of(x, t)
    return np.asarray(got), np.asarray(want)


def test_vmap_of_everything() -> None:
    def f(x: Any) -> Any:
        w, v = la.eigh(x)
        return w, v**2, la.svdvals(x[:, :2]), la.eigvals(x), la.pinv(x[:, :2]), la.polar(x).p

    x = np.stack([SYMMETRIC, SYMMETRIC + 0.1 * SPREAD])

    @vx.jit
    def both(x: Any) -> Any:
        g = vx.grad(lambda x: vx.sum(f(x)[1] * f(x)[0]))
        return vx.vmap(f)(x), [f(x[0]), f(x[1])], vx.vmap(g)(x), [g(x[0]), g(x[1])]

    batched, rows, slopes, slope_rows = both(x)
    for i, y in enumerate(batched):
        close(y, np.stack([np.asarray(r[i]) for r in rows]), 1e-12)
    close(slopes, np.stack([np.asarray(r) for r in slope_rows]), 1e-12)


# errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: la.eigh(vx.ones((2, 3))),
            ('[verax-shape] eigh takes square matrices, got float32[2,3]: 2 rows and 3 '
            'columns\n'
            '    x  float32[2, 3]\n'
            '               ^  ^\n'
            '  fix: vx.linalg.svd decomposes matrices of any shape'),
        ),
        (
            lambda: la.svd(vx.ones(3)),
            "[verax-shape] svd takes matrices, got float32[3]\n  fix: give it two dimensions:"
            " x[:, None] is one column, x[None, :] one row",
        ),
        (
            lambda: la.eigvals(vx.ones((2, 2), dtype=vx.bfloat16)),
            "[verax-dtype] eig takes float32, float64, complex64, complex128, got bfloat16[2,2]\n"
            "  fix: convert the operand first: x.astype(vx.float32)",
        ),
        (
            lambda: la.eigh(vx.ones((2, 2)), "M"),  # type: ignore[arg-type]
            "[verax-shape] eigh: UPLO names a triangle, got 'M'\n"
            '  fix: use UPLO="L" or UPLO="U"',
        ),
        (
            lambda: la.schur(vx.ones((2, 2)), "both"),  # type: ignore[arg-type]
            "[verax-shape] schur: the output 'both' is no form\n"
            '  fix: use output="real" or output="complex"',
        ),
        (
            lambda: vx.grad(lambda x: vx.sum(la.schur(x).T))(vx.ones((2, 2))),
            "[verax-derivative] schur of a real matrix (float32[2,2]) has no derivative: the blocks"
            " on the diagonal come and go with the values\n  fix: take the complex form, which has"
            ' one: schur(a, output="complex")',
        ),
        (
            lambda: la.polar(vx.ones((2, 2)), "up"),  # type: ignore[arg-type]
            "[verax-shape] polar: 'up' is no side\n  fix: use side=\"right\" or side=\"left\"",
        ),
        (
            lambda: la.lstsq(vx.ones((3, 2)), vx.ones(2)),
            ('[verax-shape] lstsq: a has 3 rows and b has 2\n'
            '    a  float32[3, 2]\n'
            '    b  float32[2   ]\n'
            '               ^\n'
            '  fix: give b 3 rows: one vector [3], or columns [3,k]'),
        ),
        (
            lambda: la.solve_sylvester(vx.ones((2, 2)), vx.ones((3, 3)), vx.ones((3, 2))),
            ('[verax-shape] solve_sylvester: a and b need a q of 2 rows and 3 columns, '
            'got float32[3,2]\n'
            '    a  float32[2, 2]\n'
            '    b  float32[3, 3]\n'
            '    q  float32[3, 2]\n'
            '               ^  ^\n'
            '  fix: a @ x + x @ b == q with x and q of [2,3]'),
        ),
        (
            lambda: la.cond(vx.ones((0, 2))),
            ('[verax-shape] cond: float32[0,2] is empty, and has no singular values\n'
            '  fix: give matrices of one row and one column or more'),
        ),
        (
            lambda: vx.jit(la.pinv).stage(vx.spec((dim("n"), 2))),
            "[verax-size] pinv: the default rtol of float32[n,2] depends on its sizes\n  fix: give"
            " it: rtol=1e-6",
        ),
        (
            lambda: vx.jit(la.svdvals).stage(vx.spec((dim("n"), 2))),
            "[verax-size] svd: of [n,2] it is not known whether it has more rows or columns\n"
            "  fix: give the sizes: they must be known, or equal",
        ),
    ],
)  # fmt: skip
def test_errors(wrong: Any, text: str) -> None:
    assert told(wrong) == text
