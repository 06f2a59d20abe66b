"""Cut a deep program where it repeats itself, so that equal layers are compiled once.

An unrolled network of n equal layers is n times the same equations on other values. Here they are
cut into parts: the repeated blocks, which become one program that runs n times, and what lies
between them. XLA compiles each part once, and runs them faster than the whole: a part's temporaries
fit into the caches, where those of the whole are spread over one large arena.

Blocks are found by the distance at which equations repeat. What an equation computes is its mark
(its op, on which types), so equal blocks are equal programs. A program is cut only where its blocks
do enough work to hide what calling them costs.

Law: the steps, run in order, give the outputs of the program, each in a value of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.values import elements, weight

LEAST_BLOCK = 16  # equations
LEAST_SAVED = 200  # equations that need not be compiled
LEAST_WORK = 200.0  # microseconds that a block takes, on average
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
    """``count`` equal blocks of ``length`` equations each, from ``start``."""

    start: int
    length: int
    count: int

    @property
    def saved(self) -> int:
        """How many equations need not be compiled."""
        return (self.count - 1) * self.length

    @property
    def stop(self) -> int:
        return self.start + self.count * self.length


@lru_cache(256)
def segments(p: Program) -> Schedule | None:
    """The program in steps, several of which run the same part; None if that does not pay."""
    if len(p.equations) < LEAST_SAVED or p.effects:
        return None
    body = [eq for eq in p.equations if eq.operands]  # constants stand in each part
    runs = list(_runs(_marks(p, body), 0, len(body)))
    if sum([run.saved for run in runs]) < LEAST_SAVED:
        return None
    repeated = [eq for run in runs for eq in body[run.start : run.stop]]
    blocks = sum([run.count for run in runs])
    if work(p, repeated) < LEAST_WORK * blocks:
        return None
    return _Cutter(p, body).schedule(runs)


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


class _Cutter:
    """Writes the parts. What no equation can give last (an input, a constant, a value that is an
    output twice) is given by the last step, under a new number."""

    def __init__(self, p: Program, body: Sequence[Equation]) -> None:
        self.p, self.body = p, body
        self.free = {y: eq for eq in p.equations if not eq.operands for y in eq.results}
        self.last: dict[int, int] = dict.fromkeys(p.outs, len(body))  # value -> its last user
        for i, eq in enumerate(body):
            for x in eq.operands:
                self.last[x] = max(self.last.get(x, -1), i)

    def schedule(self, runs: Sequence[Run]) -> Schedule:
        """The steps: every block of every run, and what lies between them."""
        steps: list[Step] = []
        at = 0
        for run in runs:
            if at < run.start:
                steps.append(self.step(at, run.start))
            starts = range(run.start, run.stop, run.length)
            needed = set[Place]().union(*[self.leaving(s, s + run.length) for s in starts])
            steps += [self.step(s, s + run.length, needed) for s in starts]
            at = run.stop
        copies, outs = self.copies()
        if at < len(self.body) or copies:
            steps.append(self.step(at, len(self.body), copies=copies))
        return Schedule(tuple(steps), outs)

    def copies(self) -> tuple[dict[int, int], tuple[int, ...]]:
        """New numbers for the outputs that need one, and the numbers of all outputs."""
        copies: dict[int, int] = {}
        outs: list[int] = []
        for o in self.p.outs:
            if o < self.p.n_in or o in self.free or o in outs:
                new = len(self.p.types) + len(copies)
                copies[new] = o
                o = new
            outs.append(o)
        return copies, tuple(outs)

    def leaving(self, start: int, stop: int) -> set[Place]:
        """The values of a block that are used after it."""
        return {
            (i - start, k)
            for i in range(start, stop)
            for k, y in enumerate(self.body[i].results)
            if self.last.get(y, -1) >= stop
        }

    def step(
        self,
        start: int,
        stop: int,
        needed: set[Place] | None = None,
        copies: dict[int, int] | None = None,
    ) -> Step:
        """The equations from start to stop as a program."""
        part = _Part(self)
        for eq in self.body[start:stop]:
            part.write(eq)
        places = self.leaving(start, stop) if needed is None else needed
        results = [self.body[start + i].first + k for i, k in sorted(places)]
        given = [*results, *(copies or {}).values()]
        program = part.b.finish([part.slot(y) for y in given])
        return Step(program, tuple(part.operands), (*results, *(copies or {})))


class _Part:
    """A program that is being cut out: what it takes from outside become its inputs."""

    def __init__(self, cutter: _Cutter) -> None:
        self.cutter, self.b = cutter, Builder()
        self.env: dict[int, int] = {}
        self.operands: list[int] = []

    def write(self, eq: Equation) -> None:
        xs = [self.slot(x) for x in eq.operands]
        self.b.span = eq.span
        self.env.update(zip(eq.results, self.b.emit_all(eq.op, *xs)))

    def slot(self, x: int) -> int:
        """The slot of a value of the whole program."""
        if x not in self.env:
            eq = self.cutter.free.get(x)
            if eq is None:
                self.operands.append(x)
                self.env[x] = self.b.input(self.cutter.p.types[x])
            else:
                self.b.span = eq.span
                self.env.update(zip(eq.results, self.b.emit_all(eq.op)))
        return self.env[x]
