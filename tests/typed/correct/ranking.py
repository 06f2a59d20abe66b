"""Sorting, top-k, searching and losses of rankings."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32


class Queries(vx.Dim): ...


class Items(vx.Dim): ...


class Feat(vx.Dim): ...


def scores(q: F32[Queries, Feat], items: F32[Items, Feat]) -> F32[Queries, Items]:
    return q @ items.T


def best(s: F32[Queries, Items]) -> tuple[F32[Queries, Literal[2]], I32[Queries, Literal[2]]]:
    values, at = vx.top_k(s, 2)
    return values, at


def in_order(s: F32[Queries, Items]) -> F32[Queries, Items]:
    return vx.sort(s, axis=-1, descending=True)


def ranks(s: F32[Queries, Items]) -> I32[Queries, Items]:
    return vx.argsort(vx.argsort(-s, axis=1), axis=1)


def recall(s: F32[Queries, Items], true: I32[Queries]) -> F32[()]:
    _, at = best(s)
    hits = (at == true[:, None]).any(axis=1)
    return hits.astype(vx.float32).mean()


def reciprocal_rank(s: F32[Queries, Items], true: I32[Queries]) -> F32[()]:
    place = vx.take_along_axis(ranks(s), true[:, None], axis=1)[:, 0]
    return (1.0 / (place.astype(vx.float32) + 1.0)).mean()


def pairwise(s: F32[Queries, Items], gain: F32[Queries, Items]) -> F32[()]:
    difference = s[:, :, None] - s[:, None, :]
    better = (gain[:, :, None] > gain[:, None, :]).astype(vx.float32)
    return (better * vx.softplus(-difference)).sum() / vx.maximum(better.sum(), 1.0)


def discounted(gain: F32[Queries, Items]) -> F32[Queries]:
    at = vx.arange(gain.shape[1], dtype=vx.float32)
    return (gain / vx.log2(at + 2.0)).sum(axis=1)


def normalized_gain(s: F32[Queries, Items], gain: F32[Queries, Items]) -> F32[Queries]:
    order = vx.argsort(-s, axis=1)
    found = discounted(vx.take_along_axis(gain, order, axis=1))
    return found / discounted(in_order(gain))


def median_gap(s: F32[Queries, Items]) -> F32[Queries]:
    return s.max(axis=1) - vx.median(s, axis=1)


def bucketed(s: F32[Items], edges: F32[Literal[3]]) -> I32[Items]:
    return vx.searchsorted(edges, s)


def example() -> vx.AnyArray:
    q, items, true = floats(4, 3), floats(6, 3), ints(6, 4)
    s = scores(q, items)
    gain = vx.exp(floats(4, 6))
    total = recall(s, true) + reciprocal_rank(s, true) + pairwise(s, gain) + median_gap(s).sum()
    buckets = bucketed(s[0], vx.asarray([-1.0, 0.0, 1.0]))
    return total + normalized_gain(s, gain) + buckets.sum().astype(vx.float32)
