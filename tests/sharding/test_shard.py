"""shard: the identity that fixes a layout, under every transformation and in the partitioner."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sharding.machine import random_inputs, run, run_cut
from tests.sharding.models import Array, floats, gradient, stage
from verax.compiler.backend import backend
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.program import Program, walk
from verax.compiler.ir.text import parse
from verax.compiler.ir.types import KeyType
from verax.compiler.ops.layout import Reverse
from verax.compiler.ops.shard import Shard
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.partition import partition
from verax.compiler.passes.vectorize import vectorize
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh

MESH = Mesh(data=2, model=2)
D, M = ("data",), ("model",)


def squares(x: Array) -> Array:
    return x.shard(MESH, D, M) * x


def layouts(p: Program) -> list[object]:
    return [eq.op.cuts for _, eq in walk(p) if isinstance(eq.op, Shard)]


def test_text_is_read_back() -> None:
    p = stage(squares, floats(4, 4))
    assert 'shard{mesh=Mesh(data=2, model=2), cuts=(("data",), ("model",))} %0' in str(p)
    assert parse(str(p)) == p


def test_tangents_and_cotangents_lie_as_the_value_does() -> None:
    p = stage(lambda x: x.shard(MESH, D, M).exp().sum(), floats(4, 4))
    assert layouts(jvp(p, (True,))[0]) == [(D, M), (D, M)]
    assert layouts(gradient(p, 0)) == [(D, M), (D, M)]


def test_a_mapped_dimension_is_not_cut() -> None:
    assert layouts(vectorize(stage(squares, floats(4, 4)), (True,), 3)[0]) == [((), D, M)]


def test_on_one_device_it_is_nothing() -> None:
    p = gradient(stage(lambda x: squares(x).sum(), floats(4, 4)), 0)
    xs = random_inputs(p.in_types)
    made = partition(p, MESH, (((), ()),), None)
    assert layouts(made.program) == []
    got = run_cut(made.program, MESH, xs, [((), ())], made.out_cuts, p.out_types)
    for a, b in zip(run(p, xs), got):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_it_wishes_backward_and_holds_forward() -> None:
    """What feeds it is made in its cut; what follows keeps it."""

    def f(a: Array, b: Array) -> Array:
        return (a @ b).tanh().shard(MESH, D, M).exp()

    made = partition(stage(f, floats(8, 4), floats(4, 16)), MESH, (((), ()), ((), ())), None)
    assert made.out_cuts == ((D, M),)
    assert made.comm == ()
    assert floats(8, 16) not in made.program.types


def test_a_sum_becomes_a_scatter() -> None:
    p = stage(lambda a, b: (a @ b).shard(MESH, M, ()), floats(8, 4), floats(4, 16))
    made = partition(p, MESH, (((), M), (M, ())), None)
    assert [c.kind for c in made.comm] == ["reduce_scatter"]


def test_another_mesh_is_refused() -> None:
    p = stage(squares, floats(4, 4))
    with pytest.raises(ShardingError) as error:
        partition(p, Mesh(x=2), ((("x",), ()),), None)
    assert error.value.message == (
        "a value is laid out on Mesh(data=2, model=2) in a program that runs on Mesh(x=2)"
    )
    assert error.value.fix == "use one mesh for all inputs and all layouts of a program"


def test_a_layout_must_fit_its_array() -> None:
    with pytest.raises(ShardingError) as error:
        Shard(MESH, (D, M)).infer((floats(4, 3),))
    assert error.value.message == (
        "dimension 1 of an array of shape [4,3] has size 3, which does not divide into the 2 parts "
        "of 'model' (size 2)"
    )
    with pytest.raises(ShapeError) as shape_error:
        Shard(MESH, (D,)).infer((floats(4, 3),))
    assert shape_error.value.message == "shard cuts 1 dimensions, got float32[4,3]"
    with pytest.raises(ShapeError) as shape_error:
        Shard(MESH, (D,)).infer((KeyType("threefry2x32", (4,)),))
    assert shape_error.value.message == "shard takes an array, got key<threefry2x32>[4]"


def test_cuts_that_do_not_fit_an_input() -> None:
    with pytest.raises(ShardingError) as error:
        partition(stage(lambda x: x.tanh(), floats(4, 3)), MESH, ((D, M),), None)
    assert error.value.message == (
        "dimension 1 of an array of shape [4,3] has size 3, which does not divide into the 2 parts "
        "of 'model' (size 2)"
    )


def test_the_backend_lays_results_out_as_it_says() -> None:
    p = stage(squares, floats(4, 4))
    device = backend()
    made = device.executable(p, p.in_types)
    (t,) = made.out_types
    assert str(t) == "float32[4,4]@(data,model)"
    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    (y,) = made([device.put(x, p.in_types[0])])
    np.testing.assert_array_equal(device.get(y), x * x)


# explicit mode -----------------------------------------------------------------------------------


def test_explicit_mode_refuses_what_the_program_does_not_say() -> None:
    p = stage(lambda x, w: (x @ w).apply(Reverse((0,))), floats(64, 8), floats(8, 16))
    cuts = ((D, ()), ((), M))
    with pytest.raises(ShardingError) as error:
        partition(p, MESH, cuts, None, True)
    assert error.value.message == (
        "reverse needs an operand float32[64,16] as (-,model), and it lies as (data,model)"
    )
    assert error.value.fix == ("say that it is to be moved: vx.shard(x, mesh, P(None, 'model'))")
    assert [c.kind for c in partition(p, MESH, cuts, None).comm] == ["all_gather"]


def test_explicit_mode_takes_what_is_said_and_what_is_summed() -> None:
    def f(x: Array, w: Array) -> Array:
        return (x @ w).shard(MESH, (), M).apply(Reverse((0,))).sum()

    p = stage(f, floats(64, 8), floats(8, 16))
    made = partition(p, MESH, ((D, ()), ((), M)), None, True)
    assert [c.kind for c in made.comm] == ["all_gather", "all_reduce"]
