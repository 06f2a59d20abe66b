"""Complex numbers: every op that takes them meets them in the laws, and the page tells no lie."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import cast

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.laws.harness import Case, Sample, samples
from tests.laws.laws import SMOOTH
from tests.laws.test_laws import CASES
from verax.compiler.ir.dtypes import complex64, complex128
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.types import ArrayType, Type

PAGE = Path(__file__).resolve().parents[2] / "docs" / "complex.md"
DIFFERENTIABLE = [case for case in CASES if case.derivative]


def drawn(case: Case) -> list[Sample]:
    """Samples of the derivative laws, the dtypes in turn."""
    out: list[Sample] = []

    @settings(max_examples=1, phases=[Phase.generate])
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        out.extend(samples(case, SMOOTH, data.draw, 1, turn)[0] for turn in range(4))

    draw()
    return out


def as_complex(t: Type) -> Type:
    return ArrayType(t.shape, complex64) if isinstance(t, ArrayType) and t.dtype.is_float else t


def takes_complex(s: Sample) -> bool:
    try:
        s.op.infer(tuple(map(as_complex, s.types)))
    except (DTypeError, ShapeError):
        return False
    return True


@pytest.mark.parametrize("name", sorted({n for case in DIFFERENTIABLE for n in case.covers}))
def test_complex_operands_meet_the_derivative_laws(name: str) -> None:
    cases = [case for case in DIFFERENTIABLE if name in case.covers]
    some = [s for case in cases for s in drawn(case) if s.inexact]
    if any(map(takes_complex, some)):
        assert complex128 in {cast(ArrayType, s.types[i]).dtype for s in some for i in s.inexact}


def test_the_page_runs() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 8
    assert result.failed == 0
