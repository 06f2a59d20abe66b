"""remat under every transformation, what policies keep, segments, the predicted peak, budgets."""

from __future__ import annotations

import pytest

from tests.passes import pass_laws, zoo
from tests.passes.evaluator import evaluate, random_inputs
from tests.passes.zoo import MATMUL, emit, f64, scalar, written
from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import float32
from verax.compiler.ir.errors import MemoryBudgetError, ShapeError, StructureError
from verax.compiler.ir.program import Program, walk
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.text import parse
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.barrier import Cut
from verax.compiler.ops.contract import Contract, permute
from verax.compiler.ops.functions import EXP, SIN, TANH
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.policies import RULES, Named, Policy, policy_of
from verax.compiler.ops.remat import Remat
from verax.compiler.passes.budget import computed_again, fit, lean, planned
from verax.compiler.passes.check import check
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.order import is_planned, order
from verax.compiler.passes.peak import peak
from verax.compiler.passes.pipeline import prepare
from verax.compiler.passes.simplify import simplify


@written(f64(2, 3), f64(3, 3))
def layer(x: Term, w: Term) -> list[Term]:
    y = x.apply(MATMUL, w).apply(EXP).apply(Named("inner"))
    return [y.apply(MATMUL, w).apply(SIN), y * 2.0]


def remat(p: Program, rule: str = "nothing_saveable", *names: str) -> Program:
    """The program that is one remat of p."""
    return written(*p.in_types)(lambda *xs: emit(Remat(p, rule, names), *xs))


@written(f64(2, 3), f64(3, 3))
def nested(x: Term, w: Term) -> list[Term]:
    (y, _) = emit(Remat(layer), x, w)
    return emit(Remat(remat(layer)), y + x, w)


@written(f64(2, 3), f64(3, 3))
def in_scan(x: Term, w: Term) -> list[Term]:
    body = written(f64(3, 3), f64(2, 3))(lambda w, c: emit(Remat(layer), c * 0.3, w)[:1])
    return emit(Scan(body, 1, 1, 3), w, x)


@written(f64(2, 3), f64(3, 3))
def around_scan(x: Term, w: Term) -> list[Term]:
    body = written(f64(3, 3), f64(2, 3))(lambda w, c: c.apply(MATMUL, w).apply(SIN))
    (y,) = emit(Remat(written(f64(2, 3), f64(3, 3))(
        lambda x, w: emit(Scan(body, 1, 1, 3), w, x))), x, w)  # fmt: skip
    return [y * y]


PROGRAMS = {
    **{rule: remat(layer, rule, "inner") for rule in RULES},
    "nested": nested,
    "in scan": in_scan,
    "around scan": around_scan,
    "cond": remat(zoo.cond),
    "call": remat(zoo.call),
}
programs = pytest.mark.parametrize("p", PROGRAMS.values(), ids=list(PROGRAMS))


@programs
def test_every_transformation(p: Program) -> None:
    xs = random_inputs(p.in_types)
    pass_laws.check_forward(p, xs)
    pass_laws.check_reverse(p, xs)
    pass_laws.check_vectorize(p, (True,) * p.n_in)
    pass_laws.check_vectorize(p, (False,) * (p.n_in - 1) + (True,))
    q = check(pass_laws.vjp(p))
    pass_laws.check_simplify(p)
    pass_laws.check_simplify(q)
    assert parse(str(q)) == q


@programs
def test_second_order(p: Program) -> None:
    q = pass_laws.vjp(p)
    xs = random_inputs(q.in_types, 3)
    pass_laws.check_forward(q, xs, rtol=1e-5)
    pass_laws.check_reverse(q, xs)


def test_simplify_writes_it_out() -> None:
    assert simplify(remat(layer)) == simplify(layer)
    q = simplify(pass_laws.vjp(remat(layer)))
    assert not [eq for _, eq in walk(q) if isinstance(eq.op, Remat | Named)]


def kept(p: Program) -> list[str]:
    """The types of the residuals that are no inputs."""
    forward = linearize(p, pass_laws.active(p.in_types)).forward
    return [str(forward.types[r]) for r in forward.outs[len(p.outs) :] if r >= forward.n_in]


def products(p: Program) -> int:
    """How many products of matrices the gradient computes."""
    q = simplify(pass_laws.vjp(p))
    return sum(isinstance(eq.op, Contract) and len(eq.op.ins) == 2 for eq in q.equations)


@pytest.mark.parametrize(
    ("rule", "names", "want", "count"),
    [
        ("nothing_saveable", (), [], 8),
        ("dots_saveable", (), ["float64[2,3]"] * 2, 6),
        ("dots_with_no_batch_dims_saveable", (), ["float64[2,3]"] * 2, 6),
        ("save_only_these_names", ("inner",), ["float64[2,3]"], 7),
        ("save_only_these_names", ("other",), [], 8),
        ("save_anything_except_these_names", ("inner",), ["float64[2,3]"] * 2, 6),
    ],
)
def test_what_policies_keep(rule: str, names: tuple[str, ...], want: list[str], count: int) -> None:
    p = remat(layer, rule, *names)
    assert products(layer) == 6
    assert (kept(p), products(p)) == (want, count)


def test_a_product_with_a_batch_dim_is_told_apart() -> None:
    batched = Contract(((0, 1, 2), (0, 2, 3)), (0, 1, 3))
    outer, turned = Contract(((0,), (1,)), (0, 1)), permute((1, 0))
    assert [Policy("dots_saveable").saves(op) for op in (MATMUL, batched, outer, turned)] == [
        True, True, False, False,
    ]  # fmt: skip
    plain = Policy("dots_with_no_batch_dims_saveable")
    assert [plain.saves(op) for op in (MATMUL, batched)] == [True, False]


def test_a_scan_of_remat_stacks_its_carry_only() -> None:
    forward = linearize(in_scan, (True, True)).forward
    (eq,) = [eq for eq in forward.equations if isinstance(eq.op, Scan)]
    assert [str(forward.types[y]) for y in eq.results] == ["float64[2,3]", "float64[3,2,3]"]


def test_what_is_refused() -> None:
    with pytest.raises(ShapeError) as shape:
        Remat(layer, "all")
    assert shape.value.message == "remat: 'all' is no policy"
    with pytest.raises(StructureError) as error:
        policy_of(3)
    assert error.value.message == "checkpoint: an object of int is no policy"


# segments ----------------------------------------------------------------------------------------

DEEP = 12


@written(f64(64, 32), *[f64(32, 32)] * DEEP)
def network(x: Term, *ws: Term) -> Term:
    for w in ws:
        x = x.apply(MATMUL, w).apply(TANH)
    return scalar(x * x)


GRADIENT = simplify(pass_laws.vjp(network))


def test_segments_compute_the_same() -> None:
    xs = random_inputs(GRADIENT.in_types)
    want = evaluate(GRADIENT, xs)
    for rate in (None, 1.0, 0.2, 0.05):
        q = check(order(GRADIENT, rate, 0, 2))
        for got, y in zip(evaluate(q, xs), want):
            assert abs(got - y).max() <= 1e-12 * (1 + abs(y).max())
        assert peak(q).nbytes <= peak(GRADIENT).nbytes
        assert order(q, rate, 0, 2) is q


def test_small_programs_stay_as_they_are() -> None:
    assert order(GRADIENT) is GRADIENT
    assert not is_planned(GRADIENT)


def test_a_cheaper_rate_computes_more_again() -> None:
    usual, cheap = planned(GRADIENT, None).program, planned(GRADIENT, 0.4).program
    again = [cheap.types[y] for y in computed_again(cheap)]
    assert len(again) > len(computed_again(usual))
    assert peak(cheap).nbytes < peak(usual).nbytes
    assert any(isinstance(eq.op, Cut) for eq in cheap.equations)


def test_loops_can_be_made_lean() -> None:
    (eq,) = lean(in_scan, "dots_saveable").equations
    assert isinstance(eq.op, Scan)
    (inner,) = eq.op.body.equations
    assert isinstance(inner.op, Remat)
    assert lean(layer, "nothing_saveable") is layer


# the predicted peak ------------------------------------------------------------------------------


def xla(p: Program) -> int:
    """Results and temporaries, as XLA lays them out."""
    m = backend().executable(p, p.in_types).memory()
    return m.temporaries + m.outputs


def f32(*shape: int) -> ArrayType:
    return ArrayType(shape, float32)


@written(f32(128, 256), f32(256, 256), f32(64, 128, 256))
def recurrent(c: Term, w: Term, xs: Term) -> Term:
    body = written(f32(256, 256), f32(128, 256), f32(128, 256))(
        lambda w, c, x: (c.apply(MATMUL, w) + x).apply(TANH)
    )
    return scalar(emit(Scan(body, 1, 1, 64), w, c, xs)[0])


@written(f32(256, 256), f32(256, 256))
def attention(q: Term, k: Term) -> Term:
    a = q.apply(Contract(((0, 1), (2, 1)), (0, 2)), k).apply(EXP)
    return scalar(a / zoo.along(zoo.summed(a), a) * a)


@written(f32(256, 256))
def chain(x: Term) -> Term:
    for _ in range(10):
        x = x.apply(SIN) * x + x.apply(TANH)
    return scalar(x)


@written(f32(256, 256), f32(256, 256))
def powers(x: Term, y: Term) -> Term:
    for _ in range(6):
        x = x.apply(MATMUL, y)
    return x


@written(f32(512, 128), *[f32(128, 128)] * DEEP)
def wide(x: Term, *ws: Term) -> Term:
    for w in ws:
        x = x.apply(MATMUL, w).apply(TANH)
    return scalar(x * x)


def gradient(p: Program) -> Program:
    return simplify(pass_laws.vjp(p))


MEASURED = {
    "powers": powers,
    "gradient of powers": gradient(powers),
    "chain": chain,
    "gradient of chain": gradient(chain),
    "attention": attention,
    "gradient of attention": gradient(attention),
    "gradient of a network": gradient(wide),
    "gradient of a scan": gradient(recurrent),
    "planned network": planned(gradient(wide), 0.4).program,
}


@pytest.mark.parametrize("p", MEASURED.values(), ids=list(MEASURED))
def test_the_peak_is_predicted_within_half(p: Program) -> None:
    predicted, measured = peak(prepare(p, p.in_types).program).nbytes, xla(p)
    assert measured / 1.5 <= predicted <= measured * 1.5, (predicted, measured)


def test_a_budget_is_honoured() -> None:
    p = gradient(wide)
    budget = int(0.8 * xla(p))
    q = fit([p], budget, "it")
    assert is_planned(q)
    assert xla(q) <= budget


def test_what_cannot_fit_is_refused() -> None:
    with pytest.raises(MemoryBudgetError) as error:
        fit([GRADIENT], 1000, "the gradient")
    assert error.value.message == (
        "the gradient needs 256,010 bytes beside its arguments, however much is computed again, and"
        " memory allows 1,000; the predicted peak is 204,808, largest there:\n"
        "          81,920  float64[64,32] x5\n"
        "          73,728  float64[32,32] x9\n"
        "               8  float64[]"
    )
    assert error.value.fix == (
        "allow memory=256010, or make what is largest smaller: a smaller batch, or vx.scan over"
        " parts of it"
    )


def test_unknown_sizes_have_an_estimate() -> None:
    t = ArrayType((dim("n"), 2), f64().dtype)
    assert peak(written(t)(lambda x: x.apply(SIN))).nbytes == 64 * 2 * 8
