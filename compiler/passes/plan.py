"""Where every value of a program lies, decided before anything is written.

Three sweeps. Forward: layouts flow from the inputs through the factors. Backward: what consumers
would like flows from the outputs, so that what no input cuts (a mask, a table's gradient) is cut
where it is made. Forward again, with the wishes. A value whose sum is pending stays so if it has
one consumer, which may pass it on; otherwise it is summed once, where it is made. What is generated
from nothing (constants, iotas, random bits) has no layout: it is written in each cut that is asked.

Law: a plan is a function of the program, the layouts of its inputs and what is asked of its
outputs; an output lies as it was asked to.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Equation, Program
from verax.compiler.ir.types import Type
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.control import Control
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.pointwise import Constant, Elementwise
from verax.compiler.ops.shard import Shard
from verax.compiler.passes.choose import Ask, Choice, Operand, choose, choose_shard, leave_whole
from verax.compiler.passes.nested import choose_nested
from verax.compiler.passes.reshard import Layout, extended, whole
from verax.compiler.passes.wishes import Want, both
from verax.sharding.mesh import Mesh

DEEPEST = 100
"""How long a chain of generated values may get before it is written once, whole."""


class Plan(NamedTuple):
    """What was decided for a program.

    Args:
        choices: per equation how it is cut, or None where its results are generated on demand.
        homes: per value how it lies.
        outs: how the outputs lie.
        wants: how the program would like its inputs to lie.
    """

    choices: tuple[Choice | None, ...]
    homes: tuple[Layout, ...]
    outs: tuple[Layout, ...]
    wants: tuple[Want | None, ...]


@lru_cache(1 << 12)
def plan(mesh: Mesh, p: Program, ins: tuple[Layout, ...], asks: tuple[Ask, ...]) -> Plan:
    """Decide how p is cut, for inputs that lie so and outputs of which that is asked."""
    planner = _Planner(mesh, p, ins, asks)
    planner.forward()
    planner.backward()
    planner.forward()
    return planner.result()


class _Asked(NamedTuple):
    """What the backward sweep asked, and the answer."""

    operands: tuple[Operand, ...]
    choice: Choice


class _Planner:
    def __init__(
        self, mesh: Mesh, p: Program, ins: tuple[Layout, ...], asks: tuple[Ask, ...]
    ) -> None:
        self.mesh, self.p, self.ins, self.asks = mesh, p, ins, asks
        self.uses = _uses(p)
        self.kinds = [_kind(eq.op) for eq in p.equations]
        self.wants: list[Want | None] = [None] * len(p.types)
        self.values: list[Operand] = []
        self.depth: list[int] = []
        self.choices: list[Choice | None] = []
        self.asked: dict[int, _Asked] = {}  # by the first result of an equation

    def forward(self) -> None:
        p = self.p
        self.values = [self.home(i, Operand(layout)) for i, layout in enumerate(self.ins)]
        self.depth = [0] * p.n_in
        self.choices = []
        values, depth, choices = self.values, self.depth, self.choices
        for eq, kind in zip(p.equations, self.kinds):
            made = self.made(eq, kind) if kind > _NOT_MADE else 0
            if made:
                zero = kind == _SOURCE and isinstance(eq.op, Constant) and not eq.op.value
                values += [Operand(whole(p.types[y].ndim), True, zero) for y in eq.results]
                choices.append(None)
            else:
                choice = self.choose(eq, kind)
                choices.append(choice)
                if choice.finished:
                    values += choice.results
                else:
                    values += [self.home(y, x) for y, x in zip(eq.results, choice.results)]
            depth += (made,) * eq.n_out

    def backward(self) -> None:
        wants = self.wants
        for o, ask in zip(self.p.outs, self.asks):
            want = ask.want if ask.layout is None else Want(ask.layout.cuts)
            wants[o] = both(wants[o], want)
        for eq, kind in zip(reversed(self.p.equations), reversed(self.kinds)):
            if self.depth[eq[2]]:
                continue
            choice = self.choose(eq, kind, ask=True)
            for x, want in zip(eq[1], choice.wants):
                if want is not None:
                    wants[x] = both(wants[x], want)

    def choose(self, eq: Equation, kind: int, ask: bool = False) -> Choice:
        op, xs, first, count, _ = eq
        values = self.values
        operands = tuple([values[x] for x in xs])
        asked = self.asked.get(first)
        if asked is not None and asked.operands == operands:
            return asked.choice
        types = self.p.types
        xts = tuple([types[x] for x in xs])
        wants = tuple(self.wants[first : first + count])
        of_kind = choose_special if kind == _SPECIAL else choose
        choice = of_kind(self.mesh, op, xts, operands, wants)
        if ask:
            self.asked[first] = _Asked(operands, choice)
        return choice

    def home(self, slot: int, x: Operand) -> Operand:
        """How a value lies that comes about so: sums that many need are finished."""
        if not x.layout.pending or self.uses[slot] < 2:
            return x
        want = self.wants[slot]
        dims = None if want is None else want.dims
        return Operand(extended(x.layout, dims, soft=True))

    def made(self, eq: Equation, kind: int) -> int:
        """The length of the chain that generates the results from nothing, or 0."""
        if kind == _SOURCE:
            return 1
        depths = [self.depth[x] for x in eq.operands]
        if kind == _BROADCAST:  # of a value that each device holds: any part of it is at hand
            layout = self.values[eq.operands[0]].layout
            if layout.pending or any(layout.cuts):
                return 0
        elif not all(depths):
            return 0
        depth = max(depths) + 1
        return depth if depth <= DEEPEST else 0

    def result(self) -> Plan:
        outs = tuple([self.out(o, ask) for o, ask in zip(self.p.outs, self.asks)])
        return Plan(
            tuple(self.choices),
            tuple([v.layout for v in self.values]),
            outs,
            tuple(self.wants[: self.p.n_in]),
        )

    def out(self, o: int, ask: Ask) -> Layout:
        if ask.layout is not None:
            return ask.layout
        home = self.values[o].layout
        if ask.open:
            return home
        dims = None if ask.want is None else ask.want.dims
        return extended(home, dims, soft=not self.values[o].made)


def _uses(p: Program) -> list[int]:
    """Per value, how many equations and outputs take it."""
    uses = [0] * len(p.types)
    for eq in p.equations:
        for x in set(eq.operands):
            uses[x] += 1
    for o in p.outs:
        uses[o] += 1
    return uses


_SPECIAL, _NOT_MADE, _SOURCE, _REGENERABLE, _BROADCAST = range(5)


@lru_cache(1 << 14)
def _kind(op: Op) -> int:
    """Whether the op generates a value, or costs no more to do again than to read its result; and
    whether its factors say how it is cut."""
    if isinstance(op, Shard) or op.programs or op.effects:
        return _SPECIAL
    if isinstance(op, Constant | Iota):
        return _SOURCE
    if isinstance(op, Contract):
        if len(op.ins) > 1 or not set(op.ins[0]) <= set(op.out):
            return _NOT_MADE
        return _BROADCAST if op.sizes else _REGENERABLE
    return _REGENERABLE if isinstance(op, Elementwise | Reshape) else _NOT_MADE


def choose_special(
    mesh: Mesh,
    op: Op,
    xts: tuple[Type, ...],
    operands: tuple[Operand, ...],
    wants: tuple[Want | None, ...],
) -> Choice:
    """How an equation is cut of which the factors do not say it."""
    if isinstance(op, Shard):
        return choose_shard(mesh, op, operands)
    if isinstance(op, Control):
        return choose_nested(plan, mesh, op, xts, operands, wants)
    return leave_whole(op, xts)
