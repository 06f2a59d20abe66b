"""Long dimensions, and the ways that a running result is computed, against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.functions.oracle import told
from tests.laws.cases_cumulative import CASES, recurrence_reference
from tests.laws.harness import Array, Claim, program_of, settle, type_of
from verax.compiler.ir.dtypes import bool_, complex64
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.cumulative import LOOP, Cumulative, Recurrence, Running

RNG = np.random.default_rng(7)
REFERENCES = {case.name.removeprefix("cumulative "): case.reference for case in CASES}
KINDS = ("add", "mul", "max", "min", "log_add_exp")


def reference(op: Op, xs: list[Array]) -> Any:
    if isinstance(op, Cumulative):
        return REFERENCES[op.kind](op, *xs)
    return recurrence_reference(op, *xs)


def claim(op: Running, xs: list[Array], programs: list[Program]) -> Claim:
    want = reference(op, xs)

    def check(outs: list[Array]) -> None:
        for got in outs:
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)

    return Claim([(p, xs) for p in programs], check)


def operands(op: Running, shape: tuple[int, ...]) -> list[Array]:
    if isinstance(op, Cumulative):
        low, high = (0.99, 1.01) if op.kind == "mul" else (-2, 2)
        return [RNG.uniform(low, high, shape)]
    return [RNG.uniform(-1, 1, shape), RNG.normal(size=shape)]


@pytest.mark.parametrize("reverse", [False, True])
def test_every_way_gives_the_same(reverse: bool) -> None:
    claims = []
    for op in (*[Cumulative(1, reverse, k) for k in KINDS], Recurrence(1, reverse)):
        xs = operands(op, (2, 11, 2))
        ts = tuple(type_of(x) for x in xs)
        ways = [program_of(op, ts), op.blocked(ts, 4), op.blocked(ts, 1), op.doubled(ts)]
        claims.append(claim(op, xs, ways))
    settle(claims)


def test_long_dimensions() -> None:
    claims = []
    for op, shape in (
        (Cumulative(0, False, "add"), (LOOP * 3 + 1,)),
        (Cumulative(1, True, "mul"), (2, LOOP + 1)),
        (Recurrence(0, False), (LOOP + 7, 3)),
        (Recurrence(1, True), (3, LOOP)),
    ):
        xs = operands(op, shape)
        claims.append(claim(op, xs, [program_of(op, [type_of(x) for x in xs])]))
    settle(claims)


def test_a_recurrence_begins_with_its_second_operand() -> None:
    for op, a in ((Recurrence(0, False), [np.inf, 2.0]), (Recurrence(0, True), [2.0, np.nan])):
        xs = [np.array(a), np.array([1.0, 3.0])]
        ts = (type_of(xs[0]),) * 2
        want = [1.0, 5.0] if not op.reverse else [7.0, 3.0]

        def check(outs: list[Array], want: Any = want) -> None:
            for y in outs:
                np.testing.assert_array_equal(y, want)

        ways = [program_of(op, ts), op.blocked(ts, 1), op.doubled(ts)]
        settle([Claim([(p, xs) for p in ways], check)])


def test_errors() -> None:
    assert told(lambda: Cumulative(1, False, "add").infer((ArrayType((3,), complex64),))) == (
        "[verax-shape] cumulative: the axes (1,) are not all axes of [3]\n"
        "  fix: use axes from 0 to 0"
    )
    assert told(lambda: Cumulative(0, False, "max").infer((ArrayType((3,), complex64),))) == (
        "[verax-dtype] cumulative max takes bool or int or uint or float operands, got"
        " complex64[3]\n"
        "  fix: take a real number of each: abs(x), x.real or x.imag"
    )
    assert told(lambda: Recurrence(0, False).infer((ArrayType((3,), bool_),) * 2)) == (
        "[verax-dtype] recurrence takes int or uint or float or complex operands, got bool[3]\n"
        "  fix: convert the operand first: x.astype(vx.int32)"
    )
