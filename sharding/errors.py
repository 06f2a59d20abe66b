"""The root of the error family: one clear message with the user's line and the fix.

It stands in the leftmost package because every layer raises from it. Each kind has a stable code;
the message is ``[code] what happened``, then the user's line, then ``fix:``.

Law: an error that leaves the library names a frame outside the library, if there is one.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable
from types import FrameType
from typing import ClassVar

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARY = tuple(
    os.path.join(_ROOT, folder) + os.sep for folder in ("sharding", "compiler", "dsl", "prng")
)


def is_library(filename: str) -> bool:
    """Whether a code object's file belongs to verax itself (tests and examples do not)."""
    return filename.startswith(_LIBRARY)


def source_line(filename: str, line: int) -> str:
    """``file.py:12: text of the line``, the form in which every message names a place."""
    text = linecache.getline(filename, line).strip()
    place = f"{os.path.relpath(filename) if _below(filename) else filename}:{line}"
    return f"{place}: {text}" if text else place


def _below(filename: str) -> bool:
    return os.path.isabs(filename) and filename.startswith(os.getcwd() + os.sep)


def user_line() -> str | None:
    """The line of the nearest frame outside the library, or None."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not is_library(name) and not name.startswith("<"):
            return source_line(name, frame.f_lineno)
        frame = frame.f_back
    return None


class VeraxError(Exception):
    """The base of all errors that verax raises on purpose.

    Args:
        message: one sentence or a few lines: what was expected and what came.
        fix: what the user can write instead, or None where the message says it.
        places: further source places that belong to the error, as ``source_line`` writes them.
        about: the word at the beginning of the message that names the function, if another name
            may take its place: that of the public function which the user called (see ``blame``).
    """

    __module__ = "verax"  # tracebacks name an error as users do, vx.ShapeError
    code: ClassVar[str] = "verax"

    def __init_subclass__(cls) -> None:
        cls.__module__ = "verax"

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        places: Iterable[str] = (),
        about: str | None = None,
    ) -> None:
        self.message = message
        self.fix = fix
        self.places = tuple(places)
        self.about = about
        self.line = user_line()
        super().__init__(message)

    def blame(self, name: str) -> None:
        """Name the function that the user called, once: what calls it is told no more."""
        if self.about is not None:
            self.message = name + self.message.removeprefix(self.about)
            self.about = None
            self.args = (self.message,)

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.message}"]
        if self.line is not None and self.line not in self.places:
            lines.append(f"  at {self.line}")
        lines += [f"  at {place}" for place in self.places]
        if self.fix is not None:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class ShardingError(VeraxError, ValueError):
    """A mesh or a spec that does not fit: unknown axis, indivisible dimension, axis used twice."""

    code = "verax-sharding"


class IndivisibleError(ShardingError):
    """A dimension does not divide into as many parts as the mesh cuts it into."""
