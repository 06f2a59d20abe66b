"""How single equations are cut: which sums stay pending, who decides, what is asked of operands."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.sharding.models import floats, ints
from verax.compiler.ir.dtypes import bfloat16, bool_
from verax.compiler.ir.op import Op
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops.arithmetic import MAX
from verax.compiler.ops.barrier import Barrier
from verax.compiler.ops.contract import broadcast, canonical, permute, total
from verax.compiler.ops.functions import EXP
from verax.compiler.ops.indexing import Gather, ScatterAdd
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import ADD, DIV, MUL, NEG, SELECT, SUB, Convert
from verax.compiler.ops.random import KeyData
from verax.compiler.ops.slicing import Concatenate
from verax.compiler.passes.choose import Choice, Operand, choose
from verax.compiler.passes.reshard import Layout
from verax.compiler.passes.wishes import Want, both
from verax.sharding.mesh import Mesh

MESH = Mesh(data=2, model=2)
D, M = ("data",), ("model",)
SUM = frozenset(D)
WHOLE = Operand(Layout(((), ())))
PENDING = Operand(Layout(((), ()), SUM))
ZERO = Operand(Layout(((), ())), made=True, zero=True)
MADE = Operand(Layout(((), ())), made=True)
T = floats(8, 4)
B = ArrayType((8, 4), bool_)


def cut(*cuts: tuple[str, ...]) -> Operand:
    return Operand(Layout(tuple(cuts)))


def chosen(
    op: Op, types: Sequence[ArrayType | KeyType], operands: Sequence[Operand], *wants: Want | None
) -> Choice:
    n = len(op.infer(tuple(types)))
    return choose(MESH, op, tuple(types), tuple(operands), tuple(wants) or (None,) * n)


# pending sums ------------------------------------------------------------------------------------

KEPT: list[tuple[str, Op, list[ArrayType], list[Operand]]] = [
    ("a sum of two", ADD, [T, T], [PENDING, PENDING]),
    ("a difference with zero", SUB, [T, T], [PENDING, ZERO]),
    ("one factor", MUL, [T, T], [WHOLE, PENDING]),
    ("a factor that is cut over another axis", MUL, [T, T], [cut(M, ()), PENDING]),
    ("the numerator", DIV, [T, T], [PENDING, MADE]),
    ("a sign", NEG, [T], [PENDING]),
    ("both branches", SELECT, [B, T, T], [WHOLE, PENDING, PENDING]),
    ("a branch beside zero", SELECT, [B, T, T], [WHOLE, PENDING, ZERO]),
    ("a smaller sum", total(2, (0,)), [T], [PENDING]),
    ("another order", permute((1, 0)), [T], [PENDING]),
    ("another shape", Reshape((32,)), [T], [PENDING]),
    ("a product that is not larger", canonical([(0, 1), (1, 2)], (0, 2)), [T, floats(4, 4)],
     [PENDING, WHOLE]),
    ("all values of a barrier", Barrier(), [T, T], [PENDING, PENDING]),
    ("rows that are added", ScatterAdd(0, (8,), "fill"), [T, ints(8)],
     [PENDING, Operand(Layout(((),)))]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "types", "operands"), [c[1:] for c in KEPT], ids=[c[0] for c in KEPT]
)
def test_a_pending_sum_passes(op: Op, types: list[ArrayType], operands: list[Operand]) -> None:
    choice = chosen(op, types, operands)
    assert all(y.pending == SUM for y in choice.outs)
    assert [x.pending for x in choice.ins] == [x.layout.pending for x in operands]


FINISHED: list[tuple[str, Op, list[ArrayType], list[Operand]]] = [
    ("a sum with a value", ADD, [T, T], [PENDING, WHOLE]),
    ("a sum with a constant", ADD, [T, T], [PENDING, MADE]),
    ("a product of two", MUL, [T, T], [PENDING, PENDING]),
    ("a factor that is cut over the axis", MUL, [T, T], [PENDING, cut(D, ())]),
    ("the denominator", DIV, [T, T], [WHOLE, PENDING]),
    ("a division of integers", DIV, [ints(8, 4), ints(8, 4)], [PENDING, WHOLE]),
    ("what is not linear", EXP, [T], [PENDING]),
    ("an extreme", MAX, [T, T], [PENDING, PENDING]),
    ("one branch", SELECT, [B, T, T], [WHOLE, PENDING, WHOLE]),
    ("another precision", Convert(bfloat16), [T], [PENDING]),
    ("a larger result", broadcast((2, 8, 4), (1, 2)), [T], [PENDING]),
    ("a larger product", canonical([(0, 1), (1, 2)], (0, 2)), [T, floats(4, 8)], [PENDING, WHOLE]),
    ("some values of a barrier", Barrier(), [T, T], [PENDING, WHOLE]),
]


@pytest.mark.parametrize(
    ("op", "types", "operands"), [c[1:] for c in FINISHED], ids=[c[0] for c in FINISHED]
)
def test_a_pending_sum_is_finished_first(
    op: Op, types: list[ArrayType], operands: list[Operand]
) -> None:
    choice = chosen(op, types, operands)
    assert not any(layout.pending for layout in (*choice.ins, *choice.outs))


def test_axes_pass_one_by_one() -> None:
    two = Operand(Layout(((), ()), frozenset(D + M)))
    choice = chosen(ADD, [T, T], [two, PENDING])
    assert choice.outs == (Layout(((), ()), SUM),)
    assert choice.ins[0].pending == SUM


def test_a_reduced_cut_is_pending() -> None:
    matmul = canonical([(0, 1), (1, 2)], (0, 2))
    choice = chosen(matmul, [T, floats(4, 8)], [cut(D, M), cut(M, ())])
    assert choice.outs == (Layout((D, ()), frozenset(M)),)
    assert choice.local is matmul


# who decides -------------------------------------------------------------------------------------

MATMUL = canonical([(0, 1), (1, 2)], (0, 2))


def test_operands_that_agree_are_not_moved() -> None:
    choice = chosen(MATMUL, [T, floats(4, 8)], [cut(D, ()), cut((), M)])
    assert choice.ins == (Layout((D, ())), Layout(((), M)))
    assert choice.outs == (Layout((D, M)),)


@pytest.mark.parametrize(("batch", "moved"), [(4096, 1), (8, 0)])
def test_the_smaller_operand_is_moved(batch: int, moved: int) -> None:
    """x is cut over its batch, w over the sum: one of them must give way."""
    types = [floats(batch, 512), floats(512, 512)]
    choice = chosen(MATMUL, types, [cut(D, ()), cut(D, ())])
    changed = [i for i, x in enumerate(choice.ins) if x != Layout((D, ()))]
    assert changed == [moved]


def test_a_whole_factor_is_gathered() -> None:
    choice = chosen(Concatenate(0), [T, T], [cut(D, M), cut(D, M)])
    assert choice.ins == (Layout(((), M)),) * 2
    assert choice.outs == (Layout(((), M)),)


def test_a_wish_cuts_what_no_operand_cuts() -> None:
    choice = chosen(MATMUL, [T, floats(4, 8)], [cut(D, ()), WHOLE], Want((D, M)))
    assert choice.ins == (Layout((D, ())), Layout(((), M)))
    assert choice.outs == (Layout((D, M)),)
    soft = chosen(MATMUL, [T, floats(4, 8)], [cut(D, ()), WHOLE], Want((D, M), soft=True))
    assert soft.outs == (Layout((D, ())),)


def test_a_wish_never_uses_an_axis_twice() -> None:
    choice = chosen(MATMUL, [T, floats(4, 8)], [cut((), D), cut(D, ())], Want((D, ())))
    assert choice.outs == (Layout(((), ()), SUM),)


def test_an_index_into_a_cut_table_is_shifted() -> None:
    op = Gather(0, 1, "clip")
    choice = chosen(op, [T, ints(6)], [cut(M, ()), Operand(Layout(((),)))])
    assert choice.outs == (Layout(((), ()), frozenset(M)),)
    assert choice.shifts == ((), M)
    assert choice.local is Gather(0, 1, "fill")


def test_keys_are_not_cut() -> None:
    keys = KeyType("threefry2x32", (4,))
    choice = chosen(KeyData(), [keys], [Operand(Layout(((),)))], Want((D, ())))
    assert choice.ins == (Layout(((),)),)
    assert choice.outs == (Layout(((), ())),)


def test_major_factors_are_cut_first() -> None:
    """Merged dimensions: the minor one could be cut only where the major one is single elements."""
    op = Reshape((32,))
    assert chosen(op, [T], [cut((), D)]).outs == (Layout(((),)),)
    assert chosen(op, [T], [cut(D, ())]).outs == (Layout((D,)),)
    assert chosen(op, [floats(2, 16)], [cut(D, M)]).outs[0].cuts in (((*D, *M),), (D,))


# wishes ------------------------------------------------------------------------------------------


def test_wants_ask_for_what_the_results_are_wanted_to_be() -> None:
    free = chosen(EXP, [T], [WHOLE])
    assert free.wants == (Want((None, None)),)
    assert chosen(EXP, [T], [WHOLE], Want(((), D))).wants == (Want(((), D)),)
    assert chosen(total(2, (0,)), [floats(64, 4)], [WHOLE], Want((None,))).wants == (
        Want((None, None), soft=True),
    )
    assert chosen(total(2, (0,)), [floats(4, 4)], [WHOLE], Want((None,))).wants == (
        Want(((), None)),
    )
    assert chosen(ADD, [T, T], [cut(D, ()), MADE]).wants == (Want((D, None)), None)


def test_consumers_agree_on_what_all_want() -> None:
    a, b = Want((D + M, None)), Want((D, M))
    assert both(a, None) == both(None, a) == both(a, a) == a
    assert both(a, b) == both(b, a) == Want((D, ()))  # model is wanted in two places
    assert both(Want((D, None)), Want((None, D))) == Want(((), ()))
    assert both(Want((None, ())), Want((None, None))) == Want((None, ()))
    assert both(Want((D, None)), Want((None, M), soft=True)) == Want((D, M), soft=True)
    assert both(Want((D,)), Want(((),))) == Want(((),))
