"""Word models: embeddings, skip-grams with negative samples, a bigram table, text by scan."""

from __future__ import annotations

from typing import Literal, TypeVar

import verax as vx
from tests.typed.data import floats, ints
from verax import F32, I32

N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Window(vx.Dim): ...


class Negatives(vx.Dim): ...


class Vocab(vx.Dim): ...


class Width(vx.Dim): ...


class Time(vx.Dim): ...


@vx.struct
class SkipGram:
    word: F32[Vocab, Width]
    context: F32[Vocab, Width]

    def loss(
        self, centre: I32[Batch], around: I32[Batch, Window], wrong: I32[Batch, Negatives]
    ) -> F32[()]:
        v = self.word[centre]
        near = vx.einsum("bwd,bd->bw", self.context[around], v)
        far = vx.einsum("bnd,bd->bn", self.context[wrong], v)
        return vx.softplus(-near).sum(axis=1).mean() + vx.softplus(far).sum(axis=1).mean()


def nearest(m: SkipGram, word: I32[()]) -> I32[()]:
    norms = vx.sqrt((m.word**2).sum(axis=1))
    scores = m.word @ m.word[word] / norms
    return vx.argmax(scores)


def bag(table: F32[Vocab, Width], tokens: I32[Batch, Time]) -> F32[Batch, Width]:
    return table[tokens].mean(axis=1)


def padded_bag(
    table: F32[Vocab, Width], tokens: I32[Batch, Time], length: I32[Batch]
) -> F32[Batch, Width]:
    real = vx.arange(tokens.shape[1]) < length[:, None]
    total = vx.where(real[..., None], table[tokens], 0.0).sum(axis=1)
    return total / length.astype(vx.float32)[:, None]


def bigrams(tokens: I32[Time], counts: F32[Vocab, Vocab]) -> F32[Vocab, Vocab]:
    counts = counts.at[tokens[:-1], tokens[1:]].add(1.0)
    return counts / counts.sum(axis=1, keepdims=True)


def one_hot_product(table: F32[Vocab, Width], tokens: I32[Batch]) -> F32[Batch, Width]:
    hit = vx.one_hot(tokens, table.shape[0], dtype=vx.float32)
    return hit @ table


def generated(p: F32[Vocab, Vocab], first: I32[()], key: vx.random.Key) -> I32[Literal[4]]:
    def step(token: I32[()], key: vx.random.Key) -> tuple[I32[()], I32[()]]:
        new: I32[()] = vx.random.categorical(key, vx.log(p[token]))
        return new, new

    _, tokens = vx.scan(step, first, vx.random.split(key, 4))
    return tokens


def perplexity(p: F32[Vocab, Vocab], tokens: I32[N]) -> F32[()]:
    return vx.exp(-vx.log(p[tokens[:-1], tokens[1:]]).mean())


def example() -> vx.AnyArray:
    m = SkipGram(floats(7, 4), floats(7, 4, seed=1))
    g = vx.grad(SkipGram.loss)(m, ints(7, 3), ints(7, 3, 2), ints(7, 3, 5))
    tokens = ints(7, 3, 6)
    p = bigrams(tokens[0], vx.ones((7, 7), vx.float32))
    text = generated(p, nearest(m, tokens[0, 0]), vx.random.key(0))
    lengths = vx.asarray([1, 3, 6], dtype=vx.int32)
    rows = bag(m.word, tokens) + padded_bag(m.word, tokens, lengths)
    return g.word.sum() + rows + one_hot_product(m.word, tokens[:, 0]) * perplexity(p, text)
