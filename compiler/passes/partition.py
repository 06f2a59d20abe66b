"""A global program and the cuts of its inputs -> the program of one device, collectives included.

plan.py decides how every equation is cut; here that is written down: operands are brought into the
layout that the equation needs, the op runs on shards, sums are finished where the plan says. What
is generated from nothing is written in each cut that is asked for and never communicated. XLA has
nothing left to decide, and the table of communication is read off the finished program.

Law: on the shards of any inputs, the local program gives the shards of the global program's
results, up to the order in which floating-point sums are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ir.span import Span, resolve
from verax.compiler.ir.types import Type
from verax.compiler.ops.collective import AllReduce, Collective, OwnPart
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.reduce import ArgReduce
from verax.compiler.ops.shard import Shard
from verax.compiler.passes.choose import Ask, Choice, Inner, Operand, choose
from verax.compiler.passes.extreme import first_extreme
from verax.compiler.passes.nested import rebuilt
from verax.compiler.passes.plan import plan
from verax.compiler.passes.reshard import Layout, local_type, steps, whole
from verax.compiler.passes.window import shift
from verax.compiler.passes.wishes import Want
from verax.sharding.cuts import Axes, Cuts, axes_of
from verax.sharding.mesh import Mesh
from verax.sharding.spec import check_cuts


class Comm(NamedTuple):
    """One line of the table of communication.

    Args:
        kind: the name of the collective, or ``whole`` where an op could not be cut: each device
            then runs all of it.
        axes: the mesh axes along which devices talk.
        nbytes: bytes of the operand on each device.
        span: the user's line that it comes from.
        times: how often it happens in one run, or None where a loop does not say.
    """

    kind: str
    axes: Axes
    nbytes: int
    span: Span | None
    times: int | None = 1

    def __str__(self) -> str:
        times = "" if self.times == 1 else " x?" if self.times is None else f" x{self.times}"
        return f"{self.kind} {'*'.join(self.axes)} {self.nbytes} B{times}"


class Partitioned(NamedTuple):
    """The program of one device, how its results are cut, and what it communicates."""

    program: Program
    out_cuts: tuple[Cuts, ...]
    comm: tuple[Comm, ...]


@lru_cache(256)
def partition(
    p: Program,
    mesh: Mesh,
    in_cuts: tuple[Cuts, ...],
    out_cuts: tuple[Cuts | None, ...] | None = None,
) -> Partitioned:
    """Cut a program into the one that every device of the mesh runs.

    Args:
        p: the global program; its sizes are known.
        in_cuts: per input its cuts.
        out_cuts: per output the cuts that it must have, or None for what comes naturally; None
            altogether asks for nothing.

    Raises:
        ShardingError: cuts that do not fit a type, or a layout on another mesh in the program.
    """
    asked = out_cuts or (None,) * len(p.outs)
    for t, cuts in zip((*p.in_types, *p.out_types), (*in_cuts, *asked), strict=True):
        if cuts is not None:
            check_cuts(mesh, cuts, t.shape)
    ins = tuple([Layout(cuts) for cuts in in_cuts])
    asks = tuple([Ask(None if cuts is None else Layout(cuts)) for cuts in asked])
    local = _write(mesh, Inner(p, ins, asks))
    outs = tuple([layout.cuts for layout in plan(mesh, p, ins, asks).outs])
    return Partitioned(local.program, outs, (*local.notes, *_table(local.program)))


class _Local(NamedTuple):
    """A local program, and notes on what could not be cut."""

    program: Program
    notes: tuple[Comm, ...]


@lru_cache(1 << 10)
def _write(mesh: Mesh, inner: Inner) -> _Local:
    p, ins, asks = inner
    found = plan(mesh, p, ins, asks)
    w = _Writer(mesh)
    values = [
        _Value(t, given, w.b.input(local_type(mesh, t, given.cuts)))
        for t, given in zip(p.in_types, ins)
    ]
    values = [w.settled(v, home) for v, home in zip(values, found.homes)]
    for eq, choice in zip(p.equations, found.choices):
        w.b.span = eq.span
        operands = [values[x] for x in eq.operands]
        yts = p.types[eq.first : eq.first + eq.n_out]
        if choice is None:
            values += [
                _Value(t, whole(t.ndim), None, _Recipe(eq.op, operands, i))
                for i, t in enumerate(yts)
            ]
            continue
        ys = w.apply(eq.op, choice, operands)
        made = [_Value(t, layout, y) for t, layout, y in zip(yts, choice.outs, ys)]
        if not choice.finished:
            made = [w.settled(v, found.homes[y]) for v, y in zip(made, eq.results)]
        values += made
    spans = {y: eq.span for eq in p.equations for y in eq.results}
    outs = []
    for o, layout in zip(p.outs, found.outs):
        w.b.span = spans.get(o)
        outs.append(w.place(values[o], layout))
    return _Local(w.b.finish(outs), tuple(w.notes))


class _Recipe(NamedTuple):
    """Result ``at`` of an op, to be written where and as it is needed."""

    op: Op
    operands: Sequence[_Value]
    at: int


class _Value:
    """A global value: where its shards are, or how they are made."""

    __slots__ = ("layout", "placed", "recipe", "slot", "type")

    def __init__(
        self, t: Type, layout: Layout, slot: int | None, recipe: _Recipe | None = None
    ) -> None:
        self.type, self.layout, self.slot, self.recipe = t, layout, slot, recipe
        self.placed: dict[Layout, int] = {}  # the layouts in which it was asked for already


class _Writer:
    """The local program while it is written."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh, self.b = mesh, Builder()
        self.notes: list[Comm] = []

    def apply(self, op: Op, choice: Choice, operands: Sequence[_Value]) -> Sequence[int]:
        """Run an op on shards; returns its results in the layouts that the choice says."""
        xs = [
            v.slot if v.slot is not None and v.layout == layout else self.place(v, layout)
            for v, layout in zip(operands, choice.ins)
        ]
        if choice.plain:
            first = self.b.emit(choice.local, *xs)
            return range(first, first + len(choice.outs))
        if isinstance(op, Shard):
            return xs
        if any(choice.shifts):
            xs = shift(self.b, self.mesh, op, [v.type for v in operands], xs, choice.shifts)
        local = choice.local
        if choice.inner:
            written = [_write(self.mesh, inner) for inner in choice.inner]
            self.notes += [note for w in written for note in w.notes]
            local = rebuilt(op, [w.program for w in written])
        elif op.programs or op.effects:
            self.note_whole(op, operands)
        ys: Sequence[int] = self.b.emit_all(local, *xs)
        for kind, axes in choice.combine:
            if isinstance(op, ArgReduce):
                ys = [first_extreme(self.b, self.mesh, axes, op, xs[0], ys[0])]
            else:
                ys = [self.b.emit(AllReduce(self.mesh, axes, kind), y) for y in ys]
        return ys

    def note_whole(self, op: Op, operands: Sequence[_Value]) -> None:
        axes = {axis for v in operands for axis in axes_of(v.layout.cuts)}
        along = tuple([axis for axis in self.mesh.names if axis in axes])
        nbytes = sum(v.type.nbytes for v in operands)
        self.notes.append(Comm(f"whole({op.name})", along, nbytes, self.b.span))

    def settled(self, v: _Value, home: Layout) -> _Value:
        """The value in the layout in which it stays."""
        return v if v.layout == home else _Value(v.type, home, self.place(v, home))

    def place(self, v: _Value, want: Layout) -> int:
        """The slot of the value's shards in this layout."""
        found = v.placed.get(want)
        if found is None:
            found = v.placed[want] = self.moved(v, want)
        return found

    def moved(self, v: _Value, want: Layout) -> int:
        slot, have = (v.slot, v.layout) if v.slot is not None else self.made(v, want.cuts)
        for op in steps(self.mesh, have, want):
            slot = self.b.emit(op, slot)
        return slot

    def made(self, v: _Value, cuts: Cuts) -> tuple[int, Layout]:
        """Generate a value in these cuts, or as nearly so as its op can."""
        if v.recipe is None:
            raise InternalError(f"a value of {v.type} was neither written nor is there a recipe")
        op, operands, at = v.recipe
        xts = tuple([x.type for x in operands])
        n = len(op.infer(xts))
        wants = tuple([Want(cuts) if i == at else None for i in range(n)])
        free = tuple([Operand(x.layout, made=x.slot is None) for x in operands])
        choice = choose(self.mesh, op, xts, free, wants)
        return self.apply(op, choice, operands)[at], choice.outs[at]


def _table(p: Program, times: int | None = 1) -> Iterable[Comm]:
    """What the program communicates, in order; in loops as often as they run."""
    for eq in p.equations:
        op = eq.op
        if isinstance(op, Collective) and not isinstance(op, OwnPart):
            yield Comm(op.name, op.axes, p.types[eq.operands[0]].nbytes, eq.span, times)
        inside = _times(eq, times)
        for inner in op.programs:
            yield from _table(inner, inside)


def _times(eq: Equation, times: int | None) -> int | None:
    if isinstance(eq.op, While):
        return None
    if isinstance(eq.op, Scan) and times is not None:
        return times * eq.op.length if isinstance(eq.op.length, int) else None
    return times


def show_comm(comm: Iterable[Comm]) -> str:
    """The table as text, one line per collective, with the user's lines."""
    lines = []
    for c in comm:
        at = "" if c.span is None else f"  {resolve(c.span)}"
        lines.append(f"{c}{at}")
    return "\n".join(lines)
