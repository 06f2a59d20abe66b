"""Integer division by zero: a defined value, also where XLA folds constants on the host."""

from __future__ import annotations

import pytest

import verax as vx


@pytest.mark.parametrize(("dtype", "ones"), [(vx.int32, -1), (vx.uint8, 255)])
def test_division_by_a_constant_zero(dtype: vx.DType, ones: int) -> None:
    def divide() -> tuple[vx.AnyArray, vx.AnyArray]:
        x, zero = vx.full((2,), 5, dtype=dtype), vx.zeros((2,), dtype=dtype)
        return x // zero, vx.fmod(x, zero)

    quotient, remainder = vx.jit(divide)()
    x, zero = vx.full((2,), 5, dtype=dtype), vx.zeros((2,), dtype=dtype)
    assert quotient.tolist() == (x // zero).tolist()
    assert remainder.tolist() == vx.fmod(x, zero).tolist() == [5, 5]
    if dtype is vx.uint8:
        assert quotient.tolist() == [ones, ones]
