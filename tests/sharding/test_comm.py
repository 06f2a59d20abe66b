"""What programs communicate, as text: the tables that users see, for the layers that they write.

Each case is also run: the devices together give the global result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tests.sharding.machine import random_inputs, run, run_cut
from tests.sharding.models import (
    MEGATRON,
    Array,
    attention,
    cross_entropy,
    dropout,
    floats,
    gradient,
    ints,
    layer_norm,
    layer_types,
    stage,
    transformer,
    transformer_types,
)
from verax.compiler.ir.dtypes import float32, int32, uint32
from verax.compiler.ir.program import Builder, Program, walk
from verax.compiler.ir.span import resolve, user_span
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops.collective import AllReduce
from verax.compiler.ops.contract import total
from verax.compiler.ops.control import Call
from verax.compiler.ops.functions import RSQRT
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import Compare, Elementwise, splat
from verax.compiler.ops.random import Threefry
from verax.compiler.ops.reduce import ArgReduce
from verax.compiler.passes.partition import Comm, partition
from verax.sharding.cuts import Cuts
from verax.sharding.mesh import Mesh

MESH = Mesh(data=2, model=2)
FOUR = Mesh(data=4)
D, M = ("data",), ("model",)


def show_comm(comm: Iterable[Comm]) -> str:
    """The table as text, one line per collective, with the user's lines."""
    lines = []
    for c in comm:
        at = "" if c.span is None else f"  {resolve(c.span)}"
        lines.append(f"{c}{at}")
    return "\n".join(lines)


def comm(
    p: Program, mesh: Mesh, cuts: Sequence[Cuts], out: tuple[Cuts | None, ...] | None = None
) -> str:
    """The table of a program that is also found to be right."""
    made = partition(p, mesh, tuple(cuts), out)
    xs = [x * np.float32(0.3) if x.dtype.kind == "f" else x for x in random_inputs(p.in_types)]
    got = run_cut(made.program, mesh, xs, cuts, made.out_cuts, p.out_types)
    for a, b in zip(run(p, xs), got):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1.0, float(np.abs(a).max())))
    return show_comm(made.comm)


def table(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


# one layer ---------------------------------------------------------------------------------------


def mlp(w1: Array, w2: Array, x: Array, y: Array) -> Array:
    d = (x @ w1).relu() @ w2 - y
    return (d * d).mean()


def test_mlp_in_the_manner_of_megatron() -> None:
    p = gradient(stage(mlp, floats(32, 64), floats(64, 32), floats(16, 32), floats(16, 32)), 0, 1)
    mesh = Mesh(data=4, model=2)
    cuts: list[Cuts] = [((), M), (M, ()), (D, ()), (D, ())]
    assert comm(p, mesh, cuts) == table("""
        all_reduce model 512 B
        all_reduce data 4 B
        all_reduce data 4096 B
        all_reduce data 4096 B
    """)
    # gradients that are wanted cut over data too are scattered while they are summed
    assert comm(p, mesh, cuts, ((), (D, M), (M + D, ()))) == table("""
        all_reduce model 512 B
        all_reduce data 4 B
        reduce_scatter data 4096 B
        reduce_scatter data 4096 B
    """)


def test_embedding_cut_over_vocabulary_or_features() -> None:
    def f(e: Array, i: Array) -> Array:
        return (e.take(i).tanh() * 3.0).sum()

    p = gradient(stage(f, floats(32, 16), ints(8, 4)), 0)
    # each device looks up what it has, and writes the gradient of what it has
    assert comm(p, MESH, [(M, ()), (D, ())], ((), (M, ()))) == table("""
        all_reduce model 1024 B
        all_reduce data 4 B
        all_reduce data 1024 B
    """)
    assert comm(p, MESH, [((), M), (D, ())], ((), ((), M))) == table("""
        all_reduce data*model 4 B
        all_reduce data 1024 B
    """)


def test_attention_cut_over_heads() -> None:
    p = stage(
        lambda x, *w: (attention(x, *w) * x).sum(), floats(4, 8, 16), *layer_types(16, 4, 8)[2:6]
    )
    cuts: list[Cuts] = [(D, (), ()), *MEGATRON[2:6]]
    # the product with x is linear, so the sum of the output projection waits for the scalar
    assert comm(p, MESH, cuts) == "all_reduce data*model 4 B"
    # one sum per projection backward, and the gradients of the weights over data
    assert comm(gradient(p, 0, 1, 2, 3, 4), MESH, cuts) == table("""
        all_reduce model 1024 B
        all_reduce model 1024 B
        all_reduce model 1024 B
        all_reduce model 1024 B
        all_reduce data 4 B
        all_reduce data 512 B
        all_reduce data 512 B
        all_reduce data 512 B
        all_reduce data 512 B
    """)


def test_layer_norm() -> None:
    p = gradient(
        stage(
            lambda x, a, b: (layer_norm(x, a, b) * x).sum(),
            floats(8, 4, 16), floats(16), floats(16),
        ),
        0, 1, 2,
    )  # fmt: skip
    assert comm(p, MESH, [(D, (), ()), ((),), ((),)]) == table("""
        all_reduce data 4 B
        all_reduce data 64 B
        all_reduce data 64 B
    """)
    assert comm(p, MESH, [(D, (), M), (M,), (M,)]) == table("""
        all_reduce model 64 B
        all_reduce model 64 B
        all_reduce model 64 B
        all_reduce model 64 B
        all_reduce data*model 4 B
        all_reduce data 32 B
        all_reduce data 32 B
    """)


def test_cross_entropy_over_a_cut_vocabulary() -> None:
    """Numbers per row are reduced (the maximum, the sum, the picked logit): never the logits."""
    p = stage(lambda x, w, i: cross_entropy(x @ w, i), floats(8, 16), floats(16, 32), ints(8))
    cuts: list[Cuts] = [(D, ()), ((), M), (D,)]
    assert comm(p, MESH, cuts) == table("""
        all_reduce model 16 B
        all_reduce model 16 B
        all_reduce model 16 B
        all_reduce data 4 B
    """)
    kinds = set(comm(gradient(p, 0, 1), MESH, cuts).splitlines())
    assert kinds == {
        "all_reduce model 16 B",
        "all_reduce model 256 B",  # the gradient of x
        "all_reduce data 4 B",
        "all_reduce data 1024 B",  # the gradient of w
    }


def test_argmax_over_a_cut_dimension_gathers_pairs() -> None:
    p = stage(lambda x: x.apply(ArgReduce("argmax", 1, int32)), floats(8, 32))
    assert comm(p, MESH, [(D, M)]) == table("""
        all_gather model 16 B
        all_gather model 16 B
    """)


def test_the_first_of_equal_elements_wins_over_devices() -> None:
    p = stage(lambda x: x.apply(ArgReduce("argmin", 0, int32)), floats(8, 4))
    made = partition(p, FOUR, ((D, ()),))
    x = np.ones((8, 4), np.float32)
    x[5, 1], x[2, 2], x[6, 2], x[4, 3] = 0, np.nan, np.nan, np.nan
    (got,) = run_cut(made.program, FOUR, [x], [(D, ())], made.out_cuts, p.out_types)
    np.testing.assert_array_equal(got, [0, 5, 2, 4])


# where values are made ---------------------------------------------------------------------------


def test_a_dropout_mask_is_made_per_shard() -> None:
    p = stage(lambda x, k: dropout(x.tanh(), k).sum(), floats(8, 16), KeyType("threefry2x32", ()))
    p = gradient(p, 0)
    cuts: list[Cuts] = [(D, M), ()]
    assert comm(p, MESH, cuts) == "all_reduce data*model 4 B"
    local = partition(p, MESH, tuple(cuts), None).program
    drawn = [local.types[eq.first] for eq in local.equations if isinstance(eq.op, Threefry)]
    assert drawn == [ArrayType((4, 8), uint32)]


def test_the_gradient_of_a_table_is_made_per_shard() -> None:
    """The wish of the output reaches the scatter: nothing of the table's size is summed whole."""
    p = gradient(stage(lambda e, i: e.take(i).tanh().sum(), floats(64, 16), ints(8)), 0)
    made = partition(p, MESH, ((M, ()), (D,)), (None, (M, ())))
    shapes = {t.shape for t in made.program.types if isinstance(t, ArrayType)}
    assert (64, 16) not in shapes


def test_a_replicated_computation_is_cut_where_it_is_wanted_cut() -> None:
    p = stage(
        lambda a, b, x: ((a @ b).tanh() * x).sum(), floats(8, 4), floats(4, 16), floats(8, 16)
    )
    assert comm(p, MESH, [((), ()), ((), ()), (D, M)]) == "all_reduce data*model 4 B"
    local = partition(p, MESH, (((), ()), ((), ()), (D, M)), None).program
    assert ArrayType((8, 16), float32) not in local.types


# training steps ----------------------------------------------------------------------------------


def step(w1: Array, w2: Array, x: Array, y: Array) -> list[Array]:
    """A step of gradient descent that clips by the norm of all gradients."""
    p = gradient(stage(mlp, *[a.type for a in (w1, w2, x, y)]), 0, 1)
    b = w1.b
    loss, g1, g2 = (Array(b, s) for s in b.inline(p, [a.slot for a in (w1, w2, x, y)]))
    scale = ((g1 * g1).sum() + (g2 * g2).sum()).apply(RSQRT)
    return [loss, w1 - g1 * g1.like(scale), w2 - g2 * g2.like(scale)]


BIG = [floats(64, 64), floats(64, 64), floats(1024, 64), floats(1024, 64)]


def test_weights_held_in_parts_are_gathered_and_their_gradients_scattered() -> None:
    cuts: list[Cuts] = [(D, ()), (D, ()), (D, ()), (D, ())]
    assert comm(stage(step, *BIG), FOUR, cuts) == table("""
        all_gather data 4096 B
        all_gather data 4096 B
        reduce_scatter data 16384 B
        reduce_scatter data 16384 B
        all_reduce data 4 B
        all_reduce data 4 B
    """)


def test_a_norm_does_not_force_gradients_to_be_whole() -> None:
    """What consumes a pending gradient only to reduce it takes the part that the update takes."""
    cuts: list[Cuts] = [((), ()), ((), ()), (D, ()), (D, ())]
    assert comm(stage(step, *BIG), FOUR, cuts, (None, (D, ()), (D, ()))) == table("""
        reduce_scatter data 16384 B
        reduce_scatter data 16384 B
        all_reduce data 4 B
        all_reduce data 4 B
    """)
    assert comm(stage(step, *BIG), FOUR, cuts) == table("""
        all_reduce data 16384 B
        all_reduce data 16384 B
        all_reduce data 4 B
    """)


def transformer_lines(table_cuts: Cuts) -> list[str]:
    """The table of a training step of two layers, cut over heads and hidden units."""
    types = transformer_types(*CONFIG, 8, 16)
    n = len(types) - 2
    p = gradient(stage(transformer(*CONFIG), *types), *range(n))
    cuts: list[Cuts] = [table_cuts, *MEGATRON * 2, (D, ()), (D, ())]
    return comm(p, MESH, cuts, ((), *cuts[:n])).splitlines()


CONFIG = (2, 64, 32, 4, 64)  # layers, vocabulary, features, heads, hidden units
WEIGHTS = 1 + 2 * 10
ACTIVATION = 4 * 16 * 32 * 4  # half of the batch, time, features, float32


def test_transformer_in_the_manner_of_megatron() -> None:
    lines = transformer_lines((M, ()))
    assert {line.split()[0] for line in lines} == {"all_reduce"}
    # two sums per layer forward and two backward, and one at either end
    assert lines.count(f"all_reduce model {ACTIVATION} B") == 2 * 4 + 2
    over_data = [line for line in lines if line.startswith("all_reduce data ")]
    assert len(over_data) == 1 + WEIGHTS  # the loss, and each weight's gradient once


def test_transformer_whose_residual_stream_is_cut_over_features() -> None:
    """The table's layout flows through the residual stream; each sum becomes a scatter."""
    lines = transformer_lines(((), M))
    assert lines.count(f"all_gather model {ACTIVATION // 2} B") == 2 * 4
    assert lines.count(f"reduce_scatter model {ACTIVATION} B") == 2 * 4
    assert f"all_reduce model {ACTIVATION} B" not in lines
    over_data = [line for line in lines if line.startswith("all_reduce data ")]
    assert len(over_data) == 1 + WEIGHTS


# loops and calls ---------------------------------------------------------------------------------


def rnn(w: Array, u: Array, xs: Array) -> Array:
    batch, hidden = xs.shape[1], w.shape[1]

    def cell(w: Array, u: Array, h: Array, x: Array) -> list[Array]:
        return [(x @ w + h @ u).tanh(), h * 0.5]

    body = stage(cell, w.type, u.type, floats(batch, hidden), floats(*xs.shape[1:]))
    start = w.b.emit(splat(0.0, floats(batch, hidden)))
    op = Scan(body, 2, 1, xs.shape[0], False)
    h, ys = (Array(w.b, y) for y in w.b.emit_all(op, w.slot, u.slot, start, xs.slot))
    return (h * h).sum() + (ys * ys).sum()


def test_sums_stay_pending_through_a_loop() -> None:
    """The weights' gradients are summed over data once, behind the loop, not in each step."""
    p = gradient(stage(rnn, floats(16, 16), floats(16, 16), floats(10, 8, 16)), 0, 1)
    assert comm(p, MESH, [((), ()), ((), ()), ((), D, ())]) == table("""
        all_reduce data 4 B
        all_reduce data 1024 B
        all_reduce data 1024 B
    """)


def deep(w1: Array, w2: Array, x: Array) -> Array:
    """Residual layers whose weights are stacked."""
    layer = stage(
        lambda x, w1, w2: [x + (x @ w1).relu() @ w2],
        x.type, floats(*w1.shape[1:]), floats(*w2.shape[1:]),
    )  # fmt: skip
    op = Scan(layer, 0, 1, w1.shape[0], False)
    y = x.apply(op, w1, w2)
    return (y * y).sum()


def test_stacked_layers() -> None:
    p = gradient(stage(deep, floats(6, 16, 32), floats(6, 32, 16), floats(8, 16)), 0, 1)
    assert comm(p, MESH, [((), (), M), ((), M, ()), (D, ())]) == table("""
        all_reduce model 256 B x6
        all_reduce model 256 B x6
        all_reduce data 4 B
        all_reduce data 6144 B
        all_reduce data 6144 B
    """)
    assert comm(p, FOUR, [((), (), ()), ((), (), ()), (D, ())]) == table("""
        all_reduce data 4 B
        all_reduce data 12288 B
        all_reduce data 12288 B
    """)


def test_the_dimension_that_a_scan_runs_over_is_whole() -> None:
    p = stage(rnn, floats(16, 16), floats(16, 16), floats(10, 8, 16))
    assert comm(p, MESH, [((), ()), ((), ()), (D, (), ())]) == "all_gather data 2560 B"


def test_calls_are_cut_as_what_they_call() -> None:
    def f(w1: Array, w2: Array, x: Array) -> Array:
        body = stage(lambda w1, w2, x: [x + (x @ w1).relu() @ w2], w1.type, w2.type, x.type)
        for _ in range(3):
            x = w1.apply(Call(body), w2, x)
        return (x * x).sum()

    p = stage(f, floats(16, 32), floats(32, 16), floats(8, 16))
    cuts: tuple[Cuts, ...] = (((), M), (M, ()), (D, ()))
    assert comm(p, MESH, cuts) == table("""
        all_reduce model 256 B
        all_reduce model 256 B
        all_reduce model 256 B
        all_reduce data 4 B
    """)
    local = partition(p, MESH, cuts, None).program
    assert len({eq.op for eq in local.equations if isinstance(eq.op, Call)}) == 1


def test_a_while_loop_does_not_say_how_often() -> None:
    def f(w: Array, x: Array) -> Array:
        cond = stage(lambda w, x: (x * x).sum().binary(Compare("LT"), 10.0), w.type, x.type)
        body = stage(lambda w, x: [(x @ w).tanh() * 2.0], w.type, x.type)
        return w.apply(While(cond, body, 1, 5), x)

    p = stage(f, floats(16, 16), floats(8, 16))
    assert comm(p, MESH, [((), ()), (D, ())]) == "all_reduce data 4 B x?"


# the table ---------------------------------------------------------------------------------------


def test_lines_name_the_users_source() -> None:
    b = Builder()
    x = b.input(floats(8, 4))
    b.span = user_span(0)
    p = b.finish([b.emit(total(2, (0, 1)), x)])
    made = partition(p, MESH, ((D, ()),), None)
    shown = show_comm(made.comm)
    assert shown.startswith("all_reduce data 4 B  ")
    assert "tests/sharding/test_comm.py:" in shown
    assert shown.endswith(": b.span = user_span(0)")


def test_a_sum_that_many_need_is_finished_once() -> None:
    def f(x: Array, w: Array) -> list[Array]:
        y = x @ w
        return [y.tanh(), y.exp(), y * y]

    p = stage(f, floats(8, 16), floats(16, 4))
    assert comm(p, MESH, [((), M), (M, ())]) == "all_reduce model 128 B"
    local = partition(p, MESH, (((), M), (M, ())), None).program
    assert sum(isinstance(eq.op, AllReduce) for _, eq in walk(local)) == 1


class Loud(Elementwise):
    """An identity with an effect, of which the partitioner knows nothing."""

    own_effects = frozenset({"test"})


def test_what_is_not_known_runs_whole_on_every_device_and_is_reported() -> None:
    p = stage(lambda x: x.tanh().apply(Loud()).exp(), floats(8, 4))
    made = partition(p, MESH, ((D, ()),), None)
    assert show_comm(made.comm) == table("""
        whole(op) data 128 B
        all_gather data 64 B
    """)
    assert made.out_cuts == (((), ()),)
