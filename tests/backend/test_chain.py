"""Programs that run in steps: to the caller they are one executable."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax.compiler.backend import backend
from verax.compiler.backend.chain import Chain
from verax.compiler.backend.compile import executable
from verax.compiler.passes import segment

pytestmark = pytest.mark.optimized

LAYERS = 8
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut small programs too."""
    monkeypatch.setattr(segment, "LEAST_BLOCK", 3)
    monkeypatch.setattr(segment, "LEAST_SAVED", 10)
    monkeypatch.setattr(segment, "LEAST_WORK", 0.0)
    segment.segments.cache_clear()
    yield
    segment.segments.cache_clear()
    backend().forget()


def weights(layers: int = LAYERS) -> list[Any]:
    return [vx.asarray(RNG.standard_normal((4, 4)).astype("f") / 2) for _ in range(layers)]


def loss(ws: list[Any], x: Any) -> Any:
    for w in ws:
        x = x + vx.tanh(x @ w) * 0.5
    return vx.sum(x * x)


def step(ws: list[Any], x: Any) -> tuple[Any, list[Any]]:
    value, gs = vx.value_and_grad(loss)(ws, x)
    return value, [w - 0.1 * g for w, g in zip(ws, gs)]


def chain_of(f: Any, *args: Any, donate: tuple[int, ...] = ()) -> Chain:
    """What the program of a function of these arguments is compiled to."""
    p = vx.jit(f).stage(*args)
    chain = executable(p, p.in_types, None, donate).awake()
    assert isinstance(chain, Chain)
    return chain


X = vx.asarray(RNG.standard_normal((3, 4)).astype("f"))


def test_it_gives_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    ws = weights()
    chained = vx.jit(step)(ws, X)
    monkeypatch.setattr(segment, "LEAST_SAVED", 10**6)
    segment.segments.cache_clear()
    whole = vx.jit(partial(step))(ws, X)
    for a, b in zip(vx.tree.leaves(chained), vx.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_its_steps_share_parts() -> None:
    chain = chain_of(step, weights(), X)
    parts = {id(link.run) for link in chain.links}
    assert len(chain.links) > 2 * LAYERS
    assert len(parts) < LAYERS
    deeper = chain_of(step, weights(3 * LAYERS), X)
    new = {id(link.run) for link in deeper.links} - parts
    assert len(new) <= 3, "only what lies between the runs depends on the depth"


def test_donated_arguments_are_taken_by_their_last_step() -> None:
    ws = weights()
    f = vx.jit(step, donate_argnums=0)
    value, new = f(ws, X)
    again = vx.jit(step)(new, X)
    assert again[0] < value
    with pytest.raises(vx.DonationError, match="donated"):
        ws[0].numpy()
    assert X.numpy().shape == (3, 4)
    links = chain_of(step, new, X, donate=tuple(range(LAYERS))).links
    given = [x for link in links for x in link.step.operands if x in link.done and x < LAYERS]
    assert sorted(given) == list(range(LAYERS)), "each is let go of once"


def test_what_it_needs_is_what_lies_between_the_steps() -> None:
    run = vx.jit(step).compile(weights(), X)
    memory, cost = run.memory(), run.cost()
    row = 3 * 4 * 4
    assert memory.arguments == LAYERS * 64 + row
    assert memory.outputs == LAYERS * 64 + 4
    assert row * LAYERS <= memory.temporaries <= 6 * row * LAYERS + 4096
    products = 3 * 2 * 3 * 4 * 4 * LAYERS
    assert cost.flops >= products
    assert chain_of(step, weights(), X).get_hlo_text().count("HloModule") < LAYERS


def test_an_output_that_is_an_input_is_a_buffer_of_its_own() -> None:
    ws = weights()
    f = vx.jit(lambda ws, x: (loss(ws, x), x, x))
    _, a, b = f(ws, X)
    vx.jit(lambda v: v + 1, donate_argnums=0)(a)
    np.testing.assert_array_equal(b.numpy(), X.numpy())


def test_it_runs_again_after_it_was_put_to_sleep() -> None:
    ws, f = weights(), vx.jit(step)
    first = f(ws, X)[0]
    backend().forget()
    assert f(ws, X)[0] == first
