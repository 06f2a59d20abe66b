"""einsum strings that do not say what the operands are."""

from __future__ import annotations

from typing import Literal

import verax as vx
from tests.typed.dims import Batch, Feat, Heads, Hid, M, Mem, N, Seq
from verax import F32


def clash(q: F32[Batch, Seq, Feat], k: F32[Batch, Mem, Feat]) -> F32[Batch, Seq, Mem]:
    return vx.einsum("bqd,bdk->bqk", q, k)  # bug: einsum


def rank(q: F32[Batch, Seq, Feat], k: F32[Batch, Feat]) -> F32[Batch, Seq]:
    return vx.einsum("bqd,bkd->bq", q, k)  # bug: einsum


def result(q: F32[Batch, Seq, Feat], k: F32[Batch, Mem, Feat]) -> F32[Batch, Seq, Mem]:
    return vx.einsum("bqd,bkd->bkq", q, k)  # bug: einsum


def unknown_letter(x: F32[N, M], w: F32[M, Feat]) -> F32[N, Feat]:
    return vx.einsum("nm,mf->nx", x, w)  # bug: einsum


def operands(x: F32[N, M], w: F32[M, Feat]) -> F32[N, Feat]:
    return vx.einsum("nm,mf,f->nf", x, w)  # bug: einsum


def not_summed(x: F32[N, M], w: F32[M, Feat]) -> F32[N, Feat]:
    return vx.einsum("nm,mf->nmf", x, w)  # bug: einsum


def diagonal(x: F32[N, M]) -> F32[N]:
    return vx.einsum("ii->i", x)  # bug: einsum


def heads(
    x: F32[Batch, Seq, Feat], w: F32[Feat, Heads, Literal[16]]
) -> F32[Batch, Heads, Seq, Literal[16]]:
    return vx.einsum("btf,fhd->bthd", x, w)  # bug: einsum


def merged(
    o: F32[Batch, Heads, Seq, Literal[16]], w: F32[Heads, Literal[16], Feat]
) -> F32[Batch, Seq, Feat]:
    return vx.einsum("bhtd,hfd->btf", o, w)  # bug: einsum


def bilinear(x: F32[N], w: F32[N, M], y: F32[M]) -> F32[()]:
    return vx.einsum("i,ij,i->", x, w, y)  # bug: einsum


def trailing(x: F32[Batch, Seq, Feat], w: F32[Feat, Hid]) -> F32[Batch, Seq, Hid]:
    return vx.einsum("...f,hf->...h", x, w)  # bug: einsum


def outer(x: F32[N], y: F32[M]) -> F32[N, M]:
    return vx.einsum("i,j->ji", x, y)  # bug: einsum


def transposed_weights(x: F32[Batch, Feat], w: F32[Hid, Feat]) -> F32[Batch, Hid]:
    return vx.einsum("bf,fh->bh", x, w)  # bug: einsum
