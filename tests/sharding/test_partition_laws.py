"""The law of partition, on random programs and cuts: all devices together give the global result.

Programs run in NumPy, devices in lockstep; test_devices.py runs some of them on XLA.
"""

from __future__ import annotations

from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sharding.fuzz import random_cuts, random_program
from tests.sharding.machine import random_inputs, run, run_cut
from tests.sharding.models import gradient
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.passes.check import check
from verax.compiler.passes.partition import partition
from verax.compiler.passes.simplify import simplify
from verax.sharding.cuts import Cuts
from verax.sharding.mesh import Mesh

MESHES = (
    Mesh(data=4, model=2),
    Mesh(data=2, model=2),
    Mesh(x=4),
    Mesh(a=2, b=2, c=2),
    Mesh(one=1, x=2),
)


def values(p: Program, seed: int) -> list[npt.NDArray[np.generic]]:
    """Floats of either sign; indices of which some are out of range."""
    xs = random_inputs(p.in_types, seed)
    rng = np.random.default_rng(seed)
    return [rng.integers(-2, 10, x.shape).astype(x.dtype) if x.dtype.kind == "i" else x for x in xs]


def holds(p: Program, mesh: Mesh, cuts: tuple[Cuts, ...], out: tuple[Cuts | None, ...]) -> None:
    made = partition(p, mesh, cuts, out)
    check(made.program)
    for asked, given_cuts in zip(out, made.out_cuts):
        assert asked is None or asked == given_cuts
    xs = values(p, 0)
    want = run(p, xs)
    got = run_cut(made.program, mesh, xs, cuts, made.out_cuts, p.out_types)
    for a, b in zip(want, got):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)


def cuts_of(rng: Random, mesh: Mesh, shape: object) -> Cuts:
    assert isinstance(shape, tuple)
    return random_cuts(rng, mesh, shape)


@settings(max_examples=80)
@given(
    rng=st.randoms(use_true_random=False),
    mesh=st.sampled_from(MESHES),
    steps=st.sampled_from((4, 8, 12)),
    differentiate=st.booleans(),
)
def test_glued_shards_are_the_whole(
    rng: Random, mesh: Mesh, steps: int, differentiate: bool
) -> None:
    p = simplify(random_program(rng, mesh, steps))
    if differentiate:
        p = gradient(p, 0, 1, 2)
    cuts = tuple(cuts_of(rng, mesh, t.shape) for t in p.in_types)
    out = tuple(cuts_of(rng, mesh, t.shape) if rng.random() < 0.3 else None for t in p.out_types)
    holds(p, mesh, cuts, out)


@pytest.mark.parametrize("seed", range(120))
def test_programs_that_are_always_tried(seed: int) -> None:
    rng = Random(seed)
    mesh = rng.choice(MESHES)
    p = simplify(random_program(rng, mesh, rng.choice((4, 8, 12))))
    if seed % 2:
        p = gradient(p, 0, 1, 2)
    cuts = tuple(cuts_of(rng, mesh, t.shape) for t in p.in_types)
    holds(p, mesh, cuts, (None,) * len(p.outs))


def test_no_axis_cuts_nothing() -> None:
    p = random_program(Random(3), Mesh(), 8)
    nothing = tuple(((),) * t.ndim for t in p.in_types)
    made = partition(p, Mesh(), nothing)
    assert made.comm == ()
    assert all(isinstance(t, ArrayType) for t in made.program.in_types)
