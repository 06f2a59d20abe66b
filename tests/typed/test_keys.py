"""Single use of keys, as checkers see it: what the runtime refuses is found, and nothing else."""

from __future__ import annotations

import textwrap
from functools import cache
from typing import Any

import pytest

import verax as vx
from tests.typed.checking import checked
from tests.typed.key_programs import PRELUDE, RIGHT, WRONG

KINDS = {"wrong": WRONG, "right": RIGHT}
ALL = {
    **{f"wrong: {n}": t for n, t in WRONG.items()},
    **{f"right: {n}": t for n, t in RIGHT.items()},
}


def source(name: str) -> str:
    return PRELUDE + textwrap.dedent(ALL[name]).lstrip("\n")


@cache
def found() -> dict[str, list[tuple[int, str]]]:
    """What the checker says of every program, all checked at once."""
    got = checked({f"m{i}": source(name) for i, name in enumerate(ALL)})
    return {name: got[f"m{i}"] for i, name in enumerate(ALL)}


@pytest.mark.parametrize("name", ALL)
def test_exactly_the_marked_lines_are_found(name: str) -> None:
    lines = source(name).split("\n")
    marked = [i + 1 for i, line in enumerate(lines) if line.endswith("# E")]
    assert [line for line, _ in found()[name]] == marked, found()[name]
    assert bool(marked) == name.startswith("wrong")


@pytest.mark.parametrize("name", ALL)
def test_the_runtime_agrees(name: str) -> None:
    refused = False
    for c in (True, False):
        world: dict[str, Any] = {"__name__": "program"}
        exec(compile(source(name), f"<{name}>", "exec", dont_inherit=True), world)
        try:
            world["f"](vx.random.key(0), c)
        except vx.KeyReuseError:
            refused = True
    assert refused == name.startswith("wrong")
