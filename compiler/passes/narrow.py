"""Dead code inside the ops that hold programs: results that nobody uses, operands that none needs.

A carry of a loop lives while a living result, the next value of a living carry, or the condition
needs it.

Law: the results that are left are what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program, rearrange
from verax.compiler.ops.control import Call, Cond, where
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.remat import Remat

Simplify: TypeAlias = Callable[[Program], Program]


class Narrow(NamedTuple):
    """An op that does no more than is needed.

    Args:
        op: the op.
        operands: which operands of the old op it takes.
        results: which results of the old op it gives.
    """

    op: Op
    operands: list[int]
    results: list[int]


def narrow(op: Op, live: Sequence[bool], simplify: Simplify) -> Narrow | None:
    """The op that gives the living results only; None for ops that cannot be narrowed."""
    if isinstance(op, Call | Remat):
        return _call(op, live, simplify)
    if isinstance(op, Cond):
        return _cond(op, live, simplify)
    if isinstance(op, While):
        return _while(op, live, simplify)
    return _scan(op, live, simplify) if isinstance(op, Scan) else None


def used_inputs(p: Program) -> list[bool]:
    """Which inputs the outputs and effects of p depend on."""
    live = [False] * len(p.types)
    for o in p.outs:
        live[o] = True
    for op, xs, first, count, _ in reversed(p.equations):
        if op.effects or True in live[first : first + count]:
            for x in xs:
                live[x] = True
    return live[: p.n_in]


def giving(p: Program, outs: Sequence[int]) -> Program:
    """p with a choice of its outputs."""
    return rearrange(p, range(p.n_in), outs)


def taking(p: Program, ins: Sequence[int]) -> Program:
    """p with a choice of its inputs; it must not need the others."""
    return rearrange(p, ins)


def _call(op: Call | Remat, live: Sequence[bool], simplify: Simplify) -> Narrow:
    outs = where(live)
    p = simplify(giving(op.program, outs))
    ins = where(used_inputs(p))
    new = taking(p, ins)
    return Narrow(Call(new) if isinstance(op, Call) else op.holding(new), ins, outs)


def _cond(op: Cond, live: Sequence[bool], simplify: Simplify) -> Narrow:
    outs = where(live)
    branches = [simplify(giving(p, outs)) for p in op.branches]
    ins = where([any(used) for used in zip(*map(used_inputs, branches))])
    return Narrow(op.of([taking(p, ins) for p in branches]), [0, *[i + 1 for i in ins]], outs)


def _while(op: While, live: Sequence[bool], simplify: Simplify) -> Narrow:
    c = op.n_consts
    cond = simplify(op.cond)
    asked = used_inputs(cond)
    carry = [a or b for a, b in zip(live, asked[c:])]
    while True:
        outs = where(carry)
        body = simplify(giving(op.body, outs))
        need = [a or b for a, b in zip(used_inputs(body), asked)]
        grown = [a or b for a, b in zip(carry, need[c:])]
        if grown == carry:
            break
        carry = grown
    ins = [i for i in range(len(need)) if (need[i] if i < c else carry[i - c])]
    n_consts = sum(i < c for i in ins)
    return Narrow(op.of(taking(cond, ins), taking(body, ins), n_consts), ins, outs)


def _scan(op: Scan, live: Sequence[bool], simplify: Simplify) -> Narrow:
    c, k = op.n_consts, op.n_carry
    carry = list(live[:k])
    while True:
        outs = where([*carry, *live[k:]])
        body = simplify(giving(op.body, outs))
        need = used_inputs(body)
        grown = [a or b for a, b in zip(carry, need[c : c + k])]
        if grown == carry:
            break
        carry = grown
    ins = [i for i in range(len(need)) if (carry[i - c] if c <= i < c + k else need[i])]
    n_consts = sum(i < c for i in ins)
    new = Scan(taking(body, ins), n_consts, sum(carry), op.length, op.reverse)
    return Narrow(new, ins, outs)


def without(p: Program, fixed: Mapping[int, Op], same: Mapping[int, int]) -> Program:
    """p without the inputs that are constants, or equal to an earlier input."""
    if not fixed and not same:
        return p
    b = Builder()
    slots: list[int] = []
    for i, t in enumerate(p.in_types):
        if i in fixed:
            slots.append(b.emit(fixed[i]))
        else:
            slots.append(slots[same[i]] if i in same else b.input(t))
    return b.finish(b.inline(p, slots))
