"""Factorizations, solvers, determinants: NumPy and SciPy are the oracles, also of derivatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg

import verax as vx
from tests.functions.oracle import close, ops, told
from tests.laws.harness import program_of, run
from verax.compiler.ir.dtypes import float32, int32
from verax.compiler.ir.op import Op
from verax.compiler.ir.sizes import Shape, dim
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.cholesky import Cholesky
from verax.compiler.ops.det import Adjugate, Det
from verax.compiler.ops.linear_solve import LinearSolve, LogDet
from verax.compiler.ops.lu import Lu
from verax.compiler.ops.permutation import SHORT, Permutation
from verax.compiler.ops.qr import Geqp3, Geqrf, HouseholderProduct, Qr
from verax.compiler.ops.triangular import TriangularSolve
from verax.compiler.ops.tridiagonal import TridiagonalSolve
from verax.compiler.passes.check import check
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.vectorize import vectorize

Array = npt.NDArray[Any]
L = vx.linalg
RNG = np.random.default_rng(3)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape)


def complex_normal(*shape: int) -> Array:
    return np.asarray(normal(*shape) + 1j * normal(*shape))


def regular(*shape: int) -> Array:
    return np.asarray(normal(*shape) + 4 * np.eye(shape[-2], shape[-1]))


def positive(x: Array) -> Array:
    return np.asarray(x @ np.swapaxes(x.conj(), -1, -2) + np.eye(x.shape[-1]))


# values ------------------------------------------------------------------------------------------


def both(want: Callable[..., Any], got: Callable[..., Any], *xs: Any) -> None:
    """Two functions agree, results and shapes."""
    for g, w in zip(rows(vx.jit(got)(*xs)), rows(want(*xs)), strict=True):
        close(g, w, 1e-9)


def rows(y: Any) -> list[Any]:
    return list(y) if isinstance(y, (list, tuple)) else [y]


SHAPES = [
    ((3, 3), (3,)),
    ((3, 3), (3, 2)),
    ((3, 3), (2, 3, 1)),
    ((2, 3, 3), (3,)),
    ((2, 1, 3, 3), (2, 3, 2)),
    ((0, 0), (0,)),
    ((0, 3, 3), (3, 2)),
]


def test_solve_follows_the_shape_rules_of_numpy() -> None:
    pairs = [(regular(*a), normal(*b)) for a, b in SHAPES]
    both(
        lambda pairs: [np.linalg.solve(a, b) for a, b in pairs],
        lambda pairs: [L.solve(a, b) for a, b in pairs],
        pairs,
    )


@pytest.mark.parametrize("make", [normal, complex_normal])
def test_square_matrices(make: Callable[..., Array]) -> None:
    x, v = make(2, 4, 4), make(4, 2)
    s = positive(x)
    both(
        lambda x, s, v: [
            np.linalg.cholesky(s),
            np.swapaxes(np.linalg.cholesky(s).conj(), -1, -2),
            np.linalg.inv(x),
            np.linalg.det(x),
            *[np.linalg.det(x[:, :n, :n]) for n in range(4)],
            *np.linalg.slogdet(x),
            np.linalg.matrix_power(x, 5),
            np.linalg.matrix_power(x, -2),
            np.linalg.matrix_power(x, 0),
            np.linalg.solve(s, v),
            np.linalg.solve(s, v),
            scipy.linalg.expm(x),
            scipy.linalg.expm(x * 20) * 1e-30,
        ],
        lambda x, s, v: [
            L.cholesky(s),
            L.cholesky(s, upper=True),
            L.inv(x),
            L.det(x),
            *[L.det(x[:, :n, :n]) for n in range(4)],
            *L.slogdet(x),
            L.matrix_power(x, 5),
            L.matrix_power(x, -2),
            L.matrix_power(x, 0),
            L.cho_solve(L.cho_factor(s), v),
            L.cho_solve(L.cho_factor(s, lower=True), v),
            L.expm(x),
            L.expm(x * 20) * 1e-30,
        ],
        x,
        s,
        v,
    )


@pytest.mark.parametrize("make", [normal, complex_normal])
def test_triangular_and_factored_systems(make: Callable[..., Array]) -> None:
    a, b = make(4, 4) + 4 * np.eye(4), make(4, 2)
    ways = list(itertools.product((0, 1, 2), (False, True), (False, True)))
    lu = scipy.linalg.lu_factor(a)
    both(
        lambda a, b: [
            *[scipy.linalg.solve_triangular(a, b, t, low, unit) for t, low, unit in ways],
            *[scipy.linalg.lu_solve(lu, b, t) for t in (0, 1, 2)],
            scipy.linalg.lu_solve(lu, b[:, 0]),
        ],
        lambda a, b: [
            *[L.solve_triangular(a, b, t, low, unit) for t, low, unit in ways],
            *[L.lu_solve(L.lu_factor(a), b, t) for t in (0, "T", "C")],
            L.lu_solve(L.lu_factor(a), b[:, 0]),
        ],
        a,
        b,
    )


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_factors_of_any_shape(shape: tuple[int, int]) -> None:
    x = complex_normal(*shape)

    @vx.jit
    def factors(x: Any) -> Any:
        return (
            L.lu(x), L.lu(x, permute_l=True), L.lu(x, p_indices=True),
            L.qr(x), L.qr(x, "complete"), L.qr(x, "r"), L.qr(x, "raw"), L.qr(x, pivoting=True),
            L.qr(x, "r", pivoting=True),
        )  # fmt: skip

    lu, permuted, indices, qr, full, r, (h, tau), pivoted, (r_pivoted, _) = factors(x)
    for got, want in zip(lu, scipy.linalg.lu(x)):
        close(got, want, 1e-12)
    close(permuted[0] @ permuted[1], x, 1e-12)
    close((indices[1] @ indices[2])[indices[0]], x, 1e-12)
    for got, want in zip((*qr, *full), (*np.linalg.qr(x), *np.linalg.qr(x, "complete"))):
        close(got, want, 1e-12)
    close(r, qr.R, 1e-12)
    for got, want in zip((h, tau), np.linalg.qr(x, "raw")):
        close(got, want, 1e-12)
    for got, want in zip(pivoted, scipy.linalg.qr(x, mode="economic", pivoting=True)):
        close(got, want, 1e-12)
    close(r_pivoted, pivoted.R, 1e-12)


def test_householder_product() -> None:
    x = normal(5, 3)
    (h, tau), _ = scipy.linalg.qr(x, mode="raw")
    close(L.householder_product(h, tau), scipy.linalg.lapack.dorgqr(h, tau)[0], 1e-12)


def test_tridiagonal_systems() -> None:
    dl, d, du = normal(2, 5), normal(2, 5) + 5, normal(2, 5)
    a = np.stack([np.diag(d[i]) + np.diag(dl[i, 1:], -1) + np.diag(du[i, :-1], 1) for i in (0, 1)])
    v, b = normal(5), normal(2, 5, 3)
    both(
        lambda v, b: [np.linalg.solve(a, v), np.linalg.solve(a, b)],
        lambda v, b: [L.tridiagonal_solve(dl, d, du, v), L.tridiagonal_solve(dl, d, du, b)],
        v,
        b,
    )


def test_products() -> None:
    xs = [normal(*s) for s in ((2, 3), (3, 5), (5, 2))]
    v, w = normal(2), normal(2)
    close(L.multi_dot(xs), np.linalg.multi_dot(xs), 1e-12)
    close(L.multi_dot([v, *xs, w]), np.linalg.multi_dot([v, *xs, w]), 1e-12)
    close(L.multi_dot([v, *xs]), np.linalg.multi_dot([v, *xs]), 1e-12)
    blocks: list[Array] = [xs[0], v, np.array(3.0), np.zeros((0, 2)), np.zeros((2, 0))]
    close(L.block_diag(*blocks), scipy.linalg.block_diag(*blocks))
    close(L.matrix_power(np.array([[1, 1], [1, 0]], np.int32), 10), [[89, 55], [55, 34]])


def test_dtypes() -> None:
    """Integers become float32; results keep the dtype of the operands."""
    ints, half = np.array([[2, 1], [1, 3]]), np.eye(2, dtype=np.float16)
    for f in (L.cholesky, L.inv, L.det, L.expm, lambda x: L.solve(x, x), lambda x: L.qr(x).Q):
        assert f(ints.astype(np.int32)).dtype is vx.float32
    assert L.solve(np.eye(2, dtype=np.float32), np.eye(2) * 1j).dtype is vx.complex128
    assert L.slogdet(np.eye(2, dtype=np.complex64)).logabsdet.dtype is vx.float32
    assert told(lambda: L.cholesky(half)) == (
        "[verax-dtype] cholesky takes float32, float64, complex64, complex128, got float16[2,2]\n"
        "  fix: convert the operand first: x.astype(vx.float32)"
    )


def test_long_rows_are_exchanged_one_by_one() -> None:
    n = SHORT + 3
    pivots = np.stack([[RNG.integers(i, n) for i in range(n)] for _ in range(3)]).astype(np.int32)
    t = ArrayType(pivots.shape, int32)
    there, back = (run(program_of(Permutation(n, inv), (t,)), [pivots])[0] for inv in (False, True))
    for swaps, order, inverse in zip(pivots, there, back):
        want = np.arange(n)
        for i, j in enumerate(swaps):
            want[[i, j]] = want[[j, i]]
        close(order, want)
        close(inverse, np.argsort(want))


# matrices that have no result --------------------------------------------------------------------


def test_what_has_no_result_is_nan() -> None:
    good, singular = np.eye(2), np.array([[1.0, 2.0], [2.0, 4.0]])
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])

    @vx.jit
    def results(s: Any, i: Any) -> Any:
        v = vx.ones(2, dtype=vx.float64)
        return L.solve(s, v), L.inv(s), L.cholesky(i), L.tridiagonal_solve(v, v, v, v)

    for y in results(np.stack([singular, good]), np.stack([indefinite, good])):
        y = np.asarray(y)
        assert np.isnan(y if y.ndim == 1 else y[0]).all()
        assert y.ndim == 1 or np.isfinite(y[1]).all()
    sign, size = L.slogdet(singular)
    assert (sign.item(), size.item(), L.det(singular).item()) == (0, -np.inf, 0)


def cofactors(x: Array) -> Array:
    n = len(x)
    minors = [
        [np.delete(np.delete(x, i, 0), j, 1) for j in range(n)] for i in range(n)
    ]  # fmt: skip
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return np.asarray(signs * np.linalg.det(np.array(minors)))


def test_the_gradient_of_a_determinant_at_matrices_of_every_rank() -> None:
    """Zero pivots at the end, in the middle, several of them; nearly singular; complex."""
    u, v = normal(4, 3), normal(3, 4)
    shift = np.diag([1.0, 2.0, 3.0], 1)
    low = normal(4, 2) @ normal(2, 4)
    cases = [u @ v, shift, shift.T, low, np.zeros((4, 4)), normal(4, 4), np.diag([0.0, 1, 2, 3]),
             u @ v + 1e-9 * normal(4, 4), np.arange(16.0).reshape(4, 4)]  # fmt: skip
    gradients = vx.jit(vx.vmap(vx.grad(L.det)))
    for x, got in zip(cases, gradients(np.stack(cases))):
        close(got, cofactors(x), 1e-10)
    for x in cases:  # alone, so that LU suffices wherever it does
        close(vx.grad(L.det)(x), cofactors(x), 1e-10)
    z = complex_normal(4, 3) @ complex_normal(3, 4)
    way = complex_normal(4, 4)
    close(vx.jvp(L.det, (z,), (way,))[1], np.sum(cofactors(z) * way), 1e-9)


# derivatives -------------------------------------------------------------------------------------

LINES: Mapping[str, Callable[[Any], Any]] = {
    "cholesky": lambda x: L.cholesky(x @ x.mT),
    "lower triangle": lambda x: L.cholesky(x @ x.mT, symmetrize_input=False),
    "solve": lambda x: L.solve(x, x[:, :2]),
    "inv": L.inv,
    "det": L.det,
    "det of 3": lambda x: L.det(x[:3, :3]),
    "slogdet": lambda x: L.slogdet(x)[1],
    "triangular": lambda x: L.solve_triangular(x, x[:, 0], "T", True),
    "factored": lambda x: L.lu_solve(L.lu_factor(x), x[:, :2], 1),
    "cho_solve": lambda x: L.cho_solve(L.cho_factor(x @ x.mT), x[0]),
    "qr": lambda x: vx.concat(L.qr(x[:, :3]), 0),
    "wide qr": lambda x: vx.concat(L.qr(x[:3], "complete"), 1),
    "tall qr": lambda x: (lambda q: q[:, 2:] @ q[:, 2:].mT)(L.qr(x[:, :2], "complete").Q),
    "pivoted qr": lambda x: L.qr(x, pivoting=True).R,
    "lu": lambda x: vx.concat(L.lu(x[:, :3])[1:], 0),
    "expm": lambda x: L.expm(x * 2),
    "tridiagonal": lambda x: L.tridiagonal_solve(x[0], x[1] + 4, x[2], x),
    "householder": lambda x: L.householder_product(x[:, :2], x[0, :1]),
}
THIRD = ("cholesky", "solve", "slogdet", "triangular", "qr", "tridiagonal")


@pytest.mark.parametrize("name", LINES)
def test_derivatives_along_a_line(name: str) -> None:
    """Of second order, of some third: mixtures of modes agree, and with differences."""
    x, way, f = regular(4, 4), normal(4, 4), LINES[name]
    weights = np.cos(np.arange(np.prod(vx.jit(f)(x).shape)))

    def line(t: Any) -> Any:
        return vx.sum(f(vx.asarray(x) + t * way).ravel() * weights)

    fwd, rev = vx.jacfwd, vx.grad
    step = 1e-5

    @vx.jit
    def orders(t: Any) -> Any:
        first, second = fwd(line), fwd(fwd(line))
        ladder = [line, first, *([second] if name in THIRD else [])]
        differences = [(h(t + step) - h(t - step)) / (2 * step) for h in ladder]
        mixtures = [[first(t), rev(line)(t)], [second(t), fwd(rev(line))(t), rev(rev(line))(t)]]
        if name in THIRD:
            mixtures.append([fwd(second)(t), rev(fwd(rev(line)))(t)])
        return differences, mixtures

    differences, mixtures = orders(np.float64(0.1))
    for want, ways in zip(differences, mixtures):
        np.testing.assert_allclose(ways[0], want, rtol=2e-6, atol=2e-6)
        for other in ways[1:]:
            np.testing.assert_allclose(other, ways[0], rtol=1e-8, atol=1e-8)


def test_complex_derivatives() -> None:
    x, way = positive(complex_normal(3, 3)), complex_normal(3, 3)
    step, functions = 1e-6, (L.inv, L.det, lambda z: L.qr(z).R, lambda z: L.slogdet(z).sign, L.expm)

    @vx.jit
    def slopes(z: Any) -> Any:
        return [
            ((f(z + step * way) - f(z - step * way)) / (2 * step), vx.jvp(f, (z,), (way,))[1])
            for f in functions
        ]

    for difference, tangent in slopes(x):
        close(tangent, difference, 1e-6)


def test_a_derivative_of_solve_reuses_the_factors() -> None:
    a = ArrayType((3, 3), float32)
    b = ArrayType((3,), float32)

    def count(f: Any, *types: Any) -> tuple[int, int]:
        names = ops(f, *types)
        return names.count("lu"), names.count("linear_solve")

    def loss(a: Any, b: Any) -> Any:
        return vx.sum(L.solve(a, b) ** 2)

    assert count(loss, a, b) == (1, 1)
    assert count(vx.grad(loss, (0, 1)), a, b) == (1, 2)
    assert count(vx.jacfwd(vx.grad(loss)), a, b)[0] == 1
    assert count(vx.vmap(L.solve, (None, 0)), a, ArrayType((5, 3), float32)) == (1, 1)


def test_right_hand_sides_that_are_mapped_become_columns() -> None:
    a, many = regular(3, 3), normal(5, 3)
    lower = np.tril(a)
    close(vx.vmap(lambda v: L.solve(a, v))(many), np.linalg.solve(a, many.T).T, 1e-12)
    close(
        vx.vmap(lambda v: L.solve_triangular(a, v, lower=True))(many),
        np.linalg.solve(lower, many.T).T,
        1e-12,
    )
    close(vx.vmap(L.solve, (0, None))(np.stack([a, 2 * a]), many[0])[1] * 2,
          np.linalg.solve(a, many[0]), 1e-12)  # fmt: skip


# sizes that are not known ------------------------------------------------------------------------

N, M, K = dim("n"), dim("m"), dim("k")


def f32(*shape: Any) -> ArrayType:
    return ArrayType(shape, float32)


def i32(*shape: Any) -> ArrayType:
    return ArrayType(shape, int32)


SYMBOLIC: tuple[tuple[Op, tuple[ArrayType, ...], Shape], ...] = (
    (Cholesky(), (f32(K, N, N),), (K, N, N)),
    (TriangularSolve(True, True, "C", False), (f32(N, N), f32(N, K)), (N, K)),
    (Lu(), (f32(N, N),), (N, N)),
    (Lu(), (f32(K, 4, 3),), (K, 4, 3)),
    (Permutation(N), (i32(K, M),), (K, N)),
    (LinearSolve("T"), (f32(N, N), f32(N, N), i32(N), f32(N, K)), (N, K)),
    (LogDet(), (f32(N, N), f32(N, N), i32(N)), ()),
    (Det(), (f32(K, N, N),), (K,)),
    (Adjugate(), (f32(N, N),), (N, N)),
    (Qr(False), (f32(N, N),), (N, N)),
    (Qr(False), (f32(K, 4, 3),), (K, 4, 3)),
    (Geqrf(), (f32(N, N),), (N, N)),
    (Geqp3(), (f32(N, N),), (N, N)),
    (HouseholderProduct(), (f32(K, N, N), f32(K, N)), (K, N, N)),
    (TridiagonalSolve(), (f32(N), f32(N), f32(N), f32(N, K)), (N, K)),
)


@pytest.mark.parametrize(("op", "types", "shape"), SYMBOLIC, ids=[c[0].name for c in SYMBOLIC])
def test_sizes_may_be_symbolic(op: Op, types: tuple[ArrayType, ...], shape: Shape) -> None:
    p = check(program_of(op, types))
    assert p.out_types[0].shape == shape
    for mapped in ((True,) * len(types), (False,) * (len(types) - 1) + (True,)):
        q, out = vectorize(p, mapped, dim("q"))
        want = tuple(t.stacked(dim("q")) if m else t for t, m in zip(p.out_types, out))
        assert check(q).out_types == want
    if not isinstance(op, (Geqrf, Geqp3, Permutation)):
        check(jvp(p, tuple(t.dtype.is_inexact for t in types))[0])


# messages ----------------------------------------------------------------------------------------

MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (
        lambda: L.inv(np.zeros((2, 3), np.float32)),
        (
            "[verax-shape] inv takes square matrices, got float32[2,3]: 2 rows and 3 "
            "columns\n"
            "    x  float32[2, 3]\n"
            "               ^  ^\n"
            "  fix: vx.linalg.pinv inverts matrices of any shape"
        ),
    ),
    (
        lambda: L.det(np.zeros(3, np.float32)),
        "[verax-shape] det takes matrices, got float32[3]\n"
        "  fix: give it two dimensions: x[:, None] is one column, x[None, :] one row",
    ),
    (
        lambda: L.expm(1.0),
        (
            "[verax-shape] expm takes matrices, got float32[]\n"
            "  fix: a scalar is no matrix: x[None, None]"
        ),
    ),
    (
        lambda: L.solve(np.zeros((4, 3, 3), np.float32), np.zeros((4, 3), np.float32)),
        (
            "[verax-shape] solve: a has 3 rows and b has 4: b is [3] or [...,3,k]\n"
            "    a  float32[4, 3, 3   ]\n"
            "    b  float32[      4, 3]\n"
            "                     ^\n"
            "  fix: a batch of vectors is a batch of columns: b[..., None]"
        ),
    ),
    (
        lambda: L.solve_triangular(np.eye(2), np.ones(2), trans="X"),
        "[verax-shape] solve_triangular: trans is 'X'\n"
        '  fix: use 0 or "N" for a, 1 or "T" for its transpose, 2 or "C" for its adjoint',
    ),
    (
        lambda: L.lu_solve((np.eye(2), np.ones(2)), np.ones(2)),
        "[verax-dtype] lu_solve: float64[2] are no pivots of float64[2,2]\n"
        "  fix: give what lu_factor gives: lu_solve(vx.linalg.lu_factor(a), b)",
    ),
    (
        lambda: L.qr(np.eye(2), cast(Any, "full")),
        "[verax-shape] qr: the mode 'full' is not one of reduced, complete, r, raw\n"
        '  fix: use mode="reduced"',
    ),
    (
        lambda: L.qr(np.eye(2), cast(Any, "raw"), pivoting=True),
        '[verax-shape] qr: no packed form with pivoting\n  fix: use mode="reduced"',
    ),
    (
        lambda: vx.jvp(lambda x: L.qr(x, "raw"), (np.eye(2),), (np.eye(2),)),
        "[verax-derivative] geqrf, the packed form of a QR decomposition, has no derivative\n"
        "  fix: differentiate Q and R: vx.linalg.qr(x)",
    ),
    (
        lambda: L.tridiagonal_solve(np.ones(2), np.ones(3), np.ones(2), np.ones(3)),
        "[verax-shape] tridiagonal_solve takes three diagonals of one shape, got float64[2], "
        "float64[3], float64[2]\n"
        "  fix: pad those beside the main one: dl[0] and du[-1] are not read",
    ),
    (
        lambda: L.householder_product(np.ones((2, 3)), np.ones(2)),
        "[verax-shape] householder_product takes matrices of no fewer rows than columns and no "
        "more taus, got [2,3] and [2]",
    ),
    (
        lambda: L.multi_dot([np.ones((2, 3)), np.ones((2, 3))]),
        (
            "[verax-shape] multi_dot: operand 0 has 3 columns, and operand 1 has 2 "
            "rows\n"
            "    operand 0  float64[2, 3   ]\n"
            "    operand 1  float64[   2, 3]\n"
            "                          ^\n"
            "  fix: transpose the second: y.T"
        ),
    ),
    (
        lambda: L.multi_dot([np.ones((2, 3))]),
        (
            "[verax-shape] multi_dot takes two matrices or more, got 1\n"
            "  fix: vx.linalg.multi_dot([x, y, z])"
        ),
    ),
    (
        lambda: L.block_diag(np.ones((2, 3, 4))),
        (
            "[verax-shape] block_diag: operand 0 is float64[2,3,4], expected a matrix\n"
            "  fix: vx.vmap(vx.linalg.block_diag) takes batches"
        ),
    ),
    (
        lambda: program_of(Lu(), (f32(N, M),)),
        "[verax-size] lu: of [n,m] it is not known whether it has more rows or columns\n"
        "  fix: give the sizes: they must be known, or equal",
    ),
)


@pytest.mark.parametrize(("make", "want"), MESSAGES)
def test_messages(make: Callable[[], Any], want: str) -> None:
    assert told(make) == want
