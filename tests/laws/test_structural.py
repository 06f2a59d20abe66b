"""What the laws cannot see of the structural ops: sizes that are not known yet, ties, messages.

Also the points where a derivative that is written carelessly is wrong: products with zeros, updates
that overwrite each other, and dtypes that the derivative laws (float64) do not draw.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.laws.harness import Array, program_of, run, type_of
from verax.compiler.ir.dtypes import (
    complex64,
    float32,
    float64,
    int8,
    int32,
    uint8,
)
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size, dim
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.barrier import Barrier, Fence, StopGradient
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.reduce import ArgReduce, Reduce, product_by_mask
from verax.compiler.ops.slicing import (
    Concatenate,
    DynamicSlice,
    DynamicUpdateSlice,
    Pad,
    Slice,
)
from verax.compiler.ops.sort import Sort
from verax.compiler.ops.top_k import TopK
from verax.compiler.passes.check import check
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.transpose import transpose
from verax.compiler.passes.vectorize import vectorize

pytestmark = pytest.mark.optimized

N, M, K = dim("n"), dim("m"), dim("k")


def f32(*shape: Size) -> ArrayType:
    return ArrayType(shape, float32)


def i32(*shape: Size) -> ArrayType:
    return ArrayType(shape, int32)


# sizes that are not known ------------------------------------------------------------------------

SYMBOLIC: tuple[tuple[Op, tuple[ArrayType, ...], Shape], ...] = (
    (Reshape((N * M,)), (f32(N, M),), (N * M,)),
    (Reverse((0,)), (f32(N, M),), (N, M)),
    (Iota(N, int32), (), (N,)),
    (Slice(((1, N, 1), None)), (f32(N, M),), (N - 1, M)),
    (Slice(((1, 2 * N + 1, 2),)), (f32(2 * N + 3),), (N,)),
    (Pad(((1, 2, 0), (0, 0, 1))), (f32(N, M),), (N + 3, 2 * M - 1)),
    (Pad(((N, -1, 0),)), (f32(N),), (2 * N - 1,)),
    (Concatenate(0), (f32(N), f32(M), f32(3)), (N + M + 3,)),
    (DynamicSlice((N, 2)), (f32(2 * N, M), i32(), i32()), (N, 2)),
    (DynamicUpdateSlice((0,)), (f32(N, M), f32(2, M), i32()), (N, M)),
    (Reduce("max", (0,)), (f32(N, M),), (M,)),
    (Reduce("mul", (0, 1)), (f32(N, M),), ()),
    (ArgReduce("argmax", 1, int32), (f32(N, M),), (N,)),
    (Gather(0, 1, "clip"), (f32(N, M), i32(K)), (K, M)),
    (Gather(1, 1, "fill"), (f32(N, M, 3), i32(N, K)), (N, K, 3)),
    (ScatterAdd(0, (N,), "clip"), (f32(K, M), i32(K)), (N, M)),
    (ScatterSet("set", 0, 1), (f32(N, M), f32(K, M), i32(K)), (N, M)),
    (ScatterSet("mul", 0, 1), (f32(N, M), f32(K, M), i32(K)), (N, M)),
    (Sort(1, 1), (f32(N, M), i32(N, M)), (N, M)),
    (Barrier(), (f32(N), f32(N)), (N,)),
    (Fence(), (f32(N),), (N,)),
    (StopGradient(), (f32(N),), (N,)),
)


@pytest.mark.parametrize(("op", "types", "shape"), SYMBOLIC, ids=[c[0].name for c in SYMBOLIC])
def test_sizes_may_be_symbolic(op: Op, types: tuple[ArrayType, ...], shape: Shape) -> None:
    """Shape rule, every vectorization and every derivative, all with unknown sizes."""
    p = check(program_of(op, types))
    assert p.out_types[0].shape == shape
    for mapped in itertools.product((True, False), repeat=len(types)):
        if any(mapped):
            q, out = vectorize(p, mapped, dim("q"))
            want = tuple(t.stacked(dim("q")) if m else t for t, m in zip(p.out_types, out))
            assert check(q).out_types == want
    active = tuple(t.dtype.is_inexact for t in types)
    if any(active) and any(jvp(p, active)[1]):
        check(jvp(p, active)[0])
        check(gradient(p, active))


def gradient(p: Program, active: tuple[bool, ...]) -> Program:
    """(inputs, cotangents of the outputs that move) -> cotangents of the active inputs."""
    lin = linearize(p, active)
    residuals = len(lin.linear.in_types) - sum(active)
    back = transpose(lin.linear, (False,) * residuals + (True,) * sum(active))
    b = Builder()
    xs = [b.input(t) for t in p.in_types]
    kept = b.inline(lin.forward, xs)[len(p.outs) :]
    return b.finish(b.inline(back, [*kept, *[b.input(t) for t in lin.linear.out_types]]))


def test_reshape_lets_the_common_major_factor_be_cut() -> None:
    def dims(shape: Shape, target: Shape) -> str:
        f = Reshape(target).factors(shape)
        spell = [
            " ".join("(" + "*".join(map(str, d)) + ")" for d in side)
            for side in (f.ins[0], f.outs[0])
        ]
        free = sorted(str(k) for k in f.sizes if k not in f.whole)
        return f"{spell[0]} -> {spell[1]}, free {' '.join(free) or 'none'}"

    assert dims((1, 3), (3, 1, 1)) == "() (0) -> (0) () (), free 0"
    assert dims((12,), (3, 4)) == "(0*i0) -> (0) (o1), free 0"
    assert dims((4, 6), (6, 4)) == "(0*i0) (i1) -> (0*o0) (o1), free 0"
    assert dims((2, 3, 4), (6, 4)) == "(0) (i1) (1) -> (0*o0) (1), free 0 1"
    assert dims((0, 3), (3, 0)) == "(i0) (i1) -> (o0) (o1), free none"
    assert dims((N * M,), (N, M)) == "(0*i0) -> (0) (o1), free 0"
    assert dims((N, 6), (6, N)) == "(i0) (i1) -> (o0) (o1), free none"


# values ------------------------------------------------------------------------------------------


def grad_of(op: Op, xs: list[Array], active: tuple[bool, ...]) -> list[Array]:
    """The gradient of the sum of op's result."""
    p = program_of(op, [type_of(x) for x in xs])
    out = p.out_types[0]
    assert isinstance(out, ArrayType)
    ones = np.ones([int(str(n)) for n in out.shape], xs[0].dtype)
    return run(gradient(p, active), [*xs, ones])


def test_extremes_share_at_ties() -> None:
    x = np.array([[2.0, 1.0, 2.0], [0.0, -0.0, -1.0]])
    (g,) = grad_of(Reduce("max", (1,)), [x], (True,))
    np.testing.assert_array_equal(g, [[0.5, 0, 0.5], [0.5, 0.5, 0]])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_product_has_derivatives_at_zeros(zeros: int, axes: tuple[int, ...]) -> None:
    """The first and the second derivative are sums of products of the other elements."""
    x = np.arange(1.0, 7.0).reshape(2, 3)
    x.flat[[0, 4, 2][:zeros]] = 0
    t, s = np.random.default_rng(0).standard_normal((2, 2, 3))
    p, _ = jvp(program_of(Reduce("mul", axes), [type_of(x)]), (True,))
    q, _ = jvp(p, (True, True))
    _, first, _, second = run(q, [x, t, s, np.zeros_like(x)])
    last = range(-len(axes), 0)
    xs, ts, ss = (
        np.moveaxis(v, axes, last).reshape(-1, math.prod(v.shape[a] for a in axes))
        for v in (x, t, s)
    )
    places = range(xs.shape[1])
    want = [sum(ts[r, i] * without(xs[r], i) for i in places) for r in range(len(xs))]
    np.testing.assert_allclose(first.ravel(), want, rtol=1e-12, atol=1e-12)
    pairs = list(itertools.permutations(places, 2))
    want = [
        sum(ts[r, i] * ss[r, j] * without(xs[r], i, j) for i, j in pairs) for r in range(len(xs))
    ]
    np.testing.assert_allclose(second.ravel(), want, rtol=1e-12, atol=1e-12)


def without(row: Array, *places: int) -> float:
    """The product of the elements but those at some places."""
    return float(np.prod(np.delete(row, places)))


def test_product_of_unknown_size_has_the_same_derivative() -> None:
    x, t = np.array([[2.0, 0.0, 3.0], [4.0, 5.0, 6.0]]), np.arange(6.0).reshape(2, 3)
    b = Builder()
    y, dy = product_by_mask(b, b.input(type_of(x)), b.input(type_of(t)), 1)
    assert dy is not None
    got = run(b.finish([y, dy]), [x, t])
    p, _ = jvp(program_of(Reduce("mul", (1,)), [type_of(x)]), (True,))
    for a, b_ in zip(got, run(p, [x, t])):
        np.testing.assert_allclose(a, b_)


def test_updates_that_are_overwritten_have_no_gradient() -> None:
    x, u = np.zeros((3, 2)), np.arange(8.0).reshape(4, 2)
    i = np.array([1, 1, 7, 1], np.int32)
    dx, du = grad_of(ScatterSet("set", 0, 1), [x, u, i], (True, True, False))
    np.testing.assert_array_equal(dx, [[1, 1], [0, 0], [1, 1]])
    np.testing.assert_array_equal(du.sum(1), [0, 0, 0, 2])


@pytest.mark.parametrize("u", [[2.0, 3, 5, 7], [2.0, 0, 5, 7], [2.0, 0, 0, 7], [0.0, 1, 1, 0]])
def test_factors_at_one_place_have_the_gradient_of_a_product(u: list[float]) -> None:
    x, i = np.array([10.0, 20, 30]), np.array([1, 1, 2, 1], np.int32)
    operands = [x, np.array(u), i]
    dx, du = grad_of(ScatterSet("mul", 0, 1), operands, (True, True, False))
    one = np.array([u[0], u[1], u[3]])
    np.testing.assert_allclose(dx, [1, np.prod(one), u[2]])
    np.testing.assert_allclose(
        du, [20 * without(one, 0), 20 * without(one, 1), 30, 20 * without(one, 2)]
    )


def test_extreme_updates_share_at_ties() -> None:
    x, i = np.array([1.0, 5, np.nan]), np.array([0, 0, 1], np.int32)
    dx, du = grad_of(ScatterSet("max", 0, 1), [x, np.array([1.0, 1, 2]), i], (True, True, False))
    np.testing.assert_allclose(dx, [1 / 3, 1, 1])
    np.testing.assert_allclose(du, [1 / 3, 1 / 3, 0])


def test_accumulation_in_a_wider_dtype_has_gradients_in_the_operands_dtype() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-4, 5, s).astype(ml_dtypes.bfloat16) for s in ((3, 64), (64, 2)))
    op = Contract(((0, 1), (1, 2)), (0, 2), (), float32)
    p = program_of(op, [type_of(x), type_of(y)])
    ct = rng.integers(-4, 5, (3, 2)).astype(np.float32)
    value, dx, dy = *run(p, [x, y]), *run(gradient(p, (True, True)), [x, y, ct])
    wide_x, wide_y = x.astype(np.float32), y.astype(np.float32)
    np.testing.assert_array_equal(value, wide_x @ wide_y)
    np.testing.assert_array_equal(dx, (ct @ wide_y.T).astype(ml_dtypes.bfloat16))
    np.testing.assert_array_equal(dy, (wide_x.T @ ct).astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_nan_comes_out_of_long_reductions(dtype: Any) -> None:
    """XLA's library of reductions, used from some length on, loses it."""
    x = np.random.default_rng(0).standard_normal((300, 1000)).astype(dtype)
    x[7, 333] = np.nan
    for axes in ((0,), (1,), (0, 1)):
        for kind in ("max", "min"):
            (y,) = run(program_of(Reduce(kind, axes), [type_of(x)]), [x])
            want = getattr(np, kind)(x.astype(np.float64), axis=axes)
            np.testing.assert_array_equal(y.astype(np.float64), want)
    (i,) = run(program_of(ArgReduce("argmax", 1, int32), [type_of(x)]), [x])
    assert i[7] == 333


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16, np.int64, np.uint64])
def test_sort_of_whole_range(dtype: Any) -> None:
    """Every bit pattern has its place; equal keys keep their order."""
    bits = np.random.default_rng(0).integers(0, 2**63, 4000, np.uint64) * np.uint64(2)
    x = np.concatenate([bits.view(dtype)[:4000], np.array([0, -0.0, 0, 1, 1]).astype(dtype)])
    places = np.arange(len(x), dtype=np.int32)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        keys = x.astype(np.float64) if x.dtype == ml_dtypes.bfloat16 else x
    order = np.argsort(keys, kind="stable")
    y, got = run(program_of(Sort(0, 1), [type_of(x), type_of(places)]), [x, places])
    np.testing.assert_array_equal(got, order)
    assert y.tobytes() == x[order].tobytes()
    (alone,) = run(program_of(Sort(0, 1), [type_of(x)]), [x])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(alone.astype(keys.dtype), keys[order])


# messages ----------------------------------------------------------------------------------------

MESSAGES: tuple[tuple[Op, tuple[Type, ...], type[Exception], str], ...] = (
    (
        Reshape((5, 2)),
        (f32(3, 4),),
        ShapeError,
        "reshape: [3,4] has 12 elements, [5,2] has 10",
    ),
    (
        Reverse((2,)),
        (f32(3, 4),),
        ShapeError,
        "reverse: the axes (2,) are not all axes of [3,4]",
    ),
    (
        Slice(((2, 5, 1),)),
        (f32(4),),
        ShapeError,
        "slice: 2:5 is not inside of dimension 0 of [4]",
    ),
    (
        Slice(((0, N, 2),)),
        (f32(N),),
        ShapeError,
        "slice: the size n is not known to be divisible by the stride 2",
    ),
    (
        Pad(((-3, -2, 0),)),
        (f32(4),),
        ShapeError,
        "pad: (-3, -2) crops more than dimension 0 of [4] has",
    ),
    (
        Concatenate(0),
        (f32(2, 3), f32(2, 4)),
        ShapeError,
        "concatenate: dimension 1 of operand 1 is 4, but 3 was expected; "
        "operands have shapes [2,3], [2,4]",
    ),
    (
        DynamicSlice((5,)),
        (f32(4), i32()),
        ShapeError,
        "dynamic_slice: a window of size 5 does not fit into dimension 0 of [4]",
    ),
    (
        DynamicSlice((2,)),
        (f32(4), f32()),
        DTypeError,
        "dynamic_slice takes starts of dtype int32, int64 or uint32, got float32[]",
    ),
    (
        Reduce("max", (1,)),
        (f32(3, 0),),
        ShapeError,
        "reduce max: dimension 1 of [3,0] is empty, and there is no extreme of nothing",
    ),
    (
        Reduce("max", (0,)),
        (ArrayType((3,), complex64),),
        DTypeError,
        "reduce max takes bool or int or uint or float operands, got complex64[3]",
    ),
    (
        ArgReduce("argmin", 0, int8),
        (f32(200),),
        DTypeError,
        "argmin: int8 cannot count the 200 elements of dimension 0 of [200]",
    ),
    (
        Gather(0, 1, "clip"),
        (f32(0, 3), i32(2)),
        ShapeError,
        "gather: no index can be clipped into an empty dimension; the indexed dimensions are [0]",
    ),
    (
        Gather(1, 1, "clip"),
        (f32(3), i32(3)),
        ShapeError,
        "gather: 1 batch and 1 indexed dimensions, and 0 before them, do not fit an operand of "
        "rank 1 with indices [3]",
    ),
    (
        Gather(0, 1, "clip"),
        (f32(3), ArrayType((2,), uint8)),
        DTypeError,
        "gather takes indices of dtype int32, int64 or uint32, got uint8[2]",
    ),
    (
        ScatterSet("set", 0, 1),
        (f32(3), ArrayType((2,), float64), i32(2)),
        DTypeError,
        "scatter_set takes operands of one dtype, got float32, float64",
    ),
    (
        TopK(0, 1),
        (ArrayType((3,), complex64),),
        DTypeError,
        "top_k takes bool or int or uint or float operands, got complex64[3]",
    ),
    (TopK(0, 4), (f32(3),), ShapeError, "top_k: dimension 0 of [3] has no 4 elements"),
    (
        Sort(0, 3),
        (f32(3), f32(3)),
        ShapeError,
        "sort by 3 keys takes as many operands or more",
    ),
)


@pytest.mark.parametrize(
    ("op", "types", "error", "message"), MESSAGES, ids=[m[3].split(":")[0] for m in MESSAGES]
)
def test_messages(op: Op, types: tuple[Type, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        op.infer(types)
    assert getattr(raised.value, "message", None) == message
