"""Effects in staged functions: what the runtime refuses is found, and nothing else."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import Any

import pytest

import verax as vx
from tests.typed.effect_programs import PRELUDE, RIGHT, WRONG
from tests.typed.programs import Table
from verax.dsl.lang.outside import asking
from verax.dsl.typing.takers import TAKERS

TABLE = Table(PRELUDE, WRONG, RIGHT)
found = cache(TABLE.found)


@pytest.mark.parametrize("name", TABLE.names)
def test_exactly_the_marked_lines_are_found(name: str) -> None:
    assert [line for line, _ in found()[name]] == TABLE.marked(name), found()[name]
    assert bool(TABLE.marked(name)) == name.startswith("wrong")


@pytest.mark.filterwarnings("ignore::verax.RestagedWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", TABLE.names)
def test_the_runtime_agrees(name: str) -> None:
    refused = False
    try:
        TABLE.loaded(name)["run"]()
    except vx.PurityError:
        refused = True
    assert refused == name.startswith("wrong")


def test_messages() -> None:
    once = "that would happen once, and not in every call"
    names = ("append", "nonlocal", "a staged entry of a dict")
    assert {n: found()[f"wrong: {n}"][0][1] for n in names} == {
        "append": f"the global history was appended to while f was being staged (jit): {once}",
        "nonlocal": f"n was bound anew while f was being staged (jit): {once}",
        "a staged entry of a dict": "the global table['x'] was changed while f was being staged"
        f" (jit): {once}",
    }


CALLS = {
    "shuffle": "[1, 2]", "sample": "[1, 2], 1", "choice": "[1, 2]",
    "choices": "[1, 2]", "seed": "0", "getrandbits": "3", "randbytes": "3", "randbelow": "3",
    "randbits": "3", "expovariate": "1.0", "randrange": "3", "paretovariate": "1.0", "open": "'/'",
    "uniform": "0, 1", "betavariate": "1, 1", "gammavariate": "1, 1", "gauss": "0, 1",
    "lognormvariate": "0, 1", "normalvariate": "0, 1", "vonmisesvariate": "0, 1",
    "weibullvariate": "1, 1", "randint": "0, 1", "urandom": "1", "ctime": "", "binomialvariate": "",
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in asking() if n != "builtins.input"])
def test_what_the_checker_knows_to_ask_the_runtime_refuses(name: str) -> None:
    world: dict[str, Any] = {}
    module, _, rest = name.partition(".")
    arguments = CALLS.get(rest.rpartition(".")[2], "") if rest != "random" else ""
    text = f"import {module}\ndef f(x):\n    {name}({arguments})\n    return x\n"
    exec(compile(text, "<asks>", "exec", dont_inherit=True), world)
    with pytest.raises(vx.PurityError):
        vx.jit(world["f"])(vx.ones((2,)))


def test_every_function_that_takes_functions_exists() -> None:
    for name, taker in TAKERS.items():
        module, _, function = name.rpartition(".")
        f = getattr(importlib.import_module(module), function)
        names = list(inspect.signature(f).parameters)
        assert {i: names[i] for i in taker.functions} == taker.functions, name
