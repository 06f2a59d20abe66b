"""Partitioned programs on virtual devices, through XLA: what NumPy says of them, they do."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.laws.cases_structural import CASES as STRUCTURAL
from tests.laws.harness import Style, samples, type_of, widened
from tests.sharding.fuzz import random_cuts, random_program
from tests.sharding.machine import random_inputs, run
from tests.sharding.models import (
    MEGATRON,
    Array,
    dropout,
    floats,
    gradient,
    stage,
    transformer,
    transformer_types,
)
from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.reduce import ArgReduce
from verax.compiler.passes.simplify import simplify
from verax.sharding.cuts import Cuts
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

pytestmark = pytest.mark.optimized

MESH = Mesh(data=2, model=2)
EIGHT = Mesh(data=4, model=2)
D, M = ("data",), ("model",)


def on_devices(
    p: Program,
    mesh: Mesh,
    cuts: Sequence[Cuts],
    xs: Sequence[npt.NDArray[Any]],
    out: Sequence[Cuts | None] | None = None,
) -> list[npt.NDArray[Any]]:
    device = backend()
    types: tuple[Type, ...] = tuple(
        ArrayType(t.shape, t.dtype, Spec(mesh, c)) if isinstance(t, ArrayType) else t
        for t, c in zip(p.in_types, cuts)
    )
    specs = None if out is None else tuple(None if c is None else Spec(mesh, c) for c in out)
    made = device.executable(p, types, specs)
    return [device.get(y) for y in made([device.put(x, t) for x, t in zip(xs, types)])]


def on_one_device(p: Program, xs: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    device = backend()
    made = device.executable(p, p.in_types)
    return [device.get(y) for y in made([device.put(x, t) for x, t in zip(xs, p.in_types)])]


def together(programs: Sequence[Program]) -> Program:
    """One program that does what all do, so that XLA compiles once."""
    b = Builder()
    outs: list[int] = []
    for p in programs:
        outs += b.inline(p, [b.input(t) for t in p.in_types])
    return b.finish(outs)


@pytest.mark.parametrize("first", [0, 6])
def test_random_programs(first: int) -> None:
    programs = []
    for seed in range(first, first + 6):
        rng = Random(1000 + seed)
        p = simplify(random_program(rng, EIGHT, 8))
        programs.append(gradient(p, 0, 1, 2) if seed % 2 else p)
    p = together(programs)
    rng = Random(first)
    cuts = []
    for t in p.in_types:
        assert isinstance(t, ArrayType)
        cuts.append(random_cuts(rng, EIGHT, [n for n in t.shape if isinstance(n, int)]))
    xs = random_inputs(p.in_types, first)
    for a, b in zip(run(p, xs), on_devices(p, EIGHT, cuts, xs)):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)


def test_a_transformers_gradient() -> None:
    config = (1, 16, 16, 2, 16)
    types = transformer_types(*config, 4, 8)
    n = len(types) - 2
    p = gradient(stage(transformer(*config), *types), *range(n))
    cuts: list[Cuts] = [(M, ()), *MEGATRON, (D, ()), (D, ())]
    xs = random_inputs(p.in_types)
    got = on_devices(p, MESH, cuts, xs, ((), *cuts[:n]))
    for a, b in zip(run(p, xs), got):
        np.testing.assert_allclose(b, a, rtol=0, atol=2e-5 * max(1.0, float(np.abs(a).max())))


def test_random_bits_do_not_depend_on_the_mesh() -> None:
    p = stage(lambda x, k: dropout(x, k, 0.5), floats(8, 16), KeyType("threefry2x32", ()))
    xs: list[npt.NDArray[Any]] = [
        np.ones((8, 16), np.float32),
        np.array([7, 11], np.uint32),
    ]
    (want,) = run(p, xs)
    assert 0.3 < float((want > 0).mean()) < 0.7
    for mesh, cuts in ((MESH, (D, M)), (MESH, (M + D, ())), (Mesh(x=4), ((), ("x",)))):
        (got,) = on_devices(p, mesh, [cuts, ()], xs)
        np.testing.assert_array_equal(got, want)


def test_argmax_over_a_cut_dimension() -> None:
    def f(x: Array) -> list[Array]:
        return [x.apply(ArgReduce(kind, 1, int32)) for kind in ("argmax", "argmin")]

    x = np.random.default_rng(0).integers(0, 4, (4, 16)).astype(np.float32)
    x[1, 9], x[2, 3], x[2, 12] = np.nan, np.nan, np.nan
    got = on_devices(stage(f, floats(4, 16)), EIGHT, [((), D + M)], [x])
    np.testing.assert_array_equal(got[0], np.argmax(x, 1))
    np.testing.assert_array_equal(got[1], np.argmin(x, 1))


def agree(got: npt.NDArray[Any], want: npt.NDArray[Any], what: str) -> None:
    """Equal but for the order of sums: integers exactly, NaN where the other has it."""
    if not type_of(got).dtype.is_inexact:
        np.testing.assert_array_equal(got, want, what)
        return
    eps = float(ml_dtypes.finfo(got.dtype).eps)
    a, b = widened(got), widened(want)
    scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
    np.testing.assert_allclose(a, b, rtol=0, atol=16 * eps * scale, err_msg=what)


STYLE = Style(sizes=(4, 8, 2, 1, 0))


@settings(max_examples=2, phases=[Phase.generate])
@given(data=st.data())
def test_every_op(data: st.DataObject) -> None:
    """The samples of the law suite, all in one program, cut at random."""
    drawn = [samples(case, STYLE, data.draw)[0] for case in STRUCTURAL]
    p = together([sample.program for sample in drawn])
    xs = [x for sample in drawn for x in sample.operands]
    rng = Random(data.draw(st.integers(0, 1 << 32)))
    cuts = [
        random_cuts(rng, EIGHT, [n for n in t.shape if isinstance(n, int)])
        if isinstance(t, ArrayType)
        else ()
        for t in p.in_types
    ]
    got = iter(on_devices(p, EIGHT, cuts, xs))
    want = iter(on_one_device(p, xs))
    for case, sample in zip(STRUCTURAL, drawn):
        for _ in sample.program.outs:
            agree(next(got), next(want), f"{case.name}: {sample}")
