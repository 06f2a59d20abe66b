"""Operators and methods of arrays."""

from __future__ import annotations

from typing import Any, reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat, Out
from verax import C64, F32, I8, I32, Bool


def operators(
    x: F32[Batch, Feat],
    v: F32[Feat],
    s: F32[()],
    n: I32[Batch],
    m: Bool[Batch, Feat],
    z: C64[Batch],
    sq: F32[Feat, Feat],
    q: vx.AnyArray,
    o: F32,
) -> None:
    reveal_type(x + x)
    reveal_type(x + 1)
    reveal_type(x + 1.0)
    reveal_type(1 - x)
    reveal_type(x + v)
    reveal_type(x + o)
    reveal_type(o + x)
    reveal_type(x * s)
    reveal_type(x / 2)
    reveal_type(x / v)
    reveal_type(n + 1)
    reveal_type(n + 1.0)
    reveal_type(n / 2)
    reveal_type(-x)
    reveal_type(+x)
    reveal_type(abs(x))
    reveal_type(abs(z))
    reveal_type(~n)
    reveal_type(round(x, 1))
    reveal_type(x > 0.0)
    reveal_type(x == x)
    reveal_type(x != v)
    reveal_type(sq == q)
    reveal_type(n & n)
    reveal_type(n | 1)
    reveal_type(n << 1)
    reveal_type(x // 2)
    reveal_type(x % 2.0)
    reveal_type(x**2)
    reveal_type(2.0**x)
    reveal_type(divmod(x, x))
    reveal_type(q + q)
    reveal_type(q + 1.0)
    reveal_type(m & m)


def products(
    x: F32[Batch, Feat],
    w: F32[Feat, Out],
    v: F32[Feat],
    c: F32[Batch, Feat, Out],
    q: vx.AnyArray,
    o: F32,
) -> None:
    reveal_type(x @ w)
    reveal_type(x @ v)
    reveal_type(v @ w)
    reveal_type(v @ v)
    reveal_type(c @ vx.ones((4, 5)))
    reveal_type(x @ o)
    reveal_type(o @ w)
    reveal_type(q @ q)
    reveal_type(o @ o)


def indexing(
    x: F32[Batch, Feat],
    v: F32[Feat],
    n: I32[Batch],
    i: I32[()],
    m: Bool[Batch, Feat],
    q: vx.AnyArray,
    o: F32,
    named: Any,
) -> None:
    reveal_type(x[0])
    reveal_type(x[-1])
    reveal_type(x[1:])
    reveal_type(x[:, 0])
    reveal_type(x[0, 1:])
    reveal_type(x[:, 1:])
    reveal_type(x[0, 0])
    reveal_type(x[None])
    reveal_type(x[:, None])
    reveal_type(x[...])
    reveal_type(x[..., 0])
    reveal_type(x[..., 1:])
    reveal_type(x[..., None])
    reveal_type(x[i])
    reveal_type(x[n])
    reveal_type(x[m])
    reveal_type(x[named])
    reveal_type(x[[0, 1]])
    reveal_type(x[:, None, 0])
    reveal_type(v[0])
    reveal_type(o[0])
    reveal_type(o[1:])
    reveal_type(q[0])
    reveal_type(list(x))
    reveal_type(list(o))
    reveal_type(x.at[0].set(1.0))
    reveal_type(x.at[0].add(v))
    reveal_type(x.at[0].get())


def parts(
    x: F32[Batch, Feat],
    v: F32[Feat],
    s: F32[()],
    z: C64[Batch],
    c: F32[Batch, Feat, Out],
    q: vx.AnyArray,
    o: F32,
) -> None:
    reveal_type(x.T)
    reveal_type(x.mT)
    reveal_type(v.T)
    reveal_type(s.T)
    reveal_type(c.T)
    reveal_type(o.T)
    reveal_type(q.T)
    reveal_type(x.real)
    reveal_type(z.imag)
    reveal_type(x.shape)
    reveal_type(x.ndim)
    reveal_type(x.dtype)
    reveal_type(x.size)
    reveal_type(x.nbytes)
    reveal_type(x.itemsize)
    reveal_type(len(x))
    reveal_type(s.item())
    reveal_type(float(s))
    reveal_type(bool(s > 0.0))
    reveal_type(x.tolist())
    reveal_type(x.numpy())


def reductions(
    x: F32[Batch, Feat],
    n: I32[Batch],
    m: Bool[Batch, Feat],
    z: C64[Batch],
    q: vx.AnyArray,
    o: F32,
    n8: I8[Batch],
    named: Any,
) -> None:
    reveal_type(x.sum())
    reveal_type(x.sum(0))
    reveal_type(x.sum(axis=-1))
    reveal_type(x.sum(axis=1))
    reveal_type(x.sum(keepdims=True))
    reveal_type(x.sum(axis=-1, keepdims=True))
    reveal_type(x.sum(dtype=vx.float64))
    reveal_type(x.sum(named))
    reveal_type(o.sum())
    reveal_type(o.sum(0))
    reveal_type(q.sum())
    reveal_type(m.sum())
    reveal_type(m.sum(0))
    reveal_type(n8.sum())
    reveal_type(n.sum())
    reveal_type(x.prod())
    reveal_type(m.prod(0))
    reveal_type(x.mean())
    reveal_type(x.mean(-1))
    reveal_type(n.mean())
    reveal_type(m.mean())
    reveal_type(x.var())
    reveal_type(x.std(0))
    reveal_type(z.var())
    reveal_type(x.max())
    reveal_type(x.min(0))
    reveal_type(x.max(axis=(0, 1)))
    reveal_type(m.any())
    reveal_type(m.all(-1))
    reveal_type(x.argmax())
    reveal_type(x.argmin(-1))
    reveal_type(x.argmax(-1, keepdims=True))


def shapes(x: F32[Batch, Feat], w: F32[Feat, Out], s: F32[()], z: C64[Batch]) -> None:
    reveal_type(x.reshape(6))
    reveal_type(x.reshape(-1))
    reveal_type(x.reshape(3, 2))
    reveal_type(x.reshape((3, 2)))
    reveal_type(x.reshape(1, 3, 2))
    reveal_type(x.reshape((1, 3, 2)))
    reveal_type(x.reshape(1, 1, 3, 2))
    reveal_type(x.reshape([3, 2]))
    reveal_type(x.reshape(x.shape))
    reveal_type(s.reshape(()))
    reveal_type(x.transpose())
    reveal_type(x.transpose(1, 0))
    reveal_type(x.swapaxes(0, 1))
    reveal_type(x.squeeze())
    reveal_type(x.ravel())
    reveal_type(x.flatten())
    reveal_type(x.astype(vx.int32))
    reveal_type(x.astype(x.dtype))
    reveal_type(x.copy())
    reveal_type(x.cumsum(0))
    reveal_type(x.cumprod(0))
    reveal_type(x.clip(0.0))
    reveal_type(x.round())
    reveal_type(z.conj())
    reveal_type(x.dot(w))
    reveal_type(x.block_until_ready())
