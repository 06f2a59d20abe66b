"""Narrow dtypes: what they hold, how they round and wrap, and that sums of them do not stall."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import verax as vx
from tests.functions.oracle import close, told

FLOATS = (vx.bfloat16, vx.float16, vx.float8_e4m3fn, vx.float8_e5m2)
LONG = {vx.bfloat16: 512, vx.float16: 4096, vx.float8_e4m3fn: 64, vx.float8_e5m2: 64}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_sums_are_accumulated_in_float32(dtype: Any) -> None:
    """Added one by one in the dtype itself, the sum would stay where 1 is less than half a step."""
    n = LONG[dtype]

    def all_of(row: Any, square: Any, i: Any) -> list[Any]:
        return [
            vx.sum(row),
            vx.dot(row, row),
            (square @ square.mT)[0, 0],
            (square @ row)[0],
            vx.einsum("ij->i", square)[0],
            vx.vecdot(row, row),
            vx.cumulative_sum(row)[-1],
            vx.zeros(2, dtype=dtype).at[i].add(row)[1],
            vx.segment_sum(row, i, 2)[1],
            vx.trapezoid(vx.concat([row, row[:1]])),
            vx.grad(lambda c: vx.sum((c + row).astype(vx.float32)))(row[0]),
        ]

    row, square = vx.ones(n, dtype=dtype), vx.ones((2, n), dtype=dtype)
    for y in vx.jit(all_of)(row, square, vx.ones(n, dtype=vx.int32)):
        assert (y.dtype, y.item()) == (dtype, n)
    assert vx.mean(row).item() == 1
    assert vx.std(row).item() == 0
    close(vx.sum(vx.softmax(row).astype(vx.float32)), 1.0)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_accumulation_can_be_chosen(dtype: Any) -> None:
    row, square = vx.ones(300, dtype=dtype), vx.ones((2, 300), dtype=dtype)
    exact = [
        vx.sum(row, dtype=vx.float32),
        vx.cumulative_sum(row, dtype=vx.float32)[-1],
        vx.matmul(square, row, out_dtype=vx.float32)[0],
        vx.dot(row, row, out_dtype=vx.float32),
        vx.einsum("i,i->", row, row, out_dtype=vx.float32),
    ]
    for y in exact:
        assert (y.dtype, y.item()) == (vx.float32, 300)
    assert vx.mean(row, dtype=vx.float32).dtype is vx.float32


def test_four_bits_wrap() -> None:
    x, y = np.array([7, -8, 3, -1], ml_dtypes.int4), np.array([1, -1, 5, 7], ml_dtypes.int4)
    for name in ("add", "subtract", "multiply"):
        got = np.asarray(getattr(vx, name)(x, y)).astype(np.int8)
        wide = getattr(np, name)(x.astype(np.int8), y.astype(np.int8))
        assert got.tolist() == ((wide + 8) % 16 - 8).tolist()
    u = vx.asarray(np.array([15, 0, 9], ml_dtypes.uint4))
    assert (u + u).astype(vx.int32).tolist() == [14, 0, 2]
    assert vx.sort(u).astype(vx.int32).tolist() == [0, 9, 15]
    assert vx.max(vx.asarray(x)).astype(vx.int32).item() == 7
    assert vx.sum(vx.asarray(x)).dtype is vx.int32


def test_eight_bits_of_a_float() -> None:
    x = vx.asarray(np.array([1.0, 300, 448, -448], np.float32)).astype(vx.float8_e4m3fn)
    assert x.astype(vx.float32).tolist() == [1, 288, 448, -448]
    assert np.isnan(np.asarray((x + x).astype(vx.float32))).tolist() == [False, True, True, True]
    assert vx.max(x).item() == 448
    assert vx.cummin(x)[-1].item() == -448
    assert vx.sum(x[:0]).item() == 0
    y = vx.asarray(np.array([57344, 1.0], np.float32)).astype(vx.float8_e5m2)
    assert (y + y).astype(vx.float32).tolist() == [float("inf"), 2]
    sorted_ = vx.sort(vx.asarray(np.array([np.nan, 2, -1, -0.0], ml_dtypes.float8_e5m2)))
    np.testing.assert_array_equal(np.asarray(sorted_).astype("f4"), [-1, 0, 2, np.nan])


def test_storage_dtypes_meet_themselves_only() -> None:
    x = vx.ones(2, dtype=vx.float8_e5m2)
    assert told(lambda: x + vx.ones(2)) == (
        "[verax-dtype] add: float8_e5m2 and float32 have no common dtype: float8_e5m2 promotes"
        " with itself, bool and Python scalars only\n  fix: convert one of them:"
        " x.astype(vx.float32)"
    )
