"""The lowering of control ops: XLA and the oracle agree, on programs and on derived programs.

All programs are compiled as one executable, since compiling is what takes time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.passes import pass_laws, zoo
from tests.passes.evaluator import Array, evaluate, random_inputs
from verax.compiler.backend import backend
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import KeyType
from verax.compiler.passes.vectorize import vectorize

pytestmark = pytest.mark.optimized

CONTROL = [
    "call", "cond", "choice", "newton", "grow", "rnn", "backwards", "no steps", "scan of cond",
    "while in scan", "scan in scan", "noisy", "over keys", "key choice", "key loop",
]  # fmt: skip


def programs() -> Iterator[tuple[str, Program, list[Array]]]:
    for name in CONTROL:
        p = zoo.SMOOTH[name]
        q = pass_laws.vjp(p)
        for kind, r in (
            ("", p),
            ("gradient of ", q),
            ("vmap of gradient of ", vectorize(q, (True,) * q.n_in, 2)[0]),
        ):
            yield kind + name, r, random_inputs(r.in_types, 4)
    for index in (-5, 0, 2, 9):
        xs = random_inputs(zoo.choice.in_types)
        yield f"choice {index}", zoo.choice, [np.asarray(index, np.int32), *xs[1:]]


def test_xla_gives_what_the_oracle_gives() -> None:
    cases = list(programs())
    b = Builder()
    outs: list[int] = []
    for _, p, _ in cases:
        outs += b.inline(p, [b.input(t) for t in p.in_types])
    merged = b.finish(outs)
    device = backend()
    inputs = [x for _, _, xs in cases for x in xs]
    buffers = [
        device.put(x, t.physical if isinstance(t, KeyType) else t)
        for x, t in zip(inputs, merged.in_types)
    ]
    results = iter(map(device.get, device.executable(merged, merged.in_types)(buffers)))
    for name, p, xs in cases:
        for want in evaluate(p, xs):
            got = next(results)
            np.testing.assert_allclose(got, want, 1e-9, 1e-9, err_msg=name)
