"""simplify: it keeps what programs compute, each rule does what it says, nothing dead stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.passes.generate import random_program, small_inputs
from tests.passes.oracle import evaluate
from verax.compiler.passes.simplify import simplify

SEEDS = st.integers(0, 1 << 32)


@given(SEEDS)
def test_random_programs_keep_their_values(seed: int) -> None:
    p = random_program(seed)
    q = simplify(p)
    assert (q.in_types, q.out_types) == (p.in_types, p.out_types)
    xs = small_inputs(p, seed)
    for got, want in zip(evaluate(q, xs), evaluate(p, xs)):
        np.testing.assert_array_equal(got, want)
    assert simplify(q) == q
