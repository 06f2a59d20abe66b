"""Bound what fusion expands again: a fence where a shared value has a long history.

XLA writes chains of pointwise equations as one kernel, and where several kernels use a value, each
may compute it again from the arrays that its history reads. In a deep residual stream that history
grows with the depth, and compile and run time with its square. A fence (an identity that is not
inlined) makes XLA write the value down once.

The rule is traffic: fence v where it saves more bytes than it costs. With kernels K(v) that would
compute v again and arrays A(v) that its history reads, (K - 1) * bytes(A) > (K + 1) * bytes(v).

A barrier becomes a fence too, since XLA on CPU drops barriers before it fuses and schedules.

Law: the program computes the same values; programs of fewer than SMALL equations get no fences of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ops.barrier import Barrier, Fence
from verax.compiler.ops.contract import Contract

SMALL = 100
FUSED: frozenset[str] = frozenset({
    "bitcast", "compare", "concatenate", "convert", "dynamic_slice", "own_part", "pad", "pointwise",
    "reshape", "reverse", "select", "shard", "slice", "stop_gradient",
})  # fmt: skip
"""The names of the ops that XLA writes into the kernels of their users."""

Role: TypeAlias = Literal["free", "fused", "reduces", "stored"]
Values: TypeAlias = tuple[int, ...]

_MOST_KERNELS = 4  # more make the decision no clearer
_MOST_ARRAYS = 64


@lru_cache(1024)
def fence(p: Program) -> Program:
    """p with fences, also in the programs that its ops hold."""
    equations = tuple([within(_opaque(eq), fence) for eq in p.equations])
    if equations != p.equations:
        p = Program(p.n_in, p.types, equations, p.outs)
    if len(equations) < SMALL:
        return p
    roles = [role(eq.op) for eq in equations]
    marked = _mark(p, roles, _kernels(p, roles, ()), range(len(p.types)))
    if marked:  # a fence can make others needless
        marked = _mark(p, roles, _kernels(p, roles, marked), marked)
    return _insert(p, marked) if marked else p


def _opaque(eq: Equation) -> Equation:
    """A barrier as a fence: XLA takes barriers away before it fuses and schedules."""
    return eq._replace(op=Fence()) if isinstance(eq.op, Barrier) else eq


def within(eq: Equation, change: Callable[[Program], Program]) -> Equation:
    """The equation with each program that its op holds changed."""
    if not eq.op.programs:
        return eq
    op = type(eq.op)(*[_changed(getattr(eq.op, name), change) for name in eq.op.fields])
    return eq._replace(op=op)


def _changed(field: Any, change: Callable[[Program], Program]) -> Any:
    if isinstance(field, Program):
        return change(field)
    return tuple([_changed(x, change) for x in field]) if type(field) is tuple else field


def role(op: Op) -> Role:
    """What XLA does with the results of op.

    Free: it reads nothing. Fused: it is computed where it is used. Reduces: it is the end of a
    kernel that computes its operands. Stored: it reads its operands from memory.
    """
    if op.name in ("constant", "iota"):
        return "free"
    if op.name in FUSED:
        return "fused"
    if isinstance(op, Contract) and len(op.ins) == 1:
        return "fused" if set(op.ins[0]) <= set(op.out) else "reduces"
    return "reduces" if op.name in ("reduce", "arg_reduce") else "stored"


def _kernels(p: Program, roles: Sequence[Role], fences: Container[int]) -> list[Values]:
    """Per value, the ends of kernels that would compute it, up to four of them."""
    found: list[Values] = [()] * len(p.types)
    for o in p.outs:
        found[o] = (o,)
    for (_, xs, first, _, _), role in zip(reversed(p.equations), reversed(roles)):
        ends = (first,) if role == "reduces" or first in fences else found[first]
        for x in xs:
            have, new = found[x], (x,) if role == "stored" else ends
            if len(have) < _MOST_KERNELS and new != have:
                found[x] = (*have, *[end for end in new if end not in have])[:_MOST_KERNELS]
    return found


def _mark(
    p: Program, roles: Sequence[Role], kernels: Sequence[Values], allowed: Container[int]
) -> frozenset[int]:
    """The values that get a fence, of those that are allowed to."""
    arrays: list[frozenset[int]] = [frozenset([i]) for i in range(p.n_in)]
    nbytes = [t.nbytes for t in p.types]
    shared = _shared(p)
    marked = set()
    for (_, xs, i, count, _), role in zip(p.equations, roles):
        if role == "fused":
            read = _union([arrays[x] for x in xs])
            k = len(kernels[i])
            if k > 1 and shared[i] and i in allowed:
                if (k - 1) * sum([nbytes[a] for a in read]) > (k + 1) * nbytes[i]:
                    marked.add(i)
            arrays.append(frozenset([i]) if i in marked else read)
        else:
            arrays += [frozenset([y] if role != "free" else []) for y in range(i, i + count)]
    return frozenset(marked)


def _union(sets: Sequence[frozenset[int]]) -> frozenset[int]:
    if len(sets) == 1 or sets[0] == sets[1]:
        return sets[0]
    most = max(sets, key=len)
    return most if len(most) > _MOST_ARRAYS else most.union(*sets)


def _shared(p: Program) -> list[bool]:
    """Per value, whether several equations or outputs use it; else its one user decides."""
    uses = [0] * len(p.types)
    for _, xs, _, _, _ in p.equations:
        for x in xs if len(xs) == 1 else set(xs):
            uses[x] += 1
    for o in p.outs:
        uses[o] += 1
    return [n > 1 for n in uses]


def _insert(p: Program, marked: frozenset[int]) -> Program:
    b = Builder()
    env = [b.input(t) for t in p.in_types]
    for eq in p.equations:
        b.span = eq.span
        for i, y in zip(eq.results, b.emit_all(eq.op, *[env[x] for x in eq.operands])):
            env.append(b.emit(Fence(), y) if i in marked else y)
    return b.finish([env[o] for o in p.outs])
