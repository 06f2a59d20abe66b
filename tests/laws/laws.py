"""The laws that every op keeps, each a function from samples to claims.

An op's story is redundant: its result tells its derivative, its derivative tells its transpose, one
call tells the batched call, and the whole tells its shards. A law compares two of these tellings,
so that a declaration that is wrong disagrees with one that is right. Pairings are
``Re(sum(a * b))``: transposition is plain, without conjugation, and only real-linearity is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.laws.harness import (
    Array,
    Call,
    Case,
    Claim,
    Sample,
    Style,
    assert_close,
    assert_near,
    physical,
    program_of,
    rounded,
)
from verax.compiler.ir.dtypes import ALL
from verax.compiler.ir.op import Dim, Factor, Factors, solve
from verax.compiler.ir.program import Builder, Program, rearrange
from verax.compiler.ir.text import parse
from verax.compiler.ir.types import ArrayType, KeyType, Type, has_tangent
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.transpose import transpose
from verax.compiler.passes.vectorize import vectorize

Draw = Callable[[Any], Any]
State = Callable[[Case, Sequence[Sample], Draw], list[Claim]]

ANY = Style()
CUT = Style(sizes=(2, 4, 1, 8))
SMOOTH = Style(sizes=(2, 1, 3, 0), max_rank=2, smooth=True)
SMALL = Style(sizes=(3, 2, 1), max_rank=1, smooth=True)

STEP = 1e-5  # of central differences in float64: their error is near 1e-10


@attrs.frozen
class Law:
    """A law's name, what its samples are like, and what it claims of them.

    Args:
        samples: how many that differ in values only.
        batch: how many draws are compiled together; they take the dtypes in turn.
        dear: whether a case of weight n gets n times fewer examples too.
        applies: to which cases.
    """

    name: str
    state: State
    style: Style = ANY
    samples: int = 1
    batch: int = 3
    dear: bool = False
    applies: Callable[[Case], bool] = lambda case: True


# helpers -----------------------------------------------------------------------------------------


def pairing(xs: Sequence[Array], ys: Sequence[Array]) -> float:
    return float(sum(np.sum(x * y).real for x, y in zip(xs, ys)))


def generator(draw: Draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def direction(rng: np.random.Generator, t: ArrayType) -> Array:
    """A random tangent of type t, which is float64 or complex128."""
    x = rng.standard_normal((2, *cast("tuple[int, ...]", t.shape)))
    return np.asarray(x[0] + 1j * x[1] if t.dtype.is_complex else x[0])


def some_active(s: Sample, draw: Draw) -> tuple[bool, ...]:
    """Which operands are differentiated: at least one of those that can be."""
    chosen = draw(st.sets(st.sampled_from(s.inexact), min_size=1))
    return tuple(i in chosen for i in range(len(s.types)))


def of(xs: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    return [x for x, m in zip(xs, mask) if m]


def moved(xs: Sequence[Array], mask: Sequence[bool], vs: Sequence[Array], h: float) -> list[Array]:
    """The operands moved by h along the tangents."""
    it = iter(vs)
    return [x + h * next(it) if m else x for x, m in zip(xs, mask)]


# the laws ----------------------------------------------------------------------------------------


def agrees_with_reference(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """The result is that of NumPy or SciPy, in the dtype and shape that was inferred."""
    (one,) = s
    name = getattr(one.op, "fn", one.op.name)
    assert name in case.covers, f"the case {case.name} makes {name}, which it does not cover"
    types = [physical(t) for t in one.program.out_types]

    def check(outs: list[Array]) -> None:
        with np.errstate(all="ignore"):
            want = case.reference(one.op, *one.operands)
        wanted = want if isinstance(want, tuple) else (want,)
        assert len(wanted) == len(outs)
        for y, w, t in zip(outs, wanted, types):
            assert_near(y, rounded(w, t), case, one)

    return [Claim([(one.program, one.operands)], check)]


def jvp_is_difference(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """The tangents are central differences; where there is none, the difference is zero."""
    (one,) = s
    if not one.inexact:
        return []
    if not case.derivative:
        _, has = jvp(one.program, tuple(i in one.inexact for i in range(len(one.types))))
        assert not any(has), f"{one}: has a tangent, but its case says that it has none"
        return []
    mask, rng = some_active(one, draw), generator(draw)
    vs = [direction(rng, cast(ArrayType, t)) for t in of(one.types, mask)]
    return [_difference_claim(case, one, one.program, one.operands, mask, vs)]


def _difference_claim(
    case: Case,
    what: object,
    p: Program,
    xs: Sequence[Array],
    mask: tuple[bool, ...],
    vs: Sequence[Array],
) -> Claim:
    q, has = jvp(p, mask)
    n = len(p.outs)

    def check(outs: list[Array]) -> None:
        tangents = iter(outs[n : n + sum(has)])
        plus, minus = outs[-2 * n : -n], outs[-n:]
        for t, h, y1, y0 in zip(p.out_types, has, plus, minus):
            if has_tangent(t):
                want = (y1 - y0) / (2 * STEP)
                got = next(tangents) if h else np.zeros_like(want)
                assert_close(got, want, case.step, f"jvp of {what} along {mask}")
            else:
                assert not h, f"{what}: a tangent of type {t}"

    ahead, behind = moved(xs, mask, vs, STEP), moved(xs, mask, vs, -STEP)
    return Claim([(q, [*xs, *vs]), (p, ahead), (p, behind)], check)


def second_derivative(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """jvp of jvp is the difference of jvp."""
    (one,) = s
    if not one.inexact:
        return []
    mask, rng = some_active(one, draw), generator(draw)
    vs = [direction(rng, cast(ArrayType, t)) for t in of(one.types, mask)]
    q, _ = jvp(one.program, mask)
    both = (*mask, *[True] * len(vs))
    ws = [direction(rng, cast(ArrayType, t)) for t in of(q.in_types, both)]
    what = f"jvp of {one} along {mask}"
    return [_difference_claim(case, what, q, [*one.operands, *vs], both, ws)]


def third_derivative(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """jvp of jvp of jvp is the difference of jvp of jvp, and what reverse modes give.

    With a cotangent u and directions v, w, z, ``<u, D3 f(v, w, z)>`` is one number however its
    derivatives are mixed: reverse over forward over reverse, and reverse over reverse over forward.
    Of a case that is dear to compile, one of the two is drawn.
    """
    (one,) = s
    if not one.inexact:
        return []
    mask, rng = some_active(one, draw), generator(draw)
    p = inexact_outs(one.program)
    second = push(push(p, mask), mask)
    third = push(second, mask)
    xs, at = one.operands, of(p.in_types, mask)
    v, w, z = ([direction(rng, t) for t in at] for _ in range(3))
    u = [direction(rng, cast(ArrayType, t)) for t in p.out_types]
    ahead, behind = (moved(xs, mask, z, h) for h in (STEP, -STEP))
    mixed: list[tuple[str, Program, list[Array]]] = [
        ("reverse over forward over reverse", pull(push(pull(p, mask), mask), mask), [*u, *w, *v]),
        ("reverse over reverse over forward", pull(pull(push(p, mask), mask), mask), [*v, *u, *w]),
    ]
    if case.weight > 3:
        mixed = [draw(st.sampled_from(mixed))]

    def check(outs: list[Array]) -> None:
        parts = iter(outs)
        d3, y1, y0 = (list(itertools.islice(parts, len(u))) for _ in range(3))
        for got, plus, minus in zip(d3, y1, y0):
            want = (plus - minus) / (2 * STEP)
            assert_close(got, want, case.step, f"third derivative of {one} along {mask}")
        for mode, _, _ in mixed:
            back = list(itertools.islice(parts, len(z)))
            assert_adjoint(d3, u, z, back, f"{mode} of {one} along {mask}", 1e-9)

    calls = [(third, [*xs, *v, *w, *z]), (second, [*ahead, *v, *w]), (second, [*behind, *v, *w])]
    return [Claim([*calls, *[(q, [*xs, *ds]) for _, q, ds in mixed]], check)]


def inexact_outs(p: Program) -> Program:
    """p without the results that have no tangent."""
    return rearrange(p, range(p.n_in), [i for i, t in enumerate(p.out_types) if has_tangent(t)])


def push(p: Program, mask: tuple[bool, ...]) -> Program:
    """The inputs, directions of the first that are in the mask -> the tangents of all results."""
    active = mask + (False,) * (p.n_in - len(mask))
    q, _ = jvp(p, active, (True,) * len(p.outs))
    return rearrange(q, range(q.n_in), range(len(p.outs), len(q.outs)))


def pull(p: Program, mask: tuple[bool, ...]) -> Program:
    """The inputs, cotangents of all results -> the cotangents of the first that are in the mask."""
    lin = linearize(p, mask + (False,) * (p.n_in - len(mask)))
    residuals = len(lin.forward.outs) - len(p.outs)
    back = transpose(lin.linear, (False,) * residuals + (True,) * sum(mask))
    b = Builder()
    xs, us = [b.input(t) for t in p.in_types], [b.input(t) for t in p.out_types]
    kept = b.inline(lin.forward, xs)[len(p.outs) :]
    return b.finish(b.inline(back, [*kept, *of(us, lin.has_tangent)]))


def transpose_is_adjoint(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """``<Jv, u> == <v, J'u>``, and Jv is what jvp gives; so also for the declared linear sets."""
    (one,) = s
    if not one.inexact:
        return []
    mask, rng = some_active(one, draw), generator(draw)
    claims = [_linearized_claim(case, one, mask, rng)]
    for operands in one.op.linear(len(one.types)):
        if all(has_tangent(one.types[i]) for i in operands):
            claims.append(_linear_claim(case, one, operands, rng))
    return claims


def _linearized_claim(
    case: Case, one: Sample, mask: tuple[bool, ...], rng: np.random.Generator
) -> Claim:
    p = one.program
    lin, (q, has) = linearize(p, mask), jvp(p, mask)
    n, m = len(p.outs), sum(mask)
    assert lin.has_tangent == has, f"{one}: linearize and jvp differ on which outputs move"
    residuals = len(lin.linear.in_types) - m
    back = transpose(lin.linear, (False,) * residuals + (True,) * m)
    b = Builder()
    xs = [b.input(t) for t in p.in_types]
    vs = [b.input(t) for t in of(p.in_types, mask)]
    us = [b.input(t) for t in lin.linear.out_types]
    kept = b.inline(lin.forward, xs)[n:]
    forward, backward = b.inline(lin.linear, [*kept, *vs]), b.inline(back, [*kept, *us])
    whole = b.finish([*forward, *backward, *b.inline(q, [*xs, *vs])[n:]])
    v = [direction(rng, cast(ArrayType, t)) for t in of(p.in_types, mask)]
    u = [direction(rng, cast(ArrayType, t)) for t in lin.linear.out_types]

    def check(outs: list[Array]) -> None:
        jv, ju, tangents = outs[: len(u)], outs[len(u) : len(u) + m], outs[len(u) + m :]
        for a, b in zip(jv, tangents):
            assert_close(a, b, 1e-12, f"linearize and jvp of {one}")
        assert_adjoint(jv, u, v, ju, f"linearize of {one} along {mask}")

    return Claim([(whole, [*one.operands, *v, *u])], check)


def _linear_claim(
    case: Case, one: Sample, operands: frozenset[int], rng: np.random.Generator
) -> Claim:
    p, mask = one.program, tuple(i in operands for i in range(len(one.types)))
    back = transpose(p, mask)
    fixed = [not m for m in mask]
    v = [direction(rng, cast(ArrayType, t)) for t in of(p.in_types, mask)]
    u = [direction(rng, cast(ArrayType, t)) for t in p.out_types]
    xs, it = list(one.operands), iter(v)
    inputs = [next(it) if m else x for x, m in zip(xs, mask)]

    def check(outs: list[Array]) -> None:
        n = len(p.outs)
        assert_adjoint(outs[:n], u, v, outs[n:], f"transpose of {one} in {sorted(operands)}")

    return Claim([(p, inputs), (back, [*of(xs, fixed), *u])], check)


def assert_adjoint(
    jv: Sequence[Array],
    u: Sequence[Array],
    v: Sequence[Array],
    ju: Sequence[Array],
    what: str,
    tolerance: float = 1e-11,
) -> None:
    left, right = pairing(jv, u), pairing(v, ju)
    scale = 1.0 + sum(float(np.sum(np.abs(a * b))) for a, b in zip([*jv, *v], [*u, *ju]))
    assert abs(left - right) <= tolerance * scale, f"{what}: <Jv,u> = {left}, <v,J'u> = {right}"


def vectorize_is_stack(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """The batched program gives the stack of single calls, whichever operands are mapped."""
    n = draw(st.integers(1, len(s)))
    rows, p = s[:n], s[0].program
    return [_batch_claim(case, rows, p, mask) for mask in _masks(len(s[0].types), draw)]


def _masks(n: int, draw: Draw) -> list[tuple[bool, ...]]:
    """All non-empty masks of up to three operands; of more, all, each alone, and a drawn one."""
    if n <= 3:
        return [m for m in itertools.product((True, False), repeat=n) if any(m)]
    alone = [tuple(i == k for i in range(n)) for k in range(n)]
    drawn = tuple(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    return [(True,) * n, *alone, *([drawn] if any(drawn) else [])]


def _batch_claim(case: Case, rows: Sequence[Sample], p: Program, mask: tuple[bool, ...]) -> Claim:
    n, first = len(rows), rows[0]
    q, out_mapped = vectorize(p, mask, n)
    stacked = [
        np.stack([r.operands[i] for r in rows]) if m else first.operands[i]
        for i, m in enumerate(mask)
    ]
    single = [[(r if m else first).operands[i] for i, m in enumerate(mask)] for r in rows]
    calls = [(q, stacked), *[(p, xs) for xs in single]]

    def check(outs: list[Array]) -> None:
        k = len(p.outs)
        for i in range(k):
            want = np.stack([outs[k * (r + 1) + i] for r in range(n)])
            got = outs[i] if out_mapped[i] else np.stack([outs[i]] * n)
            assert_near(got, want, case, f"vectorize of {first}, mapped {mask}")

    return Claim(calls, check)


def shards_glue(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """``glue(op.local(shards)) == op(whole)`` for each factor that may be cut, and for several."""
    (one,) = s
    shapes = [t.shape for t in one.types]
    f = one.op.factors(*shapes)
    env = {k: cast(int, n) for k, n in solve(one.op, f, shapes).items()}
    free = [k for k in env if k not in f.whole]
    n = draw(st.sampled_from((2, 4)))
    cuts = [{k: n} for k in free if env[k] and env[k] % n == 0]
    several = draw(st.sets(st.sampled_from(free), min_size=2)) if len(free) > 1 else set()
    cuts.append({k: 2 for k in free if k in several and env[k] and env[k] % 2 == 0})
    return [_cut_claim(case, one, f, env, cut) for cut in cuts if cut]


def _cut_claim(
    case: Case, one: Sample, f: Factors, env: Mapping[Factor, int], cut: dict[Factor, int]
) -> Claim:
    p = one.bare
    shards = [dict(zip(cut, at)) for at in itertools.product(*[range(n) for n in cut.values()])]
    xts = [local_type(t, dims, env, cut) for t, dims in zip(one.types, f.ins)]
    yts = [local_type(t, dims, env, cut) for t, dims in zip(p.out_types, f.outs)]
    op = one.op.local(cut, xts, yts)
    q = program_of(op, xts)
    assert q.out_types == tuple(yts), f"{one}: cut by {cut} gives {q.out_types}, expected {yts}"
    calls: list[Call] = [(p, one.operands)]
    for at in shards:
        calls.append((q, [piece(x, d, env, cut, at) for x, d in zip(one.operands, f.ins)]))

    def check(outs: list[Array]) -> None:
        k = len(p.outs)
        for i, dims in enumerate(f.outs):
            parts = [outs[k * (r + 1) + i] for r in range(len(shards))]
            got = glue(parts, shards, dims, f, env, cut, outs[i])
            assert_near(got, outs[i], case, f"{one} cut by {cut} as {op!r}")

    return Claim(calls, check)


def local_type(
    t: Type, dims: Sequence[Dim], env: Mapping[Factor, int], cut: Mapping[Factor, int]
) -> Type:
    """The type of one shard of a value of type t."""
    shape = tuple(int(np.prod([env[f] // cut.get(f, 1) for f in d])) for d in dims)
    return KeyType(t.impl, shape) if isinstance(t, KeyType) else ArrayType(shape, t.dtype)


def piece(
    x: Array,
    dims: Sequence[Dim],
    env: Mapping[Factor, int],
    cut: Mapping[Factor, int],
    at: Mapping[Factor, int],
) -> Array:
    """The shard of x at the place ``at``: each dimension is split into its factors and cut."""
    tail = x.shape[len(dims) :]  # the two words of a key
    factors = [f for d in dims for f in d]
    out = x.reshape((*[env[f] for f in factors], *tail))[tuple(slices(factors, env, cut, at))]
    sizes = [int(np.prod([env[f] // cut.get(f, 1) for f in d])) for d in dims]
    return out.reshape((*sizes, *tail))


def slices(
    factors: Sequence[Factor],
    env: Mapping[Factor, int],
    cut: Mapping[Factor, int],
    at: Mapping[Factor, int],
) -> Iterator[slice]:
    for f in factors:
        n = env[f] // cut.get(f, 1)
        yield slice(at.get(f, 0) * n, (at.get(f, 0) + 1) * n)


MONOIDS: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}


def glue(
    parts: Sequence[Array],
    shards: Sequence[Mapping[Factor, int]],
    dims: Sequence[Dim],
    f: Factors,
    env: Mapping[Factor, int],
    cut: Mapping[Factor, int],
    whole: Array,
) -> Array:
    """Put the parts where their factors stand; combine by the monoid along reduced factors."""
    factors = [k for d in dims for k in d]
    tail = whole.shape[len(dims) :]
    out = np.zeros((*[env[k] for k in factors], *tail), whole.dtype)
    seen = np.zeros(out.shape, bool)
    for part, at in zip(parts, shards):
        here = tuple(slices(factors, env, cut, at))
        value = part.reshape((*[env[k] // cut.get(k, 1) for k in factors], *tail))
        reduced = [f.reduce[k] for k in cut if k in f.reduce]
        if not seen[here].any():
            out[here] = value
        elif reduced:
            with np.errstate(invalid="ignore"):  # NaN
                out[here] = MONOIDS[reduced[0]](out[here], value)
        else:
            np.testing.assert_array_equal(out[here], value, "shards disagree on a copy")
        seen[here] = True
    return out.reshape(whole.shape)


def text_round_trip(case: Case, s: Sequence[Sample], draw: Draw) -> list[Claim]:
    """The parser reads what is printed."""
    p = s[0].program
    assert parse(str(p)) == p
    return []


def differentiable(case: Case) -> bool:
    return case.derivative


LAWS = (
    Law("reference", agrees_with_reference, ANY, batch=len(ALL)),
    Law("jvp", jvp_is_difference, SMOOTH),
    Law("second", second_derivative, SMOOTH, applies=differentiable),
    Law("third", third_derivative, SMALL, batch=2, dear=True, applies=differentiable),
    Law("adjoint", transpose_is_adjoint, SMOOTH, applies=differentiable),
    Law("vectorize", vectorize_is_stack, ANY, samples=3, batch=2),
    Law("shards", shards_glue, CUT, batch=3),
    Law("text", text_round_trip, ANY),
)
