"""Bad input gives one clear error each: the whole message is compared with tests/bad_input.txt.

UPDATE_GOLDEN=1 writes the file anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax import ArrayType, P
from verax.compiler.ir.sizes import Size, dim
from verax.dsl.lang.stage import stage
from verax.dsl.lang.treedef import flatten

GOLDEN = Path(__file__).parent / "bad_input.txt"
A, B = vx.ones((8, 16)), vx.ones((32, 4))
N = vx.asarray([1, 2, 3])
MESH = vx.Mesh(data=2, model=2)
ESCAPED = threading.local()
SEEN: list[Any] = []
NUMBERS = iter(range(9))


KEY = vx.random.key(7)
BATCH, FEAT, HIDDEN = dim("Batch"), dim("Feat"), dim("Hidden")
COUNTS = {"calls": 0}
LAST: Any = None


def T(*shape: Size) -> ArrayType:
    return vx.spec(shape)


def N32(*shape: Size) -> ArrayType:
    return vx.spec(shape, vx.int32)


def staged(f: Callable[..., Any], *types: ArrayType, strict: bool = False) -> Any:
    """f staged for types with named dims, as checkers do it."""
    return stage(f, flatten(types)[1], types, what="a check", strict=strict)


def product(w: Any, x: Any) -> Any:
    return x @ w


def split_twice() -> Any:
    key = vx.random.key(0)
    a, b = vx.random.split(key)
    return a, b, vx.random.split(key)


def counts_up(x: vx.AnyArray) -> vx.AnyArray:
    COUNTS["calls"] += 1
    return x


def draws_numpy(x: vx.AnyArray) -> vx.AnyArray:
    return x * np.random.rand()


def rebinds(x: vx.AnyArray) -> vx.AnyArray:
    global LAST  # noqa: PLW0603
    LAST = x
    return x


def leak(x: vx.AnyArray) -> vx.AnyArray:
    ESCAPED.value = x * 2
    return x


def decide(x: vx.AnyArray) -> vx.AnyArray:
    if x > 0:
        return x
    return -x


def use_after_donation() -> Any:
    x = vx.ones((3,))
    vx.jit(lambda v: v + 1, donate_argnums=0)(x)
    return x + 1


def reuse_staged(key: vx.random.Key) -> Any:
    a = vx.random.normal(key, (2,))
    return a + vx.random.uniform(key, (2,))


def reuse_in_loop(key: vx.random.Key) -> Any:
    return vx.fori_loop(0, 3, lambda i, x: x + vx.random.normal(key, ()), vx.zeros(()))


def no_common_dtype() -> Any:
    unsigned: vx.AnyArray = vx.asarray([1], dtype=vx.uint64)
    return unsigned + vx.asarray([1], dtype=vx.int64)


def appends(x: vx.AnyArray) -> vx.AnyArray:
    SEEN.append(x)
    return x


def takes_next(x: vx.AnyArray) -> vx.AnyArray:
    return x * next(NUMBERS)


def tells_time(x: vx.AnyArray) -> vx.AnyArray:
    return x * time.time()


def draws(x: vx.AnyArray) -> vx.AnyArray:
    return x * random.random()


def second_variant() -> Any:
    f = vx.jit(lambda x: x * 2, max_variants=1)
    return f(A), f(B)


def with_rule(bwd: Callable[[Any, Any], Any]) -> Any:
    """The gradient of a sine whose backward rule is wrong."""
    f = vx.custom_vjp(vx.sin)
    f.defvjp(lambda x: (vx.sin(x), x), bwd)
    return vx.grad(lambda x: vx.sum(f(x)))(vx.ones((3,)))


CASES: dict[str, Callable[[], Any]] = {
    "matmul": lambda: A @ B,
    "matmul that fits transposed": lambda: A @ vx.ones((4, 16)),
    "matmul of stacks": lambda: vx.ones((2, 8, 16)) @ vx.ones((2, 32, 4)),
    "matmul of a scalar": lambda: vx.matmul(A, 2.0),
    "broadcast": lambda: A + vx.ones((8, 15)),
    "broadcast under jit": lambda: vx.jit(lambda x: x * vx.ones((3,)))(A),
    "einsum sizes": lambda: vx.einsum("ij,jk->ik", A, B),
    "einsum ranks": lambda: vx.einsum("ij,j->i", A, A),
    "einsum operands": lambda: vx.einsum("ij,jk->ik", A),
    "concat": lambda: vx.concat([A, B], axis=0),
    "reshape": lambda: vx.reshape(A, (7, 16)),
    "axis out of range": lambda: vx.sum(A, axis=2),
    "axis twice": lambda: vx.sum(A, axis=(0, 0)),
    "transpose": lambda: vx.permute_dims(A, (0, 0)),
    "squeeze": lambda: vx.squeeze(A, axis=0),
    "max of nothing": lambda: vx.max(vx.ones((0, 2)), axis=0),
    "literal index": lambda: A[8],
    "literal index, negative": lambda: A[0, -17],
    "too many indices": lambda: A[0, 0, 0],
    "float index": lambda: A[vx.asarray([0.5])],
    "staged mask": lambda: vx.jit(lambda x: x[x > 0])(N),
    "assignment": lambda: A.__setitem__(0, 1.0),
    "bitwise on floats": lambda: A & A,
    "a value that does not fit": lambda: vx.asarray([1, 2], dtype=vx.int8) + 300,
    "no common dtype": no_common_dtype,
    "order of complex numbers": lambda: vx.asarray([1j]) < vx.asarray([2j]),
    "grad of a vector": lambda: vx.grad(lambda x: x * 2)(vx.ones((3,))),
    "grad by an integer": lambda: vx.grad(lambda n: vx.sum(n) * 1.0)(N),
    "grad of an integer": lambda: vx.grad(vx.argmax)(vx.ones((3,))),
    "grad of a tree": lambda: vx.grad(lambda x: (x, x))(1.0),
    "jvp tangent": lambda: vx.jvp(vx.sin, (vx.ones((3,)),), (vx.ones((4,)),)),
    "vjp cotangent": lambda: vx.vjp(vx.sin, vx.ones((3,)))[1](vx.ones((4,))),
    "vmap sizes": lambda: vx.vmap(lambda x, y: x + y)(vx.ones((3,)), vx.ones((4,))),
    "vmap axis": lambda: vx.vmap(vx.sin, in_axes=2)(vx.ones((3, 4))),
    "vmap of nothing": lambda: vx.vmap(vx.sin, in_axes=None)(vx.ones((3,))),
    "cond types": lambda: vx.cond(True, lambda x: x, lambda x: x > 0, A),
    "cond structures": lambda: vx.cond(True, lambda x: (x, x), lambda x: [x], A),
    "cond dtypes in a tree": lambda: vx.cond(
        True, lambda x: {"a": x, "b": x}, lambda x: {"a": x, "b": vx.sum(x).astype(vx.int32)}, A
    ),
    "cond on a vector": lambda: vx.cond(N > 0, lambda x: x, lambda x: -x, A),
    "cond on a number": lambda: vx.cond(vx.asarray(1.0), lambda x: x, lambda x: -x, A),
    "switch on a float": lambda: vx.switch(1.0, [vx.sin, vx.cos], A),
    "scan carry dtype": lambda: vx.scan(lambda c, x: (c + x[0], x), N[0], A),
    "scan carry type": lambda: vx.scan(lambda c, x: (vx.stack([c, c]), x), vx.zeros(()), A),
    "scan carry structure": lambda: vx.scan(lambda c, x: ((c, c), x), vx.zeros(()), A),
    "scan result": lambda: vx.scan(lambda c, x: c, vx.zeros(()), A),
    "scan lengths": lambda: vx.scan(lambda c, x: (c, x[0]), vx.zeros(()), (A, B)),
    "while predicate": lambda: vx.while_loop(lambda x: x, lambda x: x, vx.ones((2,))),
    "while predicate dtype": lambda: vx.while_loop(lambda x: x, lambda x: x, vx.ones(())),
    "while carry": lambda: vx.while_loop(lambda x: x[0] < 3, lambda x: x[:1], vx.ones((2,))),
    "grad of a while loop": lambda: vx.grad(
        lambda x: vx.while_loop(lambda v: v < 3.0, lambda v: v * 2.0, x)
    )(1.0),
    "if on a staged value": lambda: vx.jit(decide)(vx.ones(())),
    "if on a mapped value": lambda: vx.vmap(decide)(vx.ones((3,))),
    "if on a vector": lambda: bool(vx.ones((3,)) > 0),
    "escaped value": lambda: (vx.jit(leak)(vx.ones((2,))), ESCAPED.value + 1),
    "donated": use_after_donation,
    "tree structures": lambda: vx.tree.map(lambda a, b: a + b, {"w": A, "b": A}, {"w": A}),
    "mesh axis size": lambda: vx.Mesh(data=0),
    "mesh that does not divide": lambda: vx.shard(vx.ones((7, 4)), MESH, P("data")),
    "unknown mesh axis": lambda: vx.shard(A, MESH, P("batch")),
    "mesh axis twice": lambda: vx.shard(A, MESH, P("data", "data")),
    "spec too long": lambda: vx.shard(A, MESH, P(None, None, "data")),
    "two meshes": lambda: vx.shard(A, MESH, P("data")) + vx.shard(A, vx.Mesh(x=2), P("x")),
    "too many devices": lambda: vx.shard(vx.ones((4096,)), vx.Mesh(data=4096), P("data")),
    "key used twice": lambda: (lambda k: (vx.random.normal(k), vx.random.normal(k)))(
        vx.random.key(0)
    ),
    "key used twice, staged": lambda: vx.jit(reuse_staged)(vx.random.key(0)),
    "key used in a loop": lambda: vx.jit(reuse_in_loop)(vx.random.key(0)),
    "dropout rate": lambda: vx.nn.dropout(A, 1.5, key=vx.random.key(0)),
    "float labels": lambda: vx.nn.cross_entropy(A, vx.ones((8,))),
    "custom rule, structure": lambda: with_rule(lambda x, ct: ct * vx.cos(x)),
    "custom rule, shape": lambda: with_rule(lambda x, ct: (vx.sum(ct * vx.cos(x)),)),
    "custom rule, dtype": lambda: with_rule(lambda x, ct: (vx.ones((3,), dtype=vx.int32),)),
    "custom rule, count": lambda: with_rule(lambda x, ct: (ct, ct)),
    "custom rule missing": lambda: vx.grad(vx.custom_vjp(lambda x: x * x))(1.0),
    "cholesky of what is not square": lambda: vx.linalg.cholesky(A),
    "inverse of what is not square": lambda: vx.linalg.inv(A),
    "solve sizes": lambda: vx.linalg.solve(vx.eye(8), B),
    "determinant of a vector": lambda: vx.linalg.det(vx.ones((3,))),
    "window of size 0": lambda: vx.reduce_window(A, 0.0, "add", (0, 2)),
    "window of negative size": lambda: vx.reduce_window(A, 0.0, "add", (2, -1)),
    "window ranks": lambda: vx.reduce_window(A, 0.0, "add", (2,)),
    "window strides": lambda: vx.reduce_window(A, 0.0, "add", (2, 2), (0, 1)),
    "argmax of nothing": lambda: vx.argmax(vx.ones((0, 2)), axis=0),
    "take by floats": lambda: vx.take(A, vx.asarray([0.5]), axis=0),
    "update by floats": lambda: A.at[vx.asarray([0.5])].set(1.0),
    "segments by floats": lambda: vx.segment_sum(A, vx.ones((8,)), num_segments=2),
    "fft axes": lambda: vx.fft.fftn(A, axes=(0, 2)),
    "fft axis twice": lambda: vx.fft.fftn(A, axes=(0, -2)),
    "fft of no elements": lambda: vx.fft.fft(A, n=0),
    "second variant": second_variant,
    "captured list": lambda: vx.jit(appends)(A),
    "captured iterator": lambda: vx.jit(takes_next)(A),
    "clock": lambda: vx.jit(tells_time)(A),
    "Python's random": lambda: vx.jit(draws)(A),
    "checkpoint policy": lambda: vx.checkpoint(vx.sin, policy="everything"),
    "memory budget": lambda: vx.grad(lambda x: vx.sum(vx.sin(x)), memory="1KB")(vx.ones((999,))),
    "unknown axis name": lambda: vx.vmap(lambda x: vx.psum(x, "j"), axis_name="i")(A),
    "axis name outside": lambda: vx.psum(A, "i"),
    "linear_transpose of a square": lambda: vx.linear_transpose(lambda x: x * x, A)(A),
    "complex result of grad": lambda: vx.grad(lambda x: x * 1j)(1.0),
    "holomorphic of a real": lambda: vx.grad(vx.sin, holomorphic=True)(1.0),
    "floor of complex numbers": lambda: vx.floor(vx.asarray([1j])),
    "minus of booleans": lambda: -(A > 0),
    "bitcast widths": lambda: vx.bitcast(A, vx.int8),
    "float64 to int": lambda: vx.asarray(np.array([1.5]), dtype=vx.int32),
    # symbolic sizes, with the names of the dims
    "named matmul": lambda: staged(lambda x, w: x @ w, T(BATCH, FEAT), T(HIDDEN, 10)),
    "named matmul, transposed": lambda: staged(lambda x, w: x @ w, T(BATCH, FEAT), T(HIDDEN, FEAT)),
    "named matmul, batches": lambda: staged(
        lambda x, y: x @ y, T(BATCH, 4, FEAT), T(HIDDEN, FEAT, 4)
    ),
    "named broadcast": lambda: staged(lambda x, b: x + b, T(BATCH, FEAT), T(HIDDEN)),
    "named broadcast of a column": lambda: staged(lambda x, b: x + b, T(BATCH, FEAT), T(BATCH)),
    "named broadcast against a number": lambda: staged(lambda x, b: x * b, T(BATCH, FEAT), T(3)),
    "named where": lambda: staged(
        lambda c, x, y: vx.where(c > 0, x, y), T(BATCH, 1), T(BATCH, FEAT), T(HIDDEN)
    ),
    "named einsum": lambda: staged(
        lambda x, w: vx.einsum("b t d, d h -> b t h", x, w), T(BATCH, 8, FEAT), T(HIDDEN, 4)
    ),
    "named einsum, crossed": lambda: staged(
        lambda x, y: vx.einsum("ij,ji->i", x, y), T(BATCH, FEAT), T(FEAT, HIDDEN)
    ),
    "named tensordot": lambda: staged(
        lambda x, y: vx.tensordot(x, y, ((1, 2), (0, 1))), T(BATCH, FEAT, 3), T(FEAT, 4, HIDDEN)
    ),
    "named vecdot": lambda: staged(vx.vecdot, T(BATCH, FEAT), T(BATCH, HIDDEN)),
    "named concat": lambda: staged(
        lambda x, y: vx.concat([x, y]), T(BATCH, FEAT), T(BATCH, HIDDEN)
    ),
    "named stack": lambda: staged(
        lambda x, y: vx.stack([x, y]), T(BATCH, FEAT), T(BATCH, FEAT + 1)
    ),
    "named reshape": lambda: staged(lambda x: vx.reshape(x, (BATCH, HIDDEN, 2)), T(BATCH, 8, FEAT)),
    "named carry": lambda: staged(
        lambda c, xs: vx.scan(lambda c, x: (vx.concat([c, x]), None), c, xs), T(FEAT), T(BATCH, 1)
    ),
    "named carry in a tree": lambda: staged(
        lambda c, xs: vx.scan(lambda c, x: ({"h": x, "n": c["n"] + 1}, None), {"h": c, "n": 0}, xs),
        T(HIDDEN),
        T(BATCH, FEAT),
    ),
    "named branches": lambda: staged(
        lambda x: vx.cond(True, lambda x: x.T, lambda x: x, x), T(BATCH, FEAT)
    ),
    "named vmap": lambda: staged(vx.vmap(vx.add), T(BATCH, FEAT), T(FEAT, BATCH)),
    "named vmap, in_axes": lambda: staged(
        vx.vmap(vx.dot, in_axes=(0, 1)), T(BATCH, FEAT), T(FEAT, HIDDEN)
    ),
    "named rows": lambda: staged(
        lambda x, y: vx.scan(lambda c, r: (c, r), 0, (x, y)), T(BATCH, 3), T(FEAT, 3)
    ),
    "named update": lambda: staged(lambda x, v: x.at[:, 0].set(v), T(BATCH, FEAT), T(FEAT)),
    "named dynamic update": lambda: staged(
        lambda x, v: vx.dynamic_update_slice(x, v, [0, 0]), T(8, FEAT), T(9, FEAT)
    ),
    "named take_along_axis": lambda: staged(
        lambda x, i: vx.take_along_axis(x, i.astype(vx.int32), 1), T(BATCH, FEAT), T(HIDDEN, 3)
    ),
    "named conv": lambda: staged(
        lambda x, w: vx.conv(x, w, (1, 1), "SAME"), T(BATCH, 3, 32, 32), T(16, 4, 5, 5)
    ),
    "named conv, words": lambda: staged(
        lambda x, w: vx.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        T(BATCH, 32, 32, FEAT),
        T(5, 5, HIDDEN, 16),
    ),
    "named solve": lambda: staged(vx.linalg.solve, T(FEAT, FEAT), T(HIDDEN, 3)),
    "named square": lambda: staged(vx.linalg.inv, T(BATCH, FEAT)),
    "named gradient": lambda: staged(vx.grad(product), T(FEAT, 3), T(BATCH, FEAT)),
    "named loss of rows": lambda: staged(
        lambda w, x: vx.grad(lambda w: vx.mean(product(w, x), axis=1))(w),
        T(FEAT, 3),
        T(BATCH, FEAT),
    ),
    "named cotangent": lambda: staged(
        lambda x, y: vx.vjp(vx.sin, x)[1](y), T(BATCH, FEAT), T(BATCH)
    ),
    "named axis": lambda: staged(lambda x: vx.sum(x, axis=2), T(BATCH, FEAT)),
    "named squeeze": lambda: staged(lambda x: vx.squeeze(x, axis=1), T(BATCH, FEAT)),
    "named branch on a size": lambda: staged(
        lambda x, y: x if vx.sum(x) > 0 else y, T(BATCH), T(BATCH)
    ),
    # dtypes, promotion="strict"
    "strict dtypes": lambda: staged(lambda x, n: x * n, T(BATCH), N32(BATCH), strict=True),
    "strict dtypes under jit": lambda: vx.jit(lambda x: x + N, promotion="strict")(vx.ones((3,))),
    "strict matmul": lambda: staged(lambda x, w: x @ w, T(BATCH, FEAT), N32(FEAT, 2), strict=True),
    "strict where": lambda: staged(
        lambda x, n: vx.where(x > 0, x, n), T(BATCH), N32(BATCH), strict=True
    ),
    "dtype that is none": lambda: vx.zeros((3,), dtype="float31"),
    "maximum of complex numbers": lambda: vx.maximum(vx.asarray([1j]), vx.asarray([2j])),
    "clip of complex numbers": lambda: vx.clip(vx.asarray([1j]), 0, 1),
    "remainder of booleans": lambda: (N > 0) % (N > 1),
    "invert of floats": lambda: ~A,
    "negative power of integers": lambda: N**-1,
    "a list is no array": lambda: vx.add([1, 2], A),  # type: ignore[arg-type]
    "None is no array": lambda: vx.sin(None),  # type: ignore[arg-type]
    "a string is no argument": lambda: vx.jit(lambda x: x)("a"),
    # keys
    "key split twice": split_twice,
    "key after it was folded": lambda: (lambda k: (vx.random.fold_in(k, 1), vx.random.normal(k)))(
        vx.random.key(0)
    ),
    "key folded twice with one number": lambda: (
        lambda k: (vx.random.fold_in(k, 1), vx.random.fold_in(k, 1))
    )(vx.random.key(0)),
    "key captured by a loop": lambda: vx.scan(
        lambda c, x: (c + vx.random.normal(KEY, ()), None), 0.0, A
    ),
    "keys where one is needed": lambda: vx.random.normal(
        vx.random.split(vx.random.key(0), 3), (2,)
    ),
    "no key": lambda: vx.random.normal(0, (2,)),  # type: ignore[call-overload]
    "probabilities of integers": lambda: vx.random.bernoulli(vx.random.key(0), N),
    # purity and effects
    "captured dict": lambda: vx.jit(counts_up)(A),
    "nondeterministic numpy": lambda: vx.jit(draws_numpy)(A),
    "global rebound": lambda: vx.jit(rebinds)(A),
    # sharding
    "shard by a list": lambda: vx.shard(A, MESH, ["data"]),
    "two meshes under jit": lambda: vx.jit(
        lambda x: vx.shard(x, MESH, P("data")) + vx.shard(x, vx.Mesh(x=2), P("x"))
    )(A),
    "unknown axis under jit": lambda: vx.jit(lambda x: vx.shard(x, MESH, P("rows")))(A),
    "named shard that cannot divide": lambda: staged(
        lambda x: vx.shard(x, MESH, P("data")), T(7, FEAT)
    ),
    # and what is left
    "split": lambda: vx.split(A, 3),
    "one_hot axis": lambda: vx.one_hot(N, 3, axis=5),
    "moveaxis": lambda: vx.moveaxis(A, (0, 1), 0),
    "sort with keys": lambda: vx.sort((A, B)),
    "top_k": lambda: vx.top_k(N, 4),
    "multi_dot": lambda: vx.linalg.multi_dot([A, A]),
    "lstsq": lambda: vx.linalg.lstsq(A, vx.ones((9,))),
    "pad": lambda: vx.pad(vx.ones((0,)), 1, mode="edge"),
    "segments": lambda: vx.segment_sum(A, N, num_segments=3),
    "ppermute": lambda: vx.vmap(lambda x: vx.ppermute(x, "i", [(0, 1), (2, 1)]), axis_name="i")(N),
    "pshuffle": lambda: vx.vmap(lambda x: vx.pshuffle(x, "i", [0, 0, 1]), axis_name="i")(N),
    "associative_scan": lambda: vx.associative_scan(lambda a, b: a, (A, B)),
    "associative_scan, result": lambda: vx.associative_scan(lambda a, b: a + 0.5, N),
    "dimension numbers": lambda: vx.conv_general_dilated(
        vx.ones((1, 8, 8, 3)),
        vx.ones((3, 3, 3, 4)),
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWXO", "NHWC"),
    ),
    "argnums": lambda: vx.grad(vx.sin, argnums=1)(1.0),
    "static argument": lambda: vx.jit(lambda x, n: x, static_argnames="m"),
    "unflatten": lambda: vx.tree.unflatten(vx.tree.structure((1, 2)), [1]),
    "replace": lambda: vx.replace((1, 2), x=1),
    "layer width": lambda: vx.nn.Linear.init(3, 4, key=vx.random.key(0))(A),
    "attention heads": lambda: vx.nn.MultiHeadAttention.init(10, 3, key=vx.random.key(0)),
    "optimiser's tree": lambda: vx.optim.apply_updates({"w": A}, {"b": A}),
    "append": lambda: vx.append(A, B, axis=0),
}


def message(make: Callable[[], Any]) -> str:
    """The whole message, with line numbers masked and paths cut to the file's name."""
    with pytest.raises(vx.VeraxError) as error:
        make()
    text = re.sub(r"[\w/.-]*?([\w]+\.py):\d+", r"\1:LINE", str(error.value))
    assert "test_bad_input.py:LINE" in text, f"no line of the user's in: {text}"
    return text


def read() -> dict[str, str]:
    if not GOLDEN.exists():
        return {}
    parts = re.split(r"^== (.*)\n", GOLDEN.read_text(), flags=re.M)[1:]
    return {name: text.rstrip("\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}


if os.environ.get("UPDATE_GOLDEN"):
    GOLDEN.write_text("".join(f"== {name}\n{message(make)}\n\n" for name, make in CASES.items()))
WANTED = read()


@pytest.mark.parametrize("name", CASES)
def test_message(name: str) -> None:
    assert message(CASES[name]) == WANTED.get(name)
