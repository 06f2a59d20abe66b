"""Names of dims against sizes: which size each name has, and where the first contradiction is.

Bare names and numbers are bound first, in the order of the arguments; then arithmetic, which either
checks a number or, where one name is open and occurs linearly, solves for it. What stays open is
not checked. Sizes may themselves be polynomials, while a caller is staged on symbolic types: the
names of the signature never mix with theirs.

Law: binding succeeds for the sizes that a choice of the names gives, and gives that choice back for
each name that stands alone somewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.sizes import Poly, Shape, Size, dim, divide, product
from verax.dsl.lang.patterns import (
    ArrayPattern,
    KeyPattern,
    Segment,
    Sized,
    names_in,
    segment_of,
)


class Where(NamedTuple):
    """What a name was bound to, and in which argument."""

    value: Size | Shape | DType
    path: str


class Clash(NamedTuple):
    """A size that disagrees: the first line of the message, and the dimensions at fault."""

    text: str
    dims: tuple[int, ...]
    wanted: Size | None = None


class Equation(NamedTuple):
    """Dimension ``at`` of the array ``path`` is declared so and is ``given``; where ``at`` is
    negative the size is a number of its own."""

    row: int
    path: str
    at: int
    declared: Size
    given: Size

    def __str__(self) -> str:
        return self.path if self.at < 0 else f"dimension {self.at} of {self.path}"


class Bindings:
    """What the names of one signature stand for in one call."""

    def __init__(self) -> None:
        self.sizes: dict[str, Where] = {}
        self.segments: dict[str, Where] = {}
        self.dtypes: dict[str, Where] = {}

    def copy(self) -> Bindings:
        """Bindings that may grow without these."""
        other = Bindings()
        other.sizes, other.segments = dict(self.sizes), dict(self.segments)
        other.dtypes = dict(self.dtypes)
        return other

    def size(self, declared: Size) -> Size | None:
        """What a declared size is worth, where all its names are bound."""
        found = _linear(declared, self._known())
        return found.constant if found is not None and found.name is None else None

    def _known(self) -> dict[str, Size]:
        return {n: w.value for n, w in self.sizes.items() if isinstance(w.value, int | Poly)}

    def solve(self, equations: Sequence[Equation]) -> list[tuple[Equation, Clash]]:
        """Bind the names of sizes; every equation that contradicts the ones before it."""
        clashes = []
        rest: list[Equation] = []
        for e in equations:
            name = bare_name(e.declared)
            if name is not None:
                clash = self._bind(name, e)
            elif isinstance(e.declared, int):
                clash = None if e.declared == e.given else _literal(e)
            else:
                rest.append(e)
                continue
            if clash is not None:
                clashes.append((e, clash))
        progress = True
        while progress:
            progress = False
            for e in list(rest):
                found = _linear(e.declared, self._known())
                if found is None:
                    continue
                rest.remove(e)
                progress = True
                clash = self._solved(e, found)
                if clash is not None:
                    clashes.append((e, clash))
        return clashes

    def _bind(self, name: str, e: Equation) -> Clash | None:
        before = self.sizes.setdefault(name, Where(e.given, e.path))
        if before.value == e.given:
            return None
        assert isinstance(before.value, int | Poly)
        if before.value == dim(name):  # a caller is staged on symbolic types
            text = f"{e} is {e.given}, and is declared {name}"
        elif before.path == e.path:
            text = f"{name} is both {before.value} and {e.given} in {e.path}"
        else:
            text = f"{name} is {before.value} in {before.path} and {e.given} in {e.path}"
        return Clash(text, (e.at,), before.value)

    def _solved(self, e: Equation, found: _Linear) -> Clash | None:
        if found.name is None:
            if found.constant == e.given:
                return None
            if found.constant == e.declared:  # as in _bind
                text = f"{e} is {e.given}, and is declared {e.declared}"
                return Clash(text, (e.at,), found.constant)
            known = [
                f"{n} is {self.sizes[n].value} in {self.sizes[n].path}"
                for n in dict.fromkeys(names_in(e.declared))
            ]
            text = f"{e.declared} is {found.constant}, but {e} is {e.given}"
            return Clash(f"{text} ({', '.join(known)})", (e.at,), found.constant)
        left = e.given - found.constant
        value = divide(left, found.factor)
        if value is None and (isinstance(left, Poly) or isinstance(found.factor, Poly)):
            return None  # nobody knows
        if value is None or (isinstance(value, int) and value < 0):
            text = f"{e} is {e.given}, which is {e.declared} for no"
            return Clash(f"{text} {found.name}", (e.at,))
        self.sizes[found.name] = Where(value, e.path)
        return None

    def segment(self, name: str, sizes: Shape, path: str) -> Clash | None:
        """Bind a segment of dims."""
        before = self.segments.setdefault(name, Where(sizes, path))
        if before.value == sizes:
            return None
        assert isinstance(before.value, tuple)
        return Clash(
            f"*{name} is {_shape(before.value)} in {before.path} and {_shape(sizes)} in {path}", ()
        )

    def dtype(self, name: str, dtype: DType, path: str) -> str | None:
        """Bind the name of a dtype; the contradiction, if there is one."""
        before = self.dtypes.setdefault(name, Where(dtype, path))
        if before.value is dtype:
            return None
        return f"{name} is {before.value} in {before.path} and {dtype} in {path}"


def spread(
    p: ArrayPattern | KeyPattern, shape: Shape
) -> tuple[list[tuple[int, Sized]], Shape] | None:
    """Which dim stands on which dimension, and what the segment is; None for a wrong rank."""
    at = segment_of(p.dims)
    if at is None:
        if len(p.dims) != len(shape):
            return None
        return [(i, d) for i, d in enumerate(p.dims) if isinstance(d, Sized)], ()
    after = len(p.dims) - at - 1
    if len(shape) < at + after:
        return None
    end = len(shape) - after
    head = [(i, d) for i, d in enumerate(p.dims[:at]) if isinstance(d, Sized)]
    tail = [(end + i, d) for i, d in enumerate(p.dims[at + 1 :]) if isinstance(d, Sized)]
    return head + tail, shape[at:end]


def segment_name(p: ArrayPattern | KeyPattern) -> str | None:
    """The name of the segment of a pattern."""
    at = segment_of(p.dims)
    segment = None if at is None else p.dims[at]
    return segment.name if isinstance(segment, Segment) else None


def bare_name(size: Size) -> str | None:
    """The name that a size consists of, if it is one."""
    if isinstance(size, Poly) and len(size.terms) == 1:
        ((monomial, c),) = size.terms
        if c == 1 and len(monomial) == 1:
            return monomial[0]
    return None


class _Linear(NamedTuple):
    """``factor * name + constant``; no name where all are known."""

    name: str | None
    factor: Size
    constant: Size


def _linear(declared: Size, known: Mapping[str, Size]) -> _Linear | None:
    """A declared size with what is known put in, or None where more than one name is open."""
    if isinstance(declared, int):
        return _Linear(None, 0, declared)
    name: str | None = None
    factor: Size = 0
    constant: Size = 0
    for monomial, c in declared.terms:
        unknown = [n for n in monomial if n not in known]
        value = product([c, *[known[n] for n in monomial if n in known]])
        if not unknown:
            constant = constant + value
        elif len(unknown) == 1 and name in (None, unknown[0]):
            name, factor = unknown[0], factor + value
        else:
            return None
    return _Linear(name, factor, constant)


def _literal(e: Equation) -> Clash:
    text = f"{e} is {e.given}, and is declared {e.declared}"
    return Clash(text, (e.at,), e.declared)


def _shape(sizes: Shape) -> str:
    return f"[{','.join(map(str, sizes))}]"
