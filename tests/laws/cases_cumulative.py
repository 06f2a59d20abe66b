"""Cases of running results and of linear recurrences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.laws.cases_structural import EDGES, NUMBERS, ORDERABLE
from tests.laws.harness import Array, Case, Gen, Sample, widened
from verax.compiler.ir.dtypes import DType, bfloat16, float16, float32, float64
from verax.compiler.ir.op import Op
from verax.compiler.ops.cumulative import Cumulative, Recurrence


def running(kind: str, dtypes: tuple[DType, ...], of: Callable[..., Any]) -> Case:
    extreme = kind in ("max", "min")

    def make(g: Gen) -> Sample:
        shape, dtype = g.shape(g.integer(1, 3)), g.dtype(dtypes)
        low, high = (0.5, 2) if kind == "mul" and dtype.is_inexact else (None, None)
        special = EDGES if extreme and dtype.is_float else ()
        op = Cumulative(g.integer(0, len(shape) - 1), g.flag(), kind)
        return Sample(op, [g.array(shape, dtype, low, high, special=special)])

    def reference(op: Op, x: Array) -> Any:
        assert isinstance(op, Cumulative)
        return travelled(op, lambda x: of(widened(x), op.axis), x)

    name = f"cumulative {kind}"
    return Case(name, make, reference, covers=("cumulative",), ulps=64, ulps16=16, floor=4)


def travelled(op: Cumulative | Recurrence, f: Callable[..., Any], *xs: Array) -> Any:
    """f of the operands in the order of travel, in their own order again."""
    if not op.reverse:
        return f(*xs)
    return np.flip(f(*[np.flip(x, op.axis) for x in xs]), op.axis)


def recurrence(g: Gen) -> Sample:
    shape, dtype = g.shape(g.integer(1, 3)), g.dtype(NUMBERS)
    op = Recurrence(g.integer(0, len(shape) - 1), g.flag())
    return Sample(op, [g.array(shape, dtype), g.array(shape, dtype)])


def recurrence_reference(op: Op, a: Array, b: Array) -> Any:
    assert isinstance(op, Recurrence)

    def follow(a: Array, b: Array) -> Array:
        a, b = (np.moveaxis(widened(x), op.axis, 0) for x in (a, b))
        h = np.array(b)
        for i in range(1, len(h)):
            h[i] = a[i] * h[i - 1] + b[i]
        return np.moveaxis(h, 0, op.axis)

    return travelled(op, follow, a, b)


FLOATS = (float64, float32, bfloat16, float16)

CASES = (
    running("add", NUMBERS, np.add.accumulate),
    running("mul", NUMBERS, np.multiply.accumulate),
    running("max", ORDERABLE, np.maximum.accumulate),
    running("min", ORDERABLE, np.minimum.accumulate),
    running("log_add_exp", FLOATS, np.logaddexp.accumulate),
    Case("recurrence", recurrence, recurrence_reference, ulps=64, ulps16=64, floor=16),
)
