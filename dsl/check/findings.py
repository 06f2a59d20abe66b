"""What a check finds: errors with their places, functions that were not staged, files that failed.

All of it is plain data, which passes between processes and is written as JSON.
"""

from __future__ import annotations

import linecache
import os
import re
from collections.abc import Collection
from types import CodeType, TracebackType
from typing import NamedTuple

from verax.sharding.errors import VeraxError, is_library, source_line


class Place(NamedTuple):
    """A piece of source; lines count from 1, columns too. ``end_column`` is behind the last
    character, and 0 columns mean the whole line."""

    file: str
    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0


class Step(NamedTuple):
    """A call on the way to an error: its place, and the file and first line of the function."""

    place: Place
    function: tuple[str, int]


class Finding(NamedTuple):
    """An error.

    Attributes:
        code: ``verax-shape``...; ``verax-exception`` for what the user's code raised, and
            ``verax-timeout`` for what did not end.
        message: the cause in one line, then the lines that show it.
        place: where.
        function: the function that was staged.
        places: further places, as text.
        mesh: the mesh on which it shows, or nothing.
        trail: the calls that led there, from the function that was staged inwards.
    """

    code: str
    message: str
    place: Place
    function: str
    fix: str | None = None
    places: tuple[str, ...] = ()
    mesh: str | None = None
    trail: tuple[Step, ...] = ()

    def blamed(self, clean: Collection[tuple[str, int]]) -> Finding:
        """The same error, at the call of a function that is right by itself.

        Args:
            clean: the functions without errors, by file and first line.
        """
        at = len(self.trail) - 1
        while at > 0 and self.trail[at].function in clean:
            at -= 1
        if at < 0 or at == len(self.trail) - 1:
            return self
        inner = [source_line(s.place.file, s.place.line) for s in self.trail[at + 1 :]]
        return self._replace(place=self.trail[at].place, places=(*inner, *self.places))


class Comm(NamedTuple):
    """What one function communicates on one mesh, at sizes that were chosen."""

    function: str
    place: Place
    mesh: str
    sizes: tuple[tuple[str, int], ...]
    nbytes: int
    table: str


class Outcome(NamedTuple):
    """What came of one function.

    Attributes:
        staged: whether it was staged, at least in one way.
        findings: its errors.
        reason: why it was not staged.
        relevant: whether its annotations speak of arrays, keys or structs.
        first: the first line of the function, decorators included.
    """

    staged: bool
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    relevant: bool = True
    comm: tuple[Comm, ...] = ()
    first: int = 0


class Target(NamedTuple):
    """A function of a file: its name there and its place."""

    name: str
    place: Place


class Failure(NamedTuple):
    """A file, or a path, that could not be checked."""

    file: str
    message: str
    line: int = 0


def of_error(error: VeraxError, function: str, fallback: Place) -> Finding:
    """The finding of an error that staging raised."""
    trail = trail_of(error.__traceback__)
    place = trail[-1].place if trail else _named(error) or fallback
    here = f":{place.line}: "
    places = tuple([p for p in error.places if here not in p])
    return Finding(error.code, error.message, place, function, error.fix, places, trail=trail)


def of_exception(error: BaseException, function: str, fallback: Place) -> Finding:
    """The finding of an exception of the user's own, or of Python."""
    trail = trail_of(error.__traceback__)
    place = trail[-1].place if trail else fallback
    if isinstance(error, RecursionError):
        text = f"{function} calls itself without end (RecursionError)"
        fix = "end the recursion by something that is no array, or use vx.while_loop"
        return Finding("verax-exception", text, place, function, fix)
    said = str(error).strip().split("\n")[0]
    text = type(error).__name__ + (f": {said}" if said else "")
    text += f", raised while {function} was staged"
    return Finding("verax-exception", text, place, function, trail=trail)


def trail_of(tb: TracebackType | None) -> tuple[Step, ...]:
    """The calls of the user's functions in a traceback, outermost first."""
    steps = []
    while tb is not None:
        code = tb.tb_frame.f_code
        name = code.co_filename
        if not (is_library(name) or name.startswith("<") or "site-packages" in name):
            steps.append(Step(piece(code, tb.tb_lasti), (name, code.co_firstlineno)))
        tb = tb.tb_next
    return tuple(steps)


def place_in(tb: TracebackType | None) -> Place | None:
    """The innermost piece of the user's source in a traceback."""
    trail = trail_of(tb)
    return trail[-1].place if trail else None


def piece(code: CodeType, at: int) -> Place:
    """The source of an instruction."""
    positions = list(code.co_positions())
    line, end, column, end_column = positions[at // 2]
    if line is None:
        return Place(code.co_filename, code.co_firstlineno)
    if column is None or end is None or end_column is None:
        return Place(code.co_filename, line)
    text = linecache.getline(code.co_filename, line).encode()
    last = linecache.getline(code.co_filename, end).encode()
    first = len(text[:column].decode(errors="replace")) + 1
    after = len(last[:end_column].decode(errors="replace")) + 1
    return Place(code.co_filename, line, first, end, after)


def _named(error: VeraxError) -> Place | None:
    """The first place that the text of an error names, where no frame does."""
    for text in (*error.places, error.line or ""):
        found = re.match(r"(.+?\.py):(\d+)", text)
        if found is not None:
            return Place(os.path.abspath(found[1]), int(found[2]))
    return None
