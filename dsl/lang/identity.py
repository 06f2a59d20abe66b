"""What a function is: its code and all that it reads, so that equal functions are staged once.

Arrays that it reads count by type: they are inputs of the program. Lists, dicts and small NumPy
arrays count by content. What was read (see walk.py) is kept as a list of guards on the function, so
that a second look costs a few comparisons.

Law: two functions with one identity give the same program on arguments of the same types. What may
change unseen (an object of an installed class, a large NumPy array) has none: ``Unkeyed`` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from verax.dsl.lang.contents import MISSING, Same
from verax.dsl.lang.path import Path
from verax.dsl.lang.value import Value
from verax.dsl.lang.walk import Walk


class Content:
    """What a function is, as a key of dicts; hashed once, equal by content."""

    __slots__ = ("_hash", "parts")

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Content) and self._hash == other._hash and self.parts == other.parts
        )


class Identity(NamedTuple):
    """The key of a function, the arrays that it reads, and what to look at again.

    ``names`` holds places (mapping, name), what stood there and what messages call it, ``cells``
    closure cells, ``codes`` functions with their code and defaults, ``contents`` containers with
    their elements and paths. ``sources`` are iterators and the like, with what messages call them
    and the variable; a None among them says that a clock may be asked.
    """

    key: Content
    reads: tuple[Value, ...]
    cells: tuple[tuple[Any, Any, str], ...]
    names: tuple[tuple[Mapping[str, Any], str, Any, str], ...]
    codes: tuple[tuple[FunctionType, CodeType, Any], ...]
    contents: tuple[tuple[Same, Any, Any, Path], ...]
    sources: tuple[tuple[Any, str, str], ...]

    def holds(self) -> bool:
        """Whether everything that was read is still there."""
        for cell, v, _ in self.cells:
            if cell.cell_contents is not v:
                return False
        for mapping, name, v, _ in self.names:
            if mapping.get(name, MISSING) is not v:
                return False
        for f, code, defaults in self.codes:
            if f.__code__ is not code or f.__defaults__ is not defaults:
                return False
        return not self.contents or all(same(x, y) for same, x, y, _ in self.contents)


class Unkeyed(Exception):
    """The function reads something that may change unseen; ``reads`` is what it reads."""

    def __init__(self, reason: str, reads: Identity) -> None:
        super().__init__(reason)
        self.reads = reads


_REMEMBERED = "__verax_identity__"


def identity(f: Any, others: tuple[Any, ...] = ()) -> Identity:
    """What f is, together with the functions and classes ``others`` that its arguments bring.

    Raises:
        Unkeyed: it reads something that may change unseen.
    """
    if type(f) is not FunctionType:
        return _identify(f, others)
    kept: tuple[int, dict[Any, Identity]] | None = f.__dict__.get(_REMEMBERED)
    if kept is None or kept[0] != id(f):  # functools.wraps copies what stands there
        kept = f.__dict__[_REMEMBERED] = (id(f), {})
    found = kept[1].get(others)
    if found is None or not found.holds():
        found = kept[1][others] = _identify(f, others)
    return found


def _identify(f: Any, others: tuple[Any, ...]) -> Identity:
    walk = Walk()
    parts = [walk.value(f, None), *[walk.value(x, _ARGUMENT) for x in others]]
    found = _found(walk, Content((*parts, walk.finish())))
    if walk.reason is not None:
        raise Unkeyed(walk.reason, found)
    return found


_ARGUMENT: Path = (None, "", "an argument", None)


def _found(walk: Walk, key: Content) -> Identity:
    return Identity(
        key,
        tuple(walk.reads),
        tuple(walk.cells),
        tuple(walk.names),
        tuple(walk.codes),
        tuple(walk.contents),
        tuple(walk.sources.values()),
    )


def read_by(f: Any) -> Identity:
    """What f reads, whether it has an identity or not."""
    try:
        return identity(f)
    except Unkeyed as reason:
        return reason.reads


def why_unkeyed(f: Any) -> str | None:
    """What f reads that may change unseen; None where it has an identity."""
    try:
        identity(f)
    except Unkeyed as reason:
        return str(reason)
    return None
