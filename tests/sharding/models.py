"""Programs as the language would stage them, written by hand: an array is a slot with operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import attrs

from verax.compiler.ir.dtypes import float32, int32, uint32
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import MAX
from verax.compiler.ops.bits import SHIFT_RIGHT_LOGICAL
from verax.compiler.ops.contract import broadcast, canonical, permute, total
from verax.compiler.ops.functions import EXP, LOG, RSQRT, TANH
from verax.compiler.ops.indexing import Gather
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.pointwise import (
    ADD,
    DIV,
    MUL,
    NEG,
    SELECT,
    SUB,
    Compare,
    Convert,
    Select,
    splat,
    zeros,
)
from verax.compiler.ops.random import KeyData, Threefry
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.shard import Shard
from verax.compiler.ops.slicing import Slice
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.simplify import simplify
from verax.compiler.passes.transpose import transpose
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Cuts


@attrs.frozen(eq=False)
class Array:
    """A slot of an open builder."""

    b: Builder
    slot: int

    @property
    def type(self) -> ArrayType:
        return cast(ArrayType, self.b.types[self.slot])

    @property
    def shape(self) -> tuple[int, ...]:
        return cast("tuple[int, ...]", self.type.shape)

    def apply(self, op: Op, *others: Array) -> Array:
        return Array(self.b, self.b.emit(op, self.slot, *[x.slot for x in others]))

    def like(self, x: Operand) -> Array:
        """x in this shape: trailing dimensions align."""
        if not isinstance(x, Array):
            return Array(self.b, self.b.emit(splat(x, self.type)))
        if x.shape == self.shape:
            return x
        n = len(self.shape)
        kept = [i for i in range(-len(x.shape), 0) if x.shape[i] == self.shape[i]]
        squeezed = x.apply(Reshape(tuple(x.shape[i] for i in kept)))
        return squeezed.apply(broadcast(self.shape, [n + i for i in kept]))

    def binary(self, op: Op, x: Operand) -> Array:
        return self.apply(op, self.like(x))

    def __add__(self, x: Operand) -> Array:
        return self.binary(ADD, x)

    def __sub__(self, x: Operand) -> Array:
        return self.binary(SUB, x)

    def __mul__(self, x: Operand) -> Array:
        return self.binary(MUL, x)

    def __truediv__(self, x: Operand) -> Array:
        return self.binary(DIV, x)

    def __neg__(self) -> Array:
        return self.apply(NEG)

    def __matmul__(self, w: Array) -> Array:
        """The last dimension of this with the first of w."""
        n, m = len(self.shape), len(w.shape)
        left, right = tuple(range(n)), (n - 1, *range(n, n + m - 1))
        return self.apply(canonical((left, right), (*left[:-1], *right[1:])), w)

    def einsum(self, text: str, *others: Array) -> Array:
        """``ik,kj->ij``"""
        ins, out = text.split("->")
        labels = [tuple(map(ord, part)) for part in ins.split(",")]
        return self.apply(canonical(labels, tuple(map(ord, out))), *others)

    def sum(self, *axes: int, keep: bool = False) -> Array:
        n = len(self.shape)
        axes = tuple(sorted(a % n for a in axes)) if axes else tuple(range(n))
        return self._kept(self.apply(total(n, axes)), axes, keep)

    def max(self, axis: int, keep: bool = False) -> Array:
        axis %= len(self.shape)
        return self._kept(self.apply(Reduce("max", (axis,))), (axis,), keep)

    def _kept(self, y: Array, axes: Sequence[int], keep: bool) -> Array:
        if not keep:
            return y
        return y.apply(Reshape(tuple(1 if i in axes else n for i, n in enumerate(self.shape))))

    def mean(self, *axes: int, keep: bool = False) -> Array:
        y = self.sum(*axes, keep=keep)
        n = 1
        for a in axes or range(len(self.shape)):
            n *= self.shape[a]
        return y / float(n)

    def reshape(self, *shape: int) -> Array:
        return self.apply(Reshape(shape))

    def transpose(self, *perm: int) -> Array:
        return self.apply(permute(perm))

    def exp(self) -> Array:
        return self.apply(EXP)

    def log(self) -> Array:
        return self.apply(LOG)

    def tanh(self) -> Array:
        return self.apply(TANH)

    def relu(self) -> Array:
        return self.binary(MAX, 0.0)

    def softmax(self) -> Array:
        e = (self - self.max(-1, keep=True)).exp()
        return e / e.sum(-1, keep=True)

    def take(self, index: Array, mode: str = "clip") -> Array:
        """Rows of this table."""
        return self.apply(Gather(0, 1, mode), index)

    def shard(self, mesh: Mesh, *cuts: tuple[str, ...]) -> Array:
        return self.apply(Shard(mesh, cuts))


Operand: TypeAlias = Array | float
Function: TypeAlias = Callable[..., "Array | Sequence[Array]"]


def stage(f: Function, *ts: Type) -> Program:
    """The program of a function of arrays."""
    b = Builder()
    ys = f(*[Array(b, b.input(t)) for t in ts])
    outs = [ys] if isinstance(ys, Array) else list(ys)
    return simplify(b.finish([y.slot for y in outs]))


def floats(*shape: int) -> ArrayType:
    return ArrayType(shape, float32)


def ints(*shape: int) -> ArrayType:
    return ArrayType(shape, int32)


def gradient(p: Program, *active: int) -> Program:
    """The outputs of p, then the gradients of the first one in the inputs ``active``."""
    mask = tuple(i in active for i in range(p.n_in))
    made = linearize(p, mask)
    residuals = made.linear.n_in - len(active)
    back = transpose(made.linear, (False,) * residuals + (True,) * len(active))
    b = Builder()
    ys = b.inline(made.forward, [b.input(t) for t in p.in_types])
    outs, kept = ys[: len(p.outs)], ys[len(p.outs) :]
    with_tangent = [o for o, has in zip(outs, made.has_tangent) if has]
    one = b.emit(splat(1.0, cast(ArrayType, b.types[outs[0]])))
    rest = [zeros(b, b.types[o]) for o in with_tangent[1:]]
    return simplify(b.finish([*outs, *b.inline(back, [*kept, one, *rest])]))


def layer_norm(x: Array, gain: Array, bias: Array) -> Array:
    d = x - x.mean(-1, keep=True)
    return d * ((d * d).mean(-1, keep=True) + 1e-5).apply(RSQRT) * gain + bias


def cross_entropy(logits: Array, labels: Array) -> Array:
    """The mean over all but the last dimension, which the labels index."""
    shifted = logits - logits.max(-1, keep=True)
    n = len(labels.shape)
    picked = shifted.apply(Gather(n, 1, "fill"), labels)
    return (shifted.exp().sum(-1).log() - picked).mean()


def attention(x: Array, wq: Array, wk: Array, wv: Array, wo: Array) -> Array:
    """Causal self-attention; weights are [d, heads, size] and [heads, size, d]."""
    q, k, v = (x.einsum("btd,dhs->bhts", w) for w in (wq, wk, wv))
    scores = q.einsum("bhts,bhus->bhtu", k) * wq.shape[-1] ** -0.5
    t = x.shape[1]
    places = Array(x.b, x.b.emit(Iota(t, int32)))
    rows, columns = (places.apply(broadcast((t, t), [i])) for i in (0, 1))
    causal = rows.apply(Compare("GE"), columns).apply(broadcast(scores.shape, (2, 3)))
    scores = causal.apply(SELECT, scores, scores.like(-1e30))
    return scores.softmax().einsum("bhtu,bhus->bhts", v).einsum("bhts,hsd->btd", wo)


def dropout(x: Array, key: Array, keep: float = 0.9) -> Array:
    """Bits of each element come from its global place."""
    words = key.apply(KeyData())
    k0, k1 = (words.apply(Slice(((i, i + 1, 1),))).reshape() for i in (0, 1))
    n = 1
    for size in x.shape:
        n *= size
    place = x.b.emit(Iota(n, uint32))
    at = Array(x.b, place).reshape(*x.shape)
    high = at.like(0)
    bits = at.like(k0).apply(Threefry(), at.like(k1), high, at)
    uniform = bits.binary(SHIFT_RIGHT_LOGICAL, 8).apply(Convert(float32)) * 2.0**-24
    mask = uniform.binary(Compare("LT"), keep)
    return mask.apply(Select(), x / keep, x.like(0.0))


def transformer_layer(x: Array, *w: Array) -> Array:
    g1, b1, wq, wk, wv, wo, g2, b2, w1, w2 = w
    x = x + attention(layer_norm(x, g1, b1), wq, wk, wv, wo)
    return x + (layer_norm(x, g2, b2) @ w1).relu() @ w2


def layer_types(d: int, heads: int, hidden: int) -> list[ArrayType]:
    size = d // heads
    return [
        floats(d), floats(d), floats(d, heads, size), floats(d, heads, size),
        floats(d, heads, size), floats(heads, size, d), floats(d), floats(d),
        floats(d, hidden), floats(hidden, d),
    ]  # fmt: skip


M = ("model",)
MEGATRON: list[Cuts] = [
    ((),), ((),), ((), M, ()), ((), M, ()), ((), M, ()), (M, (), ()), ((),), ((),),
    ((), M), (M, ()),
]  # fmt: skip


def transformer(layers: int, vocab: int, d: int, heads: int, hidden: int) -> Function:
    """Inputs: the table, the layers' weights, tokens, labels. Result: the loss."""

    def loss(table: Array, *rest: Array) -> Array:
        *weights, tokens, labels = rest
        x = table.take(tokens, "fill")
        for i in range(layers):
            x = transformer_layer(x, *weights[10 * i : 10 * i + 10])
        return cross_entropy(x.einsum("btd,vd->btv", table), labels)

    return loss


def transformer_types(
    layers: int, vocab: int, d: int, heads: int, hidden: int, batch: int, time: int
) -> list[Type]:
    weights = layer_types(d, heads, hidden) * layers
    return [floats(vocab, d), *weights, ints(batch, time), ints(batch, time)]
