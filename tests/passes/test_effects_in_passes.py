"""Effects in the passes: never dropped or shared, through loops too, and refused where unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from tests.passes.zoo import INDEX, Write, emit, f64, written
from verax.compiler.ir.errors import EffectError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
)  # fmt: skip
from verax.compiler.ir.program import Builder, Program, walk
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.functions import SIN
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import Term
from verax.compiler.passes.jet import jet
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.simplify import simplify
from verax.compiler.passes.vectorize import vectorize


class Shout(Op, name="shout_for_tests"):
    """Says its operand aloud; no result."""

    own_effects: ClassVar[frozenset[str]] = frozenset({"noise"})

    def types(self, *ts: Type) -> tuple[Type, ...]:
        return ()

    def factors(self, *shapes: Shape) -> Factors:
        return Factors((tuple((i,) for i in range(len(shapes[0]))),), ())

    tangent = no_tangent
    transpose = not_linear
    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [], []

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return []


def shout(x: Term) -> None:
    x.b.emit(Shout(), x.slot)


def count(p: Program) -> int:
    return sum(isinstance(eq.op, Shout) for _, eq in walk(p))


def loud(write: Write) -> Write:
    """The same, after a shout about the first input."""

    def f(x: Term, *xs: Term) -> Sequence[Term] | Term:
        shout(x)
        return write(x, *xs)

    return f


step = written(f64(), f64())(loud(lambda c, x: [c, x]))
go = written(f64())(lambda x: x.lt(3.0))
grow = written(f64())(loud(lambda x: x * 2.0))
same = written(f64())(lambda x: x)

PROGRAMS: dict[str, Program] = {
    "straight": written(f64())(loud(lambda x: [])),
    "twice": written(f64())(loud(loud(lambda x: []))),
    "call": written(f64())(lambda x: emit(Call(grow), x)[:0]),
    "cond": written(INDEX, f64())(lambda i, x: emit(Cond((grow, same)), i, x)[:0]),
    "scan": written(f64(), f64(3))(lambda c, xs: emit(Scan(step, 0, 1, 3), c, xs)[:0]),
    "while": written(f64())(lambda x: emit(While(go, grow, 0), x)[:0]),
}


@pytest.mark.parametrize("p", PROGRAMS.values(), ids=list(PROGRAMS))
def test_effects_survive(p: Program) -> None:
    assert p.effects == {"noise"}
    wanted = count(p)
    assert wanted == (2 if p is PROGRAMS["twice"] else 1)
    assert count(simplify(p)) == wanted
    assert simplify(p).effects == {"noise"}
    quiet = (False,) * p.n_in
    assert count(jvp(p, quiet)[0]) == wanted
    assert count(jet(p, ((),) * p.n_in, 2)[0]) == wanted
    assert count(vectorize(p, quiet, 2)[0]) == wanted
    assert count(linearize(p, quiet).forward) == wanted
    assert count(linearize(p, quiet).linear) == 0


def test_what_moves_beside_an_effect_does_not_drop_it() -> None:
    beside = written(f64(), f64())(loud(lambda x, y: y * 2.0))
    p = written(f64(), f64())(lambda x, y: emit(Call(beside), x, y)[:0])
    assert count(jet(p, ((), (1,)), 2)[0]) == 1


def test_what_is_computed_outside_of_a_loud_loop_makes_no_noise() -> None:
    loud_step = written(f64(), f64())(loud(lambda w, c: c * w.apply(SIN)))
    p = written(f64(), f64())(lambda w, c: emit(Scan(loud_step, 1, 1, 4), w, c))
    forward, linear, _ = linearize(p, (False, True))
    assert (count(forward), count(linear)) == (1, 0)


def test_a_pass_refuses_an_effect_that_it_does_not_know() -> None:
    p = PROGRAMS["straight"]
    with pytest.raises(EffectError) as error:
        jvp(p, (True,))
    assert error.value.message == "jvp of shout_for_tests, which has the effect noise"
    assert error.value.fix == "move shout_for_tests out of the function that is transformed"
    with pytest.raises(EffectError) as error:
        jet(p, ((1,),), 2)
    assert error.value.message == "jet of shout_for_tests, which has the effect noise"
    with pytest.raises(EffectError) as error:
        vectorize(p, (True,), 2)
    assert error.value.message == "vmap of shout_for_tests, which has the effect noise"


def test_vmap_of_a_decision_about_effects() -> None:
    with pytest.raises(EffectError) as error:
        vectorize(PROGRAMS["cond"], (True, False), 2)
    assert error.value.message == (
        "vmap of a cond whose index differs between the examples would run the effects (noise) "
        "of every branch"
    )
    quiet = written(f64(), f64())(lambda x, y: y.lt(3.0))
    beside = written(f64(), f64())(loud(lambda x, y: y * 2.0))
    p = written(f64(), f64())(lambda x, y: emit(While(quiet, beside, 1), x, y))
    with pytest.raises(EffectError) as error:
        vectorize(p, (False, True), 2)
    assert error.value.message == (
        "vmap of a while loop that runs a different number of steps for each example would "
        "repeat its effects (noise)"
    )


def test_reverse_mode_would_repeat_the_effects_of_a_while() -> None:
    asks = written(f64())(loud(lambda x: x.lt(3.0)))
    quiet = written(f64())(lambda x: x * 2.0)
    p = written(f64())(lambda x: emit(While(asks, quiet, 0, 4), x))
    with pytest.raises(EffectError) as error:
        linearize(p, (True,))
    assert error.value.message == (
        "reverse mode through a while loop computes its steps again: its effects (noise) would "
        "be repeated"
    )
