"""verax's side of the comparison; it runs in its own process."""

from __future__ import annotations

import time

_start = time.perf_counter()
import verax as vx

IMPORT_SECONDS = time.perf_counter() - _start

from typing import Any

import numpy as np

from tests.bench import models
from tests.bench.timing import best, wanted, write
from verax.compiler.backend.emit import module
from verax.compiler.passes import jvp, linearize, simplify, transpose, vectorize


class m:
    """The namespace that the models are written over."""

    tanh, sin, exp, log, sqrt = vx.tanh, vx.sin, vx.exp, vx.log, vx.sqrt
    sum, max, mean, einsum = vx.sum, vx.max, vx.mean, vx.einsum
    stop_gradient = vx.stop_gradient

    @staticmethod
    def take(table: Any, index: Any) -> Any:
        return vx.take(table, index, axis=0)


def put(values: Any) -> Any:
    return vx.tree.map(vx.asarray, values)


def forget() -> None:
    """Empty the memos of the passes, so that they work as at the first time."""
    for f in (
        jvp.jvp,
        linearize.split,
        linearize.linearize,
        transpose.transpose,
        vectorize.vectorize,
        simplify.simplify,
    ):
        f.cache_clear()


def staging(rows: dict[str, float], name: str, f: Any, args: Any) -> None:
    args = put(args)

    def stage() -> Any:
        return vx.jit(lambda *a: f(*a)).stage(*args)

    def stage_grad() -> Any:
        forget()
        return vx.jit(vx.grad(lambda *a: f(*a))).stage(*args)

    n = len(stage())
    rows[f"staging {name}, us per equation"] = best(stage) / n * 1e6
    p = stage_grad()
    rows[f"gradient staging {name}, us per equation"] = best(stage_grad) / len(p) * 1e6
    rows[f"gradient staging {name}, ms"] = best(stage_grad) * 1e3
    rows[f"lowering {name}, us per equation"] = best(lambda: module(p)) / len(p) * 1e6
    rows[f"lowering {name}, ms"] = best(lambda: module(p)) * 1e3


def wait(values: Any) -> None:
    for leaf in vx.tree.leaves(values):
        leaf.block_until_ready()


def step(rows: dict[str, float], layers: int, batch: int, length: int) -> None:
    params = models.transformer_params(layers, 128, 4, 256)
    args = put((params, *models.transformer_batch(batch, length, 256)))
    g = vx.jit(vx.value_and_grad(lambda *a: models.transformer(m, *a)))
    start = time.perf_counter()
    wait(g(*args))
    rows[f"{layers}-layer transformer: to the first step, s"] = time.perf_counter() - start
    rows[f"{layers}-layer transformer: step, ms"] = best(lambda: wait(g(*args)), 7, 3) * 1e3
    memory = g.compile(*args).memory()
    rows[f"{layers}-layer transformer: temporaries, MB"] = memory.temporaries / 1e6


def main() -> None:
    rows: dict[str, float] = {}
    if wanted("import"):
        rows["import, ms"] = IMPORT_SECONDS * 1e3
    vx.asarray(0.0)
    if wanted("staging"):
        staging(rows, "chain of 1000", lambda x: models.chain(m, x), (models.normal(8),))
        args = (models.transformer_params(4, 64, 4, 100), *models.transformer_batch(2, 16, 100))
        staging(rows, "4-layer transformer", lambda *a: models.transformer(m, *a), args)
    for layers, batch, length in ((4, 8, 64), (12, 4, 64)):
        if wanted(f"step{layers}"):
            step(rows, layers, batch, length)
    if wanted("dispatch"):
        for k in (1, 10, 100):
            xs = {f"k{i:03d}": vx.asarray(np.float32(i)) for i in range(k)}
            f = vx.jit(lambda d: {key: v + 1.0 for key, v in d.items()})
            f(xs)
            rows[f"dispatch, {k} leaves, us"] = best(lambda f=f, xs=xs: f(xs), 7, 500) * 1e6
        x = vx.asarray(models.normal(8))
        vx.sin(x)
        rows["eager op, us"] = best(lambda: vx.sin(x), 7, 2000) * 1e6
    if wanted("unjitted"):
        p, x = put(models.mlp_params()), vx.asarray(models.normal(4, 32))

        def call() -> None:
            wait(vx.grad(lambda p: models.mlp(m, p, x))(p))

        call()
        rows["un-jitted grad of an 8-layer MLP, us"] = best(call, 7, 100) * 1e6
    if wanted("random"):
        data = vx.random.key_data(vx.random.key(0))

        def sampler(sample: Any) -> Any:
            return vx.jit(lambda d: sample(vx.random.wrap_key_data(d), (10**7,)))

        for name, sample in (("uniform", vx.random.uniform), ("normal", vx.random.normal)):
            f = sampler(sample)
            wait(f(data))
            rows[f"{name} of 1e7, ms"] = best(lambda f=f: wait(f(data))) * 1e3
    write(rows)


if __name__ == "__main__":
    main()
