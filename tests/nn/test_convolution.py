"""Convolution layers and pooling against NumPy, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.functions.oracle import told

KEY = vx.random.key
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def test_conv_is_a_sum_over_windows() -> None:
    layer = vx.nn.Conv.init(3, 4, (3, 2), key=KEY(0), padding="VALID")
    x, w = normal(2, 5, 4, 3), layer.weight.numpy()
    seen = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (1, 2))  # n h w c i j
    want = np.einsum("nhwcij,ijco->nhwo", seen, w)
    np.testing.assert_allclose(layer(vx.asarray(x)).numpy(), want, rtol=1e-4, atol=1e-5)
    assert layer.bias is not None
    assert layer.bias.shape == (4,)


def test_any_number_of_batches_and_spatial_dimensions() -> None:
    layer = vx.nn.Conv.init(2, 5, (3,), key=KEY(0), strides=2)
    x = vx.asarray(normal(2, 3, 8, 2))
    many = layer(x)
    assert many.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(layer(x[1, 2]).numpy(), many.numpy()[1, 2], rtol=1e-5, atol=1e-6)
    cube = vx.nn.Conv.init(2, 5, (2, 2, 2), key=KEY(0), padding=1, dilation=2)
    assert cube(vx.ones((4, 4, 4, 2))).shape == (4, 4, 4, 5)


def test_weights_have_the_variance_of_what_they_sum() -> None:
    weight = vx.nn.Conv.init(64, 256, (3, 3), key=KEY(1), groups=2).weight.numpy()
    assert weight.shape == (3, 3, 32, 256)
    np.testing.assert_allclose(weight.std(), (9 * 32) ** -0.5, rtol=0.02)


def test_groups_see_their_own_features() -> None:
    layer = vx.nn.Conv.init(4, 8, (3,), key=KEY(0), groups=4, bias=False)
    x = normal(6, 4)
    changed = x.copy()
    changed[:, 1] += 1
    moved = np.abs(layer(vx.asarray(x)).numpy() - layer(vx.asarray(changed)).numpy()).max(0) > 0
    assert moved.tolist() == [False] * 2 + [True] * 2 + [False] * 4


def test_causal_convolution_does_not_see_the_future() -> None:
    layer = vx.nn.Conv.init(2, 3, (3,), key=KEY(0), padding="causal", dilation=2)
    x = vx.asarray(normal(8, 2))
    a, b = layer(x).numpy(), layer(x.at[5:].set(0.0)).numpy()
    assert a.shape == (8, 3)
    np.testing.assert_allclose(a[:5], b[:5], rtol=1e-6)
    assert np.abs(a[5:] - b[5:]).min(1).max() > 0


def test_conv_transpose_undoes_the_shape() -> None:
    down = vx.nn.Conv.init(3, 6, (4, 4), key=KEY(0), strides=2)
    up = vx.nn.ConvTranspose.init(6, 3, (4, 4), key=KEY(1), strides=2)
    x = vx.asarray(normal(2, 8, 8, 3))
    assert up(down(x)).shape == x.shape
    got = up(down(x)).numpy()
    assert up.bias is not None
    want = vx.conv_transpose(down(x), up.weight, (2, 2), "SAME").numpy()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_layers_are_pytrees() -> None:
    layer = vx.nn.Conv.init(2, 3, (3, 3), key=KEY(0), padding=[(1, 1), 1])
    assert len(vx.tree.leaves(layer)) == 2
    grads = vx.grad(lambda m, x: vx.sum(m(x) ** 2))(layer, vx.ones((4, 4, 2)))
    assert grads.weight.shape == (3, 3, 2, 3)


# pooling -----------------------------------------------------------------------------------------


def test_pooling() -> None:
    x = normal(2, 4, 6, 3)
    seen = x.reshape(2, 2, 2, 3, 2, 3)
    found = [f(x, (2, 2), 2) for f in (vx.nn.max_pool, vx.nn.min_pool, vx.nn.avg_pool)]
    want = [seen.max((2, 4)), seen.min((2, 4)), seen.mean((2, 4))]
    for y, w in zip(found, want):
        np.testing.assert_allclose(y.numpy(), w, rtol=1e-5, atol=1e-6)
    assert vx.nn.max_pool(x, (2, 2)).shape == (2, 3, 5, 3)  # the stride is 1 unless it is given
    assert vx.nn.max_pool(x[0], (2, 2), padding="SAME").shape == (4, 6, 3)


def test_the_mean_with_and_without_padding() -> None:
    x = vx.ones((3, 1))
    half, full = (
        vx.nn.avg_pool(x, (2,), padding=[(1, 0)], count_include_pad=c) for c in (True, False)
    )
    assert half[:, 0].tolist() == [0.5, 1.0, 1.0]
    assert full[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert vx.nn.avg_pool(vx.ones((2, 3, 1)), (2,), padding=1).shape == (2, 4, 1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: vx.nn.max_pool(np.ones((4, 3)), (2, 2)),
            "[verax-shape] max_pool: the window (2, 2) slides over 2 dimensions before the"
            " features, but float64[4,3] has 2\n  fix: the array is [..., *space, features]: add"
            " a last dimension with x[..., None]",
        ),
        (
            lambda: vx.nn.max_pool(np.ones((4, 4, 3)), (5, 2)),
            "[verax-shape] max_pool: along dimension 0 the window spans 5, but the padded operand"
            " has only 4 (4 + 0 + 0)\n  fix: pad more (padding='SAME'), or use a smaller window or"
            " dilation",
        ),
        (
            lambda: vx.nn.Conv.init(3, 8, (3, 3), key=KEY(0), groups=2),
            "[verax-shape] Conv: 3 and 8 features do not fall into 2 groups\n  fix: both numbers of"
            " features must be multiples of the groups",
        ),
        (
            lambda: vx.nn.Conv.init(3, 8, (3, 0), key=KEY(0)),
            "[verax-shape] Conv: window = (3, 0), but each must be 1 or more\n"
            "  fix: give positive numbers: 1 is one element, the next one, or no holes",
        ),
        (
            lambda: vx.nn.Conv.init(3, 8, (3, 3), key=KEY(0))(vx.ones((4, 3))),
            "[verax-shape] Conv: the kernel float32[3,3,3,8] slides over 2 dimensions before the"
            " features, but the operand is float32[4,3]\n  fix: the operand is [..., *space,"
            " features]",
        ),
        (
            lambda: vx.nn.Conv.init(3, 8, (3, 3), key=KEY(0), padding="CAUSAL")(vx.ones((4, 4, 3))),
            "[verax-shape] Conv: CAUSAL padding is for one spatial dimension, the kernel is"
            " float32[3,3,3,8]\n  fix: give the padding in pairs: [(low, high), ...]",
        ),
    ],
)
def test_messages(call: Any, text: str) -> None:
    assert told(call) == text
