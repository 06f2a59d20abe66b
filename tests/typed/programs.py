"""Programs in which ``# E`` marks what is wrong, for the checker and for the runtime."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

from tests.typed.checking import checked


class Table(NamedTuple):
    """Programs after a common beginning; those that are wrong have marks."""

    prelude: str
    wrong: dict[str, str]
    right: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [f"wrong: {n}" for n in self.wrong] + [f"right: {n}" for n in self.right]

    def source(self, name: str) -> str:
        kind, _, rest = name.partition(": ")
        text = (self.wrong if kind == "wrong" else self.right)[rest]
        return self.prelude + textwrap.dedent(text).lstrip("\n")

    def marked(self, name: str) -> list[int]:
        """The lines that are wrong."""
        lines = self.source(name).split("\n")
        return [i + 1 for i, line in enumerate(lines) if line.endswith("# E")]

    def found(self) -> dict[str, list[tuple[int, str]]]:
        """What the checker says of every program, all checked at once."""
        got = checked({f"m{i}": self.source(name) for i, name in enumerate(self.names)})
        return {name: got[f"m{i}"] for i, name in enumerate(self.names)}

    def loaded(self, name: str) -> dict[str, Any]:
        """The program, run."""
        world: dict[str, Any] = {"__name__": "program"}
        code = compile(self.source(name), f"<{name}>", "exec", dont_inherit=True)
        exec(code, world)
        return world
