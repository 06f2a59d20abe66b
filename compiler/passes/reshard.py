"""How a value lies on the mesh, and the cheapest way from one layout to another.

A layout is a cut and the axes over which a sum is pending: each device holds a term, and the value
is the sum of the terms. A change of layout is a list of steps, found once per pair of layouts:
keeping one's own part is free and comes first, then reduce-scatter, all-reduce, all-to-all, and an
all-gather of the minor axes only where nothing else leads on.

Law: the steps from a layout to another, run on the shards of any value, give its shards in the
other; and a layout that the wanted one refines, with nothing pending, needs no communication.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.sizes import Poly
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.collective import AllGather, AllReduce, AllToAll, OwnPart, ReduceScatter
from verax.sharding.cuts import Axes, Cuts, axes_of, common, no_cuts
from verax.sharding.mesh import Mesh

NO_AXES: frozenset[str] = frozenset()


class Layout(NamedTuple):
    """How a value lies: its cuts, and the axes over which its sum is pending."""

    cuts: Cuts
    pending: frozenset[str] = NO_AXES

    def __str__(self) -> str:
        dims = ",".join("*".join(axes) or "-" for axes in self.cuts)
        return f"({dims}{''.join(f'+{axis}' for axis in sorted(self.pending))})"


def whole(ndim: int) -> Layout:
    """Every device holds all of it."""
    return Layout(no_cuts(ndim))


def extended(layout: Layout, dims: Sequence[Axes | None] | None, *, soft: bool = False) -> Layout:
    """The layout with its sums finished, cut further as wanted where that costs nothing.

    Args:
        dims: per dimension the axes that are wanted there, or None.
        soft: cut only over axes whose sum is finished anyhow.
    """
    if dims is None:
        return Layout(layout.cuts)
    used = set(axes_of(layout.cuts))
    cuts = []
    for have, want in zip(layout.cuts, dims):
        if want is not None and want[: len(have)] == have:
            for axis in want[len(have) :]:
                if axis in used or (soft and axis not in layout.pending):
                    break
                used.add(axis)
                have = (*have, axis)
        cuts.append(have)
    return Layout(tuple(cuts))


def local_type(mesh: Mesh, t: Type, cuts: Cuts) -> Type:
    """The type of one shard."""
    if not any(cuts):
        return t
    if isinstance(t, KeyType):
        raise InternalError(f"keys are not cut, but {t} is asked for as {Layout(cuts)}")
    return ArrayType(tuple(n // mesh.parts(c) for n, c in zip(t.shape, cuts)), t.dtype)


def global_bytes(t: Type) -> int:
    """Bytes of the whole value; where a size is not known, as if it were large."""
    symbolic = any(isinstance(n, Poly) for n in t.shape)
    return 1 << 30 if symbolic else t.nbytes


@lru_cache(1 << 14)
def steps(mesh: Mesh, have: Layout, want: Layout) -> tuple[Op, ...]:
    """The collectives, in order, that take shards in one layout to shards in the other."""
    if not want.pending <= have.pending:
        raise InternalError(f"nothing makes {want} of {have}: sums do not come undone")
    path = _Path(mesh, have, want)
    while path.extend():
        pass
    path.finish_sums()
    while not path.arrived():
        if not path.extend() and not path.move():
            path.gather()
    return tuple(path.steps)


class _Path:
    """The steps so far, and the layout that they lead to."""

    def __init__(self, mesh: Mesh, have: Layout, want: Layout) -> None:
        self.mesh, self.want = mesh, want.cuts
        self.cuts = list(have.cuts)
        self.sums = have.pending - want.pending
        self.steps: list[Op] = []

    def arrived(self) -> bool:
        return tuple(self.cuts) == self.want

    def add(self, op: Op, axes: Axes) -> None:
        if self.mesh.parts(axes) > 1:
            self.steps.append(op)

    def extend(self) -> bool:
        """Cut further what is cut too little: keep an own part, or sum and scatter at once."""
        before = len(self.cuts), tuple(self.cuts)
        for own in (True, False):  # own parts are free, and what follows moves less
            for i, want in enumerate(self.want):
                while self._next(i, want, own):
                    pass
        return before != (len(self.cuts), tuple(self.cuts))

    def _next(self, i: int, want: Axes, own: bool) -> bool:
        """Take the axes by which dimension i is to be cut next, if they are all of one kind."""
        have = self.cuts[i]
        if want[: len(have)] != have:
            return False
        used = axes_of(self.cuts)
        axes: Axes = ()
        for axis in want[len(have) :]:
            if axis in used or (axis in self.sums) == own:
                break
            axes += (axis,)
        if not axes:
            return False
        self.add(OwnPart(self.mesh, axes, i) if own else ReduceScatter(self.mesh, axes, i), axes)
        self.cuts[i] = have + axes
        self.sums -= set(axes)
        return True

    def finish_sums(self) -> None:
        axes = tuple(axis for axis in self.mesh.names if axis in self.sums)
        if axes:
            self.add(AllReduce(self.mesh, axes, "add"), axes)
        self.sums = NO_AXES

    def _surplus(self, i: int) -> Axes:
        """The minor axes of dimension i that it is not to be cut by."""
        return self.cuts[i][len(common(self.cuts[i], self.want[i])) :]

    def move(self) -> bool:
        """Move minor axes from a dimension to the one where they are wanted next."""
        for i in range(len(self.cuts)):
            surplus = self._surplus(i)
            for start in range(len(surplus)):
                axes = surplus[start:]
                j = self._place_for(i, axes)
                if j is not None:
                    self.add(AllToAll(self.mesh, axes, i, j), axes)
                    self.cuts[i] = self.cuts[i][: -len(axes)]
                    self.cuts[j] = self.cuts[j] + axes
                    return True
        return False

    def _place_for(self, i: int, axes: Axes) -> int | None:
        for j, (have, want) in enumerate(zip(self.cuts, self.want)):
            if j != i and want[: len(have) + len(axes)] == have + axes:
                return j
        return None

    def gather(self) -> None:
        for i in range(len(self.cuts)):
            axes = self._surplus(i)
            if axes:
                self.add(AllGather(self.mesh, axes, i), axes)
                self.cuts[i] = self.cuts[i][: -len(axes)]
                return
        raise InternalError(f"no step leads from {self.cuts} to {self.want}")


LATENCY = 1 << 14
"""What a collective costs beside the bytes that it moves, in bytes that could move meanwhile."""


@lru_cache(1 << 14)
def cost(mesh: Mesh, t: Type, have: Layout, want: Layout) -> int:
    """The bytes that each device receives on the way, and the latency, as bytes."""
    if have == want:
        return 0
    here = global_bytes(t) // mesh.parts(axis for axes in have.cuts for axis in axes)
    total = 0
    for op in steps(mesh, have, want):
        assert isinstance(op, AllReduce | AllGather | AllToAll | ReduceScatter | OwnPart)
        moved = here * (op.parts - 1)
        if isinstance(op, AllGather):
            total += moved
            here *= op.parts
        elif isinstance(op, AllReduce):
            total += 2 * moved // op.parts
        elif isinstance(op, ReduceScatter):
            total += moved // op.parts
            here //= op.parts
        elif isinstance(op, AllToAll):
            total += moved // op.parts
        else:
            here //= op.parts
            continue
        total += LATENCY
    return total
