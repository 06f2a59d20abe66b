"""Which values depend on which inputs, through the programs that ops hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program
from verax.compiler.ops.carry import settle
from verax.compiler.ops.control import Call, Cond, any_of
from verax.compiler.ops.custom import Custom
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.remat import Remat


@lru_cache(4096)
def depends(p: Program, mask: tuple[bool, ...]) -> tuple[bool, ...]:
    """Per output, whether it depends on an input of the mask."""
    on = list(mask)
    for op, xs, _, count, _ in p.equations:
        ms = [on[x] for x in xs]
        if True not in ms:
            on += [False] * count
        elif op.programs:
            on += results(op, tuple(ms), count)
        else:
            on += [True] * count
    return tuple([on[o] for o in p.outs])


def results(op: Op, mask: tuple[bool, ...], count: int) -> Sequence[bool]:
    """Per result of op, whether it depends on an operand of the mask."""
    if isinstance(op, Call | Remat):
        return depends(op.program, mask)
    if isinstance(op, Custom):
        return depends(op.primal, mask)
    if isinstance(op, Cond) and not mask[0]:
        return any_of(depends(p, mask[1:]) for p in op.branches)
    if isinstance(op, While):
        consts = mask[: op.n_consts]

        def turn(carry: tuple[bool, ...]) -> tuple[None, Sequence[bool]]:
            (stops,) = depends(op.cond, (*consts, *carry))
            return None, [stops or on for on in depends(op.body, (*consts, *carry))]

        return settle(turn, mask[op.n_consts :])[1]
    if isinstance(op, Scan):
        c, k = op.n_consts, op.n_consts + op.n_carry

        def step(carry: tuple[bool, ...]) -> tuple[Sequence[bool], Sequence[bool]]:
            out = depends(op.body, (*mask[:c], *carry, *mask[k:]))
            return out[op.n_carry :], out[: op.n_carry]

        ys, carry = settle(step, mask[c:k])
        return (*carry, *ys)
    return (True,) * count
