"""Shapes changed, arrays joined and taken apart: NumPy is the oracle."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from tests.functions.oracle import agree, check_gradient, close, ops, told
from verax.compiler.ir.sizes import dim

X = np.arange(24.0).reshape(2, 3, 4)
V = np.arange(5.0)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def grid(shape: tuple[int, ...]) -> Any:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape, and another of as many elements, perhaps with a -1."""
    parts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    halves = []
    for _ in range(2):
        cuts = sorted(draw(st.lists(st.integers(0, len(parts)), max_size=3)))
        order = draw(st.permutations(parts))
        ends = [0, *cuts, len(parts)]
        halves.append(tuple(int(np.prod(order[a:b])) for a, b in itertools.pairwise(ends)))
    shape, other = halves
    if draw(st.booleans()):
        k = draw(st.integers(0, len(other) - 1))
        other = (*other[:k], -1, *other[k + 1 :])
    return shape, other


@given(st.lists(reshapes(), min_size=5, max_size=5))
def test_reshape(pairs: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    for shape, other in pairs:
        x = grid(shape)
        t = vx.jit(lambda x, other=other: vx.reshape(x, other)).stage(vx.asarray(x)).out_types[0]
        assert t.shape == x.reshape(other).shape
    shape, other = pairs[0]
    close(vx.asarray(grid(shape)).reshape(*other), grid(shape).reshape(other))


@given(shapes, st.data())
def test_axes(shape: tuple[int, ...], data: st.DataObject) -> None:
    n = len(shape)
    axis = st.integers(-n, n - 1)
    i, j, k = (data.draw(axis) for _ in range(3))
    new = data.draw(st.integers(-n - 1, n))
    perm = data.draw(st.permutations(range(n)))
    some = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
    to = data.draw(st.permutations(some))
    shift = data.draw(st.integers(-5, 5))
    agree(
        [
            lambda xp, x: xp.permute_dims(x, perm),
            lambda xp, x: xp.transpose(x),
            lambda xp, x: xp.swapaxes(x, i, j),
            lambda xp, x: xp.moveaxis(x, i, j),
            lambda xp, x: xp.moveaxis(x, some, to),
            lambda xp, x: xp.expand_dims(x, new),
            lambda xp, x: xp.expand_dims(x, (0, -1)),
            lambda xp, x: xp.squeeze(x),
            lambda xp, x: xp.flip(x),
            lambda xp, x: xp.flip(x, k),
            lambda xp, x: xp.flip(x, tuple(some)),
            lambda xp, x: xp.roll(x, shift),
            lambda xp, x: xp.roll(x, shift, k),
            lambda xp, x: xp.roll(x, (shift, 1), (i, j)),
            lambda xp, x: xp.roll(x, 2, tuple(some)),
            lambda xp, x: xp.concat([x, x + 1, x], axis=k),
            lambda xp, x: xp.concat([x, x[:1]], axis=None),
            lambda xp, x: xp.stack([x, -x], axis=new),
            lambda xp, x: xp.unstack(x, axis=k),
            lambda xp, x: xp.repeat(x, 3, axis=k),
            lambda xp, x: xp.repeat(x, 2),
            lambda xp, x: xp.repeat(x, list(range(shape[k])), axis=k),
            lambda xp, x: xp.split(x, [1, 2], axis=k),
            lambda xp, x: xp.array_split(x, 3, axis=k),
            lambda xp, x: xp.split(xp.repeat(x, np.array([2]), axis=k), np.array([1]), axis=k),
            lambda xp, x: xp.broadcast_to(x, (2, *shape)),
        ],
        grid(shape),
    )


def test_of_matrices_and_vectors() -> None:
    agree(
        [
            lambda xp, x, v: xp.ravel(x),
            lambda xp, x, v: xp.matrix_transpose(x),
            lambda xp, x, v: x.mT,
            lambda xp, x, v: xp.fliplr(x),
            lambda xp, x, v: xp.flipud(x),
            *[
                lambda xp, x, v, k=k, a=a: xp.rot90(x, k, a)
                for k in (-1, 0, 1, 2, 3)
                for a in ((0, 1), (2, 0))
            ],
            lambda xp, x, v: xp.vstack([v, v]),
            lambda xp, x, v: xp.vstack([x, x]),
            lambda xp, x, v: xp.hstack([v, v]),
            lambda xp, x, v: xp.hstack([x, x]),
            lambda xp, x, v: xp.dstack([v, v]),
            lambda xp, x, v: xp.dstack([x, x]),
            lambda xp, x, v: xp.column_stack([v, v[:, None]]),
            lambda xp, x, v: xp.append(x, v),
            lambda xp, x, v: xp.append(x, x, axis=1),
            lambda xp, x, v: xp.split(x, 2, axis=2),
            lambda xp, x, v: xp.vsplit(x, 2),
            lambda xp, x, v: xp.hsplit(x, 3),
            lambda xp, x, v: xp.hsplit(v, [2]),
            lambda xp, x, v: xp.dsplit(x, [1, -1]),
            lambda xp, x, v: xp.tile(x, 2),
            lambda xp, x, v: xp.tile(x, (2, 1, 3, 1)),
            lambda xp, x, v: xp.tile(v, (2, 2)),
            lambda xp, x, v: xp.broadcast_arrays(x, v[:4], v[:3, None]),
            *[
                lambda xp, x, v, f=f, z=z: getattr(xp, f)((v[0], v, x[0])[z])
                for f in ("atleast_1d", "atleast_2d", "atleast_3d")
                for z in range(3)
            ],
        ],
        X,
        V,
    )


@given(
    st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=2, max_size=2),
)
def test_pad(mode: Any, widths: list[tuple[int, int]]) -> None:
    x = grid((3, 2))
    close(vx.pad(vx.asarray(x), widths, mode=mode), np.pad(x, widths, mode=mode))


def test_pad_with_a_value() -> None:
    x = grid((2, 3))
    for widths in (1, (2, 1), ((0, 1), (2, 0))):
        got = vx.pad(vx.asarray(x), widths, constant_values=-1)
        close(got, np.pad(x, widths, constant_values=-1))
    found = vx.jit(lambda x, c: vx.pad(x, 1, constant_values=c))(x, 2.0)
    close(found, np.pad(x, 1, constant_values=2))
    assert ops(lambda x: vx.pad(x, 1), vx.spec((2, 2))) == ["pad"]


def test_a_computed_shift() -> None:
    x = grid((3, 4))
    rolled = vx.jit(lambda x, s: vx.roll(x, (s, -s), (0, 1)))
    for s in (-5, 0, 1, 7):
        close(rolled(x, s), np.roll(x, (s, -s), (0, 1)))


def test_dtypes_meet() -> None:
    a, b = vx.ones(2, dtype=vx.int32), vx.ones(1, dtype=vx.float16)
    assert vx.concat([a, b]).dtype is vx.float16
    assert vx.stack([a, vx.ones(2, dtype=bool)]).dtype is vx.int32
    assert vx.concat([a, np.ones(1, "int64")]).dtype is vx.int64
    assert [y.dtype for y in vx.broadcast_arrays(a, b)] == [vx.int32, vx.float16]


def test_what_changes_nothing_is_nothing() -> None:
    x = vx.asarray(X)
    for y in (
        vx.reshape(x, (2, 3, -1)),
        vx.permute_dims(x, (0, 1, 2)),
        vx.squeeze(x),
        vx.rot90(x, 4),
        vx.flip(x, ()),
        vx.concat([x]),
        vx.broadcast_to(x, X.shape),
        vx.atleast_2d(x),
    ):
        assert y is x


def test_gradients() -> None:
    x = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
    check_gradient(
        lambda x: [
            vx.pad(x, 2, mode="symmetric"),
            vx.pad(x, ((0, 1), (2, 2)), mode="reflect"),
            vx.pad(x, 3, mode="wrap"),
            vx.pad(x, 1, mode="edge"),
            vx.roll(x, 1, 1),
            vx.tile(x, (2, 2)),
            vx.repeat(x, [0, 2, 1], axis=1),
            vx.rot90(x),
            vx.concat([x, x], 1),
            vx.stack(vx.unstack(x, 1)),
        ],
        x,
    )
    check_gradient(lambda x, c: vx.pad(x, 1, constant_values=c), x, np.array(0.5))


def test_symbolic_sizes() -> None:
    n = vx.spec((dim("n"), 4))

    def shape(f: Any) -> str:
        return str(vx.jit(f).stage(n).out_types[0])

    assert shape(lambda x: x.reshape(-1)) == "float32[4*n]"
    assert shape(lambda x: x.reshape(x.shape[0] * 2, -1)) == "float32[2*n,2]"
    assert shape(lambda x: vx.concat([x, x, x[:1]])) == "float32[2*n+1,4]"
    assert shape(lambda x: vx.tile(x, 2)) == "float32[n,8]"
    assert shape(lambda x: vx.repeat(x, 3, 0)) == "float32[3*n,4]"
    assert shape(lambda x: vx.pad(x, 1)) == "float32[n+2,6]"
    assert shape(lambda x: vx.roll(x, 1, 0)) == "float32[n,4]"
    assert shape(lambda x: x[1:, ::-1].mT) == "float32[4,n-1]"
    assert shape(lambda x: x[-1]) == "float32[4]"
    assert shape(lambda x: x[None, ::-1]) == "float32[1,n,4]"


A, B = vx.zeros((2, 3)), vx.zeros((2, 4))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: vx.reshape(A, (4, 2)),
            (
                "[verax-shape] reshape: float32[2,3] has 6 elements, the shape [4,2] has 8\n"
                "    from  float32[2, 3]\n"
                "    to           [4, 2]\n"
                "                  ^  ^\n"
                "  fix: the shape [3,2] would fit; -1 stands for the size that is left"
            ),
        ),
        (
            lambda: vx.reshape(A, (4, -1)),
            (
                "[verax-shape] reshape: float32[2,3] has 6 elements, which do not fall "
                "into [4,-1]\n"
                "    from  float32[2,  3]\n"
                "    to           [4, -1]\n"
                "                  ^  ^^\n"
                "  fix: a shape must have as many elements as the array: vx.broadcast_to "
                "repeats, x[:n] cuts"
            ),
        ),
        (
            lambda: vx.reshape(A, (-1, -1)),
            (
                "[verax-shape] reshape: only one size may be -1, got [-1,-1]\n"
                "  fix: write all sizes but one: float32[2,3] has 6 elements"
            ),
        ),
        (
            lambda: vx.concat([A, B]),
            (
                "[verax-shape] concat along axis 0: dimension 1 is 3 in operand 0 and 4 in "
                "operand 1\n"
                "    operand 0  float32[2, 3]\n"
                "    operand 1  float32[2, 4]\n"
                "                          ^\n"
                "  fix: join them along the axis in which they differ, axis=1, or cut or "
                "pad one"
            ),
        ),
        (
            lambda: vx.concat([A, A[0]]),
            (
                "[verax-shape] concat: operand 0 has 2 dimensions and operand 1 has 1\n"
                "    operand 0  float32[2, 3]\n"
                "    operand 1  float32[3   ]\n"
                "  fix: vx.stack joins along a new axis; x[None] adds a dimension"
            ),
        ),
        (
            lambda: vx.concat([]),
            (
                "[verax-shape] concat needs at least one array, got an empty list\n"
                "  fix: start from an array of no rows: vx.zeros((0, n))"
            ),
        ),
        (
            lambda: vx.stack([A, B]),
            (
                "[verax-shape] stack takes arrays of one shape, and operand 0 and operand "
                "1 differ\n"
                "    operand 0  float32[2, 3]\n"
                "    operand 1  float32[2, 4]\n"
                "                          ^\n"
                "  fix: vx.concat joins along an axis that they have; pad the shorter one "
                "with vx.pad"
            ),
        ),
        (
            lambda: vx.squeeze(A, 0),
            (
                "[verax-shape] squeeze: dimension 0 of float32[2,3] has size 2, not 1\n"
                "  fix: take one element, x[i] along axis 0, or reduce: vx.sum(x, axis=0)"
            ),
        ),
        (
            lambda: vx.permute_dims(A, (0,)),
            (
                "[verax-shape] permute_dims: (0,) is no order of the 2 dimensions of "
                "float32[2,3]\n"
                "  fix: name each of the axes 0 to 1 once; x.mT exchanges the last two"
            ),
        ),
        (
            lambda: vx.flip(A, (0, -2)),
            (
                "[verax-shape] flip: the axes (0, -2) name a dimension of float32[2,3] "
                "twice\n"
                "  fix: name each once; negative axes count from the end"
            ),
        ),
        (
            lambda: vx.split(A, 2, 1),
            "[verax-shape] split: dimension 1 of float32[2,3] does not fall into 2 equal parts\n"
            "  fix: vx.array_split makes parts of nearly one size",
        ),
        (
            lambda: vx.split(vx.broadcast_to(A[0, 0], (1 << 21,)), 1 << 21),
            "[verax-shape] array_split: 2097152 parts would each be an array of the program\n"
            "  fix: use reshape, and index or map over the parts",
        ),
        (
            lambda: vx.repeat(A, [1, 2], axis=1),
            (
                "[verax-shape] repeat: 2 counts for the 3 elements of dimension 1 of "
                "float32[2,3]\n"
                "  fix: give one count for all, or one per element"
            ),
        ),
        (
            lambda: vx.pad(A, ((1, 1), (1, 1), (1, 1))),
            "[verax-shape] pad: the widths ((1, 1), (1, 1), (1, 1)) do not fit float32[2,3]\n"
            "  fix: give a width, a pair (before, after), or a pair per dimension, none negative",
        ),
        (
            lambda: vx.pad(A, 1, mode="mean"),  # type: ignore[arg-type]
            "[verax-shape] pad: 'mean' is no mode\n  fix: one of constant, edge, reflect,"
            " symmetric, wrap",
        ),
        (
            lambda: vx.flip(vx.zeros(()), 0),
            (
                "[verax-shape] flip: float32[] has no axes, got axis 0\n"
                "  fix: leave the axis out, or give x an axis"
            ),
        ),
    ],
)
def test_errors(wrong: Any, text: str) -> None:
    assert told(wrong) == text
