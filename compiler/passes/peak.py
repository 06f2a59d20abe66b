"""The most memory that a program needs at once, predicted as XLA on CPU lays it out.

Counted are results and temporaries; arguments belong to the caller. XLA writes values into memory
where a kernel ends: pointwise chains, broadcasts and constants are computed where they are used
(the roles of fence.py), and keep alive what they read; an operation that makes a kernel by itself
may take the place of an operand. A product needs a copy of a left operand whose summed dimension
does not stand last. XLA starts what is ready first, breadth first, so that only barriers hold
anything back: that order is followed here.

Law: on the programs of the tests the prediction is within a factor of 1.5 of XLA's own layout.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.program import Equation, Program
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.values import weight
from verax.compiler.passes.fence import role
from verax.compiler.passes.prices import FAIR, price
from verax.compiler.passes.segment import Schedule

HOLDS = frozenset({"barrier", "cut", "fence"})
"""The names of the ops that nothing passes before all their operands are there."""
ALIASES = HOLDS | {"reshape", "shard", "stop_gradient", "named"}
"""The names of the ops whose results lie where their operands do."""


class Peak(NamedTuple):
    """When a program needs most.

    Args:
        nbytes: how much that is.
        values: what is alive there, but for inputs and copies, largest first.
    """

    nbytes: int
    values: tuple[int, ...]


@lru_cache(1024)
def peak(p: Program) -> Peak:
    """What p needs at once, beside its inputs."""
    kernels = _Kernels(p)
    return kernels.most(_breadth_first(kernels.nodes))


def peak_of_steps(schedule: Schedule, n_in: int) -> int:
    """What a program needs that runs part by part: what lies between the parts, and the most that
    one of them needs beside what it gives."""
    steps = schedule.steps
    last = {x: k for k, step in enumerate(steps) for x in step.operands}
    last.update(dict.fromkeys(schedule.outs, len(steps)))
    size: dict[int, int] = {}
    now = most = 0
    for k, step in enumerate(steps):
        most = max(most, now + peak(step.part).nbytes)
        size.update(zip(step.results, map(weight, step.part.out_types)))
        now += sum([size[y] for y in step.results])
        over = [x for x in {*step.operands, *step.results} if last.get(x, k) == k and x >= n_in]
        now -= sum([size[x] for x in over])
    return most


class _Node(NamedTuple):
    """A kernel, or a barrier.

    Args:
        after: the nodes that run before it.
        reads, writes: buffers; a buffer is the value that it holds, or below zero a copy.
        in_place: whether the result may lie where an operand does that dies.
        inside: bytes that it needs while it runs.
    """

    after: frozenset[int]
    reads: frozenset[int]
    writes: tuple[int, ...]
    in_place: bool = False
    inside: int = 0


class _Source(NamedTuple):
    """What reading a value means: the nodes to wait for, and the buffers to read."""

    nodes: frozenset[int]
    buffers: frozenset[int]


_NOTHING = _Source(frozenset(), frozenset())


class _Kernels:
    """A program as kernels."""

    def __init__(self, p: Program) -> None:
        self.p = p
        self.stored = _stored(p)
        self.size: dict[int, int] = {}
        self.nodes: list[_Node] = []
        self.sources: list[_Source] = [_NOTHING] * p.n_in
        for eq in p.equations:
            self._add(eq)
        self.kept = frozenset[int]().union(*[self.sources[o].buffers for o in p.outs])

    def _add(self, eq: Equation) -> None:
        ins = [self.sources[x] for x in eq.operands]
        if eq.op.name in HOLDS:
            node = self._node(ins, ())
            self.sources += [_Source(frozenset([node]), s.buffers) for s in ins]
        elif eq.op.name in ALIASES or not self.stored[eq.first]:
            self.sources += [_joined(ins)] * eq.n_out
        else:
            ins += [self._copy(s, x) for s, x in zip(ins, eq.operands) if _is_turned(eq, x)]
            for y in eq.results:
                self.size[y] = weight(self.p.types[y])
            alone = role(eq.op) == "fused" and all(self.stored[x] for x in eq.operands)
            node = self._node(ins, tuple(eq.results), alone, _inside(eq, self.p))
            self.sources += [_Source(frozenset([node]), frozenset([y])) for y in eq.results]

    def _copy(self, source: _Source, x: int) -> _Source:
        """A copy of value x, made by a kernel of its own."""
        buffer = -1 - len(self.nodes)
        self.size[buffer] = weight(self.p.types[x])
        node = self._node([source], (buffer,))
        return _Source(frozenset([node]), frozenset([buffer]))

    def _node(
        self,
        ins: Iterable[_Source],
        writes: tuple[int, ...],
        in_place: bool = False,
        inside: int = 0,
    ) -> int:
        source = _joined(ins)
        self.nodes.append(_Node(source.nodes, source.buffers, writes, in_place, inside))
        return len(self.nodes) - 1

    def most(self, order: Sequence[int]) -> Peak:
        """The peak when the kernels run in this order."""
        last: dict[int, int] = {}
        for i, n in enumerate(order):
            last.update(dict.fromkeys((*self.nodes[n].writes, *self.nodes[n].reads), i))
        ends: dict[int, list[int]] = {}
        for v, i in last.items():
            if v not in self.kept:
                ends.setdefault(i, []).append(v)
        now = most = 0
        alive: set[int] = set()
        there: frozenset[int] = frozenset()
        for i, n in enumerate(order):
            node = self.nodes[n]
            made, over = self._bytes(node.writes), self._bytes(ends.get(i, ()))
            needs = now + node.inside + (max(0, made - over) if node.in_place else made)
            alive.update(node.writes)
            if needs > most:
                most, there = needs, frozenset(alive)
            alive.difference_update(ends.get(i, ()))
            now += made - over
        p = self.p
        copies = sum([weight(p.types[o]) for o in p.outs if not self.sources[o].buffers])
        values = [v for v in there if v >= 0]
        return Peak(most + copies, tuple(sorted(values, key=lambda v: (-self.size[v], v))))

    def _bytes(self, buffers: Iterable[int]) -> int:
        return sum([self.size[v] for v in buffers])


def _joined(sources: Iterable[_Source]) -> _Source:
    nodes: set[int] = set()
    buffers: set[int] = set()
    for s in sources:
        nodes |= s.nodes
        buffers |= s.buffers
    return _Source(frozenset(nodes), frozenset(buffers))


def _breadth_first(nodes: Sequence[_Node]) -> list[int]:
    """The order in which nodes become ready."""
    users: list[list[int]] = [[] for _ in nodes]
    waits = [len(node.after) for node in nodes]
    for n, node in enumerate(nodes):
        for before in node.after:
            users[before].append(n)
    ready = deque([n for n, count in enumerate(waits) if count == 0])
    order = []
    while ready:
        n = ready.popleft()
        order.append(n)
        for user in users[n]:
            waits[user] -= 1
            if waits[user] == 0:
                ready.append(user)
    return order


def _stored(p: Program) -> list[bool]:
    """Which values are written down: results of kernels of their own, and what they read.

    A fused value is, too, where several kernels would compute it and that is not cheap.
    """
    stored = [False] * len(p.types)
    users: list[set[int]] = [set() for _ in p.types]
    for eq in p.equations:
        reads = role(eq.op) == "stored" and eq.op.name not in ALIASES
        for x in eq.operands:
            stored[x] |= reads or eq.op.name in HOLDS
            users[x].add(eq.first)
    for o in p.outs:
        stored[o] = True
    for eq in reversed(p.equations):
        if eq.op.name in ALIASES:
            for x, y in zip(eq.operands, eq.results):
                stored[x] |= stored[y]
    heavy = [False] * len(p.types)
    for eq in p.equations:
        kind, y = role(eq.op), eq.first
        if kind == "fused":
            heavy[y] = price(eq.op) >= FAIR or any(heavy[x] for x in eq.operands)
            stored[y] |= heavy[y] and len(users[y]) > 1
            heavy[y] &= not stored[y]
        elif eq.op.name not in ALIASES:
            stored[y : y + eq.n_out] = [kind != "free"] * eq.n_out
    return stored


def _is_turned(eq: Equation, x: int) -> bool:
    """Whether a product needs a copy of x, its left operand: what is summed does not stand last."""
    op = eq.op
    if not isinstance(op, Contract) or len(op.ins) != 2 or x != eq.operands[0]:
        return False
    left, right = op.ins
    summed = [f in right and f not in op.out for f in left]
    return any(summed) and not summed[-1]


def _inside(eq: Equation, p: Program) -> int:
    """What the programs inside an op need while it runs."""
    if not eq.op.programs:
        return 0
    most = max([peak(q).nbytes for q in eq.op.programs])
    if isinstance(eq.op, Scan | While):
        return most
    return max(0, most - sum([weight(p.types[y]) for y in eq.results]))
