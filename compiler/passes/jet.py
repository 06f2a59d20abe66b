"""Taylor mode: a program with the truncated Taylor series of its active inputs carried along.

A value moves along a path; its series is computed coefficient by coefficient, from no other rules
than those of jvp. Where an op is linear, its tangent rule is applied to each coefficient; where it
is linear in several operands, each alone, coefficients are sums of products. Any other op is the
solution of a differential equation, ``y' = rule(x, y, x')``, whose right side is its tangent rule
as a program: the series of that up to order k gives coefficient k + 1 of y. Equal ops on equal
series are one series, so that rules which lead back to each other (sin and cos) close, and the work
grows with a power of the order, where nested jvp doubles it.

Law: coefficient k is the k-th derivative that nested jvp gives along the same path, over k!.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache, partial
from typing import NamedTuple, TypeAlias, cast

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.span import Span
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.control import Call, Control, where
from verax.compiler.ops.custom import Custom, LinearMap
from verax.compiler.ops.pointwise import DIV, MUL, add_any, fill, splat, zeros
from verax.compiler.ops.remat import Remat
from verax.compiler.passes.effects import admit
from verax.compiler.passes.guard import guard
from verax.compiler.passes.jet_control import expanded
from verax.compiler.passes.jvp import jvp

Coefficient: TypeAlias = int | None
"""A slot, or None where it is zero."""


@lru_cache(4096)
def jet(
    p: Program, terms: tuple[tuple[int, ...], ...], order: int, force: tuple[bool, ...] = ()
) -> tuple[Program, tuple[bool, ...]]:
    """A program of inputs and coefficients that gives outputs and their coefficients.

    Args:
        p: the program.
        terms: per input, which coefficients it has (from 1 on); the others are zero. They follow
            the inputs, those of the first one first.
        order: the last coefficient that is computed.
        force: which outputs shall have coefficients even where they do not move (if their type has
            tangents).

    Returns:
        The program, which gives coefficients 1 to ``order`` of the outputs that move, behind all
        outputs; and which outputs move.
    """
    b = Builder()
    path = Path(b, order)
    xs = [b.input(t) for t in p.in_types]
    given = [{0: x} for x in xs]
    for t, row, ks in zip(p.in_types, given, terms):
        row.update([(k, b.input(t)) for k in ks])
    env = [Series(t, len(row) > 1, row.get) for t, row in zip(p.in_types, given)]
    outs, orders = path.run(p, env, whole=True), range(1, order + 1)
    asked = [i < len(force) and force[i] and has_tangent(y.type) for i, y in enumerate(outs)]
    moves = [a or any(y.at(k) is not None for k in orders) for a, y in zip(asked, outs)]
    rest = [path.slot(y, k) for y, m in zip(outs, moves) if m for k in orders]
    return b.finish([*[path.slot(y, 0) for y in outs], *rest]), tuple(moves)


class Series:
    """A value along the path: its coefficients, each computed when it is asked for.

    Attributes:
        moves: whether there may be any behind coefficient 0, which is the value itself.
        next: gives coefficient k, when all before it are known.
    """

    __slots__ = ("known", "moves", "next", "type")

    def __init__(self, type: Type, moves: bool, next: Callable[[int], Coefficient]) -> None:
        self.type, self.moves, self.next = type, moves, next
        self.known: list[Coefficient] = []

    def at(self, k: int) -> Coefficient:
        """Coefficient k."""
        if k and not self.moves:
            return None
        known = self.known
        while len(known) <= k:
            known.append(self.next(len(known)))
        return known[k]


class Step(NamedTuple):
    """One equation on series.

    Args:
        whole: all coefficients of the operands are known, and all of the results are wanted. In a
            rule they become known one by one.
    """

    op: Op
    xs: tuple[Series, ...]
    types: Sequence[Type]
    span: Span | None
    whole: bool

    @property
    def mask(self) -> tuple[bool, ...]:
        """Which operands move."""
        return tuple([x.moves for x in self.xs])

    @property
    def in_types(self) -> tuple[Type, ...]:
        return tuple([x.type for x in self.xs])

    def results(self, of: Callable[[int], Sequence[Coefficient]]) -> Sequence[Series]:
        """The results, where ``of`` gives coefficient k of all of them."""
        return [Series(t, has_tangent(t), partial(_pick, of, i)) for i, t in enumerate(self.types)]


def _pick(of: Callable[[int], Sequence[Coefficient]], i: int, k: int) -> Coefficient:
    return of(k)[i]


class Path:
    """The series of all values along one path, written into a builder."""

    def __init__(self, b: Builder, order: int) -> None:
        self.b, self.order = b, order
        self.memo: dict[tuple[Op, tuple[Series, ...]], Sequence[Series]] = {}
        self.derivatives: dict[Series, Series] = {}

    def slot(self, x: Series, k: int) -> int:
        """Coefficient k, zeros where there is none."""
        c = x.at(k)
        return zeros(self.b, x.type) if c is None else c

    def run(self, p: Program, xs: Sequence[Series], *, whole: bool = False) -> list[Series]:
        """The outputs of p."""
        p = guard(p)
        env = list(xs)
        for op, operands, first, count, span in p.equations:
            if whole:
                self.b.span = span
            types = p.types[first : first + count]
            ys = self.apply(Step(op, tuple([env[x] for x in operands]), types, span, whole))
            env += ys
            if whole:
                for y in ys:
                    y.at(0)
                    y.at(self.order)
        return [env[o] for o in p.outs]

    def apply(self, step: Step) -> Sequence[Series]:
        """The results of one equation; those of equal ones are shared."""
        key = step.op, step.xs
        found = None if step.op.effects else self.memo.get(key)
        if found is None:
            found = self.memo[key] = self._write(step)
        return found

    def _write(self, step: Step) -> Sequence[Series]:
        op, moving = step.op, frozenset(where(step.mask))
        if not moving:
            return self._resting(step)
        if op.own_effects:
            admit("jet", op, step.span)
        if isinstance(op, Control) and not isinstance(op, (Custom, LinearMap)):
            return self._control(step)
        sets = () if isinstance(op, Custom) else op.linear(len(step.xs))
        if any(moving <= s for s in sets) or (self.order and straight(step)):
            return self._linear(step)
        if parts := disjoint(sets, moving):
            return self._product(step, parts)
        if op is DIV and step.xs[0] is not self._one(step.types[0]):
            return self._quotient(step)
        return self._solution(step)

    # one way per kind of op ----------------------------------------------------------------------

    def _values(self, step: Step) -> Callable[[], Sequence[int]]:
        """The results themselves, written once, when they are asked for.

        A rule that computes them in its own way (sort, with the permutation) is asked for them, but
        not by a rule: it might ask itself.
        """

        @cache
        def values() -> Sequence[int]:
            xs = [self.slot(x, 0) for x in step.xs]
            if step.whole and True in step.mask:
                rate = rate_of(step.op, step.in_types, step.mask)
                if not rate.reads_result:
                    still = [zeros(self.b, x.type) for x in step.xs if x.moves]
                    return self.b.inline(rate.program, [*xs, *still])[: len(step.types)]
            return self.b.emit_all(step.op, *xs)

        return values

    def _resting(self, step: Step) -> Sequence[Series]:
        """No operand moves. What has an effect is written at once."""
        values = self._values(step)
        if step.op.effects:
            values()
        return [Series(t, False, lambda _, i=i: values()[i]) for i, t in enumerate(step.types)]  # type: ignore[misc]

    def _linear(self, step: Step) -> Sequence[Series]:
        """Each coefficient is pushed as a tangent."""
        values, count = self._values(step), len(step.types)

        @cache
        def pushed(k: int) -> Sequence[Coefficient]:
            ts = [x.at(k) for x in step.xs if k]
            if all(t is None for t in ts):
                return [None] * count if k else values()
            return step.op.jvp(self.b, [self.slot(x, 0) for x in step.xs], ts, jvp)[1]

        return step.results(pushed)

    def _product(self, step: Step, parts: Sequence[frozenset[int]]) -> Sequence[Series]:
        """Coefficient k is the sum of the products of coefficients whose orders sum to k."""
        xs, b = step.xs, self.b

        @cache
        def summed(k: int) -> Sequence[Coefficient]:
            total: list[Coefficient] = [None] * len(step.types)
            for orders in compositions(k, len(parts)):
                groups = list(zip(parts, orders))
                if k and any(all(xs[i].at(n) is None for i in part) for part, n in groups):
                    continue
                at = {i: n for part, n in groups for i in part}
                operands = [self.slot(x, at.get(i, 0)) for i, x in enumerate(xs)]
                if step.op is MUL and k:
                    operands.sort()  # x_i x_j and x_j x_i are one product
                total = [add_any(b, s, y) for s, y in zip(total, b.emit_all(step.op, *operands))]
            return total

        return step.results(summed)

    def _quotient(self, step: Step) -> Sequence[Series]:
        """``u / v`` moves as ``u * (1 / v)``: the rule of ``1 / v`` leads back to it."""
        u, v = step.xs
        (inverse,) = self.apply(step._replace(xs=(self._one(v.type), v), whole=False))
        (product,) = self.apply(step._replace(op=MUL, xs=(u, inverse), whole=False))
        values = self._values(step)
        return step.results(lambda k: [product.at(k)] if k else values())

    def _one(self, t: Type) -> Series:
        return self.apply(Step(splat(1, cast(ArrayType, t)), (), [t], None, False))[0]

    def _solution(self, step: Step) -> Sequence[Series]:
        """``y' = rule(x, y, x')``, order by order."""
        rate = rate_of(step.op, step.in_types, step.mask)

        @cache
        def right() -> list[Series]:
            rates = [self._derivative(x) for x in step.xs if x.moves]
            return self.run(rate.program, [*step.xs, *rates])

        values, count = self._values(step), len(step.types)
        place = {i: count + n for n, i in enumerate(rate.moved)}

        def coefficient(i: int, k: int) -> Coefficient:
            return self._scaled(right()[place[i]].at(k - 1), 1 / k) if k else values()[i]

        return [Series(t, i in place, partial(coefficient, i)) for i, t in enumerate(step.types)]

    def _derivative(self, x: Series) -> Series:
        """The series of x'."""
        found = self.derivatives.get(x)
        if found is None:
            found = Series(x.type, True, lambda k: self._scaled(x.at(k + 1), k + 1))
            self.derivatives[x] = found
        return found

    def _scaled(self, c: Coefficient, factor: float) -> Coefficient:
        if c is None or factor == 1:
            return c
        return self.b.emit(MUL, c, fill(self.b, factor, c))

    def _control(self, step: Step) -> Sequence[Series]:
        """The programs inside are expanded: at once, or in a rule anew for each order."""
        op, xs = step.op, step.xs
        assert isinstance(op, Control)
        if isinstance(op, (Call, Remat)) and not step.whole:
            return self.run(op.program, xs)

        @cache
        def up_to(order: int) -> Sequence[Sequence[Coefficient]]:
            orders = range(1, order + 1)
            moves = [any(x.at(k) is not None for k in orders) for x in xs]
            rows = [[self.slot(x, k) for k in orders] if m else None for x, m in zip(xs, moves)]
            return expanded(self.b, op, [self.slot(x, 0) for x in xs], rows, order, jet)

        if op.effects and step.whole:
            up_to(self.order)

        def coefficients(k: int) -> Sequence[Coefficient]:
            found = up_to(self.order if step.whole else k)
            return [row[k] if k < len(row) else None for row in found]

        return step.results(coefficients)


def disjoint(sets: Sequence[frozenset[int]], moving: frozenset[int]) -> list[frozenset[int]] | None:
    """Sets of operands, no two of which meet, that hold all that moves; None if there are none."""
    parts: list[frozenset[int]] = []
    rest = moving
    for s in sets:
        if s & rest and not any(s & part for part in parts):
            parts.append(s)
            rest -= s
    return None if rest else parts


def compositions(k: int, n: int) -> Iterator[tuple[int, ...]]:
    """The ways to write k as a sum of n orders.

    >>> list(compositions(2, 2))
    [(0, 2), (1, 1), (2, 0)]
    """
    if n == 1:
        yield (k,)
        return
    for first in range(k + 1):
        for rest in compositions(k - first, n - 1):
            yield (first, *rest)


class Rate(NamedTuple):
    """The right side of the differential equation that an op solves.

    Args:
        program: operands, derivatives of those that move -> results, their derivatives.
        moved: which results have one.
        reads_result: the program applies the op itself to the operands, for its results.
    """

    program: Program
    moved: tuple[int, ...]
    reads_result: bool


@lru_cache(4096)
def rate_of(op: Op, types: tuple[Type, ...], moving: tuple[bool, ...]) -> Rate:
    """The tangent rule of op as a program."""
    b = Builder()
    xs = [b.input(t) for t in types]
    ts = [b.input(t) if m else None for t, m in zip(types, moving)]
    ys, tys = op.jvp(b, xs, ts, jvp)
    p = b.finish([*ys, *[t for t in tys if t is not None]])
    itself = any(eq.op == op and eq.operands == tuple(xs) for eq in p.equations)
    return Rate(p, tuple([i for i, t in enumerate(tys) if t is not None]), itself)


@lru_cache(4096)
def _is_straight(op: Op, types: tuple[Type, ...], moving: tuple[bool, ...]) -> bool:
    rate, path = rate_of(op, types, moving), Path(Builder(), 0)
    xs = [Series(t, m, _unasked) for t, m in zip(types, moving)]
    ts = [Series(t, False, _unasked) for t, m in zip(types, moving) if m]
    outs = path.run(rate.program, [*xs, *ts])
    return not any(t.moves for t in outs[len(outs) - len(rate.moved) :])


def straight(step: Step) -> bool:
    """Whether the derivative rests while the operands move: max, sort, all linear in pieces."""
    return _is_straight(step.op, step.in_types, step.mask)


def _unasked(k: int) -> Coefficient:
    raise InternalError("only whether a value moves was to be asked")
