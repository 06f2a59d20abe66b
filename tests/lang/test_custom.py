"""Derivatives that are declared: programs from practice against plain derivatives and differences.

Every program is taken to second order, under jit and vmap; every refusal by its whole message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax.compiler.backend import backend
from verax.compiler.ir.text import parse
from verax.compiler.passes.check import check

Function = Callable[..., Any]


@pytest.fixture(autouse=True, scope="module")
def forget() -> Any:
    yield
    backend().forget()


def d64(*values: Any) -> Any:
    return vx.asarray(np.array(values if len(values) > 1 else values[0], dtype=np.float64))


X = d64(0.3, 0.7, 1.1)


def same(a: Any, b: Any, rtol: float = 1e-9) -> None:
    assert vx.tree.structure(a) is vx.tree.structure(b)
    for x, y in zip(vx.tree.leaves(a), vx.tree.leaves(b)):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-9)


def everything(f: Function, x: Any) -> Any:
    """The value of f, its derivative in both modes, and all four second derivatives."""

    def loss(x: Any) -> Any:
        total: Any = sum(vx.sum(vx.sin(y) * y) for y in vx.tree.leaves(f(x)))
        return total

    def along(g: Function) -> Function:
        return lambda x: vx.jvp(g, (x,), (vx.cos(x + 1.0),))[1]

    def back(g: Function) -> Function:
        return vx.grad(lambda x: vx.sum(g(x) * vx.sin(x + 2.0)))

    gradient = vx.grad(loss)
    return {
        "value": f(x),
        "fwd": along(f)(x),
        "rev": gradient(x),
        "fwd of rev": along(gradient)(x),
        "rev of fwd": vx.grad(along(loss))(x),
        "rev of rev": back(gradient)(x),
        "fwd of fwd": along(along(f))(x),
    }


def agree(f: Function, plain: Function, x: Any, rtol: float = 1e-8) -> None:
    """Both functions are one, in every derivative, on a batch."""
    xs = vx.stack([x, x * 1.5])
    both = vx.jit(lambda xs: [vx.vmap(partial(everything, g))(xs) for g in (f, plain)])
    got, want = both(xs)
    same(got, want, rtol)


# custom_jvp --------------------------------------------------------------------------------------


@vx.custom_jvp
def log1pexp(x: Any) -> Any:
    return vx.log(1.0 + vx.exp(x))


@log1pexp.defjvp
def _log1pexp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return log1pexp(x), t * vx.sigmoid(x)


def test_log1pexp_is_stable() -> None:
    agree(log1pexp, vx.softplus, X)
    assert vx.grad(log1pexp)(100.0).item() == 1.0
    assert np.isnan(vx.grad(log1pexp.without_rule)(100.0).item())
    assert vx.grad(vx.grad(log1pexp))(d64(500.0)).item() == 0.0


def test_a_rule_without_its_function() -> None:
    """The result may be computed in the rule too, with what the derivative needs."""
    f: Any = vx.custom_jvp(lambda x: vx.exp(vx.sin(x)))

    def rule(primals: Any, tangents: Any) -> Any:
        y = vx.exp(vx.sin(primals[0]))
        return y, y * vx.cos(primals[0]) * tangents[0]

    f.defjvp(rule)

    agree(f, f.without_rule, X)


def test_defjvps() -> None:
    @vx.custom_jvp
    def f(x: Any, y: Any, n: Any) -> Any:
        return {"p": x * x * y, "s": x + n}

    f.defjvps(
        lambda t, ans, x, y, n: {"p": 2.0 * x * y * t, "s": t},
        lambda t, ans, x, y, n: {"p": ans["p"] / y * t, "s": None},
        None,
    )
    for k in (0, 1):

        def one(g: Any, k: int, x: Any) -> Any:
            args = [X, X + 1.0]
            args[k] = x
            return g(*args, 3)

        agree(partial(one, f, k), partial(one, f.without_rule, k), X)


def test_safe_norm() -> None:
    @vx.custom_derivative
    def safe_norm(x: Any) -> Any:
        n = vx.sqrt(vx.sum(x * x))
        return n, lambda t: vx.sum(x * t) / vx.where(n > 0.0, n, 1.0)

    agree(safe_norm, vx.norm, X)
    same(vx.grad(safe_norm)(X * 0.0), X * 0.0)
    assert np.isnan(np.asarray(vx.grad(lambda x: vx.sqrt(vx.sum(x * x)))(X * 0.0))).all()
    assert safe_norm(d64(3.0, 4.0)).item() == 5.0


def test_custom_derivative_takes_and_gives_trees() -> None:
    @vx.custom_derivative
    def affine(p: Any, x: Any, n: int = 2) -> Any:
        y = p["w"] * x + p["b"]
        return (y, n), lambda dp, dx, dn: ((dp["w"] * x + p["w"] * dx + dp["b"], None))

    p = {"w": X, "b": d64(2.0)}
    grads = vx.grad(lambda p, x: vx.sum(affine(p, x)[0] ** 2), argnums=(0, 1))(p, X)
    same(grads, vx.grad(lambda p, x: vx.sum((p["w"] * x + p["b"]) ** 2), argnums=(0, 1))(p, X))


def test_straight_through() -> None:
    """Rounding whose derivative is that of the identity."""
    ste: Any = vx.custom_jvp(vx.round)
    ste.defjvp(lambda primals, tangents: (ste(*primals), tangents[0]))
    same(vx.grad(lambda x: vx.sum(ste(x) * x))(X), vx.round(X) + X)
    same(vx.hessian(lambda x: vx.sum(ste(x) * x))(X), 2.0 * np.eye(3))
    vx.testing.check_rule(ste, X, exact=False)


def test_nondiff_callables() -> None:
    @partial(vx.custom_jvp, nondiff_argnums=(0,))
    def apply(f: Any, x: Any) -> Any:
        return f(x)

    @apply.defjvp
    def rule(f: Any, primals: Any, tangents: Any) -> Any:
        y = apply(f, *primals)
        return y, 2.0 * tangents[0] * y

    same(vx.grad(lambda x: vx.sum(apply(vx.exp, x)))(X), 2.0 * vx.exp(X))
    same(vx.hessian(lambda x: apply(vx.exp, x))(X[0]), 4.0 * vx.exp(X[0]))


def test_arguments_that_are_no_arrays_need_no_mention() -> None:
    @vx.custom_jvp
    def f(x: Any, how: Any, name: str, n: int, i: Any, scale: float) -> Any:
        assert name == "twice"
        assert type(n) is int
        return how(x) * n * scale + i

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        x, _, _, n, _, scale = primals
        assert tangents[1:] == (None, None, None, None, 0.0)
        return f(*primals), tangents[0] * n * scale * 10.0 + tangents[5] * x

    g = vx.grad(lambda x: vx.sum(f(x, vx.tanh, "twice", 2, vx.arange(3), scale=0.5)))
    same(g(X), X * 0.0 + 10.0)
    half = vx.grad(lambda x: vx.sum(f(x, vx.tanh, "twice", 2, vx.arange(3), 0.5)))
    assert half(vx.ones(3, dtype=vx.bfloat16)).dtype is vx.bfloat16


def test_defaults_and_keywords_have_positions() -> None:
    @vx.custom_jvp
    def f(x: Any, y: Any = 2.0) -> Any:
        return x * y

    f.defjvp(lambda p, t: (p[0] * p[1], t[0] * 100.0 * p[1]))
    assert float(vx.grad(f)(1.0)) == 200.0
    assert vx.grad(lambda x: f(y=vx.asarray(3.0), x=x))(1.0).item() == 300.0
    assert f(2.0, y=4.0) == 8.0


def test_a_method() -> None:
    @vx.struct
    class Layer:
        w: Any

        @vx.custom_jvp
        def __call__(self, x: Any) -> Any:
            return vx.tanh(self.w * x)

        @__call__.defjvp
        @staticmethod
        def _(primals: Any, tangents: Any) -> Any:
            (self, x), (d, t) = primals, tangents
            y = vx.tanh(self.w * x)
            return y, (1.0 - y * y) * (d.w * x + self.w * t)

    layer = Layer(X)
    got = vx.grad(lambda m, x: vx.sum(m(x)), argnums=(0, 1))(layer, X)
    want = vx.grad(lambda w, x: vx.sum(vx.tanh(w * x)), argnums=(0, 1))(X, X)
    same((got[0].w, got[1]), want)


def test_what_the_functions_close_over_becomes_an_input() -> None:
    def scaled(a: Any) -> Any:
        f: Any = vx.custom_jvp(lambda x: a * x * x)
        f.defjvp(lambda p, t: (f(*p), 2.0 * a * p[0] * t[0] + 0.0 * X[0]))
        return f

    def g(x: Any, a: Any) -> Any:
        return vx.sum(scaled(a)(x))

    same(vx.grad(g)(X, d64(3.0)), 6.0 * X)
    same(vx.hessian(g)(X, d64(3.0)), 6.0 * np.eye(3))
    same(vx.vmap(vx.grad(g), in_axes=(None, 0))(X, d64(1.0, 2.0)), np.outer([2.0, 4.0], X.numpy()))


def test_calls_hit_the_cache_closures_made_again_too() -> None:
    def scaled(a: Any) -> Any:
        f: Any = vx.custom_jvp(lambda x: a * x)
        f.defjvps(lambda t, _, x: a * t)
        return f

    jitted = vx.jit(lambda x, a: scaled(a)(x))
    for k in range(3):
        assert jitted(2.0, vx.asarray(float(k))).item() == 2.0 * k
        assert float(vx.grad(scaled(vx.asarray(float(k))))(2.0)) == k
    assert jitted.cache_info().staged == 1
    before = vx.cache_info(scaled(X)).staged
    vx.grad(scaled(vx.asarray(7.0)))(2.0)
    assert vx.cache_info(scaled(X)).staged == before


def test_two_rules_for_one_function_are_two_functions() -> None:
    def made(factor: float) -> Any:
        f: Any = vx.custom_jvp(vx.sin)
        f.defjvps(lambda t, _, x: t * factor)
        return f

    assert [float(vx.grad(made(k))(1.0)) for k in (1.0, 2.0, 3.0)] == [1.0, 2.0, 3.0]


def test_nothing_is_paid_where_no_derivative_is_taken() -> None:
    jitted, plain = vx.jit(log1pexp), vx.jit(log1pexp.without_rule)
    assert str(jitted.lower(X).program) == str(plain.lower(X).program)


def test_only_the_tangents_that_there_are_cost_anything() -> None:
    @vx.custom_jvp
    def f(x: Any, w: Any) -> Any:
        return x @ w

    f.defjvp(lambda p, t: (p[0] @ p[1], t[0] @ p[1] + p[0] @ t[1]))
    w = vx.ones((3, 3), dtype=vx.float64)
    p = vx.jit(lambda x, w: vx.jvp(lambda x: f(x, w), (x,), (x,))).lower(X, w).program
    assert str(p).count("contract") == 1  # x @ w once, as x is its own tangent here


# rules that use functions ------------------------------------------------------------------------


@vx.custom_jvp
def sine(x: Any) -> Any:
    return vx.sin(x)


@vx.custom_jvp
def cosine(x: Any) -> Any:
    return vx.cos(x)


sine.defjvps(lambda t, _, x: cosine(x) * t)
cosine.defjvps(lambda t, _, x: -sine(x) * t)


def test_rules_that_use_each_other() -> None:
    agree(lambda x: sine(x) * x, lambda x: vx.sin(x) * x, X)
    third = vx.jacfwd(vx.jacrev(vx.jacfwd(sine)))(X[0])
    same(third, -vx.cos(X[0]))
    check(vx.jit(sine).stage(X))


def test_a_rule_that_uses_its_function_elsewhere() -> None:
    """At other arguments, in a loop, and of other types."""
    f: Any = vx.custom_jvp(lambda x: x**3.0)

    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        _, ys = vx.scan(lambda c, y: (c, f(y)), None, vx.stack([x, x * 2.0]))
        return ys[0], 3.0 * ys[1] / x / 8.0 * t

    f.defjvp(rule)

    agree(f, lambda x: x**3.0, X)

    g: Any = vx.custom_jvp(lambda x: x * x)

    def of_rows(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        if x.ndim:
            return vx.stack([g(x[i]) for i in range(3)]), 2.0 * x * t
        return g(x), 2.0 * x * t

    g.defjvp(of_rows)

    agree(g, lambda x: x * x, X)


def test_a_rule_that_takes_derivatives() -> None:
    """Of other functions, its own among the helpers of them."""
    f: Any = vx.custom_jvp(lambda x: vx.exp(-x) * sine(x))

    def rule(primals: Any, tangents: Any) -> Any:
        plain = vx.jvp(f.without_rule, primals, tangents)[1]
        return f(*primals), plain

    f.defjvp(rule)

    agree(f, lambda x: vx.exp(-x) * vx.sin(x), X)


def test_a_rule_may_not_take_its_own_derivative() -> None:
    f: Any = vx.custom_jvp(vx.sin)
    f.defjvp(lambda p, t: (vx.sin(p[0]), vx.jvp(f, p, t)[1]))
    assert message(vx.DerivativeError, lambda: vx.grad(f)(1.0)) == (
        "[verax-derivative] the derivative rule of sin takes the derivative of sin itself\n"
        "  at test_custom.py:L: f.defjvp(lambda p, t: (vx.sin(p[0]), vx.jvp(f, p, t)[1]))\n"
        "  fix: write the derivative down with the function's results"
    )
    g: Any = vx.custom_jvp(vx.sin)
    g.defjvp(lambda p, t: (vx.sin(p[0]), vx.vmap(g)(vx.stack([p[0], p[0]]))[0] * t[0]))
    text = message(vx.DerivativeError, lambda: vx.grad(g)(1.0))
    assert text.startswith("[verax-derivative] the derivative rule of sin maps sin itself\n")
    assert text.endswith("  fix: use vx.map in the rule, or let sin take the mapped axis")


def test_rules_without_end() -> None:
    f: Any = vx.custom_jvp(vx.sum)
    f.defjvp(lambda p, t: (f(*p), f(vx.concatenate([t[0], t[0]]))))
    assert message(vx.DerivativeError, lambda: vx.grad(f)(X)).splitlines()[0] == (
        "[verax-derivative] derivative rules use each other without end: sum"
    )


# custom_vjp --------------------------------------------------------------------------------------


@vx.custom_vjp
def product(x: Any, y: Any) -> Any:
    return vx.sin(x) * y


def _product_fwd(x: Any, y: Any) -> Any:
    return product(x, y), {"c": vx.cos(x), "rest": (vx.sin(x), y, "static", 3)}


def _product_bwd(res: Any, ct: Any) -> Any:
    s, y, word, three = res["rest"]
    assert (word, three) == ("static", 3)
    return ct * res["c"] * y, ct * s


product.defvjp(_product_fwd, _product_bwd)


def test_a_backward_rule_works_in_every_mode() -> None:
    agree(lambda x: product(x, x * 2.0), lambda x: vx.sin(x) * x * 2.0, X)
    agree(lambda x: product(x, X), lambda x: vx.sin(x) * X, X)
    vx.testing.check_rule(product, X, X + 1.0)


def test_clip_gradient() -> None:
    @vx.custom_vjp
    def clip_gradient(low: Any, high: Any, x: Any) -> Any:
        return x

    clip_gradient.defvjp(
        lambda low, high, x: (x, (low, high)),
        lambda res, ct: (None, None, vx.clip(ct, *res)),
    )

    def f(x: Any) -> Any:
        return vx.sum(clip_gradient(-1.0, 1.0, x) ** 3.0)

    def plain(x: Any) -> Any:
        return vx.clip(3.0 * x * x, -1.0, 1.0)

    same(vx.grad(f)(X), plain(X))
    same(vx.jacfwd(vx.grad(f))(X), vx.jacfwd(plain)(X))
    same(vx.vmap(vx.jacrev(vx.grad(f)))(vx.stack([X, X])), vx.stack([vx.jacfwd(plain)(X)] * 2))
    vx.testing.check_rule(clip_gradient, d64(-9.0), d64(9.0), X, exact=False)


def test_gradient_reversal() -> None:
    def same_value(scale: float, x: Any) -> Any:
        return x

    reverse: Any = vx.custom_vjp(same_value, nondiff_argnums=(0,))

    def bwd(scale: float, _: None, ct: Any) -> Any:
        return (-scale * ct,)

    reverse.defvjp(lambda scale, x: (x, None), bwd)
    same(vx.grad(lambda x: vx.sum(reverse(0.5, x) ** 2))(X), -X)
    same(vx.jvp(lambda x: reverse(0.5, x), (X,), (X,))[1], -0.5 * X)
    same(vx.vmap(vx.grad(partial(reverse, 2.0)))(X), X * 0.0 - 2.0)


def test_cotangents_are_none_for_integers_keys_and_functions() -> None:
    @vx.custom_vjp
    def noisy(key: Any, i: Any, f: Any, x: Any) -> Any:
        return f(x) * vx.random.uniform(key, dtype=vx.float64) + i, i

    noisy.defvjp(
        lambda key, i, f, x: (noisy(key, i, f, x), ()),
        lambda _, ct: (None, None, None, ct[0] * 5.0) if ct[1] is None else (),
    )
    g = vx.value_and_grad(lambda x: noisy(vx.random.key(1), vx.asarray(2), vx.exp, x)[0])
    y, dx = g(X[0])
    assert dx.item() == 5.0
    same(y, vx.exp(X[0]) * vx.random.uniform(vx.random.key(1), dtype=vx.float64) + 2)


def test_residuals_that_the_backward_function_closes_over() -> None:
    def scaled(a: Any) -> Any:
        f: Any = vx.custom_vjp(lambda x: a * x)
        f.defvjp(lambda x: (a * x, None), lambda _, ct: (a * ct,))
        return f

    def g(x: Any, a: Any) -> Any:
        return vx.sum(scaled(a)(x) ** 2)

    same(vx.jit(vx.grad(g))(X, d64(3.0)), 18.0 * X)
    same(vx.hessian(g)(X, d64(3.0)), 18.0 * np.eye(3))


def test_complex_rules_transpose_without_conjugation() -> None:
    z = vx.asarray(np.array([1.0 + 2.0j, -0.5j]))
    f: Any = vx.custom_vjp(lambda z: z * z)
    f.defvjp(lambda z: (z * z, z), lambda z, ct: (2.0 * z * ct,))

    def loss(g: Any) -> Any:
        return vx.grad(lambda z: vx.sum(vx.abs(g(z)) ** 2))(z)

    same(loss(f), loss(lambda z: z * z))
    same(vx.jvp(f, (z,), (z,)), vx.jvp(lambda z: z * z, (z,), (z,)))
    vx.testing.check_rule(f, z)


def test_linear_call() -> None:
    """A scan forward whose transpose is written as a scan backward."""

    def running(_: Any, x: Any) -> Any:
        return vx.cumulative_sum(x)

    def back(_: Any, ct: Any) -> Any:
        return vx.flip(vx.cumulative_sum(vx.flip(ct)))

    agree(lambda x: vx.linear_call(running, back, (), x) ** 2, lambda x: running((), x) ** 2, X)
    agree(
        lambda x: vx.linear_call(lambda r, x: r * x, lambda r, ct: r * ct, x, x * 2.0),
        lambda x: x * x * 2.0,
        X,
    )
    same(vx.linear_call(running, back, (), X), vx.cumulative_sum(X))


# inside of other programs ------------------------------------------------------------------------


def test_in_control_flow() -> None:
    def branches(f: Any, x: Any) -> Any:
        return vx.cond(vx.sum(x) > 3.0, lambda x: f(x, x), lambda x: f(x, X) * 2.0, x)

    def loop(f: Any, x: Any) -> Any:
        c, ys = vx.scan(lambda c, r: (f(c, r), c * r), X, vx.stack([x, x + 1.0]))
        return c + vx.sum(ys)

    def steps(f: Any, x: Any) -> Any:
        def step(s: Any) -> Any:
            return s[0] + 1, f(s[1], x)

        return vx.while_loop(lambda s: s[0] < 3, step, (0, x), max_steps=4)[1]

    def plain(x: Any, y: Any) -> Any:
        return vx.sin(x) * y

    for program in (branches, loop, steps):
        agree(partial(program, product), partial(program, plain), X)


def test_recursion_in_a_mapped_loop() -> None:
    def f(sin: Any, x: Any) -> Any:
        return vx.scan(lambda c, r: (sin(c) + r, None), x[0], x)[0]

    agree(partial(f, sine), partial(f, vx.sin), X)


def test_mapped_operands_beside_others() -> None:
    @vx.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return vx.sin(x) * y

    f.defjvps(lambda t, z, x, y: vx.cos(x) * y * t, lambda t, z, x, y: f(x, y) / y * t)
    xs = vx.stack([X, X * 1.5])

    def plain(x: Any, y: Any) -> Any:
        return vx.sin(x) * y

    for axes in ((0, None), (None, 0), (0, 0)):
        args = [xs if a == 0 else X for a in axes]
        for g in (lambda h: h, lambda h: vx.jacrev(h, 1), lambda h: vx.jacfwd(vx.jacrev(h, 1), 0)):
            same(vx.vmap(g(f), in_axes=axes)(*args), vx.vmap(g(plain), in_axes=axes)(*args))
    both = vx.vmap(vx.vmap(vx.grad(f), in_axes=(0, None)), in_axes=(None, 0))
    want = vx.vmap(vx.vmap(vx.grad(plain), in_axes=(0, None)), in_axes=(None, 0))
    same(both(X, X + 1.0), want(X, X + 1.0))


def test_on_a_mesh() -> None:
    mesh = vx.Mesh(data=2)
    x = vx.asarray(np.arange(8.0).reshape(4, 2))
    cut = vx.shard(x, mesh, vx.P("data"))

    def loss(x: Any) -> Any:
        return vx.sum(product(log1pexp(x), sine(x)))

    def plain(x: Any) -> Any:
        return vx.sum(vx.sin(vx.softplus(x)) * vx.sin(x))

    compiled = vx.jit(vx.value_and_grad(loss)).compile(cut)
    same(compiled(cut), vx.value_and_grad(plain)(x))
    assert [c.kind for c in compiled.comm] == ["all_reduce"]
    assert compiled(cut)[1].spec.p == vx.P("data")


def test_python_control_flow_on_values() -> None:
    @vx.custom_jvp
    def f(x: Any) -> Any:
        return x * x if x > 0.0 else -x

    f.defjvp(lambda p, t: (f(*p), vx.where(p[0] > 0.0, 2.0 * p[0], -1.0) * t[0]))
    assert [vx.grad(f)(x).item() for x in (3.0, -3.0)] == [6.0, -1.0]
    assert [f(vx.asarray(x)).item() for x in (3.0, -3.0)] == [9.0, 3.0]


def test_keys_are_consumed_once() -> None:
    f: Any = vx.custom_jvp(lambda k, x: x * vx.random.normal(k))
    f.defjvp(lambda p, t: (f(*p), t[1]))

    def twice(x: Any) -> Any:
        key = vx.random.key(0)
        return f(key, x) + f(key, x)

    assert vx.grad(lambda x: f(vx.random.key(0), x))(1.0).item() == 1.0
    with pytest.raises(vx.KeyReuseError):
        vx.grad(twice)(1.0)


def test_the_text_of_a_program_is_read_back() -> None:
    def f(x: Any) -> Any:
        return vx.sum(product(sine(x), x))

    from_text = vx.jit(f).stage(X)
    assert parse(str(from_text)) == from_text
