"""What the linear half of a program takes from its known half, and what it computes again.

Keeping a value costs its bytes; computing it again costs the price of its op per element, and needs
its operands. The choice is a minimal cut between what cannot be computed again and what is needed.
Prices are in bytes: one cheap operation on an element is as dear as one byte kept, so that a chain
of four may replace a float32 array, and never a reduction, a product or a transcendental function.

Law: no other choice costs less; among the cheapest it computes least again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import inf
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.pointwise import Compare, Constant, Convert, Pointwise, Select
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.slicing import Concatenate, Pad, Slice


class Plan(NamedTuple):
    """The slots that are kept, and the equations that are computed again, both in order."""

    residuals: list[int]
    recomputed: list[Equation]


FREE, CHEAP, FAIR = 0.0, 1.0, 2.0

_BY_CLASS: dict[type[Op], float] = {
    Constant: FREE, Iota: FREE, Reshape: FREE, KeyData: FREE, KeyWrap: FREE,
    Convert: CHEAP, Compare: CHEAP, Select: CHEAP,
    Slice: CHEAP, Pad: CHEAP, Concatenate: CHEAP, Reverse: CHEAP,
}  # fmt: skip
_BY_FUNCTION: dict[str, float] = {
    **dict.fromkeys(
        (
            "neg",
            "add",
            "sub",
            "mul",
            "abs",
            "max",
            "min",
            "sign",
            "clamp",
            "not",
            "and",
            "or",
            "xor",
        ),
        CHEAP,
    ),
    **dict.fromkeys(("div", "sqrt", "rsqrt", "floor", "ceil"), FAIR),
}
_SYMBOLIC = 64  # what a dim that is not known yet counts for


def price(op: Op) -> float:
    """Bytes per element that computing op again is worth; inf if that is never done."""
    if isinstance(op, Pointwise):
        return _BY_FUNCTION.get(op.fn, inf)
    if isinstance(op, Contract):
        moves = len(op.ins) == 1 and len(op.out) >= len(op.ins[0])
        return (FREE if op.sizes else CHEAP) if moves else inf
    return _BY_CLASS.get(type(op), inf)


def plan(b: Builder, needed: Collection[int], own: Iterable[int], dear: Collection[int]) -> Plan:
    """Choose what to keep so that the slots ``needed`` can be had.

    Args:
        b: the builder of the known half.
        needed: what the linear half takes.
        own: the slots that the known half gives anyway.
        dear: the inputs of b that are not there anyway.
    """
    graph = _Graph(b, needed, {*b.inputs, *own} - set(dear))
    graph.take_what_is_there()
    graph.cut()
    kept = {s for s in needed if s not in graph.again}
    for s in graph.again:
        kept.update(x for x in graph.made[s].operands if x not in graph.again)
    return Plan(sorted(kept), [graph.made[s] for s in sorted(graph.again)])


class _Graph:
    """The values that could be computed again, and what each choice costs.

    ``again`` is what is computed again, ``there`` what costs nothing to take, ``price`` what it
    costs to compute a value once its operands are there, ``total`` the same from what is there.
    """

    def __init__(self, b: Builder, needed: Collection[int], there: set[int]) -> None:
        self.types, self.needed, self.there = b.types, frozenset(needed), there
        self.made = {eq.first: eq for eq in b.equations if eq.n_out == 1}
        self.price: dict[int, float] = {}
        self.total: dict[int, float] = {}
        self.again: set[int] = set()
        self.values = self._explore()

    def _explore(self) -> list[int]:
        """What is needed, and what it can be computed from, in order."""
        seen: set[int] = set()
        stack = list(self.needed)
        while stack:
            s = stack.pop()
            if s in seen:
                continue
            seen.add(s)
            eq = self.made.get(s)
            if eq is None or (s in self.there and eq.operands):
                continue
            self.there.discard(s)  # a constant is never taken
            each = price(eq.op)
            if each is not inf:
                self.price[s] = each * elements(self.types[s])
                stack += eq.operands
            elif s in self.needed:
                self.there.add(s)  # it must be kept, so others may use it
        return sorted(seen)

    def weight(self, s: int) -> float:
        """The bytes of a value."""
        t = self.types[s]
        return elements(t) * (t.dtype.itemsize if isinstance(t, ArrayType) else 8)

    def take_what_is_there(self) -> None:
        """Compute again what is needed and costs less so than kept, with nothing else kept."""
        total = self.total
        for s in self.values:
            if s in self.there:
                total[s] = 0.0
            elif s in self.price:
                total[s] = self.price[s] + sum([total[x] for x in self.made[s].operands])
                if s in self.needed and total[s] <= self.weight(s):
                    self._compute(s)
            else:
                total[s] = inf

    def _compute(self, s: int) -> None:
        """Compute s again, and what it needs that is not there."""
        stack = [s]
        while stack:
            s = stack.pop()
            if s not in self.again and s not in self.there:
                self.again.add(s)
                self.total[s] = 0.0
                stack += self.made[s].operands

    def cut(self) -> None:
        """Cut the rest: keep the values on the border of what a maximal flow can reach."""
        open_ = [s for s in self.needed if self.total[s] > 0]
        if open_:
            reached = self._flow(sorted(open_)).reached
            for s in self.values:
                if (s, "in") in reached:
                    self.again.add(s)
                    for x in self.made[s].operands:
                        if self.total[x] == 0:
                            self._compute(x)

    def _flow(self, sinks: Sequence[int]) -> _Flow:
        """From what is needed backwards to what can be had: a value is two nodes, out and in."""
        flow = _Flow()
        stack, seen = list(sinks), set(sinks)
        while stack:
            s = stack.pop()
            flow.edge((s, "in"), _SOURCE, self.price.get(s, inf))
            flow.edge((s, "out"), (s, "in"), self.weight(s))
            for x in self.made[s].operands if s in self.price else ():
                if self.total[x] > 0:
                    flow.edge((s, "in"), (x, "out"), inf)
                    if x not in seen:
                        seen.add(x)
                        stack.append(x)
        for s in sinks:
            flow.saturate((s, "out"))
        return flow


_Node: TypeAlias = tuple[int, str]
_SOURCE: _Node = (-1, "")


class _Flow:
    """A maximal flow by augmenting paths; ``reached`` is what the last residual graph reaches."""

    def __init__(self) -> None:
        self.edges: dict[_Node, list[int]] = {}
        self.to: list[_Node] = []
        self.room: list[float] = []
        self.reached: set[_Node] = set()

    def edge(self, a: _Node, b: _Node, room: float) -> None:
        """An edge of this capacity; edge e runs back as edge e ^ 1."""
        self.edges.setdefault(a, []).append(len(self.to))
        self.edges.setdefault(b, []).append(len(self.to) + 1)
        self.to += (b, a)
        self.room += (room, 0.0)

    def saturate(self, root: _Node) -> None:
        """Push flow from root to the end until none passes; the last search cannot be left."""
        if root in self.reached:
            return
        while True:
            entered = self._search(root)
            if _SOURCE not in entered:
                self.reached.update(entered)
                return
            path, node = [], _SOURCE
            while node != root:
                path.append(entered[node])
                node = self.to[entered[node] ^ 1]
            amount = min([self.room[e] for e in path])
            for e in path:
                self.room[e] -= amount
                self.room[e ^ 1] += amount

    def _search(self, root: _Node) -> dict[_Node, int]:
        """The nodes that flow from root can reach, and the edge by which; stops at the end."""
        entered = {root: -1}
        stack = [root]
        while stack:
            for e in self.edges[stack.pop()]:
                node = self.to[e]
                if self.room[e] > 0 and node not in entered and node not in self.reached:
                    entered[node] = e
                    if node == _SOURCE:
                        return entered
                    stack.append(node)
        return entered


def elements(t: Type) -> int:
    """The number of elements; a dim that is not known counts for 64."""
    total = 1
    for n in t.shape:
        total *= _estimate(n)
    return total


def _estimate(n: Size) -> int:
    if not isinstance(n, Poly):
        return n
    total: int = sum(c * _SYMBOLIC ** len(monomial) for monomial, c in n.terms)
    return max(1, total)
