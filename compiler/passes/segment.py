"""Cut a deep program where it repeats itself, so that equal layers are compiled once.

An unrolled network of n equal layers is n times the same equations on other values. Here they are
cut into parts: the repeated blocks, which become one program that runs n times, and what lies
between them. XLA compiles each part once, and needs less memory, since it cannot start early what
only a later part uses. What a later part needs is kept, or computed again there where that costs
less: a minimal cut, as between the forward and the backward half of a gradient.

Blocks are found by the distance at which equations repeat. What an equation computes is its mark
(its op, on which types), so equal blocks are equal programs. A program is cut only where its blocks
do enough work to hide what calling them costs, and are no single kernel anyway.

Law: the steps, run in order, give the outputs of the program, each in a value of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.values import elements, weight
from verax.compiler.passes.fence import role
from verax.compiler.passes.prices import price, usual
from verax.compiler.passes.residuals import cheapest

LEAST_BLOCK = 4  # equations
LEAST_SAVED = 200  # equations that need not be compiled
LEAST_WORK = 1000.0  # microseconds that a block takes, on average: a step costs some 25
PERIODS = 6  # how many distances are tried

Place: TypeAlias = tuple[int, int]
"""A value in a block: the place of its equation, and which of its results it is."""


class Step(NamedTuple):
    """One run of a part; operands and results are numbered values."""

    part: Program
    operands: tuple[int, ...]
    results: tuple[int, ...]


class Schedule(NamedTuple):
    """Steps to run in order; the values of the inputs come first, ``outs`` are the outputs."""

    steps: tuple[Step, ...]
    outs: tuple[int, ...]


class Run(NamedTuple):
    """``times`` equal blocks of ``length`` equations each, from ``start``."""

    start: int
    length: int
    times: int

    @property
    def saved(self) -> int:
        """How many equations need not be compiled."""
        return (self.times - 1) * self.length

    @property
    def stop(self) -> int:
        return self.start + self.times * self.length


@lru_cache(256)
def segments(p: Program) -> Schedule | None:
    """The program in steps, several of which run the same part; None if that does not pay."""
    if len(p.equations) < LEAST_SAVED or p.effects:
        return None
    body = _late(p)
    runs = [run for run in _runs(_marks(p, body), 0, len(body)) if _stores(body, run)]
    if sum([run.saved for run in runs]) < LEAST_SAVED:
        return None
    repeated = [eq for run in runs for eq in body[run.start : run.stop]]
    blocks = sum([run.times for run in runs])
    if work(p, repeated) < LEAST_WORK * blocks:
        return None
    return _cut(p, body, runs)


def _stores(body: Sequence[Equation], run: Run) -> bool:
    """Whether a block of the run reads something from memory; else it may all be one kernel."""
    return any(role(eq.op) == "stored" for eq in body[run.start : run.start + run.length])


def work(p: Program, equations: Sequence[Equation]) -> float:
    """About how many microseconds equations take: 10 bytes a nanosecond, 100 operations."""
    total = 0.0
    for op, xs, first, count, _ in equations:
        total += sum([weight(p.types[y]) for y in range(first, first + count)]) / 1e4
        if isinstance(op, Contract) and len(op.ins) == 2:
            sizes = {f: n for d, x in zip(op.ins, xs) for f, n in zip(d, p.types[x].shape)}
            summed = [n for f, n in sizes.items() if f not in op.out]
            flops = 2.0 * elements(p.types[first])
            for n in summed:
                flops *= n if isinstance(n, int) else 1
            total += flops / 1e5
    return total


def _late(p: Program) -> list[Equation]:
    """The equations but for constants; what is cheap stands right before its first dear user.

    So a backward block computes itself what only it needs, however early it could be computed.
    """
    made = {y: eq for eq in p.equations if eq.operands for y in eq.results}
    body: list[Equation] = []
    done: set[int] = set()

    def write(eq: Equation) -> None:
        stack = [eq]
        while stack:
            last = stack[-1]
            missing = [made[x] for x in last.operands if x in made and made[x].first not in done]
            if last.first in done:
                stack.pop()
            elif missing:
                stack += reversed(missing)
            else:
                done.add(last.first)
                body.append(stack.pop())

    for eq in p.equations:
        if eq.operands and price(eq.op) == inf:
            write(eq)
    for o in p.outs:
        if o in made:
            write(made[o])
    return body


# finding blocks ----------------------------------------------------------------------------------


def _marks(p: Program, body: Sequence[Equation]) -> list[int]:
    """Per equation a number that says what it computes: its op, on the types of its operands."""
    number: dict[object, int] = {}
    types = p.types
    return [
        number.setdefault((eq.op, tuple([types[x] for x in eq.operands])), len(number))
        for eq in body
    ]


def _runs(marks: Sequence[int], start: int, stop: int) -> Iterator[Run]:
    """The run between start and stop that saves most, with the runs before and behind it."""
    found = list(_candidates(marks, start, stop))
    if found:
        best = max(found, key=lambda run: run.saved)
        yield from _runs(marks, start, best.start)
        yield best
        yield from _runs(marks, best.stop, stop)


def _candidates(marks: Sequence[int], start: int, stop: int) -> Iterator[Run]:
    """For the most frequent distances of equal equations, the longest run with that period."""
    last: dict[int, int] = {}
    distances: Counter[int] = Counter()
    for i in range(start, stop):
        before = last.get(marks[i], stop)
        if i - before >= LEAST_BLOCK:
            distances[i - before] += 1
        last[marks[i]] = i
    for length, _ in distances.most_common(PERIODS):
        first, same = _longest(marks, start, stop, length)
        if same >= length:
            yield Run(first, length, same // length + 1)


def _longest(marks: Sequence[int], start: int, stop: int, length: int) -> tuple[int, int]:
    """Where most consecutive equations equal those ``length`` later: the first, and how many."""
    best, at, same = 0, start, 0
    for i in range(start, stop - length):
        same = same + 1 if marks[i] == marks[i + length] else 0
        if same > best:
            best, at = same, i - same + 1
    return at, best


# cutting -----------------------------------------------------------------------------------------


def _cut(p: Program, body: Sequence[Equation], runs: Sequence[Run]) -> Schedule:
    """Every block of every run as a step, and what lies between them."""
    borders = {0, len(body)}.union(*[range(r.start, r.stop + 1, r.length) for r in runs])
    starts = sorted(borders)
    pieces = [body[i:j] for i, j in pairwise(starts)]
    again = _computed_again(p, pieces)
    parts = [_Part(p, piece, again) for piece in pieces]
    needed = {x for part in parts for x in part.operands}.union(p.outs)
    results = [[y for eq in piece for y in eq.results if y in needed] for piece in pieces]
    for run in runs:  # equal blocks give results at equal places
        blocks = range(starts.index(run.start), starts.index(run.start) + run.times)
        places = {place for k in blocks for place in _places(pieces[k], results[k])}
        for k in blocks:
            results[k] = [pieces[k][i].first + n for i, n in sorted(places)]
    steps = [part.step(ys) for part, ys in zip(parts, results)]
    copies, outs = _copies(p, {y for piece in pieces for eq in piece for y in eq.results})
    if copies:
        steps.append(_Part(p, (), again).step(list(copies.values()), tuple(copies)))
    return Schedule(tuple(steps), outs)


def _computed_again(p: Program, pieces: Sequence[Sequence[Equation]]) -> dict[int, Equation]:
    """What a piece that needs it computes again: constants, and what costs less than keeping it.

    Each piece decides for its own values, the last piece first, and keeps what a later one takes
    from it: so equal blocks decide alike, and nothing is computed again through several of them.
    """
    again = {y: eq for eq in p.equations if not eq.operands for y in eq.results}
    home = {y: k for k, piece in enumerate(pieces) for eq in piece for y in eq.results}
    leaving: list[set[int]] = [set() for _ in pieces]
    for k, piece in enumerate(pieces):
        for x in {x for eq in piece for x in eq.operands if home.get(x, k) != k}:
            leaving[home[x]].add(x)
    kept = {*range(p.n_in), *p.outs}
    for k in reversed(range(len(pieces))):
        made = {eq.first: eq for eq in pieces[k] if eq.n_out == 1}
        made |= {x: again[x] for eq in pieces[k] for x in eq.operands if x in again}
        near = {x for eq in pieces[k] for x in (*eq.operands, *eq.results)}
        plan = cheapest(p.types, made, leaving[k], kept & near, usual)
        kept.update(plan.residuals)
        again.update((eq.first, eq) for eq in plan.recomputed)
    return {y: eq for y, eq in again.items() if y not in kept or not eq.operands}


def _places(piece: Sequence[Equation], values: Sequence[int]) -> set[Place]:
    """Where these values are computed in a piece."""
    wanted = set(values)
    return {(i, y - eq.first) for i, eq in enumerate(piece) for y in eq.results if y in wanted}


def _copies(p: Program, computed: set[int]) -> tuple[dict[int, int], tuple[int, ...]]:
    """New numbers for outputs that are no value of their own, and the numbers of all outputs.

    An input, a constant, and what is an output twice are copied by a last step.
    """
    copies: dict[int, int] = {}
    outs: list[int] = []
    for o in p.outs:
        if o not in computed or o in outs:
            new = len(p.types) + len(copies)
            copies[new] = o
            o = new
        outs.append(o)
    return copies, tuple(outs)


class _Part:
    """A piece as a program: what it takes from outside become its inputs."""

    def __init__(
        self, p: Program, piece: Sequence[Equation], again: Mapping[int, Equation]
    ) -> None:
        self.p, self.again, self.b = p, again, Builder()
        self.env: dict[int, int] = {}
        self.operands: list[int] = []
        for eq in piece:
            self.write(eq)

    def write(self, eq: Equation) -> None:
        """Write an equation, and what has to be computed again for it."""
        xs = [self.slot(x) for x in eq.operands]
        self.b.span = eq.span
        self.env.update(zip(eq.results, self.b.emit_all(eq.op, *xs)))

    def slot(self, x: int) -> int:
        """The slot of a value of the whole program."""
        if x not in self.env:
            eq = self.again.get(x)
            if eq is None:
                self.operands.append(x)
                self.env[x] = self.b.input(self.p.types[x])
            else:
                self.write(eq)
        return self.env[x]

    def step(self, values: Sequence[int], results: Sequence[int] | None = None) -> Step:
        """The step that gives these values, under these numbers."""
        program = self.b.finish([self.slot(y) for y in values])
        return Step(program, tuple(self.operands), tuple(values if results is None else results))
