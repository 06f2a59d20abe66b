"""Small programs that the laws of the passes are tested on, written by hand with the builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from verax.compiler.ir.dtypes import float64, int32
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.bits import XOR
from verax.compiler.ops.contract import Contract, broadcast, permute, total
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.custom import Custom, LinearMap, Recur
from verax.compiler.ops.functions import COS, EXP, LOG, SIN, SQRT, TANH
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import Term, splat
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.slicing import Slice

Write: TypeAlias = Callable[..., Sequence[Term] | Term]

KEY = KeyType("threefry2x32", ())
INDEX = ArrayType((), int32)
MATMUL = Contract(((0, 1), (1, 2)), (0, 2))


def f64(*shape: int) -> ArrayType:
    """The type of a float64 array."""
    return ArrayType(shape, float64)


def written(*types: Type) -> Callable[[Write], Program]:
    """Turn a function of terms into the program that it writes for inputs of these types."""

    def write(f: Write) -> Program:
        b = Builder()
        ys = f(*[Term(b, b.input(t)) for t in types])
        return b.finish([y.slot for y in ([ys] if isinstance(ys, Term) else ys)])

    return write


def emit(op: Op, *xs: Term) -> list[Term]:
    """All results of op."""
    b = xs[0].b
    return [Term(b, y) for y in b.emit_all(op, *[x.slot for x in xs])]


def zeros(x: Term, t: ArrayType) -> Term:
    """Zeros of type t, in the program of x."""
    return Term(x.b, x.b.emit(splat(0, t)))


def along(x: Term, like: Term) -> Term:
    """x repeated along the last dimension, which ``like`` has and x has not."""
    return x.apply(broadcast(like.type.shape, range(x.type.ndim)))


def summed(x: Term) -> Term:
    """The sum over the last dimension."""
    return x.apply(total(x.type.ndim, [x.type.ndim - 1]))


def scalar(x: Term) -> Term:
    """The sum of everything."""
    return x.apply(total(x.type.ndim, range(x.type.ndim)))


# straight programs -------------------------------------------------------------------------------


@written(f64(3))
def polynomial(x: Term) -> Term:
    return x * x * x + x * 2.0


@written(f64(3))
def tanh(x: Term) -> Term:
    return x.apply(TANH)


@written(f64(2, 4))
def softmax(x: Term) -> Term:
    e = (x - along(x.apply(Reduce("max", (1,))), x)).apply(EXP)
    return e / along(summed(e), e)


@written(f64(2, 4), f64(4), f64(4))
def layer_norm(x: Term, scale: Term, bias: Term) -> Term:
    c = x - along(summed(x) / 4.0, x)
    d = (summed(c * c) / 4.0 + 1e-5).apply(SQRT)
    rows = broadcast((2, 4), (1,))
    return c / along(d, c) * scale.apply(rows) + bias.apply(rows)


@written(f64(2, 3))
def gelu(x: Term) -> Term:
    return x * 0.5 * (((x + x * x * x * 0.044715) * 0.7978845608028654).apply(TANH) + 1.0)


@written(f64(2, 3), f64(3, 3), f64(3, 2))
def mlp(x: Term, w: Term, v: Term) -> Term:
    return scalar(x.apply(MATMUL, w).apply(TANH).apply(MATMUL, v))


@written(f64(2, 3))
def moves(x: Term) -> Term:
    turned = x.apply(permute((1, 0))).apply(Reshape((6,)))
    return (turned * x.apply(Reshape((6,)))).apply(Slice(((1, 6, 2),)))


# calls and branches ------------------------------------------------------------------------------


@written(f64(3), f64(3))
def inner(x: Term, y: Term) -> list[Term]:
    return [x.apply(SIN) * y, y * y]


@written(f64(3), f64(3))
def call(x: Term, y: Term) -> list[Term]:
    u, v = emit(Call(inner), x * 2.0, y)
    return [u * v, *emit(Call(inner), y, y)]


@written(f64(3), f64(3))
def branch_0(x: Term, y: Term) -> list[Term]:
    return [x.apply(SIN) * y, x]


@written(f64(3), f64(3))
def branch_1(x: Term, y: Term) -> list[Term]:
    return [x * x * x, y.apply(EXP)]


@written(f64(3), f64(3))
def branch_2(x: Term, y: Term) -> list[Term]:
    return [y, (x * x + 1.0).apply(LOG) * x]


BRANCHES = (branch_0, branch_1, branch_2)


@written(INDEX, f64(3), f64(3))
def choice(i: Term, x: Term, y: Term) -> list[Term]:
    return emit(Cond(BRANCHES), i, x, y)


@written(f64(3), f64(3))
def cond(x: Term, y: Term) -> list[Term]:
    index = scalar(x).gt(0.0).to(int32) + scalar(y).gt(0.0).to(int32)
    return emit(Cond(BRANCHES), index, x, y * 2.0)


@written(f64(3), f64(3))
def cond_of_call(x: Term, y: Term) -> list[Term]:
    swapped = written(f64(3), f64(3))(lambda x, y: emit(Call(inner), y, x))
    return emit(Cond((inner, swapped)), scalar(x).gt(0.0).to(int32), x, y)


# loops -------------------------------------------------------------------------------------------


@written(f64(3), INDEX, f64(3))
def three_steps(a: Term, i: Term, x: Term) -> Term:
    return i.lt(3)


@written(f64(3), INDEX, f64(3))
def newton_step(a: Term, i: Term, x: Term) -> list[Term]:
    return [i + 1, x - (x * x - a * a - 2.0) / (x * x + 8.0)]


@written(f64(3), f64(3))
def newton(a: Term, x: Term) -> Term:
    """Three steps of at most five."""
    return emit(While(three_steps, newton_step, 1, 5), a, zeros(a, INDEX), x)[1] * a


@written(f64(), f64(3))
def is_small(limit: Term, x: Term) -> Term:
    return scalar(x * x).lt(limit)


@written(f64(), f64(3))
def grow_step(limit: Term, x: Term) -> Term:
    return x * 1.5 + limit.apply(broadcast((3,), ())) * 0.1


@written(f64(), f64(3))
def grow(limit: Term, x: Term) -> list[Term]:
    """How many steps it takes, of at most four, depends on the values."""
    return emit(While(is_small, grow_step, 1, 4), limit * limit + 9.0, x)


@written(f64(), f64(3))
def unbounded(limit: Term, x: Term) -> list[Term]:
    return emit(While(is_small, grow_step, 1), limit * limit + 9.0, x)


@written(f64(3, 3), f64(1, 3), f64(1, 3))
def cell(w: Term, c: Term, x: Term) -> list[Term]:
    h = (c.apply(MATMUL, w) + x).apply(TANH)
    return [h, h * c]


CELL_TYPES = (f64(3, 3), f64(1, 3), f64(4, 1, 3))


@written(*CELL_TYPES)
def rnn(w: Term, c: Term, xs: Term) -> list[Term]:
    return emit(Scan(cell, 1, 1, 4), w.apply(SIN), c, xs * 0.5)


@written(*CELL_TYPES)
def backwards(w: Term, c: Term, xs: Term) -> list[Term]:
    return emit(Scan(cell, 1, 1, 4, True), w, c, xs)


@written(f64(3, 3), f64(1, 3), f64(0, 1, 3))
def no_steps(w: Term, c: Term, xs: Term) -> list[Term]:
    return emit(Scan(cell, 1, 1, 0), w, c, xs)


@written(f64(3), f64(3))
def accumulate(c: Term, x: Term) -> list[Term]:
    return [c + x * x, c * x]


@written(f64(4, 3))
def from_zero(xs: Term) -> list[Term]:
    """The carry starts from a constant and depends on the input after one step."""
    return emit(Scan(accumulate, 0, 1, 4), zeros(xs, f64(3)), xs)


@written(f64(3), f64(3), f64(3))
def rotate(a: Term, b: Term, c: Term) -> list[Term]:
    return [b, c, a * 0.9]


@written(f64(3), f64(3))
def chain_of_carries(x: Term, y: Term) -> list[Term]:
    """Dependence needs three steps to reach every carry."""
    return emit(Scan(rotate, 0, 3, 5), x, y, zeros(x, f64(3)))


@written(INDEX, f64(3), f64(3))
def choose_step(i: Term, c: Term, x: Term) -> list[Term]:
    u, v = emit(Cond(BRANCHES), i, c, x)
    return [i + 1, u * 0.5, v]


@written(f64(3), f64(4, 3))
def scan_of_cond(c: Term, xs: Term) -> list[Term]:
    return emit(Scan(choose_step, 0, 2, 4), zeros(c, INDEX), c, xs)[1:]


@written(f64(3), f64(3), f64())
def grow_by(c: Term, x: Term, limit: Term) -> list[Term]:
    (y,) = emit(While(is_small, grow_step, 1, 3), limit * limit + 4.0, c + x)
    return [y * 0.3, y]


@written(f64(3), f64(4, 3), f64(4))
def while_in_scan(c: Term, xs: Term, limits: Term) -> list[Term]:
    return emit(Scan(grow_by, 0, 1, 4), c, xs, limits)


@written(f64(3, 3), f64(1, 3), f64(4, 1, 3))
def pass_over(w: Term, c: Term, xs: Term) -> list[Term]:
    c, ys = emit(Scan(cell, 1, 1, 4, True), w, c, xs)
    return [c, ys.apply(total(3, [0]))]


@written(f64(3, 3), f64(1, 3), f64(2, 4, 1, 3))
def scan_in_scan(w: Term, c: Term, xs: Term) -> list[Term]:
    return emit(Scan(pass_over, 1, 1, 2), w, c, xs)


# declared derivatives ----------------------------------------------------------------------------

PAIR = (f64(3), f64(3))


@written(*PAIR)
def wave(x: Term, y: Term) -> Term:
    return x.apply(SIN) * y


@written(*PAIR, *PAIR)
def wave_push(c: Term, s: Term, dx: Term, dy: Term) -> Term:
    return c * dx + s * dy


@written(*PAIR, f64(3))
def wave_pull(c: Term, s: Term, ct: Term) -> list[Term]:
    return [c * ct, s * ct]


@written(*PAIR, *PAIR)
def wave_rule(x: Term, y: Term, dx: Term, dy: Term) -> list[Term]:
    known = (x.apply(COS) * y, x.apply(SIN))
    (z,) = emit(Recur(0, PAIR, (f64(3),), "wave"), x, y)
    return [z, *emit(LinearMap(wave_push, wave_pull, 2), *known, dx, dy)]


WAVE = Custom(wave, wave_rule, 0, "wave")


@written(*PAIR)
def declared(x: Term, y: Term) -> list[Term]:
    (z,) = emit(WAVE, x * 2.0, y)
    return [z, *emit(WAVE, z, zeros(x, f64(3)) + 1.5)]


@written(*PAIR)
def declared_step(c: Term, x: Term) -> list[Term]:
    (z,) = emit(WAVE, c, x)
    return [z + c, z]


@written(f64(3), f64(4, 3))
def scan_of_declared(c: Term, xs: Term) -> list[Term]:
    return emit(Scan(declared_step, 0, 1, 4), c, xs)


def _turned(sign: float, rule: Custom | None) -> Program:
    """The rule of sin or cos, by the other one, which refers back to the first."""

    @written(f64(3), f64(3))
    def write(x: Term, dx: Term) -> list[Term]:
        (y,) = emit(Recur(0, (f64(3),), (f64(3),), "self"), x)
        op = Recur(1, (f64(3),), (f64(3),), "other") if rule is None else rule
        return [y, emit(op, x)[0] * dx * sign]

    return write


COSINE = Custom(written(f64(3))(lambda x: x.apply(COS)), _turned(-1.0, None), 0, "cosine")
SINE = Custom(written(f64(3))(lambda x: x.apply(SIN)), _turned(1.0, COSINE), 0, "sine")


@written(f64(3))
def each_other(x: Term) -> list[Term]:
    """Two rules that use each other."""
    return emit(SINE, x * x)


# keys --------------------------------------------------------------------------------------------


def next_key(k: Term) -> Term:
    """Another key: its words exchanged with those of a fixed one."""
    words = k.apply(KeyData())
    return words.apply(XOR, words.like(0x9E3779B9)).apply(KeyWrap(KEY.impl))


def noise(k: Term) -> Term:
    """A number that the key decides."""
    return k.apply(KeyData()).apply(Slice(((0, 1, 1),))).apply(Reshape(())).to(float64) / 2.0**32


@written(f64(3), KEY, f64(3))
def noisy_step(c: Term, k: Term, x: Term) -> list[Term]:
    return [c * x + noise(k).apply(broadcast((3,), ())) * x, next_key(k), next_key(next_key(k))]


@written(f64(3), KEY, f64(4, 3))
def noisy(c: Term, k: Term, xs: Term) -> list[Term]:
    """A scan with a key among its carries, that stacks keys."""
    return emit(Scan(noisy_step, 0, 2, 4), c, k, xs)


@written(f64(3), KEY)
def noisy_row(c: Term, k: Term) -> list[Term]:
    return [c * noise(k).apply(broadcast((3,), ())), c]


@written(f64(3), KEY.stacked(4))
def over_keys(c: Term, ks: Term) -> list[Term]:
    """A scan over stacked keys, last first."""
    return emit(Scan(noisy_row, 0, 1, 4, True), c, ks)


@written(f64(), KEY)
def keep(x: Term, k: Term) -> list[Term]:
    return [x * noise(k), k]


@written(f64(), KEY)
def turn(x: Term, k: Term) -> list[Term]:
    return [x + noise(k), next_key(k)]


@written(f64(), KEY)
def key_choice(x: Term, k: Term) -> list[Term]:
    """A branch that decides between keys."""
    return emit(Cond((keep, turn)), x.gt(0.0).to(int32), x, k)


@written(f64(), KEY)
def is_negative(x: Term, k: Term) -> Term:
    return x.lt(0.0)


@written(f64(), KEY)
def key_loop(x: Term, k: Term) -> list[Term]:
    """A while with a key in its carry."""
    return emit(While(is_negative, turn, 0, 6), x, k)


SMOOTH: dict[str, Program] = {
    "polynomial": polynomial, "tanh": tanh, "softmax": softmax, "layer norm": layer_norm,
    "gelu": gelu, "mlp": mlp, "moves": moves,
    "call": call, "cond": cond, "choice": choice, "cond of call": cond_of_call,
    "newton": newton, "grow": grow,
    "rnn": rnn, "backwards": backwards, "no steps": no_steps, "from zero": from_zero,
    "chain of carries": chain_of_carries, "scan of cond": scan_of_cond,
    "while in scan": while_in_scan, "scan in scan": scan_in_scan,
    "declared": declared, "scan of declared": scan_of_declared, "each other": each_other,
    "noisy": noisy, "over keys": over_keys, "key choice": key_choice, "key loop": key_loop,
}  # fmt: skip
"""Programs that are differentiable in their float64 inputs at the points that the tests take."""
