"""The laws of the transformations, checked on values by the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from tests.passes.evaluator import Array, evaluate, numpy_dtype, random_inputs
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.simplify import simplify
from verax.compiler.passes.transpose import transpose
from verax.compiler.passes.vectorize import vectorize

Values: TypeAlias = Sequence[Array]


def active(ts: Sequence[Type]) -> tuple[bool, ...]:
    """Which of these types have tangents."""
    return tuple(map(has_tangent, ts))


def some(ts: Sequence[Type], seed: int) -> list[Array]:
    """Random tangents of those of the types that have them."""
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.standard_normal(cast(Any, t.shape))).astype(numpy_dtype(t.dtype))
        for t in ts
        if isinstance(t, ArrayType) and has_tangent(t)
    ]


def vjp(p: Program) -> Program:
    """(inputs, cotangents of the active outputs) -> outputs and cotangents of the inputs."""
    forward, linear, has = linearize(p, active(p.in_types))
    b = Builder()
    xs = [b.input(t) for t in p.in_types]
    cts = [b.input(t) for t, h in zip(p.out_types, has) if h]
    ys = b.inline(forward, xs)
    n, tangents = len(p.outs), sum(active(p.in_types))
    mask = (False,) * (len(ys) - n) + (True,) * tangents
    back = transpose(linear, mask)
    return b.finish([*ys[:n], *b.inline(back, [*ys[n:], *cts])])


def pairing(us: Values, vs: Values) -> float:
    """The inner product of two lists of arrays."""
    return float(sum(np.sum(u * v) for u, v in zip(us, vs)))


def check_forward(p: Program, xs: Values, step: float = 1e-6, rtol: float = 1e-6) -> None:
    """jvp gives the outputs, and as tangents the central differences."""
    on = active(p.in_types)
    tangents = some(p.in_types, 1)
    q, has = jvp(p, on)
    out = evaluate(q, [*xs, *tangents])
    plain = evaluate(p, xs)
    _equal(out[: len(plain)], plain)
    far, near = (evaluate(p, _moved(xs, on, tangents, h)) for h in (step, -step))
    given = iter(out[len(plain) :])
    for y, a, b, h in zip(plain, far, near, has):
        if y.dtype.kind != "f":
            assert not h
            continue
        want = (a - b) / (2 * step)
        got = next(given) if h else np.zeros_like(want)
        np.testing.assert_allclose(got, want, rtol, rtol * (1 + np.abs(want).max(initial=0)))


def _moved(xs: Values, on: Sequence[bool], tangents: Values, h: float) -> list[Array]:
    ts = iter(tangents)
    return [x + h * next(ts) if a else x for x, a in zip(xs, on)]


def check_reverse(p: Program, xs: Values, rtol: float = 1e-9) -> None:
    """linearize gives the outputs and tangents of jvp; transpose is its adjoint."""
    on = active(p.in_types)
    vs = some(p.in_types, 1)
    q, has = jvp(p, on)
    want = evaluate(q, [*xs, *vs])
    n = len(p.outs)
    forward, linear, has_tangent_ = linearize(p, on)
    assert has == has_tangent_
    ys = evaluate(forward, xs)
    _equal(ys[:n], want[:n])
    _near(evaluate(linear, [*ys[n:], *vs]), want[n:], rtol)
    us = some([t for t, h in zip(p.out_types, has) if h], 2)
    mask = (False,) * (len(ys) - n) + (True,) * len(vs)
    back = evaluate(transpose(linear, mask), [*ys[n:], *us])
    a, b = pairing(us, want[n:]), pairing(back, vs)
    scale = 1 + sum(float(np.sum(np.abs(u * v))) for u, v in zip(us, want[n:]))
    assert abs(a - b) <= rtol * scale, f"<u, Jv> = {a} but <J'u, v> = {b}"


def _equal(got: Sequence[Any], want: Sequence[Any]) -> None:
    assert len(got) == len(want)
    for g, w in zip(got, want):
        np.testing.assert_array_equal(g, w)


def _near(got: Sequence[Any], want: Sequence[Any], rtol: float) -> None:
    assert len(got) == len(want)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol, rtol * (1 + np.abs(w).max(initial=0)))


def check_vectorize(p: Program, mapped: tuple[bool, ...], n: int = 3) -> None:
    """vectorize gives the stack of what the examples give."""
    q, on = vectorize(p, mapped, n)
    examples = [random_inputs(p.in_types, seed) for seed in range(10, 10 + n)]
    examples = [[x if m else first for x, first, m in zip(xs, examples[0], mapped)]
                for xs in examples]  # fmt: skip
    xs = [np.stack(column) if m else column[0] for column, m in zip(zip(*examples), mapped)]
    want = zip(*[evaluate(p, xs) for xs in examples])
    for y, column, m in zip(evaluate(q, xs), want, on):
        np.testing.assert_allclose(y, np.stack(column) if m else column[0], 1e-12, 1e-12)
    every, all_on = vectorize(p, mapped, n, (True,) * len(p.outs))
    assert all(all_on)
    assert every.out_types == tuple(t.stacked(n) for t in p.out_types)


def check_simplify(p: Program) -> Program:
    """simplify keeps the outputs, bit by bit but for the sign of zeros, and has nothing to add."""
    q = simplify(p)
    assert (q.in_types, q.out_types) == (p.in_types, p.out_types)
    xs = random_inputs(p.in_types, 5)
    _equal(evaluate(q, xs), evaluate(p, xs))
    assert simplify(q) == q
    return q
