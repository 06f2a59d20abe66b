"""Integer division by zero: a defined value, also where XLA folds constants on the host."""

from __future__ import annotations

import pytest

import verax as vx

pytestmark = pytest.mark.optimized


def divided(x: vx.AnyArray, y: vx.AnyArray) -> tuple[vx.AnyArray, vx.AnyArray]:
    return x // y, vx.fmod(x, y)


@pytest.mark.parametrize(("dtype", "quotient"), [(vx.int32, None), (vx.uint8, 255)], ids=str)
def test_division_by_a_constant_zero(dtype: vx.DType, quotient: int | None) -> None:
    def operands() -> tuple[vx.AnyArray, vx.AnyArray]:
        return vx.full((2,), 5, dtype=dtype), vx.zeros((2,), dtype=dtype)

    folded = [x.tolist() for x in vx.jit(lambda: divided(*operands()))()]
    computed = [x.tolist() for x in divided(*operands())]
    assert folded == computed
    assert folded[1] == [5, 5]
    if quotient is not None:
        assert folded[0] == [quotient] * 2
