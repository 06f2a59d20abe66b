"""Sizes of dimensions: an int, or a polynomial over named dims in normal form.

A named dim stands for any int >= 0. What holds for all of them is decided; where it depends on
them, Python asks for a value that is not there: UnknownSizeError, which says nothing against the
call. Equality is exact: two polynomials are equal when their normal forms are, and none is an int.

Law: arithmetic on sizes returns an int whenever the value is one, so a shape rule never asks which
of the two it holds; what is decided of a polynomial holds of all its values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from operator import add, floordiv, mod, mul, sub, truediv
from typing import Any, ClassVar, TypeAlias, Union

from verax.compiler.ir.errors import UnknownSizeError

Size: TypeAlias = Union[int, "Poly"]
Shape: TypeAlias = tuple[Size, ...]
Monomial: TypeAlias = tuple[str, ...]  # the dims that are multiplied, sorted
_FIX = "make it part of the type (a Literal size), or use what takes any size, such as vx.scan"


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

    def __reduce__(self) -> tuple[Any, ...]:
        return Poly, (self.terms,)  # hashes of strings differ between processes

    def __add__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return self._number(add, other)
        total = dict(self.terms)
        for monomial, c in _terms(other):
            total[monomial] = total.get(monomial, 0) + c
        return _normal(total)

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return self._number(mul, other)
        total: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in _terms(other):
                monomial = tuple(sorted(m1 + m2))
                total[monomial] = total.get(monomial, 0) + c1 * c2
        return _normal(total)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return self._number(sub, other)
        return self + other * -1

    def __rsub__(self, other: int) -> Size:
        return self * -1 + other

    def __floordiv__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return self._number(floordiv, other)
        return self.__divmod__(other)[0]

    def __rfloordiv__(self, other: int) -> Size:
        if not isinstance(other, int):
            return self._number(floordiv, other, reflected=True)
        raise UnknownSizeError(f"{other} // {self} is not known: {self} is symbolic", fix=_FIX)

    def __mod__(self, other: Size) -> Size:
        if not isinstance(other, (int, Poly)):
            return self._number(mod, other)
        return self.__divmod__(other)[1]

    def __rmod__(self, other: int) -> Size:
        if not isinstance(other, int):
            return self._number(mod, other, reflected=True)
        raise UnknownSizeError(f"{other} % {self} is not known: {self} is symbolic", fix=_FIX)

    def __divmod__(self, other: Size) -> tuple[Size, Size]:
        terms = dict(self.terms)
        constant = terms.pop((), 0)
        if isinstance(other, int) and other and not any(c % other for c in terms.values()):
            quotient, rest = divmod(constant, other)
            return _normal({m: c // other for m, c in terms.items()}) + quotient, rest
        exact = divide(self, other)
        if exact is not None:
            return exact, 0
        raise UnknownSizeError(
            f"the size {self} is not known to be divisible by {other}",
            fix=f"declare the dimension as a multiple of {other}",
        )

    # numbers of the program -----------------------------------------------------------------------

    number: ClassVar[Callable[[Poly], Any] | None] = None
    """What a size is worth as a number that is staged; the language, which has such numbers, says.
    It is for arithmetic that leaves the sizes: ``n / 2`` and ``n ** -0.5`` are no sizes."""

    def __truediv__(self, other: object) -> Any:
        return self._number(truediv, other)

    def __rtruediv__(self, other: object) -> Any:
        return self._number(truediv, other, reflected=True)

    def __pow__(self, other: object) -> Any:
        if isinstance(other, int) and other >= 0:
            return product([self] * other)
        return self._number(pow, other)

    def __rpow__(self, other: object) -> Any:
        return self._number(pow, other, reflected=True)

    def _number(self, f: Callable[[Any, Any], Any], other: Any, *, reflected: bool = False) -> Any:
        """f of self and another number, in either order; arrays know what to do themselves."""
        if Poly.number is None or not isinstance(other, (int, float, complex, Poly)):
            return NotImplemented
        return f(other, Poly.number(self)) if reflected else f(Poly.number(self), other)

    # what Python asks -----------------------------------------------------------------------------

    def __lt__(self, other: Size | float) -> bool:
        return self._below("<", other, equal=False)

    def __le__(self, other: Size | float) -> bool:
        return self._below("<=", other, equal=True)

    def __gt__(self, other: Size | float) -> bool:
        below = self._below(">", other, equal=True)
        return below if below is NotImplemented else not below

    def __ge__(self, other: Size | float) -> bool:
        below = self._below(">=", other, equal=False)
        return below if below is NotImplemented else not below

    def _below(self, sign: str, other: Size | float, *, equal: bool) -> bool:
        """Whether self < other, or self <= other; ``sign`` is the comparison that was written."""
        if not isinstance(other, (int, float, Poly)):
            return NotImplemented
        low, high = _range(self - other if isinstance(other, Poly) else self)
        at = 0 if isinstance(other, Poly) else other
        if high < at or (equal and high == at):
            return True
        if low > at or (not equal and low == at):
            return False
        raise UnknownSizeError(
            f"whether {self} {sign} {other} is not known: {self} is symbolic", fix=_FIX
        )

    def __index__(self) -> int:
        raise UnknownSizeError(
            f"Python needs the size {self} as an int, and it is symbolic", fix=_FIX
        )

    __int__ = __index__

    def _bits(self, *other: object, **how: object) -> Any:
        """Bits are those of a value: ``n & 1``, ``n.bit_length()``."""
        return self.__index__()

    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = bit_length = _bits
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __array__ = __array_ufunc__ = _bits

    def __abs__(self) -> Size:
        return self if self >= 0 else -self

    def __round__(self, digits: int | None = None) -> Size:
        return self

    __trunc__ = __floor__ = __ceil__ = __round__

    def __float__(self) -> float:
        raise UnknownSizeError(
            f"Python needs the size {self} as a float, and it is symbolic",
            fix="compute with the size itself, which is staged: n ** 0.5, n / 2, vx.log(n)",
        )

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


def _range(size: Size) -> tuple[float, float]:
    """The least and the greatest value, where every dim is 0 or more."""
    terms = dict(_terms(size))
    constant = terms.pop((), 0)
    signs = [c > 0 for c in terms.values()]
    return (constant if all(signs) else -math.inf, math.inf if any(signs) else constant)


def at_most(a: Size, b: Size) -> bool | None:
    """Whether a <= b; None where it is not known."""
    room = b - a
    if isinstance(room, int):
        return room >= 0
    low, high = _range(room)
    return True if low >= 0 else False if high < 0 else None


def known_negative(size: Size) -> bool:
    """Whether a size is negative whatever its dims are."""
    return size < 0 if isinstance(size, int) else _range(size)[1] < 0


def divide(a: Size, b: Size) -> Size | None:
    """The exact quotient, or None where it is not known to exist."""
    if a == b:
        return 1
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b and a % b == 0 else None
    if b == 0:
        return None
    divisor = _terms(b)
    names = sorted({name for m, _ in (*_terms(a), *divisor) for name in m})

    def leads(term: tuple[Monomial, int]) -> tuple[int, ...]:
        return tuple([term[0].count(name) for name in names])

    head, dc = max(divisor, key=leads)
    quotient: Size = 0
    rest = a
    while rest != 0:  # long division: each step takes the leading term away
        monomial, c = max(_terms(rest), key=leads)
        left = list(monomial)
        for name in head:
            if name not in left:
                return None
            left.remove(name)
        if c % dc:
            return None
        part = _normal({tuple(left): c // dc})
        quotient, rest = quotient + part, rest - part * b
    return quotient


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def root(size: Size) -> Any:
    """The square root as a number: a float, or one that is staged."""
    return math.sqrt(size) if isinstance(size, int) else size**0.5
