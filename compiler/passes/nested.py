"""How the programs inside of call, cond, while and scan are cut.

A call is cut like the program that it calls, a custom op like its primal. Branches agree on how
their results lie. A loop keeps one layout per carry, the fixed point that is reached from how it
starts; sums that start from zero may stay pending through a whole loop and are finished once,
behind it. The rows of what a scan runs over are whole along the dimension that it runs over.

Law: like every choice, a pure function of layouts and wishes. ``again`` is the planner itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import Type
from verax.compiler.ops.control import Call, Cond, Control
from verax.compiler.ops.custom import Custom, LinearMap
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.remat import Remat
from verax.compiler.passes.choose import Ask, Choice, Inner, Operand, leave_whole
from verax.compiler.passes.reshard import Layout, extended
from verax.compiler.passes.wishes import Want, both
from verax.sharding.cuts import join
from verax.sharding.mesh import Mesh

if TYPE_CHECKING:
    from verax.compiler.passes.plan import Plan

Layouts: TypeAlias = tuple[Layout, ...]
Wants: TypeAlias = tuple[Want | None, ...]
Planner: TypeAlias = "Callable[[Mesh, Program, Layouts, tuple[Ask, ...]], Plan]"

ROUNDS = 4
"""How often a loop's layouts are followed before it keeps those that it starts with."""


@lru_cache(1 << 12)
def choose_nested(
    again: Planner,
    mesh: Mesh,
    op: Control,
    xts: tuple[Type, ...],
    operands: tuple[Operand, ...],
    wants: Wants,
) -> Choice:
    """How an op that holds programs is cut."""
    nest = _Nest(again, mesh, operands, wants)
    if isinstance(op, Call | Remat):
        return nest.call(op, op.program)
    if isinstance(op, Custom):
        return nest.call(op, op.primal)
    if isinstance(op, LinearMap):
        return nest.call(op, op.forward(None))
    if isinstance(op, Cond):
        return nest.cond(op)
    if isinstance(op, While):
        return nest.loop(op)
    if isinstance(op, Scan):
        return nest.scan(op)
    return leave_whole(op, xts)


class _Nest:
    def __init__(
        self, again: Planner, mesh: Mesh, operands: tuple[Operand, ...], wants: Wants
    ) -> None:
        self.again, self.mesh, self.operands, self.wants = again, mesh, operands, wants
        self.ins = tuple([Layout(x.layout.cuts) for x in operands])

    def plan(self, p: Program, ins: Layouts, asks: tuple[Ask, ...]) -> Plan:
        return self.again(self.mesh, p, ins, asks)

    def refined(self, layouts: Sequence[Layout], at: int, wants: Wants) -> Layouts:
        """Layouts of operands (from ``at`` on), cut further where the program inside wants it."""
        out = []
        for x, layout, want in zip(self.operands[at:], layouts, wants):
            pending = x.layout.pending if layout.cuts == x.layout.cuts else frozenset[str]()
            if want is not None:
                soft = want.soft
                layout = extended(Layout(layout.cuts, pending), want.dims, soft=soft)
            out.append(layout)
        return tuple(out)

    def call(self, op: Op, p: Program) -> Choice:
        asks = tuple([Ask(want=want, open=True) for want in self.wants])
        ins = self.refined(self.ins, 0, self.plan(p, self.ins, asks).wants)
        found = self.plan(p, ins, asks)
        return _choice(op, ins, found.outs, found.wants, Inner(p, ins, asks))

    def cond(self, op: Cond) -> Choice:
        welcome = tuple([Ask(want=want) for want in self.wants])
        ins = self.ins[1:]
        ins = self.refined(ins, 1, self.wanted(op, ins, welcome))
        natural = [self.plan(p, ins, welcome).outs for p in op.branches]
        outs = tuple(map(_agreed, zip(*natural)))
        asks = tuple(map(Ask, outs))
        wants = self.wanted(op, ins, asks)
        inner = [Inner(p, ins, asks) for p in op.branches]
        return _choice(op, (Layout(()), *ins), outs, (Want(()), *wants), *inner)

    def wanted(self, op: Cond, ins: Layouts, asks: tuple[Ask, ...]) -> Wants:
        """What suits all branches."""
        wants: Wants = (None,) * len(ins)
        for p in op.branches:
            wants = tuple(map(both, wants, self.plan(p, ins, asks).wants))
        return wants

    def loop(self, op: While) -> Choice:
        c = op.n_consts
        consts, start = self.ins[:c], self.ins[c:]
        carry, found = self.carried(op.body, consts, start, (), (), sums=False)
        refined = self.refined(consts, 0, found.wants[:c])
        if refined != consts:
            consts = refined
            carry, found = self.carried(op.body, consts, start, (), (), sums=False)
        ins = (*consts, *carry)
        body = Inner(op.body, ins, tuple(map(Ask, carry)))
        cond = Inner(op.cond, ins, (Ask(Layout(())),))
        consts_wants = tuple(map(both, found.wants[:c], self.plan(*cond).wants[:c]))
        return _choice(op, ins, carry, (*consts_wants, *_must(carry)), cond, body)

    def scan(self, op: Scan) -> Choice:
        c, k = op.n_consts, op.n_consts + op.n_carry
        consts, start = self.ins[:c], self.ins[c:k]
        rows = tuple([Layout(x.cuts[1:]) for x in self.ins[k:]])
        asks = tuple([Ask(want=_row(want), open=True) for want in self.wants[op.n_carry :]])
        carry, found = self.carried(op.body, consts, start, rows, asks)
        refined = self.refined(consts, 0, found.wants[:c]), _cut_rows(rows, found.wants[k:])
        if refined != (consts, rows):
            consts, rows = refined
            carry, found = self.carried(op.body, consts, start, rows, asks)
        inner = Inner(op.body, (*consts, *carry, *rows), (*map(Ask, carry), *asks))
        ins = (*consts, *_summed(carry), *[_stacked(row) for row in rows])
        outs = (*carry, *[_stacked(y) for y in found.outs[op.n_carry :]])
        wants = (
            *found.wants[:c],
            *_must(carry),
            *[None if w is None else Want(((), *w.dims), w.soft) for w in found.wants[k:]],
        )
        return _choice(op, ins, outs, wants, inner)

    def carried(
        self,
        body: Program,
        consts: Layouts,
        start: Layouts,
        rows: Layouts,
        asks: tuple[Ask, ...],
        sums: bool = True,
    ) -> tuple[Layouts, Plan]:
        """The fixed point of the layouts of a carry, and the plan of the body for it.

        With ``sums``, a carry that starts from zero may be pending.
        """
        n = len(start)
        zero = [sums and x.zero for x in self.operands[len(consts) : len(consts) + n]]
        free = (Ask(open=True),) * n
        carry = start
        for _ in range(ROUNDS):
            outs = self.plan(body, (*consts, *carry, *rows), (*free, *asks)).outs[:n]
            after = tuple([y if z else Layout(y.cuts) for y, z in zip(outs, zero)])
            if after == carry:
                break
            carry = after
        else:
            if sums:
                return self.carried(body, consts, start, rows, asks, sums=False)
            carry = start
        found = self.plan(body, (*consts, *carry, *rows), (*map(Ask, carry), *asks))
        homes = [found.homes[o] for o in body.outs[:n]]
        if all(layout.pending <= home.pending for layout, home in zip(carry, homes)):
            return carry, found
        return self.carried(body, consts, start, rows, asks, sums=False)


def _choice(op: Op, ins: Layouts, outs: Layouts, wants: Wants, *inner: Inner) -> Choice:
    return Choice(ins, outs, op, (), ((),) * len(ins), wants, inner)


def _must(layouts: Layouts) -> tuple[Want, ...]:
    return tuple([Want(x.cuts) for x in layouts])


def _summed(layouts: Layouts) -> Layouts:
    """The same cuts with nothing pending: a sum that is pending in a loop starts from zero."""
    return tuple([Layout(x.cuts) for x in layouts])


def _cut_rows(rows: Layouts, wants: Wants) -> Layouts:
    """Rows, cut further where the body wants it."""
    return tuple(
        [
            row if want is None else extended(row, want.dims, soft=want.soft)
            for row, want in zip(rows, wants)
        ]
    )


def _stacked(row: Layout) -> Layout:
    return Layout(((), *row.cuts), row.pending)


def _row(want: Want | None) -> Want | None:
    return None if want is None else Want(want.dims[1:], want.soft)


def _agreed(layouts: Sequence[Layout]) -> Layout:
    """How a result lies that comes from several branches: as all do, cut further where one is."""
    agreed = layouts[0].cuts
    for x in layouts[1:]:
        agreed = join(agreed, x.cuts) or agreed
    return Layout(agreed)


def rebuilt(op: Op, programs: Sequence[Program]) -> Op:
    """The op with other programs inside: those of one device."""
    if isinstance(op, Call | Custom | LinearMap):  # the derivatives have been taken
        return Call(programs[0])
    if isinstance(op, Remat):
        return op.holding(programs[0])
    if isinstance(op, Cond):
        return op.of(programs)
    if isinstance(op, While):
        return op.of(programs[0], programs[1], op.n_consts)
    if isinstance(op, Scan):
        return Scan(programs[0], op.n_consts, op.n_carry, op.length, op.reverse)
    raise InternalError(f"{op.name} was cut as if it held programs")
