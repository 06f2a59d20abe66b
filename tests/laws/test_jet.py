"""Taylor mode of every op of the case table is nested jvp: in three orders, two if it is dear."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.laws.harness import Array, Case, Claim, Sample, assert_close, samples, settle
from tests.laws.laws import SMALL, direction, generator, inexact_outs
from tests.laws.test_laws import CASES
from tests.passes.paths import coefficients, derivative, expanded, nested
from verax.compiler.backend import backend
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType

GROUP = 12
SMOOTH_CASES = [case for case in CASES if case.derivative]
GROUPS = [SMOOTH_CASES[i : i + GROUP] for i in range(0, len(SMOOTH_CASES), GROUP)]


def excused(case: Case, s: Sample) -> bool:
    """Whether its third derivative is known not to be one."""
    return any(limit.law in ("second", "third") and limit.when(s) for limit in case.known)


def jet_is_nested(one: Sample, order: int, draw: Callable[[Any], Any]) -> Claim:
    p, rng = inexact_outs(one.program), generator(draw)
    on, n = tuple(i in one.inexact for i in range(len(one.types))), len(p.outs)
    types = [cast(ArrayType, t) for t, a in zip(p.in_types, on) if a]
    ds = [[0.5 * direction(rng, t) for t in types] for _ in range(order)]
    b = Builder()
    xs = [b.input(t) for t in p.in_types]
    rows = [[b.input(t) for t in types] for _ in range(order)]
    cs = [b.input(t) for t in types for _ in range(order)]
    ys = b.inline(expanded(p, on, order), [*xs, *cs])
    long = [b.inline(q, [*xs, *chain(*rows[:k])]) for k, q in enumerate(nested(p, on, order))]
    whole = b.finish([*ys, *chain(*long)])

    def check(outs: list[Array]) -> None:
        got, want = outs[: len(ys)], outs[len(ys) :]
        for j, y in enumerate(want):
            k, i = divmod(j, n)
            with np.errstate(all="ignore"):
                assert_close(derivative(got, n, i, k), y, 1e-9, f"order {k} of {one}")

    return Claim([(whole, [*one.operands, *chain(*ds), *coefficients(ds)])], check)


@pytest.mark.parametrize("cases", GROUPS, ids=lambda cases: cases[0].name)
def test_jet_is_nested_jvp(cases: list[Case]) -> None:
    @settings(max_examples=1, phases=(Phase.generate,))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        drawn = [(case, samples(case, SMALL, data.draw)[0]) for case in cases]
        settle([jet_is_nested(s, 2 if case.weight > 1 else 3, data.draw) for case, s in drawn
                if s.inexact and not excused(case, s)])  # fmt: skip

    holds()
    backend().forget()  # no other test calls these programs
