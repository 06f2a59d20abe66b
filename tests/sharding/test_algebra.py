"""Meshes, specs and cuts: the algebra, and the messages of what does not fit."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sharding.fuzz import random_cuts
from verax.sharding.cuts import (
    Cuts,
    axes_of,
    join,
    local_shape,
    meet,
    no_cuts,
    refines,
    shard_slices,
)
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh
from verax.sharding.spec import P, Spec, spec

MESHES = (
    Mesh(data=2, model=4),
    Mesh(x=4),
    Mesh(a=2, b=2, c=2),
    Mesh(one=1, two=2),
    Mesh(p=3, q=2),
    Mesh(),
)
meshes = st.sampled_from(MESHES)
shapes = st.lists(st.sampled_from((1, 2, 4, 6, 8, 12, 24)), max_size=3).map(tuple)
randoms = st.randoms(use_true_random=False)


def draw_cuts(rng: Random, mesh: Mesh, shape: tuple[int, ...]) -> Cuts:
    return random_cuts(rng, mesh, shape)


# meshes ------------------------------------------------------------------------------------------


def test_meshes_with_equal_axes_are_one_object() -> None:
    mesh = Mesh(data=2, model=4)
    assert mesh is Mesh(data=2, model=4)
    assert mesh is not Mesh(model=4, data=2)
    assert pickle.loads(pickle.dumps(mesh)) is mesh
    assert copy.deepcopy(mesh) is mesh
    assert repr(mesh) == "Mesh(data=2, model=4)"


@given(mesh=meshes, rng=randoms)
def test_groups_partition_the_devices_in_the_order_of_their_offsets(
    mesh: Mesh, rng: Random
) -> None:
    axes = [axis for axis in mesh.names if rng.random() < 0.5]
    rng.shuffle(axes)
    groups, offsets = mesh.groups(axes), mesh.offsets(axes)
    assert sorted(d for group in groups for d in group) == list(range(mesh.count))
    for group in groups:
        assert [offsets[d] for d in group] == list(range(mesh.parts(axes)))
        rest = [tuple(mesh.coordinates()[d][a] for a in mesh.names if a not in axes) for d in group]
        assert len(set(rest)) == 1


def test_a_mesh_has_positive_sizes() -> None:
    with pytest.raises(ShardingError) as error:
        Mesh(data=0)
    assert error.value.message == "mesh axis 'data' has size 0, expected a positive int"
    assert error.value.fix == "Mesh(data=2)"


def test_an_unknown_axis_of_a_mesh() -> None:
    with pytest.raises(ShardingError) as error:
        Mesh(data=2, model=4).size("modle")
    assert error.value.message == "Mesh(data=2, model=4) has no axis 'modle'"
    assert error.value.fix == "use one of its axes: 'data', 'model'"
    with pytest.raises(ShardingError) as error:
        Mesh().size("data")
    assert error.value.fix == "make a mesh that has axes: Mesh(data=2)"


# specs -------------------------------------------------------------------------------------------


@given(mesh=meshes, shape=shapes, rng=randoms)
def test_spec_and_p_round_trip(mesh: Mesh, shape: tuple[int, ...], rng: Random) -> None:
    s = Spec(mesh, draw_cuts(rng, mesh, shape))
    assert spec(mesh, s.p, shape) == s
    assert pickle.loads(pickle.dumps(s)) == s
    assert pickle.loads(pickle.dumps(s.p)) == s.p
    assert s.trivial == (not axes_of(s.cuts))


def test_entries_are_names_tuples_or_none() -> None:
    mesh = Mesh(data=2, model=2)
    assert spec(mesh, ("data", None), (4, 4)) == Spec(mesh, (("data",), ()))
    assert spec(mesh, P(("data", "model")), (4, 4)).cuts == (("data", "model"), ())
    assert repr(P("data", None, ("a", "b"))) == "P('data', None, ('a', 'b'))"
    assert str(spec(mesh, P(None, ("data", "model")), (4, 4))) == "(-,data*model)"
    assert str(Spec(mesh, ((), ()), frozenset({"model", "data"}))) == "(-,-+data+model)"
    assert spec(mesh, P(), ()).p == P()


def test_a_size_that_is_not_known_yet_may_be_cut() -> None:
    mesh = Mesh(data=2)
    assert spec(mesh, P("data"), (object(), 3)).cuts == (("data",), ())


BAD = [
    (
        P("data", None, None),
        (4, 4),
        "P('data', None, None) has 3 entries, but an array of shape [4,4] has 2 dimensions",
        "leave out the last 1",
    ),
    (
        P("date"),
        (4, 6),
        "dimension 0 of an array of shape [4,6] is cut over 'date', "
        "which is no axis of Mesh(data=2, model=4)",
        "use one of its axes: 'data', 'model'",
    ),
    (
        P("data", "data"),
        (4, 6),
        "axis 'data' of Mesh(data=2, model=4) cuts dimensions 0 and 1 of an array of shape [4,6]; "
        "an axis cuts one dimension",
        "cut each dimension over axes of its own",
    ),
    (
        P(("data", "data")),
        (4, 6),
        "axis 'data' of Mesh(data=2, model=4) cuts dimension 0 twice of an array of shape [4,6]; "
        "an axis cuts one dimension",
        "cut each dimension over axes of its own",
    ),
    (
        P(None, ("data", "model")),
        (4, 6),
        "dimension 1 of an array of shape [4,6] has size 6, which does not divide into the 8 parts "
        "of 'data' (size 2) * 'model' (size 4)",
        "pad dimension 1 to 8, or leave it uncut",
    ),
]


@pytest.mark.parametrize(("p", "shape", "message", "fix"), BAD)
def test_what_does_not_fit(p: P, shape: tuple[int, ...], message: str, fix: str) -> None:
    with pytest.raises(ShardingError) as error:
        spec(Mesh(data=2, model=4), p, shape)
    assert error.value.message == message
    assert error.value.fix == fix


def test_an_entry_that_is_no_name() -> None:
    with pytest.raises(ShardingError) as error:
        P("data", 3)  # type: ignore[arg-type]
    assert error.value.message == (
        "entry 1 of a partition spec is 3, expected the name of a mesh axis, a tuple of names, "
        "or None"
    )
    assert error.value.fix == 'P("data", None)'


# cuts --------------------------------------------------------------------------------------------


@given(mesh=meshes, shape=shapes, rng=randoms)
def test_shards_tile_the_array(mesh: Mesh, shape: tuple[int, ...], rng: Random) -> None:
    cuts = draw_cuts(rng, mesh, shape)
    parts = shard_slices(mesh, cuts, shape)
    held = np.zeros(shape, int)
    for part in parts:
        assert held[part].shape == local_shape(mesh, cuts, shape)
        held[part] += 1
    copies = mesh.count // mesh.parts(axes_of(cuts))
    assert (held == copies).all()
    assert set(Counter(map(str, parts)).values()) == {copies}


@given(mesh=meshes, shape=shapes, rng=randoms)
def test_meet_and_join_are_the_bounds_of_refinement(
    mesh: Mesh, shape: tuple[int, ...], rng: Random
) -> None:
    a, b = draw_cuts(rng, mesh, shape), draw_cuts(rng, mesh, shape)
    low, high = meet(a, b), join(a, b)
    assert refines(a, low)
    assert refines(b, low)
    assert refines(a, no_cuts(len(shape)))
    assert meet(a, a) == a == join(a, a)
    assert low == meet(b, a)
    assert high == join(b, a)
    if high is not None:
        assert refines(high, a)
        assert refines(high, b)
        assert len(axes_of(high)) == sum(map(len, high))
    assert refines(a, b) == (meet(a, b) == b) == (join(a, b) == a)


@given(mesh=meshes, shape=shapes, rng=randoms)
def test_a_finer_shard_lies_inside_of_the_coarser_one(
    mesh: Mesh, shape: tuple[int, ...], rng: Random
) -> None:
    a = draw_cuts(rng, mesh, shape)
    coarse = meet(a, draw_cuts(rng, mesh, shape))
    for inner, outer in zip(shard_slices(mesh, a, shape), shard_slices(mesh, coarse, shape)):
        for i, o in zip(inner, outer):
            assert o.start <= i.start
            assert i.stop <= o.stop
