"""From one layout to another: the steps are right, free where they can be, and the cheap ones."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sharding.fuzz import random_cuts
from tests.sharding.machine import cut, glue, lockstep
from verax.compiler.ir.dtypes import float32, float64
from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.collective import AllGather, AllReduce, AllToAll, OwnPart, ReduceScatter
from verax.compiler.passes.reshard import Layout, cost, extended, local_type, steps
from verax.sharding.cuts import axes_of, refines
from verax.sharding.mesh import Mesh

MESHES = (Mesh(data=4, model=2), Mesh(a=2, b=2, c=2), Mesh(x=4), Mesh(one=1, two=2))
SHAPE = (8, 16, 8)
T = ArrayType(SHAPE, float64)


def draw(rng: Random, mesh: Mesh) -> tuple[Layout, Layout]:
    """A layout, and one that it can become."""
    have = random_cuts(rng, mesh, SHAPE)
    want = random_cuts(rng, mesh, SHAPE)
    sums = {axis for axis in mesh.names if axis not in axes_of(have) and rng.random() < 0.5}
    kept = {axis for axis in sums - axes_of(want) if rng.random() < 0.3}
    return Layout(have, frozenset(sums)), Layout(want, frozenset(kept))


@settings(max_examples=60)
@given(mesh=st.sampled_from(MESHES), rng=st.randoms(use_true_random=False))
def test_steps_lead_from_shards_to_shards(mesh: Mesh, rng: Random) -> None:
    have, want = draw(rng, mesh)
    # terms of the pending sum: everything on the devices that stand first along its axes
    values = np.random.default_rng(0).standard_normal(SHAPE)
    terms = [
        shard if all(at[axis] == 0 for axis in have.pending) else np.zeros_like(shard)
        for shard, at in zip(cut(values, mesh, have.cuts), mesh.coordinates())
    ]
    b = Builder()
    y = b.input(local_type(mesh, T, have.cuts))
    for op in steps(mesh, have, want):
        y = b.emit(op, y)
    (shards,) = lockstep(b.finish([y]), mesh, [terms])
    if want.pending:  # finish what was asked to stay, by hand
        left = AllReduce(mesh, tuple(sorted(want.pending)), "add")
        b.emit(left, y)
        (shards,) = lockstep(b.finish([b.emit(left, y)]), mesh, [terms])
    np.testing.assert_array_equal(glue(shards, mesh, want.cuts, T), values)


@settings(max_examples=60)
@given(mesh=st.sampled_from(MESHES), rng=st.randoms(use_true_random=False))
def test_what_refines_is_free(mesh: Mesh, rng: Random) -> None:
    have, want = draw(rng, mesh)
    have, want = Layout(have.cuts), Layout(want.cuts)
    free = all(isinstance(op, OwnPart) for op in steps(mesh, have, want))
    assert (cost(mesh, T, have, want) == 0) == free
    if refines(want.cuts, have.cuts):
        assert free
    assert steps(mesh, have, have) == ()


MESH = Mesh(data=2, model=2)
D, M = ("data",), ("model",)
CASES: list[tuple[Layout, Layout, list[Op]]] = [
    (Layout(((), ()), frozenset(D)), Layout(((), ())), [AllReduce(MESH, D, "add")]),
    (Layout(((), ()), frozenset(D)), Layout((D, ())), [ReduceScatter(MESH, D, 0)]),
    (
        Layout(((), ()), frozenset(D + M)),
        Layout((M + D, ())),
        [ReduceScatter(MESH, M + D, 0)],
    ),
    (
        Layout(((), ()), frozenset(D + M)),
        Layout((D, ())),
        [ReduceScatter(MESH, D, 0), AllReduce(MESH, M, "add")],
    ),
    (  # what is free comes first: less is moved after it
        Layout(((), ()), frozenset(D)),
        Layout(((), M)),
        [OwnPart(MESH, M, 1), AllReduce(MESH, D, "add")],
    ),
    (Layout((D, ())), Layout(((), D)), [AllToAll(MESH, D, 0, 1)]),
    (Layout((D + M, ())), Layout((D, ())), [AllGather(MESH, M, 0)]),
    (Layout((D + M, ())), Layout((D, M)), [AllToAll(MESH, M, 0, 1)]),
    (Layout((D, ())), Layout((M, ())), [AllGather(MESH, D, 0), OwnPart(MESH, M, 0)]),
    (
        Layout((D, M)),
        Layout((M, D)),
        [AllGather(MESH, D, 0), AllToAll(MESH, M, 1, 0), OwnPart(MESH, D, 1)],
    ),
]


@pytest.mark.parametrize(("have", "want", "path"), CASES, ids=str)
def test_the_path_is_the_cheap_one(have: Layout, want: Layout, path: list[Op]) -> None:
    assert list(steps(MESH, have, want)) == path


def test_sums_do_not_come_undone() -> None:
    with pytest.raises(InternalError) as error:
        steps(MESH, Layout(((),)), Layout(((),), frozenset(D)))
    assert error.value.message == "nothing makes (-+data) of (-): sums do not come undone"


def test_cost_counts_bytes_and_latency() -> None:
    t = ArrayType((1024, 1024), float32)
    gather = cost(MESH, t, Layout((D, ())), Layout(((), ())))
    reduce = cost(MESH, t, Layout(((), ()), frozenset(D)), Layout(((), ())))
    scatter = cost(MESH, t, Layout(((), ()), frozenset(D)), Layout((D, ())))
    exchange = cost(MESH, t, Layout((D, ())), Layout(((), D)))
    latency = 1 << 14
    assert gather == 2 * 2**20 + latency
    assert reduce == 4 * 2**20 + latency
    assert scatter == 2 * 2**20 + latency
    assert exchange == 2**20 + latency
    assert cost(MESH, t, Layout(((), ())), Layout((D, M))) == 0


def test_wishes_extend_a_layout_where_that_is_free() -> None:
    summed = Layout(((), ()), frozenset(D))
    assert extended(summed, (D, M)) == Layout((D, M))
    assert extended(summed, (D, M), soft=True) == Layout((D, ()))
    assert extended(summed, None) == Layout(((), ()))
    assert extended(Layout((M, ())), (D, None)) == Layout((M, ()))
    assert extended(Layout((D, ())), (D + M, M)) == Layout((D + M, ()))
