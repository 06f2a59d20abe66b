"""The laws of the passes on random programs, with branches, loops and calls among the equations."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes import pass_laws
from tests.passes.evaluator import evaluate, random_inputs
from tests.passes.generate import random_program, small_inputs
from verax.compiler.passes.simplify import simplify

SEEDS = st.integers(0, 1 << 32)
MANY = max(100, settings().max_examples)


@given(SEEDS)
@settings(max_examples=MANY)
def test_simplify_keeps_the_values(seed: int) -> None:
    p = random_program(seed)
    q = simplify(p)
    assert (q.in_types, q.out_types) == (p.in_types, p.out_types)
    xs = small_inputs(p, seed)
    for got, want in zip(evaluate(q, xs), evaluate(p, xs)):
        np.testing.assert_array_equal(got, want)
    assert simplify(q) == q


@given(SEEDS)
@settings(max_examples=MANY)
def test_reverse_mode_is_the_adjoint(seed: int) -> None:
    p = random_program(seed, 15)
    pass_laws.check_reverse(p, random_inputs(p.in_types, 1), rtol=1e-4)  # there is float32 in it


@given(SEEDS)
@settings(max_examples=MANY)
def test_vectorize_equals_a_loop(seed: int) -> None:
    p = random_program(seed, 15)
    pass_laws.check_vectorize(p, tuple(bool(seed >> i & 1) for i in range(p.n_in)))


@given(SEEDS)
@settings(max_examples=MANY)
def test_simplified_gradients_and_their_vectorization(seed: int) -> None:
    p = pass_laws.vjp(random_program(seed, 10))
    q = pass_laws.check_simplify(p)
    pass_laws.check_vectorize(q, tuple(bool(seed >> i & 1) for i in range(q.n_in)))
