"""Random programs, for the laws of simplify and of the choice of residuals.

Values stay small integers, infinities and NaNs, so that sums are exact in any order; nothing tells
the two zeros apart.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

from tests.passes.evaluator import Array, numpy_dtype
from verax.compiler.ir.dtypes import DType, bool_, float32, float64, int32
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.bits import AND, NOT, OR, XOR
from verax.compiler.ops.contract import Contract, broadcast, permute, total
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.layout import Reshape, Reverse
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import (
    ADD,
    MUL,
    NEG,
    SELECT,
    SUB,
    Compare,
    Convert,
    Pointwise,
    splat,
)  # fmt: skip
from verax.compiler.ops.slicing import Concatenate, Pad, Slice

DTYPES: tuple[DType, ...] = (float64, float64, float32, int32, bool_)
SHAPES = ((2, 3), (3,), (), (3, 2), (6,))
BINARY: dict[str, tuple[Pointwise, ...]] = {
    "float": (ADD, SUB, MUL, MAX, MIN), "int": (ADD, SUB, MUL, MAX, MIN, AND, XOR),
    "bool": (AND, OR, XOR),
}  # fmt: skip


class Generator:
    """Writes random equations on the arrays that a builder has."""

    def __init__(self, rng: Random, types: list[Type]) -> None:
        self.rng, self.b = rng, Builder()
        self.slots = [self.b.input(t) for t in types]

    def pick(self, shape: tuple[int, ...] | None = None, dtype: DType | None = None) -> int:
        """A slot of this shape and dtype; a constant where there is none, and sometimes else."""
        fits = [
            s for s in self.slots
            if (shape is None or self.array(s).shape == shape)
            and (dtype is None or self.array(s).dtype is dtype)
        ]  # fmt: skip
        if not fits or self.rng.random() < 0.25:
            return self.constant(shape, dtype)
        return self.rng.choice(fits)

    def array(self, s: int) -> ArrayType:
        t = self.b.types[s]
        assert isinstance(t, ArrayType)
        return t

    def constant(self, shape: tuple[int, ...] | None, dtype: DType | None) -> int:
        shape = self.rng.choice(SHAPES) if shape is None else shape
        dtype = self.rng.choice(DTYPES) if dtype is None else dtype
        return self.b.emit(splat(self.rng.choice((0, 1, -1, 2)), ArrayType(shape, dtype)))

    def step(self) -> None:
        """One more equation."""
        self.slots += self.rng.choice(_STEPS)(self)

    def finish(self, count: int) -> Program:
        return self.b.finish([self.rng.choice(self.slots) for _ in range(count)])


def _binary(g: Generator) -> list[int]:
    x = g.pick()
    t = g.array(x)
    return [g.b.emit(g.rng.choice(BINARY[t.dtype.kind]), x, g.pick(_known(t), t.dtype))]


def _unary(g: Generator) -> list[int]:
    x = g.pick()
    return [g.b.emit(NOT if g.array(x).dtype.is_bool else NEG, x)]


def _convert(g: Generator) -> list[int]:
    x = g.pick()
    to = (float64, float32, bool_) if g.array(x).dtype.is_float else (*DTYPES,)
    return [g.b.emit(Convert(g.rng.choice(to)), x)]


def _compare(g: Generator) -> list[int]:
    x = g.pick()
    t = g.array(x)
    direction = g.rng.choice(("EQ", "NE", "LT", "LE", "GT", "GE"))
    return [g.b.emit(Compare(direction), x, g.pick(_known(t), t.dtype))]


def _select(g: Generator) -> list[int]:
    x = g.pick()
    t = g.array(x)
    return [g.b.emit(SELECT, g.pick(_known(t), bool_), x, g.pick(_known(t), t.dtype))]


def _permute(g: Generator) -> list[int]:
    x = g.pick()
    order = list(range(g.array(x).ndim))
    g.rng.shuffle(order)
    return [g.b.emit(permute(order), x)]


def _broadcast(g: Generator) -> list[int]:
    x = g.pick((3,), None)
    return [g.b.emit(broadcast((2, 3), (1,)), x)]


def _sum(g: Generator) -> list[int]:
    x = g.pick(None, g.rng.choice((float64, int32)))
    axes = [a for a in range(g.array(x).ndim) if g.rng.random() < 0.5]
    return [g.b.emit(total(g.array(x).ndim, axes), x)]


def _product(g: Generator) -> list[int]:
    x, y = g.pick((2, 3), float64), g.pick((3, 2), float64)
    out = g.rng.choice(((0, 2), (2, 0), (0, 1, 2), (1,)))
    return [g.b.emit(Contract(((0, 1), (1, 2)), out), x, y)]


def _reshape(g: Generator) -> list[int]:
    x = g.pick(g.rng.choice(((2, 3), (3, 2), (6,))), None)
    return [g.b.emit(Reshape(g.rng.choice(((2, 3), (3, 2), (6,)))), x)]


def _reverse(g: Generator) -> list[int]:
    x = g.pick()
    axes = tuple(a for a in range(g.array(x).ndim) if g.rng.random() < 0.5)
    return [g.b.emit(Reverse(axes), x)]


def _slice_and_pad(g: Generator) -> list[int]:
    x = g.pick((6,), None)
    y = g.b.emit(Slice((g.rng.choice((None, (0, 6, 1), (0, 3, 1), (0, 6, 2), (3, 6, 1))),)), x)
    parts = g.rng.choice((None, (0, 0, 0), (1, 2, 0), (0, -1, 1)))
    return [y, g.b.emit(Pad((parts,)), y)]


def _concatenate(g: Generator) -> list[int]:
    x = g.pick((3,), None)
    return [g.b.emit(Concatenate(0), x, g.pick((3,), g.array(x).dtype))]


def _known(t: ArrayType) -> tuple[int, ...]:
    return tuple([n for n in t.shape if isinstance(n, int)])


# programs inside ---------------------------------------------------------------------------------


def _some(g: Generator, count: int) -> list[int]:
    return [g.pick() for _ in range(count)]


def _inside(g: Generator, types: list[Type], outs: list[Type]) -> Program:
    """A random program between these types; an output without a value of its type is a constant."""
    inner = Generator(g.rng, types)
    for _ in range(g.rng.randrange(5)):
        inner.slots += g.rng.choice(_PLAIN)(inner)
    ys = []
    for t in outs:
        assert isinstance(t, ArrayType)
        ys.append(inner.pick(_known(t), t.dtype))
    return inner.b.finish(ys)


def _call(g: Generator) -> list[int]:
    xs = _some(g, 3)
    types = [g.b.types[x] for x in xs]
    return list(g.b.emit_all(Call(_inside(g, types, types[:2])), *xs))


def _cond(g: Generator) -> list[int]:
    xs = _some(g, 3)
    types = [g.b.types[x] for x in xs]
    branches = tuple(_inside(g, types, types[:2]) for _ in range(2))
    return list(g.b.emit_all(Cond(branches), g.pick((), int32), *xs))


def _scan(g: Generator) -> list[int]:
    consts, carry = _some(g, 2), _some(g, 2)
    rows = g.pick((2, 3))
    ins = [g.b.types[x] for x in (*consts, *carry)]
    row = g.array(rows).row()
    outs = [*ins[2:], row, g.rng.choice(ins)]
    body = _inside(g, [*ins, row], outs)
    if g.rng.random() < 0.5:  # a carry that stays, an x that is stacked
        body = Program(body.n_in, body.types, body.equations, (*body.outs[:1], 3, 4, body.outs[3]))
    op = Scan(body, 2, 2, 2, g.rng.random() < 0.5)
    return list(g.b.emit_all(op, *consts, *carry, rows))


def _while(g: Generator) -> list[int]:
    """At most three steps."""
    xs = _some(g, 3)
    types = [g.b.types[x] for x in xs]
    cond = _inside(g, types, [ArrayType((), bool_)])
    body = _inside(g, types, types[1:])
    return list(g.b.emit_all(While(cond, body, 1, 3), *xs))


_PLAIN: tuple[Callable[[Generator], list[int]], ...] = (
    _binary, _binary, _binary, _unary, _convert, _compare, _select, _permute, _broadcast, _sum,
    _product, _reshape, _reverse, _slice_and_pad, _concatenate,
)  # fmt: skip
_STEPS = (*_PLAIN, *_PLAIN, _call, _cond, _scan, _while)


def random_program(seed: int, steps: int = 25) -> Program:
    """A program of about this many equations, of four inputs."""
    g = Generator(
        Random(seed),
        [ArrayType((2, 3), float64), ArrayType((3,), float64), ArrayType((), int32),
         ArrayType((6,), float32), ArrayType((2, 3), bool_)],
    )  # fmt: skip
    for _ in range(steps):
        g.step()
    return g.finish(6)


def small_inputs(p: Program, seed: int) -> list[Array]:
    """Small integers, with a few infinities and NaNs among the floats."""
    rng = np.random.default_rng(seed)
    out = []
    for t in p.in_types:
        assert isinstance(t, ArrayType)
        shape, dtype = _known(t), numpy_dtype(t.dtype)
        x = rng.integers(0 if t.dtype.is_bool else -3, 2 if t.dtype.is_bool else 4, shape)
        y = np.asarray(x).astype(dtype)
        if t.dtype.is_float:
            y = np.where(rng.random(shape) < 0.1, rng.choice([np.inf, -np.inf, np.nan], shape), y)
        out.append(np.asarray(y).astype(dtype))
    return out
