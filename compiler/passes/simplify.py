"""simplify: no dead code, no constant arithmetic, no op that changes nothing, loops included.

Two steps until nothing changes: backwards, ops that hold programs lose the results that nobody uses
and the operands that they then do not need (narrow.py); forwards, every equation is rewritten by
the rules of rules.py, and constants move into the programs of branches and loops. Dead equations
and common subexpressions go where programs are born, in the builder.

Law: the outputs are what they were, for all inputs (up to the sign of a zero).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program, rearrange
from verax.compiler.ops.barrier import Barrier
from verax.compiler.ops.control import Call, Cond, emit_some
from verax.compiler.ops.custom import Custom, LinearMap
from verax.compiler.ops.loop_text import CONDITION
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import Constant
from verax.compiler.ops.remat import Remat
from verax.compiler.ops.values import blank, repeated
from verax.compiler.passes.narrow import Narrow, narrow, without
from verax.compiler.passes.rules import Rewriter

INLINE = 1  # a call of a program of no more equations is written out


@lru_cache(4096)
def simplify(p: Program) -> Program:
    """The program with all that it does not need left out."""
    while True:
        q = _rewrite(_narrow(p))
        if q == p or not any(eq.op.programs for eq in p.equations):
            return q
        p = q


# backwards ---------------------------------------------------------------------------------------


def _narrow(p: Program) -> Program:
    """p whose ops that hold programs give and take only what is needed."""
    if not any(eq.op.programs for eq in p.equations):
        return p
    live, plans = _plan(p)
    b = Builder()
    env = [b.input(t) for t in p.in_types]
    for op, xs, first, count, span in p.equations:
        b.span = span
        plan = plans.get(first)
        if plan is not None:
            ys = b.emit_all(plan.op, *[env[xs[i]] for i in plan.operands])
            given = dict(zip(plan.results, ys))
            env += [given.get(i, _DROPPED) for i in range(count)]
        elif op.effects or True in live[first : first + count]:
            at = b.emit(op, *[env[x] for x in xs])
            env += range(at, at + count)
        else:
            env += [_DROPPED] * count
    return b.finish([env[o] for o in p.outs])


_DROPPED = -1  # nothing that is written reads it


def _plan(p: Program) -> tuple[list[bool], dict[int, Narrow]]:
    """Which values are needed, and the narrowed ops by their first result."""
    live = [False] * len(p.types)
    for o in p.outs:
        live[o] = True
    plans = {}
    for op, xs, first, count, _ in reversed(p.equations):
        mine = live[first : first + count]
        if True not in mine and not op.effects:
            continue
        plan = narrow(op, mine, simplify) if op.programs else None
        if plan is not None:
            plans[first] = plan
            xs = tuple([xs[i] for i in plan.operands])
        for x in xs:
            live[x] = True
    return live, plans


# forwards ----------------------------------------------------------------------------------------


def _rewrite(p: Program) -> Program:
    r = Rewriter()
    return r.b.finish(_write(r, p, [r.b.input(t) for t in p.in_types]))


def _write(r: Rewriter, p: Program, ins: Sequence[int]) -> list[int]:
    """Write the equations of p, simplified, on these slots; returns the slots of its outputs."""
    env = list(ins)
    for op, xs, _, count, span in p.equations:
        r.b.span = span
        operands = [env[x] for x in xs]
        rule = _PROGRAMS.get(type(op)) if op.programs else None
        if rule is None:
            at = r.emit(op, *operands)
            env += range(at, at + count)
        else:
            env += rule(r, op, operands)
    return [env[o] for o in p.outs]


def _write_call(r: Rewriter, op: Call, xs: Sequence[int]) -> Sequence[int]:
    p = simplify(op.program)
    if len(p) <= INLINE:
        return _write(r, p, xs)
    return r.b.emit_all(Call(p), *xs)


def _write_remat(r: Rewriter, op: Remat, xs: Sequence[int]) -> Sequence[int]:
    """The program itself; what is computed again starts when all its operands are there."""
    moving = [x for x in dict.fromkeys(xs) if r.constant(x) is None]
    if op.late and op.guarded and moving:
        held = dict(zip(moving, r.b.emit_all(Barrier(), *moving)))
        xs = [held.get(x, x) for x in xs]
    return _write(r, op.program, xs)


def _write_custom(r: Rewriter, op: Custom, xs: Sequence[int]) -> Sequence[int]:
    """No derivative is taken any more: the function is its primal."""
    return _write(r, simplify(op.primal), xs)


def _write_linear_map(r: Rewriter, op: LinearMap, xs: Sequence[int]) -> Sequence[int]:
    return _write(r, simplify(op.forward(r.b.span)), xs)


def _write_cond(r: Rewriter, op: Cond, xs: Sequence[int]) -> Sequence[int]:
    """The branch itself where the index is known, or where all are the same."""
    index = r.constant(xs[0])
    branches = [simplify(p) for p in op.branches]
    if index is not None:
        at = min(max(int(index.value.real), 0), len(branches) - 1)
        return _write(r, branches[at], xs[1:])
    if len(set(branches)) == 1:
        return _write(r, branches[0], xs[1:])
    told = _tell(r, xs[1:], range(len(xs) - 1))
    new = op.of([without(p, told.fixed, told.same) for p in branches])
    return r.b.emit_all(new, xs[0], *[xs[1 + i] for i in told.rest])


def _write_while(r: Rewriter, op: While, xs: Sequence[int]) -> Sequence[int]:
    """A carry that never changes is a const."""
    cond, body, c = simplify(op.cond), simplify(op.body), op.n_consts
    if op.bound == 0 or _constants(cond).get(cond.outs[0]) is Constant(False, CONDITION):
        return xs[c:]
    held = [i for i, o in enumerate(body.outs) if o == c + i]
    moving = [i for i in range(len(body.outs)) if i not in held]
    order = [*range(c), *[c + i for i in held], *[c + i for i in moving]]
    if held and moving:
        cond, body = rearrange(cond, order), rearrange(body, order, moving)
        ys = _write_while(r, op.of(cond, body, c + len(held)), [xs[i] for i in order])
        given = dict(zip(moving, ys))
        return [given.get(i, xs[c + i]) for i in range(len(op.body.outs))]
    told = _tell(r, xs, range(c))
    n_consts = sum(i < c for i in told.rest)
    cond, body = (without(p, told.fixed, told.same) for p in (cond, body))
    return r.b.emit_all(op.of(cond, body, n_consts), *[xs[i] for i in told.rest])


def _write_scan(r: Rewriter, op: Scan, xs: Sequence[int]) -> Sequence[int]:
    """A carry that never changes is a const; what is stacked without change is there already."""
    body, c, k = simplify(op.body), op.n_consts, op.n_consts + op.n_carry
    if op.length == 0:
        return [*xs[c:k], *[blank(r.b, t.stacked(0)) for t in body.out_types[op.n_carry :]]]
    held = [i for i in range(op.n_carry) if body.outs[i] == c + i]
    if held:
        moving = [i for i in range(len(body.outs)) if i not in held]
        carry = [c + i for i in range(op.n_carry) if i not in held]
        order = [*range(c), *[c + i for i in held], *carry, *range(k, body.n_in)]
        new = Scan(rearrange(body, order, moving), c + len(held), len(carry), op.length, op.reverse)
        given = dict(zip(moving, _write_scan(r, new, [xs[i] for i in order])))
        return [given.get(i, xs[c + i] if i < op.n_carry else -1) for i in range(len(body.outs))]
    told = _tell(r, xs, range(c), range(k, len(xs)))
    consts = sum(i < c for i in told.rest)
    new = Scan(without(body, told.fixed, told.same), consts, op.n_carry, op.length, op.reverse)
    ys = list(emit_some(r.b, new, [xs[i] for i in told.rest]))
    constants = _constants(body)
    for i in range(op.n_carry, len(ys)):
        o = body.outs[i]
        if o < c:
            ys[i] = repeated(r.b, op.length, xs[o])
        elif k <= o < body.n_in:
            ys[i] = xs[o]
        elif o in constants:
            fixed = constants[o]
            ys[i] = r.emit(Constant(fixed.value, fixed.type.stacked(op.length)))
    return ys


_PROGRAMS: dict[type[Op], Callable[..., Sequence[int]]] = {
    Call: _write_call,
    Remat: _write_remat,
    Custom: _write_custom,
    LinearMap: _write_linear_map,
    Cond: _write_cond,
    While: _write_while,
    Scan: _write_scan,
}


# operands of programs ----------------------------------------------------------------------------


class _Told(NamedTuple):
    """What the programs inside an op can be told about its operands.

    Args:
        fixed: operands that are constants.
        same: operands that are equal to an earlier one, and which.
        rest: the operands that stay.
    """

    fixed: dict[int, Constant]
    same: dict[int, int]
    rest: list[int]


def _tell(r: Rewriter, xs: Sequence[int], *groups: range) -> _Told:
    """Look among the operands of each group; those of the second one are taken row by row."""
    told = _Told({}, {}, [])
    group_of = {i: g for g, group in enumerate(groups) for i in group}
    seen: dict[tuple[int, int], int] = {}
    for i, x in enumerate(xs):
        group = group_of.get(i)
        if group is None:
            told.rest.append(i)
            continue
        c = r.constant(x)
        first = seen.setdefault((group, x), i)
        if c is not None:
            told.fixed[i] = c if group == 0 else Constant(c.value, c.type.row())
        elif first != i:
            told.same[i] = first
        else:
            told.rest.append(i)
    return told


def _constants(p: Program) -> dict[int, Constant]:
    """The values of p that are constants."""
    return {eq.first: eq.op for eq in p.equations if isinstance(eq.op, Constant)}
