"""How one equation is cut, given how its operands lie and how its results are wanted.

Everything follows from the op's factors: a cut dimension cuts its factor, a cut factor cuts every
dimension on which it stands, and a cut factor that is reduced leaves the result pending. Where
operands disagree, the candidates are what each of them proposes, and the one wins that moves the
fewest bytes; a wish of the consumers cuts further what no operand cuts, since that costs nothing.

Law: the result does not depend on the choice, only the communication does. Choices are pure
functions of what they are given, so they are made once for equal equations and are deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import attrs

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Dim, Dims, Factor, Factors, Op, solve
from verax.compiler.ir.program import Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import KeyType, Type, has_tangent
from verax.compiler.ops.collective import REDUCERS
from verax.compiler.ops.pointwise import Convert
from verax.compiler.ops.shard import Shard
from verax.compiler.passes.extreme import EXTREME, paired_factors
from verax.compiler.passes.reshard import (
    NO_AXES,
    Layout,
    cost,
    global_bytes,
    local_type,
    whole,
)
from verax.compiler.passes.window import shifted_factors, shifted_local, shifts_of
from verax.compiler.passes.wishes import Want, distinct, either, goal_of
from verax.sharding.cuts import Axes, Cuts
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh

Cutting: TypeAlias = dict[Factor, Axes]
Sizes: TypeAlias = Mapping[Factor, Size]


class Operand(NamedTuple):
    """An operand as a choice sees it.

    ``made`` values are generated where they are used, in any cut: they neither vote nor cost. A
    value that is made and ``zero`` is also a sum of zeros over any axis.
    """

    layout: Layout
    made: bool = False
    zero: bool = False


class _Wish(NamedTuple):
    """One dimension of a Want."""

    axes: Axes | None
    soft: bool = False


_ANY, _WHOLE = _Wish(None), _Wish(())


class Ask(NamedTuple):
    """What is asked of an output: a layout that it must have, or one that would be welcome.

    ``open``: where no layout is demanded, its sum may stay pending.
    """

    layout: Layout | None = None
    want: Want | None = None
    open: bool = False


class Inner(NamedTuple):
    """A program inside of an op: how its inputs lie, and what is asked of its outputs."""

    program: Program
    ins: tuple[Layout, ...]
    asks: tuple[Ask, ...]


@attrs.frozen(eq=False)
class Choice:
    """How an equation is cut.

    Args:
        ins, outs: how its operands must lie, and how its results then do.
        local: the op that each device runs on its shards.
        combine: reductions other than sums (their kind and axes), which are finished at once.
        shifts: per operand the axes that cut the dimension which it indexes (see window.py).
        wants: how it would like its operands to lie.
        inner: the programs that the op holds, and how they are to be cut.
    """

    ins: tuple[Layout, ...]
    outs: tuple[Layout, ...]
    local: Op
    combine: tuple[tuple[str, Axes], ...]
    shifts: tuple[Axes, ...]
    wants: tuple[Want | None, ...]
    inner: tuple[Inner, ...] = ()
    results: tuple[Operand, ...] = attrs.field(init=False)
    finished: bool = attrs.field(init=False)
    plain: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """What is read often: the results as operands, whether none of them is pending, and whether
        there is no more to the equation than running the local op."""
        put = object.__setattr__
        put(self, "results", tuple([Operand(layout) for layout in self.outs]))
        put(self, "finished", not any(layout.pending for layout in self.outs))
        more = self.combine or self.inner or any(self.shifts) or self.local.effects
        put(self, "plain", not (more or self.local.programs or isinstance(self.local, Shard)))


@lru_cache(1 << 14)
def choose(
    mesh: Mesh,
    op: Op,
    xts: tuple[Type, ...],
    operands: tuple[Operand, ...],
    wants: tuple[Want | None, ...],
) -> Choice:
    """How the op is best cut for operands that lie so and results that are wanted so."""
    return _Chooser(mesh, op, xts, operands, wants).choice()


class _Chooser:
    def __init__(
        self,
        mesh: Mesh,
        op: Op,
        xts: tuple[Type, ...],
        operands: tuple[Operand, ...],
        wants: tuple[Want | None, ...],
    ) -> None:
        self.mesh, self.op, self.xts, self.yts = mesh, op, xts, op.infer(xts)
        self.operands, self.wants = operands, wants
        self.f, self.sizes, self.fixed = _semantics(op, xts)

    # factors -------------------------------------------------------------------------------------

    def claims(self, dim: Dim, axes: Axes) -> list[tuple[Factor, Axes]]:
        """Which factors are cut when a dimension is: the major one, and once it is cut into single
        elements the next. Axes that do not fit are left out."""
        out: list[tuple[Factor, Axes]] = []
        taken: Axes = ()
        at = 0
        room = self._size(dim, 0)
        for axis in axes:
            n = self.mesh.size(axis)
            while room == 1 and n > 1 and at + 1 < len(dim):
                out.append((dim[at], taken))
                at, taken = at + 1, ()
                room = self._size(dim, at)
            if at >= len(dim) or dim[at] in self.fixed or not isinstance(room, int) or room % n:
                break
            taken, room = (*taken, axis), room // n
        if taken:
            out.append((dim[at], taken))
        return [(factor, found) for factor, found in out if found]

    def _size(self, dim: Dim, at: int) -> Size:
        return self.sizes.get(dim[at], 0) if at < len(dim) else 0

    def cuts(self, dims: Dims, cutting: Cutting) -> Cuts:
        """The cuts of an operand or result when the factors are cut so."""
        return tuple([self._cut(dim, cutting) for dim in dims])

    def _cut(self, dim: Dim, cutting: Cutting) -> Axes:
        if len(dim) == 1:
            return cutting.get(dim[0], ())
        axes: Axes = ()
        for factor in dim:
            own = cutting.get(factor, ())
            axes += own
            if self.mesh.parts(own) != self.sizes.get(factor):
                break  # what follows is not contiguous
        return axes

    def contiguous(self, cutting: Cutting) -> Cutting:
        """Without the cuts of minor factors whose major ones are not cut into single elements."""
        merged = [dim for dims in (*self.f.ins, *self.f.outs) for dim in dims if len(dim) > 1]
        again = bool(merged)
        while again:
            again = False
            for dim in merged:
                shown = set(self._cut(dim, cutting))
                for factor in dim:
                    if not shown.issuperset(cutting.get(factor, ())):
                        del cutting[factor]
                        again = True
        return cutting

    # the cut -------------------------------------------------------------------------------------

    def fill(self, proposals: Iterable[tuple[Dims, Sequence[Axes | None]]]) -> Cutting:
        """Cut factors as the proposals say, the first one first; an axis cuts one factor."""
        cutting: Cutting = {}
        for dims, cuts in proposals:
            for dim, axes in zip(dims, cuts):
                if axes:
                    for factor, claim in self.claims(dim, axes):
                        self._take(cutting, factor, claim, NO_AXES)
        return self.contiguous(cutting)

    def _take(self, cutting: Cutting, factor: Factor, claim: Axes, barred: frozenset[str]) -> None:
        """Cut a factor further, by as many of the claimed axes as are free."""
        have = cutting.get(factor, ())
        if claim[: len(have)] != have:
            return
        used = {axis for axes in cutting.values() for axis in axes} | barred
        for axis in claim[len(have) :]:
            if axis in used:
                break
            have = (*have, axis)
        if have:
            cutting[factor] = have

    def cutting(self) -> Cutting:
        """The cut of the factors that the operands propose."""
        voters = [i for i, x in enumerate(self.operands) if not x.made and any(x.layout.cuts)]
        if not voters:
            return {}
        voters.sort(key=lambda i: -global_bytes(self.xts[i]))
        votes = [(self.f.ins[i], self.operands[i].layout.cuts) for i in voters]
        first = self.fill(votes)
        if all(self.cuts(dims, first) == cuts for dims, cuts in votes):
            return first
        orders = [[vote, *[v for v in votes if v is not vote]] for vote in votes]
        wished = [(d, w.dims) for d, w in zip(self.f.outs, self.wants) if w and not w.soft]
        candidates = [self.fill(order) for order in orders]
        candidates += [self.fill([*wished, *votes])] if wished else []
        return min(candidates, key=self.price)

    def price(self, cutting: Cutting) -> int:
        """Bytes that are moved before the equation, and after it as far as that is known."""
        kept = self.kept(cutting)
        total = 0
        for t, x, dims in zip(self.xts, self.operands, self.f.ins):
            if not x.made:
                to = Layout(self.cuts(dims, cutting), x.layout.pending & kept)
                total += cost(self.mesh, t, x.layout, to)
        for t, want, dims in zip(self.yts, self.wants, self.f.outs):
            cuts, pending = self.cuts(dims, cutting), self.summed(dims, cutting)
            total += cost(self.mesh, t, Layout(cuts, pending), Layout(goal_of(cuts, want)))
        return total

    def summed(self, dims: Dims, cutting: Cutting) -> frozenset[str]:
        """The axes over which a result is pending because a summed factor is cut."""
        there = {factor for dim in dims for factor in dim}
        add = [f for f in cutting if self.f.reduce.get(f) == "add" and f not in there]
        return frozenset([axis for f in add for axis in cutting[f]])

    def kept(self, cutting: Cutting) -> frozenset[str]:
        """The pending axes of operands that the results may inherit.

        Along such an axis the op must be linear in exactly the operands that are pending (zeros may
        join them), and the others must not differ. It must not pay: the result is not larger.
        """
        axes = NO_AXES.union(*[x.layout.pending for x in self.operands])
        if not axes or isinstance(self.op, Convert) or not all(map(has_tangent, self.yts)):
            return NO_AXES
        linear = self.op.linear(len(self.xts))
        zeros = frozenset([i for i, x in enumerate(self.operands) if x.zero])
        used = {a for own in cutting.values() for a in own}
        size = max(self._bytes(t, d, cutting) for t, d in zip(self.yts, self.f.outs))
        found = set()
        for axis in axes - used:
            terms = frozenset([i for i, x in enumerate(self.operands) if axis in x.layout.pending])
            fits = any(terms <= group <= terms | zeros for group in linear)
            if fits and all(
                size <= self._bytes(self.xts[i], self.f.ins[i], cutting) for i in terms
            ):
                found.add(axis)
        return frozenset(found)

    def _bytes(self, t: Type, dims: Dims, cutting: Cutting) -> int:
        parts = self.mesh.parts(axis for axes in self.cuts(dims, cutting) for axis in axes)
        return global_bytes(t) // parts

    def wish(self, cutting: Cutting, barred: frozenset[str]) -> Cutting:
        """Cut what the consumers want cut and no operand cuts: each device does less."""
        wished = dict(cutting)
        for dims, want in zip(self.f.outs, self.wants):
            if want is None or want.soft:
                continue
            for dim, axes in zip(dims, want.dims):
                if axes:
                    for factor, claim in self.claims(dim, axes):
                        self._take(wished, factor, claim, barred)
        return self.contiguous(wished)

    # the choice ----------------------------------------------------------------------------------

    def choice(self) -> Choice:
        cutting = self.cutting()
        kept = self.kept(cutting)
        cutting = self.wish(cutting, kept)
        f, mesh = self.f, self.mesh
        ins = tuple(
            [
                Layout(self.cuts(dims, cutting), x.layout.pending & kept)
                for dims, x in zip(f.ins, self.operands)
            ]
        )
        outs = tuple(
            [Layout(self.cuts(d, cutting), self.summed(d, cutting) | kept) for d in f.outs]
        )
        xts = tuple([local_type(mesh, t, x.cuts) for t, x in zip(self.xts, ins)])
        yts = tuple([local_type(mesh, t, y.cuts) for t, y in zip(self.yts, outs)])
        parts = {factor: mesh.parts(axes) for factor, axes in cutting.items()}
        shifts = shifts_of(self.op, f, cutting)
        local = self.op
        if any(shifts):
            local = shifted_local(self.op, yts)
        elif parts:
            local = self.op.local(parts, xts, yts)
        if local.infer(xts) != yts:
            raise InternalError(
                f"{self.op} cut into {local} takes {xts} to {local.infer(xts)}, expected {yts}"
            )
        return Choice(ins, outs, local, self._combine(cutting), shifts, self._wants(cutting))

    def _combine(self, cutting: Cutting) -> tuple[tuple[str, Axes], ...]:
        kinds: dict[str, Axes] = {}
        for factor, axes in cutting.items():
            kind = self.f.reduce.get(factor, "add")
            if kind != "add" and self.mesh.parts(axes) > 1:
                kinds[kind] = kinds.get(kind, ()) + axes
        return tuple(kinds.items())

    # wishes --------------------------------------------------------------------------------------

    def _wants(self, cutting: Cutting) -> tuple[Want | None, ...]:
        """What to ask of the operands: their cut here, and what the consumers of the results ask.

        Whether a dimension that is not cut must be whole depends on its factor: if it stands on a
        result, on what that is wanted to be.
        """
        asked = self._asked()
        out: list[Want | None] = []
        for x, t, dims in zip(self.operands, self.xts, self.f.ins):
            if x.made:
                out.append(None)
                continue
            found = [self._wish(dim, cutting, asked) for dim in dims]
            if None in found:
                otherwise = _Wish(None, True) if self._reduces_much(t, dims, cutting) else _WHOLE
                found = [wish or otherwise for wish in found]
            wishes = [wish for wish in found if wish]
            dims_wanted = distinct(tuple([wish.axes for wish in wishes]))
            out.append(Want(dims_wanted, any(wish.soft for wish in wishes)))
        return tuple(out)

    def _asked(self) -> dict[Factor, _Wish]:
        """Per factor that is the major one of a dimension of a result, what is wanted there."""
        asked: dict[Factor, _Wish] = {}
        for dims, want in zip(self.f.outs, self.wants):
            for i, dim in enumerate(dims):
                if dim:
                    axes, soft = asked.get(dim[0], _ANY)
                    if want is not None:
                        axes, soft = either(axes, want.dims[i]), soft or want.soft
                    asked[dim[0]] = _Wish(axes, soft)
        return asked

    def _wish(self, dim: Dim, cutting: Cutting, asked: Mapping[Factor, _Wish]) -> _Wish | None:
        """What is wanted of one dimension of an operand; None if it should be whole unless the
        results are much smaller than the operand."""
        cut = self._cut(dim, cutting)
        if cut or not dim or dim[0] in self.fixed:
            return _Wish(cut)
        factor = dim[0]
        if factor not in asked:
            return None if self.f.reduce.get(factor) == "add" else _WHOLE
        axes, soft = asked[factor]
        if axes is None:
            return asked[factor]
        if axes and soft:  # not cut here so, but what comes before may be
            return _Wish(dict(self.claims(dim, axes)).get(factor, ()), True)
        return None

    def _reduces_much(self, t: Type, dims: Dims, cutting: Cutting) -> bool:
        """Whether the results are so small that communicating them instead of the operand pays."""
        results = sum(self._bytes(y, d, cutting) for y, d in zip(self.yts, self.f.outs))
        return results * 8 <= self._bytes(t, dims, cutting)


@lru_cache(1 << 14)
def _semantics(op: Op, xts: tuple[Type, ...]) -> tuple[Factors, Sizes, frozenset[Factor]]:
    """The factors of an op as they may be cut here, their sizes, and those that stay whole."""
    shapes = [t.shape for t in xts]
    declared = op.factors(*shapes)
    sizes = solve(op, declared, shapes)
    f = paired_factors(op, shifted_factors(op, declared))
    return f, sizes, _fixed(f, xts, op.infer(xts))


def _fixed(f: Factors, xts: Sequence[Type], yts: Sequence[Type]) -> frozenset[Factor]:
    """The factors that are not cut: whole ones, those of keys, and unknown reductions."""
    fixed = set(f.whole)
    fixed.update(factor for factor, kind in f.reduce.items() if kind not in (*REDUCERS, EXTREME))
    for t, dims in zip((*xts, *yts), (*f.ins, *f.outs)):
        if isinstance(t, KeyType):
            fixed.update(factor for dim in dims for factor in dim)
    return frozenset(fixed)


def leave_whole(op: Op, xts: tuple[Type, ...]) -> Choice:
    """The choice for an op of which nothing is known: every device runs all of it."""
    ins = tuple([whole(t.ndim) for t in xts])
    outs = tuple([whole(t.ndim) for t in op.infer(xts)])
    return Choice(ins, outs, op, (), ((),) * len(xts), tuple([Want(x.cuts) for x in ins]))


def choose_shard(mesh: Mesh, op: Shard, operands: tuple[Operand, ...]) -> Choice:
    """A layout that the program fixes itself."""
    if op.mesh != mesh:
        raise ShardingError(
            f"a value is laid out on {op.mesh} in a program that runs on {mesh}",
            fix="use one mesh for all inputs and all layouts of a program",
        )
    layout = Layout(op.cuts)
    return Choice((layout,), (layout,), op, (), ((),), (Want(op.cuts),))
