"""The checker finds every way to break a program, and shows the equation."""

from __future__ import annotations

import pytest

from tests.passes.zoo import f64
from verax.compiler.ir.dtypes import float64
from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Equation, Program
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.control import Call
from verax.compiler.ops.functions import SIN
from verax.compiler.ops.pointwise import ADD
from verax.compiler.passes.check import check
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

T, S = f64(17), f64(2)  # ops that hold broken programs are interned: nobody else has this type


def sin_of(x: int, first: int = 1, out: Type = T) -> Program:
    """``sin %x`` with results from ``first``, said to be of type ``out``."""
    return one(SIN, (x,), first, (T, out))


def one(op: Op, xs: tuple[int, ...], first: int, types: tuple[Type, ...]) -> Program:
    n_out = len(types) - 1
    return Program(1, types, (Equation(op, xs, first, n_out, None),), (first,))


GOOD = sin_of(0)
BROKEN = {
    "gap": (
        sin_of(0, 2),
        "its results start at %2, expected %1\n  in  %2: ? = sin %0",
    ),
    "late": (
        sin_of(1),
        "the operand %1 does not stand before it\n  in  %1: float64[17] = sin %1",
    ),
    "type": (
        sin_of(0, out=S),
        "it gives float64[17]\n  in  %1: float64[2] = sin %0",
    ),
    "count": (
        one(SIN, (0,), 1, (T, T, T)),
        "it gives float64[17]\n  in  %1: float64[17], %2: float64[17] = sin %0",
    ),
    "refused": (
        one(ADD, (0,), 1, (T, T)),
        "the op refuses its operands (float64[17]): add takes 2 operands, got 1\n"
        "  in  %1: float64[17] = add %0",
    ),
    "inner": (
        one(Call(sin_of(0, out=S)), (0,), 1, (T, S)),
        "it gives float64[17]\n  in  %1: float64[2] = sin %0",
    ),
    "outs": (
        Program(1, (T,), (), (3,)),
        "the program returns %3, which it does not have",
    ),
    "types": (
        Program(1, (T, T), (), (0,)),
        "the equations give values up to %0, types go to %1",
    ),
    "inputs": (
        Program(2, (T,), (), (0,)),
        "a program of 2 inputs has 1 values",
    ),
    "spec": (
        Program(1, (ArrayType((4,), float64, Spec(Mesh(data=2), (("data",),))),), (), (0,)),
        "inside programs types carry no spec, got float64[4]@(data)",
    ),
}


def test_a_good_program_passes() -> None:
    assert check(GOOD) is GOOD
    assert check(GOOD) is GOOD


@pytest.mark.parametrize(("p", "message"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_program_is_shown(p: Program, message: str) -> None:
    with pytest.raises(InternalError) as error:
        check(p)
    assert error.value.message == message
