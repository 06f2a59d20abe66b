"""Cutting a program where it repeats itself: the steps give what the program gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.passes.evaluator import Array, evaluate
from tests.passes.zoo import MATMUL, f64, written
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import Type
from verax.compiler.ops.contract import total
from verax.compiler.ops.functions import EXP, SIN, TANH
from verax.compiler.ops.pointwise import Term, splat
from verax.compiler.passes import segment
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.segment import Schedule, segments, work
from verax.compiler.passes.simplify import simplify
from verax.compiler.passes.transpose import transpose

LAYERS = 8


def network(layers: int = LAYERS, width: int = 4, extra: int = 0) -> Program:
    """``layers`` equal layers with weights of their own, and something in front and behind."""
    w = f64(width, width)

    @written(f64(3, width), *[w] * (2 * layers))
    def p(x: Term, *ws: Term) -> list[Term]:
        scale = x.like(0.5)
        x = x.apply(EXP) * scale
        for i in range(layers):
            h = x.apply(MATMUL, ws[2 * i]).apply(TANH)
            x = x + h.apply(MATMUL, ws[2 * i + 1]).apply(SIN) * scale
            if i == extra:
                x = x * x
        return [x.apply(total(2, (0, 1)))]

    return p


def gradient(p: Program) -> Program:
    """The gradient of a program with one scalar result in all its inputs."""
    lin = linearize(p, (True,) * p.n_in)
    n = len(p.outs)
    kept = lin.linear.n_in - p.n_in
    back = transpose(lin.linear, (False,) * kept + (True,) * p.n_in)
    b = Builder()
    xs = [b.input(t) for t in p.in_types]
    ys = b.inline(lin.forward, xs)
    one = b.emit(splat(1.0, f64()))
    return simplify(b.finish([ys[0], *b.inline(back, [*ys[n:], one])]))


def sizes(t: Type) -> tuple[int, ...]:
    """A shape without named dims."""
    return cast(tuple[int, ...], t.shape)


def run(s: Schedule, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of the steps."""
    env = dict(enumerate(inputs))
    for step in s.steps:
        env.update(zip(step.results, evaluate(step.part, [env[x] for x in step.operands])))
    return [env[o] for o in s.outs]


def cut(p: Program) -> Schedule:
    found = segments(p)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut programs that are small enough for NumPy."""
    monkeypatch.setattr(segment, "LEAST_BLOCK", 5)
    monkeypatch.setattr(segment, "LEAST_SAVED", 10)
    monkeypatch.setattr(segment, "LEAST_WORK", 0.0)
    segments.cache_clear()


@given(st.integers(0, 2**32 - 1), st.integers(3, LAYERS), st.integers(-1, LAYERS), st.booleans())
def test_the_steps_give_what_the_program_gives(seed: int, n: int, extra: int, grad: bool) -> None:
    p = network(n, extra=extra)
    p = gradient(p) if grad else p
    rng = np.random.default_rng(seed)
    inputs = [rng.standard_normal(sizes(t)) for t in p.in_types]
    found = segments(p)
    if found is not None:
        for a, b in zip(run(found, inputs), evaluate(p, inputs), strict=True):
            np.testing.assert_array_equal(a, b)


def test_equal_layers_are_one_part() -> None:
    """A forward block and a backward block serve all layers."""
    s = cut(gradient(network(extra=-1)))
    parts = [step.part for step in s.steps]
    assert len(parts) >= 2 * (LAYERS - 1)
    assert len(set(parts)) <= len(parts) // 2
    deeper = cut(gradient(network(3 * LAYERS, extra=-1)))
    shared = set(parts) & {step.part for step in deeper.steps}
    assert len(shared) >= 2, "a deeper network of the same layers compiles the layers anew"


def test_an_uneven_layer_parts_the_runs() -> None:
    s = cut(network(12, extra=5))
    assert 2 <= len({step.part for step in s.steps}) <= 6


def test_every_output_is_a_value_of_its_own() -> None:
    """Inputs, constants and values that are given twice come from the last step."""
    p = network()
    b = Builder()
    xs = [b.input(t) for t in p.in_types]
    (y,) = b.inline(p, xs)
    q = b.finish([xs[0], y, b.emit(splat(2.0, f64())), y])
    s = cut(q)
    assert len(set(s.outs)) == 4
    assert min(s.outs) >= q.n_in
    inputs = [np.full(sizes(t), 0.1) for t in q.in_types]
    for a, b_ in zip(run(s, inputs), evaluate(q, inputs), strict=True):
        np.testing.assert_array_equal(a, b_)


def test_it_must_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    p = network()
    assert segments(p) is not None
    segments.cache_clear()
    monkeypatch.setattr(segment, "LEAST_SAVED", len(p))
    assert segments(p) is None
    segments.cache_clear()
    monkeypatch.setattr(segment, "LEAST_SAVED", 10)
    monkeypatch.setattr(segment, "LEAST_WORK", work(p, p.equations))
    assert segments(p) is None


def test_work_counts_traffic_and_products() -> None:
    p = written(f64(100, 100), f64(100, 100))(lambda x, y: x.apply(MATMUL, y))
    assert work(p, p.equations) == pytest.approx(80e3 / 1e4 + 2e6 / 1e5)
