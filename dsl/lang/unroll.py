"""Scans whose turns are several steps: ``unroll=k`` writes them out, ``checkpoint_every=k`` keeps
nothing of them but the carry.

A turn takes k rows; the steps that are left over come last. Written out, they give XLA more to fuse
per turn. As a loop of their own that is computed again in reverse mode, they make its memory that
of n / k carries and of k steps.

Law: the results and derivatives are those of the scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.remat import Remat
from verax.compiler.ops.slicing import Concatenate, Slice
from verax.compiler.ops.values import arraywise, reshaped
from verax.dsl.lang.value import apply_all, invoke

Steps: TypeAlias = Callable[[Scan, int], Program]
"""k steps of a scan: takes consts, carry and k rows of each xs; gives carry and k rows."""


def unrolled(
    op: Scan, consts: Sequence[Any], starts: Sequence[Any], xs: Sequence[Any], k: int
) -> list[Any]:
    """The results of a scan, k steps per turn."""
    return _by_turns(op, consts, starts, xs, k, _written_out)


def checkpointed(
    op: Scan, consts: Sequence[Any], starts: Sequence[Any], xs: Sequence[Any], k: int, unroll: int
) -> list[Any]:
    """The results of a scan, of which reverse mode keeps the carry every k steps."""
    return _by_turns(op, consts, starts, xs, k, partial(_again, unroll=unroll))


def _by_turns(
    op: Scan,
    consts: Sequence[Any],
    starts: Sequence[Any],
    xs: Sequence[Any],
    k: int,
    steps: Steps,
) -> list[Any]:
    operands = [*consts, *starts, *xs]
    if not isinstance(op.length, int) or op.length == 0:
        return apply_all(op, *operands)
    return list(invoke(_turns(op, min(k, op.length), steps), operands))


def _turns(op: Scan, k: int, steps: Steps) -> Program:
    """The scan in turns of k steps, as a program of its operands."""
    n, n_carry = op.length, op.n_carry
    assert isinstance(n, int)
    c = op.n_consts + n_carry
    turns, rest = divmod(n, k)
    whole = slice(rest, n) if op.reverse else slice(0, n - rest)  # the rest comes last in time
    left = slice(0, rest) if op.reverse else slice(n - rest, n)
    b = Builder()
    ins = [b.input(t) for t in op.body.in_types[:c]]
    xs = [b.input(t.stacked(n)) for t in op.body.in_types[c:]]
    loop = Scan(steps(op, k), op.n_consts, n_carry, turns, op.reverse)
    chunks = [reshaped(b, _cut(b, x, whole), (turns, k)) for x in xs]
    out = b.emit_all(loop, *ins, *chunks)
    carry = out[:n_carry]
    ys = [reshaped(b, y, (turns * k,), 2) for y in out[n_carry:]]
    if rest == 0:
        return b.finish([*carry, *ys])
    consts = ins[: op.n_consts]
    tail = b.inline(steps(op, rest), [*consts, *carry, *[_cut(b, x, left) for x in xs]])
    pairs = zip(tail[n_carry:], ys) if op.reverse else zip(ys, tail[n_carry:])
    return b.finish([*tail[:n_carry], *[_joined(b, pair) for pair in pairs]])


def _again(op: Scan, k: int, *, unroll: int) -> Program:
    """k steps as a loop of their own, computed again in reverse mode."""
    loop = Scan(op.body, op.n_consts, op.n_carry, k, op.reverse)
    p = _turns(loop, min(k, unroll), _written_out)
    b = Builder()
    return b.finish(b.emit_all(Remat(p), *[b.input(t) for t in p.in_types]))


def _written_out(op: Scan, k: int) -> Program:
    """k steps, one after the other."""
    p, n_carry = op.body, op.n_carry
    c = op.n_consts + n_carry
    b = Builder()
    ins = [b.input(t) for t in p.in_types[:c]]
    blocks = [b.input(t.stacked(k)) for t in p.in_types[c:]]
    carry, rows = ins[op.n_consts :], []
    for j in reversed(range(k)) if op.reverse else range(k):
        each = [reshaped(b, _cut(b, x, slice(j, j + 1)), ()) for x in blocks]
        out = b.inline(p, [*ins[: op.n_consts], *carry, *each])
        carry = out[:n_carry]
        rows.append(out[n_carry:])
    if op.reverse:
        rows.reverse()
    return b.finish([*carry, *[_stack(b, column) for column in zip(*rows)]])


def _cut(b: Builder, x: int, part: slice) -> int:
    def cut(x: int) -> int:
        t = b.types[x]
        assert isinstance(t, ArrayType)
        if part == slice(0, t.shape[0]):
            return x
        return b.emit(Slice(((part.start, part.stop, 1), *[None] * (t.ndim - 1))), x)

    return arraywise(b, cut, x)


def _stack(b: Builder, rows: Sequence[int]) -> int:
    return _joined(b, [reshaped(b, r, (1,), 0) for r in rows])


def _joined(b: Builder, rows: Sequence[int]) -> int:
    if len(rows) == 1:
        return rows[0]
    return arraywise(b, lambda *xs: b.emit(Concatenate(0), *xs), *rows)
