"""Before differentiation: keep the branch that a select does not take where it is harmless.

``where(x > 0, sqrt(x), 0)`` has the derivative 0 at 0, but a derivative rule multiplies the zero
that flows into the branch not taken by an infinite slope. So every function on the way to a branch
that is infinite or undefined somewhere gets, in the lanes where the branch is not taken, an operand
at which nothing is: ``where(x > 0, sqrt(where(x > 0, x, 1)), 0)``. The values of the program stay;
all its derivatives are those of the branches taken, in every order.

The way to a branch leads through pointwise functions, conversions, reshapes, broadcasts and sums; a
value that several lanes of the branch need is guarded where none of them is taken. Nothing is
guarded under a mask of fresh random bits (dropout): it knows nothing about the values.

Law: ``guard(p)`` gives what p gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ir.types import ArrayType, has_tangent
from verax.compiler.ops.bits import AND, NOT
from verax.compiler.ops.contract import Contract, canonical
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import (
    SELECT,
    Constant,
    Convert,
    Pointwise,
    Select,
    splat,
)
from verax.compiler.ops.random import Threefry
from verax.compiler.ops.reduce import Reduce


@lru_cache(4096)
def guard(p: Program) -> Program:
    """The program with the branches not taken made harmless."""
    selects = [eq for eq in p.equations if isinstance(eq.op, Select)]
    if not selects:
        return p
    graph = _Graph(p, selects)
    wanted = [eq for eq in selects if graph.needs_guard(eq)]
    return _Guard(graph).write({eq.first for eq in wanted}) if wanted else p


class _Graph:
    """Where the values of a program come from, and behind which something partial stands."""

    def __init__(self, p: Program, selects: Sequence[Equation]) -> None:
        self.p = p
        self.made = {y: eq for eq in p.equations for y in eq.results}
        self.partial: set[int] = set()  # values with a partial function on the way to them
        for x in sorted(self._on_the_way(selects)):
            if self._is_partial(self.made[x]):
                self.partial.add(x)

    def _on_the_way(self, selects: Sequence[Equation]) -> set[int]:
        """The values that lead to the branches of the selects."""
        found: set[int] = set()
        stack = [x for eq in selects for x in way(eq)]
        while stack:
            x = stack.pop()
            eq = self.made.get(x)
            if eq is not None and x not in found and _passes(eq):
                found.add(x)
                stack += way(eq)
        return found

    def _is_partial(self, eq: Equation) -> bool:
        if not has_tangent(self.p.types[eq.first]):
            return False
        return any(x in self.partial for x in way(eq)) or bool(self.unsafe(eq))

    def unsafe(self, eq: Equation) -> list[tuple[int, float]]:
        """The operands that need a guard, by position, each with its safe value."""
        if not isinstance(eq.op, Pointwise):
            return []
        found = []
        for i, (x, safe) in enumerate(zip(eq.operands, eq.op.entry.safe)):
            of = self.made.get(x)
            if safe is not None and not (of is not None and isinstance(of.op, Constant)):
                found.append((i, safe))
        return found

    def needs_guard(self, eq: Equation) -> bool:
        """Whether a branch of this select is partial, and its mask is not mere noise."""
        branches = [x for x in eq.operands[1:] if x in self.partial]
        if not branches:
            return False
        noise = self._noise(eq.operands[0])
        return not noise or any(self._reads(x, noise) for x in branches)

    def _noise(self, mask: int) -> set[int]:
        """The random bits that the mask was made from, if it was made from random bits."""
        found: set[int] = set()
        for eq in self._history([mask]):
            if isinstance(eq.op, Threefry):
                found.add(eq.first)
        return found

    def _reads(self, x: int, noise: set[int]) -> bool:
        """Whether x depends on these random bits."""
        return any(eq.first in noise for eq in self._history([x], through=True))

    def _history(self, xs: Iterable[int], *, through: bool = False) -> Iterator[Equation]:
        """The equations that these values depend on; those behind random bits if ``through``."""
        stack, seen = list(xs), set[int]()
        while stack:
            eq = self.made.get(stack.pop())
            if eq is None or eq.first in seen:
                continue
            seen.add(eq.first)
            yield eq
            if through or not isinstance(eq.op, Threefry):
                stack += eq.operands


def _passes(eq: Equation) -> bool:
    """Whether the way to a branch leads through this equation."""
    op = eq.op
    if isinstance(op, Contract):
        return len(op.ins) == 1
    return isinstance(op, (Pointwise, Convert, Select, Reshape))


def way(eq: Equation) -> tuple[int, ...]:
    """The operands whose lanes are those of the result: of a select, its branches."""
    return eq.operands[1:] if isinstance(eq.op, Select) else eq.operands


class _Guard:
    """A copy of the program, and copies of what leads to branches, made harmless under a mask."""

    def __init__(self, graph: _Graph) -> None:
        self.graph, self.b = graph, Builder()
        self.env: list[int] = []
        self.safe: dict[tuple[int, int], int] = {}  # (value, mask) -> its copy under the mask

    def write(self, selects: set[int]) -> Program:
        """The program, with the branches of these selects guarded."""
        p, b, env = self.graph.p, self.b, self.env
        env += [b.input(t) for t in p.in_types]
        for eq in p.equations:
            b.span = eq.span
            operands = [env[x] for x in eq.operands]
            if eq.first in selects:
                mask, x, y = eq.operands
                here = env[mask]
                operands = [here, self.under(x, here), self.under(y, b.emit(NOT, here))]
            env += b.emit_all(eq.op, *operands)
        return b.finish([env[o] for o in p.outs])

    def under(self, x: int, mask: int) -> int:
        """x, where only the lanes in which the mask holds matter."""
        if x not in self.graph.partial:
            return self.env[x]
        found = self.safe.get((x, mask))
        if found is None:
            found = self.safe[x, mask] = self._copy(self.graph.made[x], mask)
        return found

    def _copy(self, eq: Equation, mask: int) -> int:
        b, op = self.b, eq.op
        if isinstance(op, Select):
            p, x, y = eq.operands
            here = self.env[p]
            taken, other = b.emit(AND, mask, here), b.emit(AND, mask, b.emit(NOT, here))
            return b.emit(op, here, self.under(x, taken), self.under(y, other))
        inner = self._mask_of_operand(eq, mask)
        operands = [self.under(x, inner) for x in eq.operands]
        for i, value in self.graph.unsafe(eq):
            t = cast(ArrayType, b.types[operands[i]])
            operands[i] = b.emit(SELECT, inner, operands[i], b.emit(splat(value, t)))
        return b.emit(op, *operands)

    def _mask_of_operand(self, eq: Equation, mask: int) -> int:
        """Which elements of the operands matter: those that a lane in the mask needs."""
        t = cast(ArrayType, self.graph.p.types[eq.operands[0]])
        if isinstance(eq.op, Reshape):
            return self.b.emit(Reshape(t.shape), mask)
        return self._spread(eq.op, mask, t) if isinstance(eq.op, Contract) else mask

    def _spread(self, op: Contract, mask: int, t: ArrayType) -> int:
        """Any lane of a broadcast, and every term of a sum."""
        (ins,), out = op.ins, op.out
        repeated = tuple([i for i, f in enumerate(out) if f not in ins])
        if repeated:
            mask = self.b.emit(Reduce("or", repeated), mask)
        kept = tuple([f for f in out if f in ins])
        sizes = [(f, n) for f, n in zip(ins, t.shape) if f not in kept]
        return self.b.emit(canonical([kept], ins, sizes), mask)
