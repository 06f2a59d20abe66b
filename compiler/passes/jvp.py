"""Forward mode: the program with the tangents of its active inputs carried along.

A tangent that is zero is None, so nothing is written for what does not depend on an active input.
Branches that a select does not take are made harmless first (guard.py).

Law: ``jvp(p)(x, v) == (p(x), the derivative of p at x along v)``.
"""

from __future__ import annotations

from functools import lru_cache

from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import has_tangent
from verax.compiler.ops.pointwise import zeros
from verax.compiler.passes.effects import admit
from verax.compiler.passes.guard import guard


@lru_cache(4096)
def jvp(
    p: Program, active: tuple[bool, ...], force: tuple[bool, ...] = ()
) -> tuple[Program, tuple[bool, ...]]:
    """A program of (inputs, tangents of the active inputs) that gives outputs and their tangents.

    Args:
        p: the program.
        active: which inputs have a tangent.
        force: which outputs shall have one even where it is zero (if their type has tangents).

    Returns:
        The program, whose tangents follow its outputs, and which outputs have one.
    """
    p = guard(p)
    b = Builder()
    env = [b.input(t) for t in p.in_types]
    tangents = [b.input(t) if a else None for t, a in zip(p.in_types, active)]
    for op, xs, _, count, span in p.equations:
        b.span = span
        ins = list(map(env.__getitem__, xs))
        ts = list(map(tangents.__getitem__, xs))
        if ts.count(None) == len(ts):
            first = b.emit(op, *ins)
            env += range(first, first + count)
            tangents += [None] * count
            continue
        if op.own_effects:
            admit("jvp", op, span)
        ys, tys = op.jvp(b, ins, ts, jvp)
        env += ys
        tangents += tys
    b.span = None
    out = [tangents[o] for o in p.outs]
    for i, wanted in enumerate(force):
        t = p.types[p.outs[i]]
        if wanted and out[i] is None and has_tangent(t):
            out[i] = zeros(b, t)
    return (
        b.finish([*[env[o] for o in p.outs], *[t for t in out if t is not None]]),
        tuple([t is not None for t in out]),
    )
