"""Calls on described arguments: what is open in them stays open in what they give, and no more.

Law: filling in the open parts of a result gives what the call gives on filled arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import verax as vx
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.typing.described import (
    ANY_SHAPE,
    Number,
    Open,
    Rest,
    SomeDType,
    Undecided,
    is_unknown,
    unknown_size,
)
from verax.dsl.typing.evaluate import call

B, F, H = dim("Batch"), dim("Feat"), dim("Hidden")


def f32(*shape: Any) -> ArrayType:
    return ArrayType(shape, vx.float32)


X, W = f32(B, F), f32(F, H)
ROWS = Open(vx.float32, (Rest("Ds"), F))
ANYTHING = Open(SomeDType(""), ANY_SHAPE)
OF_ANY_DTYPE = Open(SomeDType("D"), (B, F))

RANKS: list[Callable[..., Any]] = [
    vx.tanh,
    vx.softmax,
    lambda x: x @ vx.zeros((x.shape[-1], 3)),
    lambda x: x.sum(axis=-1),
    vx.mean,
    lambda x: x[..., 1:],
    lambda x: x[..., None],
    lambda x: x > 0,
    lambda x: vx.concat([x, x], axis=-1),
    lambda x: (x, x.argmax(axis=-1)),
    lambda x: {"a": x.astype(vx.bfloat16)},
]


def filled(x: Any, shape: tuple[Any, ...]) -> Any:
    """A result with these dims in place of ``*Ds``."""
    if isinstance(x, Open):
        dims = [n for d in x.dims for n in (shape if isinstance(d, Rest) else (d,))]
        return ArrayType(tuple(dims), x.dtype)  # type: ignore[arg-type]
    if isinstance(x, tuple):
        return tuple([filled(y, shape) for y in x])
    if isinstance(x, dict):
        return {k: filled(y, shape) for k, y in x.items()}
    return x


@pytest.mark.parametrize("f", RANKS, ids=range(len(RANKS)))
@pytest.mark.parametrize("shape", [(), (B,), (2, B), (B, H, 5, 7)], ids=str)
def test_open_ranks(f: Callable[..., Any], shape: tuple[Any, ...]) -> None:
    assert filled(call(f, (ROWS,), {}), shape) == call(f, (f32(*shape, F),), {})


def test_ranks_that_are_not_followed_are_open() -> None:
    assert call(lambda x: x.T, (ROWS,), {}) == Open(vx.float32, ANY_SHAPE)
    (size,) = call(lambda x: x.ravel(), (ROWS,), {}).shape
    assert is_unknown(size)


def test_open_dtypes() -> None:
    assert call(lambda x: x[0], (OF_ANY_DTYPE,), {}) == Open(SomeDType("D"), (F,))
    assert call(lambda x: x > 0, (OF_ANY_DTYPE,), {}) == ArrayType((B, F), vx.bool_)
    assert call(vx.tanh, (OF_ANY_DTYPE,), {}) == Open(SomeDType(""), (B, F))
    assert call(lambda x: x.dtype, (X,), {}) is vx.float32


def test_what_is_not_known_gives_nothing_precise() -> None:
    assert call(lambda x, y: x + y, (X, ANYTHING), {}).dims == ANY_SHAPE
    assert call(vx.mean, (Open(vx.float32, ANY_SHAPE),), {}) == f32()
    assert call(vx.zeros, ((3, Number(int)),), {}).shape[0] == 3


def test_sizes_that_are_not_known_may_be_equal_to_others() -> None:
    assert call(lambda x, y: x + y, (f32(unknown_size(0), F), X), {}) == X
    assert call(vx.matmul, (f32(B, unknown_size(0)), W), {}) == f32(B, H)
    shape = call(lambda x: x * 2, (f32(unknown_size(0)),), {}).shape
    assert is_unknown(shape[0])


def test_numbers() -> None:
    assert call(lambda x, s: x * s, (X, Number(float)), {}) == X
    assert call(lambda x, i: x[i], (X, Number(int)), {}) == f32(F)
    assert call(lambda a, b: a + b, (Number(int), Number(float)), {}) == Number(float)


def test_keys_of_unknown_shape() -> None:
    key = Open(None, ANY_SHAPE)
    assert call(vx.random.normal, (key, (3, 4)), {}) == f32(3, 4)
    one = KeyType("threefry2x32", ())
    assert call(vx.random.split, (one, B), {}) == KeyType("threefry2x32", (B,))


def test_errors_come_only_where_every_case_fails() -> None:
    with pytest.raises(vx.ShapeError, match="Feat"):
        call(vx.matmul, (ROWS, f32(H, F)), {})
    with pytest.raises(vx.DTypeError, match="different dtypes"):
        call(lambda x, y: x + y, (X, ArrayType((B, F), vx.bfloat16)), {})
    with pytest.raises(Undecided):
        call(lambda x: vx.split(x, 2), (X,), {})
    with pytest.raises(Undecided):
        call(lambda x, y: x + y, (f32(unknown_size(0), B), f32(H, F)), {})
    with pytest.raises(Undecided, match="KeyError"):
        call(lambda x: {"b": x}["a"], (X,), {})


def test_calls_that_do_not_end() -> None:
    def forever(x: Any) -> Any:
        return forever(x)

    with pytest.raises(Undecided, match="does not end"):
        call(forever, (X,), {})
