"""Reverse a linear program: cotangents flow from its outputs back to its linear inputs.

What does not depend on a linear input is computed first, then the linear equations are walked
backwards. Whether an equation is linear is declared by its op and checked here: what is not is
refused by name, so that a missing rule is never a silent zero. A loop that computes known values
beside linear ones is split before.

Law: ``<u, p(v)> == <transpose(p)(u), v>`` for all u and v. Of an affine program it is the transpose
of the linear part: what is added to a linear value does not matter here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, cast

from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.op import MaybeSlots, Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.span import Span, places
from verax.compiler.ir.types import has_tangent
from verax.compiler.ops.control import Control
from verax.compiler.ops.kinds import PUBLIC
from verax.compiler.ops.loops import While
from verax.compiler.ops.pointwise import ADD, zeros
from verax.compiler.passes.depend import results
from verax.compiler.passes.effects import admit
from verax.compiler.passes.linearize import split


class _Linear(NamedTuple):
    """An equation to walk back.

    Args:
        op: the op.
        known: per operand its slot in the builder, or None where it is linear.
        values: per operand the value of the program that it is (of known ones it may be -1).
        results: the values that it gives.
    """

    op: Op
    known: MaybeSlots
    values: Sequence[int]
    results: Sequence[int]
    span: Span | None


@lru_cache(4096)
def transpose(p: Program, linear: tuple[bool, ...]) -> Program:
    """A program of (known inputs, cotangents of all outputs) -> cotangents of the linear inputs.

    Args:
        p: a program that is linear in some of its inputs.
        linear: which.

    Raises:
        DerivativeError: an equation on the way is not linear.
    """
    b = Builder()
    env = [None if lin else b.input(t) for t, lin in zip(p.in_types, linear)]
    cts: list[int | None] = [None] * len(p.types)
    given = [b.input(p.types[o]) for o in p.outs]
    back = _forward(p, b, env)
    for o, ct in zip(p.outs, given):
        if env[o] is None and has_tangent(p.types[o]):
            _add(b, cts, o, ct)
    for op, known, values, results_, span in reversed(back):
        b.span = span
        given_cts = list(map(cts.__getitem__, results_))
        if given_cts.count(None) == len(given_cts):
            continue
        if not _is_linear(op, tuple([x is None for x in known])):
            raise _refused(op, known, span)
        if op.own_effects:
            admit("transpose", op, span)
        types = [p.types[x] if k is None else b.types[k] for x, k in zip(values, known)]
        for x, k, d in zip(values, known, op.transpose(b, given_cts, known, types, transpose)):
            if d is not None and k is None:
                _add(b, cts, x, d)
    b.span = None
    outs = [zeros(b, t) if ct is None else ct
            for t, ct, lin in zip(p.in_types, cts, linear) if lin]  # fmt: skip
    return b.finish(outs)


def _add(b: Builder, cts: list[int | None], value: int, ct: int) -> None:
    so_far = cts[value]
    cts[value] = ct if so_far is None else b.emit(ADD, so_far, ct)


def _forward(p: Program, b: Builder, env: list[int | None]) -> list[_Linear]:
    """Write what is known into b and its slots into ``env``; return the linear equations."""
    back = []
    for eq in p.equations:
        op, xs, first, count, span = eq
        b.span = span
        ins = list(map(env.__getitem__, xs))
        if None not in ins:
            at = b.emit(op, *cast(list[int], ins))
            env += range(at, at + count)
        elif isinstance(op, Control) and _is_mixed(op, ins, count):
            h = op.split(b, ins, split)
            env += h.known
            known = [s if s >= 0 else None for s in h.operands]
            values = [-1 if s >= 0 else xs[~s] for s in h.operands]
            back.append(_Linear(h.op, known, values, [first + i for i in h.results], span))
        else:
            env += [None] * count
            back.append(_Linear(op, ins, xs, range(first, first + count), span))
    return back


def _is_mixed(op: Control, ins: MaybeSlots, count: int) -> bool:
    """Whether some results are known although some operands are linear."""
    mask = tuple([x is None for x in ins])
    return isinstance(op, While) or not all(results(op, mask, count))


@lru_cache(65536)
def _is_linear(op: Op, mask: tuple[bool, ...]) -> bool:
    operands = frozenset([i for i, lin in enumerate(mask) if lin])
    return any(operands <= linear for linear in op.linear(len(mask)))


def _refused(op: Op, known: MaybeSlots, span: Span | None) -> DerivativeError:
    operands = [str(i) for i, x in enumerate(known) if x is None]
    which = f"operand {operands[0]}" if len(operands) == 1 else f"operands {' and '.join(operands)}"
    name = op.name if op.programs else str(op)
    return DerivativeError(
        f"{PUBLIC.get(name, name)} is not linear in {which}, so it cannot be transposed",
        fix="a linear function adds, and multiplies by what does not depend on its argument; vx.vjp"
        " takes the derivative of any function at a point",
        places=places(span),
    )
