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
from verax.compiler.passes.choose import (
    Ask,
    Choice,
    Operand,
    Want,
    both,
    choose,
    choose_shard,
    leave_whole,
)
from verax.compiler.passes.nested import choose_nested
from verax.compiler.passes.reshard import Layout, extended, whole
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


class _Planner:
    def __init__(
        self, mesh: Mesh, p: Program, ins: tuple[Layout, ...], asks: tuple[Ask, ...]
    ) -> None:
        self.mesh, self.p, self.ins, self.asks = mesh, p, ins, asks
        self.uses = _uses(p)
        self.wants: list[Want | None] = [None] * len(p.types)
        self.values: list[Operand] = []
        self.depth: list[int] = []
        self.choices: list[Choice | None] = []

    def forward(self) -> None:
        p = self.p
        self.values = [Operand(self.home(i, layout)) for i, layout in enumerate(self.ins)]
        self.depth = [0] * p.n_in
        self.choices = []
        for eq in p.equations:
            made = self.made(eq)
            self.depth += [made] * eq.n_out
            if made:
                zero = isinstance(eq.op, Constant) and not eq.op.value
                self.values += [Operand(whole(p.types[y].ndim), True, zero) for y in eq.results]
                self.choices.append(None)
                continue
            choice = self.choose(eq)
            self.choices.append(choice)
            self.values += [
                Operand(self.home(y, layout)) for y, layout in zip(eq.results, choice.outs)
            ]

    def backward(self) -> None:
        wants = self.wants
        for o, ask in zip(self.p.outs, self.asks):
            want = ask.want if ask.layout is None else Want(ask.layout.cuts)
            wants[o] = both(wants[o], want)
        for eq in reversed(self.p.equations):
            if not self.depth[eq.first]:
                for x, want in zip(eq.operands, self.choose(eq).wants):
                    if want is not None:
                        wants[x] = both(wants[x], want)

    def choose(self, eq: Equation) -> Choice:
        op, xs, first, count, _ = eq
        types, values = self.p.types, self.values
        xts = tuple([types[x] for x in xs])
        operands = tuple([values[x] for x in xs])
        return choose_equation(
            self.mesh, op, xts, operands, tuple(self.wants[first : first + count])
        )

    def home(self, slot: int, layout: Layout) -> Layout:
        """How a value lies that comes about in this layout: sums that many need are finished."""
        if not layout.pending or self.uses[slot] < 2:
            return layout
        want = self.wants[slot]
        return extended(self.mesh, layout, None if want is None else want.dims, soft=True)

    def made(self, eq: Equation) -> int:
        """The length of the chain that generates the results from nothing, or 0."""
        if isinstance(eq.op, Constant | Iota):
            return 1
        if not eq.operands or not _regenerable(eq.op):
            return 0
        depth = max(self.depth[x] for x in eq.operands)
        if depth >= DEEPEST:
            return 0
        if _is_broadcast(eq.op):  # of a value that each device holds: any part of it is at hand
            layout = self.values[eq.operands[0]].layout
            return 0 if layout.pending or any(layout.cuts) else depth + 1
        return depth + 1 if all(self.depth[x] for x in eq.operands) else 0

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
        return extended(self.mesh, home, dims, soft=not self.values[o].made)


def _uses(p: Program) -> list[int]:
    """Per value, how many equations and outputs take it."""
    uses = [0] * len(p.types)
    for eq in p.equations:
        for x in set(eq.operands):
            uses[x] += 1
    for o in p.outs:
        uses[o] += 1
    return uses


def _regenerable(op: Op) -> bool:
    """Whether doing the op again costs no more than reading its result."""
    if isinstance(op, Contract):
        return len(op.ins) == 1 and set(op.ins[0]) <= set(op.out)
    return isinstance(op, Elementwise | Reshape)


def _is_broadcast(op: Op) -> bool:
    return isinstance(op, Contract) and bool(op.sizes) and _regenerable(op)


def choose_equation(
    mesh: Mesh,
    op: Op,
    xts: tuple[Type, ...],
    operands: tuple[Operand, ...],
    wants: tuple[Want | None, ...],
) -> Choice:
    """How one equation is cut, whatever its op is."""
    if isinstance(op, Shard):
        return choose_shard(mesh, op, operands)
    if isinstance(op, Control):
        return choose_nested(plan, mesh, op, xts, operands, wants)
    if op.programs or op.effects:
        return leave_whole(op, xts)
    return choose(mesh, op, xts, operands, wants)
