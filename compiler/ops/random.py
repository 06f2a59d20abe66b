"""Random bits: the Threefry-2x32 block function, and keys as what they are made of.

Threefry encrypts a counter of two words under a key of two words, in 20 rounds (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are Random123's). It is a
function of scalars, so bits depend on the key and on the position only: not on the mesh, not on
what else is drawn. The rounds are written once per module and shape, as a function that XLA
inlines and fuses.

Law: equal to Random123's test vectors, element by element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verax.compiler.ir.dtypes import uint32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factor,
    Factors,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.pointwise import Elementwise

PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
GROUPS = 5  # of four rounds each


class Threefry(Elementwise, name="threefry"):
    """Operands k0, k1, x0, x1 of uint32 and one shape; results y0, y1."""

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        if len(ts) != 4:
            raise ShapeError(f"threefry takes 4 operands (k0, k1, x0, x1), got {len(ts)}")
        return super().types(*ts) * 2

    def factors(self, *shapes: Shape) -> Factors:
        f = super().factors(*shapes)
        return f._replace(outs=f.outs * 2)

    def dtype(self, *ts: ArrayType) -> type[uint32]:
        if any(t.dtype is not uint32 for t in ts):
            raise DTypeError(
                f"threefry takes uint32, got {', '.join(t.dtype.name for t in ts)}",
                fix="convert the words first: x.astype(vx.uint32)",
            )
        return uint32

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return b.emit_all(self, *xs), [True, True]

    tangent = no_tangent
    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        def write(args: list[str]) -> list[str]:
            return _Words(e, xts[0]).encrypt(*args)

        return e.outline("threefry2x32", xts, write, yts, xs)


class _Words:
    """The arithmetic of 32-bit words, written into an emitter."""

    def __init__(self, e: Emitter, t: ArrayType) -> None:
        self.e, self.t = e, t

    def binary(self, name: str, x: str, y: str) -> str:
        return self.e.op(f"stablehlo.{name} {x}, {y} : {self.t.mlir}")

    def plus(self, x: str, value: int) -> str:
        return self.binary("add", x, self.e.constant(value, self.t))

    def rotate(self, x: str, by: int) -> str:
        left = self.binary("shift_left", x, self.e.constant(by, self.t))
        right = self.binary("shift_right_logical", x, self.e.constant(32 - by, self.t))
        return self.binary("or", left, right)

    def encrypt(self, k0: str, k1: str, x0: str, x1: str) -> list[str]:
        k2 = self.binary("xor", self.binary("xor", k0, k1), self.e.constant(PARITY, self.t))
        keys = (k0, k1, k2)
        x0, x1 = self.binary("add", x0, k0), self.binary("add", x1, k1)
        for group in range(GROUPS):
            for by in ROTATIONS[group % 2]:
                x0 = self.binary("add", x0, x1)
                x1 = self.binary("xor", self.rotate(x1, by), x0)
            x0 = self.binary("add", x0, keys[(group + 1) % 3])
            x1 = self.plus(self.binary("add", x1, keys[(group + 2) % 3]), group + 1)
        return [x0, x1]


WORDS: Factor = "words"  # the two words of a key, which are never parted


class _KeyOp(Op):
    """What the two views of keys share: nothing is computed, and the two words stay together."""

    tangent = no_tangent
    transpose = not_linear
    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self, *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return [xs[0]]


class KeyData(_KeyOp, name="key_data"):
    """The words of keys: ``key[s] -> uint32[s, 2]``."""

    def types(self, *ts: Type) -> tuple[Type, ...]:
        if len(ts) != 1 or not isinstance(ts[0], KeyType):
            raise DTypeError(f"key_data takes a key, got {', '.join(map(str, ts))}")
        return (ts[0].physical,)

    def factors(self, *shapes: Shape) -> Factors:
        dims = tuple([(i,) for i in range(len(shapes[0]))])
        sizes: Mapping[Factor, Size] = {WORDS: 2}
        return Factors((dims,), ((*dims, (WORDS,)),), {}, frozenset({WORDS}), sizes)


class KeyWrap(_KeyOp, name="key_wrap"):
    """Keys from their words: ``uint32[s, 2] -> key[s]``."""

    impl: str

    def types(self, *ts: Type) -> tuple[Type, ...]:
        (t,) = ts
        if not isinstance(t, ArrayType) or t.dtype is not uint32 or t.shape[-1:] != (2,):
            raise DTypeError(
                f"key_wrap takes uint32 with 2 words in the last dimension, got {t}",
                fix="make a key from a seed: vx.random.key(0)",
            )
        return (KeyType(self.impl, t.shape[:-1]),)

    def factors(self, *shapes: Shape) -> Factors:
        dims = tuple([(i,) for i in range(len(shapes[0]) - 1)])
        return Factors(((*dims, (WORDS,)),), (dims,), {}, frozenset({WORDS}))
