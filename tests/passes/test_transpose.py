"""transpose: what it refuses, by name and line; loops that compute known values; sums of consts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes import pass_laws, zoo
from tests.passes.evaluator import evaluate, random_inputs
from tests.passes.zoo import INDEX, MATMUL, emit, f64, scalar, written, zeros
from verax.compiler.ir.dtypes import float32, float64, int32
from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.span import Span, user_span
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import Contract, broadcast
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.functions import SIN, TANH
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import MUL, Term
from verax.compiler.passes.depend import depends
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.linearize import linearize, split
from verax.compiler.passes.transpose import transpose


def refused(p: Program, linear: tuple[bool, ...]) -> DerivativeError:
    with pytest.raises(DerivativeError) as error:
        transpose(p, linear)
    return error.value


def test_a_non_linear_equation_is_refused_by_name_and_line() -> None:
    b = Builder()
    x = b.input(f64(3))
    b.span = here()
    y = b.emit(MUL, x, x)
    error = refused(b.finish([y]), (True,))
    assert error.message == "multiply is not linear in operands 0 and 1, so it cannot be transposed"
    assert error.places[0].endswith("b.span = here()")
    p = written(f64(3))(lambda x: x.apply(SIN) + x)
    assert refused(p, (True,)).message == (
        "sin is not linear in operand 0, so it cannot be transposed"
    )


def here() -> Span | None:
    """The span of the caller's line."""
    return user_span(2)


def test_what_nobody_asks_for_may_be_non_linear() -> None:
    p = written(f64(3))(lambda x: [x * 2.0, x.gt(0.0)])
    xs = [np.ones(3), np.zeros(3, bool)]
    assert (evaluate(transpose(p, (True,)), xs)[0] == 2.0).all()


def test_a_decision_on_linear_values_is_refused() -> None:
    one = written(f64())(lambda x: x + 1.0)
    p = written(f64())(lambda x: emit(Cond((one, one)), x.gt(0.0).to(int32), x))
    assert refused(p, (True,)).message == (
        "cond is not linear in operands 0 and 1, so it cannot be transposed"
    )
    go = written(f64())(lambda x: x.lt(1.0))
    p = written(f64())(lambda x: emit(While(go, one, 0, 3), x))
    assert refused(p, (True,)).message == (
        "which branch a cond takes, or how long a while loop runs, depends on the values in which "
        "the function should be linear"
    )


def test_reverse_mode_through_an_unbounded_while_names_line_and_fix() -> None:
    go = written(f64())(lambda x: x.lt(9.0))
    grow = written(f64())(lambda x: x * 2.0)
    b = Builder()
    x = b.input(f64())
    b.span = here()
    p = b.finish([b.emit(While(go, grow, 0), x)])
    assert jvp(p, (True,))[1] == (True,)
    with pytest.raises(DerivativeError) as error:
        linearize(p, (True,))
    assert error.value.message == (
        "reverse mode through a while loop without a bound on its steps: nobody knows how many "
        "states to keep"
    )
    assert error.value.fix == (
        "while_loop(cond_fun, body_fun, init, max_steps=100), or reverse='recompute'"
    )
    (place,) = error.value.places
    assert place.endswith(": b.span = here()")


def test_derived_equations_carry_the_line_of_their_equation() -> None:
    b = Builder()
    x = b.input(f64(19))  # equal programs share their derivatives, and the lines of the first one
    b.span = span = here()
    p = b.finish([b.emit(TANH, x)])
    forward, linear, _ = linearize(p, (True,))
    back = transpose(linear, (False, True))
    for q in (forward, linear, back, jvp(p, (True,))[0]):
        assert {eq.span for eq in q.equations} == {span}


# programs that are linear as they are written ----------------------------------------------------


def adjoint_of(p: Program, linear: tuple[bool, ...]) -> None:
    """<u, p(v)> == <transpose(p)(u), v> for a program that is linear in some inputs."""
    xs = random_inputs(p.in_types, 1)
    ys = evaluate(p, xs)
    us = random_inputs(p.out_types, 2)
    known = [x for x, lin in zip(xs, linear) if not lin]
    back = evaluate(transpose(p, linear), [*known, *us])
    floats = [(u, y) for u, y in zip(us, ys) if y.dtype.kind == "f"]
    a = pass_laws.pairing(*zip(*floats))
    b = pass_laws.pairing(back, [x for x, lin in zip(xs, linear) if lin])
    assert abs(a - b) < 1e-9 * (1 + abs(a))


@written(f64(3), INDEX, f64(3), f64(3))
def counting(w: Term, i: Term, c: Term, x: Term) -> list[Term]:
    """A step that counts, beside what is linear in the carry and x."""
    scale = (i.to(float64) + 1.0).apply(broadcast((3,), ()))
    return [i + 1, c * w + x * scale, c / scale]


def test_a_loop_that_computes_known_values_too() -> None:
    @written(f64(3), f64(3), f64(4, 3))
    def p(w: Term, c: Term, xs: Term) -> list[Term]:
        i, c, ys = emit(Scan(counting, 1, 2, 4), w, zeros(w, INDEX), c, xs)
        return [c * i.to(float64).apply(broadcast((3,), ())), ys]

    adjoint_of(p, (False, True, True))


def test_of_an_affine_program_it_is_the_transpose_of_the_linear_part() -> None:
    p = written(f64(3), f64(3))(lambda x, c: x * 2.0 + c)
    u, c = np.arange(3.0), np.ones(3)
    np.testing.assert_array_equal(evaluate(transpose(p, (True, False)), [c, u])[0], 2 * u)


def test_a_while_that_counts() -> None:
    go = written(INDEX, f64(3))(lambda i, x: i.lt(3))
    step = written(INDEX, f64(3))(lambda i, x: [i + 1, x * 0.5])
    p = written(f64(3))(lambda x: emit(While(go, step, 0, 5), zeros(x, INDEX), x))
    adjoint_of(p, (True,))


def test_a_call_that_computes_known_values_too() -> None:
    inner = written(f64(3), f64(3))(lambda x, y: [x.apply(SIN), y * x])

    @written(f64(3), f64(3))
    def p(x: Term, y: Term) -> Term:
        u, v = emit(Call(inner), x, y)
        return u * v

    adjoint_of(p, (False, True))


def test_a_branch_that_computes_known_values_too() -> None:
    a = written(f64(3), f64(3))(lambda x, y: [x.apply(SIN), y * x])
    b = written(f64(3), f64(3))(lambda x, y: [x, y + y])

    @written(INDEX, f64(3), f64(3))
    def p(i: Term, x: Term, y: Term) -> Term:
        u, v = emit(Cond((a, b)), i, x, y)
        return u * v

    adjoint_of(p, (False, False, True))


def test_dependence_through_programs() -> None:
    assert depends(zoo.chain_of_carries, (True, False)) == (True, True, True)
    assert depends(zoo.call, (True, False)) == (True, False, False)
    assert depends(zoo.choice, (False, True, False)) == (True, True)
    assert depends(zoo.choice, (True, False, False)) == (True, True)
    assert depends(zoo.noisy, (True, False, False)) == (True, False, False)
    assert depends(zoo.noisy, (False, True, False)) == (True, True, True)
    assert depends(zoo.grow, (True, False)) == (True,)
    assert depends(zoo.key_loop, (False, True)) == (True, True)
    assert depends(zoo.rnn, (False, False, False)) == (False, False)


# the cotangents of consts ------------------------------------------------------------------------


def weights(batch: int, width: int) -> Program:
    """A recurrent layer, summed: its weight and bias are consts of the scan."""

    @written(f64(width, width), f64(width), f64(batch, width), f64(batch, width))
    def cell(w: Term, bias: Term, c: Term, x: Term) -> Term:
        rows = bias.apply(broadcast((batch, width), (1,)))
        return (c.apply(MATMUL, w) + rows + x).apply(TANH)

    types = (f64(width, width), f64(width), f64(batch, width), f64(5, batch, width))
    return written(*types)(lambda w, v, c, xs: scalar(emit(Scan(cell, 2, 1, 5), w, v, c, xs)[0]))


def carried(p: Program) -> list[str]:
    """What the backward loop of the gradient of p carries."""
    (eq,) = [eq for eq in pass_laws.vjp(p).equations if isinstance(eq.op, Scan) and eq.op.reverse]
    assert isinstance(eq.op, Scan)
    return [str(t) for t in eq.op.body.out_types[: eq.op.n_carry]]


def test_small_steps_are_stacked_and_contracted_once() -> None:
    p = weights(2, 4)
    assert carried(p) == ["float64[2,4]"]
    pass_laws.check_reverse(p, random_inputs(p.in_types))
    pass_laws.check_reverse(pass_laws.vjp(p), random_inputs(pass_laws.vjp(p).in_types))


def test_large_steps_are_summed_in_the_carry() -> None:
    p = weights(9, 4)
    assert carried(p) == ["float64[4,4]", "float64[4]", "float64[9,4]"]
    pass_laws.check_reverse(p, random_inputs(p.in_types))


def test_sums_in_a_wider_dtype_are_converted_once() -> None:
    wide, f32 = Contract(((0, 1), (1, 2)), (0, 2), (), float64), float32

    @written(ArrayType((4, 4), f32), ArrayType((1, 4), f32))
    def cell(w: Term, c: Term) -> Term:
        return c.apply(wide, w).apply(TANH).to(f32)

    types = (ArrayType((4, 4), f32), ArrayType((1, 4), f32))
    p = written(*types)(lambda w, c: emit(Scan(cell, 1, 1, 5), w, c))
    assert carried(p) == ["float32[1,4]"]
    pass_laws.check_reverse(p, random_inputs(p.in_types), rtol=1e-5)


def test_the_first_thing_computed_may_be_stacked() -> None:
    @written(f64(4), f64(1, 4), f64(1, 4))
    def cell(w: Term, c: Term, x: Term) -> Term:
        return c + w.apply(broadcast((1, 4), (1,))) * x

    types = (f64(4), f64(1, 4), f64(5, 1, 4))
    p = written(*types)(lambda w, c, xs: emit(Scan(cell, 1, 1, 5), w, c, xs))
    assert carried(p) == ["float64[1,4]"]
    pass_laws.check_reverse(p, random_inputs(p.in_types))


def test_sums_of_contractions_and_other_sums() -> None:
    @written(f64(4, 4), f64(4), f64(1, 4), f64(1, 4))
    def cell(w: Term, scale: Term, c: Term, x: Term) -> Term:
        twice = c.apply(MATMUL, w).apply(MATMUL, w)
        return (twice + x).apply(TANH) * scale.apply(broadcast((1, 4), (1,)))

    types = (f64(4, 4), f64(4), f64(1, 4), f64(5, 1, 4))
    p = written(*types)(lambda w, s, c, xs: emit(Scan(cell, 2, 1, 5), w, s, c, xs))
    assert carried(p) == ["float64[1,4]"]
    pass_laws.check_reverse(p, random_inputs(p.in_types))


# split -------------------------------------------------------------------------------------------


def test_what_a_step_computes_from_consts_alone_is_computed_once() -> None:
    @written(f64(3), f64(3))
    def step(w: Term, c: Term) -> Term:
        return c * w.apply(SIN)

    p = written(f64(3), f64(3))(lambda w, c: emit(Scan(step, 1, 1, 4), w, c))
    forward = linearize(p, (False, True)).forward
    (eq,) = [eq for eq in forward.equations if isinstance(eq.op, Scan)]
    assert [str(forward.types[y]) for y in eq.results] == ["float64[3]"]


def test_split_of_a_program_that_is_known() -> None:
    known, linear, unknown_out = split(zoo.rnn, (False, False, False))
    assert known == zoo.rnn
    assert linear == Program(0, (), (), ())
    assert unknown_out == (False, False)
