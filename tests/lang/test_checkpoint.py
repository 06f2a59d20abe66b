"""checkpoint, names, memory budgets and plans, as users write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax.compiler.passes.pipeline import prepare

W = vx.asarray(np.random.default_rng(0).standard_normal((6, 4, 4)).astype(np.float32) * 0.4)
X = vx.asarray(np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32))
POLICIES = (
    None,
    "nothing_saveable",
    "everything_saveable",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    vx.save_only_these_names("inner"),
    vx.save_anything_except_these_names("inner"),
)


def block(w: Any, x: Any) -> Any:
    y = vx.checkpoint_name(vx.exp(-vx.tanh(x @ w)), "inner")
    return vx.tanh(y @ w) + x


def loss(layer: Callable[..., Any], ws: Any, x: Any) -> Any:
    for i in range(2):
        x = layer(ws[i], x)
    return vx.sum(x * x)


def same(got: Any, want: Any, rtol: float = 2e-6) -> None:
    for a, b in zip(vx.tree.leaves(got), vx.tree.leaves(want), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol, rtol * max(1.0, float(np.abs(b).max())))


def products(f: Callable[..., Any], *args: Any) -> int:
    """How many products of matrices a jitted f computes."""
    staged = vx.jit(f).stage(*args)
    p = prepare(staged, staged.in_types, fences=False).program
    return sum(eq.op.name == "contract" and len(eq.op.ins) == 2 for eq in p.equations)  # type: ignore[attr-defined]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_derivatives_are_those_of_the_function(policy: Any) -> None:
    layer = vx.checkpoint(block, policy=policy)

    def plain(ws: Any, x: Any) -> Any:
        return loss(block, ws, x)

    def again(ws: Any, x: Any) -> Any:
        return loss(layer, ws, x)

    def everything(f: Any) -> Any:
        first = vx.value_and_grad(f, argnums=(0, 1))(W, X)
        second = vx.grad(lambda x: vx.sum(vx.grad(f, argnums=1)(W, x) ** 2))(X)
        tangent = vx.jvp(lambda x: f(W, x), (X,), (X,))
        mapped = vx.vmap(vx.grad(f, argnums=1), in_axes=(None, 0))(W, vx.stack([X, X * 2.0]))
        return first, second, tangent, mapped

    same(vx.jit(lambda: everything(again))(), vx.jit(lambda: everything(plain))(), 1e-5)


def test_recomputation_is_visible() -> None:
    def count(policy: Any, **options: Any) -> int:
        layer = vx.checkpoint(block, policy=policy, **options)
        return products(vx.value_and_grad(partial(loss, layer), argnums=0), W, X)

    plain = products(vx.value_and_grad(partial(loss, block), argnums=0), W, X)
    # the result is the loss too, so that both layers run forward, and once more
    assert [plain, *map(count, POLICIES)] == [11, 15, 15, 11, 11, 11, 15, 11]
    assert count(None, prevent_cse=False) == 11


def test_in_loops_branches_and_calls() -> None:
    def f(layer: Any, ws: Any, x: Any) -> Any:
        x = vx.scan(lambda x, w: (layer(w, x), None), x, ws)[0]
        x = vx.fori_loop(0, 3, lambda i, x: layer(ws[0], x), x)
        x = vx.cond(vx.sum(x) > 0.0, lambda x: layer(ws[1], x), lambda x: x * 2.0, x)
        return vx.sum(vx.jit(layer)(ws[2], x) ** 2)

    layer = vx.checkpoint(block)
    want = vx.grad(lambda ws: f(block, ws, X))(W)
    same(vx.grad(lambda ws: f(layer, ws, X))(W), want)
    same(vx.grad(vx.checkpoint(lambda ws: f(layer, ws, X)))(W), want)


def test_arguments_of_all_kinds() -> None:
    def f(tree: Any, n: int, scale: Any, *, flag: Any = None) -> Any:
        y = tree["x"] * scale
        for _ in range(n):
            y = vx.sin(y)
        return {"y": y, "flag": flag}

    g = vx.checkpoint(f, static_argnums=1)
    same(g({"x": X}, 2, 0.5, flag=X), f({"x": X}, 2, 0.5, flag=X))
    same(
        vx.grad(lambda x: vx.sum(g({"x": x}, 2, 0.5)["y"]))(X),
        vx.grad(lambda x: vx.sum(f({"x": x}, 2, 0.5)["y"]))(X),
    )
    looked = vx.checkpoint(lambda x: x * 2.0 if x > 0 else x)
    assert vx.grad(looked)(3.0).item() == 2.0
    key = vx.random.key(0)
    noisy = vx.checkpoint(lambda k, x: vx.sum(x * vx.random.normal(k, (3, 4))))
    assert vx.grad(noisy, argnums=1)(key, X).shape == (3, 4)
    assert noisy.__name__ == "<lambda>"


def test_what_checkpoint_refuses() -> None:
    text = message(vx.StructureError, lambda: vx.checkpoint(block, policy="dots"))
    lines = [line for line in text.split("\n") if not line.startswith("  at ")]
    assert lines == [
        "[verax-structure] checkpoint: 'dots' is no policy",
        "  fix: one of 'nothing_saveable', 'everything_saveable', 'dots_saveable',"
        " 'dots_with_no_batch_dims_saveable', vx.save_only_these_names(...) or"
        " vx.save_anything_except_these_names(...)",
    ]
    text = message(vx.StructureError, lambda: vx.checkpoint(block, static_argnums=3)(W[0], X))
    assert text.split("\n")[0] == (
        "[verax-structure] checkpoint of block (test_checkpoint.py:L): static_argnums names"
        " argument 3, and the call has 2 positional arguments"
    )


# budgets -----------------------------------------------------------------------------------------

DEEP = vx.full((12, 128, 128), 0.05)
WIDE = vx.ones((512, 128))


def network(ws: Any, x: Any) -> Any:
    for i in range(12):
        x = vx.tanh(x @ ws[i])
    return vx.sum(x * x)


def looped(ws: Any, x: Any) -> Any:
    x, _ = vx.scan(lambda x, w: (vx.sin(vx.exp(-vx.sin(x @ w))), None), x, ws)
    return vx.sum(x * x)


def needs(f: Callable[..., Any], *args: Any) -> int:
    """Results and temporaries, as XLA lays them out."""
    m = vx.jit(f).compile(*args).memory()
    return m.temporaries + m.outputs


@pytest.mark.parametrize(("f", "share"), [(network, 0.85), (looped, 0.8)])
def test_a_budget_is_met_and_changes_no_value(f: Callable[..., Any], share: float) -> None:
    usual = vx.value_and_grad(f)
    most = needs(usual, DEEP, WIDE)
    planned = vx.value_and_grad(f, memory=int(share * most))
    assert needs(planned, DEEP, WIDE) <= share * most
    same(planned(DEEP, WIDE), usual(DEEP, WIDE), 1e-5)
    # one that asks for nothing leaves the function as it is
    assert needs(vx.value_and_grad(f, memory="1GB"), DEEP, WIDE) <= 1.05 * most


def test_checkpoint_needs_less_memory() -> None:
    def stacked(layer: Any) -> Any:
        return vx.grad(lambda ws, x: vx.sum(vx.scan(lambda x, w: (layer(w, x), None), x, ws)[0]))

    w, x = vx.full((16, 64, 64), 0.1), vx.ones((256, 64))
    plain, again = (needs(stacked(f), w, x) for f in (block, vx.checkpoint(block)))
    assert again < 0.6 * plain


def test_a_budget_that_cannot_be_met() -> None:
    def run() -> Any:
        return vx.grad(network, memory="100 kB")(DEEP, WIDE)

    text = message(vx.MemoryBudgetError, run)
    first, *rows, at, fix = text.split("\n")
    assert first.startswith("[verax-memory] grad of network needs ")
    assert first.endswith(", largest there:")
    assert "memory allows 100,000; the predicted peak is" in first
    assert rows[0].split(maxsplit=1)[1] == (
        "float32[512,128] x6  test_checkpoint.py:L: x = vx.tanh(x @ ws[i])"
    )
    assert at.startswith("  at test_checkpoint.py:L: ")
    assert fix.startswith("  fix: allow memory=")
    for wrong in ("2 Gigs", -1, "much", 2.5):
        with pytest.raises(vx.StructureError) as error:
            vx.grad(network, memory=wrong)  # type: ignore[arg-type]
        assert error.value.message == f"grad: memory={wrong!r} is no number of bytes"


def test_the_text_of_a_plan() -> None:
    def f(w: Any, x: Any) -> Any:
        y = vx.checkpoint(lambda w, x: vx.sin(x @ w))(w, x)
        return vx.sum(vx.sin(y @ w))

    plan = vx.memory_plan(vx.value_and_grad(f), vx.spec((64, 64)), vx.spec((32, 64)))
    first = "test_checkpoint.py:L: y = vx.checkpoint(lambda w, x: vx.sin(x @ w))(w, x)"
    second = "test_checkpoint.py:L: return vx.sum(vx.sin(y @ w))"
    text = re.sub(r"tests/lang/(\w+\.py):\d+", r"\1:L", str(plan))
    assert text.split("\n") == [
        "predicted peak 49,156 bytes, of which results 16,388; beside them arguments 24,576",
        "alive at the peak:",
        f"        16,384  float32[32,64] x2  {first}",
        f"        16,384  float32[64,64]  {second}",
        f"         8,192  float32[32,64]  {second}",
        f"             4  float32[]  {second}",
        "computed again:",
        f"         8,192  float32[32,64]  {first}",
    ]
