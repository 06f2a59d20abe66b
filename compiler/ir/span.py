"""Where in the user's source an equation comes from.

A span is a code object and the index of its last instruction: taking one walks frames by file
prefix and formats nothing (0.13 us). It becomes a line and columns only when it is printed.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from types import CodeType
from typing import NamedTuple, TypeAlias

from verax.sharding.errors import is_library, source_line

Span: TypeAlias = tuple[CodeType, int]


class Location(NamedTuple):
    """A resolved span; lines count from 1, columns from 0."""

    file: str
    line: int
    column: int
    function: str

    def __str__(self) -> str:
        return source_line(self.file, self.line)


def user_span(depth: int = 2) -> Span | None:
    """The span of the nearest frame outside the library; ``depth`` frames are surely inside."""
    frame = sys._getframe(depth)
    while True:
        code = frame.f_code
        if not _inside(code.co_filename):
            return code, frame.f_lasti
        if frame.f_back is None:
            return None
        frame = frame.f_back


_KNOWN: dict[str, bool] = {}


def _inside(filename: str) -> bool:
    known = _KNOWN.get(filename)
    if known is None:
        known = _KNOWN[filename] = is_library(filename)
    return known


@lru_cache(1024)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def resolve(span: Span) -> Location:
    """The file, line and column that a span names."""
    code, at = span
    line, _, column, _ = _positions(code)[at // 2]
    return Location(code.co_filename, line or code.co_firstlineno, column or 0, code.co_qualname)


def places(*spans: Span | None) -> list[str]:
    """The lines of these spans as error messages show them, each once."""
    return list(dict.fromkeys(str(resolve(span)) for span in spans if span is not None))
