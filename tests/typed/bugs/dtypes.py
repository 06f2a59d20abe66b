"""Arrays of two dtypes that meet, and results of another dtype than declared."""

from __future__ import annotations

import verax as vx
from tests.typed.dims import Batch, Cls, Feat, Hid, N, Seq, Vocab
from verax import BF16, C64, F16, F32, F64, I32, Bool


def counts(x: F32[Batch, Feat], n: I32[Batch, Feat]) -> F32[Batch, Feat]:
    return x * n  # bug: dtype


def half(x: BF16[Batch, Feat], w: F32[Feat, Hid]) -> BF16[Batch, Hid]:
    return x @ w  # bug: dtype


def bias(x: BF16[Batch, Hid], b: F32[Hid]) -> BF16[Batch, Hid]:
    return vx.relu(x + b)  # bug: dtype


def accuracy(logits: F32[Batch, Cls], labels: I32[Batch]) -> F32[()]:
    hits = vx.argmax(logits, axis=-1) == labels
    return hits.sum()  # bug: dtype


def positions(x: F32[Seq, Feat]) -> F32[Seq]:
    return vx.arange(x.shape[0])  # bug: dtype


def wide(x: F32[N], y: F64[N]) -> F64[N]:
    return vx.maximum(x, y)  # bug: dtype


def mixed(x: F16[N], y: BF16[N]) -> F32[N]:
    return x + y  # bug: dtype


def best(x: F32[Batch, Feat]) -> F32[Batch]:
    return x.argmax(axis=1)  # bug: dtype


def chosen(mask: Bool[N], x: F32[N], n: I32[N]) -> F32[N]:
    return vx.where(mask, x, n)  # bug: dtype


def ids(tokens: F32[Batch, Seq], table: F32[Vocab, Feat]) -> F32[Batch, Seq, Feat]:
    return table[tokens]  # bug: dtype


def spectrum(x: F32[N]) -> F32[N]:
    return vx.fft.fft(x)  # bug: dtype


def halves(n: I32[N]) -> I32[N]:
    return n / 2  # bug: dtype


def compared(labels: I32[Batch], p: F32[Batch]) -> F32[()]:
    right = (p > 0.5) == (labels > 0)
    return right.astype(vx.int32).sum()  # bug: dtype


def joined(x: F32[N], n: I32[N]) -> F32[N]:
    rows = vx.stack([x, n])  # bug: dtype
    return rows[0]


def power(z: C64[N]) -> F32[N]:
    return z * vx.conj(z)  # bug: dtype


def contracted(x: BF16[Batch, Feat], w: F32[Feat, Hid]) -> F32[Batch, Hid]:
    return vx.einsum("bf,fh->bh", x, w)  # bug: dtype


def averaged(parts: BF16[Batch, Feat]) -> F32[Feat]:
    return parts.mean(axis=0)  # bug: dtype
