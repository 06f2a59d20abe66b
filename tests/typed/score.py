"""What a checker found of the seeded bugs: hits, misses, and errors where nothing is wrong.

A bug is a line that ends in ``# bug: <kind>``. It is hit by an error on any line of the statement
that the comment stands in (of its head, where the statement has a body). That a checker does not
know a type (``Returning Any``) is no hit; where nothing is wrong it is a false error like others.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

UNKNOWN = frozenset({"no-any-return"})
MARK = re.compile(r"# bug: ([a-z]+)")
_MYPY = re.compile(r"^(?P<path>[^:\n]+\.py):(?P<line>\d+):(?:\d+:)? error: (?P<text>.*)$", re.M)
_PYRIGHT = re.compile(r"^ *(?P<path>/[^:\n]+\.py):(?P<line>\d+):\d+ - error: (?P<text>.*)$", re.M)
_CODE = re.compile(r"[\[(](?P<code>[\w-]+)[\])]\s*$")


class Bug(NamedTuple):
    """A marked statement: the lines from ``first`` to ``last``."""

    path: Path
    kind: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.path.name}:{self.first} ({self.kind})"


class Error(NamedTuple):
    """What a checker says of a line."""

    path: Path
    line: int
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}: {self.text}"


class Score(NamedTuple):
    """The bugs that were hit, with what was said, those that were missed, and false errors."""

    hit: dict[Bug, list[Error]]
    missed: list[Bug]
    false: list[Error]

    @property
    def share(self) -> float:
        """The part of the bugs that was hit."""
        return len(self.hit) / max(1, len(self.hit) + len(self.missed))

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Per kind how many were hit, and how many there are."""
        hit = Counter(bug.kind for bug in self.hit)
        every = hit + Counter(bug.kind for bug in self.missed)
        return {kind: (hit[kind], n) for kind, n in sorted(every.items())}


def bugs_in(path: Path) -> list[Bug]:
    """The seeded bugs of a file, in the order of their lines."""
    source = path.read_text()
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    found = []
    for at, line in enumerate(source.splitlines(), 1):
        mark = MARK.search(line)
        if mark:
            first, last = min(
                (span for node in statements if (span := _span(node))[0] <= at <= span[1]),
                key=lambda span: span[1] - span[0],
            )
            found.append(Bug(path, mark[1], first, last))
    return found


def _span(node: ast.stmt) -> tuple[int, int]:
    """The lines of a statement, without its body."""
    body = getattr(node, "body", None)
    end = body[0].lineno - 1 if body else node.end_lineno
    return node.lineno, max(node.lineno, end or node.lineno)


def errors_in(output: str) -> list[Error]:
    """The errors in what mypy or pyright printed."""
    found = [*_MYPY.finditer(output), *_PYRIGHT.finditer(output)]
    return [
        Error(Path(m["path"]).resolve(), int(m["line"]), _code(m["text"]), m["text"]) for m in found
    ]


def _code(text: str) -> str:
    m = _CODE.search(text)
    return m["code"] if m else ""


def score(paths: Iterable[Path], errors: Sequence[Error]) -> Score:
    """The errors held against the bugs of these files; errors elsewhere are not looked at."""
    files = [path.resolve() for path in paths]
    bugs = [bug for path in files for bug in bugs_in(path)]
    hit: dict[Bug, list[Error]] = {}
    false = []
    for error in errors:
        if error.path in files:
            at = [b for b in bugs if b.path == error.path and b.first <= error.line <= b.last]
            for bug in at if error.code not in UNKNOWN else ():
                hit.setdefault(bug, []).append(error)
            if not at:
                false.append(error)
    return Score(hit, [bug for bug in bugs if bug not in hit], false)
