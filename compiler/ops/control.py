"""call and cond: ops that hold programs; what they share with the loops of loops.py.

A rule of such an op applies the running pass (``again``) to the programs inside and makes an op of
the results. The one rule that only these ops have is ``split``, which reverse mode needs: it
divides the op into a half that the known operands decide and a half that is linear in the others.

Law: what passes from the known half to the linear one (a residual) is copied only if it is neither
an operand of the op nor one of its results already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from verax.compiler.ir.errors import DerivativeError, InternalError, ShapeError, StructureError
from verax.compiler.ir.op import Again, Emitter, Factor, MaybeSlots, Op, Slots
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.span import places
from verax.compiler.ir.types import Type
from verax.compiler.ops.loop_text import INDEX
from verax.compiler.ops.values import blank

T = TypeVar("T")
Operand: TypeAlias = int
"""An operand of a linear half: a slot of the known builder, or ``~i`` for operand i of the op."""


BATCHED = ("select", "map", "partition")


class Halves(NamedTuple):
    """An op that was split.

    Args:
        known: per result its slot in the known builder, or None where the linear half gives it.
        op: the linear half.
        operands: what the linear half takes.
        results: which results of the op the linear half gives, in order.
    """

    known: list[int | None]
    op: Op
    operands: list[Operand]
    results: list[int]


class Control(Op):
    """The base of the ops that hold programs."""

    @classmethod
    def programs_only(cls) -> bool:
        return True

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        super().__init_subclass__(name=name)
        if name is not None and cls.split is Control.split:
            raise TypeError(f"the op {cls.__name__} lacks split of its story")

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        """Write the known half into b; an operand that is not known is None in ``xs``.

        ``again(p, unknown, force, dear)`` is the pass ``split`` itself.
        """
        raise NotImplementedError(f"{self.name}: split")

    def local(self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]) -> Op:
        raise InternalError(f"{self.name} has no factors: the partitioner cuts the programs inside")


class Call(Control, name="call"):
    """The program as a function, written once into the module however often it is called."""

    program: Program

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("call", self.program.in_types, ts)
        return self.program.out_types

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        p, active = again(self.program, given(ts))
        return with_tangents(b.emit_all(Call(p), *xs, *present(ts)), active)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(n)),)

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        unknown = tuple([x is None for x in xs])
        known, linear, unknown_out = again(self.program, unknown)
        own = unknown_out.count(False)
        outs, sources = route(known, own)
        inputs = present(xs)
        ys = emit_some(b, Call(with_outs(known, outs)), inputs)
        operands = [inputs[i] if is_input else ys[i] for is_input, i in sources]
        operands += [~i for i in where(unknown)]
        return Halves(spread(ys[:own], unknown_out), Call(linear), operands, where(unknown_out))

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        linear = tuple([x is None for x in xs])
        ct = filled(b, cts, self.program.out_types)
        ds = b.emit_all(Call(again(self.program, linear)), *present(xs), *ct)
        return spread(ds, [not a for a in linear])

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        p, out = again(self.program, tuple(mapped), n)
        return b.emit_all(Call(p), *xs), out

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return e.call(self.program, xs)


class Cond(Control, name="cond"):
    """One of n branches. Operands: an int32 index, clamped to 0..n-1, then what they all take.

    Args:
        batched: what becomes of it where a vmap gives each example an index of its own: every
            branch for all and a choice (``select``), a loop (``map``), or blocks of examples that
            take one branch (``partition``); see lanes.py.
    """

    branches: tuple[Program, ...]
    batched: str = "select"

    def validate(self) -> None:
        if self.batched not in BATCHED:
            raise StructureError(
                f"cond: batched is {self.batched!r}", fix=f"one of {', '.join(map(repr, BATCHED))}"
            )
        if not self.branches:
            raise ShapeError("cond needs at least one branch")
        first = self.branches[0]
        for k, p in enumerate(self.branches):
            agree(f"cond: branch {k} takes", first.in_types, p.in_types)
            agree(f"cond: branch {k} gives", first.out_types, p.out_types)

    def of(self, branches: Iterable[Program]) -> Cond:
        """The op with other branches."""
        return Cond(tuple(branches), self.batched)

    def types(self, *ts: Type) -> tuple[Type, ...]:
        takes("cond", (INDEX, *self.branches[0].in_types), ts)
        return self.branches[0].out_types

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        active = given(ts[1:])
        out = any_of(again(p, active)[1] for p in self.branches)
        op = self.of([again(p, active, out)[0] for p in self.branches])
        return with_tangents(b.emit_all(op, *xs, *present(ts)), out)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset(range(1, n)),)

    def split(self, b: Builder, xs: MaybeSlots, again: Again) -> Halves:
        index = xs[0]
        if index is None:
            raise DerivativeError(
                "which branch a cond takes, or how long a while loop runs, depends on the values "
                "in which the function should be linear",
                fix="let the condition depend on other values, or differentiate with vjp",
                places=places(b.span),
            )
        unknown = tuple([x is None for x in xs[1:]])
        force = any_of(again(p, unknown).unknown_out for p in self.branches)
        halves = [again(p, unknown, force) for p in self.branches]
        known, linear, sources = _share([(h.known, h.linear) for h in halves], force.count(False))
        inputs = present(xs[1:])
        ys = emit_some(b, self.of(known), [index, *inputs])
        operands = [index, *[inputs[i] if is_input else ys[i] for is_input, i in sources]]
        operands += [~(i + 1) for i in where(unknown)]
        return Halves(
            spread(ys[: force.count(False)], force), self.of(linear), operands, where(force)
        )

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        linear = tuple([x is None for x in xs[1:]])
        ct = filled(b, cts, self.branches[0].out_types)
        op = self.of([again(p, linear) for p in self.branches])
        return [None, *spread(b.emit_all(op, *present(xs), *ct), [not a for a in linear])]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        rest = tuple(mapped[1:])
        if mapped[0]:
            raise InternalError("a cond whose index is mapped is batched by lane")
        out = any_of(again(p, rest, n)[1] for p in self.branches)
        op = self.of([again(p, rest, n, out)[0] for p in self.branches])
        return b.emit_all(op, *xs), out

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        low, high = e.constant(0, INDEX), e.constant(len(self.branches) - 1, INDEX)
        index = e.op(f"stablehlo.clamp {low}, {xs[0]}, {high} : {INDEX.mlir}")
        blocks = [e.block([], _writer(e, p, xs[1:])) for p in self.branches]
        results = ", ".join(t.mlir for t in yts)
        return e.ops(
            f'"stablehlo.case"({index}) ({", ".join(blocks)}) : ({INDEX.mlir}) -> ({results})',
            len(yts),
        )


def _writer(e: Emitter, p: Program, xs: Sequence[str]) -> Callable[[list[str]], Sequence[str]]:
    return lambda _: e.inline(p, xs)


# what the rules share ----------------------------------------------------------------------------


def given(xs: MaybeSlots) -> tuple[bool, ...]:
    """Which of the slots are there."""
    return tuple([x is not None for x in xs])


def present(xs: Iterable[T | None]) -> list[T]:
    """Those that are not None."""
    return [x for x in xs if x is not None]


def where(mask: Sequence[bool], keep: bool = True) -> list[int]:
    """The positions at which the mask is ``keep``."""
    return [i for i, m in enumerate(mask) if m == keep]


def any_of(masks: Iterable[Sequence[bool]]) -> tuple[bool, ...]:
    """Position by position, whether any of the masks holds."""
    return tuple(map(any, zip(*masks)))


def spread(ys: Iterable[T], without: Iterable[bool]) -> list[T | None]:
    """ys in order, with None wherever ``without`` holds."""
    rest = iter(ys)
    return [None if w else next(rest) for w in without]


def with_tangents(
    ys: Sequence[int], active: Sequence[bool]
) -> tuple[Sequence[int], list[int | None]]:
    """Results of a jvp program (outputs, then active tangents) as outputs and maybe tangents."""
    n = len(active)
    return ys[:n], spread(ys[n:], [not a for a in active])


def filled(b: Builder, cts: MaybeSlots, ts: Sequence[Type]) -> list[int]:
    """Cotangents with zeros for None."""
    return [blank(b, t) if ct is None else ct for ct, t in zip(cts, ts)]


def emit_some(b: Builder, op: Control, xs: Sequence[int]) -> Sequence[int]:
    """The results of op; nothing is written if it gives none and has no effect."""
    outs = op.infer(tuple([b.types[x] for x in xs]))
    return b.emit_all(op, *xs) if outs or op.effects else ()


def with_outs(p: Program, outs: Iterable[int]) -> Program:
    """The program with other outputs, of which its equations are all needed."""
    return Program(p.n_in, p.types, p.equations, tuple(outs))


class Source(NamedTuple):
    """Where a residual comes from: an input or a result (its position among the outputs)."""

    is_input: bool
    at: int


def route(known: Program, own: int, carry: range = range(0)) -> tuple[list[int], list[Source]]:
    """The outputs that a known half needs, and where each of its residuals comes from.

    Its first ``own`` outputs are results of the op. A residual that is an input or one of those
    needs no output, unless it is a carry of a loop, which is another value in each step: ``carry``
    are the inputs that are, and the first results are what becomes of them.
    """
    outs = list(known.outs[:own])
    position = {o: i for i, o in enumerate(outs) if i >= len(carry)}
    sources = []
    for r in known.outs[own:]:
        if r < known.n_in and r not in carry:
            sources.append(Source(True, r))
            continue
        if r not in position:
            position[r] = len(outs)
            outs.append(r)
        sources.append(Source(False, position[r]))
    return outs, sources


class _Branch(NamedTuple):
    """The halves of one branch; its residuals, and which of its values sits on which seat."""

    known: Program
    linear: Program
    residuals: list[Source]
    seated: dict[int, int]


def _share(
    halves: Sequence[tuple[Program, Program]], own: int
) -> tuple[tuple[Program, ...], tuple[Program, ...], list[Source]]:
    """The branches of the known and of the linear half of a cond, and the residuals between them.

    One branch runs, so residuals of different branches share an output (a seat) where their types
    agree.
    """
    seats: list[Type] = []
    branches = [_seat(known, linear, own, seats) for known, linear in halves]
    passed = {
        s: h.linear.types[i] for h in branches for i, s in enumerate(h.residuals)
    }  # a source has one type in all branches
    order = sorted(passed)
    return (
        tuple([_known_branch(h, own, seats) for h in branches]),
        tuple([_linear_branch(h, {s: passed[s] for s in order}) for h in branches]),
        order,
    )


def _seat(known: Program, linear: Program, own: int, seats: list[Type]) -> _Branch:
    outs, sources = route(known, own)
    extra = outs[own:]
    at = take_seats(seats, [known.types[r] for r in extra])
    residuals = [
        s if s.is_input or s.at < own else Source(False, own + at[s.at - own]) for s in sources
    ]
    return _Branch(known, linear, residuals, dict(zip(at, extra)))


def _known_branch(h: _Branch, own: int, seats: Sequence[Type]) -> Program:
    b = Builder()
    ys = b.inline(h.known, [b.input(t) for t in h.known.in_types])
    env = dict(zip(h.known.outs, ys))
    extra = [env[h.seated[i]] if i in h.seated else blank(b, t) for i, t in enumerate(seats)]
    return b.finish([*ys[:own], *extra])


def _linear_branch(h: _Branch, passed: Mapping[Source, Type]) -> Program:
    b = Builder()
    slots = {s: b.input(t) for s, t in passed.items()}
    rest = [b.input(t) for t in h.linear.in_types[len(h.residuals) :]]
    return b.finish(b.inline(h.linear, [*[slots[s] for s in h.residuals], *rest]))


def take_seats(seats: list[Type], ts: Sequence[Type]) -> list[int]:
    """For each type a seat of that type; ``seats`` grows where none is free."""
    free = list(range(len(seats)))
    out = []
    for t in ts:
        i = next((i for i in free if seats[i] is t), None)
        if i is None:
            i = len(seats)
            seats.append(t)
        else:
            free.remove(i)
        out.append(i)
    return out


# errors ------------------------------------------------------------------------------------------


def takes(name: str, want: Sequence[Type], got: Sequence[Type]) -> None:
    """Raise unless the operands have the types that the programs take."""
    agree(f"{name} takes", want, got)


def agree(what: str, want: Sequence[Type], got: Sequence[Type]) -> None:
    """Raise unless the types are equal; the message shows those that are not."""
    if tuple(want) == tuple(got):
        return
    if len(want) != len(got):
        raise ShapeError(f"{what} {len(want)} values, got {len(got)}")
    lines = [f"{what} other types:"]
    lines += [f"  value {i}: expected {w}, got {g}"
              for i, (w, g) in enumerate(zip(want, got)) if w is not g]  # fmt: skip
    raise ShapeError("\n".join(lines))
