"""What is kept between the halves: never dearer than any other choice, and little in practice."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.passes import zoo
from tests.passes.pass_laws import active
from tests.passes.zoo import emit, f64, written
from verax.compiler.ir.dtypes import float32, float64
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import Contract, broadcast, total
from verax.compiler.ops.functions import EXP, SIN, TANH
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.pointwise import ADD, DIV, MUL, NEG, SUB, Compare, Convert, Term, splat
from verax.compiler.ops.values import elements, weight
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.prices import price
from verax.compiler.passes.residuals import Plan, plan

VECTOR, MATRIX = ArrayType((4,), float32), ArrayType((4, 4), float32)


def random_graph(rng: Random, size: int) -> Builder:
    """Cheap and dear equations on vectors and matrices."""
    b = Builder()
    slots = [b.input(VECTOR), b.input(MATRIX)]
    while len(b.equations) < size:
        x = rng.choice(slots)
        same = [y for y in slots if b.types[y] is b.types[x]]
        wide = b.types[x] is MATRIX
        choice = rng.randrange(7)
        if choice < 3:
            slots.append(b.emit(rng.choice((ADD, MUL, SUB, DIV)), x, rng.choice(same)))
        elif choice == 3:
            slots.append(b.emit(rng.choice((EXP, TANH)), x))
        elif choice == 4:
            slots.append(b.emit(total(2, [1]) if wide else broadcast((4, 4), (0,)), x))
        elif choice == 5:
            slots.append(b.emit(splat(rng.randrange(3), MATRIX if wide else VECTOR)))
        else:
            slots.append(b.emit(NEG, x))
    return b


def cost(b: Builder, chosen: Plan, free: Iterable[int]) -> float:
    """Bytes kept, and the price of what is computed again."""
    kept = sum(weight(b.types[s]) for s in chosen.residuals if s not in set(free))
    return kept + sum(price(eq.op) * elements(b.types[eq.first]) for eq in chosen.recomputed)


def is_valid(b: Builder, chosen: Plan, needed: Iterable[int]) -> bool:
    """Whether all that is needed can be had."""
    there = set(chosen.residuals)
    for eq in chosen.recomputed:
        if not there.issuperset(eq.operands):
            return False
        there.add(eq.first)
    return there.issuperset(needed)


def every_plan(b: Builder, needed: list[int], free: set[int]) -> Iterable[Plan]:
    """All ways to compute some equations again and keep what they and the needs ask for."""
    can = [eq for eq in b.equations if price(eq.op) < float("inf")]
    for again in chain.from_iterable(combinations(can, n) for n in range(len(can) + 1)):
        made = {eq.first for eq in again}
        asked = {*needed, *[x for eq in again for x in eq.operands]} - made
        yield Plan(sorted(asked), list(again))


@given(st.integers(0, 1 << 32))
@settings(max_examples=max(100, settings().max_examples))
@example(2149)  # flow must be taken back here
def test_no_other_choice_costs_less(seed: int) -> None:
    rng = Random(seed)
    b = random_graph(rng, 11)
    slots = range(2, len(b.types))
    needed = sorted(rng.sample(slots, 4))
    own = rng.sample(slots, 2)
    dear = [s for s in b.inputs if rng.random() < 0.5]
    chosen = plan(b, needed, own, dear)
    assert is_valid(b, chosen, needed)
    free = {*b.inputs, *own} - set(dear)
    best = min(cost(b, p, free) for p in every_plan(b, needed, free))
    assert cost(b, chosen, free) == best


def kept(p: Program) -> list[str]:
    """The types of the residuals that are neither inputs nor outputs."""
    forward = linearize(p, active(p.in_types)).forward
    n = len(p.outs)
    there = {*range(forward.n_in), *forward.outs[:n]}
    return [str(forward.types[r]) for r in forward.outs[n:] if r not in there]


@pytest.mark.parametrize(
    ("p", "want"),
    [
        (zoo.tanh, []),
        (zoo.polynomial, []),
        (zoo.gelu, ["float64[2,3]"]),
        (zoo.mlp, ["float64[2,3]"]),
        (zoo.softmax, ["bool[2,4]", "float64[2]", "float64[2,4]", "float64[2]"]),
        (zoo.layer_norm, ["float64[2]", "float64[2]"]),
    ],
    ids=["tanh", "polynomial", "gelu", "mlp", "softmax", "layer norm"],
)
def test_what_is_kept(p: Program, want: list[str]) -> None:
    assert kept(p) == want


def test_a_scan_keeps_one_array_per_step_for_each_tanh() -> None:
    forward = linearize(zoo.rnn, active(zoo.rnn.in_types)).forward
    scan = forward.equations[-1]
    assert scan.op.name == "scan"
    # the carry and the ys; then the carry before each step, and its tanh
    types = [str(forward.types[y]) for y in scan.results]
    assert types == ["float64[1,3]", *["float64[4,1,3]"] * 3]


def test_constants_and_comparisons_are_never_kept_where_their_operands_are() -> None:
    @written(f64(3))
    def relu(x: Term) -> Term:
        return x.gt(0.0).where(x, x * 0.1)

    assert kept(relu) == []


def test_a_mask_is_kept_in_place_of_what_was_compared() -> None:
    b = Builder()
    y = b.emit(TANH, b.input(VECTOR))
    mask = b.emit(Compare("GT"), y, b.emit(splat(0, VECTOR)))
    chosen = plan(b, [b.emit(Convert(float32), mask)], [], b.inputs)
    assert [str(b.types[s]) for s in chosen.residuals] == ["bool[4]"]


def test_the_carry_of_a_scan_is_not_there_anyway() -> None:
    @written(f64(3))
    def leak(c: Term) -> Term:
        return c.gt(0.0).where(c, c * 0.1)

    forward = linearize(written(f64(3))(lambda c: emit(Scan(leak, 0, 1, 4), c)), (True,)).forward
    (eq,) = forward.equations
    assert [str(forward.types[y]) for y in eq.results] == ["float64[3]", "bool[4,3]"]


def test_a_sum_is_dear_even_where_the_result_is_no_smaller() -> None:
    assert price(Contract(((0, 1),), (0, 2), ((2, 4),))) == float("inf")
    assert price(Contract(((0, 1),), (1, 0))) == 0.25
    assert price(broadcast((4, 4), (0,))) == 0.0


def test_unknown_dims_are_estimated() -> None:
    t = ArrayType((dim("n"), 3), float64)
    assert elements(t) == 192
    assert weight(t) == 1536
    p = written(t)(lambda x: x.apply(SIN))
    assert kept(p) == ["float64[n,3]"]
