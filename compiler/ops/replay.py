"""Reverse mode through a while loop: states are kept at checkpoints, the others computed again.

Forward, a loop of at most ``bound`` steps keeps every ``spacing``-th state, about sqrt(bound) of
them. Backward, it goes through the segments from the last one that was entered: the states of the
segment are computed again from its checkpoint, then its steps are transposed one by one. Both are
loops that run as often as the loop did, so a generous bound costs nothing but the room for the
checkpoints. Loops of few steps keep all their states and compute none again.

Without a bound nothing is kept but the number of steps. Backward, 64 states are computed again and
kept, and from them the state of each step: n steps take about n * n / 128 more.

Law: the cotangents are those of the steps that were taken, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import Type
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.bits import AND
from verax.compiler.ops.loop_text import INDEX
from verax.compiler.ops.pointwise import ADD, Term, splat, zeros
from verax.compiler.ops.values import blank, row, with_row

if TYPE_CHECKING:
    from verax.compiler.ops.loops import While

KEEP_ALL = 64
"""Loops of at most so many steps keep every state."""

Go: TypeAlias = Callable[[Builder, list[int], list[int]], Term]
Step: TypeAlias = Callable[[Builder, list[int], list[int]], Sequence[int]]


class Known(NamedTuple):
    """The known half of a loop: what it is, without what is linear.

    Args:
        make: the class While.
        cond, step: take consts and state; give whether it goes on, and the next state.
        n_consts: how many consts they take.
        bound: the most steps, or None.
    """

    make: type[While]
    cond: Program
    step: Program
    n_consts: int
    bound: int | None

    @property
    def state(self) -> tuple[Type, ...]:
        return self.step.in_types[self.n_consts :]

    @property
    def spacing(self) -> int:
        """From how many states one is kept, where there is a bound."""
        assert self.bound is not None
        return 1 if self.bound <= KEEP_ALL else isqrt(self.bound - 1) + 1

    @property
    def kept(self) -> int:
        """How many states are kept."""
        return KEEP_ALL if self.bound is None else max(1, -(-self.bound // self.spacing))

    def loop(
        self,
        b: Builder,
        consts: Sequence[int],
        carry: Sequence[int],
        go: Go,
        step: Step,
        bound: int | None,
    ) -> list[int]:
        """Write a loop; ``go`` and ``step`` write into the builder that they are given."""
        c = len(consts)
        u, v = Builder(), Builder()
        u_ins, v_ins = ([w.input(b.types[x]) for x in (*consts, *carry)] for w in (u, v))
        cond = u.finish([go(u, u_ins[:c], u_ins[c:]).slot])
        body = v.finish(step(v, v_ins[:c], v_ins[c:]))
        return list(b.emit_all(self.make(cond, body, c, bound, bound is None), *consts, *carry))


class Run(NamedTuple):
    """What is known of a run: its last state, the number of its steps, and the states kept."""

    state: list[int]
    steps: int
    kept: list[int]


# forward -----------------------------------------------------------------------------------------


def run(b: Builder, known: Known, xs: Sequence[int]) -> Run:
    """Write the loop, which counts its steps and keeps the states at the checkpoints."""
    consts, state = list(xs[: known.n_consts]), list(xs[known.n_consts :])
    n = len(state)
    zero = b.emit(splat(0, INDEX))
    if known.bound is None:
        count, *state = _counted(b, known, consts, state)
        return Run(state, count, [])
    kept = [blank(b, t.stacked(known.kept)) for t in known.state]
    if known.spacing == 1:

        def step(u: Builder, consts: list[int], carry: list[int]) -> list[int]:
            i, state, kept = carry[0], carry[1 : n + 1], carry[n + 1 :]
            stored = [with_row(u, s, x, i) for s, x in zip(kept, state)]
            return [_next(u, i), *u.inline(known.step, [*consts, *state]), *stored]

        def go(u: Builder, consts: list[int], carry: list[int]) -> Term:
            return _holds(u, known, consts, carry[1 : n + 1])

        out = known.loop(b, consts, [zero, *state, *kept], go, step, known.bound)
        return Run(out[1 : n + 1], out[0], out[n + 1 :])
    out = _by_segments(b, known, consts, state, kept)
    return Run(out[2 : n + 2], out[1], out[n + 2 :])


def _counted(b: Builder, known: Known, consts: list[int], state: list[int]) -> list[int]:
    return known.loop(
        b, consts, [b.emit(splat(0, INDEX)), *state],
        lambda u, consts, carry: _holds(u, known, consts, carry[1:]),
        lambda u, consts, carry: [_next(u, carry[0]),
                                  *u.inline(known.step, [*consts, *carry[1:]])],
        None,
    )  # fmt: skip


def _by_segments(
    b: Builder, known: Known, consts: list[int], state: list[int], kept: list[int]
) -> list[int]:
    """A loop over segments with a loop over steps in it; its carry: segment, steps, state, kept."""
    n, bound = len(state), known.bound
    assert bound is not None

    def inner_go(u: Builder, consts: list[int], carry: list[int]) -> Term:
        total = Term(u, consts[0]) + Term(u, carry[0])
        return total.lt(bound).apply(AND, _holds(u, known, consts[1:], carry[1:]))

    def inner(u: Builder, consts: list[int], carry: list[int]) -> list[int]:
        return [_next(u, carry[0]), *u.inline(known.step, [*consts[1:], *carry[1:]])]

    def go(u: Builder, consts: list[int], carry: list[int]) -> Term:
        more = Term(u, carry[1]).lt(bound)
        return more.apply(AND, _holds(u, known, consts, carry[2 : n + 2]))

    def step(u: Builder, consts: list[int], carry: list[int]) -> list[int]:
        segment, done, state, kept = carry[0], carry[1], carry[2 : n + 2], carry[n + 2 :]
        stored = [with_row(u, s, x, segment) for s, x in zip(kept, state)]
        zero = u.emit(splat(0, INDEX))
        taken, *after = known.loop(u, [done, *consts], [zero, *state], inner_go, inner,
                                   known.spacing)  # fmt: skip
        return [_next(u, segment), u.emit(ADD, done, taken), *after, *stored]

    zero = b.emit(splat(0, INDEX))
    return known.loop(b, consts, [zero, zero, *state, *kept], go, step, known.kept)


# backward ----------------------------------------------------------------------------------------


class Back(NamedTuple):
    """The transposed step: takes consts, state and cotangents of the linear carry.

    It gives what is added to the cotangents of the linear consts (``sums`` of them, the first
    ones), and the cotangents of the linear carry before the step.
    """

    program: Program
    sums: int

    def write(
        self, u: Builder, consts: Sequence[int], state: Sequence[int], cts: list[int]
    ) -> list[int]:
        """One step back of sums and cotangents."""
        ds = u.inline(self.program, [*consts, *state, *cts[self.sums :]])
        added = [u.emit(ADD, x, d) for x, d in zip(cts[: self.sums], ds)]
        return [*added, *ds[self.sums :]]


def back(
    b: Builder,
    known: Known,
    step: Back,
    saved: Sequence[int],
    xs: Sequence[int],
    cts: Sequence[int],
) -> list[int]:
    """The cotangents of the linear consts and of the linear carry at the start.

    Args:
        saved: the number of the steps, then what was kept.
        xs: the known consts, and the state at the start.
        cts: the cotangents of the linear carry at the end.
    """
    count, *kept = saved
    consts = list(xs[: known.n_consts])
    sums = [zeros(b, t) for t in step.program.out_types[: step.sums]]
    start = [*sums, *cts]
    if known.bound is None:
        return _back_recomputed(b, known, step, count, consts, list(xs[known.n_consts :]), start)
    if known.spacing > 1:
        return _back_by_segments(b, known, step, count, consts, kept, start)
    return _back_by_rows(b, known, step, count, consts, kept, start, known.bound)


def _back_by_rows(
    b: Builder,
    known: Known,
    step: Back,
    count: int,
    consts: list[int],
    rows: list[int],
    cts: list[int],
    bound: int,
) -> list[int]:
    """Through ``count`` steps, whose states are rows."""
    c = len(consts)

    def body(u: Builder, consts: list[int], carry: list[int]) -> list[int]:
        i = (Term(u, carry[0]) - 1).slot
        state = [row(u, x, i) for x in consts[c:]]
        return [i, *step.write(u, consts[:c], state, carry[1:])]

    return known.loop(b, [*consts, *rows], [count, *cts], _left, body, bound)[1:]


def _back_by_segments(
    b: Builder,
    known: Known,
    step: Back,
    count: int,
    consts: list[int],
    kept: list[int],
    cts: list[int],
) -> list[int]:
    c, k, size = len(consts), len(kept), known.spacing

    def body(u: Builder, ins: list[int], carry: list[int]) -> list[int]:
        consts, kept, count = ins[:c], ins[c : c + k], Term(u, ins[-1])
        segment = Term(u, carry[0]) - 1
        steps = (count - segment * size).apply(MIN, size).slot
        rows = _states(u, known, consts, [row(u, x, segment.slot) for x in kept], steps)
        ds = _back_by_rows(u, known, step, steps, consts, rows, carry[1:], size)
        return [segment.slot, *ds]

    segments = ((Term(b, count) + (size - 1)) / size).slot
    ins = [*consts, *kept, count]
    return known.loop(b, ins, [segments, *cts], _left, body, known.kept)[1:]


def _states(b: Builder, known: Known, consts: list[int], state: list[int], count: int) -> list[int]:
    """The first ``count`` states from this one on, as rows."""
    n, c = len(state), len(consts)

    def body(u: Builder, consts: list[int], carry: list[int]) -> list[int]:
        i, state, rows = carry[0], carry[1 : n + 1], carry[n + 1 :]
        stored = [with_row(u, s, x, i) for s, x in zip(rows, state)]
        return [_next(u, i), *u.inline(known.step, [*consts[:c], *state]), *stored]

    def go(u: Builder, consts: list[int], carry: list[int]) -> Term:
        return Term(u, carry[0]).lt(Term(u, consts[c]))

    rows = [blank(b, t.stacked(known.spacing)) for t in known.state]
    start = [b.emit(splat(0, INDEX)), *state, *rows]
    return known.loop(b, [*consts, count], start, go, body, known.spacing)[n + 1 :]


def _back_recomputed(
    b: Builder,
    known: Known,
    step: Back,
    count: int,
    consts: list[int],
    state: list[int],
    cts: list[int],
) -> list[int]:
    """Without a bound: 64 states are kept, and each other one is computed from the one before."""
    c = len(consts)
    size = ((Term(b, count) + (KEEP_ALL - 1)) / KEEP_ALL).apply(MAX, 1).slot
    kept = _kept(b, known, [*consts, size, count], state)

    def body(u: Builder, ins: list[int], carry: list[int]) -> list[int]:
        i, size = Term(u, carry[0]) - 1, Term(u, ins[c])
        segment = i / size
        start = [row(u, x, segment.slot) for x in ins[c + 1 :]]
        state = _after(u, known, ins[:c], start, i - segment * size)
        return [i.slot, *step.write(u, ins[:c], state, carry[1:])]

    return known.loop(b, [*consts, size, *kept], [count, *cts], _left, body, None)[1:]


def _kept(b: Builder, known: Known, ins: list[int], state: list[int]) -> list[int]:
    """The state before each segment; ``ins`` are the consts, the size of a segment, the count."""
    n, c = len(state), known.n_consts

    def go(u: Builder, ins: list[int], carry: list[int]) -> Term:
        return (Term(u, carry[0]) * Term(u, ins[c])).lt(Term(u, ins[c + 1]))

    def body(u: Builder, ins: list[int], carry: list[int]) -> list[int]:
        segment, size, count = (Term(u, x) for x in (carry[0], *ins[c:]))
        state, kept = carry[1 : n + 1], carry[n + 1 :]
        stored = [with_row(u, s, x, segment.slot) for s, x in zip(kept, state)]
        steps = (count - segment * size).apply(MIN, size)
        return [_next(u, segment.slot), *_after(u, known, ins[:c], state, steps), *stored]

    rows = [blank(b, t.stacked(KEEP_ALL)) for t in known.state]
    start = [b.emit(splat(0, INDEX)), *state, *rows]
    return known.loop(b, ins, start, go, body, None)[n + 1 :]


def _after(b: Builder, known: Known, consts: list[int], state: list[int], steps: Term) -> list[int]:
    """The state so many steps later."""
    c = len(consts)

    def body(u: Builder, ins: list[int], carry: list[int]) -> list[int]:
        return [_next(u, carry[0]), *u.inline(known.step, [*ins[:c], *carry[1:]])]

    def go(u: Builder, ins: list[int], carry: list[int]) -> Term:
        return Term(u, carry[0]).lt(Term(u, ins[c]))

    start = [b.emit(splat(0, INDEX)), *state]
    return known.loop(b, [*consts, steps.slot], start, go, body, None)[1:]


# words -------------------------------------------------------------------------------------------


def _next(b: Builder, i: int) -> int:
    return (Term(b, i) + 1).slot


def _left(b: Builder, consts: list[int], carry: list[int]) -> Term:
    """Whether there are steps to go back."""
    return Term(b, carry[0]).gt(0)


def _holds(b: Builder, known: Known, consts: list[int], state: list[int]) -> Term:
    return Term(b, b.inline(known.cond, [*consts, *state])[0])
