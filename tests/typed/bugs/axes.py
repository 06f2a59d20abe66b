"""Reductions, softmax, sorting and the like along an axis that was not meant."""

from __future__ import annotations

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, Hid, N, Seq, Vocab
from verax import F32, I32


def per_example(x: F32[Batch, Feat]) -> F32[Batch]:
    return x.sum(axis=0)  # bug: axis


def per_feature(x: F32[Batch, Feat]) -> F32[Feat]:
    return vx.mean(x, axis=-1)  # bug: axis


def out_of_range(x: F32[Batch, Feat]) -> F32[Batch]:
    return x.max(axis=2)  # bug: axis


def predicted(logits: F32[Batch, Cls]) -> I32[Batch]:
    return vx.argmax(logits, axis=0)  # bug: axis


def pooled(x: F32[Batch, Seq, Feat]) -> F32[Batch, Feat]:
    return x.mean(axis=2)  # bug: axis


def standardized(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    centre = x.mean(axis=1)
    return x - centre  # bug: axis


def scaled(x: F32[Batch, Seq, Feat]) -> F32[Batch, Seq, Feat]:
    norm = vx.sqrt((x * x).sum(axis=1))
    return x / norm[:, :, None]  # bug: axis


def log_prob(logits: F32[Batch, Seq, Vocab], target: I32[Batch, Seq]) -> F32[Batch, Seq]:
    logs = vx.log_softmax(logits)
    return vx.take_along_axis(logs, target[..., None], axis=-1)[:, 0]  # bug: axis


def evidence(scores: F32[N, Hid]) -> F32[N]:
    return vx.logsumexp(scores, axis=(0, 1))  # bug: axis


def negative(x: F32[Batch]) -> F32[()]:
    return vx.sum(x, axis=-2)  # bug: axis


def repeated(x: F32[Batch, Seq, Feat]) -> F32[Feat]:
    return x.sum(axis=(0, 0))  # bug: axis


def kept(x: F32[Batch, Feat]) -> F32[Batch]:
    return x.std(axis=1, keepdims=True)  # bug: axis
