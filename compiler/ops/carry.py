"""What the rules of loops share: fixed points over a carry, how it starts, programs over it.

Law: a carry that is active, unknown or mapped after one step is so from the start, so every rule
looks for the least fixed point over the carry. A carry that became linear may start from a known
value: it is a tangent that depends on nothing yet, so it is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from verax.compiler.ir.op import MaybeSlots, Slots
from verax.compiler.ir.program import Builder, Program, rearrange
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import Type
from verax.compiler.ops.control import any_of, with_outs
from verax.compiler.ops.pointwise import zeros
from verax.compiler.ops.values import repeated

R = TypeVar("R")
Mask: TypeAlias = tuple[bool, ...]

# fixed points and starts -------------------------------------------------------------------------


def settle(step: Callable[[Mask], tuple[R, Sequence[bool]]], carry: Mask) -> tuple[R, Mask]:
    """The result of ``step`` at its least fixed point above ``carry``, and the fixed point."""
    while True:
        result, out = step(carry)
        grown = any_of((carry, out))
        if grown == carry:
            return result, carry
        carry = grown


def started(b: Builder, xs: Slots, ts: MaybeSlots, carry: Mask) -> list[int]:
    """The tangents of the active carries at the start: zeros where there is none yet."""
    return [
        zeros(b, b.types[x]) if t is None else t for x, t, active in zip(xs, ts, carry) if active
    ]


def repeated_starts(
    b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], carry: Mask
) -> list[int]:
    """The carries at the start, repeated where they become mapped."""
    return [repeated(b, n, x) if c and not m else x for x, m, c in zip(xs, mapped, carry)]


# programs ----------------------------------------------------------------------------------------


def only(p: Program, at: Sequence[int], outs: Sequence[int]) -> Program:
    """The program that gives these slots of p, which need only the inputs ``at``."""
    return rearrange(pruned(p, outs), at)


def widened(p: Program, ts: Sequence[Type], at: Iterable[int]) -> Program:
    """p as a program of inputs of types ts, of which it takes those ``at``."""
    b = Builder()
    slots = [b.input(t) for t in ts]
    return b.finish(b.inline(p, [slots[i] for i in at]))


def pruned(p: Program, outs: Sequence[int]) -> Program:
    """The program that gives these slots of p, and no more."""
    b = Builder()
    return b.finish(b.inline(with_outs(p, outs), [b.input(t) for t in p.in_types]))


def grouped(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """The order that brings two lists of groups together, group by group.

    >>> grouped((2, 1), (1, 2))  # aa b, A BB -> aaA bBB
    [0, 1, 3, 2, 4, 5]
    """
    order: list[int] = []
    i, j = 0, sum(first)
    for m, n in zip(first, second):
        order += [*range(i, i + m), *range(j, j + n)]
        i, j = i + m, j + n
    return order


def hoisted(b: Builder, body: Program, own: int, consts: Slots) -> dict[int, int]:
    """Write the residuals that are the same in every step once, outside of the loop."""
    fixed = _invariant(body, len(consts))
    same = [r for r in body.outs[own:] if r >= body.n_in and fixed[r]]
    if not same or body.effects:
        return {}
    p = pruned(body, same)
    return dict(zip(same, b.inline(rearrange(p, range(len(consts))), consts)))


def _invariant(body: Program, n_consts: int) -> bytearray:
    """Per slot, whether it is the same in every step: it depends on the consts only."""
    fixed = bytearray(len(body.types))
    fixed[:n_consts] = b"\1" * n_consts
    for _, xs, first, count, _ in body.equations:
        if all(fixed[x] for x in xs):
            fixed[first : first + count] = b"\1" * count
    return fixed
