"""The expressions that random programs are made of.

A letter in braces stands for an array that the program has, one letter for one array: ``x, y`` are
any, ``m, o`` have two dims or more and ``k`` has them always, ``f, g`` are of floating-point
numbers, ``c`` of bools, ``u, v`` are vectors of float32 and ``w, r`` matrices; ``i`` is an axis and
``n`` a small number. Many fit no choice of arrays; those that do not are left out when a program is
made.
"""

from __future__ import annotations

PRELUDE = """
from functools import partial
from typing import Generic, Literal, TypeVar, TypeVarTuple
import verax as vx

class B(vx.Dim): ...
class C(vx.Dim): ...
class D(vx.Dim): ...

N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
K = TypeVar("K", bound=vx.AnyDim)
T = TypeVar("T", vx.float32, vx.int32, vx.float64)
Ds = TypeVarTuple("Ds")

def twice(x: vx.F32[*Ds]) -> vx.F32[*Ds]:
    return x * 2

def turned(x: vx.F32[N, M]) -> vx.F32[M, N]:
    return x.T

def same(x: vx.Array[T, N]) -> vx.Array[T, N]:
    return x + x

def rows(x: vx.F32[N, M], s: vx.F32[M]) -> vx.F32[N]:
    return (x * s).sum(axis=1)

def doubled(x: vx.F32[N]) -> vx.F32[vx.Mul[Literal[2], N]]:
    return vx.concat([x, x])

def longer(x: vx.F32[N, *Ds]) -> vx.F32[vx.Add[N, Literal[1]], *Ds]:
    return vx.concat([x, x[:1]])

def outer(x: vx.F32[N], y: vx.F32[M]) -> vx.F32[N, M]:
    return x[:, None] * y

def loss(w: vx.F32[N, M], x: vx.F32[K, N]) -> vx.F32[()]:
    return vx.tanh(x @ w).sum()

def both(x: vx.F32[N]) -> tuple[vx.F32[N], vx.F32[()]]:
    return x, x.sum()

@vx.struct
class Linear(Generic[N, M]):
    w: vx.F32[N, M]
    b: vx.F32[M]

    def __call__(self, x: vx.F32[*Ds, N]) -> vx.F32[*Ds, M]:
        return x @ self.w + self.b

def linear(w: vx.F32[N, M], b: vx.F32[M]) -> Linear[N, M]:
    return Linear(w, b)

@vx.struct
class Pair(Generic[N]):
    first: vx.F32[N]
    second: vx.F32[N]

def pair(x: vx.F32[N], y: vx.F32[N]) -> Pair[N]:
    return Pair(x, y)

"""

POINTWISE = (
    "{x} + {y}", "{x} * {y}", "{x} - {y}", "{x} / {y}", "{x} % {y}", "{x} // {n}", "{x} ** 2",
    "2.0 * {f}", "{x} * 3", "-{x}", "abs({x})", "{x} < {y}", "{x} == {y}", "{x} >= 0", "~{c}",
    "{c} & {c}", "{f} @ {g}", "{x} @ {y}", "{x}[0] + {x}", "{x} + {x}.sum(axis=0)", "vx.exp({f})",
    "vx.tanh({x})", "vx.maximum({x}, {y})", "vx.maximum({x}, 0)", "vx.where({c}, {x}, {y})",
    "vx.where({x} > 0, {x}, 0)", "vx.clip({x}, 0, 1)", "vx.sign({x})", "vx.atan2({f}, {g})",
    "vx.isnan({f})", "vx.logical_and({x} > 0, {y} > 0)", "vx.relu({f})",
    "vx.softmax({f}, axis={i})", "vx.log_softmax({f})", "vx.round({x})", "vx.square({x})",
    "vx.zeros_like({x})", "vx.full_like({x}, 1)", "{x}.astype(vx.float64)", "{x}.astype(vx.int32)",
    "vx.astype({x}, vx.float32)", "vx.real({x})", "{f} + 1j * {g}", "vx.stop_gradient({x})",
    "vx.one_hot({x}, {n})", "vx.nan_to_num({f})", "{x}.conj()",
)  # fmt: skip
SHAPES = (
    "{x}.T", "{k}.mT", "{x}.reshape(-1)", "{x}.ravel()", "{x}.flatten()", "{m}.reshape((-1, {n}))",
    "{x}.reshape(({x}.shape[0], -1))", "{m}.reshape(({m}.shape[0] * {m}.shape[1],))",
    "{x}.reshape((*{x}.shape, 1))", "vx.reshape({x}, (1, -1))", "vx.expand_dims({x}, {i})",
    "vx.squeeze({x}[None], 0)", "{x}[None]", "{x}[..., None]", "{x}[:, None]", "{x}[0]", "{x}[-1]",
    "{x}[1:]", "{x}[:-1]", "{x}[:2]", "{x}[::2]", "{x}[::-1]", "{m}[:, 0]", "{m}[..., 0]",
    "{m}[1:, :-1]", "{m}[0, 0]", "{x}[vx.arange({n})]", "{x}[{x} > 0]", "{x}[vx.argmax({x}[:, 0])]",
    "vx.permute_dims({m}, (1, 0))", "vx.swapaxes({m}, 0, {i})", "vx.moveaxis({m}, 0, -1)",
    "vx.flip({x}, {i})", "vx.roll({x}, 1, axis={i})", "vx.tile({x}, {n})", "vx.repeat({x}, {n})",
    "vx.repeat({x}, {n}, axis={i})", "vx.pad({x}, 1)", "vx.pad({x}, ((1, {n}),))",
    "vx.broadcast_to({x}, (3, *{x}.shape))", "vx.broadcast_to({x}, ({n}, {x}.shape[0]))",
    "vx.tril({m})", "vx.diagonal({m})", "vx.diag({x})", "vx.concat([{x}, {y}])",
    "vx.concat([{x}, {x}], axis={i})", "vx.concat(({x}, {y}, {x}), axis=-1)",
    "vx.stack([{x}, {y}])", "vx.stack([{x}, {x}], axis={i})", "vx.hstack([{x}, {y}])",
    "vx.split({x}, 2)", "vx.split({x}, 2)[0]", "vx.split({x}, [1])",
    "vx.split({x}, 2, axis={i})[1]", "vx.unstack({x})", "vx.unstack({m}, axis=1)[0]",
    "vx.atleast_2d({x})", "vx.meshgrid({x}, {y})", "vx.take({x}, vx.arange({n}), axis={i})",
    "{x}.at[0].set(0)", "{x}.at[1:].add({x}[1:])", "vx.outer({x}, {y})", "vx.kron({x}, {y})",
    "{x}.swapaxes(0, {i})", "{x}.squeeze()",
    "vx.take_along_axis({x}, vx.argsort({x}, axis={i}), axis={i})", "vx.append({x}, {y})",
    "vx.rot90({m})", "vx.triu({m}, 1)",
)  # fmt: skip
REDUCTIONS = (
    "{x}.sum()", "{x}.sum(axis={i})", "{x}.sum(axis={i}, keepdims=True)", "{f}.mean(axis={i})",
    "{f}.mean()", "{x}.max(axis={i})", "{x}.min()", "{x}.prod(axis={i})", "{f}.std(axis={i})",
    "{f}.var(keepdims=True)", "vx.sum({m}, axis=(0, 1))", "vx.any({c}, axis={i})",
    "vx.all({x} > 0)", "vx.argmax({x}, axis={i})", "vx.argmin({x})", "vx.argsort({x}, axis={i})",
    "vx.sort({x})", "vx.logsumexp({f}, axis={i})", "vx.cumulative_sum({x}, axis={i})",
    "{x}.cumsum(axis={i})", "vx.median({f}, axis={i})", "vx.count_nonzero({x}, axis={i})",
    "vx.linalg.norm({f})", "vx.linalg.vector_norm({f}, axis={i})", "vx.top_k({x}, 1)",
    "vx.trace({m})", "vx.ptp({x})", "vx.quantile({f}, 0.5, axis={i})", "vx.average({f}, axis={i})",
    "vx.diff({x})",
)  # fmt: skip
PRODUCTS = (
    "{m} @ {m}.T", "{m}.T @ {m}", "{x} @ {x}", "vx.matmul({x}, {y})", "vx.dot({x}, {y})",
    "vx.vecdot({x}, {y})", "vx.tensordot({m}, {o}, 2)", "vx.inner({x}, {y})",
    'vx.einsum("ij,jk->ik", {m}, {o})', 'vx.einsum("ij,kj->ik", {m}, {o})',
    'vx.einsum("ij->ji", {m})', 'vx.einsum("i,i->", {x}, {y})', 'vx.einsum("i,j->ij", {x}, {y})',
    'vx.einsum("...i->...", {x})', 'vx.einsum("bij,bjk->bik", {m}, {o})',
    "vx.linalg.inv({f} @ {f}.T)", "vx.linalg.solve({m} @ {m}.T, {o})", "vx.linalg.det({m} @ {m}.T)",
    "vx.linalg.cholesky({m} @ {m}.T)", "vx.linalg.eigh({m} @ {m}.T)", "vx.linalg.svd({m})",
    "vx.linalg.qr({m})", "vx.linalg.matrix_power({m} @ {m}.T, 3)", "vx.fft.fft({x})",
    "vx.linalg.slogdet({m} @ {m}.T)", "vx.fft.rfft({f})", "vx.convolve({x}, {y})",
)  # fmt: skip
TRANSFORMATIONS = (
    "vx.vmap(lambda r: r * 2)({x})", "vx.vmap(lambda r: r.sum())({x})", "vx.vmap(twice)({f})",
    "vx.vmap(lambda r: r[0])({m})", "vx.vmap(lambda r, s: r + s)({x}, {y})", "vx.vmap(both)({m})",
    "vx.vmap(lambda r: r @ r)({m})", "vx.vmap(lambda r, s: r * s, in_axes=(0, None))({x}, {y})",
    "vx.vmap(lambda r: r, in_axes=1)({m})", "vx.vmap(lambda r: r, out_axes=1)({m})",
    "vx.vmap(doubled)({m})", "vx.vmap(lambda r: r + {y})({x})", "vx.vmap(vx.vmap(vx.exp))({m})",
    "vx.grad(lambda t: (t * t).sum())({f})", "vx.grad(lambda t: vx.sum(t * {y}))({f})",
    "vx.value_and_grad(lambda t: (t ** 2).mean())({f})", "vx.grad(loss)({w}, {r})",
    "vx.grad(lambda t, s: vx.sum(t * s), argnums=(0, 1))({f}, {g})",
    "vx.hessian(lambda t: vx.sum(t * t))({f})", "vx.jacrev(lambda t: t * 2)({f})",
    "vx.jacfwd(lambda t: t.sum(axis=0))({f})", "vx.jvp(lambda t: t * t, ({f},), ({g},))",
    "vx.jit(lambda t: t + 1)({x})", "vx.jit(twice)({f})", "vx.checkpoint(lambda t: vx.sin(t))({f})",
    "vx.vmap(vx.grad(lambda t: (t * t).sum()))({f})",
    "vx.scan(lambda c, t: (c + t, c * t), {x}[0], {x})",
    "vx.scan(lambda c, t: (c + 1.0, t), 0.0, {x})", "vx.scan(lambda c, t: (c, None), {f}, {x})",
    "vx.fori_loop(0, 3, lambda i, c: c * 2, {x})",
    "vx.while_loop(lambda c: c.sum() < 3, lambda c: c + 1, {x})", "vx.map(lambda t: t * 2, {x})",
    "vx.cond({x}.sum() > 0, lambda t: t + 1, lambda t: t * 2, {x})",
    "vx.cond({c}.any(), lambda: {x}, lambda: {x} * 2)",
    "vx.associative_scan(lambda a, b: a + b, {x})",
    "vx.switch(0, [lambda t: t, lambda t: t * 2], {x})", "vx.linearize(lambda t: t * 2, {f})[0]",
    "vx.grad(lambda t: twice(t).sum())({f})",
)  # fmt: skip
FUNCTIONS = (
    "twice({f})", "turned({w})", "same({x})", "rows({w}, {u})", "doubled({u})", "longer({u})",
    "longer({w})", "outer({u}, {v})", "loss({w}, {r})", "both({u})", "both({u})[0]",
    "twice(turned({w}))", "doubled(longer({u}))", "partial(outer, {u})({v})",
    "partial(rows, s={u})({w})", "vx.vmap(partial(outer, {u}))({w})", "linear({w}, {u})({v})",
    "linear(w={w}, b={w}[0]).w", "vx.grad(lambda l: l({v}).sum())(linear({w}, {w}[0])).w",
    "pair({u}, {v}).second", "vx.tree.map(lambda t: t * 2, pair({u}, {v})).first",
    "vx.vmap(linear({w}, {u}))({r})", "linear({w}, {w}[0])({r})", "rows(turned({w}), {u})",
)  # fmt: skip
CONTAINERS = (
    "[{x}, {x}]", "({x}, {y})", "({x}, {y})[1]", "[{x}, {x}][0]", '{{"a": {x}, "b": {x}}}["a"]',
    "[t * 2 for t in [{x}, {x}]]", "vx.tree.map(lambda t: t + 1, [{x}, {x}])",
    "vx.tree.map(lambda t: t[0], ({x}, {y}))", "list({x})", "[r for r in {x}][0]",
)  # fmt: skip
SIZES = (
    "{x}.shape", "{x}.shape[0]", "{x}.shape[-1]", "{x}.shape[0] * 2", "{x}.shape[0] + {y}.shape[0]",
    "{x}.shape[0] * {y}.shape[0] - 1", "len({x})", "{x}.ndim", "{x}.size", "vx.zeros({x}.shape)",
    "vx.zeros(({x}.shape[0] * 2, {n}))", "vx.ones(({n}, {x}.shape[0] + 1))",
    "vx.arange({x}.shape[0])", "vx.eye({x}.shape[0])", "vx.arange(2, {n} + 3)",
    "vx.linspace(0.0, 1.0, {n})", "vx.full(({x}.shape[0],), 2.0)", "vx.zeros(({n}, {n}), vx.int32)",
    "vx.random.normal(vx.random.key(0), ({x}.shape[0], {n}))",
    "vx.random.uniform(vx.random.key(1))", "vx.random.split(vx.random.key(2))",
    "vx.random.permutation(vx.random.key(3), {x})",
    "vx.random.bernoulli(vx.random.key(4), 0.5, {x}.shape)",
    "vx.random.randint(vx.random.key(5), ({n},), 0, 9)",
)  # fmt: skip
STEPS = (
    *POINTWISE, *SHAPES, *REDUCTIONS, *PRODUCTS, *TRANSFORMATIONS, *FUNCTIONS, *CONTAINERS, *SIZES,
)  # fmt: skip
