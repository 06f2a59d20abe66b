"""Named axes: every function is its formula over the stacked examples, and so are derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

N = 4
RNG = np.random.default_rng(0)
X = vx.asarray(RNG.standard_normal((N, N, 3)))
RING = [(i, (i + 1) % N) for i in range(N)]
SOME = [(0, 2), (3, 1)]
F = Callable[[Any], Any]

C, S = X[0, 0], X[0]


def same(y: Any) -> Any:
    """What all examples get."""
    return vx.broadcast_to(y, (N, *y.shape))


def twice(f: F, x: Any) -> Any:
    return f(f(x))


def scanned(x: Any) -> Any:
    c, out = x[:, 0], []
    for i in range(N):
        out.append(c)
        c = vx.sin(c + vx.sum(x[:, i], axis=0))
    return vx.stack(out, 1)


CASES: dict[str, tuple[F, F]] = {
    "psum": (lambda x: vx.psum(x, "i"), lambda x: same(vx.sum(x, axis=0))),
    "psum of what is shared": (lambda x: x * vx.psum(2.0 * C, "i"), lambda x: x * C * (2.0 * N)),
    "psum of numbers": (lambda x: x * vx.psum(2, "i"), lambda x: x * (2.0 * N)),
    "pmean": (lambda x: x - vx.pmean(x, "i"), lambda x: x - vx.mean(x, axis=0, keepdims=True)),
    "pmax": (lambda x: vx.pmax(x, "i"), lambda x: same(vx.max(x, axis=0))),
    "pmin": (lambda x: vx.pmin(x, "i") * x, lambda x: vx.min(x, axis=0) * x),
    "pmax of what is shared": (lambda x: x * vx.pmax(C, "i"), lambda x: x * C),
    "axis_index": (
        lambda x: x * vx.axis_index("i"),
        lambda x: x * vx.arange(N).reshape(N, 1, 1),
    ),
    "axis_size": (lambda x: x * vx.axis_size("i"), lambda x: x * N),
    "all_gather": (lambda x: vx.all_gather(x, "i") * x[0], lambda x: x[None] * x[:, None, :1]),
    "all_gather along": (
        lambda x: vx.all_gather(x, "i", axis=-1),
        lambda x: same(vx.moveaxis(x, 0, -1)),
    ),
    "all_gather tiled": (
        lambda x: vx.all_gather(x, "i", axis=1, tiled=True),
        lambda x: same(vx.moveaxis(x, 0, 1).reshape(N, 3 * N)),
    ),
    "all_gather of what is shared": (
        lambda x: x[0] * vx.all_gather(C, "i"),
        lambda x: vx.broadcast_to((x[:, 0] * C)[:, None], (N, N, 3)),
    ),
    "psum_scatter": (lambda x: vx.psum_scatter(x, "i"), lambda x: vx.sum(x, axis=0)),
    "psum_scatter of what is shared": (
        lambda x: x[0] * vx.psum_scatter(S, "i"),
        lambda x: x[:, 0] * S * N,
    ),
    "psum_scatter tiled": (
        lambda x: vx.psum_scatter(x, "i", scatter_dimension=0, tiled=True),
        lambda x: vx.sum(x, axis=0).reshape(N, 1, 3),
    ),
    "ppermute": (lambda x: vx.ppermute(x, "i", RING), lambda x: vx.roll(x, 1, 0)),
    "ppermute of some": (
        lambda x: vx.ppermute(x, "i", SOME),
        lambda x: vx.stack([x[0] * 0.0, x[3], x[0], x[0] * 0.0]),
    ),
    "ppermute of what is shared": (
        lambda x: x * vx.ppermute(C, "i", SOME),
        lambda x: x * vx.stack([C * 0.0, C, C, C * 0.0]).reshape(N, 1, 3),
    ),
    "pshuffle": (
        lambda x: vx.pshuffle(x, "i", [2, 0, 3, 1]),
        lambda x: vx.stack([x[2], x[0], x[3], x[1]]),
    ),
    "all_to_all": (
        lambda x: vx.all_to_all(x, "i", 0, 1),
        lambda x: vx.permute_dims(x, (1, 2, 0)),
    ),
    "all_to_all tiled": (
        lambda x: vx.all_to_all(x, "i", 0, 1, tiled=True),
        lambda x: vx.permute_dims(x, (1, 0, 2)).reshape(N, 1, N * 3),
    ),
    "all_to_all of what is shared": (
        lambda x: x[0] * vx.all_to_all(S, "i", 0, 0),
        lambda x: x[:, 0, None] * vx.broadcast_to(S[:, None], (N, N, 3)),
    ),
    "a softmax": (lambda x: vx.exp(x) / vx.psum(vx.exp(x), "i"), lambda x: vx.softmax(x, 0)),
    "in a scan": (
        lambda x: vx.scan(lambda c, r: (vx.sin(c + vx.psum(r, "i")), c), x[0], x)[1],
        scanned,
    ),
    "in a while loop": (
        lambda x: vx.while_loop(
            lambda s: s[0] < 2, lambda s: (s[0] + 1, vx.psum(s[1] * 0.3, "i") + s[1]), (0, x),
            max_steps=3,
        )[1],
        lambda x: twice(lambda x: vx.sum(x * 0.3, axis=0) + x, x),
    ),
    "in a branch": (
        lambda x: vx.cond(C[0] > 0, lambda x: vx.psum(x, "i") * x, lambda x: x, x),
        lambda x: vx.sum(x, axis=0) * x,
    ),
    "in a branch that some take": (
        lambda x: vx.cond(vx.axis_index("i") > 1, lambda x: vx.psum(x, "i"), lambda x: x, x),
        lambda x: vx.where(vx.arange(N).reshape(N, 1, 1) > 1, vx.sum(x, axis=0), x),
    ),
    "in jit": (
        vx.jit(lambda x: vx.sin(vx.psum(x, "i")) * 2.0),
        lambda x: same(vx.sin(vx.sum(x, axis=0)) * 2.0),
    ),
    "in a gradient": (
        vx.grad(lambda y: vx.sum(vx.psum(y * y * y, "i"))),
        lambda x: x * x * (3.0 * N),
    ),
}  # fmt: skip


def pushed(f: F) -> F:
    """Values and tangents."""
    return lambda x: vx.jvp(f, (x,), (vx.sin(x * 3.0),))


def pulled(f: F) -> F:
    """The pullback, at a cotangent that differs from element to element."""

    def back(x: Any) -> Any:
        y, pull = vx.vjp(f, x)
        return pull(vx.cos(vx.arange(float(y.size)).reshape(y.shape) + y * 0.0))[0]

    return back


def over_others(f: F) -> F:
    """Under another vmap, with the examples along another axis."""
    return vx.vmap(lambda x: f(vx.moveaxis(x, 1, 0)), in_axes=0)


WAYS: dict[str, Callable[[F], F]] = {
    "forward": pushed,
    "forward over reverse": lambda f: pushed(pulled(f)),
    "under another vmap": lambda f: over_others(pushed(f)),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_is_its_formula(way: str) -> None:
    x = vx.moveaxis(vx.stack([X, X * 2.0]), 2, 1) if way == "under another vmap" else X
    do = WAYS[way]
    got = vx.jit(
        lambda x: {name: do(vx.vmap(f, axis_name="i"))(x) for name, (f, _) in CASES.items()}
    )(x)
    want = vx.jit(lambda x: {name: do(f)(x) for name, (_, f) in CASES.items()})(x)
    for name, k in ((name, k) for name in CASES for k in range(2)):
        np.testing.assert_allclose(
            got[name][k], want[name][k], rtol=1e-9, atol=1e-9, err_msg=f"{name} {k}"
        )


def test_examples_along_any_axis_and_in_trees() -> None:
    def f(t: Any, c: Any) -> Any:
        return {"s": vx.psum(t, "i"), "m": t["a"] - vx.pmean(t["a"], "i") + c}

    t = {"a": X[0], "b": vx.arange(3)}
    got = vx.vmap(
        f, in_axes=({"a": 1, "b": 0}, None), out_axes={"s": None, "m": -1}, axis_name="i"
    )(t, 1.0)
    np.testing.assert_allclose(got["s"]["a"], X[0].numpy().sum(1))
    assert got["s"]["b"].item() == 3
    x = X[0].numpy()
    np.testing.assert_allclose(got["m"], x - x.mean(1, keepdims=True) + 1.0)


def test_two_names_and_both_at_once() -> None:
    x = X[:, :2, 0].numpy()  # (4, 2)

    def both(f: F) -> Any:
        return vx.jit(vx.vmap(vx.vmap(f, axis_name="b"), axis_name="a"))(x)

    ab = ("a", "b")
    got = both(
        lambda x: {
            "a": vx.psum(x, "a"),
            "b": vx.pmax(x, "b"),
            "ab": vx.psum(x, ab),
            "n": vx.psum(1, ab),
            "ba": vx.axis_index(("b", "a")),
            "index": vx.axis_index(ab),
            "all": vx.all_gather(x, ab),
            "tiled": vx.all_gather(x[None], ("b", "a"), tiled=True),
            "scattered": vx.psum_scatter(vx.arange(8.0) + x, ab),
            "exchanged": vx.all_to_all(vx.arange(8.0) * x, ab, 0, 0),
            "sent": vx.ppermute(x, ab, [(0, 7), (7, 0), (2, 3)]),
            "mean": vx.pmean(x, ("b",)),
        }
    )
    index = np.arange(8).reshape(4, 2)
    flat = x.reshape(-1)
    want = {
        "a": np.broadcast_to(x.sum(0), (4, 2)),
        "b": np.broadcast_to(x.max(1, keepdims=True), (4, 2)),
        "ab": np.full((4, 2), x.sum()),
        "n": np.full((4, 2), 8),
        "ba": index.reshape(-1).reshape(2, 4).T,
        "index": index,
        "all": np.broadcast_to(flat, (4, 2, 8)),
        "tiled": np.broadcast_to(x.T.reshape(-1), (4, 2, 8)),
        "scattered": (np.arange(8) * 8 + x.sum()).reshape(4, 2),
        "exchanged": np.arange(8).reshape(4, 2, 1) * flat,
        "sent": np.where(index == 7, flat[0], np.where(index == 0, flat[7], 0))
        + (index == 3) * flat[2],
        "mean": np.broadcast_to(x.mean(1, keepdims=True), (4, 2)),
    }
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-6, err_msg=name)


def test_the_inner_one_of_two_equal_names_counts() -> None:
    f = vx.vmap(lambda r: vx.psum(r, "i") + vx.vmap(lambda e: vx.psum(e, "i"), axis_name="i")(r),
                axis_name="i")  # fmt: skip
    x = X[0].numpy()
    np.testing.assert_allclose(f(x), x.sum(0) + x.sum(1, keepdims=True))


def test_a_cached_call_knows_the_sizes_around_it() -> None:
    mean = vx.jit(lambda x: vx.psum(x, "i") / vx.psum(1, "i"))
    f = vx.vmap(mean, axis_name="i")
    for n in (2, 3, 2):
        assert f(vx.arange(float(n)))[0].item() == (n - 1) / 2
    g = vx.vmap(vx.grad(mean), axis_name="j")
    with pytest.raises(vx.StructureError, match="'i'"):
        g(vx.arange(3.0))
    assert vx.vmap(vx.grad(mean), axis_name="i")(vx.arange(3.0)).tolist() == [1.0] * 3


def test_a_loop_ends_when_all_agree() -> None:
    """Examples that are done wait; the number of steps may depend on all of them."""

    def f(x: Any) -> Any:
        return vx.while_loop(
            lambda s: vx.pmax(s[0], "i") < 20.0, lambda s: (s[0] * 2.0, s[1] + 1), (x, 0)
        )[1]

    assert vx.vmap(f, axis_name="i")(vx.asarray([1.0, 3.0, 9.0])).tolist() == [2, 2, 2]
    alone = vx.vmap(
        lambda x: vx.while_loop(lambda s: s[0] < 20.0, lambda s: (s[0] * 2.0, s[1] + 1), (x, 0))[1],
        axis_name="i",
    )
    assert alone(vx.asarray([1.0, 3.0, 9.0])).tolist() == [5, 3, 2]


def error(kind: type[vx.VeraxError], f: Callable[[], Any]) -> list[str]:
    lines = message(kind, f).split("\n")
    return [line for line in lines if not line.startswith("  at ")]


def mapped(f: F) -> Any:
    return vx.vmap(f, axis_name="i")(X)


def test_names_that_are_not_in_scope() -> None:
    assert error(vx.UnboundAxisError, lambda: vx.psum(X, "i")) == [
        "[verax-axis] psum: no vmap around it names an axis 'i'; no name is in scope",
        "  fix: vmap(f, axis_name='i')",
    ]
    inner = vx.vmap(lambda x: vx.all_gather(x, ("i", "k")), axis_name="j")
    assert error(vx.UnboundAxisError, lambda: mapped(inner)) == [
        "[verax-axis] all_gather: no vmap around it names an axis 'k';"
        " in scope are 'j' (size 4), 'i' (size 4)",
        "  fix: vmap(f, axis_name='k')",
    ]
    assert error(vx.StructureError, lambda: mapped(lambda x: vx.pmax(x, ("i", "i")))) == [
        "[verax-structure] pmax: a name stands twice in ('i', 'i')",
        "  fix: name each axis once",
    ]
    axis: Any = 3
    assert error(vx.StructureError, lambda: vx.vmap(lambda x: x, axis_name=axis)(X)) == [
        "[verax-structure] vmap: axis_name is 3, not a string",
        "  fix: vmap(f, axis_name='i')",
    ]


def test_operands_that_do_not_fit() -> None:
    assert error(
        vx.ShapeError, lambda: mapped(lambda x: vx.psum_scatter(x, "i", scatter_dimension=1))
    ) == [
        "[verax-shape] psum_scatter: axis 1 of float64[4,3] must have size 4, the number of"
        " examples",
        "  fix: pad or cut that axis to 4, or a multiple of it with tiled=True",
    ]
    assert error(
        vx.ShapeError, lambda: mapped(lambda x: vx.all_to_all(x, "i", 1, 0, tiled=True))
    ) == [
        "[verax-shape] all_to_all: axis 1 of float64[4,3] must divide into 4, the number of"
        " examples",
        "  fix: pad or cut that axis to 4, or a multiple of it with tiled=True",
    ]
    assert error(vx.ShapeError, lambda: mapped(lambda x: vx.all_gather(x, "i", axis=3))) == [
        "[verax-shape] all_gather: axis is 3, and there are 3 axes",
        "  fix: axis is an int from 0 to 2",
    ]
    assert error(
        vx.ShapeError, lambda: mapped(lambda x: vx.ppermute(x, "i", [(0, 1), (2, 1)]))
    ) == [
        "[verax-shape] ppermute over 'i': example 1 receives twice",
        "  fix: give pairs (from, to) in which every example stands once on each side",
    ]
    assert error(vx.ShapeError, lambda: mapped(lambda x: vx.ppermute(x, "i", [(0, 4)]))) == [
        "[verax-shape] ppermute over 'i': there is no example 4 of 4",
        "  fix: the examples are 0 to 3",
    ]
    assert error(vx.ShapeError, lambda: mapped(lambda x: vx.pshuffle(x, "i", [0, 0, 1, 2]))) == [
        "[verax-shape] pshuffle: [0, 0, 1, 2] is no permutation of the 4 examples",
        "  fix: name each of 0 to 3 once; vx.ppermute takes any pairs (from, to)",
    ]
    keys = vx.random.split(vx.random.key(0), 3)
    assert error(
        vx.DTypeError, lambda: vx.vmap(lambda k: vx.psum(k, "i"), axis_name="i")(keys)
    ) == [
        "[verax-dtype] psum takes arrays, got key<threefry2x32>[]",
        "  fix: pass the words: vx.random.key_data(key)",
    ]
    way: Any = "map"
    assert error(
        vx.StructureError,
        lambda: mapped(
            lambda x: vx.cond(x[0, 0] > 0, lambda x: vx.psum(x, "i"), lambda x: x, x, batched=way)
        ),
    ) == [
        "[verax-structure] a cond with batched='map' runs its lanes one after the other, and a"
        " branch of it names the axis 'i', over which all lanes meet",
        "  fix: batched='select'",
    ]
