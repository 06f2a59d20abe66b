"""Single use of keys, as checkers see it: what the runtime refuses is found, and nothing else."""

from __future__ import annotations

import re
from functools import cache

import pytest

import verax as vx
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
