"""Layers against plain NumPy, their shapes, and what they keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verax as vx

KEY = vx.random.key
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def test_linear() -> None:
    layer = vx.nn.Linear.init(5, 3, key=KEY(0))
    x = normal(2, 4, 5)
    np.testing.assert_allclose(layer(vx.asarray(x)).numpy(), x @ layer.weight.numpy(), rtol=1e-5)
    assert layer.bias is not None
    assert layer.bias.shape == (3,)
    assert vx.nn.Linear.init(5, 3, key=KEY(0), bias=False).bias is None


def test_weights_have_the_variance_of_their_fan_in() -> None:
    weight = vx.nn.Linear.init(400, 300, key=KEY(1)).weight.numpy()
    np.testing.assert_allclose(weight.std(), 400**-0.5, rtol=0.02)


def test_layer_norm() -> None:
    x = normal(3, 8) * 5 + 2
    y = vx.nn.LayerNorm.init(8)(vx.asarray(x)).numpy()
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)


def test_rms_norm() -> None:
    x = normal(3, 8)
    y = vx.nn.RMSNorm.init(8)(vx.asarray(x)).numpy()
    np.testing.assert_allclose(y, x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6), rtol=1e-5)


def test_norms_keep_bfloat16_and_compute_in_float32() -> None:
    x = vx.asarray(normal(3, 512) + 100).astype(vx.bfloat16)
    norm = vx.nn.LayerNorm.init(512, dtype=vx.bfloat16)
    assert norm(x).dtype is vx.bfloat16
    assert abs(float(vx.mean(norm(x).astype(vx.float32)))) < 0.02


def reference_attention(layer: vx.nn.MultiHeadAttention, x: Any, causal: bool) -> Any:
    q, k, v = (
        np.einsum("btw,whs->bhts", x, w.numpy()) for w in (layer.query, layer.key, layer.value)
    )
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhts,hsw->btw", weights @ v, layer.out.numpy())


@pytest.mark.parametrize("causal", [True, False])
def test_attention(causal: bool) -> None:
    layer = vx.nn.MultiHeadAttention.init(8, 2, key=KEY(0))
    x = normal(2, 5, 8)
    mask = vx.nn.causal_mask(5) if causal else None
    found = layer(vx.asarray(x), mask, rotate=False).numpy()
    np.testing.assert_allclose(found, reference_attention(layer, x, causal), rtol=1e-4, atol=1e-5)


def test_causal_attention_does_not_see_the_future() -> None:
    layer = vx.nn.MultiHeadAttention.init(8, 2, key=KEY(0))
    x = vx.asarray(normal(6, 8))
    mask = vx.nn.causal_mask(6)
    changed = x.at[4:].set(0.0)
    a, b = layer(x, mask).numpy(), layer(changed, mask).numpy()
    np.testing.assert_allclose(a[:4], b[:4], rtol=1e-5, atol=1e-6)
    assert np.abs(a[4:] - b[4:]).max() > 1e-3


def test_rotary_keeps_norms_and_depends_on_distances_only() -> None:
    x, y = normal(1, 1, 8), normal(1, 1, 8)
    q = vx.nn.rotary(vx.asarray(np.repeat(x, 6, 0))).numpy()[:, 0]
    k = vx.nn.rotary(vx.asarray(np.repeat(y, 6, 0))).numpy()[:, 0]
    np.testing.assert_allclose((q**2).sum(-1), (x**2).sum(), rtol=1e-5)
    products = q @ k.T
    np.testing.assert_allclose(products[1, 0], products[5, 4], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(products[0, 3], products[2, 5], rtol=1e-4, atol=1e-5)


def test_rotary_of_doubles_turns_complex_numbers() -> None:
    x = RNG.standard_normal((3, 2, 4))
    turn = np.exp(1j * np.arange(3)[:, None, None] * np.array([1.0, 0.01]))
    z = (x[..., :2] + 1j * x[..., 2:]) * turn
    found = vx.nn.rotary(vx.asarray(x)).numpy()
    np.testing.assert_allclose(found, np.concatenate([z.real, z.imag], axis=-1), atol=1e-14)


def test_cross_entropy() -> None:
    logits, labels = normal(4, 6), RNG.integers(0, 6, 4).astype(np.int32)
    want = np.log(np.exp(logits).sum(-1)) - logits[np.arange(4), labels]
    found = vx.nn.cross_entropy(vx.asarray(logits), vx.asarray(labels)).numpy()
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


def test_dropout_keeps_the_mean_and_is_off_without_a_key() -> None:
    x = vx.ones((100_000,))
    y = vx.nn.dropout(x, 0.25, key=KEY(0)).numpy()
    assert abs(y.mean() - 1) < 0.01
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert vx.nn.dropout(x, 0.25, key=None) is x


def test_layers_are_pytrees_and_map() -> None:
    layer = vx.nn.MLP.init(4, 8, key=KEY(0))
    assert len(vx.tree.leaves(layer)) == 4
    double = vx.tree.map(lambda p: p * 2, layer)
    np.testing.assert_allclose(double.up.weight.numpy(), layer.up.weight.numpy() * 2)
    grads = vx.grad(lambda m, x: vx.sum(m(x)))(layer, vx.ones((3, 4)))
    assert grads.down.weight.shape == (8, 4)
