"""Staging: captures, escapes, Python scalars, decisions on values, what is given back."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax.dsl.lang.cache import TOTAL

X = vx.asarray([1.0, 2.0, 3.0])
ONE, TWO, MINUS = vx.asarray(1.0), vx.asarray(2.0), vx.asarray(-2.0)


# captures and escapes ----------------------------------------------------------------------------


def test_captured_arrays_are_inputs_and_equal_ones_are_shared() -> None:
    c = vx.ones((3,))
    program = vx.jit(lambda x: x * c + c).stage(X)
    assert str(program) == (
        "(%0: float32[3], %1: float32[3]) {\n"
        "  %2: float32[3] = mul %0, %1\n"
        "  %3: float32[3] = add %2, %1\n"
        "  return %3\n}"
    )


def test_programs_that_differ_in_names_only_are_equal() -> None:
    a, b = (vx.jit(f).stage(X) for f in (lambda x: vx.sin(x) * x, lambda y: vx.sin(y) * y))
    assert a == b
    assert hash(a) == hash(b)


def test_the_outermost_staging_pauses_the_collection_of_cycles() -> None:
    def f(x: Any) -> Any:
        return vx.sin(x) * (2.0 if gc.isenabled() else 3.0)

    def failing(x: Any) -> Any:
        raise KeyError(gc.isenabled())

    p = vx.jit(lambda x: (vx.grad(f)(x), f(x))).stage(vx.spec((), vx.float32))
    assert "value=3.0" in str(p)
    assert "value=2.0" not in str(p)
    with pytest.raises(KeyError, match="False"):
        vx.jit(failing).stage(vx.spec((), vx.float32))
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        vx.jit(vx.sin).stage(vx.spec((), vx.float32))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_escaped_values_name_both_functions() -> None:
    kept = threading.local()

    def leaks(x: Any) -> Any:
        kept.value = x * 2.0
        return x

    def uses(x: Any) -> Any:
        return x + kept.value

    vx.jit(leaks)(X)
    name = "test_escaped_values_name_both_functions."
    assert message(vx.EscapedValueError, lambda: kept.value + 1) == (
        f"[verax-escape] float32[3], a value inside {name}leaks (test_stage.py:L), was used after"
        " jit had staged it\n"
        "  at test_stage.py:L: assert message(vx.EscapedValueError, lambda: kept.value + 1) == (\n"
        "  fix: return the value from the function and use what the call returns"
    )
    assert message(vx.EscapedValueError, lambda: vx.jit(uses)(X)) == (
        f"[verax-escape] float32[3], a value inside {name}leaks (test_stage.py:L), was used after"
        f" jit had staged it, in {name}uses (test_stage.py:L)\n"
        "  at test_stage.py:L: return x + kept.value\n"
        "  fix: return the value from the function and use what the call returns"
    )
    with pytest.raises(vx.EscapedValueError):
        vx.jit(lambda x: x)(kept.value)
    with pytest.raises(vx.EscapedValueError):
        kept.value.numpy()


def test_results_may_be_numbers_and_numpy_arrays() -> None:
    out = vx.jit(lambda x: (x, 1, 2.5, True, 1j, np.arange(2), None, {"a": x}))(ONE)
    dtypes = [y.dtype for y in vx.tree.leaves(out)]
    assert dtypes == [
        vx.float32, vx.int32, vx.float32, vx.bool_, vx.complex64, vx.int64, vx.float32,
    ]  # fmt: skip
    assert out[6] is None


def test_what_is_no_array_is_refused() -> None:
    def gives(x: Any) -> Any:
        return {"ok": x, "name": "text"}

    assert message(vx.StructureError, lambda: vx.jit(gives)(X)) == (
        "[verax-structure] the result['name'] is an object of class str, not an array\n"
        "  at test_stage.py:L: assert message(vx.StructureError, lambda: vx.jit(gives)(X)) == (\n"
        "  fix: return arrays, in tuples, lists, dicts and structs"
    )

    def takes(params: Any) -> Any:
        return params

    assert message(vx.StructureError, lambda: vx.jit(takes)({"a": [X, "text"]})) == (
        "[verax-structure] the argument params['a'][1] is an object of class str, not an array\n"
        "  at test_stage.py:L: assert message(vx.StructureError, lambda: vx.jit(takes)"
        '({"a": [X, "text"]})) == (\n'
        "  fix: pass arrays, in tuples, lists, dicts and structs; anything else is a static"
        " argument: jit(f, static_argnames=...)"
    )


# Python scalars ----------------------------------------------------------------------------------

SCALARS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x, s: x * s, 0.5),
    (lambda x, s: x * s, 2),
    (lambda x, s: x + (s * 2 + 1), 3),
    (lambda x, s: x * (s / 2), 3),
    (lambda x, s: x * -s, 1.5),
    (lambda x, s: x * (1 - s), True),
    (lambda x, s: vx.where(x > s, x, s), 0.5),
    (lambda x, s: vx.full((2,), s, dtype=x.dtype), 3),
    (lambda x, s: x * abs(s), -2.0),
    (lambda x, s: x**s, 2),
    (lambda x, s: vx.sin(x) * s, 1e-3),
    (lambda x, s: x * (s < 1.0), 0.5),
]


@pytest.mark.parametrize("k", range(len(SCALARS)))
@pytest.mark.parametrize(
    "dtype", [vx.float32, vx.float64, vx.bfloat16, vx.int8, vx.uint32], ids=str
)
def test_scalar_arguments_promote_as_python_scalars_do(k: int, dtype: Any) -> None:
    f, s = SCALARS[k]
    x = vx.asarray(np.array([1, 2]), dtype=dtype)
    try:
        wanted = f(x, s)
    except vx.DTypeError:
        return  # -s of an unsigned array: the plain function refuses the value, which jit can't see
    got = vx.jit(f)(x, s)
    assert got.dtype is wanted.dtype
    np.testing.assert_allclose(got.astype(vx.float64), wanted.astype(vx.float64), rtol=1e-6)


def test_scalars_alone_have_the_default_dtypes() -> None:
    def dtype(f: Callable[..., Any], *xs: Any) -> Any:
        return vx.jit(f)(*xs).dtype

    assert dtype(lambda s: s, 1) is vx.int32
    assert dtype(lambda s: s * 2, 1.0) is vx.float32
    assert dtype(lambda s, t: s * t, 2, 0.5) is vx.float32
    assert dtype(lambda s: s, True) is vx.bool_
    assert dtype(lambda s: s + 1, 1j) is vx.complex64
    assert dtype(vx.sin, 1) is vx.float32
    assert int(vx.jit(lambda s: s // 2 % 5)(27)) == 3
    assert vx.jit(lambda n: n * n)(3).item() == 9


def test_scalars_keep_their_precision_until_they_meet_an_array() -> None:
    x = vx.asarray(np.array([1.0]))
    assert vx.jit(lambda x, s: x * s)(x, 0.1).item() == 0.1
    assert vx.jit(lambda x, s: x * (s + 0.2))(x, 0.1).item() == 0.1 + 0.2


def test_new_scalars_do_not_stage_anew_but_new_kinds_do() -> None:
    f = vx.jit(lambda x, s: x * s)
    for s in (0.5, 0.25, -0.0, 0.0, float("nan")):
        f(X, s)
    assert f.cache_info().staged == 1
    assert np.signbit(f(X, -0.0).numpy()).all()
    assert not np.signbit(f(X, 0.0).numpy()).any()
    f(X, 1)
    f(X, True)
    assert f.cache_info().staged == 3


def test_integers_that_do_not_fit() -> None:
    assert message(vx.DTypeError, lambda: vx.jit(lambda n: n)(1 << 70)) == (
        "[verax-dtype] the Python int 1180591620717411303424 does not fit 64 bits\n"
        "  at test_stage.py:L: assert message(vx.DTypeError, lambda: vx.jit(lambda n: n)(1 << 70))"
        " == (\n"
        "  fix: pass it as a static argument: jit(f, static_argnums=...)"
    )


def test_numpy_arguments_keep_their_dtype() -> None:
    f = vx.jit(lambda x: x + x)
    for dtype in (np.float64, np.int8, np.uint16, np.complex128, np.bool_):
        assert f(np.ones(2, dtype)).numpy().dtype == dtype
    assert f(np.float64(1.0)).dtype is vx.float64


# decisions on values -----------------------------------------------------------------------------


def leaky(x: Any) -> Any:
    return x if x > 0 else x * 0.5


def squared_up(x: Any) -> Any:
    while x < 100.0:
        x = x * x
    return x


def test_python_decides_on_concrete_values_under_derivatives() -> None:
    assert [float(vx.grad(leaky)(x)) for x in (TWO, MINUS, TWO)] == [1.0, 0.5, 1.0]
    three = vx.asarray(3.0)
    assert float(vx.grad(squared_up)(three)) == 8 * 3.0**7
    assert float(vx.grad(vx.grad(squared_up))(three)) == 56 * 3.0**6
    assert float(vx.grad(lambda x: vx.grad(leaky)(x) * x)(MINUS)) == 0.5
    assert float(vx.jvp(leaky, (MINUS,), (TWO,))[1]) == 1.0
    assert float(vx.vjp(leaky, MINUS)[1](ONE)[0]) == 0.5
    assert vx.hessian(squared_up)(three).item() == 56 * 3.0**6

    def decides_outside(x: Any) -> Any:
        return vx.grad(lambda z: z * x if x > 0 else z * x * 2.0)(x)

    assert float(vx.grad(decides_outside)(MINUS)) == 2.0
    assert float(vx.grad(lambda x, n: sum((x for _ in range(n)), start=x))(ONE, 3)) == 4.0


def test_a_forced_program_is_not_kept() -> None:
    g = vx.grad(lambda x: leaky(x) * 1.0)
    before = TOTAL.forced
    assert [float(g(x)) for x in (TWO, MINUS)] == [1.0, 0.5]
    assert TOTAL.forced == before + 2


NAME = "test_python_cannot_decide_on_what_is_only_staged."


def test_python_cannot_decide_on_what_is_only_staged() -> None:
    def decides(x: Any) -> Any:
        if x > 0:
            return x
        return -x

    def loops(x: Any) -> Any:
        while x < 3.0:
            x = x + 1.0
        return x

    def chooses(x: Any) -> Any:
        return x if x > 1.0 else -x

    def counts(n: Any) -> Any:
        return [i for i in range(n)]  # noqa: C416

    def shaped(n: Any) -> Any:
        return vx.zeros((n,))

    def looks(x: Any) -> Any:
        return x.numpy()

    def text(f: Callable[[Any], Any], x: Any = ONE) -> list[str]:
        return message(vx.ConcretizationError, lambda: vx.jit(f)(x)).split("\n")

    assert text(decides) == [
        f"[verax-concrete] bool() asks what bool[] is worth, but {NAME}decides (test_stage.py:L) is"
        " only being staged (jit): it has no value yet",
        "  at test_stage.py:L: if x > 0:",
        "  fix: vx.cond(x > 0, yes, no, x), with a function for each branch,"
        " or vx.where(x > 0, a, b) for arrays",
    ]
    assert text(loops)[1:] == [
        "  at test_stage.py:L: while x < 3.0:",
        "  fix: vx.while_loop(lambda s: x < 3.0, body, start), where s is what changes",
    ]
    assert text(chooses)[-1] == "  fix: vx.where(x > 1.0, x, -x)"
    assert text(counts, 3)[0] == (
        f"[verax-concrete] an index asks what a Python int is worth, but {NAME}counts"
        " (test_stage.py:L) is only being staged (jit): it has no value yet"
    )
    assert text(counts, 3)[-1] == "  fix: vx.fori_loop(0, n, lambda i, s: ..., start)"
    assert text(shaped, 3)[-1] == (
        f"  fix: jit({NAME}shaped, static_argnames=...) where the number is an argument;"
        " vx.dynamic_slice, vx.take or x[i] where it is computed"
    )
    assert text(looks)[-1] == f"  fix: return it from {NAME}looks and look at it outside"


OTHERS: dict[str, Callable[[], Any]] = {
    "vmap": lambda: vx.vmap(leaky)(X),
    "vmap of grad": lambda: vx.vmap(vx.grad(leaky))(X),
    "grad of vmap": lambda: vx.grad(lambda xs: vx.sum(vx.vmap(leaky)(xs)))(X),
    "jit of grad": lambda: vx.jit(vx.grad(leaky))(ONE),
    "grad of jit of grad": lambda: vx.jit(lambda x: vx.grad(vx.grad(leaky))(x) + x)(ONE),
    "scan": lambda: vx.scan(lambda c, x: (leaky(x), None), ONE, X),
    "cond": lambda: vx.cond(True, leaky, leaky, ONE),
}


@pytest.mark.parametrize("name", OTHERS)
def test_nor_in_any_other_staged_place(name: str) -> None:
    with pytest.raises(vx.ConcretizationError, match=r"vx\.where\(x > 0, x, x \* 0\.5"):
        OTHERS[name]()


def test_values_of_large_arrays_are_no_scalars() -> None:
    for convert in (bool, int, float, complex):
        with pytest.raises(vx.ShapeError, match=r"needs one element, got float32\[3\]"):
            convert(X)
    with pytest.raises(TypeError, match="only an integer scalar"):
        range(ONE)
    assert [10, 20][vx.asarray(1)] == 20
