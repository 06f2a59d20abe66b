"""Taylor mode gives what nested jvp gives, for work that grows with a power of the order."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes import zoo
from tests.passes.evaluator import evaluate, random_inputs
from tests.passes.pass_laws import active, some
from tests.passes.paths import coefficients, derivative, expanded, nested
from tests.passes.zoo import emit, f64, written
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program, rearrange
from verax.compiler.ir.types import has_tangent
from verax.compiler.ops.arithmetic import MAX
from verax.compiler.ops.control import Call
from verax.compiler.ops.custom import Custom
from verax.compiler.ops.functions import EXP, SIN, TANH
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.remat import Remat
from verax.compiler.passes.jet import jet

rematerialized = written(f64(3), f64(3))(lambda x, y: emit(Remat(zoo.inner), x, y))


def loop_rule(x: Term, t: Term) -> list[Term]:
    """sin, whose derivative a loop computes: three cosines, of which it takes the mean."""
    step = written(f64(3), f64(3))(lambda x, c: c + (x.apply(SIN) * x.apply(EXP)) * (1 / 3))
    (rate,) = emit(Scan(step, 1, 1, 3), x, x.like(0.0))
    return [x.apply(SIN), t * rate]


through_a_loop = written(f64(3))(
    lambda x: emit(
        Custom(
            written(f64(3))(lambda x: x.apply(SIN)), written(f64(3), f64(3))(loop_rule), 0, "sine"
        ),
        x,
    )
)
MORE = {"remat": rematerialized, "a loop in a rule": through_a_loop}
PROGRAMS = {**zoo.SMOOTH, **MORE}


@pytest.mark.parametrize("p", PROGRAMS.values(), ids=list(PROGRAMS))
def test_jet_is_nested_jvp(p: Program) -> None:
    order = 3
    p = rearrange(p, range(p.n_in), [i for i, t in enumerate(p.out_types) if has_tangent(t)])
    on, n = active(p.in_types), len(p.outs)
    xs = random_inputs(p.in_types)
    ds = [some(p.in_types, seed) for seed in range(1, order + 1)]
    got = evaluate(expanded(p, on, order), [*xs, *coefficients(ds)])
    for k, q in enumerate(nested(p, on, order)):
        want = evaluate(q, [*xs, *[d for row in ds[:k] for d in row]])
        for i, y in enumerate(want):
            scale = 1e-10 * (1 + np.abs(y).max(initial=0))
            np.testing.assert_allclose(derivative(got, n, i, k), y, 1e-10, scale)


def chain(op: Op, n: int) -> Program:
    """op of op of ... n times."""

    def write(x: Term) -> Term:
        for _ in range(n):
            x = x.apply(op)
        return x

    return written(f64(2))(write)


def test_work_grows_with_the_square_of_the_order() -> None:
    p = chain(TANH, 20)
    sizes = {k: len(jet(p, ((1,),), k)[0]) for k in (1, 2, 4, 8, 16)}
    for k, size in sizes.items():
        assert size <= 20 * (2 * k * k + 8 * k + 4), (k, size)
    assert sizes[16] < 4.2 * sizes[8]
    assert len(nested(p, (True,), 4)[4]) > sizes[4]


def test_rules_that_lead_to_each_other_close() -> None:
    sizes = [len(jet(chain(SIN, 1), ((1,),), k)[0]) for k in (5, 10, 20)]
    assert sizes[2] < 4.2 * sizes[1] < 4.2 * 4.2 * sizes[0]


def test_what_is_linear_in_pieces_is_pushed_coefficient_by_coefficient() -> None:
    p = written(f64(2), f64(2))(lambda x, y: x.apply(MAX, y))
    one, two = (jet(p, (tuple(range(1, k + 1)), ()), k)[0] for k in (1, 2))
    assert len(two) == len(one) + 3  # for a tie the half, and two selects


def test_zeros_are_not_written() -> None:
    """A straight path: only the products of what moves are there."""
    p = written(f64(2), f64(2))(lambda x, y: x * y + x)
    q, _ = jet(p, ((1,), ()), 3)
    assert str(q) == (
        "(%0: float64[2], %1: float64[2], %2: float64[2]) {\n"
        "  %3: float64[2] = mul %0, %1\n"
        "  %4: float64[2] = mul %2, %1\n"
        "  %5: float64[2] = add %3, %0\n"
        "  %6: float64[2] = add %4, %2\n"
        "  %7: float64[2] = constant{value=0.0, type=float64[2]}\n"
        "  return %5, %6, %7, %7\n"
        "}"
    )


def test_a_call_stays_a_call() -> None:
    q, _ = jet(zoo.call, ((1,), (1,)), 2)
    assert any(isinstance(eq.op, Call) for eq in q.equations)


def test_order_0_is_the_program() -> None:
    p = chain(SIN, 2)
    assert jet(p, ((),), 0) == (p, (False,))
