"""Random programs and random cuts: whatever ops meet, in float64, with sizes that meshes divide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from random import Random
from typing import cast

from tests.sharding.models import Array
from verax.compiler.ir.dtypes import bool_, float64, int32, uint32
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.barrier import Barrier
from verax.compiler.ops.bits import SHIFT_RIGHT_LOGICAL
from verax.compiler.ops.contract import broadcast, canonical, permute, total
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.functions import COS, SIN, TANH
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet
from verax.compiler.ops.layout import Iota, Reverse
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import (
    ADD,
    MUL,
    NEG,
    SELECT,
    SUB,
    Compare,
    Convert,
    splat,
)
from verax.compiler.ops.random import Threefry
from verax.compiler.ops.reduce import ArgReduce, Reduce
from verax.compiler.ops.shard import Shard
from verax.compiler.ops.slicing import (
    Concatenate,
    DynamicSlice,
    DynamicUpdateSlice,
    Pad,
    Slice,
)
from verax.compiler.ops.sort import Sort
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Cuts

SIZES = (1, 2, 4, 4, 8, 8)
MOST = 512  # elements of a value


def random_cuts(rng: Random, mesh: Mesh, shape: Sequence[int]) -> Cuts:
    """Cuts that fit the shape; often none, often several axes on one dimension."""
    axes = list(mesh.names)
    rng.shuffle(axes)
    cuts: list[tuple[str, ...]] = [()] * len(shape)
    for axis in axes:
        i = rng.randrange(len(shape) + 1)
        if i < len(shape) and shape[i] % (mesh.parts(cuts[i]) * mesh.size(axis)) == 0:
            cuts[i] += (axis,)
    return tuple(cuts)


def random_program(rng: Random, mesh: Mesh, steps: int = 12) -> Program:
    """Floats and one array of indices go in; several values come out, a scalar first."""
    b = Builder()
    maker = Maker(b, rng, mesh)
    for _ in range(3):
        maker.add(b.input(ArrayType(maker.shape(), float64)))
    maker.index = Array(b, b.input(ArrayType((rng.choice((4, 8)),), int32)))
    for _ in range(steps):
        maker.step()
    outs = maker.pool[-3:]
    loss = [maker.summary(x) for x in maker.pool[-4:]]
    total_loss = loss[0]
    for x in loss[1:]:
        total_loss = total_loss + x
    return b.finish([total_loss.slot, *[x.slot for x in outs]])


class Maker:
    """A pool of float64 values of an open program, and ways to make more of them."""

    def __init__(self, b: Builder, rng: Random, mesh: Mesh, depth: int = 0) -> None:
        self.b, self.rng, self.mesh, self.depth = b, rng, mesh, depth
        self.pool: list[Array] = []
        self.index: Array | None = None

    def add(self, slot: int) -> Array:
        self.pool.append(Array(self.b, slot))
        return self.pool[-1]

    def shape(self, rank: int | None = None) -> tuple[int, ...]:
        while True:
            n = self.rng.randrange(1, 4) if rank is None else rank
            shape = tuple(self.rng.choice(SIZES) for _ in range(n))
            if prod(shape) <= MOST:
                return shape

    def pick(self, rank: int = 0) -> Array:
        fitting = [x for x in self.pool if len(x.shape) >= rank]
        if not fitting:
            return self.add(self.b.emit(splat(0.5, ArrayType(self.shape(rank), float64))))
        return self.rng.choice(fitting[-6:])

    def axis(self, x: Array) -> int:
        return self.rng.randrange(len(x.shape))

    def same(self, x: Array) -> Array:
        """Another value of the shape of x: one from the pool, a constant, or a broadcast."""
        fitting = [y for y in self.pool if y.shape == x.shape and y.slot != x.slot]
        if fitting and self.rng.random() < 0.6:
            return self.rng.choice(fitting)
        small = [y for y in self.pool if len(y.shape) < len(x.shape)]
        for y in small:
            n = len(x.shape) - len(y.shape)
            if y.shape == x.shape[n:]:
                return y.apply(broadcast(x.shape, range(n, len(x.shape))))
        return x.like(self.rng.choice((0.0, 0.5, 1.5)))

    def step(self) -> None:
        make = self.rng.choice(self.ways())
        y = make()
        if y is not None and prod(y.shape) <= MOST and y.type.dtype is float64:
            self.pool.append(y)

    def ways(self) -> list[Callable[[], Array | None]]:
        flat: list[Callable[[], Array | None]] = [
            self.unary, self.binary, self.binary, self.choose, self.contract, self.contract,
            self.product, self.sum, self.extreme, self.transpose, self.repeat, self.reshape,
            self.slice, self.pad, self.concatenate, self.reverse, self.window, self.update,
            self.gather, self.scatter, self.overwrite, self.mask, self.place, self.fix,
            self.sort, self.largest, self.barrier, self.softmax,
        ]  # fmt: skip
        nested: list[Callable[[], Array | None]] = [self.call, self.cond, self.loop, self.scan]
        return flat + nested * 2 if self.depth < 2 else flat

    # flat ops ------------------------------------------------------------------------------------

    def unary(self) -> Array:
        return self.pick().apply(self.rng.choice((NEG, SIN, COS, TANH)))

    def binary(self) -> Array:
        x = self.pick()
        return x.apply(self.rng.choice((ADD, SUB, MUL, MAX, MIN)), self.same(x)) * 0.5

    def choose(self) -> Array:
        x = self.pick()
        p = x.apply(Compare("LT"), self.same(x))
        return p.apply(SELECT, self.same(x), x)

    def contract(self) -> Array:
        x = self.pick(1)
        i = self.axis(x)
        others = [(y, j) for y in self.pool for j, n in enumerate(y.shape) if n == x.shape[i]]
        y, j = self.rng.choice(others)
        left = tuple(range(len(x.shape)))
        right = tuple(i if k == j else 10 + k for k in range(len(y.shape)))
        out = [f for f in (*left, *right) if f != i]
        self.rng.shuffle(out)
        return x.apply(canonical((left, right), tuple(out)), y) * (1 / sqrt(x.shape[i]))

    def product(self) -> Array:
        """Two values that share a dimension, which stays."""
        x = self.pick(1)
        i = self.axis(x)
        y = self.same(x)
        left = tuple(range(len(x.shape)))
        kept = [f for f in left if f == i or self.rng.random() < 0.5]
        self.rng.shuffle(kept)
        return x.apply(canonical((left, left), tuple(kept)), y).apply(TANH)

    def sum(self) -> Array:
        x = self.pick(1)
        axes = [i for i in range(len(x.shape)) if self.rng.random() < 0.5]
        return x.apply(total(len(x.shape), axes)) * 0.25

    def extreme(self) -> Array:
        x = self.pick(1)
        return x.apply(Reduce(self.rng.choice(("max", "min")), (self.axis(x),)))

    def softmax(self) -> Array:
        return self.pick(1).apply(TANH).softmax()

    def transpose(self) -> Array:
        x = self.pick(2)
        perm = list(range(len(x.shape)))
        self.rng.shuffle(perm)
        return x.apply(permute(perm))

    def repeat(self) -> Array | None:
        x = self.pick()
        if len(x.shape) > 2:
            return None
        at = self.rng.randrange(len(x.shape) + 1)
        shape = (*x.shape[:at], self.rng.choice(SIZES), *x.shape[at:])
        return x.apply(broadcast(shape, [i for i in range(len(shape)) if i != at]))

    def reshape(self) -> Array:
        x = self.pick()
        shape: list[int] = []
        rest = prod(x.shape)
        while rest > 1 and len(shape) < 3:
            n = self.rng.choice([n for n in (2, 4, 8, rest) if rest % n == 0])
            shape.append(n)
            rest //= n
        shape += [rest] if rest > 1 else []
        return x.reshape(*shape)

    def slice(self) -> Array:
        x = self.pick(1)
        i, n = self.axis(x), x.shape[self.axis(x)]
        n = x.shape[i]
        start = self.rng.randrange(n)
        part = (start, self.rng.randrange(start + 1, n + 1), self.rng.choice((1, 1, 2)))
        return x.apply(Slice(tuple(part if k == i else None for k in range(len(x.shape)))))

    def pad(self) -> Array:
        x = self.pick(1)
        i = self.axis(x)
        low = self.rng.choice((0, 1, -1 if x.shape[i] > 2 else 0))
        part = (low, self.rng.choice((0, 1, 3)), self.rng.choice((0, 0, 1)))
        return x.apply(Pad(tuple(part if k == i else None for k in range(len(x.shape)))))

    def concatenate(self) -> Array:
        x = self.pick(1)
        return x.apply(Concatenate(self.axis(x)), self.same(x))

    def reverse(self) -> Array:
        x = self.pick(1)
        return x.apply(Reverse((self.axis(x),)))

    def start(self, n: int) -> Array:
        return Array(self.b, self.b.emit(splat(self.rng.randrange(n), ArrayType((), int32))))

    def window(self) -> Array:
        x = self.pick(1)
        i = self.axis(x)
        size = self.rng.randrange(1, x.shape[i] + 1)
        op = DynamicSlice(tuple(size if k == i else None for k in range(len(x.shape))))
        return x.apply(op, self.start(x.shape[i]))

    def update(self) -> Array:
        x = self.pick(1)
        i = self.axis(x)
        part = tuple((0, max(1, n // 2), 1) if k == i else None for k, n in enumerate(x.shape))
        y = self.same(x).apply(Slice(part))
        return x.apply(DynamicUpdateSlice((i,)), y, self.start(x.shape[i]))

    def indices(self) -> Array:
        """The input, or the indices of every second row; some are out of range."""
        if self.index is None or self.rng.random() < 0.3:
            iota = Array(self.b, self.b.emit(Iota(self.rng.choice((2, 4, 8)), int32)))
            return iota * 2 - 1
        return self.index

    def gather(self) -> Array:
        x = self.pick(1)
        lead = self.axis(x)
        return x.apply(Gather(0, 1, self.rng.choice(("clip", "fill")), lead), self.indices())

    def scatter(self) -> Array:
        x = self.pick(1)
        lead = self.axis(x)
        n = x.shape[lead]
        index = Array(self.b, self.b.emit(Iota(n, int32)))
        if self.index is not None and self.index.shape == (n,):
            index = self.index
        mode = self.rng.choice(("clip", "fill"))
        return x.apply(ScatterAdd(0, (self.rng.choice((4, 8)),), mode, lead), index * 2 - 1)

    def overwrite(self) -> Array:
        """Rows are set at places that are all different."""
        x = self.pick(1)
        lead = self.axis(x)
        k = max(1, x.shape[lead] // 2)
        part = tuple((0, k, 1) if i == lead else None for i in range(len(x.shape)))
        index = Array(self.b, self.b.emit(Iota(k, int32)))
        y = self.same(x).apply(Slice(part))
        return x.apply(ScatterSet("set", 0, 1, lead), y, index * 2 + 1)

    def mask(self) -> Array:
        x = self.pick()
        n = prod(x.shape)
        at = Array(self.b, self.b.emit(Iota(n, uint32))).reshape(*x.shape)
        bits = at.like(7).apply(Threefry(), at.like(11), at.like(0), at)
        u = bits.binary(SHIFT_RIGHT_LOGICAL, 8).apply(Convert(float64)) * 2.0**-24
        keep = u.binary(Compare("LT"), 0.5)
        assert keep.type.dtype is bool_
        return keep.apply(SELECT, x, x.like(0.0))

    def place(self) -> Array:
        """Values that depend on where they stand."""
        x = self.pick(1)
        i = self.axis(x)
        iota = Array(self.b, self.b.emit(Iota(x.shape[i], float64)))
        return x * 0.5 + iota.apply(broadcast(x.shape, (i,))) * 0.125

    def fix(self) -> Array | None:
        """A layout that the program demands."""
        x = self.pick()
        cuts = random_cuts(self.rng, self.mesh, x.shape)
        return x.apply(Shard(self.mesh, cuts))

    def sort(self) -> Array:
        x = self.pick(1)
        return x.apply(Sort(self.axis(x), 1))

    def largest(self) -> Array:
        x = self.pick(1)
        i = x.apply(ArgReduce("argmax", self.axis(x), int32))
        return i.apply(Convert(float64)) * 0.125

    def barrier(self) -> Array:
        x = self.pick()
        slots = self.b.emit_all(Barrier(), x.slot, self.pick().slot)
        self.add(slots[1])
        return Array(self.b, slots[0])

    # nested programs -----------------------------------------------------------------------------

    def body(self, types: Sequence[Type], wanted: Sequence[ArrayType], steps: int = 3) -> Program:
        """A program whose outputs have the wanted types."""
        b = Builder()
        inner = Maker(b, self.rng, self.mesh, self.depth + 1)
        for t in types:
            inner.add(b.input(t))
        for _ in range(steps):
            inner.step()
        return b.finish([inner.shaped(cast("tuple[int, ...]", t.shape)).slot for t in wanted])

    def shaped(self, shape: tuple[int, ...]) -> Array:
        """A value of this shape, made of the newest ones."""
        fitting = [x for x in self.pool if x.shape == shape]
        base = self.rng.choice(fitting) if fitting else None
        newest = self.summary(self.pool[-1])
        if base is None:
            return newest.apply(broadcast(shape, ()))
        return (base + newest).apply(TANH)

    def summary(self, x: Array) -> Array:
        return x.apply(TANH).sum() * (1.0 / max(1, prod(x.shape)))

    def call(self) -> Array:
        x, y = self.pick(), self.pick()
        p = self.body([x.type, y.type], [x.type])
        return x.apply(Call(p), y)

    def cond(self) -> Array:
        x, y = self.pick(), self.pick()
        branches = tuple(self.body([x.type, y.type], [x.type]) for _ in range(2))
        index = self.start(3)
        return index.apply(Cond(branches), x, y)

    def loop(self) -> Array:
        """Three steps, counted in the carry."""
        x, y = self.pick(), self.pick()
        step = self.body([y.type, x.type], [x.type])
        count = ArrayType((), int32)
        b = Builder()
        slots = [b.input(t) for t in (y.type, x.type, count)]
        less = b.emit(Compare("LT"), slots[2], b.emit(splat(3, count)))
        cond = b.finish([less])
        b = Builder()
        slots = [b.input(t) for t in (y.type, x.type, count)]
        (after,) = b.inline(step, slots[:2])
        body = b.finish([after, b.emit(ADD, slots[2], b.emit(splat(1, count)))])
        return y.apply(While(cond, body, 1, 4), x, self.start(1))

    def scan(self) -> Array:
        const, carry, xs = self.pick(), self.pick(), self.pick(1)
        row = xs.type.row()
        body = self.body([const.type, carry.type, row], [carry.type, row])
        op = Scan(body, 1, 1, xs.shape[0], self.rng.random() < 0.5)
        zero = carry.like(0.0) if self.rng.random() < 0.5 else carry
        ys = self.b.emit_all(op, const.slot, zero.slot, xs.slot)
        self.add(ys[0])
        return Array(self.b, ys[1])
