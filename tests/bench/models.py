"""The models that both sides run: written once, over a namespace ``m`` with NumPy's names."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    """Small float32 normals."""
    return (RNG.standard_normal(shape) * 0.1).astype(np.float32)


def mlp_params(layers: int = 8, width: int = 32) -> Any:
    return [(normal(width, width), normal(width)) for _ in range(layers)]


def mlp(m: Any, params: Any, x: Any) -> Any:
    for w, b in params:
        x = m.tanh(x @ w + b)
    return m.sum(x * x)


def chain(m: Any, x: Any, n: int = 1000) -> Any:
    """About n elementwise equations."""
    for _ in range(n // 4):
        x = m.sin(x) * x + m.tanh(x)
    return m.sum(x)


def transformer_params(layers: int, width: int, heads: int, vocab: int) -> Any:
    size = width // heads

    def block() -> Any:
        return {
            "q": normal(width, heads, size),
            "k": normal(width, heads, size),
            "v": normal(width, heads, size),
            "o": normal(heads, size, width),
            "up": normal(width, 4 * width),
            "down": normal(4 * width, width),
            "s1": normal(width) + 1,
            "b1": normal(width),
            "s2": normal(width) + 1,
            "b2": normal(width),
        }

    return {
        "embed": normal(vocab, width),
        "out": normal(width, vocab),
        "blocks": [block() for _ in range(layers)],
    }


def layer_norm(m: Any, x: Any, scale: Any, bias: Any) -> Any:
    c = x - m.mean(x, axis=-1, keepdims=True)
    v = m.mean(c * c, axis=-1, keepdims=True)
    return c / m.sqrt(v + 1e-5) * scale + bias


def softmax(m: Any, x: Any) -> Any:
    e = m.exp(x - m.stop_gradient(m.max(x, axis=-1, keepdims=True)))
    return e / m.sum(e, axis=-1, keepdims=True)


def transformer(m: Any, p: Any, tokens: Any, targets: Any) -> Any:
    """The mean cross entropy of a pre-norm transformer; ``targets`` are one-hot rows."""
    x = m.take(p["embed"], tokens)
    for k in p["blocks"]:
        h = layer_norm(m, x, k["s1"], k["b1"])
        q, key, v = (m.einsum("btd,dhe->bhte", h, k[w]) for w in ("q", "k", "v"))
        a = softmax(m, m.einsum("bhte,bhse->bhts", q, key) * q.shape[-1] ** -0.5)
        x = x + m.einsum("bhte,hed->btd", m.einsum("bhts,bhse->bhte", a, v), k["o"])
        h = layer_norm(m, x, k["s2"], k["b2"])
        x = x + m.tanh(h @ k["up"]) @ k["down"]
    logits = x @ p["out"]
    z = logits - m.stop_gradient(m.max(logits, axis=-1, keepdims=True))
    return m.mean(m.log(m.sum(m.exp(z), axis=-1)) - m.sum(z * targets, axis=-1))


def transformer_batch(batch: int, length: int, vocab: int) -> Any:
    tokens = RNG.integers(0, vocab, (batch, length)).astype(np.int32)
    targets = np.eye(vocab, dtype=np.float32)[RNG.integers(0, vocab, (batch, length))]
    return tokens, targets
