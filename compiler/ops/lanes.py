"""A cond whose index differs between the examples of a vmap (the lanes): three ways, as it says.

- ``select``: every branch runs for all lanes, and each lane takes the results of its own.
- ``map``: a loop over the lanes, of which each runs one branch.
- ``partition``: the lanes are sorted by their branch and run in 16 blocks of equal size. A block
  whose lanes all take one branch runs that one alone; where two branches meet in a block (once per
  branch at the most), it does as ``select`` does. So a lane costs about one branch, and lanes run
  together. With 16 lanes or fewer it is ``map``, with an unknown number of them ``select``.

Law: all three give every lane what its branch gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import EffectError, StructureError
from verax.compiler.ir.op import Again
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.span import places
from verax.compiler.ir.types import Type
from verax.compiler.ops.arithmetic import CLAMP, MIN
from verax.compiler.ops.control import Cond
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.loop_text import INDEX
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.masked import guarded
from verax.compiler.ops.named import names, names_of
from verax.compiler.ops.pointwise import SELECT, Compare, fill, splat
from verax.compiler.ops.slicing import Slice
from verax.compiler.ops.sort import Sort
from verax.compiler.ops.values import chosen, reshaped, rows

Batched: TypeAlias = tuple[Sequence[int], Sequence[bool]]
Way: TypeAlias = Callable[[Builder, Size, Cond, Sequence[int], Sequence[bool], Again], Batched]

BLOCKS = 16


def by_lane(
    b: Builder,
    n: Size,
    op: Cond,
    xs: Sequence[int],
    mapped: Sequence[bool],
    again: Again,
    name: str | None,
) -> Batched:
    """The results of the op, whose index is mapped; ``mapped`` is told of the other operands."""
    if op.batched != "select" and name is not None and name in names_of(op):
        raise StructureError(
            f"a cond with batched={op.batched!r} runs its lanes one after the other, and a branch"
            f" of it names the axis {name!r}, over which all lanes meet",
            fix="batched='select'",
            places=places(b.span),
        )
    return _WAYS[op.batched](b, n, op, xs, mapped, again)


def _select(
    b: Builder, n: Size, op: Cond, xs: Sequence[int], mapped: Sequence[bool], again: Again
) -> Batched:
    if op.effects:
        raise EffectError(
            "vmap of a cond whose index differs between the examples would run the effects "
            f"({', '.join(sorted(op.effects))}) of every branch",
            fix="batched='map'",
            places=places(b.span),
        )
    index, rest = xs[0], xs[1:]
    every = (True,) * len(op.branches[0].outs)
    last = len(op.branches) - 1
    outs = []
    for k, p in enumerate(op.branches):
        counts = b.emit(Compare(_taken(k, last)), index, fill(b, k, index))
        ins = guarded(b, n, counts, rest, mapped, names(p))
        outs.append(b.inline(again(p, tuple(mapped), n, every)[0], ins))
    ys = outs.pop()
    for k in reversed(range(len(outs))):
        here = b.emit(Compare("LE"), index, fill(b, k, index))
        ys = [chosen(b, here, x, y) for x, y in zip(outs[k], ys)]
    return ys, every


def _taken(k: int, last: int) -> str:
    """How the index of a lane that takes branch k compares with k; the index is clamped."""
    return "LE" if k == 0 else "GE" if k == last else "EQ"


def _map(
    b: Builder, n: Size, op: Cond, xs: Sequence[int], mapped: Sequence[bool], again: Again
) -> Batched:
    on = (True, *mapped)
    body = _over(op, [b.types[x].row() if m else b.types[x] for x, m in zip(xs, on)], on)
    return _scan(b, body, xs, on, n), (True,) * len(body.outs)


def _over(op: Cond, types: Sequence[Type], mapped: Sequence[bool]) -> Program:
    """The cond as the body of a scan, which takes what is not mapped first."""
    b = Builder()
    slots = dict(zip(_consts_first(mapped), [b.input(types[i]) for i in _consts_first(mapped)]))
    return b.finish(b.emit_all(op, *[slots[i] for i in range(len(types))]))


def _consts_first(mapped: Sequence[bool]) -> list[int]:
    return sorted(range(len(mapped)), key=lambda i: mapped[i])


def _scan(
    b: Builder, body: Program, xs: Sequence[int], mapped: Sequence[bool], n: Size
) -> Sequence[int]:
    ordered = [xs[i] for i in _consts_first(mapped)]
    return b.emit_all(Scan(body, mapped.count(False), 0, n), *ordered)


def _partition(
    b: Builder, n: Size, op: Cond, xs: Sequence[int], mapped: Sequence[bool], again: Again
) -> Batched:
    if not isinstance(n, int):
        return _select(b, n, op, xs, mapped, again)
    if n <= BLOCKS:
        return _map(b, n, op, xs, mapped, again)
    size = -(-n // BLOCKS)
    count = -(-n // size)
    lanes = b.emit(Iota(n, int32))
    last = fill(b, len(op.branches) - 1, xs[0])
    index = b.emit(CLAMP, fill(b, 0, xs[0]), xs[0], last)
    index, order = b.emit_all(Sort(0, 2), index, lanes)
    inverse = b.emit(Sort(0, 1), order, lanes) + 1
    seats = b.emit(Iota(count * size, int32))  # the last lane stands on the seats that are left
    seats = b.emit(MIN, seats, fill(b, n - 1, seats))
    order = rows(b, order, seats)
    on = (True, *mapped)
    blocks = [reshaped(b, rows(b, x, order), (count, size)) if m else x for x, m in zip(xs, on)]
    types = [b.types[x].row() if m else b.types[x] for x, m in zip(blocks, on)]
    body = _block(op, types, on, size, again)
    ys = _scan(b, body, blocks, on, count)
    return [rows(b, reshaped(b, y, (count * size,), 2), inverse) for y in ys], (True,) * len(ys)


def _block(
    op: Cond, types: Sequence[Type], mapped: Sequence[bool], size: int, again: Again
) -> Program:
    """One block of lanes, sorted by their branch: one branch for all, or each lane its own."""
    every = (True,) * len(op.branches[0].outs)
    branches = [_with_index(types[0], again(p, tuple(mapped[1:]), size, every)[0])
                for p in op.branches]  # fmt: skip
    mixed = Builder()
    ins = [mixed.input(t) for t in types]
    branches.append(mixed.finish(_select(mixed, size, op, ins, mapped[1:], again)[0]))
    b = Builder()
    slots = dict(zip(_consts_first(mapped), [b.input(types[i]) for i in _consts_first(mapped)]))
    first, last = (b.emit(Reshape(()), b.emit(Slice(((i, i + 1, 1),)), slots[0]))
                   for i in (0, size - 1))  # fmt: skip
    both = b.emit(splat(len(op.branches), INDEX))
    which = b.emit(SELECT, b.emit(Compare("EQ"), first, last), first, both)
    chosen_op = Cond(tuple(branches), op.batched)
    return b.finish(b.emit_all(chosen_op, which, *[slots[i] for i in range(len(types))]))


def _with_index(t: Type, p: Program) -> Program:
    """p with an input in front that it does not need."""
    b = Builder()
    b.input(t)
    return b.finish(b.inline(p, [b.input(t) for t in p.in_types]))


_WAYS: dict[str, Way] = {"select": _select, "map": _map, "partition": _partition}
