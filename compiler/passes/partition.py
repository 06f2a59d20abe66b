"""A global program and the cuts of its inputs -> the program of one device, collectives included.

plan.py decides how every equation is cut; here that is written down: operands are brought into the
layout that the equation needs, the op runs on shards, sums are finished where the plan says. What
is generated from nothing is written in each cut that is asked for and never communicated. XLA has
nothing left to decide, and the table of communication is read off the finished program.

Law: on the shards of any inputs, the local program gives the shards of the global program's
results, up to the order in which floating-point sums are taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ir.span import Span, places
from verax.compiler.ir.types import Type
from verax.compiler.ops.collective import AllGather, AllReduce, AllToAll, Collective, OwnPart
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
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh
from verax.sharding.spec import check_cuts, p_of


class Comm(NamedTuple):
    """One line of the table of communication.

    Args:
        kind: the name of the collective, or ``whole`` where an op could not be cut: each device
            then runs all of it.
        axes: the mesh axes along which devices talk.
        nbytes: bytes of the operand on each device.
        span: the user's line that it comes from.
        times: how often it happens in one run, or None where a loop does not say; every branch of
            a conditional counts.
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
    explicit: bool = False,
) -> Partitioned:
    """Cut a program into the one that every device of the mesh runs.

    Args:
        p: the global program; its sizes are known.
        in_cuts: per input its cuts.
        out_cuts: per output the cuts that it must have, or None for what comes naturally; None
            altogether asks for nothing.
        explicit: refuse what would have to be gathered or exchanged where the program does not say
            so by ``shard``. Sums are always finished.

    Raises:
        ShardingError: cuts that do not fit a type, a layout on another mesh in the program, or in
            explicit mode a conflict.
    """
    asked = out_cuts or (None,) * len(p.outs)
    for t, cuts in zip((*p.in_types, *p.out_types), (*in_cuts, *asked), strict=True):
        if cuts is not None:
            check_cuts(mesh, cuts, t.shape)
    ins = tuple([Layout(cuts) for cuts in in_cuts])
    asks = tuple([Ask(None if cuts is None else Layout(cuts)) for cuts in asked])
    local = _write(mesh, Inner(p, ins, asks), explicit)
    outs = tuple([layout.cuts for layout in plan(mesh, p, ins, asks).outs])
    return Partitioned(local.program, outs, (*local.notes, *_table(local.program)))


def forget() -> None:
    """Forget what was partitioned: equal programs share it, and with it the lines of the first."""
    partition.cache_clear()
    _write.cache_clear()


class _Local(NamedTuple):
    """A local program, and notes on what could not be cut."""

    program: Program
    notes: tuple[Comm, ...]


@lru_cache(1 << 10)
def _write(mesh: Mesh, inner: Inner, explicit: bool) -> _Local:
    """The local program of a program that is cut as its plan says."""
    w = _Writer(mesh, inner, explicit)
    w.inputs()
    for eq, choice in zip(inner.program.equations, w.plan.choices):
        w.equation(eq, choice)
    return _Local(w.b.finish(w.outputs()), tuple(w.notes))


def _first(eq: Equation) -> int:
    return eq.first


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
        self.placed: dict[Layout, int] | None = None  # where it was asked for already


class _Writer:
    """The local program while it is written."""

    def __init__(self, mesh: Mesh, inner: Inner, explicit: bool) -> None:
        self.mesh, self.inner, self.explicit = mesh, inner, explicit
        self.plan = plan(mesh, *inner)
        self.b = Builder()
        self.values: list[_Value] = []
        self.notes: list[Comm] = []

    def inputs(self) -> None:
        given = zip(self.inner.program.in_types, self.inner.ins)
        placed = [
            _Value(t, layout, self.b.input(local_type(self.mesh, t, layout.cuts)))
            for t, layout in given
        ]
        self.values += [self.settled(v, home) for v, home in zip(placed, self.plan.homes)]

    def equation(self, eq: Equation, choice: Choice | None) -> None:
        op, operands, first, count, self.b.span = eq
        xs = [self.values[x] for x in operands]
        yts = self.inner.program.types[first : first + count]
        if choice is None:
            self.values += [
                _Value(t, whole(t.ndim), None, _Recipe(op, xs, i)) for i, t in enumerate(yts)
            ]
            return
        ys = self.apply(op, choice, xs)
        made = [_Value(t, layout, y) for t, layout, y in zip(yts, choice.outs, ys)]
        if not choice.finished:
            homes = self.plan.homes[first : first + count]
            made = [self.settled(v, home) for v, home in zip(made, homes)]
        self.values += made

    def outputs(self) -> list[int]:
        """The outputs, in the layouts that were asked; what that takes counts for their lines."""
        p = self.inner.program
        out = []
        for o, layout in zip(p.outs, self.plan.outs):
            at = bisect_right(p.equations, o, key=_first) - 1
            self.b.span = p.equations[at].span if at >= 0 else None
            out.append(self.place(self.values[o], layout))
        return out

    def apply(self, op: Op, choice: Choice, operands: Sequence[_Value]) -> Sequence[int]:
        """Run an op on shards; returns its results in the layouts that the choice says."""
        xs = [
            v.slot if v.slot is not None and v.layout == layout else self.operand(op, v, layout)
            for v, layout in zip(operands, choice.ins)
        ]
        if choice.plain:
            first = self.b.emit(choice.local, *xs)
            return range(first, first + len(choice.outs))
        if isinstance(op, Shard):
            return xs
        if any(choice.shifts):
            xs = shift(self.b, self.mesh, op, [v.type for v in operands], xs, choice.shifts)
        ys: Sequence[int] = self.b.emit_all(self.local(op, choice, operands), *xs)
        for kind, axes in choice.combine:
            if isinstance(op, ArgReduce):
                ys = [first_extreme(self.b, self.mesh, axes, op, xs[0], ys[0])]
            else:
                ys = [self.b.emit(AllReduce(self.mesh, axes, kind), y) for y in ys]
        return ys

    def local(self, op: Op, choice: Choice, operands: Sequence[_Value]) -> Op:
        """The op that runs on shards; what it holds is partitioned too."""
        if choice.inner:
            written = [_write(self.mesh, inner, self.explicit) for inner in choice.inner]
            self.notes += [note for w in written for note in w.notes]
            return rebuilt(op, [w.program for w in written])
        if op.programs or op.effects:
            self.note_whole(op, operands)
        return choice.local

    def note_whole(self, op: Op, operands: Sequence[_Value]) -> None:
        axes = {axis for v in operands for axis in axes_of(v.layout.cuts)}
        along = tuple([axis for axis in self.mesh.names if axis in axes])
        nbytes = sum(v.type.nbytes for v in operands)
        self.notes.append(Comm(f"whole({op.name})", along, nbytes, self.b.span))

    # layouts -------------------------------------------------------------------------------------

    def settled(self, v: _Value, home: Layout) -> _Value:
        """The value in the layout in which it stays."""
        return v if v.layout == home else _Value(v.type, home, self.place(v, home))

    def operand(self, op: Op, v: _Value, want: Layout) -> int:
        """The slot of the value's shards in the layout that an op needs."""
        if self.explicit and v.slot is not None and not isinstance(op, Shard):
            moves = steps(self.mesh, v.layout, want)
            if any(isinstance(move, AllGather | AllToAll) for move in moves):
                raise _conflict(op, v, want, self.b.span)
        return self.place(v, want)

    def place(self, v: _Value, want: Layout) -> int:
        """The slot of the value's shards in this layout."""
        if v.placed is None:
            v.placed = {}
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


def _conflict(op: Op, v: _Value, want: Layout, span: Span | None) -> ShardingError:
    return ShardingError(
        f"{repr(op).partition('{')[0]} needs an operand {v.type} as {Layout(want.cuts)},"
        f" and it lies as {v.layout}",
        fix=f"say that it is to be moved: vx.shard(x, mesh, {p_of(want.cuts)})",
        places=places(span),
    )


def _table(p: Program, times: int | None = 1) -> Iterable[Comm]:
    """What the program communicates, in order; in loops as often as they run."""
    for op, xs, _, _, span in p.equations:
        if op.programs:
            inside = _times(op, times)
            for inner in op.programs:
                yield from _table(inner, inside)
        elif isinstance(op, Collective) and not isinstance(op, OwnPart):
            yield Comm(op.name, op.axes, p.types[xs[0]].nbytes, span, times)


def _times(op: Op, times: int | None) -> int | None:
    if isinstance(op, While):
        return None
    if isinstance(op, Scan) and times is not None:
        return times * op.length if isinstance(op.length, int) else None
    return times
