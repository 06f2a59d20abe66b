"""Programs over sequences: recurrent cells, attention, dynamic programming, decoding, packing."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(2)
FAR = 1e6


def lstm(params: Any, xs: Any) -> Any:
    """The states of an LSTM and its last cell."""

    def step(state: Any, x: Any) -> Any:
        h, c = state
        i, f, g, o = vx.split(params["x"] @ x + params["h"] @ h + params["b"], 4)
        c = vx.sigmoid(f + 1.0) * c + vx.sigmoid(i) * vx.tanh(g)
        h = vx.sigmoid(o) * vx.tanh(c)
        return (h, c), h

    zero = vx.zeros((2,), dtype=xs.dtype)
    (_, cell), states = vx.scan(step, (zero, zero), xs)
    return states, cell


def lstm_reference(params: Any, xs: Any) -> Any:
    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    h = c = np.zeros(2)
    states = []
    for x in xs:
        i, f, g, o = (params["x"] @ x + params["h"] @ h + params["b"]).reshape(4, 2)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states), c


def backward_gru(params: Any, xs: Any, length: Any) -> Any:
    """A GRU that comes from the end and starts where the padding after the length ends."""

    def step(h: Any, inputs: Any) -> Any:
        x, here = inputs
        z, r = vx.split(vx.sigmoid(params["gates"] @ vx.concat([x, h])), 2)
        new = vx.tanh(params["new"] @ vx.concat([x, r * h]))
        h = vx.where(here, (1.0 - z) * h + z * new, h)
        return h, h

    zero = vx.zeros((2,), dtype=xs.dtype)
    inside = vx.arange(xs.shape[0]) < length
    return vx.scan(step, zero, (xs, inside), reverse=True)[1]


def gru_reference(params: Any, xs: Any, length: Any) -> Any:
    h, out = np.zeros(2), np.zeros((len(xs), 2))
    for t in range(length)[::-1]:
        z, r = np.split(1 / (1 + np.exp(-params["gates"] @ np.r_[xs[t], h])), 2)
        out[t] = h = h + z * (np.tanh(params["new"] @ np.r_[xs[t], r * h]) - h)
    return out


def rotary_attention(q: Any, k: Any, v: Any) -> Any:
    """Causal attention between features that are turned by their position."""

    def turned(x: Any) -> Any:
        t = vx.arange(x.shape[0], dtype=x.dtype)[:, None]
        angle = t * 0.1 ** vx.arange(x.shape[1] // 2, dtype=x.dtype)
        even, odd = x[:, ::2], x[:, 1::2]
        c, s = vx.cos(angle), vx.sin(angle)
        return vx.stack([even * c - odd * s, even * s + odd * c], axis=-1).reshape(x.shape)

    scores = vx.einsum("t d, s d -> t s", turned(q), turned(k)) / q.shape[1] ** 0.5
    scores = vx.where(vx.nn.causal_mask(q.shape[0]), scores, -vx.finfo(scores.dtype).max)
    return vx.softmax(scores) @ v


def rotary_reference(q: Any, k: Any, v: Any) -> Any:
    def turned(x: Any) -> Any:
        angle = np.arange(len(x))[:, None] * 0.1 ** np.arange(x.shape[1] // 2)
        return (x[:, ::2] + 1j * x[:, 1::2]) * np.exp(1j * angle)

    scores = (turned(q) @ turned(k).conj().T).real / np.sqrt(q.shape[1])
    return np.stack([softmax(scores[t, : t + 1]) @ v[: t + 1] for t in range(len(q))])


def residual_network(layers: Any, x: Any) -> Any:
    """Layers with stacked parameters, each computed again in the backward pass."""

    @vx.checkpoint
    def layer(x: Any, p: Any) -> Any:
        return x + vx.gelu(vx.standardize(x) @ p["up"]) @ p["down"]

    return vx.scan(lambda x, p: (layer(x, p), None), x, layers)[0]


def residual_reference(layers: Any, x: Any) -> Any:
    for up, down in zip(layers["up"], layers["down"]):
        h = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) @ up
        x = x + h / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))) @ down
    return x


def beam_search(start: Any, move: Any) -> Any:
    """The scores and the tokens of the three best beams of a Markov chain."""
    beams, words = 3, start.shape[0]

    def step(state: Any, _: None) -> Any:
        scores, last = state
        totals = scores[:, None] + vx.log_softmax(move)[last]
        best, flat = vx.top_k(totals.ravel(), beams)
        return (best, flat % words), (flat // words, flat % words)

    def back(at: Any, choice: Any) -> Any:
        parent, token = choice
        return parent[at], token[at]

    first, tokens = vx.top_k(vx.log_softmax(start), beams)
    (scores, _), choices = vx.scan(step, (first, tokens), None, length=3)
    root, path = vx.scan(back, vx.arange(beams), choices, reverse=True)
    return scores, vx.concat([tokens[root][None], path])


def beam_reference(start: Any, move: Any) -> Any:
    beams = [(s, [i]) for i, s in enumerate(log_softmax(start))]
    for _ in range(3):
        beams = sorted(beams, reverse=True)[:3]
        steps = log_softmax(move, axis=1)
        beams = [(s + steps[p[-1], j], [*p, j]) for s, p in beams for j in range(len(start))]
    beams = sorted(beams, reverse=True)[:3]
    return np.array([s for s, _ in beams]), np.array([p for _, p in beams]).T


def greedy_decoding(embedding: Any, mix: Any) -> Any:
    """The likelihood of the best next token, again and again until token 0 comes."""

    def step(state: Any) -> Any:
        t, token, h, total = state
        h = vx.tanh(mix @ h + embedding[token])
        logits = vx.log_softmax(embedding @ h)
        token = vx.argmax(logits)
        return t + 1, token, h, total + logits[token]

    def goes_on(state: Any) -> Any:
        return (state[0] < 8) & (state[1] != 0)

    h = vx.full((mix.shape[0],), 0.1, dtype=mix.dtype)
    start = (vx.asarray(0), vx.asarray(1), h, vx.zeros((), dtype=mix.dtype))
    return vx.while_loop(goes_on, step, start, max_steps=8)


def greedy_reference(embedding: Any, mix: Any) -> Any:
    t, token, h, total = 0, 1, np.full(len(mix), 0.1), 0.0
    while t < 8 and token != 0:
        h = np.tanh(mix @ h + embedding[token])
        logits = log_softmax(embedding @ h)
        token = int(np.argmax(logits))
        t, total = t + 1, total + logits[token]
    return t, token, h, total


def ctc_loss(logits: Any, labels: Any) -> Any:
    """Connectionist temporal classification: all ways to stretch the labels, blank is 0."""
    states = vx.zeros((2 * labels.shape[0] + 1,), dtype=labels.dtype).at[1::2].set(labels)
    emissions = vx.log_softmax(logits)[:, states]
    before = vx.concat([vx.asarray([-1, -1], dtype=states.dtype), states[:-2]])
    skips = (states != 0) & (states != before)

    def shifted(alpha: Any, k: int) -> Any:
        return vx.concat([vx.full((k,), -FAR, dtype=alpha.dtype), alpha[:-k]])

    def step(alpha: Any, emission: Any) -> Any:
        two = vx.where(skips, shifted(alpha, 2), -FAR)
        return vx.logsumexp(vx.stack([alpha, shifted(alpha, 1), two]), axis=0) + emission, None

    start = vx.where(vx.arange(states.shape[0]) < 2, emissions[0], -FAR)
    return -vx.logsumexp(vx.scan(step, start, emissions[1:])[0][-2:])


def ctc_reference(logits: Any, labels: Any) -> Any:
    """The sum over all alignments."""
    p, total = softmax(logits, axis=1), 0.0
    for path in product(range(logits.shape[1]), repeat=len(logits)):
        merged = [k for i, k in enumerate(path) if k and (i == 0 or path[i - 1] != k)]
        if merged == list(labels):
            total += np.prod([p[t, k] for t, k in enumerate(path)])
    return -np.log(total)


def soft_warping(xs: Any, ys: Any) -> Any:
    """Soft dynamic time warping: a scan of rows, each a scan of cells."""

    def cell(left: Any, inputs: Any) -> Any:
        above, corner, cost = inputs
        value = cost - vx.logsumexp(-vx.stack([above, corner, left]))
        return value, value

    def row(above: Any, costs: Any) -> Any:
        values = vx.scan(cell, far, (above[1:], above[:-1], costs))[1]
        return vx.concat([far[None], values]), None

    far = vx.full((), FAR, dtype=xs.dtype)
    start = vx.full((ys.shape[0] + 1,), FAR, dtype=xs.dtype).at[0].set(0.0)
    return vx.scan(row, start, (xs[:, None] - ys) ** 2)[0][-1]


def warping_reference(xs: Any, ys: Any) -> Any:
    """Over all paths from corner to corner."""

    def paths(i: int, j: int) -> Any:
        if (i, j) == (0, 0):
            return [0.0]
        if min(i, j) == 0:
            return []
        came = paths(i - 1, j) + paths(i, j - 1) + paths(i - 1, j - 1)
        return [c + (xs[i - 1] - ys[j - 1]) ** 2 for c in came]

    return -logsumexp(-np.array(paths(len(xs), len(ys))))


def crf_marginals(emissions: Any, moves: Any) -> Any:
    """A linear chain: the marginals are the gradient of the logarithm of its partition."""

    def log_partition(emissions: Any) -> Any:
        def step(alpha: Any, emission: Any) -> Any:
            return vx.logsumexp(alpha[:, None] + moves, axis=0) + emission, None

        return vx.logsumexp(vx.scan(step, emissions[0], emissions[1:])[0])

    return vx.value_and_grad(log_partition)(emissions)


def crf_reference(emissions: Any, moves: Any) -> Any:
    """By all labellings."""
    n, k = emissions.shape
    total, marginals = 0.0, np.zeros((n, k))
    for path in product(range(k), repeat=n):
        score = sum(emissions[t, s] for t, s in enumerate(path))
        weight = np.exp(score + sum(moves[a, b] for a, b in pairwise(path)))
        total += weight
        marginals[range(n), path] += weight
    return np.log(total), marginals / total


def state_space(generators: Any, inputs: Any) -> Any:
    """States of a linear system that changes with time, by a scan over affine maps."""
    a = vx.eye(2, dtype=inputs.dtype) + 0.3 * generators

    def after(f: Any, g: Any) -> Any:
        return g[0] @ f[0], vx.matvec(g[0], f[1]) + g[1]

    return vx.associative_scan(after, (a, inputs))[1]


def state_space_reference(generators: Any, inputs: Any) -> Any:
    h, out = np.zeros(2), []
    for g, u in zip(generators, inputs):
        h = h + 0.3 * g @ h + u
        out.append(h)
    return np.stack(out)


def gumbel_sampling(logits: Any, rewards: Any, noise: Any) -> Any:
    """The surrogate loss of a policy whose actions are drawn with fixed noise."""
    actions = vx.argmax(logits + noise, axis=-1)
    chosen = vx.take_along_axis(vx.log_softmax(logits), actions[:, None], axis=-1)[:, 0]
    gains = rewards[vx.arange(rewards.shape[0]), actions]
    return -vx.mean(chosen * gains), actions


def gumbel_reference(logits: Any, rewards: Any, noise: Any) -> Any:
    actions = np.argmax(logits + noise, axis=1)
    rows = np.arange(len(actions))
    logs = log_softmax(logits, axis=1)
    return -np.mean(logs[rows, actions] * rewards[rows, actions]), actions


def packed_pooling(scores: Any, values: Any, lengths: Any) -> Any:
    """Attention pooling of sequences that lie one behind another in one array."""
    ends, n = vx.cumulative_sum(lengths), lengths.shape[0]
    ids = vx.searchsorted(ends, vx.arange(scores.shape[0]), side="right")
    weights = vx.exp(scores - vx.segment_max(scores, ids, n)[ids])
    weights = weights / vx.segment_sum(weights, ids, n)[ids]
    return vx.segment_sum(weights[:, None] * values, ids, n)


def packed_reference(scores: Any, values: Any, lengths: Any) -> Any:
    cuts = np.cumsum(lengths)[:-1]
    pairs = zip(np.split(scores, cuts), np.split(values, cuts))
    return np.stack([softmax(s) @ v for s, v in pairs])


def bigrams(weights: Any, tokens: Any) -> Any:
    """Counts of weighted pairs, and how likely the text is under them."""
    now, then = tokens[:-1], tokens[1:]
    counts = vx.full((3, 3), 0.5, dtype=weights.dtype).at[now, then].add(weights)
    probabilities = counts / vx.sum(counts, axis=1, keepdims=True)
    return counts, vx.sum(vx.log(probabilities[now, then]))


def bigrams_reference(weights: Any, tokens: Any) -> Any:
    counts = np.full((3, 3), 0.5)
    for a, b, w in zip(tokens, tokens[1:], weights):
        counts[a, b] += w
    pairs = list(pairwise(tokens))
    return counts, sum(np.log(counts[a, b] / counts[a].sum()) for a, b in pairs)


def stack_machine(inputs: Any, program: Any) -> Any:
    """Runs a program on a stack of numbers: a loop of a switch, with a place that moves."""

    def push(stack: Any, top: Any, operand: Any) -> Any:
        return stack.at[top].set(inputs[operand]), top + 1

    def binary(f: Any) -> Any:
        def run(stack: Any, top: Any, operand: Any) -> Any:
            return stack.at[top - 2].set(f(stack[top - 2], stack[top - 1])), top - 1

        return run

    def unary(stack: Any, top: Any, operand: Any) -> Any:
        return stack.at[top - 1].set(vx.sin(stack[top - 1])), top

    branches = [push, binary(vx.add), binary(vx.multiply), unary]

    def step(state: Any, instruction: Any) -> Any:
        code, operand = instruction
        return vx.switch(code, branches, *state, operand), None

    empty = (vx.zeros((3,), dtype=inputs.dtype), vx.zeros((), dtype=vx.int32))
    return vx.scan(step, empty, program)[0][0][0]


def stack_machine_reference(inputs: Any, program: Any) -> Any:
    a, b, c = inputs
    return np.sin(a * b + c) * a


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


LSTM = {"x": _normal(8, 3, scale=0.5), "h": _normal(8, 2, scale=0.5), "b": _normal(8)}
GRU = {"gates": _normal(4, 5, scale=0.5), "new": _normal(2, 5, scale=0.5)}
LAYERS = {
    "up": _normal(2, 4, 6, scale=0.4),
    "down": _normal(2, 6, 4, scale=0.4),
}
CASES = (
    Case("LSTM", lstm, (LSTM, _normal(4, 3)), (0, 1), lstm_reference),
    Case("backward GRU", backward_gru, (GRU, _normal(5, 3), np.array(3)), (0, 1), gru_reference),
    Case(
        "rotary attention",
        rotary_attention,
        (_normal(4, 4), _normal(4, 4), _normal(4, 2)),
        (0, 1, 2),
        rotary_reference,
    ),
    Case(
        "residual network with checkpoints",
        residual_network,
        (LAYERS, _normal(3, 4)),
        (0, 1),
        residual_reference,
    ),
    Case("beam search", beam_search, (_normal(5), _normal(5, 5)), (0, 1), beam_reference),
    Case(
        "greedy decoding",
        greedy_decoding,
        (_normal(4, 3), _normal(3, 3)),
        (0, 1),
        greedy_reference,
    ),
    Case("CTC loss", ctc_loss, (_normal(5, 3), np.array([1, 2, 2])), (0,), ctc_reference),
    Case("soft time warping", soft_warping, (_normal(4), _normal(3)), (0, 1), warping_reference),
    Case("CRF marginals", crf_marginals, (_normal(4, 3), _normal(3, 3)), (0, 1), crf_reference),
    Case(
        "state space model",
        state_space,
        (_normal(5, 2, 2), _normal(5, 2)),
        (0, 1),
        state_space_reference,
    ),
    Case(
        "Gumbel sampling",
        gumbel_sampling,
        (_normal(4, 3), _normal(4, 3), RNG.gumbel(size=(4, 3))),
        (0, 1),
        gumbel_reference,
    ),
    Case(
        "packed sequences",
        packed_pooling,
        (_normal(6), _normal(6, 2), np.array([2, 1, 3])),
        (0, 1),
        packed_reference,
    ),
    Case(
        "stack machine",
        stack_machine,
        (_normal(3), (np.array([0, 0, 2, 0, 1, 3, 0, 2]), np.array([0, 1, 0, 2, 0, 0, 0, 0]))),
        (0,),
        stack_machine_reference,
    ),
    Case(
        "bigrams",
        bigrams,
        (RNG.uniform(0.5, 2, 7), np.array([0, 1, 0, 1, 2, 2, 1, 0])),
        (0,),
        bigrams_reference,
    ),
)
