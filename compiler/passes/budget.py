"""Fit a program into a memory budget: what is kept, what is computed again, and at what price.

The trade is a Lagrangian: at an exchange rate of bytes for work, ``order`` finds the cheapest plan
by minimal cuts. The rates are swept from dear to cheap, and the first plan whose predicted peak
fits is taken: no plan that recomputes less was found to fit. If none does, the program is refused
before it is compiled.

Law: the planned program computes the same values, and its predicted peak is within the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from verax.compiler.ir.errors import MemoryBudgetError, UnknownSizeError
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ir.span import resolve
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.remat import Remat
from verax.compiler.ops.values import weight
from verax.compiler.passes.order import is_planned, order
from verax.compiler.passes.peak import Peak, peak, peak_of_steps
from verax.compiler.passes.prices import price
from verax.compiler.passes.segment import segments
from verax.compiler.passes.simplify import simplify

RATES = (None, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.14, 0.1, 0.05)
"""Bytes for a unit of work (prices.py); None: nothing dear is computed again."""
MARGIN = 1.25
"""A plan is taken if its predicted peak fits so many times: predictions may err."""
NEAR = 3  # cuts are denser than usual
NAMED = 5
"""So many values does a refusal name."""


class Fitted(NamedTuple):
    """A program with what it is predicted to need."""

    program: Program
    peak: Peak


@lru_cache(256)
def planned(p: Program, rate: float | None) -> Fitted:
    """The simplified program in segments, at this exchange rate."""
    q = order(simplify(p), rate, 0, NEAR)
    top = peak(q)
    steps = None if is_planned(q) else segments(q)
    return Fitted(q, top if steps is None else Peak(peak_of_steps(steps, q.n_in), top.values))


def fit(programs: Iterable[Program], limit: int, what: str) -> Program:
    """The first plan that fits into ``limit`` bytes beside the arguments.

    Args:
        programs: the same function with more and more computed again in its loops.
        limit: bytes of results and temporaries.
        what: what is planned, for the message.

    Raises:
        MemoryBudgetError: none fits; the message names what is alive at the peak of the least.
    """
    least: Fitted | None = None
    for found in _plans(programs):
        if found.peak.nbytes * MARGIN <= limit:
            return found.program
        if least is None or found.peak.nbytes < least.peak.nbytes:
            least = found
    assert least is not None
    if any(isinstance(t, ArrayType) and t.symbolic for t in least.program.types):
        raise UnknownSizeError(
            f"{what}: whether it fits {limit:,} bytes is not known, since sizes are symbolic"
        )
    raise _refused(least, limit, what)


def _plans(programs: Iterable[Program]) -> Iterator[Fitted]:
    """The plans, those that compute less again first for each program."""
    for p in programs:
        for rate in RATES:
            yield planned(p, rate)


def _refused(least: Fitted, limit: int, what: str) -> MemoryBudgetError:
    p = least.program
    needs = ceil(least.peak.nbytes * MARGIN)
    lines = [
        f"{what} needs {needs:,} bytes beside its arguments, however much is computed again, and"
        f" memory allows {limit:,}; the predicted peak is {least.peak.nbytes:,}, largest there:"
    ]
    lines += [f"  {row}" for row in rows(p, least.peak.values)[:NAMED]]
    return MemoryBudgetError(
        "\n".join(lines),
        fix=f"allow memory={needs}, or make what is largest smaller: a smaller batch,"
        " or vx.scan over parts of it",
    )


def lean(p: Program, rule: str) -> Program:
    """p whose scans keep their carries, and what this policy saves, for their derivatives."""
    if not any(isinstance(eq.op, Scan) for eq in p.equations):
        return p
    return Program(p.n_in, p.types, tuple([_lean(eq, rule) for eq in p.equations]), p.outs)


def _lean(eq: Equation, rule: str) -> Equation:
    op = eq.op
    if not isinstance(op, Scan):
        return eq
    b = Builder()
    body = b.finish(b.emit_all(Remat(op.body, rule), *[b.input(t) for t in op.body.in_types]))
    return eq._replace(op=Scan(body, op.n_consts, op.n_carry, op.length, op.reverse))


class Row(NamedTuple):
    """Values of one type that one line of the user's makes."""

    nbytes: int
    times: int
    type: str
    line: str

    def __str__(self) -> str:
        times = f" x{self.times}" if self.times > 1 else ""
        return f"{self.nbytes:>14,}  {self.type}{times}  {self.line}".rstrip()


def rows(p: Program, values: Iterable[int]) -> list[Row]:
    """Values by type and the user's line, largest first."""
    groups: dict[tuple[str, str], list[int]] = {}
    made = {y: eq for eq in p.equations for y in eq.results}
    source = aliases(p)
    for v in values:
        eq = made.get(source[v])
        line = "" if eq is None or eq.span is None else str(resolve(eq.span))
        groups.setdefault((str(p.types[v]), line), []).append(weight(p.types[v]))
    found = [Row(sum(sizes), len(sizes), *key) for key, sizes in groups.items()]
    return sorted(found, key=lambda row: (-row.nbytes, row.type, row.line))


def aliases(p: Program) -> list[int]:
    """Per value the one that it is, before barriers."""
    source = list(range(len(p.types)))
    for eq in p.equations:
        if eq.op.name in ("barrier", "cut", "fence"):
            for x, y in zip(eq.operands, eq.results):
                source[y] = source[x]
    return source


def computed_again(p: Program) -> list[int]:
    """The values that p computes although it has had them: equal ops on equal values.

    What costs nothing is not told.
    """
    same = aliases(p)
    found: list[int] = []
    first: dict[object, int] = {}
    for op, xs, at, count, _ in p.equations:
        key = (op, tuple([same[x] for x in xs]))
        if op.effects or op.name in ("barrier", "cut", "fence"):
            continue
        known = first.setdefault(key, at)
        if known != at:
            same[at : at + count] = same[known : known + count]
            if price(op) > 0:
                found += range(at, at + count)
    return found
