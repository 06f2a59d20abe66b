"""Products of vectors, matrices and more: NumPy is the oracle."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from tests.functions.oracle import agree, check_gradient, close, ops, told
from verax.compiler.ir.sizes import dim

Array = npt.NDArray[Any]
RNG = np.random.default_rng(1)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


@st.composite
def factors(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two operands of matmul, of all ranks, with batches that broadcast."""
    k, m, n = (draw(st.integers(1, 3)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    left = [1 if draw(st.booleans()) else b for b in batch[draw(st.integers(0, len(batch))) :]]
    right = [1 if draw(st.booleans()) else b for b in batch[draw(st.integers(0, len(batch))) :]]
    x = (k,) if draw(st.integers(0, 3)) == 0 else (*left, m, k)
    y = (k,) if draw(st.integers(0, 3)) == 0 else (*right, k, n)
    return normal(*x), normal(*y)


@given(st.lists(factors(), min_size=4, max_size=4))
def test_matmul(pairs: list[tuple[Array, Array]]) -> None:
    def all_of(pairs: Any) -> list[Any]:
        return [vx.matmul(x, y) for x, y in pairs]

    for (x, y), got in zip(pairs, vx.jit(all_of)(pairs)):
        close(got, x @ y)


def test_products() -> None:
    v, w, a, b = normal(3), normal(3), normal(2, 3), normal(4, 3)
    t, z = normal(2, 4, 3), (normal(2, 3) + 1j * normal(2, 3)).astype(np.complex64)
    agree(
        [
            lambda xp, v, w, a, b, t, z: xp.dot(v, w),
            lambda xp, v, w, a, b, t, z: xp.dot(a, v),
            lambda xp, v, w, a, b, t, z: xp.dot(a, b.T),
            lambda xp, v, w, a, b, t, z: xp.dot(t, a.T),
            lambda xp, v, w, a, b, t, z: xp.dot(t, v),
            lambda xp, v, w, a, b, t, z: xp.dot(v, v[0]),
            lambda xp, v, w, a, b, t, z: xp.vdot(z, a),
            lambda xp, v, w, a, b, t, z: xp.vecdot(z, a),
            lambda xp, v, w, a, b, t, z: xp.vecdot(t, v),
            lambda xp, v, w, a, b, t, z: xp.vecdot(t, b[:2, :1, None], axis=0),
            lambda xp, v, w, a, b, t, z: xp.matvec(t, v),
            lambda xp, v, w, a, b, t, z: xp.vecmat(z, t.mT),
            lambda xp, v, w, a, b, t, z: xp.inner(t, a),
            lambda xp, v, w, a, b, t, z: xp.inner(v, w),
            lambda xp, v, w, a, b, t, z: xp.outer(a, v),
            lambda xp, v, w, a, b, t, z: xp.tensordot(t, t, ([0, 1], [0, 1])),
            lambda xp, v, w, a, b, t, z: xp.tensordot(t, a.T, 1),
            lambda xp, v, w, a, b, t, z: xp.tensordot(a, b, (1, 1)),
            lambda xp, v, w, a, b, t, z: xp.tensordot(a, b, 0),
            lambda xp, v, w, a, b, t, z: xp.tensordot(t, b, ([2, 1], [1, 0])),
            lambda xp, v, w, a, b, t, z: xp.kron(a, v),
            lambda xp, v, w, a, b, t, z: xp.kron(a, b),
            lambda xp, v, w, a, b, t, z: xp.cross(v, w),
            lambda xp, v, w, a, b, t, z: xp.cross(t, v),
            lambda xp, v, w, a, b, t, z: xp.cross(a.T, b.T[:, :2], axis=0),
            lambda xp, v, w, a, b, t, z: a @ (v @ b.T)[:3] + a @ v,
        ],
        v,
        w,
        a,
        b,
        t,
        z,
    )


def test_diagonals() -> None:
    def calls(xp: Any, x: Any, v: Any) -> list[Any]:
        out = []
        for k in (-3, -1, 0, 1, 2, 4):
            out += [xp.diagonal(x, k), xp.diagonal(x, k, 2, 0), xp.trace(x, k, 1, 2)]
            out += [xp.diag(v, k), xp.diag(x[0], k), xp.diagflat(x[:, 0, :2], k)]
        return out

    x, v = normal(2, 3, 4), normal(3)
    agree([calls], x, v)
    want = x[0].copy()
    np.fill_diagonal(want, -1)
    close(vx.fill_diagonal(x[0], -1.0), want)
    want = x[0].T.copy()
    np.fill_diagonal(want, v)
    close(vx.fill_diagonal(x[0].T, v), want)
    assert ops(vx.diagonal, vx.spec((3, 3))) == ["reshape", "slice"]


# einsum -------------------------------------------------------------------------------------------


class Sum:
    """An einsum with its operands."""

    def __init__(self, spec: str, *operands: Array) -> None:
        self.spec, self.operands = spec, operands

    def __repr__(self) -> str:
        return f"{self.spec} of {[x.shape for x in self.operands]}"


@st.composite
def sums(draw: st.DrawFn) -> Sum:
    """Random letters on one to four operands, with dots, repeats and sizes of 1."""
    letters = "abcde"
    sizes = {c: draw(st.integers(1, 3)) for c in letters}
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    terms, operands, dotted = [], [], False
    for _ in range(draw(st.integers(1, 4))):
        names = draw(st.lists(st.sampled_from(letters), max_size=3))
        shape: list[int] = []
        alone = {c for c in names if names.count(c) == 1}
        shape = [1 if c in alone and draw(st.integers(0, 6)) == 0 else sizes[c] for c in names]
        text = list(names)
        if draw(st.integers(0, 3)) == 0:
            at = draw(st.integers(0, len(names)))
            some = [1 if draw(st.booleans()) else b for b in batch[draw(st.integers(0, 2)) :]]
            text.insert(at, "...")
            shape[at:at] = some
            dotted = True
        terms.append("".join(text))
        operands.append(normal(*shape))
    spec = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set(spec) & set(letters))
        out = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
        spec += "->" + ("..." if dotted else "") + "".join(out)
    return Sum(spec, *operands)


@given(st.lists(sums(), min_size=4, max_size=4))
def test_einsum(some: list[Sum]) -> None:
    def all_of(operands: Any) -> list[Any]:
        return [vx.einsum(s.spec, *xs) for s, xs in zip(some, operands)]

    for s, got in zip(some, vx.jit(all_of)([list(s.operands) for s in some])):
        close(got, np.einsum(s.spec, *s.operands), 1e-4)


@given(sums())
def test_names_mean_what_letters_mean(s: Sum) -> None:
    left, arrow, right = s.spec.partition("->")
    longer = {c: f"name_{c}" for c in string.ascii_letters}

    def spelled(term: str) -> str:
        out = [("..." if c == "_" else longer[c]) for c in term.replace("...", "_")]
        return " ".join(out)

    spec = ", ".join(map(spelled, left.split(",")))
    if arrow:
        spec += " -> " + spelled(right)
    if not any(" " in t.strip() for t in spec.replace("->", ",").split(",")):
        return  # no term has two names: the text is in letters
    close(vx.einsum(spec, *s.operands), vx.einsum(s.spec, *s.operands))


def test_einsum_as_users_write_it() -> None:
    x, w = normal(2, 3, 4), normal(4, 5, 6)
    got = vx.einsum("b t d, d h e -> b h t e", x, w)
    close(got, np.einsum("btd,dhe->bhte", x, w), 1e-4)
    close(vx.einsum("batch time dim, dim -> batch time", x, w[:, 0, 0]), x @ w[:, 0, 0], 1e-4)
    close(vx.einsum(" ij , jk -> ik ", x[0], x[1].T), x[0] @ x[1].T, 1e-4)
    assert ops(lambda x, w: vx.einsum("btd,dhe->bhte", x, w), x, w) == ["contract"]


def test_the_smallest_product_comes_first() -> None:
    a, b, c = vx.spec((2, 50)), vx.spec((50, 40)), vx.spec((40, 1))
    program = vx.jit(lambda a, b, c: vx.einsum("ij,jk,kl->il", a, b, c)).stage(a, b, c)
    first = program.equations[0]
    assert [str(program.types[x]) for x in first.operands] == ["float32[50,40]", "float32[40,1]"]


# dtypes, derivatives, symbols ---------------------------------------------------------------------


def test_dtypes() -> None:
    i, h, t = vx.ones((2, 2), dtype=vx.int8), vx.ones((2, 2), dtype=vx.bfloat16), vx.ones((2, 2))
    assert (i @ i).dtype is vx.int8
    assert vx.matmul(i, i, out_dtype=vx.int32).dtype is vx.int32
    assert vx.matmul(h, h, out_dtype=vx.float32).dtype is vx.float32
    assert (h @ t).dtype is vx.float32  # type: ignore[operator]
    assert vx.einsum("ij,jk,kl", h, h, h, out_dtype=vx.float32).dtype is vx.float32
    m = np.array([[True, False], [True, True]])
    assert vx.matmul(m, m).dtype is vx.bool_
    assert vx.matmul(m, m).tolist() == (m @ m).tolist()
    assert vx.einsum("ij->i", m).tolist() == [True, True]


def test_gradients() -> None:
    a, b, v = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=3)
    check_gradient(
        lambda a, b, v: [
            a @ b,
            a @ v,
            v @ b,
            v @ v,
            vx.kron(a, v),
            vx.cross(v, b),
            vx.trace(b),
            vx.diag(v, 1),
            vx.diag(b, -1),
            vx.einsum("ij,jk,k,ii->i", b, b, v, b),
            vx.einsum("...i,i->...", a, v),
            vx.matmul(a[None], b[:, :, None] * v),
            vx.tensordot(a, b, 1),
        ],
        a,
        b,
        v,
    )


def test_symbolic_sizes() -> None:
    n = dim("n")
    x, y, s = vx.spec((n, 4)), vx.spec((4, n)), vx.spec((n, n))

    def shape(f: Any, *types: Any) -> str:
        return str(vx.jit(f).stage(*types).out_types[0])

    assert shape(lambda x, y: x @ y, x, y) == "float32[n,n]"
    assert shape(lambda x, y: vx.einsum("ij,jk,kl->il", x, y, x), x, y) == "float32[n,4]"
    assert shape(vx.kron, x, y) == "float32[4*n,4*n]"
    assert shape(vx.trace, s) == "float32[]"
    assert shape(vx.diagonal, s) == "float32[n]"
    with pytest.raises(vx.ShapeError):
        shape(lambda x: x @ x, x)


A, B = vx.zeros((8, 16)), vx.zeros((32, 4))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: A @ B,
            "[verax-shape] matmul: the last dimension of the left (16) and the"
            " second-to-last of the right (32) differ\n"
            "    left   float32[8, 16   ]\n"
            "    right  float32[   32, 4]\n"
            "                      ^^\n"
            "  fix: give the right 16 rows, or the left 32 columns: no transposition makes"
            " them fit",
        ),
        (
            lambda: A @ A,
            "[verax-shape] matmul: the last dimension of the left (16) and the"
            " second-to-last of the right (8) differ\n"
            "    left   float32[8, 16    ]\n"
            "    right  float32[    8, 16]\n"
            "                      ^^\n"
            "  fix: transpose the right: x @ y.mT",
        ),
        (
            lambda: A @ vx.zeros((8, 3)),
            "[verax-shape] matmul: the last dimension of the left (16) and the"
            " second-to-last of the right (8) differ\n"
            "    left   float32[8, 16   ]\n"
            "    right  float32[    8, 3]\n"
            "                      ^^\n"
            "  fix: transpose the left: x.mT @ y",
        ),
        (
            lambda: A @ vx.zeros((3, 8)),
            "[verax-shape] matmul: the last dimension of the left (16) and the"
            " second-to-last of the right (3) differ\n"
            "    left   float32[8, 16   ]\n"
            "    right  float32[    3, 8]\n"
            "                      ^^\n"
            "  fix: transpose both, x.mT @ y.mT, or exchange them: y @ x",
        ),
        (
            lambda: A @ vx.zeros(8),
            "[verax-shape] matmul: the last dimension of the left (16) and the only one of"
            " the right (8) differ\n"
            "    left   float32[8, 16]\n"
            "    right  float32[    8]\n"
            "                      ^^\n"
            "  fix: transpose the left: x.mT @ y",
        ),
        (
            lambda: vx.matmul(A, 2.0),
            "[verax-shape] matmul: the right is the scalar float32[], which is no matrix\n"
            "    left   float32[8, 16]\n"
            "    right  float32[     ]\n"
            "  fix: multiply by it: x * y",
        ),
        (
            lambda: vx.zeros((2, 3, 4)) @ vx.zeros((3, 4, 5)),
            "[verax-shape] matmul: the batch dimensions [2] of the left and [3] of the right"
            " do not broadcast\n"
            "    left   float32[2, 3, 4   ]\n"
            "    right  float32[3,    4, 5]\n"
            "                   ^\n"
            "  fix: dimensions before the last two are batches: they must agree or be 1;"
            " insert one, x[:, None], or write the product as vx.einsum",
        ),
        (
            lambda: vx.einsum("ij,jk->ik", A, B),
            "[verax-shape] einsum 'ij,jk->ik': 'j' is 16 in operand 0 and 32 in operand 1\n"
            "    operand 0  float32[i=8, j=16     ]\n"
            "    operand 1  float32[     j=32, k=4]\n"
            "                            ^^^^\n"
            "  fix: one name is one size: name the dimensions in the order in which each"
            " operand has them, or give those that differ names of their own",
        ),
        (
            lambda: vx.einsum("ij,jk", A),
            "[verax-shape] einsum: 'ij,jk' has 2 terms for 1 operand\n"
            "  fix: write one term per operand before ->, parted by commas",
        ),
        (
            lambda: vx.einsum("ijk->i", A),
            "[verax-shape] einsum: 'ijk->i' names 3 dimensions of operand 0, which has 2:"
            " float32[8,16]\n"
            "  fix: name 2 dimensions there, or give an array with 3",
        ),
        (
            lambda: vx.einsum("ij->ik", A),
            "[verax-shape] einsum: 'k' of the result is on no operand in 'ij->ik'\n"
            "  fix: leave it out of the result; a new dimension is x[..., None]",
        ),
        (
            lambda: vx.einsum("ij->ii", A),
            "[verax-shape] einsum: 'i' stands twice in the result of 'ij->ii'\n"
            "  fix: give the result each name once; vx.diag makes a matrix of a diagonal",
        ),
        (
            lambda: vx.einsum("...j->j", A),
            "[verax-shape] einsum: the operands have ... but the result of '...j->j' does"
            " not\n"
            "  fix: write it in the result too, or name the dimensions to sum over",
        ),
        (
            lambda: vx.einsum("ii", A),
            "[verax-shape] einsum 'ii': 'i' is 8 and 16 in operand 0\n"
            "    operand 0  float32[i=8, i=16]\n"
            "                       ^^^  ^^^^\n"
            "  fix: one name is one size: name the dimensions in the order in which each"
            " operand has them, or give those that differ names of their own",
        ),
        (
            lambda: vx.einsum("i1,1j", A, B),
            "[verax-shape] einsum: '1' in 'i1,1j' is no name of a dimension\n"
            '  fix: write letters, "ij,jk->ik", or names parted by spaces, "b t, t d -> b d"',
        ),
        (
            lambda: vx.tensordot(A, B, 1),
            "[verax-shape] tensordot: dimension 1 of the left (16) and dimension 0 of the"
            " right (32) differ, and are summed together\n"
            "    left   float32[8, 16   ]\n"
            "    right  float32[   32, 4]\n"
            "                      ^^\n"
            "  fix: no dimension of the right has the size 16: check what tensordot is given",
        ),
        (
            lambda: vx.cross(A, A),
            "[verax-shape] cross: float32[8,16] and float32[8,16] are no vectors of 3"
            " elements along axis -1\n"
            "  fix: say where the three stand, axis=...; pad vectors of the plane with a zero",
        ),
    ],
)
def test_errors(wrong: Any, text: str) -> None:
    assert told(wrong) == text
