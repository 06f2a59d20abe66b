"""Single use of keys, as checkers see it: what the runtime refuses is found, and nothing else."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import verax as vx
from tests.typed.checking import checked
from tests.typed.key_programs import PRELUDE, RIGHT, WRONG
from tests.typed.programs import Table

TABLE = Table(PRELUDE, WRONG, RIGHT)
found = cache(TABLE.found)


@pytest.mark.parametrize("name", TABLE.names)
def test_exactly_the_marked_lines_are_found(name: str) -> None:
    assert [line for line, _ in found()[name]] == TABLE.marked(name), found()[name]
    assert bool(TABLE.marked(name)) == name.startswith("wrong")


@pytest.mark.parametrize("name", TABLE.names)
def test_the_runtime_agrees(name: str) -> None:
    refused = False
    for c in (True, False):
        try:
            TABLE.loaded(name)["f"](vx.random.key(0), c)
        except vx.KeyReuseError:
            refused = True
    assert refused == name.startswith("wrong")


MESSAGES = {
    "split after": 'key "k" is consumed by split, but normal consumed it before (line L)',
    "for": 'key "k" from outside is consumed by normal in a loop, which runs many times',
    "closure": 'key "k" is consumed by normal in noise, but normal in noise consumed it before'
    " (line L)",
    "dict": "key \"keys['params']\" is consumed by normal, but normal consumed it before (line L)",
    "whole after part": 'key "keys" is consumed by normal, but normal consumed a part of it before'
    " (line L)",
    "part after whole": 'key "keys[2]" is consumed by normal, but normal consumed the whole array'
    " that it is part of before (line L)",
    "the same fold": 'key "k" is consumed by fold_in with 1, but fold_in with 1 consumed it before'
    " (line L)",
    "function of the user": 'key "k" is consumed by draw, but draw consumed it before (line L)',
    "scan captures": 'key "k" from outside is consumed by normal in the body of scan, which runs'
    " many times",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    texts = [re.sub(r"line \d+", "line L", text) for _, text in found()[f"wrong: {name}"]]
    assert texts == [MESSAGES[name]]


def test_large_functions() -> None:
    """They are not analysed anew for every call, and what is wrong is found all the same."""
    filler = "".join(f"    y{i} = float(len(str({i} + abs({i}))))\n" for i in range(400))
    use = "    x = x + normal(k, ())\n"
    head = "def f(k: Key, c: bool, d: bool) -> Any:\n    x = 0.0\n"
    source = f"{PRELUDE}\n{head}{use}{filler}{use}{filler}    print(x)\n    return x\n"
    [(line, message)] = checked({"large": source})["large"]
    second = [i for i, text in enumerate(source.splitlines(), 1) if f"{text}\n" == use][1]
    assert line == second, message


class Writer:
    """Writes a random function of a key and two conditions."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names = ["k"]

    def function(self, name: str) -> str:
        self.lines = [f"def {name}(k: Key, c: bool, d: bool) -> Any:", "    x = 0.0"]
        self.block(1, 5)
        return "\n".join([*self.lines, "    return x", ""])

    def block(self, depth: int, most: int) -> None:
        for _ in range(self.random.randint(1, most)):
            self.statement(depth)

    def statement(self, depth: int) -> None:
        kinds = ["use", "use", "split", "alias", "fold", "made", "part", "choice"]
        if depth < 3:
            kinds += ["if", "for", "else", "list", "over"]
        kind, k = self.random.choice(kinds), self.random.choice(self.names)

        def put(text: str) -> None:
            self.lines.append("    " * depth + text)

        other = self.random.choice(["k", "a", "b"])
        if kind == "use":
            put(f"x = x + normal({k})")
        elif kind == "split":
            put(f"{other}, b = split({k})")
            self.names += [other, "b"] if depth == 1 else []
        elif kind == "alias":
            put(f"{other} = {k}")
            self.names += [other] if depth == 1 else []
        elif kind == "fold":
            put(f"x = x + normal(fold_in({k}, {self.random.randint(0, 1)}))")
        elif kind == "made":
            put(f"{other} = key(1)")
            self.names += [other] if depth == 1 else []
        elif kind == "part":
            put(f"keys = split({k}, 2)")
            for i in self.random.choices(["0", "1", "-1"], k=2):
                put(f"x = x + normal(keys[{i}])")
        elif kind == "choice":
            put(f"x = x + normal({k} if {self.random.choice('cd')} else {self.names[-1]})")
        elif kind == "list":
            put(f"x = x + sum([normal({k}) for _ in range({self.random.randint(1, 2)})])")
        elif kind == "over":
            put(f"for s in split({k}, 2):")
            put(f"    x = x + normal({self.random.choice(['s', k])})")
        else:
            condition = self.random.choice(["c", "d", "not c", "c and d"])
            head = f"for i in range({self.random.randint(1, 6)})" if kind == "for" else condition
            put(f"{head}:" if kind == "for" else f"if {head}:")
            self.block(depth + 1, 2)
            if kind == "else":
                put("else:")
                self.block(depth + 1, 2)


def test_random_programs_agree() -> None:
    """Whether any choice of conditions is refused at run time, the checker says for all of them."""
    texts = [Writer(seed).function(f"f{seed}") for seed in range(300)]
    source = PRELUDE + "\n".join(texts)
    world: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, "<random>", "exec", dont_inherit=True), world)
    bad = [line for line, _ in checked({"random_programs": source})["random_programs"]]
    start = PRELUDE.count("\n") + 1
    for seed, text in enumerate(texts):
        n = text.count("\n")
        said = any(start <= line < start + n for line in bad)
        start += n + 1
        assert said == refused(world[f"f{seed}"]), text


def refused(f: Callable[..., Any]) -> bool:
    """Whether the runtime refuses for some choice."""
    for c, d in itertools.product((True, False), repeat=2):
        try:
            f(vx.random.key(0), c, d)
        except vx.KeyReuseError:
            return True
    return False
