"""Creation: NumPy as oracle, eager and staged alike, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.dsl.lang import creation as c
from verax.dsl.lang.dtypes import bfloat16, bool_, complex64, float32, float64, int8, int32, int64
from verax.dsl.lang.jit import jit, spec
from verax.dsl.lang.stage import stage
from verax.dsl.lang.treedef import flatten

Call = Callable[[], Any]


def host(values: Any, dtype: Any) -> Any:
    return np.array(values, dtype)


def equal(got: Any, wanted: Any) -> None:
    wanted = np.asarray(wanted)
    assert (got.shape, got.dtype.name) == (wanted.shape, wanted.dtype.name)
    np.testing.assert_allclose(got.numpy(), wanted, 2e-6, 1e-7)


def both(f: Call, wanted: Any) -> None:
    """Eager and staged give what is wanted."""
    equal(f(), wanted)
    equal(jit(f)(), wanted)


# from Python and NumPy


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, 2], int32),
        ([[1.0], [2.0]], float32),
        ([True], bool_),
        ([1, 2.5], float32),
        ([1, 1j], complex64),
        ([], float32),
        ([[], []], float32),
        ((1, 2), int32),
        (range(3), int32),
        (3, int32),
        (2.5, float32),
    ],
)
def test_lists(value: Any, dtype: Any) -> None:
    got = c.array(value)
    assert got.dtype is dtype
    np.testing.assert_array_equal(
        got.numpy(), np.asarray(list(value) if value == range(3) else value)
    )


def test_lists_of_arrays() -> None:
    x = c.array([1.0, 2.0])
    equal(c.array([x, x]), host([[1, 2], [1, 2]], np.float32))
    equal(c.array([x[0], 3]), host([1, 3], np.float32))
    equal(c.array([[x[0], 3], [4, 5]]), host([[1, 3], [4, 5]], np.float32))
    equal(c.array([np.float64(1), 2]), np.array([1.0, 2.0]))
    equal(c.array([np.arange(2), c.arange(2)]), np.array([[0, 1], [0, 1]]))
    equal(jit(lambda a: c.array([a, 2 * a, 1]))(c.asarray(5)), host([5, 10, 1], np.int32))
    with pytest.raises(ShapeError) as info:
        c.array([x, 1.0])
    assert info.value.message == "array: the list holds arrays of shapes [], [2]"


def test_dtypes_of_lists() -> None:
    equal(c.array([1, 2], int8), host([1, 2], np.int8))
    equal(c.array([1, 2], "float64"), host([1, 2], np.float64))
    equal(c.array([1.0, 2.0], int32), host([1, 2], np.int32))
    assert c.array([1.5], bfloat16).dtype is bfloat16
    equal(c.array([2**40], int64), np.array([2**40]))
    for value, dtype in (([300], int8), ([2**40], None), ([1.5], int32), ([1e300], float32)):
        with pytest.raises(DTypeError):
            c.array(value, dtype)
    with pytest.raises(DTypeError, match="does not fit 64 bits"):
        c.array([2**70])


def test_ragged_lists() -> None:
    with pytest.raises(ShapeError) as info:
        c.array([[1, 2], [3]])
    assert info.value.message == "array: the lists have different lengths"


def test_arrays_pass_through() -> None:
    x = c.ones((2,))
    assert c.asarray(x) is x
    assert c.asarray(x, float32) is x
    y = c.asarray(x, copy=True)
    assert y is not x
    equal(y, np.ones(2, np.float32))
    equal(c.from_numpy(host([1], np.int16)), host([1], np.int16))


def test_numpy_layouts() -> None:
    x = np.arange(12.0).reshape(3, 4)
    for view in (x.T, x[::2], x[:, ::-1], np.asfortranarray(x), x[1, 2], x.astype(">f8")):
        equal(c.asarray(view), np.asarray(view).astype("=f8"))


def test_a_numpy_array_is_copied() -> None:
    x = np.zeros(3)
    y = c.asarray(x)
    x[:] = 1
    equal(y, np.zeros(3))


def test_other_libraries() -> None:
    class Foreign:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.arange(2)

    equal(c.asarray(Foreign()), np.arange(2))
    equal(c.from_dlpack(np.arange(3.0)), np.arange(3.0))


@pytest.mark.parametrize("x", ["ab", None, {"a": 1}, {1, 2}, object], ids=repr)
def test_what_is_no_array(x: Any) -> None:
    with pytest.raises(DTypeError, match="asarray takes numbers, lists of numbers and arrays, got"):
        c.asarray(x)


def test_numpy_dtypes_that_are_not_taken() -> None:
    with pytest.raises(DTypeError, match="dtype\\('<U1'\\) is not a dtype"):
        c.asarray(np.array(["a"]))


def test_astype() -> None:
    x = c.array([1.7, -2.5, 300.0])
    equal(c.astype(x, int32), host([1, -2, 300], np.int32))
    equal(c.astype(x, bool), np.array([True, True, True]))
    with pytest.raises(DTypeError) as info:
        c.astype(c.array([1j]), float32)
    assert info.value.message == "astype: complex64[1] to float32 would drop the imaginary part"
    assert info.value.fix == "take one part first: x.real.astype(...)"


# filled


def test_filled() -> None:
    both(lambda: c.zeros((2, 3)), np.zeros((2, 3), np.float32))
    both(lambda: c.zeros(4, int8), np.zeros(4, np.int8))
    both(lambda: c.ones((), bool), np.ones((), bool))
    both(lambda: c.full((2,), 7), np.full(2, 7, np.int32))
    both(lambda: c.full((2,), 7, float64), np.full(2, 7.0))
    both(lambda: c.full((2,), np.int8(7)), np.full(2, 7, np.int8))
    both(lambda: c.full((2, 2), c.array([1.0, 2.0])), host([[1, 2], [1, 2]], np.float32))
    both(lambda: c.empty((0, 3)), np.zeros((0, 3), np.float32))


def test_filled_like() -> None:
    x = np.arange(6, dtype=np.int16).reshape(2, 3)
    both(lambda: c.zeros_like(x), np.zeros_like(x))
    both(lambda: c.ones_like(c.asarray(x), float32), np.ones_like(x, np.float32))
    both(lambda: c.full_like(x, 7), np.full_like(x, 7))
    both(lambda: c.full_like(x, np.float64(2.5)), np.full_like(x, 2))
    both(lambda: c.empty_like(x, shape=(4,)), np.zeros(4, np.int16))
    both(lambda: c.zeros_like(1.0), np.zeros((), np.float32))
    with pytest.raises(DTypeError, match=r"the Python scalar 2\.5 has no value in int16"):
        c.full_like(x, 2.5)


def test_likeness_keeps_the_placement() -> None:
    mesh = vx.Mesh(data=2)
    x = vx.shard(c.ones((4, 3)), mesh, vx.P("data"))
    assert c.zeros_like(x).type is x.type
    assert c.full_like(x, 2.0).numpy().tolist() == [[2.0] * 3] * 4


def test_sizes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"zeros: the size -1 in \(2, -1\) is negative"):
        c.zeros((2, -1))
    with pytest.raises(ShapeError, match=r"ones: a size is an int, got 2.5"):
        c.ones(2.5)  # type: ignore[call-overload]
    equal(c.zeros((np.int64(2),)), np.zeros(2, np.float32))


def test_symbolic_sizes() -> None:
    n = dim("n")

    def f(x: Any) -> Any:
        return c.zeros((x.shape[0], 2)), c.arange(x.shape[0]), c.eye(x.shape[0]), x * x.shape[0]

    _, tree = flatten((0,))
    program = stage(f, tree, [ArrayType((n,), float32)], what="test").program
    assert [str(t) for t in program.out_types] == [
        "float32[n,2]",
        "int32[n]",
        "float32[n,n]",
        "float32[n]",
    ]


def test_inside_a_function_everything_is_staged() -> None:
    text = str(jit(lambda x: x + c.ones((2,)) + c.arange(2)).stage(spec((2,))))
    assert "constant" in text
    assert "iota" in text
    assert text.splitlines()[0] == "(%0: float32[2]) {"


# ranges


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-4, 4).filter(bool))
def test_arange_of_integers(start: int, stop: int, step: int) -> None:
    equal(c.arange(start, stop, step), np.arange(start, stop, step).astype(np.int32))


def test_arange() -> None:
    both(lambda: c.arange(5), np.arange(5, dtype=np.int32))
    both(lambda: c.arange(2, 9, 3), host([2, 5, 8], np.int32))
    both(lambda: c.arange(9, 2, -3), host([9, 6, 3], np.int32))
    both(lambda: c.arange(0.0, 1.0, 0.25), host([0, 0.25, 0.5, 0.75], np.float32))
    both(lambda: c.arange(3, dtype=float64), np.arange(3.0))
    both(lambda: c.arange(0), np.arange(0, dtype=np.int32))
    both(lambda: c.arange(np.int64(2), 4), np.array([2, 3]).astype(np.int32))
    equal(c.iota(3), host([0, 1, 2], np.int32))
    with pytest.raises(ShapeError, match="arange: the step is 0"):
        c.arange(0, 5, 0)
    with pytest.raises(DTypeError, match="arange has no values in bool"):
        c.arange(True, dtype=bool)


def test_linspace() -> None:
    both(lambda: c.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype=np.float32))
    both(lambda: c.linspace(-1.0, 3.0, 7), np.linspace(-1, 3, 7, dtype=np.float32))
    both(
        lambda: c.linspace(0.0, 1.0, 4, endpoint=False),
        np.linspace(0, 1, 4, endpoint=False, dtype=np.float32),
    )
    both(lambda: c.linspace(0, 10, 3, dtype=int32), host([0, 5, 10], np.int32))
    both(lambda: c.linspace(2.0, 3.0, 1), host([2], np.float32))
    both(lambda: c.linspace(2.0, 3.0, 0), np.zeros(0, np.float32))
    start, stop = np.array([0.0, 1.0]), np.array([[10.0], [20.0]])
    both(
        lambda: c.linspace(start, stop, 4),
        np.linspace(start * np.ones((2, 1)), stop * np.ones(2), 4),
    )
    assert c.linspace(c.array(0.1), c.array(0.7), 9)[-1].item() == np.float32(0.7)
    with pytest.raises(ShapeError, match="number of samples -1 is negative"):
        c.linspace(0, 1, -1)


def test_logspace() -> None:
    both(lambda: c.logspace(0.0, 2.0, 3), host([1, 10, 100], np.float32))
    both(lambda: c.logspace(0.0, 3.0, 4, base=2.0, dtype=int32), host([1, 2, 4, 8], np.int32))
    powers = c.logspace(0.0, 1.0, 5, dtype=float64).numpy()
    np.testing.assert_allclose(powers, np.logspace(0, 1, 5), rtol=1e-14)


# diagonals, triangles, grids, classes


@given(st.integers(0, 4), st.integers(0, 4), st.integers(-3, 3))
def test_eye_tri_and_diagonals(n: int, m: int, k: int) -> None:
    equal(c.eye(n, m, k=k), np.eye(n, m, k, np.float32))
    equal(c.tri(n, m, k), np.tri(n, m, k, np.float32))
    equal(c.diag(c.arange(n), k), np.diag(np.arange(n, dtype=np.int32), k))


def test_matrices_of_fixed_size() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)

    def ours() -> list[Any]:
        y = c.asarray(x)
        out: list[Any] = []
        for k in (-2, 0, 1):
            out += [c.eye(3, 4, k=k), c.tri(3, 4, k), c.tril(y, k=k), c.triu(y, k=k)]
            out += [c.diag(y[0], k), c.diag(y[0, 0], k)]
        return out

    theirs: list[Any] = []
    for k in (-2, 0, 1):
        theirs += [np.eye(3, 4, k, np.float32), np.tri(3, 4, k, np.float32)]
        theirs += [np.tril(x, k), np.triu(x, k), np.diag(x[0], k), np.diag(x[0, 0], k)]
    for eager, staged, wanted in zip(ours(), jit(ours)(), theirs, strict=True):
        equal(eager, wanted)
        equal(staged, wanted)
    equal(c.identity(2, int32), np.eye(2, dtype=np.int32))
    with pytest.raises(ShapeError, match=r"tril takes matrices .*, got float32\[3\]"):
        c.tril(c.ones((3,)))
    with pytest.raises(ShapeError, match=r"diag takes a vector or a matrix, got float32\[1,1,1\]"):
        c.diag(c.ones((1, 1, 1)))


def test_meshgrid() -> None:
    xs = np.arange(2.0), np.arange(3), np.arange(4)
    for indexing in ("xy", "ij"):
        for n in (1, 2, 3):
            got = c.meshgrid(*xs[:n], indexing=indexing)
            wanted = np.meshgrid(*xs[:n], indexing=indexing)
            for a, b in zip(got, wanted, strict=True):
                equal(a, b)
    with pytest.raises(ShapeError, match="indexing is 'x', which is unknown"):
        c.meshgrid(xs[0], indexing="x")


def test_one_hot() -> None:
    x = np.array([[0, 2], [3, -1]])
    rows = np.concatenate([np.eye(3), np.zeros((2, 3))])[x]
    both(lambda: c.one_hot(x, 3), rows.astype(np.float32))
    both(lambda: c.one_hot(x, 3, axis=0, dtype=int32), np.moveaxis(rows, -1, 0).astype(np.int32))
    both(lambda: c.one_hot(host([200], np.uint8), 3), np.zeros((1, 3), np.float32))
    with pytest.raises(DTypeError, match=r"one_hot takes integer classes, got float32\[2\]"):
        c.one_hot(c.ones((2,)), 3)
    with pytest.raises(ShapeError, match=r"one_hot: axis 3 is out of range for int64\[2,2\]"):
        c.one_hot(x, 3, axis=3)
