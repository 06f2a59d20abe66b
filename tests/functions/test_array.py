"""Array: operators and methods are the functions, how it prints, and what it refuses."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax.compiler.ir.errors import ConcretizationError, DTypeError, ImmutableError, ShapeError
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.dsl.lang.array import Array
from verax.dsl.lang.creation import arange, array, asarray, ones, zeros
from verax.dsl.lang.dtypes import bool_, float16, float32, int32
from verax.dsl.lang.jit import jit
from verax.dsl.lang.stage import stage
from verax.dsl.lang.treedef import flatten

Op = Callable[[Any, Any], Any]

X = np.array([[1.5, -2.0], [3.0, 0.25]])
Y = np.array([[2.0, 0.5], [-1.0, 4.0]])
K, J = np.array([5, 12, 7]), np.array([1, 2, 3])

FLOATS: list[Op] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.matmul,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
INTS: list[Op] = [
    operator.and_,
    operator.or_,
    operator.xor,
    operator.lshift,
    operator.rshift,
    operator.floordiv,
    operator.mod,
    operator.pow,
]


# operators


def test_operators_are_numpys() -> None:
    def all_of(x: Any, y: Any, i: Any, j: Any) -> list[Any]:
        return [*[f(x, y) for f in FLOATS], *[f(i, j) for f in INTS], -x, +x, abs(x), ~i]

    got = jit(all_of)(X, Y, K, J)
    for a, b in zip(got, all_of(X, Y, K, J), strict=True):
        np.testing.assert_allclose(a.numpy(), b, 1e-12)


def test_reflected_operators_are_numpys() -> None:
    def all_of(x: Any, i: Any) -> list[Any]:
        floats = [f(2.0, x) for f in FLOATS if f is not operator.matmul]
        return [*floats, *[f(2, i) for f in INTS], 2.0 ** abs(x)]

    got = jit(all_of)(X, J)
    for a, b in zip(got, all_of(X, J), strict=True):
        np.testing.assert_allclose(a.numpy(), b, 1e-12)


def test_numpy_on_the_left() -> None:
    x = asarray(Y)
    for f in (operator.add, operator.sub, operator.matmul, operator.lt):
        got = f(X, x)
        assert isinstance(got, Array)
        np.testing.assert_allclose(got.numpy(), f(X, Y))
    assert isinstance(np.float32(2) * x, Array)


def test_divmod_and_round() -> None:
    q, r = divmod(asarray(X), 0.5)
    np.testing.assert_allclose(q.numpy(), X // 0.5)
    np.testing.assert_allclose(r.numpy(), X % 0.5)
    q, r = divmod(7, asarray(J))
    assert q.tolist() == (7 // J).tolist()
    np.testing.assert_allclose(round(asarray(X), 1).numpy(), np.round(X, 1))


def test_augmented_assignment_binds_anew() -> None:
    x = y = ones((2,))
    x += 1
    x *= 3
    assert x.tolist() == [6, 6]
    assert y.tolist() == [1, 1]


def test_equality_is_elementwise_so_there_is_no_hash() -> None:
    x = ones((2,))
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    assert (x == x).tolist() == [True, True]
    assert (x == "a") is False
    assert x != None  # noqa: E711
    assert 1 in x
    assert 2 not in x


# methods


METHODS: list[Callable[[Any], Any]] = [
    lambda x: x.T,
    lambda x: x.mT,
    lambda x: x.real,
    lambda x: x.sum(),
    lambda x: x.sum(0),
    lambda x: x.sum(axis=1, keepdims=True),
    lambda x: x.prod(-1),
    lambda x: x.mean(),
    lambda x: x.var(),
    lambda x: x.std(0),
    lambda x: x.max(0),
    lambda x: x.min(),
    lambda x: x.argmax(1),
    lambda x: x.argmin(),
    lambda x: (x > 0).any(0),
    lambda x: (x > 0).all(),
    lambda x: x.cumsum(1),
    lambda x: x.cumprod(0),
    lambda x: x.reshape(4),
    lambda x: x.reshape(1, -1),
    lambda x: x.reshape((4, 1)),
    lambda x: x.transpose(),
    lambda x: x.transpose(1, 0),
    lambda x: x.transpose((0, 1)),
    lambda x: x.swapaxes(0, 1),
    lambda x: x.reshape(1, 2, 2).squeeze(),
    lambda x: x.ravel(),
    lambda x: x.flatten(),
    lambda x: x.clip(0, 1),
    lambda x: x.round(1),
    lambda x: x.conj(),
    lambda x: x.dot(x),
    lambda x: x.copy(),
    lambda x: x[0],
    lambda x: x[:, 1],
]


def test_methods_are_numpys() -> None:
    got = jit(lambda x: [f(x) for f in METHODS])(X)
    for f, y in zip(METHODS, got, strict=True):
        wanted = np.asarray(f(X))
        assert y.shape == wanted.shape
        np.testing.assert_allclose(y.numpy(), wanted, 1e-12)


def test_attributes() -> None:
    x = zeros((2, 3), float16)
    assert (x.shape, x.ndim, x.size, x.dtype, x.nbytes, x.itemsize) == (
        (2, 3),
        2,
        6,
        float16,
        12,
        2,
    )
    assert len(x) == 2
    assert x.astype(int32).dtype is int32
    assert x.sharding is None
    assert x.block_until_ready() is x
    with pytest.raises(ShapeError, match=r"float32\[\] has no length"):
        len(ones(()))


def test_iteration() -> None:
    x = asarray(X)
    assert [row.tolist() for row in x] == X.tolist()
    _, b = x
    assert b.tolist() == X[1].tolist()
    assert jit(lambda x: sum(row for row in x))(X).tolist() == X.sum(0).tolist()
    assert [int(i) for i in arange(40)] == list(range(40))
    with pytest.raises(ShapeError, match="no length"):
        iter(ones(()))


def test_python_scalars() -> None:
    x = array(2.5)
    assert (float(x), int(x), complex(x), bool(x)) == (2.5, 2, 2.5 + 0j, True)
    assert (x.item(), asarray(X).tolist()) == (2.5, X.tolist())
    assert [10, 20, 30][arange(3)[1]] == 20
    with pytest.raises(ShapeError, match=r"bool\(\) needs one element"):
        bool(ones((2,)))
    with pytest.raises(TypeError, match="only an integer scalar can be an index"):
        [1, 2][x]


def test_numpy_takes_arrays() -> None:
    x = asarray(X)
    np.testing.assert_array_equal(np.asarray(x), X)
    np.testing.assert_array_equal(np.asarray(x, np.float32), X.astype(np.float32))
    assert np.sum(X) == np.sum(np.asarray(x))


# mutation


def test_assignment_shows_what_to_write() -> None:
    x = zeros((3,))
    with pytest.raises(ImmutableError) as info:
        x[0] = 1
    assert info.value.message == "arrays never change: x[i] = v on float32[3]"
    assert info.value.fix == "x = x.at[i].set(v)"
    assert x.at[0].set(1).tolist() == [1, 0, 0]
    assert x.tolist() == [0, 0, 0]


# copies


def test_pickle_and_copy() -> None:
    x = asarray(X)
    y = pickle.loads(pickle.dumps(x))
    assert y.type is x.type
    np.testing.assert_array_equal(y.numpy(), X)
    assert copy.copy(x) is x
    assert copy.deepcopy([x])[0] is x
    z = pickle.loads(pickle.dumps(ones((2,), "bfloat16")))
    assert z.dtype.name == "bfloat16"


def test_pickle_keeps_the_placement() -> None:
    x = vx.shard(ones((4,)), vx.Mesh(data=2), vx.P("data"))
    assert pickle.loads(pickle.dumps(x)).type is x.type


# how it shows itself


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (lambda: array([1.0, 2.5]), "Array([1. , 2.5], dtype=float32)"),
        (lambda: array([[1, 2], [3, 4]]), "Array([[1, 2],\n       [3, 4]], dtype=int32)"),
        (lambda: array(True), "Array(True, dtype=bool)"),
        (lambda: ones((2,), "bfloat16"), "Array([1, 1], dtype=bfloat16)"),
        (lambda: zeros((0, 3)), "Array([], shape=(0, 3), dtype=float32)"),
        (
            lambda: vx.shard(ones((4,)), vx.Mesh(data=2), vx.P("data")),
            "Array([1., 1., 1., 1.], dtype=float32, spec=(data))",
        ),
    ],
)
def test_repr(x: Callable[[], Any], text: str) -> None:
    assert repr(x()) == text


def test_str_and_format() -> None:
    x = array(2.5)
    assert str(array([1.0, 2.5])) == "[1.  2.5]"
    assert f"{x:.3f} {x}" == "2.500 2.5"
    assert f"{array([1, 2])}" == "[1 2]"


def test_staged_arrays_show_type_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print(repr(x))
        print(f"{x}")
        return x

    jit(f)(ones((2,)))
    place = f"tests/functions/test_array.py:{f.__code__.co_firstlineno}"
    name = "test_staged_arrays_show_type_and_place.f"
    shown = f"Array(float32[2], staged in {name} ({place}))\n"
    assert capsys.readouterr().out == shown * 2


def test_staged_arrays_have_no_value() -> None:
    for ask in (lambda x: f"{x:.2f}", float, np.asarray, lambda x: x.tolist(), pickle.dumps):
        with pytest.raises(ConcretizationError):
            jit(lambda x, ask=ask: ask(x) and x)(ones(()))


def test_donated_arrays_say_so() -> None:
    x = ones((4,))
    jit(lambda x: x + 1, donate_argnums=0)(x)
    assert "float32[4]" in repr(x)


# staging


def test_symbolic_sizes_meet_arrays() -> None:
    n, m = dim("n"), dim("m")

    def f(x: Any) -> Any:
        return x.sum() / x.shape[0], x * x.size, x.shape[1] + 1 - x

    _, tree = flatten((0,))
    program = stage(f, tree, [ArrayType((n, m), float32)], what="test").program
    assert [str(t) for t in program.out_types] == ["float32[]", "float32[n,m]", "float32[n,m]"]


def test_operators_meet_sizes_that_python_knows() -> None:
    assert jit(lambda x: x / x.shape[0])(ones((4,))).tolist() == [0.25] * 4


def test_comparisons_are_boolean() -> None:
    assert (ones((2,)) > 0).dtype is bool_
    with pytest.raises(DTypeError):
        ones((2,), "uint8") < -1  # noqa: B015
