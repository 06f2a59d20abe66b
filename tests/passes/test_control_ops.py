"""What control ops refuse, what they do at their edges, and the text that they lower to."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from tests.passes import zoo
from tests.passes.evaluator import evaluate
from tests.passes.pass_laws import active
from tests.passes.zoo import emit, f64, written
from verax.compiler.backend.emit import module
from verax.compiler.ir.dtypes import float32, float64
from verax.compiler.ir.errors import InternalError, ShapeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.control import Call, Cond, Control, take_seats
from verax.compiler.ops.loops import Scan, While
from verax.compiler.passes.linearize import linearize

one = written(f64())(lambda x: x + 1.0)
wide = written(f64(2))(lambda x: x + 1.0)
two = written(f64(), f64())(lambda x, y: [x, y])
narrow = written(ArrayType((), float32))(lambda x: x)
less = written(f64())(lambda x: x.lt(1.0))


def refused(message: str, make: Callable[[], object]) -> None:
    """``make`` raises this ShapeError."""
    with pytest.raises(ShapeError) as error:
        make()
    assert error.value.message == message


OPERANDS: list[tuple[Op, tuple[Type, ...], str]] = [
    (Call(one), (f64(), f64()), "call takes 1 values, got 2"),
    (
        Call(one),
        (f64(2),),
        "call takes other types:\n  value 0: expected float64[], got float64[2]",
    ),
    (
        Cond((one, one)),
        (f64(), f64()),
        "cond takes other types:\n  value 0: expected int32[], got float64[]",
    ),
    (
        While(less, one, 0),
        (f64(2),),
        "while takes other types:\n  value 0: expected float64[], got float64[2]",
    ),
    (
        Scan(two, 0, 1, 5),
        (f64(), f64(4)),
        "scan takes other types:\n  value 1: expected float64[5], got float64[4]",
    ),
]


@pytest.mark.parametrize(("op", "types", "message"), OPERANDS, ids=lambda x: str(x)[:5])
def test_operands_must_be_what_the_programs_take(
    op: Op, types: tuple[Type, ...], message: str
) -> None:
    refused(message, lambda: op.infer(types))


def test_programs_must_agree() -> None:
    refused("cond needs at least one branch", lambda: Cond(()))
    refused(
        "cond: branch 1 takes other types:\n  value 0: expected float64[], got float64[2]",
        lambda: Cond((one, wide)),
    )
    refused("cond: branch 1 takes 1 values, got 2", lambda: Cond((one, two)))
    swapped = written(f64())(lambda x: x.to(float32))
    refused(
        "cond: branch 1 gives other types:\n  value 0: expected float64[], got float32[]",
        lambda: Cond((one, swapped)),
    )
    refused(
        "while: cond takes other types:\n  value 0: expected float64[2], got float64[]",
        lambda: While(less, wide, 0),
    )
    refused(
        "while: cond gives other types:\n  value 0: expected bool[], got float64[]",
        lambda: While(one, one, 0),
    )
    refused(
        "while: body gives other types:\n  value 0: expected float64[], got float32[]",
        lambda: While(less, swapped, 0),
    )
    refused("while: the bound is -1, expected a count of steps", lambda: While(less, one, 0, -1))
    refused(
        "scan: body gives a carry of other types:\n  value 0: expected float64[], got float32[]",
        lambda: Scan(swapped, 0, 1, 3),
    )


def test_a_control_op_has_a_rule_for_split() -> None:
    with pytest.raises(TypeError, match="the op Half lacks split of its story"):

        class Half(Call, name="half"):
            split = Control.split


def test_the_partitioner_cuts_inside() -> None:
    with pytest.raises(InternalError, match="call has no factors"):
        Call(one).local({}, (f64(),), (f64(),))


def test_seats_are_shared_by_type() -> None:
    seats: list[Type] = [f64(), f64(2)]
    assert take_seats(seats, [f64(2), f64(2), f64()]) == [1, 2, 0]
    assert seats == [f64(), f64(2), f64(2)]


def test_residuals_of_branches_share_outputs() -> None:
    """Every branch keeps one vector and one more: two outputs serve all three."""
    forward = linearize(zoo.cond, active(zoo.cond.in_types)).forward
    (eq,) = [eq for eq in forward.equations if isinstance(eq.op, Cond)]
    assert [str(forward.types[y]) for y in eq.results] == ["float64[3]"] * 4


def test_a_while_stops_at_its_bound() -> None:
    forever = written(f64())(lambda x: x.lt(x + 1.0))
    p = written(f64())(lambda x: emit(While(forever, one, 0, 5), x))
    assert evaluate(p, [np.float64(1.0)]) == [6.0]


def lines(p: Program) -> list[str]:
    """The lines of the module, with every value named %."""
    return [re.sub(r"%\d+", "%", line.strip()) for line in module(p).text.splitlines()]


def test_the_index_of_a_case_is_clamped() -> None:
    text = lines(zoo.choice)
    at = text.index('%:2 = "stablehlo.case"(%) ({')
    assert text[at - 3 : at] == [
        "% = stablehlo.constant dense<0> : tensor<i32>",
        "% = stablehlo.constant dense<2> : tensor<i32>",
        "% = stablehlo.clamp %, %arg0, % : tensor<i32>",
    ]


def test_a_scan_of_no_steps_is_no_loop() -> None:
    text = "\n".join(lines(zoo.no_steps))
    assert "stablehlo.while" not in text
    assert "return %arg1, % : tensor<1x3xf64>, tensor<0x1x3xf64>" in text


def test_rows_of_keys_are_rows_of_words() -> None:
    assert (
        "% = stablehlo.dynamic_slice %arg1, %, %, sizes = [1, 2] : "
        "(tensor<4x2xui32>, tensor<i32>, tensor<i32>) -> tensor<1x2xui32>"
    ) in lines(zoo.over_keys)


def test_a_bound_is_counted() -> None:
    bounded = written(f64())(lambda x: emit(While(less, one, 0, 7), x))
    free = written(f64())(lambda x: emit(While(less, one, 0), x))
    assert "% = stablehlo.constant dense<7> : tensor<i32>" in lines(bounded)
    assert not any("i32" in line for line in lines(free))


def test_a_scan_of_unknown_length_cannot_be_lowered() -> None:
    n = dim("n")
    types = (f64(), ArrayType((n,), float64))
    p = written(*types)(lambda c, xs: emit(Scan(two, 0, 1, n), c, xs))
    with pytest.raises(InternalError) as error:
        module(p)
    assert error.value.message == "a scan of n steps cannot be lowered"
