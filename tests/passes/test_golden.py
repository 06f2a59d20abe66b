"""What the passes print for small programs. ``UPDATE_GOLDEN=1 pytest`` writes the files anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.passes import zoo
from tests.passes.pass_laws import active, vjp
from verax.compiler.ir.program import Program
from verax.compiler.passes.jvp import jvp
from verax.compiler.passes.linearize import linearize
from verax.compiler.passes.simplify import simplify
from verax.compiler.passes.transpose import transpose
from verax.compiler.passes.vectorize import vectorize

GOLDEN = Path(__file__).parent / "golden"
PROGRAMS = {
    "polynomial": zoo.polynomial,
    "tanh": zoo.tanh,
    "layer_norm": zoo.layer_norm,
    "mlp": zoo.mlp,
    "call": zoo.call,
    "cond": zoo.cond,
    "grow": zoo.grow,
    "rnn": zoo.rnn,
    "from_zero": zoo.from_zero,
    "key_choice": zoo.key_choice,
}


def sections(p: Program) -> Iterator[tuple[str, object]]:
    """Each pass and what it gives."""
    on = active(p.in_types)
    yield "program", p
    yield "jvp", jvp(p, on)[0]
    forward, linear, _ = linearize(p, on)
    yield "linearize: forward", forward
    yield "linearize: linear", linear
    residuals = len(forward.outs) - len(p.outs)
    mask = (False,) * residuals + (True,) * (linear.n_in - residuals)
    yield "transpose of linear", transpose(linear, mask)
    yield "vectorize", vectorize(p, (True,) * p.n_in, 5)[0]
    yield "simplify of the gradient", simplify(vjp(p))


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name: str) -> None:
    text = "\n".join(f"== {title}\n{q}\n" for title, q in sections(PROGRAMS[name]))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs; UPDATE_GOLDEN=1 writes it anew"
