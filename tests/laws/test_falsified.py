"""Each law is broken by an op whose story contradicts itself in that one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.laws.harness import Array, Case, Gen, Limit, Sample, settle
from tests.laws.laws import LAWS
from tests.laws.test_laws import claims, known, overcome
from verax.compiler.ir.dtypes import float64
from verax.compiler.ir.errors import ParseError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    MaybeSlots,
    Op,
    Slots,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.pointwise import Elementwise, Term


class Square(Elementwise):
    """x * x, told rightly; never registered, so it cannot be parsed either."""

    name = "square_for_tests"

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        return [(Term(b, ts[0]) * Term(b, xs[0]) * 2).slot]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.op(f"stablehlo.multiply {xs[0]}, {xs[0]} : {yts[0].mlir}")]


class WrongTangent(Square):
    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        return [(Term(b, ts[0]) * Term(b, xs[0])).slot]


class WrongSecond(Square):
    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        return [(Term(b, ts[0]) * Term(b, xs[0]).apply(StopGradient()) * 2).slot]


class WrongThird(Square):
    """x ** 3, whose tangent is told with a square of which only the first derivative is right."""

    name = "cube_for_tests"

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        return [(Term(b, ts[0]) * Term(b, xs[0]).apply(WrongSecond()) * 3).slot]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (square,) = super().lower(e, xs, xts, yts)
        return [e.op(f"stablehlo.multiply {square}, {xs[0]} : {yts[0].mlir}")]


class WrongTranspose(Elementwise):
    """-x, whose pullback forgets the sign."""

    name = "negative_for_tests"

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        return [b.emit(self, ts[0])]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return cts

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.op(f"stablehlo.negate {xs[0]} : {yts[0].mlir}")]


class WrongDims(Elementwise):
    """The first dimension reversed, told as if each element stood alone."""

    name = "flip_for_tests"

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.op(f"stablehlo.reverse {xs[0]}, dims = [0] : {yts[0].mlir}")]


def case_of(op: Op, reference: Callable[[Array], Array]) -> Case:
    def make(g: Gen) -> Sample:
        return Sample(op, [g.array((2, 4), float64)])

    return Case(op.name, make, lambda op, x: reference(x))


def cube(x: Array) -> Array:
    return np.asarray(x**3)


WRONG = (
    ("reference", case_of(Square(), cube)),
    ("jvp", case_of(WrongTangent(), np.square)),
    ("second", case_of(WrongSecond(), np.square)),
    ("third", case_of(WrongThird(), cube)),
    ("adjoint", case_of(WrongTranspose(), np.negative)),
    ("vectorize", case_of(WrongDims(), np.flipud)),
    ("shards", case_of(WrongDims(), np.flipud)),
    ("text", case_of(Square(), np.square)),
)


def hold(case: Case, name: str) -> None:
    """Test the law of this name once."""
    law = next(law for law in LAWS if law.name == name)

    @settings(max_examples=1, phases=[Phase.generate])
    @given(st.data())
    def once(data: st.DataObject) -> None:
        settle(claims(case, law, data.draw))

    once()


@pytest.mark.parametrize(("law", "case"), WRONG, ids=[name for name, _ in WRONG])
def test_a_wrong_story_is_found(law: str, case: Case) -> None:
    with pytest.raises((AssertionError, ParseError)):
        hold(case, law)


@pytest.mark.parametrize("law", [law.name for law in LAWS if law.name != "text"])
def test_a_right_story_is_not(law: str) -> None:
    hold(case_of(Square(), np.square), law)


def test_a_derivative_does_not_tell_the_next() -> None:
    hold(case_of(WrongSecond(), np.square), "jvp")
    hold(case_of(WrongThird(), cube), "second")


def test_a_limit_excuses_its_samples_only() -> None:
    limit = Limit("jvp", "a test", lambda s: s.operands[0].size == 0)
    case = Case("x", lambda g: Sample(Square(), []), cube, known=(limit,))
    empty, full = (Sample(Square(), [np.zeros(n)]) for n in (0, 1))
    jvp, second = (next(law for law in LAWS if law.name == n) for n in ("jvp", "second"))
    assert known(case, jvp, empty)
    assert not known(case, jvp, full)
    assert not known(case, second, empty)


def test_a_limit_must_be_real() -> None:
    jvp = next(law for law in LAWS if law.name == "jvp")
    limit = Limit("jvp", "a test")
    assert overcome(case_of(Square(), np.square), jvp, limit)
    assert not overcome(case_of(WrongTangent(), np.square), jvp, limit)
