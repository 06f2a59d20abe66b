"""Which parameters of a function are meant: by position, by name, or by both."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from verax.compiler.ir.errors import StructureError
from verax.dsl.lang.scope import describe

Numbers = int | Sequence[int]
Names = str | Sequence[str]


class Chosen:
    """Some parameters of a function, by position and by name."""

    __slots__ = ("names", "numbers")

    def __init__(self, f: object, numbers: Numbers, names: Names, what: str) -> None:
        given = (numbers,) if isinstance(numbers, int) else tuple(numbers)
        named = (names,) if isinstance(names, str) else tuple(names)
        order = _parameters(f) if given or named else []
        unknown = [n for n in named if order and n not in order and "**" not in order]
        if unknown:
            raise StructureError(
                f"{what}: {describe(f)} has no parameter {', '.join(unknown)}",
                fix=f"its parameters are {', '.join(order)}",
            )
        if order and "*" not in order:
            for n in given:
                if not -len(order) <= n < len(order):
                    raise StructureError(
                        f"{what}: {describe(f)} has no argument {n}",
                        fix=f"its parameters are {', '.join(order)}, counted from 0",
                    )
            given = tuple([n % len(order) for n in given])
        self.numbers = frozenset([*given, *[order.index(n) for n in named if n in order]])
        self.names = frozenset([*named, *[order[i] for i in given if 0 <= i < len(order)]])

    def __bool__(self) -> bool:
        return bool(self.numbers or self.names)


def _parameters(f: object) -> list[str]:
    """The names of the parameters; ``*`` and ``**`` for what takes any."""
    try:
        found = inspect.signature(f).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    stars: dict[Any, str] = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    return [stars.get(p.kind, p.name) for p in found]
