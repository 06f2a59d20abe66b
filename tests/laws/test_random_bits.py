"""Threefry against Random123's vectors, and how it is written: once per module and shape."""

from __future__ import annotations

import numpy as np
import pytest

from tests.laws.harness import Array, program_of, run, type_of
from verax.compiler.backend.emit import module
from verax.compiler.ir.dtypes import float32, int32, uint32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops.random import KeyData, KeyWrap, Threefry

VECTORS = (  # key, counter, result: tests/kat_vectors of Random123
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
)


def threefry(k0: Array, k1: Array, x0: Array, x1: Array) -> list[Array]:
    operands = [np.asarray(x, np.uint32) for x in (k0, k1, x0, x1)]
    return run(program_of(Threefry(), [type_of(x) for x in operands]), operands)


@pytest.mark.parametrize(("key", "counter", "want"), VECTORS)
def test_known_vectors(
    key: tuple[int, int], counter: tuple[int, int], want: tuple[int, int]
) -> None:
    got = threefry(*map(np.array, (*key, *counter)))
    assert [int(y) for y in got] == list(want)


def test_bits_of_jax() -> None:
    """``jax.extend.random.threefry_2x32([0, 42], arange(8))``, which halves the counter."""
    x0, x1 = np.arange(8).reshape(2, 4)
    got = np.concatenate(threefry(np.full(4, 0), np.full(4, 42), x0, x1))
    want = "b013aee3 997e0266 43e44385 3dbc1e1f c34eddf6 48ebcd9f 0a56f817 00d226af"
    assert " ".join(f"{int(y):08x}" for y in got) == want


def test_one_function_per_shape() -> None:
    b = Builder()
    small, large = ArrayType((4,), uint32), ArrayType((8,), uint32)
    xs, ys = [b.input(small) for _ in range(4)], [b.input(large) for _ in range(4)]
    first = b.emit_all(Threefry(), *xs)
    again = b.emit_all(Threefry(), *xs[:2], *first)
    other = b.emit_all(Threefry(), *ys)
    text = module(b.finish([*again, *other])).text
    assert text.count("func.func private @threefry2x32") == 2
    assert text.count("call @threefry2x32") == 3
    assert text.count("stablehlo.shift_left ") == 2 * 20


def test_refusals() -> None:
    u, i = ArrayType((4,), uint32), ArrayType((4,), int32)
    with pytest.raises(DTypeError, match="threefry takes uint32, got uint32, int32, uint32, uint3"):
        Threefry().infer((u, i, u, u))
    with pytest.raises(ShapeError, match=r"threefry takes 4 operands \(k0, k1, x0, x1\), got 2"):
        Threefry().infer((u, u))
    with pytest.raises(DTypeError, match=r"key_data takes a key, got uint32\[4\]"):
        KeyData().infer((u,))
    with pytest.raises(
        DTypeError,
        match=r"key_wrap takes uint32 with 2 words in the last dimension, got float32\[2\]",
    ):
        KeyWrap("threefry2x32").infer((ArrayType((2,), float32),))


def test_keys_are_their_words() -> None:
    key = KeyType("threefry2x32", (3,))
    assert KeyData().infer((key,)) == (ArrayType((3, 2), uint32),)
    assert KeyWrap("threefry2x32").infer((key.physical,)) == (key,)
