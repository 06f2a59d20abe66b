"""Divide a large program into segments that run one after the other, with little between them.

XLA on CPU starts an operation as soon as its operands are there, and shares what two parts of a
program compute alike. Both keep values alive: the transposed copy of an activation that only the
backward pass multiplies by is made in the forward pass. Here the program is cut where few bytes
are alive. What a later segment needs is kept or computed again there, a minimal cut at the prices
of prices.py; it passes a barrier that holds the next segment back until the last one is done.

Law: the program computes the same values. Where less than LEAST bytes are alive it stays as it is,
and where that would not make its predicted peak smaller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from math import inf
from typing import NamedTuple

from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ops.barrier import Cut
from verax.compiler.ops.values import weight
from verax.compiler.passes.fence import within
from verax.compiler.passes.peak import peak
from verax.compiler.passes.prices import Prices, at, price, usual
from verax.compiler.passes.residuals import cheapest

LEAST = 1 << 20
"""Bytes alive at once, beside inputs, below which a program is not divided."""
NEAR = 5
LONG = 40
"""A value that lives through more equations than this is no reason to cut elsewhere."""


@lru_cache(256)
def order(p: Program, rate: float | None = None, least: int = LEAST, near: int = NEAR) -> Program:
    """p in segments, also in the programs that its ops hold.

    Args:
        p: a simplified program.
        rate: how many bytes it is worth to compute again what takes one unit of work; None for the
            usual prices, at which nothing dear is computed again.
        least: the bytes alive from which on a program is divided.
        near: of so many dear equations before and behind a cut none is a better place for it; it is
            made in any case where there are twice as many without one.
    """
    equations = tuple([within(eq, lambda q: order(q, rate, least, near)) for eq in p.equations])
    if equations != p.equations:
        p = Program(p.n_in, p.types, equations, p.outs)
    if is_planned(p):
        return p
    cuts = _cuts(p, least, near)
    if not cuts:
        return p
    divided = _Segments(p, cuts, usual if rate is None else at(rate)).written()
    return divided if peak(divided).nbytes < peak(p).nbytes else p


def is_planned(p: Program) -> bool:
    """Whether p has been divided already."""
    return any(isinstance(eq.op, Cut) for eq in p.equations)


# where -------------------------------------------------------------------------------------------


class Lives(NamedTuple):
    """Per value the index of the equation that makes it (-1: an input) and of the last that uses it
    (the number of equations: an output; -1: none)."""

    made: list[int]
    last: list[int]


def lives(p: Program) -> Lives:
    """From where to where each value is alive."""
    made, last = [-1] * len(p.types), [-1] * len(p.types)
    for i, (_, xs, first, count, _) in enumerate(p.equations):
        made[first : first + count] = [i] * count
        for x in xs:
            last[x] = i
    for o in p.outs:
        last[o] = len(p.equations)
    return Lives(made, last)


def alive(p: Program, where: Lives, span: int) -> list[int]:
    """Before each equation the bytes that were made and will be used.

    Counted is what is dear to compute again and lives through at most ``span`` equations.
    """
    change = [0] * (len(p.equations) + 2)
    for eq in p.equations:
        if price(eq.op) < inf:
            continue
        for y in eq.results:
            size = weight(p.types[y])
            if 0 < where.last[y] - where.made[y] <= span:
                change[where.made[y] + 1] += size
                change[where.last[y] + 1] -= size
    return list(accumulate(change[:-1]))


def _cuts(p: Program, least: int, near: int) -> list[int]:
    """Before which equations to cut: dear ones, where fewer bytes pass than anywhere near.

    Only short lives are counted, so that what grows through a forward pass does not matter, and
    equal layers are cut alike: XLA then compiles their kernels once.
    """
    n, where = len(p.equations), lives(p)
    dear = [i for i, eq in enumerate(p.equations) if price(eq.op) == inf]
    if len(dear) < 2 * near or max(alive(p, where, n + 1)) < least:
        return []
    short = alive(p, where, LONG)
    size = [short[i] for i in dear]
    cuts = [0]
    for k in range(1, len(dear)):
        lowest = size[k] < min(size[max(0, k - near) : k]) and size[k] <= min(size[k : k + near])
        if not lowest and k - cuts[-1] < 2 * near:
            continue
        cuts.append(k)
    return [dear[k] for k in cuts[1:]]


# what crosses ------------------------------------------------------------------------------------


class _Segments:
    """A program in segments, while it is written.

    Values are those of the program; ``kept[k]`` are those that lie before segment k, and ``at``
    says in which slot of the builder each was made last.
    """

    def __init__(self, p: Program, cuts: Sequence[int], prices: Prices) -> None:
        self.p, self.prices = p, prices
        self.lives = lives(p)
        self.bounds = [0, *cuts, len(p.equations)]
        self.made = {eq.first: eq for eq in p.equations if eq.n_out == 1}
        self.outs = set(p.outs)
        self.kept: list[frozenset[int]] = [frozenset()]
        for cut in cuts:
            self.kept.append(self._crossing(cut))
        self.b = Builder()
        self.at = {i: self.b.input(t) for i, t in enumerate(p.in_types)}

    def _crossing(self, cut: int) -> frozenset[int]:
        """What is kept at a cut, so that all that is used behind it can be had.

        What was kept before is not computed again: what it came from may be gone.
        """
        made = self.lives.made
        n_in, before = self.p.n_in, self.kept[-1]
        there = {o for o in self.outs if n_in <= o and made[o] < cut}
        needed = {x for eq in self.p.equations[cut:] for x in eq.operands if made[x] < cut}
        can = {
            s: eq
            for s, eq in self.made.items()
            if made[s] < cut and s not in before and s not in there
        }
        plan = cheapest(
            self.p.types, can, [x for x in needed if x >= n_in], {*range(n_in), *there}, self.prices
        )
        return frozenset([s for s in plan.residuals if s >= n_in])

    def written(self) -> Program:
        """The program in segments."""
        fresh: set[int] = set()
        for k in range(len(self.bounds) - 1):
            equations = self.p.equations[self.bounds[k] : self.bounds[k + 1]]
            again, used = self._to_compute(k, equations)
            env = self._held(fresh, used) if k else dict(self.at)
            written = self._write(env, [*again, *equations])
            following = self.kept[k + 1] if k + 1 < len(self.kept) else frozenset()
            fresh = {v for v in written if v in following or v in self.outs}
            self.at.update((v, env[v]) for v in fresh)
        return self.b.finish([self.at[o] for o in self.p.outs])

    def _to_compute(self, k: int, equations: Sequence[Equation]) -> tuple[list[Equation], set[int]]:
        """What segment k computes again, and what it takes from before."""
        start, made = self.bounds[k], self.lives.made
        stack = [x for eq in equations for x in eq.operands if made[x] < start]
        if k + 1 < len(self.kept):
            stack += [v for v in self.kept[k + 1] - self.kept[k] if made[v] < start]
        used: set[int] = set()
        again: dict[int, Equation] = {}
        while stack:
            v = stack.pop()
            if v < self.p.n_in or v in self.kept[k]:
                used.add(v)
            elif v not in again:
                again[v] = self.made[v]
                stack += again[v].operands
        return [again[v] for v in sorted(again)], used

    def _held(self, fresh: Collection[int], used: Collection[int]) -> dict[int, int]:
        """Hold back what a segment takes until all that was made before is there."""
        group = sorted({*fresh, *used})
        slots = [self.at[v] for v in group]
        return dict(zip(group, self.b.emit_all(Cut(), *slots) if slots else ()))

    def _write(self, env: dict[int, int], equations: Iterable[Equation]) -> list[int]:
        """Write equations, their results into ``env``; returns the values that they make."""
        written: list[int] = []
        for op, xs, first, count, span in equations:
            self.b.span = span
            at = self.b.emit(op, *[env[x] for x in xs])
            env.update(zip(range(first, first + count), range(at, at + count)))
            written += range(first, first + count)
        return written
