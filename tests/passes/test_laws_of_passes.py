"""Every program of the zoo under every transformation, and transformations of transformed ones."""

from __future__ import annotations

import pytest

from tests.passes import pass_laws, zoo
from tests.passes.evaluator import random_inputs
from verax.compiler.ir.program import Program
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.vectorize import vectorize

programs = pytest.mark.parametrize("p", zoo.SMOOTH.values(), ids=list(zoo.SMOOTH))


@programs
def test_forward_mode_equals_finite_differences(p: Program) -> None:
    pass_laws.check_forward(p, random_inputs(p.in_types))


@programs
def test_reverse_mode_is_the_adjoint(p: Program) -> None:
    pass_laws.check_reverse(p, random_inputs(p.in_types))


@programs
def test_second_order(p: Program) -> None:
    q = pass_laws.vjp(p)
    xs = random_inputs(q.in_types, 3)
    pass_laws.check_forward(q, xs, rtol=1e-5)
    pass_laws.check_reverse(q, xs)


@programs
def test_vectorize_equals_a_loop(p: Program) -> None:
    n = p.n_in
    pass_laws.check_vectorize(p, (True,) * n)
    for i in range(n):
        pass_laws.check_vectorize(p, tuple(j == i for j in range(n)))


@programs
def test_vectorized_derivatives(p: Program) -> None:
    q = pass_laws.vjp(p)
    pass_laws.check_vectorize(q, (True,) * q.n_in)
    r, _ = jvp(p, pass_laws.active(p.in_types))
    pass_laws.check_vectorize(r, tuple(i % 2 == 0 for i in range(r.n_in)))


@programs
def test_derivatives_of_vectorized_programs(p: Program) -> None:
    q, _ = vectorize(p, (True,) * p.n_in, 2)
    xs = random_inputs(q.in_types, 7)
    pass_laws.check_forward(q, xs)
    pass_laws.check_reverse(q, xs)


@programs
def test_simplify_keeps_the_values(p: Program) -> None:
    pass_laws.check_simplify(p)
    q = pass_laws.check_simplify(pass_laws.vjp(p))
    r, _ = vectorize(q, (True,) * q.n_in, 2)
    pass_laws.check_simplify(pass_laws.vjp(pass_laws.check_simplify(r)))
