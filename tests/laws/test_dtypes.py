"""Every op with every dtype: it runs, or is refused where types are inferred, with a way out.

What XLA cannot do is known before XLA is asked: no user meets a message of its compiler. And what
runs is compared with a reference: the cases draw every dtype that an op takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.laws.harness import Array, Case, called, numpy_dtype, physical, program_of, samples
from tests.laws.laws import ANY
from tests.laws.test_laws import CASES
from tests.laws.test_table import ELSEWHERE
from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import ALL, DType
from verax.compiler.ir.errors import DTypeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.table import Example, examples, recast, spelling

EXAMPLES = [e for e in examples() if spelling(e.op) not in ELSEWHERE]
AT_ONCE = 6
GROUPS = [EXAMPLES[i : i + AT_ONCE] for i in range(0, len(EXAMPLES), AT_ONCE)]
"""Examples whose programs are compiled together: compiling is what takes the time."""


def makers(op: Op) -> Iterator[Callable[[], Op]]:
    """The op, and what makes it with every dtype in the place of one that it holds."""
    yield lambda: op
    values = {f: getattr(op, f) for f in op.fields}
    for name, value in values.items():
        if isinstance(value, DType):
            for dtype in ALL:
                yield partial(type(op), **{**values, name: dtype})


def accepted(e: Example) -> Iterator[Program]:
    """The programs of the example in all dtypes that its op takes; the others are refused well."""
    for make in makers(e.op):
        for types in dict.fromkeys(recast(e, dtype) for dtype in ALL) if e.types else [()]:
            try:
                make().infer(types)
            except DTypeError as error:
                refused_well(error)
            else:
                yield program_of(make(), types)


def refused_well(error: DTypeError) -> None:
    assert error.fix, f"{error}: and what shall one write instead?"


def ones(t: Type) -> Array:
    shape = cast("tuple[int, ...]", physical(t).shape)
    return np.ones(shape).astype(numpy_dtype(physical(t).dtype))


def compiled(k: int, group: list[Example]) -> Any:
    """Every fourth group is compiled as for users, and clamp, which XLA's plain code lacks."""
    names = [spelling(e.op) for e in group]
    marks = pytest.mark.optimized if k % 4 == 0 or "clamp" in names else ()
    return pytest.param(group, marks=marks, id="-".join(names))


@pytest.mark.parametrize("group", [compiled(k, group) for k, group in enumerate(GROUPS)])
def test_every_dtype_runs_or_is_refused(group: list[Example]) -> None:
    programs = dict.fromkeys(p for e in group for p in accepted(e))
    results = called({p: [list(map(ones, p.in_types))] for p in programs})
    for p, (outs,) in results.items():
        for y, t in zip(outs, map(physical, p.out_types), strict=True):
            assert (y.shape, y.dtype) == (t.shape, numpy_dtype(t.dtype)), p
    backend().forget()


def drawn(case: Case) -> set[DType]:
    """The dtypes of operands that the law ``reference`` meets."""
    out: set[DType] = set()

    @settings(max_examples=1, phases=[Phase.generate])
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        for turn in range(len(ALL)):
            (s,) = samples(case, ANY, data.draw, 1, turn)
            out.update(t.dtype for t in s.types if isinstance(t, ArrayType))

    draw()
    return out


@pytest.mark.parametrize("e", [e for e in EXAMPLES if e.types], ids=lambda e: spelling(e.op))
def test_cases_draw_every_dtype_that_an_op_takes(e: Example) -> None:
    if isinstance(e.types[0], ArrayType):
        cases = [case for case in CASES if spelling(e.op) in case.covers]
        met = set().union(*map(drawn, cases))
        assert {d for d in ALL if takes(e.op, recast(e, d))} <= met


def takes(op: Op, types: tuple[Type, ...]) -> bool:
    try:
        op.infer(types)
    except DTypeError:
        return False
    return True
