"""The table of all ops, docs/ops.md: what each declares, read from the declarations themselves.

Every op stands there by an example: an instance and the types of its operands. The cells are what
the op says when it is asked with them: its factors, its tangent per operand, the sets in which it
is linear, what its batch writes, and the operations that its lowering writes. A new op without an
example, or a table that is out of date, fails a test; ``python -m verax.compiler.ops.table`` writes
the page anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

from verax.compiler.ir.dtypes import DType, bool_, complex64, float32, int32, uint32
from verax.compiler.ir.errors import DerivativeError, InternalError
from verax.compiler.ir.op import REGISTRY, Dims, Factor, Op, Slots
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, KeyType, Type, has_tangent
from verax.compiler.ops.barrier import Barrier, Cut, Fence, StopGradient
from verax.compiler.ops.bits import Bitcast
from verax.compiler.ops.cholesky import Cholesky
from verax.compiler.ops.collective import AllGather, AllReduce, AllToAll, OwnPart, ReduceScatter
from verax.compiler.ops.contract import canonical
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.convolve import convolution
from verax.compiler.ops.cumulative import Cumulative, Recurrence
from verax.compiler.ops.custom import Custom, LinearMap, Recur
from verax.compiler.ops.det import Adjugate, Det
from verax.compiler.ops.eig import Eig
from verax.compiler.ops.eigh import Eigh
from verax.compiler.ops.fft import Fft
from verax.compiler.ops.hessenberg import Hessenberg, Tridiagonal
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.linear_solve import LinearSolve, LogDet
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.lu import Lu
from verax.compiler.ops.masked import MASKED
from verax.compiler.ops.named import (
    AxisExchange,
    AxisGather,
    AxisIndex,
    AxisPermute,
    AxisReduce,
    AxisScatter,
)
from verax.compiler.ops.permutation import Permutation
from verax.compiler.ops.pinv import Pinv
from verax.compiler.ops.pointwise import SELECT, TABLE, Compare, Convert, Pointwise, splat
from verax.compiler.ops.polar import Polar
from verax.compiler.ops.policies import Named
from verax.compiler.ops.qr import Geqp3, Geqrf, HouseholderProduct, Qr
from verax.compiler.ops.random import KeyData, KeyWrap, Threefry
from verax.compiler.ops.reduce import ArgReduce, Reduce
from verax.compiler.ops.remat import Remat
from verax.compiler.ops.schur import Schur
from verax.compiler.ops.shard import Shard
from verax.compiler.ops.slicing import (
    Concatenate,
    DynamicSlice,
    DynamicUpdateSlice,
    Pad,
    Slice,
)
from verax.compiler.ops.slide import Slide
from verax.compiler.ops.sort import Sort
from verax.compiler.ops.svd import Svd
from verax.compiler.ops.sylvester import Sqrtm, Sylvester
from verax.compiler.ops.top_k import TopK
from verax.compiler.ops.triangular import TriangularSolve
from verax.compiler.ops.tridiagonal import TridiagonalSolve
from verax.compiler.ops.window import (
    ArgReduceWindow,
    GatherWindow,
    ReduceWindow,
    ScatterWindow,
)
from verax.sharding.errors import VeraxError
from verax.sharding.mesh import Mesh

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"
KINDS: Mapping[str, DType] = {
    "bool": bool_,
    "int": int32,
    "uint": uint32,
    "float": float32,
    "complex": complex64,
}


class Example(NamedTuple):
    """An op with the types of operands that it takes."""

    op: Op
    types: tuple[Type, ...]


# examples ----------------------------------------------------------------------------------------


def f32(*shape: int) -> ArrayType:
    return ArrayType(shape, float32)


def i32(*shape: int) -> ArrayType:
    return ArrayType(shape, int32)


def u32(*shape: int) -> ArrayType:
    return ArrayType(shape, uint32)


def program(types: Sequence[Type], write: Callable[[Builder, Slots], Iterable[int]]) -> Program:
    b = Builder()
    return b.finish(write(b, [b.input(t) for t in types]))


def doubled(types: Sequence[Type]) -> Program:
    """The program that adds its first input to itself, and gives the others back."""
    add = Pointwise("add")
    return program(types, lambda b, xs: [b.emit(add, xs[0], xs[0]), *xs[1:]])


RULE = program([f32(4), f32(4)], lambda b, xs: [b.emit(Pointwise("add"), x, x) for x in xs])
MESH = Mesh(data=2)
SMALL = program([f32()], lambda b, xs: [b.emit(Compare("LT"), xs[0], b.emit(splat(9, f32())))])

WINDOW = (None, (2, *Slide()))
EXAMPLES: tuple[Example, ...] = (
    Example(splat(1, f32(4)), ()),
    Example(Convert(complex64), (f32(4),)),
    Example(Compare("EQ"), (f32(4), f32(4))),
    Example(SELECT, (ArrayType((4,), bool_), f32(4), f32(4))),
    Example(MASKED, (ArrayType((4,), bool_), f32(4), f32(4))),
    Example(Bitcast(int32), (f32(4),)),
    Example(Threefry(), (u32(4),) * 4),
    Example(KeyData(), (KeyType("threefry2x32", (4,)),)),
    Example(KeyWrap("threefry2x32"), (u32(4, 2),)),
    Example(canonical([(0, 1), (1, 2)], (0, 2)), (f32(2, 3), f32(3, 4))),
    Example(Reshape((2, 3, 4)), (f32(6, 4),)),
    Example(Reverse((0,)), (f32(4, 3),)),
    Example(Iota(4, int32), ()),
    Example(Slice((None, (1, 3, 1))), (f32(4, 5),)),
    Example(Pad((None, (1, 1, 0))), (f32(4, 5),)),
    Example(Concatenate(1), (f32(4, 5), f32(4, 3))),
    Example(DynamicSlice((None, 2)), (f32(4, 5), i32())),
    Example(DynamicUpdateSlice((1,)), (f32(4, 5), f32(4, 2), i32())),
    Example(Reduce("max", (1,)), (f32(4, 5),)),
    Example(ArgReduce("argmax", 1, int32), (f32(4, 5),)),
    Example(Sort(1, 1), (f32(4, 5), f32(4, 5))),
    Example(TopK(1, 2), (f32(4, 5),)),
    Example(Cumulative(1, False, "max"), (f32(4, 5),)),
    Example(Recurrence(1, False), (f32(4, 5), f32(4, 5))),
    Example(Fft("rfft", 1), (f32(4, 5),)),
    Example(
        convolution(((0, 1, 2), (1, 2, 3)), (0, 1, 3), {1: Slide()}), (f32(2, 5, 3), f32(2, 3, 4))
    ),
    Example(ReduceWindow(WINDOW, "add"), (f32(4, 5),)),
    Example(ArgReduceWindow(WINDOW, "argmax"), (f32(4, 5),)),
    Example(GatherWindow(WINDOW), (f32(4, 5), i32(4, 4))),
    Example(ScatterWindow(WINDOW, (None, 5)), (f32(4, 4), i32(4, 4))),
    Example(Gather(0, 1, "fill"), (f32(5, 3), i32(4))),
    Example(ScatterAdd(0, (5,), "fill"), (f32(4, 3), i32(4))),
    Example(ScatterSet("set", 0, 1), (f32(5, 3), f32(4, 3), i32(4))),
    Example(Cholesky(), (f32(2, 3, 3),)),
    Example(TriangularSolve(True, True, "N", False), (f32(2, 3, 3), f32(2, 3, 4))),
    Example(Lu(), (f32(2, 4, 3),)),
    Example(Permutation(4), (i32(2, 3),)),
    Example(LinearSolve("N"), (f32(2, 3, 3), f32(2, 3, 3), i32(2, 3), f32(2, 3, 4))),
    Example(LogDet(), (f32(2, 3, 3), f32(2, 3, 3), i32(2, 3))),
    Example(Det(), (f32(2, 3, 3),)),
    Example(Adjugate(), (f32(2, 3, 3),)),
    Example(Qr(False), (f32(2, 4, 3),)),
    Example(Geqrf(), (f32(2, 4, 3),)),
    Example(Geqp3(), (f32(2, 4, 3),)),
    Example(HouseholderProduct(), (f32(2, 4, 3), f32(2, 3))),
    Example(TridiagonalSolve(), (f32(2, 3), f32(2, 3), f32(2, 3), f32(2, 3, 4))),
    Example(Eigh(), (f32(2, 3, 3),)),
    Example(Svd(), (f32(2, 4, 3),)),
    Example(Eig(), (f32(2, 3, 3),)),
    Example(Schur(), (f32(2, 3, 3),)),
    Example(Hessenberg(), (f32(2, 3, 3),)),
    Example(Tridiagonal(True), (f32(2, 3, 3),)),
    Example(Pinv(1e-6), (f32(2, 4, 3),)),
    Example(Polar(), (f32(2, 4, 3),)),
    Example(Sylvester(), (f32(2, 3, 3), f32(2, 4, 4), f32(2, 3, 4))),
    Example(Sqrtm(), (f32(2, 3, 3),)),
    Example(StopGradient(), (f32(4),)),
    Example(Barrier(), (f32(4), f32(3))),
    Example(Cut(), (f32(4), f32(3))),
    Example(Fence(), (f32(4),)),
    Example(Named("a"), (f32(4),)),
    Example(Shard(MESH, (("data",),)), (f32(4),)),
    Example(Call(doubled([f32(4)])), (f32(4),)),
    Example(Remat(doubled([f32(4)])), (f32(4),)),
    Example(Cond((doubled([f32(4)]), doubled([f32(4)]))), (i32(), f32(4))),
    Example(While(SMALL, doubled([f32()]), 0, 10), (f32(),)),
    Example(Scan(doubled([f32(), f32(3)]), 0, 1, 4), (f32(), f32(4, 3))),
    Example(Custom(doubled([f32(4)]), RULE, 0, "double"), (f32(4),)),
    Example(LinearMap(doubled([f32(4)]), doubled([f32(4)]), 0), (f32(4),)),
    Example(Recur(0, (f32(4),), (f32(4),), "double"), (f32(4),)),
    Example(AxisReduce("i", 4), (f32(4),)),
    Example(AxisIndex("i", 4), ()),
    Example(AxisGather("i", 4, 0), (f32(4),)),
    Example(AxisScatter("i", 4, 0), (f32(4),)),
    Example(AxisPermute("i", 4, ((0, 1), (1, 0))), (f32(4),)),
    Example(AxisExchange("i", 4, 0, 1), (f32(4, 3),)),
    Example(AllReduce(MESH, ("data",)), (f32(4),)),
    Example(AllGather(MESH, ("data",), 0), (f32(4),)),
    Example(ReduceScatter(MESH, ("data",), 0), (f32(4),)),
    Example(AllToAll(MESH, ("data",), 0, 1), (f32(4, 4),)),
    Example(OwnPart(MESH, ("data",), 0), (f32(4),)),
)


def pointwise_examples() -> list[Example]:
    """One for each function of the table, in a dtype with tangents where it takes one."""
    out = []
    for fn, entry in TABLE.items():
        kind = "float" if "float" in entry.takes else entry.takes[-1]
        out.append(Example(Pointwise(fn), (ArrayType((4,), KINDS[kind]),) * entry.arity))
    return out


# cells -------------------------------------------------------------------------------------------


def refuse(*args: object) -> NoReturn:
    """In place of ``again``: an op that calls it holds programs."""
    raise LookupError


def takes(e: Example) -> str:
    """The kinds of dtypes that may stand in place of the example's main one."""
    if not e.types:
        return "no operand"
    if e.op.programs:
        return "what its program takes"
    if isinstance(main_type(e), KeyType):
        return "key"
    kinds = [k for k, d in KINDS.items() if accepted(Example(e.op, recast(e, d)))]
    return "any" if len(kinds) == len(KINDS) else ", ".join(kinds)


def recast(e: Example, to: DType) -> tuple[Type, ...]:
    """The types of the example with another dtype in place of its main one."""
    main = main_type(e)
    dtype = main.dtype if isinstance(main, ArrayType) else None
    return tuple(
        ArrayType(t.shape, to) if isinstance(t, ArrayType) and t.dtype is dtype else t
        for t in e.types
    )


def main_type(e: Example) -> Type | None:
    """The type of the first operand, of a choice that of the values."""
    return e.types[-1 if e.op in (SELECT, MASKED) else 0] if e.types else None


def accepted(e: Example) -> bool:
    try:
        e.op.infer(e.types)
    except VeraxError:
        return False
    return True


def jvp(e: Example) -> str:
    """The tangents of the example, and of its complex sister where they differ."""
    text, sister = tangents(e), Example(e.op, recast(e, complex64))
    varies = isinstance(e.op, Pointwise) or text == "refused"
    if not varies or not accepted(sister) or tangents(sister) == text:
        return text
    return f"{text} (complex: {tangents(sister)})"


def tangents(e: Example) -> str:
    """Per operand: rule, zero, or none where its dtype has no tangent; one word if all agree."""
    words = [tangent(e, i) for i in range(len(e.types))]
    return words[0] if len(set(words)) == 1 else ", ".join(words) or "zero"


def tangent(e: Example, i: int) -> str:
    if not has_tangent(e.types[i]):
        return "none"
    b = Builder()
    xs = [b.input(t) for t in e.types]
    t = b.input(e.types[i])
    try:
        _, out = e.op.jvp(b, xs, [t if k == i else None for k in range(len(xs))], refuse)
    except LookupError:
        return "its program's"
    except (DerivativeError, InternalError):
        return "refused"
    return "zero" if all(y is None for y in out) else "rule"


def transpose(e: Example) -> str:
    """Per set of operands in which the op is jointly linear, the ops of their cotangents."""
    sets = [s for s in e.op.linear(len(e.types)) if s]
    return "; ".join(f"{', '.join(map(str, sorted(s)))}: {back(e, s)}" for s in sets) or "none"


def back(e: Example, operands: frozenset[int]) -> str:
    """The ops that the cotangents of these operands are written with."""
    b = Builder()
    cts = [b.input(t) for t in e.op.infer(e.types)]
    xs = [None if i in operands else b.input(t) for i, t in enumerate(e.types)]
    try:
        e.op.transpose(b, cts, xs, e.types, refuse)
    except (LookupError, InternalError):  # a while loop is split before
        return "its program's"
    names = list(dict.fromkeys(spelling(eq.op) for eq in b.equations))
    return ", ".join(names) or "the cotangent"


def batch(e: Example) -> str:
    """The ops that one batched call becomes, when all operands are mapped."""
    b = Builder()
    xs = [b.input(t.stacked(3)) for t in e.types]
    try:
        e.op.batch(b, 3, xs, [True] * len(xs), refuse)
    except LookupError:
        return "its program's"
    except (DerivativeError, InternalError):
        return "by lane" if e.op.programs else "refused"
    names = list(dict.fromkeys(spelling(eq.op) for eq in b.equations))
    return "itself" if names in ([spelling(e.op)], []) else ", ".join(names)


def spelling(op: Op) -> str:
    """How the table calls an op."""
    return op.fn if isinstance(op, Pointwise) else op.name


def dims(e: Example) -> str:
    """The factors of the example; a whole one, which may not be cut, stands in brackets."""
    if e.op.programs:
        return "its program's"
    try:
        f = e.op.factors(*[t.shape for t in e.types])
    except InternalError:
        return "one device's"
    order = dict.fromkeys(k for d in (*f.ins, *f.outs) for dim in d for k in dim)
    letters = {k: "abcdefghijklmnopqrstuvwxyz"[n] for n, k in enumerate(order)}
    letter = {k: f"[{c}]" if k in f.whole else c for k, c in letters.items()}
    ins = ", ".join(written(d, letter) for d in f.ins)
    text = f"{ins} -> {', '.join(written(d, letter) for d in f.outs)}".strip()
    return "; ".join([text, *[f"{monoid} {letter[k]}" for k, monoid in f.reduce.items()]])


def written(d: Dims, letter: Mapping[Factor, str]) -> str:
    """``a (b c)``: a dimension that is a product of factors stands in parentheses."""
    words = [
        letter[dim[0]] if len(dim) == 1 else f"({' '.join(letter[k] for k in dim)})" for dim in d
    ]
    return " ".join(words) or "1"


class Recorder:
    """An emitter that notes which operations are written; satisfies the protocol Emitter."""

    platform = "cpu"

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.count = 0

    def op(self, text: str) -> str:
        return self.ops(text, 1)[0]

    def ops(self, text: str, count: int) -> list[str]:
        self.names.update(dict.fromkeys(re.findall(r"\b(?:stablehlo|chlo|func)\.[a-z_0-9]+", text)))
        self.count += count
        return [f"%{self.count - k}" for k in range(count)]

    def constant(self, value: bool | int | float | complex, t: ArrayType) -> str:
        return self.op("stablehlo.constant")

    def block(self, types: Sequence[Type], write: Callable[[list[str]], Sequence[str]]) -> str:
        write(self.ops("", len(types)))
        return "{}"

    def inline(self, p: Program, xs: Sequence[str]) -> list[str]:
        env = list(xs)
        for op, operands, first, n, _ in p.equations:
            ins = [p.types[x] for x in operands]
            env += op.lower(self, [env[x] for x in operands], ins, p.types[first : first + n])
        return [env[o] for o in p.outs]

    def call(self, p: Program, xs: Sequence[str]) -> list[str]:
        self.inline(p, xs)
        return self.ops("func.call", len(p.outs))

    def outline(
        self,
        key: str,
        types: Sequence[Type],
        write: Callable[[list[str]], Sequence[str]],
        out_types: Sequence[Type],
        xs: Sequence[str],
        *,
        inlineable: bool = True,
    ) -> list[str]:
        write(list(xs))
        return self.ops("func.call", len(out_types))

    def custom_target(self, name: str) -> None:
        self.names[name] = None

    def channel(self) -> int:
        return 1


QUIET = ("stablehlo.constant", "stablehlo.return", "stablehlo.output_operand_alias")  # no news


def lowers(e: Example) -> str:
    """The operations that the lowering writes, the first four of them."""
    recorder = Recorder()
    args = [f"%arg{i}" for i in range(len(e.types))]
    try:
        e.op.lower(recorder, args, e.types, e.op.infer(e.types))
    except InternalError:
        return "refused"
    names = [n for n in recorder.names if n not in QUIET] or list(recorder.names)
    if not names:
        return "nothing"
    return ", ".join(f"`{n}`" for n in names[:4]) + (", ..." if len(names) > 4 else "")


# the page ----------------------------------------------------------------------------------------

Column: TypeAlias = Callable[[Example], str]
COLUMNS: Mapping[str, Column] = {
    "op": lambda e: f"`{spelling(e.op)}`",
    "types": takes,
    "jvp": jvp,
    "transpose": transpose,
    "batch": batch,
    "local": dims,
    "lower": lowers,
}
HEAD = """# The ops

Generated from the declarations by `python -m verax.compiler.ops.table`; do not edit.
Each row is an op on one example of its operands.

- *types*: the kinds of dtypes that it takes.
- *jvp*: per operand `rule`, `zero`, or `none` where its dtype has no tangent.
- *transpose*: the sets of operands in which the op is jointly linear, which pending sums read too,
  and the ops that their cotangents are written with.
- *batch*: what a call becomes when all operands are mapped.
- *local*: the factors on the dimensions of operands and results, which tell what a shard computes.
  One in brackets may not be cut, one that is reduced is named with its monoid.
- *lower*: the operations that the lowering writes.
"""


def examples() -> list[Example]:
    return [*pointwise_examples(), *EXAMPLES]


def render() -> str:
    """The page as markdown."""
    rows = [[cell(e) for cell in COLUMNS.values()] for e in examples()]
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return HEAD + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def loaded() -> set[str]:
    """The names of verax's own ops; somebody else's stand in the registry too."""
    return {name for name, op in REGISTRY.items() if op.__module__.startswith("verax.")}


def missing() -> set[str]:
    """The ops that no example stands for."""
    return loaded() - {e.op.name for e in examples()}


if __name__ == "__main__":
    PAGE.write_text(render())
