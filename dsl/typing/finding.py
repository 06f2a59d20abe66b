"""What an analysis found: the node, the code, and the message with its fix."""

from __future__ import annotations

from typing import NamedTuple

from mypy.nodes import Context


class Finding(NamedTuple):
    """An error at a node.

    Attributes:
        node: the expression or statement that is wrong.
        code: the code of the VeraxError that the program would raise.
        message: one sentence, in the words of that error.
        fix: what to write instead, or nothing.
    """

    node: Context
    code: str
    message: str
    fix: str = ""

    @property
    def line(self) -> int:
        return self.node.line
