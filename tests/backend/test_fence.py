"""Where fences go, where they do not, and that they change no value."""

from __future__ import annotations

import numpy as np
import pytest

from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import float32
from verax.compiler.ir.op import REGISTRY, Op
from verax.compiler.ir.program import Builder, Program, walk
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.barrier import Fence
from verax.compiler.ops.contract import Contract, broadcast, total
from verax.compiler.ops.functions import SIN, TANH
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.pointwise import ADD, MUL, SUB
from verax.compiler.passes.check import check
from verax.compiler.passes.fence import FUSED, SMALL, fence

pytestmark = pytest.mark.optimized

T = ArrayType((16, 32), float32)
W = ArrayType((32, 32), float32)
DOT = Contract(((0, 1), (1, 2)), (0, 2))


def fences(p: Program) -> int:
    return sum(eq.op is Fence() for _, eq in walk(p))


def normalized(b: Builder, x: int) -> int:
    """x less its row means, times its row sums of squares: three kernels use x."""
    rows = b.emit(broadcast((16, 32), [0]), b.emit(total(2, [1]), x))
    centred = b.emit(SUB, x, rows)
    squares = b.emit(total(2, [1]), b.emit(MUL, centred, centred))
    return b.emit(MUL, centred, b.emit(broadcast((16, 32), [0]), squares))


def residual_stream(layers: int) -> Program:
    """x + f(norm(x)) over and over: the history of x grows with the depth."""
    b = Builder()
    x, w = b.input(T), b.input(W)
    for _ in range(layers):
        x = b.emit(ADD, x, b.emit(TANH, b.emit(DOT, normalized(b, x), w)))
    return b.finish([x])


def test_a_residual_stream_gets_a_fence_per_layer_or_two() -> None:
    p = residual_stream(24)
    q = check(fence(p))
    assert 11 <= fences(q) <= 24
    assert len(q) == len(p) + fences(q)
    fenced = [eq.operands[0] for eq in q.equations if eq.op is Fence()]
    ops = {eq.first: eq.op for eq in q.equations}
    assert {ops[x] for x in fenced} == {ADD}


def test_fences_change_no_value() -> None:
    p = residual_stream(24)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 32)).astype(np.float32)
    w = 0.01 * rng.standard_normal((32, 32)).astype(np.float32)
    ex = backend().executable(p, p.in_types)
    assert fences(ex.program) > 0
    expected = x
    for _ in range(24):
        centred = expected - expected.sum(1, keepdims=True)
        expected = expected + np.tanh((centred * (centred**2).sum(1, keepdims=True)) @ w)
    (y,) = ex([backend().put(x, T), backend().put(w, W)])
    np.testing.assert_allclose(backend().get(y), expected, rtol=1e-4, atol=1e-4)


def test_a_fence_stays_a_call_in_what_xla_makes() -> None:
    p = residual_stream(24)
    ex = backend().executable(p, p.in_types)
    calls = ex.optimized().count('frontend_attributes={inlineable="false"}')
    assert calls == fences(ex.program)


def test_small_programs_are_left_alone() -> None:
    p = residual_stream(SMALL // 10 - 1)
    assert len(p) < SMALL
    assert fence(p) is p


def test_one_kernel_needs_no_fence() -> None:
    """However long and however shared: XLA computes it once, in one kernel."""
    b = Builder()
    x, y = b.input(T), b.input(T)
    for _ in range(100):
        x, y = b.emit(ADD, x, b.emit(SIN, y)), b.emit(MUL, y, x)
    p = b.finish([b.emit(ADD, x, y)])
    assert fence(p) is p


def test_a_history_that_reads_little_needs_no_fence() -> None:
    """To compute it again from one array costs no more traffic than to read it back."""
    b = Builder()
    x = b.input(T)
    for _ in range(50):
        x = b.emit(ADD, x, b.emit(SIN, x))
    p = b.finish([b.emit(total(2, [0]), x), b.emit(total(2, [1]), x), x])
    assert len(p) >= SMALL
    assert fence(p) is p


@pytest.mark.parametrize("shared", [False, True])
def test_a_long_sum_is_fenced_where_it_is_shared(shared: bool) -> None:
    b = Builder()
    xs = [b.input(T) for _ in range(120)]
    s = xs[0]
    for x in xs[1:]:
        s = b.emit(ADD, s, x)
    p = b.finish([b.emit(total(2, [i]), s) for i in range(1 + shared)])
    assert fences(fence(p)) == shared


def test_fences_go_into_the_bodies_of_loops() -> None:
    inner = residual_stream(24)
    b = Builder()
    x, w = b.input(T), b.input(W)
    body = b.finish([*b.inline(inner, [x, w]), w])  # both are carried
    b = Builder()
    p = b.finish(b.emit_all(Scan(body, 0, 2, 3, False), b.input(T), b.input(W)))
    q = check(fence(p))
    assert fences(q) == fences(fence(body)) > 0
    assert q.in_types == p.in_types
    assert q.out_types == p.out_types


def test_the_table_names_ops_that_exist() -> None:
    assert set(REGISTRY) >= FUSED
    assert all(issubclass(REGISTRY[name], Op) for name in FUSED)


def test_fence_twice_is_fence_once_more_or_less() -> None:
    q = fence(residual_stream(24))
    assert fences(fence(q)) == fences(q)
