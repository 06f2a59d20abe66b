"""Collectives: what they lower to is what they say, for every dtype and reduction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from tests.laws.harness import widened
from tests.sharding.machine import cut, glue, lockstep
from verax.compiler.backend import pjrt
from verax.compiler.backend.emit import spmd_module
from verax.compiler.ir.dtypes import ALL, DType, float8_e4m3fn, float32
from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.text import parse
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.collective import (
    REDUCERS,
    AllGather,
    AllReduce,
    AllToAll,
    OwnPart,
    ReduceScatter,
)
from verax.compiler.ops.pointwise import splat
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.partition import partition
from verax.compiler.passes.vectorize import vectorize
from verax.sharding.cuts import Cuts
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

MESH = Mesh(a=2, b=2)
WHOLE: Cuts = ((), ())
ROWS: Cuts = (("a", "b"), ())
COLUMNS: Cuts = ((), ("a", "b"))
TAKES = {
    "add": ("bool", "int", "uint", "float", "complex"),
    "mul": ("bool", "int", "uint", "float", "complex"),
    "max": ("bool", "int", "uint", "float"),
    "min": ("bool", "int", "uint", "float"),
    "and": ("bool", "int", "uint"),
    "or": ("bool", "int", "uint"),
}


def values(dtype: DType) -> npt.NDArray[Any]:
    """Sums and products of these are exact in every dtype."""
    rng = np.random.default_rng(0)
    numpy = np.dtype(getattr(ml_dtypes, dtype.name, None) or dtype.name)
    if dtype.is_bool:
        return np.asarray(rng.random((8, 8)) < 0.5)
    if dtype.kind == "uint":
        return rng.integers(0, 3, (8, 8)).astype(numpy)
    x = rng.integers(-1, 2, (8, 8))
    if dtype.is_complex:
        return np.asarray(x + 1j * rng.integers(-1, 2, (8, 8))).astype(numpy)
    return x.astype(numpy)


def ops(dtype: DType) -> Iterator[tuple[Op, Cuts, Cuts]]:
    """An op, the cuts of its operand and those of its result."""
    for kind in REDUCERS:
        if dtype.kind in TAKES[kind]:
            yield AllReduce(MESH, ("b",), kind), (("a",), ("b",)), (("a",), ())
    yield AllReduce(MESH, ("b", "a"), "add"), ROWS, WHOLE
    yield AllGather(MESH, ("b",), 0), ROWS, (("a",), ())
    yield AllGather(MESH, ("a", "b"), 1), COLUMNS, WHOLE
    yield ReduceScatter(MESH, ("b",), 0), (("a",), ("b",)), (("a", "b"), ())
    yield AllToAll(MESH, ("a", "b"), 0, 1), ROWS, COLUMNS
    yield AllToAll(MESH, ("b",), 0, 1), ROWS, (("a",), ("b",))
    yield OwnPart(MESH, ("b",), 1), (("a",), ()), (("a",), ("b",))
    yield OwnPart(MESH, ("b", "a"), 0), WHOLE, (("b", "a"), ())


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_devices_do_what_the_op_says(dtype: DType) -> None:
    """All collectives of one dtype, compiled as one module."""
    x = values(dtype)
    b = Builder()
    inputs, outs = [], []
    for op, before, after in ops(dtype):
        t = ArrayType(cast(Any, cut(x, MESH, before)[0].shape), dtype)
        y = b.emit(op, b.input(t))
        whole = ArrayType(
            tuple(
                int(n) * MESH.parts(axes)
                for n, axes in zip(cast(ArrayType, b.types[y]).shape, after)
                if isinstance(n, int)
            ),
            dtype,
            Spec(MESH, after),
        )
        inputs.append(ArrayType((8, 8), dtype, Spec(MESH, before)))
        outs.append((y, whole))
    p = b.finish([y for y, _ in outs])
    module = spmd_module(p, MESH, inputs, [t for _, t in outs])
    assert len(set(handles(module.text))) == len(handles(module.text))
    loaded = pjrt.load(module.text, MESH)
    buffers = loaded.execute_sharded([pjrt.put(x, t) for t in inputs])
    got = buffers.consume_with_handlers([pjrt.handler(t) for _, t in outs])
    shards = [cut(x, MESH, cast(Spec, t.spec).cuts) for t in inputs]
    for buffer, want, (_, t) in zip(got, lockstep(p, MESH, shards), outs):
        expected = glue([np.asarray(w) for w in want], MESH, cast(Spec, t.spec).cuts, t.bare)
        np.testing.assert_array_equal(pjrt.get(buffer), expected.astype(x.dtype))


@pytest.mark.parametrize("dtype", [d for d in ALL if d.is_float], ids=str)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_a_nan_comes_out_of_a_reduction(dtype: DType, kind: str) -> None:
    """Whatever its sign and wherever it lies; and nothing else becomes one."""
    before = Spec(MESH, (("a",), ("b",)))
    t = ArrayType((8, 4), dtype)
    x = values(dtype)[:, :4]
    x[1, 1] = x[4, 2] = np.nan
    x[2, 0] = -x[1, 1]
    x[6, 0], x[7, 3] = ml_dtypes.finfo(x.dtype).max, ml_dtypes.finfo(x.dtype).min
    if dtype is not float8_e4m3fn:
        x[0, 0], x[5, 3] = np.inf, -np.inf
    b = Builder()
    y = b.emit(AllReduce(MESH, ("b",), kind), b.input(ArrayType((4, 2), dtype)))
    whole = ArrayType((8, 2), dtype, Spec(MESH, (("a",), ())))
    module = spmd_module(b.finish([y]), MESH, [ArrayType(t.shape, dtype, before)], [whole])
    buffers = [pjrt.put(x, ArrayType(t.shape, dtype, before))]
    ran = pjrt.load(module.text, MESH).execute_sharded(buffers)
    (got,) = ran.consume_with_handlers([pjrt.handler(whole)])
    reduce = np.maximum if kind == "max" else np.minimum
    with np.errstate(invalid="ignore"):
        want = reduce(widened(x[:, :2]), widened(x[:, 2:]))
    np.testing.assert_array_equal(widened(pjrt.get(got)), want)


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_sums_of_constants_compile(dtype: DType) -> None:
    """XLA's simplifier sees through them."""
    b = Builder()
    x = b.emit(splat(1, ArrayType((4,), dtype)))
    ops = (AllReduce(MESH, ("a",), "add"), ReduceScatter(MESH, ("b",), 0))
    p = b.finish([b.emit(op, x) for op in ops])
    outs = [ArrayType((4,), dtype, Spec(MESH, cuts)) for cuts in (((),), (("b",),))]
    module = spmd_module(p, MESH, (), outs)
    ran = pjrt.load(module.text, MESH).execute_sharded([])
    for y in ran.consume_with_handlers([pjrt.handler(t) for t in outs]):
        two = 1 if dtype.is_bool else 2
        np.testing.assert_array_equal(widened(pjrt.get(y)), np.full(4, two))


def handles(text: str) -> list[str]:
    return [part.split(",")[0] for part in text.split("channel_handle<handle = ")[1:]]


def test_text_is_read_back() -> None:
    b = Builder()
    x = b.input(ArrayType((8, 8), float32))
    for op, _, _ in ops(float32):
        if not isinstance(op, AllGather):
            b.emit(op, x)
    p = b.finish(range(len(b.types)))
    assert parse(str(p)) == p


def a_program() -> Program:
    b = Builder()
    return b.finish([b.emit(AllReduce(MESH, ("a",), "add"), b.input(ArrayType((4,), float32)))])


def test_local_programs_are_final() -> None:
    reason = "partition is the last pass that changes what a program means"
    with pytest.raises(InternalError, match="not differentiated") as error:
        jvp(a_program(), (True,))
    assert error.value.message == (
        f"all_reduce stands in the program of one device, which is not differentiated: {reason}"
    )
    with pytest.raises(InternalError, match="not vectorized"):
        vectorize(a_program(), (True,), 3)
    with pytest.raises(InternalError, match="not partitioned"):
        partition(a_program(), MESH, (((),),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: AllReduce(MESH, ("a", "a"), "add"),
            "all_reduce: an axis stands twice in ('a', 'a')",
        ),
        (lambda: AllReduce(MESH, ("c",), "add"), "Mesh(a=2, b=2) has no axis 'c'"),
        (
            lambda: AllReduce(MESH, ("a",), "sum"),
            "all_reduce knows no 'sum', only add, mul, max, min, and, or",
        ),
        (
            lambda: ReduceScatter(MESH, ("a",), 0).infer((ArrayType((3,), float32),)),
            "reduce_scatter: dimension 0 of float32[3] does not divide into 2 parts",
        ),
    ],
)
def test_what_does_not_fit(make: Any, message: str) -> None:
    with pytest.raises(ShardingError) as error:
        make()
    assert error.value.message == message
