"""Convolutions, attention, losses, optimisers and trees that do not fit together."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, Heads, Hid, Mem, Seq, State
from verax import F32, I32, Bool, Mul

NHWC = ("NHWC", "HWIO", "NHWC")


# convolutions


def channels(
    x: F32[Batch, Literal[8], Literal[8], Literal[3]],
    w: F32[Literal[3], Literal[3], Literal[4], Literal[16]],
) -> F32[Batch, Literal[8], Literal[8], Literal[16]]:
    return vx.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)  # bug: conv


def layout(
    x: F32[Batch, Literal[3], Literal[8], Literal[8]],
    w: F32[Literal[3], Literal[3], Literal[3], Literal[16]],
) -> F32[Batch, Literal[8], Literal[8], Literal[16]]:
    return vx.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)  # bug: conv


def kernel_layout(
    x: F32[Batch, Literal[8], Literal[8], Literal[3]],
    w: F32[Literal[16], Literal[3], Literal[3], Literal[3]],
) -> F32[Batch, Literal[8], Literal[8], Literal[16]]:
    return vx.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)  # bug: conv


def valid(
    x: F32[Batch, Literal[8], Literal[8], Literal[3]],
    w: F32[Literal[3], Literal[3], Literal[3], Literal[16]],
) -> F32[Batch, Literal[8], Literal[8], Literal[16]]:
    return vx.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=NHWC)  # bug: conv


def strides(
    x: F32[Batch, Literal[8], Literal[8], Literal[3]],
    w: F32[Literal[3], Literal[3], Literal[3], Literal[16]],
) -> F32[Batch, Literal[8], Literal[8], Literal[16]]:
    return vx.conv_general_dilated(x, w, (2, 2), "SAME", dimension_numbers=NHWC)  # bug: conv


def second_layer(
    x: F32[Batch, Literal[8], Literal[8], Literal[3]],
    w1: F32[Literal[3], Literal[3], Literal[3], Literal[16]],
    w2: F32[Literal[3], Literal[3], Literal[8], Literal[4]],
) -> F32[Batch, Literal[8], Literal[8], Literal[4]]:
    h = vx.relu(vx.conv_general_dilated(x, w1, (1, 1), "SAME", dimension_numbers=NHWC))
    return vx.conv_general_dilated(h, w2, (1, 1), "SAME", dimension_numbers=NHWC)  # bug: conv


def bias(
    x: F32[Batch, Literal[8], Literal[8], Literal[3]],
    w: F32[Literal[3], Literal[3], Literal[3], Literal[16]],
    b: F32[Literal[3]],
) -> F32[Batch, Literal[8], Literal[8], Literal[16]]:
    y = vx.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)
    return y + b  # bug: conv


def pooled(x: F32[Batch, Literal[8], Literal[8], Feat]) -> F32[Batch, Literal[2], Literal[2], Feat]:
    return vx.nn.max_pool(x, (2, 2), 2)  # bug: conv


def spatial_rank(
    x: F32[Batch, Literal[16], Literal[3]], w: F32[Literal[3], Literal[3], Literal[3], Literal[8]]
) -> F32[Batch, Literal[16], Literal[8]]:
    return vx.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)  # bug: conv


# attention


def unscaled_transpose(
    q: F32[Batch, Heads, Seq, Feat], k: F32[Batch, Heads, Mem, Feat]
) -> F32[Batch, Heads, Seq, Mem]:
    return q @ k / 8.0  # bug: attention


def heads_last(
    q: F32[Batch, Seq, Heads, Feat], k: F32[Batch, Mem, Heads, Feat]
) -> F32[Batch, Heads, Seq, Mem]:
    return q @ k.mT  # bug: attention


def values_of_scores(
    weights: F32[Batch, Heads, Seq, Mem], v: F32[Batch, Heads, Seq, Feat]
) -> F32[Batch, Heads, Seq, Feat]:
    return weights @ v  # bug: attention


def mask_of_heads(
    scores: F32[Batch, Heads, Seq, Mem], mask: Bool[Batch, Mem]
) -> F32[Batch, Heads, Seq, Mem]:
    return vx.where(mask[:, None], scores, -1e9)  # bug: attention


def wrong_softmax(
    scores: F32[Batch, Heads, Seq, Mem], v: F32[Batch, Heads, Mem, Feat]
) -> F32[Batch, Seq, Heads, Feat]:
    return vx.softmax(scores) @ v  # bug: attention


def merged_too_early(
    o: F32[Batch, Heads, Seq, Literal[32]], w: F32[Mul[Heads, Literal[32]], Feat]
) -> F32[Batch, Seq, Feat]:
    flat = o.reshape(o.shape[0], o.shape[2], -1)
    return flat @ w.T  # bug: attention


def split_into(
    x: F32[Batch, Seq, Mul[Heads, Literal[32]]],
) -> F32[Batch, Heads, Seq, Literal[32]]:
    return x.reshape(x.shape[0], x.shape[1], -1, 32)  # bug: attention


def cross(q: F32[Batch, Seq, Feat], memory: F32[Batch, Mem, Hid]) -> F32[Batch, Seq, Mem]:
    return vx.einsum("btf,bsf->bts", q, memory)  # bug: attention


def rotated(
    q: F32[Batch, Seq, Heads, Literal[32]], angles: F32[Seq, Literal[32]]
) -> F32[Batch, Seq, Heads, Literal[32]]:
    return q * vx.cos(angles)  # bug: attention


# losses and optimisers


def cross_entropy(logits: F32[Batch, Cls], labels: I32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(logits, labels)  # bug: loss


def labels_as_floats(logits: F32[Batch, Cls], labels: F32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(logits, labels).mean()  # bug: loss


def one_hot_labels(logits: F32[Batch, Cls], labels: F32[Batch, Cls]) -> F32[()]:
    return vx.nn.cross_entropy(logits, labels).mean()  # bug: loss


def labels_of_others(logits: F32[Batch, Seq, Cls], labels: I32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(logits, labels).mean()  # bug: loss


def mean_per_class(p: F32[Batch, Cls], y: F32[Batch, Cls]) -> F32[()]:
    return -(y * vx.log(p)).sum(axis=-1)  # bug: loss


def loss_of(w: F32[Feat, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[()]:
    return vx.nn.cross_entropy(x @ w, y).mean()


def swapped_batch(w: F32[Feat, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[Feat, Cls]:
    return vx.grad(loss_of)(w, y, x)  # bug: loss


def gradient_of_other(
    w: F32[Feat, Cls], b: F32[Cls], x: F32[Batch, Feat], y: I32[Batch]
) -> F32[Cls]:
    g = vx.grad(loss_of)(w, x, y)
    return b - 0.1 * g  # bug: loss


def updates_of_others(w: F32[Feat, Cls], g: F32[Feat, Hid]) -> F32[Feat, Cls]:
    return vx.optim.apply_updates(w, g)  # bug: loss


def value_as_parameters(w: F32[Feat, Cls], x: F32[Batch, Feat], y: I32[Batch]) -> F32[Feat, Cls]:
    g, value = vx.value_and_grad(loss_of)(w, x, y)
    return w - 0.1 * g * value.T  # bug: loss


def momentum(w: F32[Feat, Cls], m: F32[Cls, Feat], g: F32[Feat, Cls]) -> F32[Feat, Cls]:
    return w - 0.1 * (0.9 * m + g)  # bug: loss


# trees


def other_keys(a: dict[str, F32[Feat]]) -> dict[str, F32[Feat]]:
    b = {"w": vx.zeros_like(a["w"])}
    c = {"v": vx.zeros_like(a["w"])}
    return vx.tree.map(lambda x, y: x + y, b, c)  # bug: tree


def list_and_tuple(x: F32[Feat], y: F32[Feat]) -> list[F32[Feat]]:
    return vx.tree.map(lambda a, b: a * b, [x, y], (x, y))  # bug: tree


def lengths(x: F32[Feat]) -> list[F32[Feat]]:
    return vx.tree.map(lambda a, b: a - b, [x, x], [x, x, x])  # bug: tree


def arity(x: F32[Feat], y: F32[Feat]) -> tuple[F32[Feat], F32[Feat]]:
    return vx.tree.map(lambda a: a * 2.0, (x, y), (y, x))  # bug: tree


def shapes(x: F32[Feat], y: F32[Hid]) -> tuple[F32[Feat], F32[Hid]]:
    return vx.tree.map(lambda a, b: a + b, (x, y), (y, x))  # bug: tree


def reduced(x: F32[Feat], y: F32[Hid]) -> F32[()]:
    total: F32[()] = vx.tree.reduce(lambda a, b: a + b, (x, y))  # bug: tree
    return total


def result(x: F32[Batch, Feat], y: F32[Batch, Hid]) -> tuple[F32[Feat], F32[Hid]]:
    return vx.tree.map(lambda a: a.mean(axis=1), (x, y))  # bug: tree


def carried(x: F32[State], y: F32[State]) -> tuple[F32[State], F32[State]]:
    sums, _ = vx.tree.map(lambda a, b: a + b, (x, y), (y, x))
    return sums  # bug: tree


def leaf_for_tree(x: F32[Feat]) -> dict[str, F32[Feat]]:
    return vx.tree.map(lambda a, b: a + b, {"w": x, "b": x}, x)  # bug: tree
