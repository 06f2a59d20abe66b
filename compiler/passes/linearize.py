"""linearize is jvp, then a split by dependence on the tangents.

What needs no tangent is known and runs forward; the rest is linear in the tangents and runs later,
on residuals: values of the known half that it takes. Which values are kept and which are computed
again is decided in residuals.py. Only ops that hold programs have a rule for the split.

Law: ``linear(residuals(x), v)`` is the tangent that ``jvp(x, v)`` gives, and is linear in v.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, cast

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.span import Span
from verax.compiler.ops.control import Control, Operand
from verax.compiler.ops.policies import EVERYTHING, Policy
from verax.compiler.passes.guard import guard
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.residuals import Plan, allowed, plan


class Split(NamedTuple):
    """A program in two halves.

    Args:
        known: known inputs -> known outputs, residuals.
        linear: residuals, unknown inputs -> unknown outputs.
        unknown_out: which outputs the linear half gives.
    """

    known: Program
    linear: Program
    unknown_out: tuple[bool, ...]


class Linearized(NamedTuple):
    """A program and its derivative.

    Args:
        forward: inputs -> outputs, residuals.
        linear: residuals, tangents of the active inputs -> tangents of outputs.
        has_tangent: which outputs have one.
    """

    forward: Program
    linear: Program
    has_tangent: tuple[bool, ...]


class _Late(NamedTuple):
    """An equation of the linear half; an operand is a known slot, or ~x for value x of p."""

    op: Op
    operands: Sequence[Operand]
    results: Sequence[int]
    span: Span | None


@lru_cache(4096)
def linearize(p: Program, active: tuple[bool, ...], *, together: bool = False) -> Linearized:
    """The program with its residuals, and its derivative as a linear program.

    Args:
        p: the program.
        active: which inputs have a tangent.
        together: both are written into one program, where nothing is computed twice: then there is
            no choice of what is kept. The residuals may be the inputs.
    """
    tangents, out = jvp(p, active)
    if together and not any(isinstance(eq.op, Control) or eq.op.effects for eq in p.equations):
        q, moved = guard(p), tangents.outs[len(p.outs) :]
        forward = Program(q.n_in, q.types, q.equations, (*q.outs, *range(q.n_in)))
        linear = Program(tangents.n_in, tangents.types, tangents.equations, moved)
        return Linearized(forward, linear, out)  # what is dead goes where they are written
    unknown = (False,) * p.n_in + (True,) * sum(active)
    force = (False,) * len(p.outs) + (True,) * sum(out)
    h = split(tangents, unknown, force, policy=EVERYTHING if together else None)
    return Linearized(h.known, h.linear, out)


@lru_cache(4096)
def split(
    p: Program,
    unknown: tuple[bool, ...],
    force: tuple[bool, ...] = (),
    dear: tuple[bool, ...] = (),
    policy: Policy | None = None,
) -> Split:
    """Divide a program by dependence on its unknown inputs.

    Args:
        p: a program that is linear in its unknown inputs.
        unknown: which inputs come later.
        force: which outputs the linear half shall give even where they are known.
        dear: which inputs cost memory if they are kept (the carry of a loop); the others are there
            anyway.
        policy: what may be kept; None leaves the choice to residuals.py.
    """
    b = Builder()
    known = [None if u else b.input(t) for t, u in zip(p.in_types, unknown)]
    late = _divide(p, b, known)
    outs = [known[o] for o in p.outs]
    forced = {i for i, f in enumerate(force) if f}
    own = [s for i, s in enumerate(outs) if s is not None and i not in forced]
    needed = {s for i in forced if (s := outs[i]) is not None}
    for eq in late:
        needed.update(eq.operands)
    costly = {s for s, d in zip(known, dear) if d and s is not None}
    wanted = [s for s in needed if s >= 0]
    if policy is None:
        kept = plan(b, wanted, own, costly)
    else:
        kept = allowed(b, wanted, policy)
    unknown_out = tuple([s is None or i in forced for i, s in enumerate(outs)])
    given = [(s if s is not None else ~o) for o, s, u in zip(p.outs, outs, unknown_out) if u]
    linear = _linear_half(p, b, unknown, late, kept, given)
    return Split(b.finish([*own, *kept.residuals]), linear, unknown_out)


def _divide(p: Program, b: Builder, known: list[int | None]) -> list[_Late]:
    """Write what is known into b and its slots into ``known``; return the rest."""
    late = []
    for op, xs, first, count, span in p.equations:
        b.span = span
        ins = list(map(known.__getitem__, xs))
        if None not in ins:
            at = b.emit(op, *cast(list[int], ins))
            known += range(at, at + count)
        elif isinstance(op, Control):
            h = op.split(b, ins, split)
            known += h.known
            if h.results or h.op.effects:
                operands = [s if s >= 0 else ~xs[~s] for s in h.operands]
                late.append(_Late(h.op, operands, [first + i for i in h.results], span))
        else:
            known += [None] * count
            refs = [~x if s is None else s for s, x in zip(ins, xs)]
            late.append(_Late(op, refs, range(first, first + count), span))
    b.span = None
    return late


def _linear_half(
    p: Program,
    b: Builder,
    unknown: tuple[bool, ...],
    late: Sequence[_Late],
    kept: Plan,
    outs: Sequence[Operand],
) -> Program:
    u = Builder()
    env = {s: u.input(b.types[s]) for s in kept.residuals}
    for x, later in enumerate(unknown):
        if later:
            env[~x] = u.input(p.types[x])
    for op, xs, first, count, span in kept.recomputed:
        u.span = span
        at = u.emit(op, *map(env.__getitem__, xs))
        env.update(zip(range(first, first + count), range(at, at + count)))
    for op, refs, results, span in late:
        u.span = span
        at = u.emit(op, *map(env.__getitem__, refs))
        for i, y in enumerate(results):
            env[~y] = at + i
    return u.finish([env[o] for o in outs])
