"""Calls of jitted functions that disagree with annotations: whole messages in declared.txt.

UPDATE_GOLDEN=1 writes the file anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar, TypeVarTuple

import numpy as np
import pytest

import verax as vx
from verax import F32, I32, P
from verax.dsl.lang.checked import Checked
from verax.dsl.lang.typing import Add, Mul, Scalar, Sharded

GOLDEN = Path(__file__).parent / "declared.txt"
MESH = vx.Mesh(data=2, model=2)
Data: TypeAlias = Literal["data"]
N = TypeVar("N", bound=vx.AnyDim)
I = TypeVar("I", bound=vx.AnyDim)  # noqa: E741
O = TypeVar("O", bound=vx.AnyDim)  # noqa: E741
Ds = TypeVarTuple("Ds")
Kind = TypeVar("Kind", bound=Scalar)
Float = TypeVar("Float", vx.float32, vx.float64)


def jit(f: Callable[..., Any], **options: Any) -> Any:
    """``vx.jit``, whose mistakes no checker sees: they are made on purpose."""
    return vx.jit(f, **options)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hidden(vx.Dim): ...


@vx.struct
class Linear(Generic[I, O]):
    w: F32[I, O]
    b: F32[O] | None


@vx.struct
class MLP:
    up: Linear[Feat, Hidden]
    down: Linear[Hidden, Feat]

    @vx.jit
    def __call__(self, x: F32[Batch, Feat]) -> F32[Batch, Feat]:
        return vx.tanh(x @ self.up.w) @ self.down.w


class Pair(NamedTuple):
    x: F32[Batch]
    y: F32[Batch]


def layer(n: int, m: int) -> Linear[Any, Any]:
    return Linear(vx.ones((n, m)), None)


@jit
def loss(w: F32[Feat], x: F32[Batch, Feat], y: F32[Batch], rate: F32[()] = 0.1) -> F32[()]:  # type: ignore[assignment]
    return vx.mean((x @ w - y) ** 2) * rate


@jit
def wrong_result(x: F32[Batch, Feat]) -> F32[Batch]:
    return vx.sum(x, axis=0)


@jit
def wrong_result_dtype(x: F32[Batch]) -> tuple[F32[()], I32[()]]:
    y: Any = vx.mean(x)
    return vx.sum(x), y


@jit
def literal(x: F32[Batch, Literal[128]]) -> F32[Batch]:
    return vx.sum(x, axis=1)


@jit
def arithmetic(x: F32[N], y: F32[Add[N, Literal[1]]], z: F32[Mul[N, Literal[2]]]) -> F32[N]:
    return x + y[1:] + z[::2]


@jit
def halves(x: F32[Mul[N, Literal[2]]]) -> F32[Mul[N, Literal[2]]]:
    return x


@jit
def segment(x: F32[*Ds, Feat], y: F32[*Ds]) -> F32[*Ds]:
    return vx.sum(x, axis=-1) + y


@jit
def one_dtype(x: vx.Array[Kind, N], y: vx.Array[Kind, N]) -> vx.Array[Kind, N]:
    return x + y


@jit
def floats(x: vx.Array[Float, N]) -> vx.Array[Float, N]:
    return x


@jit
def cut(x: F32[Sharded[Batch, Data], Feat]) -> F32[Batch]:
    return vx.sum(x, axis=1)


@jit
def sampled(key: vx.random.Key, x: F32[Batch]) -> F32[Batch]:
    return x + vx.random.normal(key, (1,))


@jit
def each_key(keys: vx.random.Key[Batch], x: F32[Batch, Feat]) -> F32[Batch]:
    noise: F32[Batch] = vx.vmap(vx.random.normal)(keys)
    return noise + x[:, 0]


@jit
def one_key(key: vx.random.Key[()], *more: vx.random.Key[*Ds, N]) -> vx.random.Key[N]:
    return vx.random.split(key, more[0].shape[-1])


@jit
def containers(pair: Pair, rows: list[F32[Batch]], named: dict[str, F32[Batch]]) -> F32[Batch]:
    return pair.x + pair.y + rows[0] + named["a"]


@jit
def rest(first: F32[Batch], *more: F32[Batch], **named: F32[Batch]) -> F32[Batch]:
    return first


class Scaler:
    """A plain class with a jitted method and a static argument."""

    @staticmethod
    def scale(n: int, x: F32[Batch], y: F32[Batch]) -> F32[Batch]:
        return x * n + y


static = jit(Scaler.scale, static_argnums=0)


def outer(x: F32[Batch, Feat]) -> Any:
    return loss(x[0], x, x[:, 0])


W: Any
X: Any
Y: Any
W, X, Y = vx.ones((3,)), vx.ones((32, 3)), vx.ones((32,))
KEY: Any = vx.random.key(0)
KEYS: Any = vx.random.split(KEY, 3)

CASES: dict[str, Callable[[], Any]] = {
    "name": lambda: loss(W, X, vx.ones((16,))),
    "name, by keyword": lambda: loss(W, y=vx.ones((16,)), x=X),
    "transposed": lambda: loss(W, X.T, Y),
    "rank": lambda: loss(W, vx.ones((32, 3, 1)), Y),
    "dtype": lambda: loss(W, X, Y.astype(vx.float16)),
    "dtype of a NumPy array": lambda: loss(W, X, np.ones(32)),
    "dtype and sizes": lambda: loss(W, vx.ones((32, 4)), Y.astype(vx.int32)),
    "complex number": lambda: loss(W, X, Y, 1j),
    "tuple for an array": lambda: loss((W,), X, Y),
    "None for an array": lambda: loss(W, X, None),
    "literal": lambda: literal(X),
    "sum of dims": lambda: arithmetic(vx.ones((3,)), vx.ones((5,)), vx.ones((6,))),
    "no such name": lambda: halves(vx.ones((7,))),
    "segment": lambda: segment(vx.ones((2, 3, 4)), vx.ones((2, 2))),
    "segment, too few": lambda: segment(vx.asarray(1.0), vx.ones((2, 2))),
    "one dtype": lambda: one_dtype(W, W.astype(vx.int32)),
    "one of some dtypes": lambda: floats(W.astype(vx.int32)),
    "not cut": lambda: cut(vx.ones((4, 2))),
    "cut elsewhere": lambda: cut(vx.shard(vx.ones((4, 2)), MESH, P(None, "data"))),
    "cut by another axis": lambda: cut(vx.shard(vx.ones((4, 2)), MESH, P("model"))),
    "no key": lambda: sampled(vx.ones((2,)), W),
    "keys by name": lambda: each_key(KEYS, X),
    "array for keys": lambda: each_key(Y, X),
    "one key for keys": lambda: each_key(KEY, X),
    "keys for one key": lambda: one_key(KEYS, KEYS),
    "no keys": lambda: one_key(KEY, KEY),
    "segments of keys": lambda: one_key(KEY, KEYS, KEYS.reshape(1, 3), KEYS),
    "key for an array": lambda: sampled(vx.random.key(0), vx.random.key(1)),
    "named tuple": lambda: containers(Pair(W, Y), [W], {"a": W}),
    "items": lambda: containers(Pair(W, W), [W, Y], {"a": W, "b": Y}),
    "struct": lambda: MLP(layer(3, 8), layer(7, 3))(X),
    "struct and argument": lambda: MLP(layer(4, 8), layer(8, 4))(X),
    "rest": lambda: rest(W, W, Y, x=Y),
    "static": lambda: static(2, W, Y),
    "result": lambda: wrong_result(X),
    "result dtype": lambda: wrong_result_dtype(W),
    "stage": lambda: loss.stage(vx.spec((3,)), vx.spec((32, 4)), vx.spec((32,))),
    "lower": lambda: wrong_result.lower(vx.spec((32, 3))),
    "compile": lambda: loss.compile(W, X, vx.ones((16,))),
    "inside another function": lambda: vx.jit(outer)(X.T[:, :2]) + vx.jit(
        lambda x: loss(x[0], x, x[0])
    )(X),
}  # fmt: skip


def message(make: Callable[[], Any]) -> str:
    """The whole message, with line numbers masked and paths cut to the file's name."""
    with pytest.raises(vx.VeraxError) as error:
        make()
    return re.sub(r"[\w/.-]*?(\w+\.py):\d+", r"\1:LINE", str(error.value))


def read() -> dict[str, str]:
    if not GOLDEN.exists():
        return {}
    parts = re.split(r"^== (.*)\n", GOLDEN.read_text(), flags=re.M)[1:]
    return {name: text.rstrip("\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}


if os.environ.get("UPDATE_GOLDEN"):
    GOLDEN.write_text("".join(f"== {name}\n{message(make)}\n\n" for name, make in CASES.items()))
WANTED = read()


@pytest.mark.parametrize("name", CASES)
def test_message(name: str) -> None:
    assert message(CASES[name]) == WANTED.get(name)


def test_what_fits() -> None:
    assert float(loss(W, X, Y)) > 0
    assert float(loss(np.ones(3, np.float32), X, Y, 1)) > 0
    assert float(loss(W, X, Y, rate=True)) > 0
    assert arithmetic(vx.ones((3,)), vx.ones((4,)), vx.ones((6,))).shape == (3,)
    assert segment(vx.ones((2, 3, 4)), vx.ones((2, 3))).shape == (2, 3)
    assert segment(vx.ones((4,)), vx.asarray(1.0)).shape == ()
    assert cut(vx.shard(vx.ones((4, 2)), MESH, P("data"))).shape == (4,)
    assert MLP(layer(3, 8), layer(8, 3))(X).shape == (32, 3)
    assert containers(Pair(W, W), [W], {"a": W}).shape == (3,)
    assert rest(W, W, z=W).shape == (3,)
    assert each_key(KEYS, X.T).shape == (3,)
    assert one_key(vx.random.key(1), KEYS, KEYS).shape == (3,)
    assert vx.vmap(loss, in_axes=(None, 0, 0))(W, vx.ones((5, 32, 3)), vx.ones((5, 32))).shape == (
        5,
    )
    assert vx.grad(loss)(W, X, Y).shape == (3,)


def test_what_says_nothing_is_not_checked() -> None:
    @vx.jit
    def f(x: Any, y, z: Missing, t: F32[Batch]) -> Any:  # type: ignore[no-untyped-def,name-defined]  # noqa: F821
        return x

    assert f(W, Y, X, W).shape == (3,)
    with pytest.raises(vx.ShapeError):
        f(W, Y, X, X)


def test_a_wrapper_is_not_what_it_wraps() -> None:
    def row(w: F32[Feat], x: F32[Feat]) -> F32[()]:
        return vx.sum(w * x)

    assert vx.jit(vx.vmap(row, in_axes=(None, 0)))(W, X).shape == (32,)


def test_checked_once_per_types(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = Checked.call

    def counting(self: Checked, *args: Any) -> Any:
        calls.append(1)
        return real(self, *args)

    monkeypatch.setattr(Checked, "call", counting)

    @vx.jit
    def f(x: F32[Batch]) -> F32[Batch]:
        return x * 2.0

    for x in (W, W, W, Y, Y, W):
        f(x)
    assert len(calls) == 2
