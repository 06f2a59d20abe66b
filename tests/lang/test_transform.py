"""grad, vjp, jvp, linearize, vmap, Jacobians: arguments, trees, aux, complex numbers, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

X = vx.asarray([1.0, 2.0, 3.0])
N = vx.asarray([1, 2, 3])
PARAMS = {"w": X, "b": vx.asarray(2.0)}


def loss(params: Any, x: Any, scale: Any = 1.0) -> Any:
    return vx.sum(params["w"] * x + params["b"]) * scale


def same(a: Any, b: Any) -> None:
    assert vx.tree.structure(a) is vx.tree.structure(b)
    for x, y in zip(vx.tree.leaves(a), vx.tree.leaves(b)):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-6)


# grad --------------------------------------------------------------------------------------------


def test_grad_of_trees_argnums_and_keywords() -> None:
    same(vx.grad(loss)(PARAMS, X), {"w": X, "b": 3.0})
    same(vx.grad(loss)(PARAMS, X, scale=2.0), {"w": X * 2.0, "b": 6.0})
    same(vx.grad(loss, argnums=1)(PARAMS, X), X)
    same(vx.grad(loss, argnums=-1)(PARAMS, X), X)
    same(vx.grad(loss, argnums=(1, 0))(PARAMS, X), (X, {"w": X, "b": 3.0}))
    same(vx.value_and_grad(loss, (0, 1))(PARAMS, X), (20.0, ({"w": X, "b": 3.0}, X)))
    assert vx.grad(lambda x, n: x * n)(2.0, 3).dtype is vx.float32


def test_grad_with_aux() -> None:
    def f(x: Any) -> Any:
        return vx.sum(x * x), {"twice": x * 2.0, "n": 3}

    same(vx.grad(f, has_aux=True)(X), (X * 2.0, {"twice": X * 2.0, "n": 3}))
    same(vx.value_and_grad(f, has_aux=True)(X), ((14.0, {"twice": X * 2.0, "n": 3}), X * 2.0))
    # aux can be differentiated from outside
    outer = vx.grad(lambda x: vx.sum(vx.grad(f, has_aux=True)(x)[1]["twice"]))
    same(outer(X), vx.full((3,), 2.0))


def test_grad_of_what_does_not_depend_is_zero() -> None:
    same(vx.grad(lambda x, y: vx.sum(y))(X, X), X * 0.0)
    same(vx.grad(lambda x: vx.sum(vx.floor(x)))(X), X * 0.0)
    same(vx.grad(lambda x: 3.0)(X), X * 0.0)


def test_grad_keeps_dtypes() -> None:
    for dtype in (vx.float64, vx.float32, vx.bfloat16, vx.float16):
        g = vx.grad(lambda x: vx.sum(x * x))(X.astype(dtype))
        assert g.dtype is dtype


def test_complex_gradients_follow_the_transpose_without_conjugation() -> None:
    z = vx.asarray(1.0 + 2.0j)
    same(vx.grad(lambda z: vx.real(z * vx.conj(z)))(z), 2.0 - 4.0j)
    same(vx.grad(vx.real)(z), 1.0 + 0.0j)
    same(vx.grad(vx.imag)(z), 0.0 - 1.0j)
    same(vx.grad(lambda z: z * z * z, holomorphic=True)(z), 3.0 * (1.0 + 2.0j) ** 2)
    same(vx.jacfwd(lambda z: z * z, holomorphic=True)(z), 2.0 + 4.0j)
    step = z - 0.1 * vx.conj(vx.grad(lambda z: vx.abs(z) ** 2)(z))
    assert abs(step.item()) < abs(z.item())


def test_complex_and_other_results_that_grad_refuses() -> None:
    def text(f: Callable[..., Any], *args: Any, **options: Any) -> str:
        g: Callable[..., Any] = vx.grad(f, **options)
        got = message(vx.DerivativeError, lambda: g(*args))
        return "\n".join(x for x in got.split("\n") if not x.startswith("  at "))

    def squares(z: Any) -> Any:
        return z * z

    name = "test_complex_and_other_results_that_grad_refuses.squares (test_transform.py:L)"
    assert text(squares, vx.asarray(1j)) == (
        f"[verax-derivative] grad needs a real result, and {name} gives complex64[]\n"
        "  fix: take a real loss (.real, abs), or holomorphic=True if the function is"
    )
    assert text(squares, 1.0, holomorphic=True) == (
        "[verax-derivative] grad with holomorphic=True, and z is float32[], not complex\n"
        "  fix: convert it, x.astype(vx.complex64), or leave holomorphic=True out"
    )
    assert text(squares, 3) == (
        "[verax-derivative] grad with respect to z, which is int32[]: only floating point has a"
        " derivative\n"
        "  fix: convert it, x.astype(vx.float32), or leave it out: argnums says with respect to"
        " which arguments"
    )
    assert text(lambda params, x: vx.sum(x), {"a": {"step": N}}, X).split("\n")[0] == (
        "[verax-derivative] grad with respect to params['a']['step'], which is int32[3]: only"
        " floating point has a derivative"
    )
    assert text(lambda x, y: vx.sum(x), X, N, argnums=(0, 1)).split(":")[0] == (
        "[verax-derivative] grad with respect to y, which is int32[3]"
    )


def test_arguments_that_are_not_there() -> None:
    got = message(vx.StructureError, lambda: vx.grad(loss, argnums=3)(PARAMS, X))
    assert got.split("\n")[0] == (
        "[verax-structure] grad of loss (test_transform.py:L): argnums names argument 3,"
        " and the call has 2 positional arguments"
    )
    got = message(vx.StructureError, lambda: vx.grad(loss, argnums="x"))  # type: ignore[arg-type]
    assert got.split("\n")[0] == (
        "[verax-structure] grad of loss (test_transform.py:L): argnums is 'x', not ints"
    )
    sum_of: Any = vx.sum
    got = message(vx.StructureError, lambda: vx.grad(sum_of, has_aux=True)(X))
    assert "has_aux=True needs (result, aux)" in got


# vjp, jvp, linearize -----------------------------------------------------------------------------


def pair(p: Any, n: Any) -> Any:
    return {"y": p["w"] * p["b"], "n": n + 1}


def test_vjp_of_trees_with_integers() -> None:
    y, back = vx.vjp(pair, PARAMS, N)
    same(y, {"y": X * 2.0, "n": N + 1})
    want = ({"w": vx.full((3,), 2.0), "b": 6.0}, None)
    same(back({"y": vx.ones((3,)), "n": None}), want)
    same(back({"y": vx.ones((3,)), "n": N}), want)
    same(back({"y": None, "n": None}), ({"w": X * 0.0, "b": 0.0}, None))


def test_vjp_with_aux_and_python_scalars() -> None:
    y, back, aux = vx.vjp(lambda x: (x * x, x + 1), 3.0, has_aux=True)
    same((y, aux, back(1.0)), (9.0, 4.0, (6.0,)))
    same(vx.vmap(back)(X), (X * 6.0,))


def test_pullbacks_leave_and_enter_jitted_functions() -> None:
    y, back = vx.jit(lambda x: vx.vjp(vx.sin, x))(X)
    want = vx.cos(X) * 2.0
    same(back(X * 0.0 + 2.0)[0], want)
    same(vx.jit(lambda b, ct: b(ct))(back, X * 0.0 + 2.0)[0], want)
    same(y, vx.sin(X))


def test_jvp_of_trees_with_integers() -> None:
    tangents = ({"w": vx.ones((3,)), "b": 1.0}, None)
    y, dy = vx.jvp(pair, (PARAMS, N), tangents)
    same(y, {"y": X * 2.0, "n": N + 1})
    same(dy, {"y": X + 2.0, "n": None})
    same(vx.jvp(pair, (PARAMS, N), ({"w": None, "b": 1.0}, None))[1], {"y": X, "n": None})
    same(vx.jvp(lambda x: (x * x, x), (3.0,), (2.0,), has_aux=True), (9.0, 12.0, 3.0))
    same(vx.jvp(vx.floor, (X,), (X,))[1], X * 0.0)


def test_linearize() -> None:
    y, push = vx.linearize(pair, PARAMS, N)
    same(push({"w": vx.ones((3,)), "b": 1.0}, None), {"y": X + 2.0, "n": None})
    same(push({"w": None, "b": 1.0}, None), {"y": X, "n": None})
    same(y["n"], N + 1)
    y, push, aux = vx.linearize(lambda x: (x * x, x), 3.0, has_aux=True)
    same((y, push(1.0), aux), (9.0, 6.0, 3.0))
    same(vx.vmap(push)(X), X * 6.0)


def test_tangents_that_do_not_fit() -> None:
    def text(make: Callable[[], Any]) -> str:
        with pytest.raises(vx.VeraxError) as error:
            make()
        return error.value.message

    assert text(lambda: vx.jvp(pair, (PARAMS, N), (X, N))) == (
        "jvp: the trees differ at [0]: a dict of 2, and a leaf\n"
        "    primals:  ({'b': *, 'w': *}, *)\n    tangents: (*, *)"
    )
    assert text(lambda: vx.jvp(vx.sin, (X,), (N,))) == (
        "jvp: tangents[0] is int32[3], and primals[0] is float32[3]; both have one type\n"
        "    primals[0]   float32[3]\n    tangents[0]    int32[3]"
    )
    _, back = vx.vjp(pair, PARAMS, N)
    assert text(lambda: back({"y": X})) == (
        "the pullback: the trees differ at the root: a dict of 2, and a dict of 1: only the first"
        " has ['n']\n"
        "    results:    {'n': *, 'y': *}\n    cotangents: {'y': *}"
    )
    assert text(lambda: back({"y": vx.ones((4,)), "n": None})) == (
        "the pullback: cotangents['y'] is float32[4], and results['y'] is float32[3];"
        " both have one type\n"
        "    results['y']     float32[3]\n"
        "    cotangents['y']  float32[4]\n"
        "                             ^"
    )


# vmap --------------------------------------------------------------------------------------------

A = vx.asarray(np.arange(24.0).reshape(2, 3, 4))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("out", [0, 1, 2, -1])
def test_vmap_axes(axis: int, out: int) -> None:
    f = vx.vmap(lambda x: x * 2.0, in_axes=axis, out_axes=out)
    same(f(A), np.moveaxis(A.numpy() * 2.0, axis, out))


def test_vmap_of_trees() -> None:
    tree = {"a": A, "b": (A, vx.ones((4,)))}
    f = vx.vmap(
        lambda t, s: {"sum": t["a"] + t["b"][0] + t["b"][1] * s, "same": t["b"][1]},
        in_axes=({"a": 0, "b": (0, None)}, None),
        out_axes={"sum": 1, "same": None},
    )
    got = f(tree, 2.0)
    same(got, {"sum": np.moveaxis(A.numpy() * 2 + 2.0, 0, 1), "same": vx.ones((4,))})


def test_vmap_of_keywords_scalars_and_axis_size() -> None:
    same(vx.vmap(lambda x, *, y: x + y)(X, y=X), X * 2.0)
    same(vx.vmap(lambda: vx.ones((2,)), axis_size=3)(), vx.ones((3, 2)))
    same(vx.vmap(lambda x, n: sum([x] * n), in_axes=(0, None))(X, 2), X * 2.0)
    half = X.astype(vx.bfloat16)
    assert vx.vmap(lambda x, s: x * s, in_axes=(0, None))(half, 0.5).dtype is vx.bfloat16
    assert vx.jit(vx.vmap(lambda x, s: x * s, in_axes=(0, None)))(half, 0.5).dtype is vx.bfloat16
    same(vx.vmap(lambda x: (x, 1.0))(X), (X, vx.ones((3,))))
    same(vx.vmap(vx.vmap(lambda x, y: x * y, (None, 0)), (0, None))(X, X), np.outer(X, X))


def test_vmap_that_does_not_fit() -> None:
    def text(make: Callable[[], Any]) -> str:
        with pytest.raises(vx.VeraxError) as error:
            make()
        return error.value.message.replace(__file__, "FILE").replace("tests/lang/", "")

    def f(x: Any, params: Any = None) -> Any:
        return x

    name = "vmap of test_vmap_that_does_not_fit.f (test_transform.py:"
    assert text(lambda: vx.vmap(f)(X, {"w": A})).split("\n")[1:] == [
        "    x            float32[3      ]",
        "    params['w']  float64[2, 3, 4]",
        "                         ^",
    ]
    assert text(lambda: vx.vmap(f, axis_size=4)(X, params=A)).split("\n")[1:] == [
        "    x          float32[3      ]",
        "    params     float64[2, 3, 4]",
        "    axis_size         [4      ]",
        "                       ^",
    ]
    got = text(lambda: vx.vmap(f, in_axes=(0, 0, 0))(X, X))
    assert got.startswith(name)
    assert got.endswith(": in_axes has 3 entries, and the call has 2 positional arguments")
    assert text(lambda: vx.vmap(f, in_axes=({"v": 0},))({"w": X})).endswith(
        ": in_axes: {'v': *} is not a prefix of {'w': *} at [0]"
    )
    assert text(lambda: vx.vmap(f, in_axes=0.5)(X)) == (
        "vmap: in_axes has 0.5 for x, not an int or None"
    )
    assert text(lambda: vx.vmap(f, out_axes=None)(X)).endswith(
        ": out_axes is None for the result, which differs from example to example: float32[3]"
    )
    assert text(lambda: vx.vmap(f, out_axes=1)(X)).endswith(
        ": out_axes puts the axis at 1 of the result, which has 1 axes with it"
    )


# Jacobians ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jacobian", [vx.jacfwd, vx.jacrev])
def test_jacobians_of_any_rank_and_of_trees(jacobian: Any) -> None:
    w = vx.asarray(np.arange(6.0).reshape(2, 3))

    def f(p: Any, s: Any) -> Any:
        return {"y": p["w"] @ p["x"] * s, "z": (vx.sum(p["x"]), vx.ones((2,)))}

    got = jacobian(f, argnums=(0, 1))({"w": w, "x": X.astype(vx.float64)}, 2.0)
    dy, (dz, dones) = got["y"], got["z"]
    want = np.zeros((2, 2, 3))
    want[0, 0], want[1, 1] = X.numpy() * 2.0, X.numpy() * 2.0
    same(dy, ({"w": want, "x": w.numpy() * 2.0}, (w @ X.astype(vx.float64)).numpy()))
    same(dz, ({"w": np.zeros((2, 3)), "x": np.ones(3)}, 0.0))
    same(dones, ({"w": np.zeros((2, 2, 3)), "x": np.zeros((2, 3))}, np.zeros(2)))
    same(jacobian(lambda x: (x * x, x), has_aux=True)(X), (np.diag(X.numpy() * 2.0), X))
    same(jacobian(vx.sin)(0.0), 1.0)


def test_hessian_of_trees() -> None:
    h = vx.hessian(lambda p: vx.sum(p["a"] ** 2 * p["b"]))({"a": X, "b": vx.asarray(2.0)})
    same(h["a"]["a"], np.eye(3) * 4.0)
    same(h["a"]["b"], X * 2.0)
    same(h["b"]["a"], X * 2.0)
    same(h["b"]["b"], 0.0)


def test_jacobians_that_do_not_exist() -> None:
    def text(make: Callable[[], Any]) -> str:
        return message(vx.DerivativeError, make).split("\n")[0].split(".py:L): ")[-1]

    assert text(lambda: vx.jacrev(lambda x: {"n": vx.argmax(x)})(X)) == (
        "the result['n'] is int32[], which has no derivative"
    )
    assert text(lambda: vx.jacfwd(lambda x: x * 1j)(X)) == "the result is complex64[3]"
    assert text(lambda: vx.jacfwd(vx.abs)(vx.asarray(1j))) == ("an argument is complex64[]")
