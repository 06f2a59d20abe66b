"""Bad input gives one clear error each: the whole message is compared with tests/bad_input.txt.

UPDATE_GOLDEN=1 writes the file anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax import P

GOLDEN = Path(__file__).parent / "bad_input.txt"
A, B = vx.ones((8, 16)), vx.ones((32, 4))
N = vx.asarray([1, 2, 3])
MESH = vx.Mesh(data=2, model=2)
ESCAPED = threading.local()


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


CASES: dict[str, Callable[[], Any]] = {
    "matmul": lambda: A @ B,
    "matmul that fits transposed": lambda: A @ vx.ones((4, 16)),
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
    "scan carry type": lambda: vx.scan(lambda c, x: (vx.stack([c, c]), x), vx.zeros(()), A),
    "scan carry structure": lambda: vx.scan(lambda c, x: ((c, c), x), vx.zeros(()), A),
    "scan result": lambda: vx.scan(lambda c, x: c, vx.zeros(()), A),
    "scan lengths": lambda: vx.scan(lambda c, x: (c, x[0]), vx.zeros(()), (A, B)),
    "while predicate": lambda: vx.while_loop(lambda x: x, lambda x: x, vx.ones((2,))),
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
    "float64 to int": lambda: vx.asarray(np.array([1.5]), dtype=vx.int32),
}


def message(make: Callable[[], Any]) -> str:
    """The whole message, with line numbers masked and paths cut to the file's name."""
    with pytest.raises(vx.VeraxError) as error:
        make()
    text = re.sub(r"[\w/.-]*?([\w]+\.py):\d+", r"\1:LINE", str(error.value))
    text = re.sub(r"(?<=\S) {2,}", "  ", text)  # columns are as wide as the paths were
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
