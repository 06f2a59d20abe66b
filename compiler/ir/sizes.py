"""Sizes of dimensions: an int, or a polynomial over named dims in normal form.

Law: arithmetic on sizes returns an int whenever the value is one, so a shape rule never asks which
of the two it holds. Two polynomials are equal exactly when their normal forms are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, Union

from verax.compiler.ir.errors import ShapeError

Size: TypeAlias = Union[int, "Poly"]
Shape: TypeAlias = tuple[Size, ...]
Monomial: TypeAlias = tuple[str, ...]  # the dims that are multiplied, sorted


class Poly:
    """A polynomial: monomials with their coefficients, sorted; never a constant."""

    __slots__ = ("_hash", "terms")
    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Poly) and self.terms == other.terms)

    def __add__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return NotImplemented  # an array, which knows what to do
        total = dict(self.terms)
        for monomial, c in _terms(other):
            total[monomial] = total.get(monomial, 0) + c
        return _normal(total)

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return NotImplemented  # an array, which knows what to do
        total: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in _terms(other):
                monomial = tuple(sorted(m1 + m2))
                total[monomial] = total.get(monomial, 0) + c1 * c2
        return _normal(total)

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + other * -1

    def __rsub__(self, other: int) -> Size:
        return self * -1 + other

    def __floordiv__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return NotImplemented  # an array, which knows what to do
        quotient = divide(self, other)
        if quotient is None:
            raise ShapeError(f"the size {self} is not known to be divisible by {other}")
        return quotient

    __radd__ = __add__
    __rmul__ = __mul__

    def __str__(self) -> str:
        terms = sorted(self.terms, key=lambda term: (term[0] == (), term[0]))
        return "+".join(_monomial(m, c) for m, c in terms).replace("+-", "-")

    __repr__ = __str__


def _monomial(monomial: Monomial, c: int) -> str:
    if c == 1 and monomial:
        return "*".join(monomial)
    if c == -1 and monomial:
        return "-" + "*".join(monomial)
    return "*".join((str(c), *monomial))


def dim(name: str) -> Poly:
    """The size that is called ``name`` and not known yet."""
    return Poly((((name,), 1),))


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    return size.terms if isinstance(size, Poly) else (((), size),)


def _normal(total: dict[Monomial, int]) -> Size:
    terms = tuple(sorted((m, c) for m, c in total.items() if c))
    if not terms:
        return 0
    if len(terms) == 1 and terms[0][0] == ():
        return terms[0][1]
    return Poly(terms)


def divide(a: Size, b: Size) -> Size | None:
    """The exact quotient by an int or a monomial, or None where it is not known to exist."""
    if a == b:
        return 1
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b and a % b == 0 else None
    if len(_terms(b)) != 1:
        return None
    ((denominator, dc),) = _terms(b)
    out: dict[Monomial, int] = {}
    for monomial, c in _terms(a):
        rest = list(monomial)
        for name in denominator:
            if name not in rest:
                return None
            rest.remove(name)
        if not dc or c % dc:
            return None
        out[tuple(rest)] = c // dc
    return _normal(out)


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total
