"""Programs that learn: layers, routing, losses, steps of optimisers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.signal import correlate
from scipy.special import log_softmax, softmax

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(3)


def adam_steps(weights: Any, xs: Any, ys: Any) -> Any:
    """Four steps of Adam on a ridge regression, and the losses on the way."""
    optimizer = vx.optim.adam(0.1, eps=1e-3)

    def loss(w: Any) -> Any:
        return vx.mean((xs @ w["w"] + w["b"] - ys) ** 2) + 0.1 * vx.sum(w["w"] ** 2)

    def step(state: Any, _: None) -> Any:
        w, moments = state
        value, g = vx.value_and_grad(loss)(w)
        updates, moments = optimizer.update(g, moments, w)
        return (vx.optim.apply_updates(w, updates), moments), value

    (w, _), losses = vx.scan(step, (weights, optimizer.init(weights)), None, length=4)
    return w, losses


def adam_reference(weights: Any, xs: Any, ys: Any) -> Any:
    design = np.c_[ys * 0 + 1, xs]
    w = np.r_[weights["b"], weights["w"]]
    decay = np.r_[0, np.full(len(weights["w"]), 0.1)]
    m, v, losses = 0 * w, 0 * w, []
    for t in range(1, 5):
        error = design @ w - ys
        losses.append(np.mean(error**2) + decay @ w**2)
        g = 2 * design.T @ error / len(ys) + 2 * decay * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-3)
    return {"b": w[0], "w": w[1:]}, np.array(losses)


def convnet(params: Any, images: Any, labels: Any) -> Any:
    """Convolution, pooling and a classifier: the loss of a batch of images."""
    h = vx.conv_general_dilated(
        images, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    h = vx.nn.max_pool(vx.relu(h + params["bias"]), (2, 2), 2)
    logits = vx.log_softmax(h.reshape((h.shape[0], -1)) @ params["dense"])
    return -vx.mean(vx.take_along_axis(logits, labels[:, None], axis=-1))


def convnet_reference(params: Any, images: Any, labels: Any) -> Any:
    total = 0.0
    for image, label in zip(images, labels):
        maps = [
            sum(
                correlate(np.pad(image[..., i], 1), params["kernel"][..., i, o], "valid")
                for i in range(image.shape[-1])
            )
            for o in range(params["kernel"].shape[-1])
        ]
        h = np.maximum(np.stack(maps, -1) + params["bias"], 0)
        a, b, c = h.shape
        h = h.reshape(a // 2, 2, b // 2, 2, c).max(axis=(1, 3))
        total -= log_softmax(h.ravel() @ params["dense"])[label]
    return total / len(images)


def mixture_of_experts(gate: Any, experts: Any, xs: Any) -> Any:
    """Each row goes to its two best experts, if they still have room; and the balance loss."""
    experts_count, capacity = experts.shape[0], 3
    probabilities = vx.softmax(xs @ gate)
    weights, chosen = vx.top_k(probabilities, 2)
    weights = (weights / vx.sum(weights, axis=-1, keepdims=True)).ravel()
    to, rows = chosen.ravel(), vx.repeat(vx.arange(xs.shape[0]), 2)
    place = vx.cumulative_sum(vx.one_hot(to, experts_count, dtype=vx.int32), axis=0)
    place = vx.take_along_axis(place, to[:, None], axis=1)[:, 0] - 1
    slots = vx.zeros((experts_count, capacity, xs.shape[1]), dtype=xs.dtype)
    slots = slots.at[to, place].add(xs[rows])  # a place beyond the capacity is dropped
    outputs = vx.tanh(vx.einsum("e c d, e d f -> e c f", slots, experts))
    back = vx.where((place < capacity)[:, None], outputs[to, place], 0.0)
    load = vx.mean(vx.one_hot(chosen[:, 0], experts_count, dtype=xs.dtype), axis=0)
    balance = experts_count * vx.sum(load * vx.mean(probabilities, axis=0))
    return vx.segment_sum(weights[:, None] * back, rows, xs.shape[0]), balance


def mixture_reference(gate: Any, experts: Any, xs: Any) -> Any:
    probabilities = softmax(xs @ gate, axis=1)
    out, full, load = np.zeros((len(xs), experts.shape[2])), np.zeros(3), np.zeros(3)
    for x, p, y in zip(xs, probabilities, out):
        best = np.argsort(-p)[:2]
        load[best[0]] += 1 / len(xs)
        for e in best:
            if full[e] < 3:
                y += p[e] / p[best].sum() * np.tanh(x @ experts[e])
            full[e] += 1
    return out, 3 * load @ probabilities.mean(0)


def graph_attention(params: Any, nodes: Any, edges: Any) -> Any:
    """Messages over a list of edges, weighed by a softmax over neighbours."""
    n, (sources, targets) = nodes.shape[0], edges
    h = nodes @ params["weight"]
    s = h @ params["score"]
    pull = vx.leaky_relu(s[sources] - s[targets])
    share = vx.exp(pull - vx.segment_max(pull, targets, n)[targets])
    share = share / vx.segment_sum(share, targets, n)[targets]
    return vx.elu(vx.segment_sum(share[:, None] * h[sources], targets, n))


def graph_reference(params: Any, nodes: Any, edges: Any) -> Any:
    n = len(nodes)
    near = np.zeros((n, n), bool)
    near[edges[1], edges[0]] = True
    h = nodes @ params["weight"]
    s = h @ params["score"]
    pull = s - s[:, None]
    pull = np.where(near, np.where(pull > 0, pull, 0.01 * pull), -np.inf)
    mixed = softmax(pull, axis=1) @ h
    return np.where(mixed > 0, mixed, np.expm1(mixed))


def policy_loss(values: Any, logits: Any, episode: Any) -> Any:
    """Generalised advantages by a reverse scan, and the clipped loss of PPO."""
    rewards, going, actions, old = episode

    def step(later: Any, inputs: Any) -> Any:
        reward, goes_on, now, then = inputs
        advantage = reward + 0.99 * goes_on * then - now + 0.95 * 0.99 * goes_on * later
        return advantage, advantage

    zero = vx.zeros((), dtype=values.dtype)
    advantages = vx.scan(step, zero, (rewards, going, values[:-1], values[1:]), reverse=True)[1]
    logs = vx.log_softmax(logits)[vx.arange(actions.shape[0]), actions]
    ratio = vx.exp(logs - old)
    gain = vx.minimum(ratio * advantages, vx.clip(ratio, 0.8, 1.2) * advantages)
    entropy = -vx.sum(vx.softmax(logits) * vx.log_softmax(logits), axis=-1)
    return -vx.mean(gain + 0.01 * entropy), advantages


def policy_reference(values: Any, logits: Any, episode: Any) -> Any:
    rewards, going, actions, old = episode
    n = len(rewards)
    errors = rewards + 0.99 * going * values[1:] - values[:-1]
    advantages = np.zeros(n)
    for t in range(n):
        weight = 1.0
        for s in range(t, n):
            advantages[t] += weight * errors[s]
            weight *= 0.95 * 0.99 * going[s]
    logs = log_softmax(logits, axis=1)
    ratio = np.exp(logs[range(n), actions] - old)
    gain = np.minimum(ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages)
    return -np.mean(gain - 0.01 * (np.exp(logs) * logs).sum(1)), advantages


def batch_norm(params: Any, running: Any, xs: Any) -> Any:
    """A normalised batch, and the statistics that evaluation will use."""
    mean, variance, n = vx.mean(xs, axis=0), vx.var(xs, axis=0), xs.shape[0]
    y = (xs - mean) * vx.rsqrt(variance + 1e-3) * params["scale"] + params["shift"]
    now = {"mean": mean, "variance": variance * (n / (n - 1))}
    return vx.silu(y), vx.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, now)


def batch_norm_reference(params: Any, running: Any, xs: Any) -> Any:
    y = (xs - xs.mean(0)) / np.sqrt(xs.var(0) + 1e-3) * params["scale"] + params["shift"]
    mean = 0.9 * running["mean"] + 0.1 * xs.mean(0)
    variance = 0.9 * running["variance"] + 0.1 * xs.var(0, ddof=1)
    return y / (1 + np.exp(-y)), {"mean": mean, "variance": variance}


def contrastive_loss(images: Any, texts: Any, temperature: Any) -> Any:
    """How well pairs find each other, both ways."""
    u, v = (x / vx.norm(x, axis=-1, keepdims=True) for x in (images, texts))
    scores = u @ v.mT * vx.exp(temperature)
    rows, columns = vx.logsumexp(scores, axis=1), vx.logsumexp(scores, axis=0)
    return vx.mean(rows + columns - 2.0 * vx.diagonal(scores)) / 2.0


def contrastive_reference(images: Any, texts: Any, temperature: Any) -> Any:
    u, v = (x / np.sqrt((x**2).sum(1))[:, None] for x in (images, texts))
    s = np.exp(temperature) * u @ v.T
    n = np.arange(len(s))
    return -(log_softmax(s, axis=1)[n, n] + log_softmax(s, axis=0)[n, n]).mean() / 2


def distillation(student: Any, teacher: Any, xs: Any) -> Any:
    """The student learns from a teacher that stands still."""
    targets = vx.stop_gradient(vx.softmax(xs @ teacher / 2.0))
    return -vx.mean(vx.sum(targets * vx.log_softmax(xs @ student / 2.0), axis=-1))


def distillation_reference(student: Any, teacher: Any, xs: Any) -> Any:
    targets, logs = softmax(xs @ teacher / 2, axis=1), log_softmax(xs @ student / 2, axis=1)
    return -(targets * logs).sum() / len(xs)


def hard_triplets(points: Any, labels: Any) -> Any:
    """The triplet loss with the two hardest others of each point."""
    d = vx.sum((points[:, None] - points) ** 2, axis=-1)
    same = labels[:, None] == labels
    farthest = vx.max(vx.where(same, d, -1.0), axis=1)
    others = vx.sort(vx.where(same, vx.finfo(d.dtype).max, d), axis=1)[:, :2]
    return vx.mean(vx.relu(vx.sqrt(farthest)[:, None] - vx.sqrt(others) + 1.0))


def triplets_reference(points: Any, labels: Any) -> Any:
    total = 0.0
    for x, label in zip(points, labels):
        d = np.linalg.norm(points - x, axis=1)
        hard = sorted(d[labels != label])[:2]
        total += sum(max(0, max(d[labels == label]) - h + 1) for h in hard)
    return total / len(points) / 2


def language_model(model: Any, tokens: Any) -> Any:
    """The loss of a small language model made of layers, in doubles."""
    x = model["embedding"][tokens]
    x = x + model["attention"](model["norm"](x), vx.nn.causal_mask(tokens.shape[-1]))
    logits = model["norm"](x)[..., :-1, :] @ model["embedding"].mT
    return vx.mean(vx.nn.cross_entropy(logits, tokens[..., 1:]))


def language_reference(model: Any, tokens: Any) -> Any:
    def norm(x: Any) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * model["norm"].scale + model["norm"].bias

    def turned(x: Any) -> Any:
        n = x.shape[-1] // 2
        z = (x[..., :n] + 1j * x[..., n:]).swapaxes(0, 1)
        return z * np.exp(1j * np.outer(np.arange(len(tokens)), 1e4 ** (-np.arange(n) / n)))

    embedding, p = model["embedding"], model["attention"]
    x = embedding[tokens]
    q, k, v = (np.einsum("tw,whs->ths", norm(x), w) for w in (p.query, p.key, p.value))
    scores = (turned(q) @ turned(k).conj().swapaxes(1, 2)).real / np.sqrt(q.shape[-1])
    scores = softmax(np.where(np.tri(len(tokens)), scores, -np.inf), axis=-1)
    x = x + np.einsum("htu,uhs,hsw->tw", scores, v, p.out)
    logs = log_softmax(norm(x) @ embedding.T, axis=-1)
    return -np.mean(logs[np.arange(len(tokens) - 1), tokens[1:]])


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


CONVNET = {"kernel": _normal(3, 3, 2, 3), "bias": _normal(3), "dense": _normal(12, 3)}
MODEL = {
    "embedding": _normal(5, 4),
    "attention": vx.nn.MultiHeadAttention(
        query=_normal(4, 1, 4), key=_normal(4, 1, 4), value=_normal(4, 1, 4), out=_normal(1, 4, 4)
    ),
    "mlp": vx.nn.MLP(vx.nn.Linear(_normal(4, 5), None), vx.nn.Linear(_normal(5, 4), None), vx.gelu),
    "norm": vx.nn.LayerNorm(1.0 + _normal(4, scale=0.1), _normal(4)),
}
GRAPH = {"weight": _normal(3, 3), "score": _normal(3)}
EDGES = np.array([[0, 1, 2, 3, 0, 2, 1], [1, 0, 1, 0, 2, 3, 3]])
EPISODE = (
    _normal(5),
    np.array([1.0, 1.0, 0.0, 1.0, 1.0]),
    np.array([0, 2, 1, 1, 0]),
    RNG.uniform(-2, -0.5, 5),
)
CASES = (
    Case(
        "Adam steps",
        adam_steps,
        ({"w": _normal(3), "b": np.array(0.5)}, _normal(5, 3), _normal(5)),
        (0, 1, 2),
        adam_reference,
    ),
    Case(
        "convnet",
        convnet,
        (CONVNET, _normal(2, 4, 4, 2), np.array([2, 0])),
        (0, 1),
        convnet_reference,
    ),
    Case(
        "mixture of experts",
        mixture_of_experts,
        (_normal(3, 3), _normal(3, 3, 2), _normal(5, 3)),
        (0, 1, 2),
        mixture_reference,
    ),
    Case(
        "graph attention",
        graph_attention,
        (GRAPH, _normal(4, 3), EDGES),
        (0, 1),
        graph_reference,
    ),
    Case(
        "language model",
        language_model,
        (MODEL, np.array([0, 3, 1, 4])),
        (0,),
        language_reference,
    ),
    Case(
        "policy loss", policy_loss, (_normal(6), _normal(5, 3), EPISODE), (0, 1), policy_reference
    ),
    Case(
        "batch norm",
        batch_norm,
        (
            {"scale": RNG.uniform(1, 2, 3), "shift": _normal(3)},
            {"mean": _normal(3), "variance": RNG.uniform(1, 2, 3)},
            _normal(4, 3),
        ),
        (0, 1, 2),
        batch_norm_reference,
    ),
    Case(
        "contrastive loss",
        contrastive_loss,
        (_normal(3, 4), _normal(3, 4), np.array(0.5)),
        (0, 1, 2),
        contrastive_reference,
    ),
    Case(
        "distillation",
        distillation,
        (_normal(3, 4), _normal(3, 4), _normal(2, 3)),
        (0,),  # no derivative goes to the teacher
        distillation_reference,
    ),
    Case(
        "hard triplets",
        hard_triplets,
        (_normal(5, 2), np.array([0, 1, 0, 1, 0])),
        (0,),
        triplets_reference,
    ),
)
