"""The body of a transposed scan, whose consts get a sum over the steps as cotangent.

Such a sum is kept in the carry, which reads and writes all of it in every step. Where the summands
are contractions (the gradient of a weight is ``x_t^T d_t``), their operands are stacked instead and
contracted once after the loop, over the steps too: one large matrix product in place of many small
ones. That is done where the rows that must be stacked are no larger than the sum.

Law: both ways give the same sum, up to the order of additions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ops.contract import Contract, canonical
from verax.compiler.ops.pointwise import ADD, Convert, add_any
from verax.compiler.ops.values import weight


class Summand(NamedTuple):
    """A contraction in the body, and the dtype to which its result is converted, or None."""

    contraction: Equation
    to: DType | None


Summands: TypeAlias = list[Summand]


class Layout(NamedTuple):
    """What the transposed body takes, group by group, before it is made a loop.

    Args:
        consts, rows: how many known consts and known xs.
        carry: how many cotangents of the carry; those of the ys follow.
        sums: how many of its results are cotangents of consts; those of carry and xs follow.
    """

    consts: int
    rows: int
    carry: int
    sums: int

    @property
    def carried(self) -> range:
        first = self.consts + self.rows
        return range(first, first + self.carry)


class Adjoint(NamedTuple):
    """The body of the transposed loop.

    Args:
        body: takes consts, then the sums that are kept and the carry, then rows and cotangents of
            ys; gives sums and carry, then cotangents of xs, then what is stacked for later.
        kept: which of the sums are kept in the carry.
        later: the summands of the others.
        stacked: the values of the body (before it was made a loop) that are stacked for them.
    """

    body: Program
    kept: list[int]
    later: dict[int, Summands]
    stacked: list[int]


def adjoint(t: Program, layout: Layout) -> Adjoint:
    """Make the transposed body ``t`` the body of a loop."""
    made = {eq.first: eq for eq in t.equations}
    later: dict[int, Summands] = {}
    stacked: list[int] = []
    for i, out in enumerate(t.outs[: layout.sums]):
        summands = _summands(made, out, layout.consts)
        if summands is None:
            continue
        new = _to_stack(t, summands, layout, stacked)
        if _bytes(t, new) <= _bytes(t, [out]):
            later[i] = summands
            stacked += new
    kept = [i for i in range(layout.sums) if i not in later]
    return Adjoint(_body(t, layout, kept, stacked), kept, later, stacked)


def _summands(made: Mapping[int, Equation], out: int, consts: int) -> Summands | None:
    """The contractions whose sum ``out`` is; None for another sum, or one of constants alone."""
    eq = made.get(out)
    if eq is not None and eq.op is ADD:
        parts = [_summands(made, x, consts) for x in eq.operands]
        return None if None in parts else [s for part in parts if part is not None for s in part]
    to = None
    if eq is not None and isinstance(eq.op, Convert):
        to = eq.op.to
        eq = made.get(eq.operands[0])
    if eq is None or not isinstance(eq.op, Contract) or max(eq.operands) < consts:
        return None
    return [Summand(eq, to)]


def _to_stack(
    t: Program, summands: Summands, layout: Layout, stacked: Collection[int]
) -> list[int]:
    """The operands that are not there row by row anyway."""
    operands = dict.fromkeys(x for s in summands for x in s.contraction.operands)
    return [x for x in operands if x not in stacked and (x >= t.n_in or x in layout.carried)]


def _bytes(t: Program, slots: Sequence[int]) -> int:
    return sum(weight(t.types[s]) for s in slots)


def _body(t: Program, layout: Layout, kept: Sequence[int], stacked: Sequence[int]) -> Program:
    b = Builder()
    consts, rows, sums = layout.consts, layout.rows, layout.sums
    carried = layout.carried
    slots = [b.input(y) for y in t.in_types[:consts]]
    so_far = [b.input(t.out_types[i]) for i in kept]
    carry = [b.input(t.types[i]) for i in carried]
    slots += [b.input(y) for y in t.in_types[consts : consts + rows]]
    slots += carry
    slots += [b.input(y) for y in t.in_types[carried.stop :]]
    outs = Program(t.n_in, t.types, t.equations, (*t.outs, *stacked))
    ys = b.inline(outs, slots)
    summed = [b.emit(ADD, s, ys[i]) for s, i in zip(so_far, kept)]
    return b.finish([*summed, *ys[sums:]])


def contract_later(b: Builder, summands: Summands, outside: Mapping[int, int], consts: int) -> int:
    """The sum over all steps; ``outside`` are the consts and stacked rows as slots of b."""
    total: int | None = None
    for (op, xs, *_), to in summands:
        assert isinstance(op, Contract)
        over = _over_steps(op, [x >= consts for x in xs])
        summed = b.emit(over, *[outside[x] for x in xs])
        total = add_any(b, total, summed if to is None else b.emit(Convert(to), summed))
    assert total is not None
    return total


def _over_steps(op: Contract, varies: Sequence[bool]) -> Contract:
    """The contraction summed over the steps, which are the first dimension of what varies."""
    step = -1
    ins = [(step, *labels) if v else labels for labels, v in zip(op.ins, varies)]
    return canonical(ins, op.out, op.sizes, op.out_dtype)
