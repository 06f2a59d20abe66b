"""vmap: the program on n examples at once; the mapped axis stands in front of every mapped value.

What depends on no mapped input is computed once and stays as it is. A mapped axis may have a name,
by which the examples talk to each other (ops/named.py): what names it is written out here. A cond
whose index differs between the examples is batched as it says (ops/lanes.py).

Law: ``vectorize(p)(stacked inputs) == stack of p(inputs)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

from verax.compiler.ir.op import Again, Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ops.control import Cond
from verax.compiler.ops.lanes import by_lane
from verax.compiler.ops.named import Named, names_of
from verax.compiler.ops.pointwise import Constant
from verax.compiler.ops.values import repeated
from verax.compiler.passes.effects import admit


@lru_cache(4096)
def vectorize(
    p: Program,
    mapped: tuple[bool, ...],
    n: Size,
    force: tuple[bool, ...] = (),
    name: str | None = None,
) -> tuple[Program, tuple[bool, ...]]:
    """The program whose mapped inputs have a new first dimension of size n.

    Args:
        p: the program.
        mapped: which inputs are mapped.
        n: the number of examples.
        force: which outputs shall be mapped even where they are the same for all examples.
        name: what the ops inside call the mapped axis.

    Returns:
        The program, and which outputs are mapped.
    """
    b = Builder()
    again: Again = vectorize if name is None else partial(vectorize, name=name)
    env = [b.input(t.stacked(n) if m else t) for t, m in zip(p.in_types, mapped)]
    on = list(mapped)
    constants: dict[int, Constant] = {}
    for op, xs, _, count, span in p.equations:
        b.span = span
        ins = [env[x] for x in xs]
        ms = [on[x] for x in xs]
        if True not in ms and (name is None or name not in names_of(op)):
            first = b.emit(op, *ins)
            env += range(first, first + count)
            on += [False] * count
            if isinstance(op, Constant):
                constants[first] = op
            continue
        if op.own_effects:
            admit("vmap", op, span)
        if op.aligned and False in ms:
            ins = [x if m else _stacked(b, n, x, constants.get(x)) for x, m in zip(ins, ms)]
            ms = [True] * len(ms)
        ys, out = _batched(b, n, op, ins, ms, again, name)
        env += ys
        on += out
    b.span = None
    outs = [env[o] for o in p.outs]
    out_mapped = [on[o] for o in p.outs]
    for i, wanted in enumerate(force):
        if wanted and not out_mapped[i]:
            outs[i], out_mapped[i] = repeated(b, n, outs[i]), True
    return b.finish(outs), tuple(out_mapped)


def _batched(
    b: Builder,
    n: Size,
    op: Op,
    xs: Sequence[int],
    mapped: Sequence[bool],
    again: Again,
    name: str | None,
) -> tuple[Sequence[int], Sequence[bool]]:
    if isinstance(op, Named) and op.axis == name:
        y, differs = op.meet(b, xs, mapped)
        return [y], [differs]
    if isinstance(op, Cond) and mapped[0]:
        return by_lane(b, n, op, xs, mapped[1:], again, name)
    return op.batch(b, n, xs, mapped, again)


def _stacked(b: Builder, n: Size, x: int, constant: Constant | None) -> int:
    """x for every example; a constant is written in the larger shape."""
    if constant is None:
        return repeated(b, n, x)
    return b.emit(Constant(constant.value, constant.type.stacked(n)))
