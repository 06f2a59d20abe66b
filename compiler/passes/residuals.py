"""What the linear half of a program takes from its known half, and what it computes again.

Keeping a value costs its bytes; computing it again costs the price of its op per element, and needs
its operands. The choice is a minimal cut between what cannot be computed again and what is needed.
Prices are those of prices.py, in bytes. In scanned transformer blocks on CPU this keeps a third to
a half of what the rules ask for, and the step takes as long or is up to a tenth faster. A user's
policy (``allowed``) replaces the choice.

Law: no other choice costs less; among the cheapest it computes least again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation
from verax.compiler.ir.types import Type
from verax.compiler.ops.policies import ON_NAMES, Named, Policy
from verax.compiler.ops.values import weight
from verax.compiler.passes.prices import Prices, usual


class Plan(NamedTuple):
    """The slots that are kept, and the equations that are computed again, both in order."""

    residuals: list[int]
    recomputed: list[Equation]


def plan(b: Builder, needed: Collection[int], own: Iterable[int], dear: Collection[int]) -> Plan:
    """Choose what to keep so that the slots ``needed`` can be had.

    Args:
        b: the builder of the known half.
        needed: what the linear half takes.
        own: the slots that the known half gives anyway.
        dear: the inputs of b that are not there anyway.
    """
    made = {eq.first: eq for eq in b.equations if eq.n_out == 1}
    return cheapest(b.types, made, needed, {*b.inputs, *own} - set(dear), usual)


def cheapest(
    types: Sequence[Type],
    made: Mapping[int, Equation],
    needed: Collection[int],
    there: Collection[int],
    prices: Prices,
) -> Plan:
    """The plan that costs least.

    Args:
        types: of all values.
        made: the equations that may be computed again, by their results.
        needed: what must be had.
        there: what costs nothing to keep.
        prices: what computing an equation again costs.
    """
    graph = _Graph(types, made, needed, set(there), prices)
    graph.take_what_is_there()
    graph.cut()
    kept = {s for s in needed if s not in graph.again}
    for s in graph.again:
        kept.update(x for x in made[s].operands if x not in graph.again)
    return Plan(sorted(kept), [made[s] for s in sorted(graph.again)])


def allowed(b: Builder, needed: Collection[int], policy: Policy) -> Plan:
    """Keep inputs and what the policy saves, and compute all else again.

    What has an effect is never repeated, so it is kept. A name speaks of the value that it is given
    to: derivatives take that one.
    """
    made = {y: eq for eq in b.equations for y in eq.results}
    named: dict[int, Op] = {}
    if policy.rule in ON_NAMES:
        named = {eq.operands[0]: eq.op for eq in b.equations if isinstance(eq.op, Named)}
    kept: set[int] = set()
    again: dict[int, Equation] = {}
    stack = list(needed)
    while stack:
        s = stack.pop()
        eq = made.get(s)
        if eq is None or eq.op.effects or _is_saved(eq, named.get(s, eq.op), policy):
            kept.add(s)
        elif eq.first not in again:
            again[eq.first] = eq
            stack += eq.operands
    return Plan(sorted(kept), [again[s] for s in sorted(again)])


def _is_saved(eq: Equation, called: Op, policy: Policy) -> bool:
    return bool(eq.operands) and not isinstance(eq.op, Named) and policy.saves(called)


class _Graph:
    """The values that could be computed again, and what each choice costs.

    ``again`` is what is computed again, ``there`` what costs nothing to take, ``price`` what it
    costs to compute a value once its operands are there, ``total`` the same from what is there.
    """

    def __init__(
        self,
        types: Sequence[Type],
        made: Mapping[int, Equation],
        needed: Collection[int],
        there: set[int],
        prices: Prices,
    ) -> None:
        self.types, self.made, self.there = types, made, there
        self.needed, self.prices = frozenset(needed), prices
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
            cost = self.prices(eq, self.types)
            if cost < inf:
                self.price[s] = cost
                stack += eq.operands
            elif s in self.needed:
                self.there.add(s)  # it must be kept, so others may use it
        return sorted(seen)

    def take_what_is_there(self) -> None:
        """Compute again what is needed and costs less so than kept, with nothing else kept."""
        total = self.total
        for s in self.values:
            if s in self.there:
                total[s] = 0.0
            elif s in self.price:
                total[s] = self.price[s] + sum([total[x] for x in self.made[s].operands])
                if s in self.needed and total[s] <= weight(self.types[s]):
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
        flow = _Flow(self)
        for s in sorted(self.needed):
            if self.total[s] > 0:
                flow.saturate(s)
        for node in flow.reached:
            if node & 1:
                self.again.add(node >> 1)
        for s in list(self.again):
            for x in self.made[s].operands:
                if self.total[x] == 0:
                    self._compute(x)


class _Flow:
    """A maximal flow, by augmenting paths, from what is needed to where everything can be had.

    A value v is two nodes: 2v, that it is needed, and 2v + 1, that it is computed. Between them
    flows at most its weight. From 2v + 1 any amount flows to its operands, and its price to the
    end; of a value that cannot be computed again, any amount. The network is never written down:
    a search asks for the edges that it meets.

    ``reached`` are the nodes that no further flow can leave; the values that are kept lie on its
    border.
    """

    def __init__(self, graph: _Graph) -> None:
        self.graph = graph
        self.through: dict[int, float] = {}  # between the two nodes of a value
        self.paid: dict[int, float] = {}  # from a value to the end
        self.drawn: dict[int, dict[int, float]] = {}  # operand -> value that it is for -> flow
        self.reached: set[int] = set()

    def saturate(self, s: int) -> None:
        """Send as much flow as possible from a needed value."""
        root = 2 * s
        while root not in self.reached:
            entered, ends = self._search(root)
            if not sum([self._push(entered, end) for end in ends]):
                self.reached.update(entered)

    def _search(self, root: int) -> tuple[dict[int, int], list[int]]:
        """The nodes that flow can reach, each with the one before, and those next to the end.

        A value that cannot be computed again takes any flow: there the search stops.
        """
        entered = {root: -1}
        stack = [root]
        ends = []
        price, paid, reached = self.graph.price, self.paid, self.reached
        while stack:
            node = stack.pop()
            v = node >> 1
            if node & 1:
                if v not in price:
                    return entered, [node]
                if v not in paid or paid[v] < price[v]:
                    ends.append(node)
                following = self._after_computed(v)
            else:
                following = self._after_needed(v)
            for other in following:
                if other not in entered and other not in reached:
                    entered[other] = node
                    stack.append(other)
        return entered, ends

    def _after_computed(self, v: int) -> list[int]:
        """Where flow can go from the node that v is computed."""
        total = self.graph.total
        out = [2 * x for x in self.graph.made[v].operands if total[x] > 0]
        if self.through.get(v, 0.0) > 0:
            out.append(2 * v)
        return out

    def _after_needed(self, v: int) -> list[int]:
        """Where flow can go from the node that v is needed."""
        out = []
        if v in self.drawn:
            out = [2 * c + 1 for c, flow in self.drawn[v].items() if flow > 0]
        if self.through.get(v, 0.0) < weight(self.graph.types[v]):
            out.append(2 * v + 1)
        return out

    def _push(self, entered: dict[int, int], end: int) -> float:
        """Send what has room on the path that ends here; returns how much that is."""
        v = end >> 1
        amount = self.graph.price.get(v, inf) - self.paid.get(v, 0.0)
        steps = []
        b, a = end, entered[end]
        while a >= 0:
            steps.append((a, b))
            amount = min(amount, self._room(a, b))
            b, a = a, entered[a]
        if amount > 0:
            self.paid[v] = self.paid.get(v, 0.0) + amount
            for a, b in steps:
                self._send(a, b, amount)
        return amount

    def _room(self, a: int, b: int) -> float:
        v, w = a >> 1, b >> 1
        if v == w:
            through = self.through.get(v, 0.0)
            return through if a & 1 else weight(self.graph.types[v]) - through
        return inf if a & 1 else self.drawn[v][w]

    def _send(self, a: int, b: int, amount: float) -> None:
        v, w = a >> 1, b >> 1
        if v == w:
            self.through[v] = self.through.get(v, 0.0) + (-amount if a & 1 else amount)
        elif a & 1:
            of = self.drawn.setdefault(w, {})
            of[v] = of.get(v, 0.0) + amount
        else:
            self.drawn[v][w] -= amount
