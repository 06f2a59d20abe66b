"""``scan(..., unroll=k)``: a loop whose body is k steps, and the steps that are left over.

It gives XLA more to fuse per turn. Rows are cut and stacked with slices and concatenations, which
keys do not have: a scan over keys is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.slicing import Concatenate, Slice
from verax.dsl.lang.value import apply, apply_all, invoke


def unrolled(
    op: Scan, consts: Sequence[Any], starts: Sequence[Any], xs: Sequence[Any], k: int
) -> list[Any]:
    """The results of a scan, k steps per turn."""
    n, p, n_carry = op.length, op.body, len(starts)
    c = len(consts) + n_carry
    rows: list[Type] = [*p.in_types[c:], *p.out_types[n_carry:]]
    if not isinstance(n, int) or n == 0 or any(isinstance(t, KeyType) for t in rows):
        return apply_all(op, *consts, *starts, *xs)
    k = min(k, n)
    turns, rest = divmod(n, k)
    whole = slice(rest, n) if op.reverse else slice(0, n - rest)  # the rest comes last in time
    left = slice(0, rest) if op.reverse else slice(n - rest, n)
    chunks = [_chunked(_cut(x, whole), turns, k) for x in xs]
    steps = Scan(_steps(op, len(consts), k), len(consts), n_carry, turns, op.reverse)
    out = apply_all(steps, *consts, *starts, *chunks)
    carry = out[:n_carry]
    ys = [apply(Reshape((turns * k, *y.type.shape[2:])), y) for y in out[n_carry:]]
    if rest == 0:
        return [*carry, *ys]
    tail = invoke(_steps(op, len(consts), rest), [*consts, *carry, *[_cut(x, left) for x in xs]])
    pairs = zip(tail[n_carry:], ys) if op.reverse else zip(ys, tail[n_carry:])
    return [*tail[:n_carry], *[apply(Concatenate(0), a, b) for a, b in pairs]]


def _cut(x: Any, part: slice) -> Any:
    shape = x.type.shape
    if part == slice(0, shape[0]):
        return x
    return apply(Slice(((part.start, part.stop, 1), *[None] * (len(shape) - 1))), x)


def _chunked(x: Any, turns: int, k: int) -> Any:
    return apply(Reshape((turns, k, *x.type.shape[1:])), x)


def _steps(op: Scan, n_consts: int, k: int) -> Program:
    """k steps of the body: takes consts, carry and k rows of each xs; gives carry and k rows."""
    p, n_carry = op.body, op.n_carry
    c = n_consts + n_carry
    b = Builder()
    ins = [b.input(t) for t in p.in_types[:c]]
    blocks = [b.input(t.stacked(k)) for t in p.in_types[c:]]
    carry, rows = ins[n_consts:], []
    for j in reversed(range(k)) if op.reverse else range(k):
        out = b.inline(p, [*ins[:n_consts], *carry, *[_row(b, x, j) for x in blocks]])
        carry = out[:n_carry]
        rows.append(out[n_carry:])
    if op.reverse:
        rows.reverse()
    return b.finish([*carry, *[_stack(b, column) for column in zip(*rows)]])


def _row(b: Builder, x: int, j: int) -> int:
    t = b.types[x]
    assert isinstance(t, ArrayType)
    part = b.emit(Slice(((j, j + 1, 1), *[None] * (t.ndim - 1))), x)
    return b.emit(Reshape(t.shape[1:]), part)


def _stack(b: Builder, rows: Sequence[int]) -> int:
    lifted = [b.emit(Reshape((1, *b.types[r].shape)), r) for r in rows]
    return lifted[0] if len(lifted) == 1 else b.emit(Concatenate(0), *lifted)
