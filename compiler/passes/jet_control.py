"""Taylor mode of the ops that hold programs: the series of an operand stands beside it.

Law: as that of jvp, with a row of coefficients in the place of each tangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Again
from verax.compiler.ir.program import Builder, Program, rearrange
from verax.compiler.ops.carry import Mask, grouped, settle, widened
from verax.compiler.ops.control import Call, Cond, Control, any_of
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import zeros
from verax.compiler.ops.remat import Remat

Rows: TypeAlias = Sequence[Sequence[int] | None]
"""Per operand its coefficients 1 to order, or None where it does not move."""


def expanded(
    b: Builder, op: Control, xs: Sequence[int], rows: Rows, order: int, again: Again
) -> list[list[int]]:
    """Per result its coefficients from 0 on; the value alone where it does not move.

    ``again(p, terms, order, force)`` is the pass ``jet`` itself.
    """
    again, active = _fully(again, order), _active(rows)
    if isinstance(op, (Call, Remat)):
        p, moves = again(op.program, active)
        holding = Call(p) if isinstance(op, Call) else op.holding(p)
        return _rows(b.emit_all(holding, *xs, *_flat(rows)), moves, order)
    if isinstance(op, Cond):
        moves = any_of(again(p, active[1:])[1] for p in op.branches)
        branches = [again(p, active[1:], moves)[0] for p in op.branches]
        return _rows(b.emit_all(op.of(branches), *xs, *_flat(rows[1:])), moves, order)
    if isinstance(op, While):
        return _while(b, op, xs, rows, order, again)
    if isinstance(op, Scan):
        return _scan(b, op, xs, rows, order, again)
    raise InternalError(f"{op.name} has no Taylor mode")


def _while(
    b: Builder, op: While, xs: Sequence[int], rows: Rows, order: int, again: Again
) -> list[list[int]]:
    c, n = op.n_consts, len(xs)
    active = _active(rows)
    body, carry = settle(lambda a: again(op.body, (*active[:c], *a), a), active[c:])
    consts, starts = _flat(rows[:c]), _started(b, xs[c:], rows[c:], carry, order)
    ins = [*xs[:c], *consts, *xs[c:], *starts]
    at = [*range(c), *range(c + len(consts), n + len(consts))]
    cond = widened(op.cond, [b.types[x] for x in ins], at)
    turned = rearrange(body, grouped((c, n - c), (len(consts), len(starts))))
    return _rows(b.emit_all(op.of(cond, turned, c + len(consts)), *ins), carry, order)


def _scan(
    b: Builder, op: Scan, xs: Sequence[int], rows: Rows, order: int, again: Again
) -> list[list[int]]:
    c, k = op.n_consts, op.n_carry
    active = _active(rows)
    rest = (False,) * (len(op.body.outs) - k)

    def once(carry: Mask) -> tuple[tuple[Program, Mask], Mask]:
        mask = (*active[:c], *carry, *active[c + k :])
        body, moves = again(op.body, mask, (*carry, *rest))
        return (body, moves), moves[:k]

    (body, moves), carry = settle(once, active[c : c + k])
    consts, stacks = _flat(rows[:c]), _flat(rows[c + k :])
    starts = _started(b, xs[c : c + k], rows[c : c + k], carry, order)
    ins = [*xs[:c], *consts, *xs[c : c + k], *starts, *xs[c + k :], *stacks]
    order_in = grouped((c, k, len(xs) - c - k), (len(consts), len(starts), len(stacks)))
    outs = grouped((k, len(rest)), (len(starts), order * sum(moves[k:])))
    turned = rearrange(body, order_in, outs)
    loop = Scan(turned, c + len(consts), k + len(starts), op.length, op.reverse)
    ys = dict(zip(outs, b.emit_all(loop, *ins)))
    return _rows([ys[i] for i in range(len(outs))], moves, order)


def _fully(again: Again, order: int) -> Again:
    """The pass for a mask of inputs, each of which has all coefficients."""

    def of_mask(p: Program, mask: Mask, force: Mask = ()) -> tuple[Program, Mask]:
        terms = tuple([tuple(range(1, order + 1)) if m else () for m in mask])
        expanded: tuple[Program, Mask] = again(p, terms, order, force)
        return expanded

    return of_mask


def _active(rows: Rows) -> Mask:
    return tuple([r is not None for r in rows])


def _flat(rows: Rows) -> list[int]:
    return [c for r in rows if r is not None for c in r]


def _started(b: Builder, xs: Sequence[int], rows: Rows, carry: Mask, order: int) -> list[int]:
    """The coefficients of the carries that move, at the start: zeros where there are none yet."""
    blank = [[zeros(b, b.types[x])] * order if r is None and m else r
             for x, r, m in zip(xs, rows, carry)]  # fmt: skip
    return _flat(blank)


def _rows(ys: Sequence[int], moves: Sequence[bool], order: int) -> list[list[int]]:
    """Results, then the coefficients of those that move, as one row per result."""
    more = iter(ys[len(moves) :])
    return [[y, *[next(more) for _ in range(order if m else 0)]] for y, m in zip(ys, moves)]
