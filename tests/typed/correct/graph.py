"""Graph networks: messages along edges, segment sums, attention over neighbours, masks."""

from __future__ import annotations

from typing import NamedTuple

import verax as vx
from tests.typed.data import floats, ints, positive
from verax import F32, I32, Bool


class Nodes(vx.Dim): ...


class Edges(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Graph(NamedTuple):
    nodes: F32[Nodes, Feat]
    source: I32[Edges]
    target: I32[Edges]


@vx.struct
class Layer:
    own: F32[Feat, Hid]
    message: F32[Feat, Hid]
    query: F32[Hid]

    def __call__(self, g: Graph) -> F32[Nodes, Hid]:
        sent: F32[Edges, Hid] = (g.nodes @ self.message)[g.source]
        got = gathered(sent, g)
        return vx.relu(g.nodes @ self.own + got)

    def attend(self, g: Graph) -> F32[Nodes, Hid]:
        h = g.nodes @ self.message
        score = vx.leaky_relu(h[g.source] + h[g.target]) @ self.query
        weight = normalized(score, g)
        return gathered(h[g.source] * weight[:, None], g)


def gathered(sent: F32[Edges, Hid], g: Graph) -> F32[Nodes, Hid]:
    zero: F32[Nodes, Hid] = vx.zeros((g.nodes.shape[0], sent.shape[1]), vx.float32)
    return zero.at[g.target].add(sent)


def normalized(score: F32[Edges], g: Graph) -> F32[Edges]:
    zero: F32[Nodes] = vx.zeros((g.nodes.shape[0],), vx.float32)
    top = (zero - 1e9).at[g.target].max(score)
    e = vx.exp(score - top[g.target])
    return e / zero.at[g.target].add(e)[g.target]


def degree(g: Graph) -> F32[Nodes]:
    zero: F32[Nodes] = vx.zeros((g.nodes.shape[0],), vx.float32)
    return zero.at[g.target].add(1.0)


def masked_mean(x: F32[Nodes, Feat], keep: Bool[Nodes]) -> F32[Feat]:
    total = vx.where(keep[:, None], x, 0.0).sum(axis=0)
    return total / vx.maximum(keep.astype(vx.float32).sum(), 1.0)


def adjacency(g: Graph) -> F32[Nodes, Nodes]:
    n = g.nodes.shape[0]
    zero: F32[Nodes, Nodes] = vx.zeros((n, n), vx.float32)
    return zero.at[g.target, g.source].add(1.0)


def page_rank(a: F32[Nodes, Nodes], steps: int) -> F32[Nodes]:
    n = a.shape[0]
    out = vx.maximum(a.sum(axis=0), 1.0)
    start: F32[Nodes] = vx.full((n,), 1.0 / n, vx.float32)
    return vx.fori_loop(0, steps, lambda _, r: 0.15 / n + 0.85 * (a @ (r / out)), start)


def example() -> vx.AnyArray:
    g = Graph(floats(5, 3), ints(5, 8), ints(5, 8, seed=1))
    layer = Layer(floats(3, 4), floats(3, 4, seed=1), floats(4))
    out = layer(g) + layer.attend(g) + (degree(g) + page_rank(adjacency(g), 3))[:, None]
    return out.sum() + masked_mean(g.nodes, positive(5) > 0.5)
